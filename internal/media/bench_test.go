package media

import (
	"os"
	"testing"
)

// sample is a photo-sized picture.
func sample(w, h int) *Image {
	m := New(w, h, 3)
	v := uint32(1)
	for i := range m.Pix {
		v = v*1664525 + 1013904223
		m.Pix[i] = uint8(v >> 24)
	}
	return m
}

func BenchmarkResize(b *testing.B) {
	m := sample(500, 375)
	for f := Lanczos; f <= Nearest; f++ {
		b.Run(f.String(), func(b *testing.B) {
			for b.Loop() {
				if _, err := Resize(m, 227, 227, f); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDecodeJPEG(b *testing.B) {
	path := os.Getenv("SMELT_PHOTO")
	if path == "" {
		path = "testdata/decode/jpeg_420.jpg"
	}
	for b.Loop() {
		open(b, path)
	}
}

func BenchmarkToPlanar(b *testing.B) {
	m := sample(227, 227)
	dst := make([]float32, len(m.Pix))
	for b.Loop() {
		if err := ToPlanar(m, BGR, dst); err != nil {
			b.Fatal(err)
		}
	}
}
