// Package media brings pictures in and out of the toolchain: decoding with
// the EXIF orientation applied, resizing and cropping, the colour layouts
// that models take and give, PNG output and contact sheets. Everything that
// touches a value is held to what Pillow computes, because that is what a
// model's author compared against. Model semantics (mean, scale, the shape of
// an input) belong to the callers.
package media

import (
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"math"
	"math/rand/v2"
	"os"
)

// Image is an 8-bit raster: rows from the top, pixels from the left, the
// samples of a pixel side by side without padding.
type Image struct {
	W, H     int
	Channels int     // 1: gray; 3: red, green, blue
	Pix      []uint8 // W × H × Channels samples
}

// New returns a black image. Channels is 1 or 3.
func New(w, h, channels int) *Image {
	return &Image{W: w, H: h, Channels: channels, Pix: make([]uint8, w*h*channels)}
}

// check reports an Image that was put together wrongly by its maker.
func (m *Image) check() error {
	if m.Channels != 1 && m.Channels != 3 {
		return fmt.Errorf("image has %d channels, want 1 or 3", m.Channels)
	}
	if m.W < 1 || m.H < 1 || m.W > math.MaxInt32 || m.H > math.MaxInt32 || len(m.Pix) != m.W*m.H*m.Channels {
		return fmt.Errorf("image of %d×%d pixels and %d channels has %d samples", m.W, m.H, m.Channels, len(m.Pix))
	}
	return nil
}

// Fill sets every pixel to a colour; a gray image takes its luma.
func (m *Image) Fill(rgb [3]uint8) {
	if m.Channels == 1 {
		v := luma(rgb[0], rgb[1], rgb[2])
		for i := range m.Pix {
			m.Pix[i] = v
		}
		return
	}
	for i := 0; i+2 < len(m.Pix); i += 3 {
		m.Pix[i], m.Pix[i+1], m.Pix[i+2] = rgb[0], rgb[1], rgb[2]
	}
}

// RGB returns m itself if it has three channels, else a copy with its gray
// value in each of three.
func (m *Image) RGB() *Image {
	if m.Channels == 3 {
		return m
	}
	d := New(m.W, m.H, 3)
	for i, v := range m.Pix {
		p := d.Pix[3*i : 3*i+3]
		p[0], p[1], p[2] = v, v, v
	}
	return d
}

// luma is Pillow's conversion to "L": the ITU-R BT.601 weights in 16-bit
// fixed point, rounded to nearest.
func luma(r, g, b uint8) uint8 {
	return uint8((uint32(r)*19595 + uint32(g)*38470 + uint32(b)*7471 + 0x8000) >> 16)
}

// Order says which colour planes a tensor has.
type Order uint8

// The orders that Core ML image features know.
const (
	RGB  Order = iota // three planes: red, green, blue
	BGR               // three planes: blue, green, red
	Gray              // one plane of luma
)

// Channels returns the number of planes.
func (o Order) Channels() int {
	if o == Gray {
		return 1
	}
	return 3
}

// String returns "RGB", "BGR" or "Gray".
func (o Order) String() string {
	switch o {
	case RGB:
		return "RGB"
	case BGR:
		return "BGR"
	case Gray:
		return "Gray"
	}
	return fmt.Sprintf("Order(%d)", uint8(o))
}

// ToPlanar writes m into dst as o.Channels() planes of H×W values 0..255. Gray
// is taken from colours by Pillow's integer luma; a gray image fills all three
// planes of a colour order.
func ToPlanar(m *Image, o Order, dst []float32) error {
	if err := m.check(); err != nil {
		return err
	}
	n := m.W * m.H
	if o > Gray || len(dst) != n*o.Channels() {
		return fmt.Errorf("%v planes of %d×%d pixels do not fit in %d values", o, m.W, m.H, len(dst))
	}
	switch {
	case m.Channels == 1:
		for i, v := range m.Pix {
			dst[i] = float32(v)
		}
		for c := 1; c < o.Channels(); c++ {
			copy(dst[c*n:], dst[:n])
		}
	case o == Gray:
		for i := range dst {
			p := m.Pix[3*i : 3*i+3]
			dst[i] = float32(luma(p[0], p[1], p[2]))
		}
	default:
		first, second, third := dst[:n], dst[n:2*n], dst[2*n:]
		if o == BGR {
			first, third = third, first
		}
		kernels.Planes(first, second, third, m.Pix)
	}
	return nil
}

// FromPlanar makes an image of o.Channels() planes of h×w values. A value
// becomes the nearest integer, a half the even one (as numpy.rint does), and
// is clipped to 0..255; NaN becomes 0.
func FromPlanar(src []float32, w, h int, o Order) (*Image, error) {
	c := o.Channels()
	if o > Gray || w < 1 || h < 1 || w > math.MaxInt32 || h > math.MaxInt32/w || len(src) != w*h*c {
		return nil, fmt.Errorf("%d values are not the %v planes of %d×%d pixels", len(src), o, w, h)
	}
	m := New(w, h, c)
	n := w * h
	for p := range c {
		at := p
		if o == BGR {
			at = 2 - p
		}
		for i, v := range src[p*n : (p+1)*n] {
			m.Pix[i*c+at] = quantize(v)
		}
	}
	return m, nil
}

func quantize(v float32) uint8 {
	switch {
	case v >= 255:
		return 255
	case v > 0:
		return uint8(math.RoundToEven(float64(v)))
	}
	return 0 // NaN compares false with everything
}

// EncodePNG writes m as a PNG stream.
func EncodePNG(w io.Writer, m *Image) error {
	if err := m.check(); err != nil {
		return err
	}
	return png.Encode(w, m.Std())
}

// WritePNG writes m to a PNG file. The file appears whole, in place of an
// older one, or not at all.
func WritePNG(path string, m *Image) error {
	// Unlike os.CreateTemp, this leaves the permissions to the umask.
	temp := fmt.Sprintf("%s.%08x.tmp", path, rand.Uint32())
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return fmt.Errorf("write picture: %w", err)
	}
	err = errors.Join(EncodePNG(f, m), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		err = errors.Join(err, os.Remove(temp))
		return fmt.Errorf("write picture %s: %w", path, err)
	}
	return nil
}

// Std returns m as an image of the standard library. A gray one shares its
// pixels with m.
func (m *Image) Std() image.Image {
	r := image.Rect(0, 0, m.W, m.H)
	if m.Channels == 1 {
		return &image.Gray{Pix: m.Pix, Stride: m.W, Rect: r}
	}
	d := image.NewRGBA(r)
	for i, j := 0, 0; j < len(d.Pix); i, j = i+3, j+4 {
		p, q := m.Pix[i:i+3], d.Pix[j:j+4]
		q[0], q[1], q[2], q[3] = p[0], p[1], p[2], 255
	}
	return d
}
