package media

import (
	"bytes"
	"testing"
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
