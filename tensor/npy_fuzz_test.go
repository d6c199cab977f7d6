package tensor

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func addFiles(f *testing.F, pattern string) {
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		f.Fatalf("no %s: %v", pattern, err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
}

// FuzzReadNPY: what reads is written and read again as the same.
func FuzzReadNPY(f *testing.F) {
	addFiles(f, "testdata/*.npy")
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := ReadNPY(bytes.NewReader(b))
		if err != nil {
			return
		}
		again(t, x)
	})
}

func again(t *testing.T, x *Tensor) {
	var w bytes.Buffer
	if err := WriteNPY(&w, x); err != nil {
		if x.DType() == String { // bytes that are not UTF-8
			return
		}
		t.Fatal(err)
	}
	y, err := ReadNPY(&w)
	if err != nil {
		t.Fatal(err)
	}
	if !equal(x, y) {
		t.Fatalf("%v comes back as %v", x, y)
	}
}

func FuzzOpenNPZ(f *testing.F) {
	addFiles(f, "testdata/*.npz")
	f.Fuzz(func(t *testing.T, b []byte) {
		z, err := NewNPZ(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		for _, name := range z.Names() {
			if x, err := z.Read(name); err == nil {
				again(t, x)
			}
		}
	})
}
