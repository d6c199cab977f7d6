package media

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func seeds(f *testing.F, pattern string) {
	for _, path := range glob(f, pattern, 1) {
		if strings.HasSuffix(path, ".golden.png") {
			continue
		}
		data, err := os.ReadFile(filepath.Clean(path))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
}

// FuzzDecode: any bytes give a picture or an error.
func FuzzDecode(f *testing.F) {
	seeds(f, "decode/*")
	seeds(f, "orient/*")
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Decode(bytes.NewReader(data), Options{MaxPixels: 1 << 16})
		if (m == nil) == (err == nil) {
			t.Fatalf("have %v and %v", m, err)
		}
		if err == nil && m.check() != nil {
			t.Fatal(m.check())
		}
	})
}

// FuzzOrientation: metadata of any form gives one of the eight orientations.
func FuzzOrientation(f *testing.F) {
	f.Add([]byte("II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00"))
	f.Add([]byte("MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00"))
	seeds(f, "orient/*")
	f.Fuzz(func(t *testing.T, data []byte) {
		readers := []func([]byte) int{orientationTag}
		for i := range formats {
			if formats[i].matches(data) {
				readers = append(readers, formats[i].orientation)
			}
		}
		for _, read := range readers {
			if o := read(data); o < 1 || o > 8 {
				t.Fatalf("orientation %d", o)
			}
		}
	})
}
