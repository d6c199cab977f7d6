package media

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/jpeg"
	"io"
)

// The standard library finds the sample planes of a JPEG file. Everything from
// there on is done here as libjpeg does it, because Pillow sees pictures
// through libjpeg: chroma planes of half width or height are interpolated
// ("fancy upsampling") where image.YCbCr repeats samples, and the integer
// colour conversion rounds differently. The inverse DCTs of the two also
// differ, by 1 in a few samples of a hundred; that remains.

// jpegColour is what a file's samples mean.
type jpegColour uint8

const (
	jpegYCbCr jpegColour = iota
	jpegRGB
	jpegCMYK // inverted, as Adobe writes it: 255 is no ink
	jpegYCCK // the same with its first three samples as YCbCr
)

// jpegHeader is what stands before the first scan.
type jpegHeader struct {
	w, h       int
	components int
	ids        [4]uint8
	sampling   [4]uint8 // 16 × horizontal + vertical factor
	jfif       bool
	transform  int   // of the Adobe segment, -1 without one
	adobe      []int // offsets of the transform bytes
	exif       []byte
}

// colour follows libjpeg's guess.
func (h *jpegHeader) colour() jpegColour {
	if h.components == 4 {
		if h.transform <= 0 {
			return jpegCMYK
		}
		return jpegYCCK
	}
	switch {
	case h.jfif:
		return jpegYCbCr
	case h.transform == 0, h.transform < 0 && string(h.ids[:3]) == "RGB":
		return jpegRGB
	}
	return jpegYCbCr
}

// scanJPEG reads the segments up to the first scan.
func scanJPEG(data []byte) (*jpegHeader, error) {
	h := &jpegHeader{transform: -1}
	for i := 2; ; {
		for i < len(data) && data[i] != 0xff { // bytes between segments are skipped
			i++
		}
		for i < len(data) && data[i] == 0xff { // fill bytes
			i++
		}
		if i >= len(data) {
			return nil, io.ErrUnexpectedEOF
		}
		marker := data[i]
		i++
		if marker == 0 || marker >= 0xd0 && marker <= 0xd8 { // no length follows
			continue
		}
		if marker == 0xd9 {
			return nil, fmt.Errorf("file ends without a picture")
		}
		if i+2 > len(data) {
			return nil, io.ErrUnexpectedEOF
		}
		n := int(binary.BigEndian.Uint16(data[i:]))
		if n < 2 {
			return nil, fmt.Errorf("byte %d: segment of length %d", i, n)
		}
		if n > len(data)-i {
			return nil, io.ErrUnexpectedEOF
		}
		body := data[i+2 : i+n]
		switch {
		case marker == 0xda: // start of scan
			if h.components == 0 {
				return nil, fmt.Errorf("byte %d: scan before the frame header", i)
			}
			return h, nil
		case marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc: // start of frame
			if len(body) < 6 || len(body) < 6+3*int(body[5]) || body[5] > 4 || body[5] == 0 {
				return nil, fmt.Errorf("byte %d: bad frame header", i)
			}
			h.h = int(binary.BigEndian.Uint16(body[1:]))
			h.w = int(binary.BigEndian.Uint16(body[3:]))
			h.components = int(body[5])
			for c := range h.components {
				h.ids[c], h.sampling[c] = body[6+3*c], body[7+3*c]
			}
		case marker == 0xe0 && len(body) >= 5 && string(body[:5]) == "JFIF\x00":
			h.jfif = true
		case marker == 0xe1 && h.exif == nil && len(body) >= 6 && string(body[:6]) == "Exif\x00\x00":
			h.exif = body[6:]
		case marker == 0xee && len(body) >= 12 && string(body[:5]) == "Adobe":
			h.transform = int(body[11])
			h.adobe = append(h.adobe, i+2+11)
		}
		i += n
	}
}

func jpegSize(data []byte) (w, h int, err error) {
	head, err := scanJPEG(data)
	if err != nil {
		return 0, 0, err
	}
	return head.w, head.h, nil
}

func jpegOrientation(data []byte) int {
	h, err := scanJPEG(data)
	if err != nil {
		return 1
	}
	return orientationTag(h.exif)
}

// Segments put in front of a file so that image/jpeg hands out its planes as
// they are: as "YCbCr" whatever they mean, or as inverted "CMYK".
const (
	jfifSegment  = "\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
	adobeSegment = "\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"
)

func decodeJPEG(data []byte) (*Image, error) {
	h, err := scanJPEG(data)
	if err != nil {
		return nil, err
	}
	extra := ""
	switch h.components {
	case 3:
		extra = jfifSegment
	case 4:
		extra = adobeSegment
		for _, at := range h.adobe {
			data[at] = 0
		}
	}
	src, err := jpeg.Decode(io.MultiReader(bytes.NewReader(data[:2]), bytes.NewReader([]byte(extra)), bytes.NewReader(data[2:])))
	if err != nil {
		return nil, err
	}
	if b := src.Bounds(); b.Dx() != h.w || b.Dy() != h.h {
		return nil, fmt.Errorf("picture of %d×%d pixels under a header of %d×%d", b.Dx(), b.Dy(), h.w, h.h)
	}
	switch s := src.(type) {
	case *image.Gray:
		return fromStd(s, false)
	case *image.YCbCr:
		return fromPlanes(s, h.colour()), nil
	case *image.CMYK:
		return fromCMYK(s, h), nil
	}
	return nil, fmt.Errorf("decoded to a %T", src)
}

