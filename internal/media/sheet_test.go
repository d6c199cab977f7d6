package media

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/smelt-ml/smelt/fault"
)

// at returns the part of m of the given size at (left, top).
func (m *Image) at(left, top, w, h int) *Image {
	return eachRow(w, h, m.Channels, func(y int, dst []uint8) {
		copy(dst, m.Pix[((top+y)*m.W+left)*m.Channels:])
	})
}

// inked counts the pixels that are not paper.
func (m *Image) inked() int {
	n := 0
	for i := 0; i < len(m.Pix); i += 3 {
		if m.Pix[i] != 255 || m.Pix[i+1] != 255 || m.Pix[i+2] != 255 {
			n++
		}
	}
	return n
}

func TestSheet(t *testing.T) {
	photo := readPNG(t, "testdata/picture.png") // 41 × 29, smaller than a cell
	large, err := Resize(photo, 410, 290, Bilinear)
	if err != nil {
		t.Fatal(err)
	}
	shown, err := Resize(large, 200, 141, Lanczos)
	if err != nil {
		t.Fatal(err)
	}
	s := &Sheet{
		Title:    "Models",
		Columns:  []string{"photo", "8 bits", "4 bits"},
		Rows:     []string{"first", "second"},
		CellSize: 200,
		Cells: [][]Cell{
			{{Image: large, Captions: []string{"6.71 MB"}}, {Image: photo, Captions: []string{"1.7 MB", "PSNR 41.2 dB"}}},
			{{Image: photo}, {Captions: []string{"failed"}}, {Image: large}},
		},
	}
	m, err := s.Render()
	if err != nil {
		t.Fatal(err)
	}
	// Label 6 characters of 8 pixels, columns of 200, gaps of 18, margins of 28.
	left := func(c int) int { return 28 + 48 + 18 + c*218 }
	if want := left(3) - 18 + 28; m.W != want {
		t.Fatalf("width %d, want %d", m.W, want)
	}
	first := 28 + 38 + 38
	second := first + 141 + 2*19 + 4 + 18
	if want := second + 141 + 19 + 4 + 28; m.H != want {
		t.Fatalf("height %d, want %d", m.H, want)
	}
	wantEqual(t, m.at(left(0), first, 200, 141), shown)
	wantEqual(t, m.at(left(2), second, 200, 141), shown)
	wantEqual(t, m.at(left(1)+(200-41)/2, first+(141-29)/2, 41, 29), photo)
	wantEqual(t, m.at(left(0)+(200-41)/2, second+(141-29)/2, 41, 29), photo)
	for name, c := range map[string]struct {
		x, y, w, h int
		text       string
	}{
		"title":            {28, 28, m.W - 56, 20, "Models"},
		"header":           {left(1), 66, 200, 20, "8 bits"},
		"label":            {28, second, 48, 141, "second"},
		"caption":          {left(0), first + 142, 200, 23, "6.71 MB"},
		"second caption":   {left(1), first + 85 + 1 + 23, 200, 19, "PSNR 41.2 dB"},
		"caption of frame": {left(1), second + 142, 200, 23, "failed"},
	} {
		part := m.at(c.x, c.y, c.w, c.h)
		n := part.inked()
		if letters := len(strings.ReplaceAll(c.text, " ", "")); n < 10*letters || n > 80*letters {
			t.Errorf("%s: %d inked pixels for %d letters", name, n, letters)
		}
	}
	// Frames reach one pixel beyond their pictures.
	for name, c := range map[string][4]int{
		"empty cell":     {left(2) - 8, first, 216, 141 + 23 + 19},
		"gap of rows":    {0, second - 18, m.W, 17},
		"left margin":    {0, 0, 28, m.H},
		"right margin":   {m.W - 27, 0, 27, m.H},
		"bottom margin":  {0, m.H - 28, m.W, 28},
		"without labels": {28, first + 100, 40, 20},
	} {
		if n := m.at(c[0], c[1], c[2], c[3]).inked(); n != 0 {
			t.Errorf("%s: %d inked pixels", name, n)
		}
	}
	again, err := s.Render()
	if err != nil || !bytes.Equal(m.Pix, again.Pix) {
		t.Errorf("a second sheet differs (%v)", err)
	}
	s.Columns[1] = "9 bits"
	other, err := s.Render()
	if err != nil || bytes.Equal(m.Pix, other.Pix) {
		t.Errorf("another header makes the same sheet (%v)", err)
	}
}

