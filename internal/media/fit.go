package media

import (
	"fmt"
	"image"
	"math"
)

// Mode says how a picture of any shape comes to fill a model's input.
type Mode uint8

// The modes.
const (
	Squash    Mode = iota // resize both sides, the shape be what it may
	Crop                  // resize keeping the shape, then take the centre
	Letterbox             // resize keeping the shape to fit inside, fill the rest
)

var modeNames = [...]string{"squash", "crop", "fit"}

// String returns "squash", "crop" or "fit".
func (m Mode) String() string {
	if int(m) < len(modeNames) {
		return modeNames[m]
	}
	return fmt.Sprintf("Mode(%d)", uint8(m))
}

// ParseMode is the inverse of String.
func ParseMode(name string) (Mode, error) {
	for i, n := range modeNames {
		if n == name {
			return Mode(i), nil
		}
	}
	return 0, fmt.Errorf("no crop mode %q, want one of %q", name, modeNames)
}

// FitOptions are the choices of Fit. The zero value squashes with Lanczos.
type FitOptions struct {
	Mode   Mode
	Filter Filter
	// ShortSide is what Crop resizes the picture's shorter side to. 0 means
	// 256/224 of what the crop needs, rounded: for a square crop of N pixels
	// round(N·256/224), the habit of ImageNet models.
	ShortSide int
	// Background fills what Letterbox leaves free.
	Background [3]uint8
}

// Fit brings m to w×h pixels.
//
// Crop resizes the shorter side to ShortSide and the longer one in proportion,
// rounded down, and takes w×h pixels from round((size-w)/2) on, halves rounded
// to even, as torchvision does. Letterbox rounds the free side to nearest and
// centres, as Pillow's ImageOps.pad does. Either computes only the pixels that
// are kept.
func Fit(m *Image, w, h int, o FitOptions) (*Image, error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	if w < 1 || h < 1 || w > DefaultMaxPixels || h > DefaultMaxPixels {
		return nil, fmt.Errorf("fit picture into %d×%d pixels", w, h)
	}
	switch o.Mode {
	case Squash:
		return Resize(m, w, h, o.Filter)
	case Crop:
		return cropCentre(m, w, h, o)
	case Letterbox:
		return letterbox(m, w, h, o)
	}
	return nil, fmt.Errorf("no crop mode %v", o.Mode)
}

func cropCentre(m *Image, w, h int, o FitOptions) (*Image, error) {
	short, long := min(m.W, m.H), max(m.W, m.H)
	side := o.ShortSide
	if side == 0 {
		side = defaultShortSide(m, w, h)
	}
	if side < 0 || side > DefaultMaxPixels {
		return nil, fmt.Errorf("shorter side of %d pixels", side)
	}
	fullW, fullH := side, side*long/short
	if m.W > m.H {
		fullW, fullH = fullH, fullW
	}
	if fullW < w || fullH < h {
		return nil, fmt.Errorf("crop of %d×%d pixels does not fit in the picture resized to %d×%d: want a larger short side than %d",
			w, h, fullW, fullH, side)
	}
	at := image.Pt(int(math.RoundToEven(float64(fullW-w)/2)), int(math.RoundToEven(float64(fullH-h)/2)))
	return resize(m, fullW, fullH, image.Rectangle{at, at.Add(image.Pt(w, h))}, o.Filter)
}

// defaultShortSide scales the picture so that w×h covers 224/256 of the side
// that is tighter.
func defaultShortSide(m *Image, w, h int) int {
	short, long := min(m.W, m.H), max(m.W, m.H)
	need, over := w, m.W
	if w*m.H < h*m.W {
		need, over = h, m.H
	}
	// need·short/over·256/224, rounded to nearest.
	side := (2*need*short*8 + over*7) / (2 * over * 7)
	// Rounding must not undo the cover of a tiny crop.
	tight, loose := w, h // along the shorter and the longer side
	if m.W > m.H {
		tight, loose = h, w
	}
	return max(side, tight, (loose*short+long-1)/long)
}

func letterbox(m *Image, w, h int, o FitOptions) (*Image, error) {
	inW, inH := w, h
	if have, want := float64(m.W)/float64(m.H), float64(w)/float64(h); have > want {
		inH = max(1, int(math.RoundToEven(float64(m.H)/float64(m.W)*float64(w))))
	} else if have < want {
		inW = max(1, int(math.RoundToEven(float64(m.W)/float64(m.H)*float64(h))))
	}
	in, err := Resize(m, inW, inH, o.Filter)
	if err != nil || inW == w && inH == h {
		return in, err
	}
	if b := o.Background; in.Channels == 1 && (b[0] != b[1] || b[1] != b[2]) {
		in = in.RGB()
	}
	if w > DefaultMaxPixels/h {
		return nil, fmt.Errorf("fit picture into %d×%d pixels: over %d pixels", w, h, DefaultMaxPixels)
	}
	d := New(w, h, in.Channels)
	d.Fill(o.Background)
	left := int(math.RoundToEven(float64(w-inW) / 2))
	top := int(math.RoundToEven(float64(h-inH) / 2))
	d.paste(in, left, top)
	return d, nil
}

// paste copies src, of as many channels, to (left, top), where it fits.
func (m *Image) paste(src *Image, left, top int) {
	c := m.Channels
	for y := range src.H {
		copy(m.Pix[((top+y)*m.W+left)*c:], src.Pix[y*src.W*c:(y+1)*src.W*c])
	}
}
