package media

import (
	"bytes"
	"image"

	"golang.org/x/image/webp"
)

// decodeWebP decodes a still picture. Lossy ones are YCbCr of video range with
// chroma at half size, which image.YCbCr would take for JPEG's full range.
func decodeWebP(data []byte) (*Image, error) {
	src, err := webp.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	switch s := src.(type) {
	case *image.YCbCr:
		return fromVideo(s), nil
	case *image.NYCbCrA:
		return fromVideo(&s.YCbCr), nil
	}
	return fromStd(src, false)
}

// fromVideo converts as libwebp does. Each chroma value of a pixel is
// interpolated from the four samples around it with weights 9, 3, 3, 1.
func fromVideo(s *image.YCbCr) *Image {
	w, h := s.Rect.Dx(), s.Rect.Dy()
	half := (w + 1) / 2
	u, v := make([]uint8, w+1), make([]uint8, w+1)
	return eachRow(w, h, 3, func(y int, dst []uint8) {
		near := y / 2
		far := max(0, min(near-1+y%2*2, (h+1)/2-1))
		widenVideo(u, s.Cb[near*s.CStride:][:half], s.Cb[far*s.CStride:][:half])
		widenVideo(v, s.Cr[near*s.CStride:][:half], s.Cr[far*s.CStride:][:half])
		for x, l := range s.Y[y*s.YStride:][:w] {
			luma, cb, cr := mulHi(l, 19077), u[x], v[x]
			d := dst[3*x : 3*x+3 : 3*x+3]
			d[0] = clip8((luma + mulHi(cr, 26149) - 14234) >> 6)
			d[1] = clip8((luma - mulHi(cb, 6419) - mulHi(cr, 13320) + 8708) >> 6)
			d[2] = clip8((luma + mulHi(cb, 33050) - 17685) >> 6)
		}
	})
}

func mulHi(v uint8, k int32) int32 { return int32(v) * k >> 8 }

// widenVideo doubles a row whose nearer neighbour row is far. The weights
// 9, 3, 3, 1 are built from two averages that are each rounded down, so the
// order of the steps matters.
func widenVideo(dst, near, far []uint8) {
	edge := func(n, f uint8) uint8 { return uint8((3*int32(n) + int32(f) + 2) >> 2) }
	dst[0] = edge(near[0], far[0])
	last := len(near) - 1
	for x := range last {
		n0, n1, f0, f1 := int32(near[x]), int32(near[x+1]), int32(far[x]), int32(far[x+1])
		sum := n0 + n1 + f0 + f1 + 8
		dst[2*x+1] = uint8((n0 + (sum+2*(n1+f0))>>3) >> 1)
		dst[2*x+2] = uint8((n1 + (sum+2*(n0+f1))>>3) >> 1)
	}
	dst[2*last+1] = edge(near[last], far[last])
}
