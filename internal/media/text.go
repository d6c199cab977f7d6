package media

import (
	"image"
	"image/color"
	"image/draw"
	"strings"
	"unicode/utf8"

	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/font/inconsolata"
	"golang.org/x/image/math/fixed"
)

// Text is set in Inconsolata, of which every character is as wide. The font
// has the Latin alphabets and the usual punctuation.
var (
	regular = inconsolata.Regular8x16
	bold    = inconsolata.Bold8x16
)

var charWidth = regular.Advance

func textWidth(text string) int { return charWidth * utf8.RuneCountInString(text) }

// shorten cuts text with an ellipsis so that it is at most limit pixels wide.
func shorten(text string, limit int) string {
	if textWidth(text) <= limit {
		return text
	}
	return string([]rune(text)[:max(0, limit/charWidth-1)]) + "…"
}

// drawText writes one line, its left end and base line at (x, y). A character
// that the font lacks becomes a question mark.
func drawText(dst draw.Image, face *basicfont.Face, text string, x, y int, ink color.Color) {
	text = strings.Map(func(r rune) rune {
		if _, ok := face.GlyphAdvance(r); !ok {
			return '?'
		}
		return r
	}, text)
	d := font.Drawer{Dst: dst, Src: image.NewUniform(ink), Face: face, Dot: fixed.P(x, y)}
	d.DrawString(text)
}

// wrapText breaks text into at most four lines of at most limit pixels, after
// spaces, underscores and dashes where it can; the last line keeps the rest.
func wrapText(text string, limit int) []string {
	const most = 4
	rest, fit := []rune(text), max(1, limit/charWidth)
	var lines []string
	for len(rest) > fit && len(lines) < most-1 {
		cut := fit
		for i := fit; i > 0; i-- {
			if strings.ContainsRune(" _-", rest[i-1]) {
				cut = i
				break
			}
		}
		lines = append(lines, strings.TrimSpace(string(rest[:cut])))
		rest = rest[cut:]
	}
	return append(lines, strings.TrimSpace(string(rest)))
}
