package media

import (
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"

	"github.com/smelt-ml/smelt/fault"
)

// decoderKind tells a feature that a decoder lacks from a damaged file.
func decoderKind(err error) fault.Kind {
	var j jpeg.UnsupportedError
	var t tiff.UnsupportedError
	if errors.As(err, &j) || errors.As(err, &t) || errors.Is(err, bmp.ErrUnsupported) {
		return fault.Unsupported
	}
	return fault.Corrupt
}

// fromStd takes the samples of a decoded picture as they stand in the file,
// without alpha. With clip16, 16-bit samples are gray values clipped at 255;
// otherwise their high byte counts.
func fromStd(src image.Image, clip16 bool) (*Image, error) {
	b := src.Bounds()
	w, h := b.Dx(), b.Dy()
	switch s := src.(type) {
	case *image.Gray:
		return eachRow(w, h, 1, func(y int, dst []uint8) { copy(dst, s.Pix[y*s.Stride:]) }), nil
	case *image.Gray16:
		return eachRow(w, h, 1, func(y int, dst []uint8) { clipRow16(dst, s.Pix[y*s.Stride:], 2) }), nil
	case *image.RGBA:
		return eachRow(w, h, 3, func(y int, dst []uint8) { straightRow(dst, s.Pix[y*s.Stride:], 1) }), nil
	case *image.RGBA64:
		return eachRow(w, h, 3, func(y int, dst []uint8) { straightRow(dst, s.Pix[y*s.Stride:], 2) }), nil
	case *image.NRGBA:
		return eachRow(w, h, 3, func(y int, dst []uint8) { pickRow(dst, s.Pix[y*s.Stride:], 1) }), nil
	case *image.NRGBA64:
		if clip16 {
			return eachRow(w, h, 1, func(y int, dst []uint8) { clipRow16(dst, s.Pix[y*s.Stride:], 8) }), nil
		}
		return eachRow(w, h, 3, func(y int, dst []uint8) { pickRow(dst, s.Pix[y*s.Stride:], 2) }), nil
	case *image.Paletted:
		return fromPaletted(s)
	}
	return nil, fmt.Errorf("decoded to a %T", src)
}

func eachRow(w, h, channels int, row func(y int, dst []uint8)) *Image {
	m := New(w, h, channels)
	n := w * channels
	for y := range h {
		row(y, m.Pix[y*n:(y+1)*n:(y+1)*n])
	}
	return m
}

// clipRow16 clips big-endian 16-bit values, one every step bytes.
func clipRow16(dst, src []uint8, step int) {
	for x := range dst {
		dst[x] = src[x*step+1]
		if src[x*step] != 0 {
			dst[x] = 255
		}
	}
}

// pickRow takes three of four samples, of each the first of size bytes.
func pickRow(dst, src []uint8, size int) {
	for i, j := 0, 0; i < len(dst); i, j = i+3, j+4*size {
		dst[i], dst[i+1], dst[i+2] = src[j], src[j+size], src[j+2*size]
	}
}

// straightRow is pickRow for colours that were multiplied by their alpha.
func straightRow(dst, src []uint8, size int) {
	for i, j := 0, 0; i < len(dst); i, j = i+3, j+4*size {
		a := int(src[j+3*size])
		for c := range 3 {
			v := int(src[j+c*size])
			switch {
			case a == 0:
				v = 0
			case a < 255:
				v = min(255*v/a, 255)
			}
			dst[i+c] = uint8(v)
		}
	}
}

func fromPaletted(s *image.Paletted) (*Image, error) {
	var colours [256][3]uint8 // an index beyond the palette is black
	for i, c := range s.Palette {
		if i >= len(colours) {
			break
		}
		switch c := c.(type) {
		case color.RGBA: // always opaque in a palette
			colours[i] = [3]uint8{c.R, c.G, c.B}
		case color.NRGBA:
			colours[i] = [3]uint8{c.R, c.G, c.B}
		default:
			r, g, b, _ := c.RGBA()
			colours[i] = [3]uint8{uint8(r >> 8), uint8(g >> 8), uint8(b >> 8)}
		}
	}
	return eachRow(s.Rect.Dx(), s.Rect.Dy(), 3, func(y int, dst []uint8) {
		for x, v := range s.Pix[y*s.Stride:][:s.Rect.Dx()] {
			c := &colours[v]
			dst[3*x], dst[3*x+1], dst[3*x+2] = c[0], c[1], c[2]
		}
	}), nil
}