func TestSheetErrors(t *testing.T) {
	cell := Cell{Image: New(4, 4, 1)}
	for _, c := range []struct {
		sheet Sheet
		text  string
	}{
		{Sheet{}, "no rows"},
		{Sheet{Cells: [][]Cell{{}}}, "no cells"},
		{Sheet{Cells: [][]Cell{{cell}}, Rows: []string{"a", "b"}}, "2 labels for 1 rows"},
		{Sheet{Cells: [][]Cell{{cell, cell}}, Columns: []string{"a"}}, "row 0: 2 cells under 1 headers"},
		{Sheet{Cells: [][]Cell{{cell}}, CellSize: 3}, "cells of 3 pixels"},
		{Sheet{Cells: [][]Cell{{cell, {Image: &Image{W: 9, H: 9, Channels: 3}}}}}, "row 0, column 1: image of 9×9"},
		{Sheet{Cells: [][]Cell{{{Captions: make([]string, 3)}}}}, "3 captions"},
		{Sheet{Cells: [][]Cell{{}}, Columns: make([]string, 1<<19)}, "too many"},
		{Sheet{Cells: make([][]Cell, 4000), Columns: make([]string, 40)}, "too many"},
	} {
		_, err := c.sheet.Render()
		if err == nil || !strings.Contains(err.Error(), c.text) || !strings.HasPrefix(err.Error(), "contact sheet: ") {
			t.Errorf("have %v, want %q", err, c.text)
		}
		if c.text == "too many" && fault.KindOf(err) != fault.Limit {
			t.Errorf("%v is of kind %v", err, fault.KindOf(err))
		}
	}
}

func TestTextFits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text, limit := rapid.String().Draw(t, "text"), rapid.IntRange(charWidth, 300).Draw(t, "limit")
		if short := shorten(text, limit); textWidth(short) > limit || !utf8.ValidString(short) && utf8.ValidString(text) {
			t.Fatalf("%q does not fit in %d", short, limit)
		}
		lines := wrapText(text, limit)
		if len(lines) > 4 {
			t.Fatalf("%d lines", len(lines))
		}
		for _, line := range lines[:len(lines)-1] {
			if textWidth(line) > limit {
				t.Fatalf("line %q does not fit in %d", line, limit)
			}
		}
	})
	for text, want := range map[string][]string{
		"short":                                  {"short"},
		"ILSVRC2012_val_00000293":                {"ILSVRC2012_val_", "00000293"},
		"no-place-to-breaks":                     {"no-place-to-breaks"},
		"nowhereatalltobreakit":                  {"nowhereatalltobreak", "it"},
		"one two three four five six seven eigh": {"one two three four", "five six seven eigh"},
	} {
		if have := wrapText(text, sheetLabel); !slices.Equal(have, want) {
			t.Errorf("%q: %q, want %q", text, have, want)
		}
	}
}

// TestMissingCharacter: what the font lacks shows as a question mark.
func TestMissingCharacter(t *testing.T) {
	draw := func(text string) []uint8 {
		s := Sheet{Cells: [][]Cell{{{Captions: []string{text}}}}}
		m, err := s.Render()
		if err != nil {
			t.Fatal(err)
		}
		return m.Pix
	}
	if !bytes.Equal(draw("写真\n"), draw("???")) {
		t.Error("characters beyond the font are not question marks")
	}
	if bytes.Equal(draw("é…×"), draw("???")) {
		t.Error("the font lacks é…×")
	}
}

func TestWritePNG(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out.png")
	only := func() {
		t.Helper()
		if files, err := os.ReadDir(dir); err != nil || len(files) != 1 || files[0].Name() != "out.png" {
			t.Fatalf("the folder holds %v (%v)", files, err)
		}
	}
	for level := range uint8(2) {
		m := New(3, 2, 3)
		m.Fill([3]uint8{level, 2, 3})
		if err := WritePNG(path, m); err != nil {
			t.Fatal(err)
		}
		only()
		wantEqual(t, open(t, path), m)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	bad := &Image{W: 3, H: 3, Channels: 3}
	if err := WritePNG(path, bad); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("a bad image: %v", err)
	}
	only()
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("a failure touched the file (%v)", err)
	}
	if err := WritePNG(dir, New(1, 1, 1)); err == nil {
		t.Error("a folder was replaced by a picture")
	}
	if err := WritePNG(filepath.Join(dir, "none", "x.png"), New(1, 1, 1)); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%cnone%c", filepath.Separator, filepath.Separator)) {
		t.Errorf("a missing folder: %v", err)
	}
	only()
}