// fromPlanes joins three planes into RGB.
func fromPlanes(s *image.YCbCr, colour jpegColour) *Image {
	w, h := s.Rect.Dx(), s.Rect.Dy()
	cb := newUpsampler(s.Cb, s.CStride, w, h, s.SubsampleRatio)
	cr := newUpsampler(s.Cr, s.CStride, w, h, s.SubsampleRatio)
	return eachRow(w, h, 3, func(y int, dst []uint8) {
		row, b, r := s.Y[y*s.YStride:][:w], cb.row(y), cr.row(y)
		if colour == jpegRGB {
			for x, v := range row {
				dst[3*x], dst[3*x+1], dst[3*x+2] = v, b[x], r[x]
			}
			return
		}
		kernels.YCC(dst, row, b, r)
	})
}

// fromCMYK turns ink into light, (1-C)(1-K) and so on, as Pillow does. s holds
// the complement of the file's samples, each at full size; where the second and
// third plane have half size in the file, its samples are repeated.
func fromCMYK(s *image.CMYK, head *jpegHeader) *Image {
	w, h := s.Rect.Dx(), s.Rect.Dy()
	plane := func(c, step int) (pix []uint8, stride int) {
		for y := 0; y < h; y += step {
			row := s.Pix[y*s.Stride:]
			for x := 0; x < w; x += step {
				pix = append(pix, 255-row[4*x+c])
			}
		}
		return pix, (w + step - 1) / step
	}
	ratio, step := image.YCbCrSubsampleRatio444, 1
	if head.sampling[0] != head.sampling[1] {
		ratio, step = image.YCbCrSubsampleRatio420, 2
	}
	first, _ := plane(0, 1)
	black, _ := plane(3, 1)
	pix, stride := plane(1, step)
	second := newUpsampler(pix, stride, w, h, ratio)
	pix, stride = plane(2, step)
	third := newUpsampler(pix, stride, w, h, ratio)
	ycck := head.colour() == jpegYCCK
	return eachRow(w, h, 3, func(y int, dst []uint8) {
		a, b, c := first[y*w:][:w], second.row(y), third.row(y)
		if ycck {
			// The file's CMY are the complement of this RGB, and Adobe's
			// inversion makes them light: complement.
			kernels.YCC(dst, a, b, c)
			for i, v := range dst {
				dst[i] = 255 - v
			}
		} else {
			for x, v := range a {
				dst[3*x], dst[3*x+1], dst[3*x+2] = v, b[x], c[x]
			}
		}
		for x, k := range black[y*w:][:w] {
			d := dst[3*x : 3*x+3]
			d[0], d[1], d[2] = shade(d[0], k), shade(d[1], k), shade(d[2], k)
		}
	})
}

// shade is nk - ink·nk/255, the product rounded, for the light v = 255 - ink
// and nk that black lets through.
func shade(v, nk uint8) uint8 {
	t := uint32(255-v)*uint32(nk) + 128
	return uint8(uint32(nk) - (t>>8+t)>>8)
}

// clip8 clips to 0..255.
func clip8(v int32) uint8 {
	if uint32(v) > 255 {
		return uint8(^v >> 31)
	}
	return uint8(v)
}

// upsampler gives the rows of a plane at full size.
type upsampler struct {
	pix          []uint8
	stride, w, h int // of the plane
	ratio        image.YCbCrSubsampleRatio
	out          []uint8 // one full row, with room for an odd last pixel
}

func newUpsampler(pix []uint8, stride, w, h int, ratio image.YCbCrSubsampleRatio) *upsampler {
	u := &upsampler{pix: pix, stride: stride, ratio: ratio, out: make([]uint8, w+4)}
	across, down := ratioSteps(ratio)
	u.w, u.h = (w+across-1)/across, (h+down-1)/down
	return u
}

func ratioSteps(r image.YCbCrSubsampleRatio) (across, down int) {
	switch r {
	case image.YCbCrSubsampleRatio422:
		return 2, 1
	case image.YCbCrSubsampleRatio420:
		return 2, 2
	case image.YCbCrSubsampleRatio440:
		return 1, 2
	case image.YCbCrSubsampleRatio411:
		return 4, 1
	case image.YCbCrSubsampleRatio410:
		return 4, 2
	}
	return 1, 1
}

// row returns full row y; it is valid until the next call. Where a step of two
// is interpolated, a sample counts three times and its nearer neighbour once;
// the roundings alternate so that they do not add up. Planes at most two
// samples wide are repeated instead, as are steps of four.
func (u *upsampler) row(y int) []uint8 {
	across, down := ratioSteps(u.ratio)
	near := u.pix[y/down*u.stride:][:u.w]
	if across == 1 && down == 1 {
		return near
	}
	if across == 4 || across == 2 && u.w <= 2 {
		for x := range u.out {
			u.out[x] = near[min(x/across, u.w-1)]
		}
		return u.out
	}
	// The biases, by 16ths, are those of sums that weigh 4 along a row, or 16.
	if down == 1 {
		kernels.Double(u.out, near, near, 4, 8)
		return u.out
	}
	other := y/2 - 1 + y%2*2 // the row above or below
	other = max(0, min(other, u.h-1))
	far := u.pix[other*u.stride:][:u.w]
	if across == 1 {
		bias := 1 + y%2
		for x, v := range near {
			u.out[x] = uint8((3*int(v) + int(far[x]) + bias) >> 2)
		}
		return u.out
	}
	kernels.Double(u.out, near, far, 8, 7)
	return u.out
}
