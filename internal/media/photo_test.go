package media

import (
	"bytes"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

func TestPhoto(t *testing.T) {
	m := New(40, 30, 3)
	for i := range m.Pix {
		m.Pix[i] = uint8(i * 7)
	}
	p := &Photo{Image: m}
	var last *Image
	for i, o := range []FitOptions{{}, {}, {Mode: Crop}, {}} {
		want, err := Fit(m, 10, 12, o)
		if err != nil {
			t.Fatal(err)
		}
		got, err := p.Fit(10, 12, o)
		if err != nil || !bytes.Equal(got.Pix, want.Pix) {
			t.Errorf("fit %d is not what Fit gives, %v", i, err)
		}
		if (got == last) != (i == 1) {
			t.Errorf("fit %d: remembered %v", i, got == last)
		}
		last = got
	}
	if got, err := p.Fit(11, 12, FitOptions{}); err != nil || got.W != 11 {
		t.Errorf("another size: %v", err)
	}
	if _, err := p.Fit(0, 12, FitOptions{}); err == nil {
		t.Error("a size of 0 is no error")
	}
}

func TestPhotoPlanar(t *testing.T) {
	p := &Photo{Image: sample(40, 30)}
	for _, order := range []Order{RGB, RGB, BGR, Gray} {
		for _, size := range [][2]int{{20, 10}, {20, 10}, {40, 30}} {
			m, err := Fit(p.Image, size[0], size[1], FitOptions{Mode: Crop})
			if err != nil {
				t.Fatal(err)
			}
			want := make([]float32, order.Channels()*m.W*m.H)
			if err := ToPlanar(m, order, want); err != nil {
				t.Fatal(err)
			}
			first, err := p.Planar(size[0], size[1], FitOptions{Mode: Crop}, order)
			if err != nil || !slices.Equal(first, want) {
				t.Fatalf("%v planes of %v differ (%v)", order, size, err)
			}
			if again, err := p.Planar(size[0], size[1], FitOptions{Mode: Crop}, order); err != nil || &again[0] != &first[0] {
				t.Fatalf("%v planes of %v are made twice (%v)", order, size, err)
			}
		}
	}
	if _, err := p.Planar(20, 10, FitOptions{}, Gray+1); err == nil {
		t.Error("an order that does not exist is taken")
	}
	if _, err := p.Planar(0, 10, FitOptions{}, RGB); err == nil {
		t.Error("no width is taken")
	}
}

// TestDecodeReaders decodes from readers that give little at a time, and after
// larger files than the one to decode.
func TestDecodeReaders(t *testing.T) {
	small, err := os.ReadFile("testdata/decode/jpeg_420_4x4.jpg")
	if err != nil {
		t.Fatal(err)
	}
	large := append(bytes.Clone(small), make([]byte, 50_000)...) // bytes after the picture are passed over
	want := open(t, "testdata/decode/jpeg_420_4x4.jpg")
	for name, r := range map[string]func([]byte) io.Reader{
		"whole": func(b []byte) io.Reader { return bytes.NewReader(b) },
		"bytes": func(b []byte) io.Reader { return iotest.OneByteReader(bytes.NewReader(b)) },
		"halves": func(b []byte) io.Reader {
			return iotest.DataErrReader(iotest.HalfReader(bytes.NewReader(b)))
		},
	} {
		for _, data := range [][]byte{small, large, small} {
			have, err := Decode(r(data), Options{})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			wantEqual(t, have, want)
		}
		// What an earlier file left in memory must not fill up a truncated one.
		if _, err := Decode(r(small[:len(small)-20]), Options{}); err == nil {
			t.Errorf("%s: a truncated file is decoded", name)
		}
	}
	if _, err := Decode(iotest.ErrReader(errors.New("no disk")), Options{}); err == nil || !strings.Contains(err.Error(), "no disk") {
		t.Errorf("error of the reader: %v", err)
	}
}

// TestWorkspaceTaps fills the memory of weights over and over.
func TestWorkspaceTaps(t *testing.T) {
	ws := &workspace{taps: map[tapsKey]*taps{}}
	for in := range 3000 {
		ws.newTaps(in+1, 227, 0, 227, Lanczos)
		if ws.weights > maxKeptWeights {
			t.Fatalf("%d weights are kept", ws.weights)
		}
	}
	n := 0
	for _, kept := range ws.taps {
		for _, w := range kept.weight {
			n += len(w.Taps())
		}
	}
	if n != ws.weights || n == 0 {
		t.Errorf("%d weights are kept, and %d counted", n, ws.weights)
	}
}
