package media

import (
	"fmt"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// readPNG reads a picture past the code under test.
func readPNG(t testing.TB, path string) *Image {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	src, err := png.Decode(f)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	b := src.Bounds()
	m := New(b.Dx(), b.Dy(), 3)
	for y := range m.H {
		for x := range m.W {
			r, g, b, _ := src.At(x, y).RGBA()
			copy(m.Pix[3*(y*m.W+x):], []uint8{uint8(r >> 8), uint8(g >> 8), uint8(b >> 8)})
		}
	}
	return m
}

func open(t testing.TB, path string) *Image {
	t.Helper()
	m, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func glob(t testing.TB, pattern string, atLeast int) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", pattern))
	if err != nil || len(paths) < atLeast {
		t.Fatalf("testdata/%s: %d files, want %d or more (%v)", pattern, len(paths), atLeast, err)
	}
	return paths
}

// difference compares two pictures sample by sample.
func difference(a, b *Image) (mean float64, worst int, err error) {
	a, b = a.RGB(), b.RGB()
	if a.W != b.W || a.H != b.H {
		return 0, 0, fmt.Errorf("%d×%d pixels, want %d×%d", a.W, a.H, b.W, b.H)
	}
	sum := 0
	for i, v := range a.Pix {
		d := int(v) - int(b.Pix[i])
		if d < 0 {
			d = -d
		}
		sum += d
		worst = max(worst, d)
	}
	return float64(sum) / float64(len(a.Pix)), worst, nil
}

func wantEqual(t *testing.T, have, want *Image) {
	t.Helper()
	if mean, worst, err := difference(have, want); err != nil || worst != 0 {
		t.Errorf("differs from Pillow: mean %.3f, worst %d (%v)", mean, worst, err)
	}
}

// TestDecodeGolden holds every format to Pillow: to equality, except JPEGs
// whose blocks are not flat, where the two inverse DCTs may round differently.
func TestDecodeGolden(t *testing.T) {
	for _, golden := range glob(t, "decode/*.golden.png", 80) {
		path := strings.TrimSuffix(golden, ".golden.png")
		name := filepath.Base(path)
		t.Run(name, func(t *testing.T) {
			have, want := open(t, path), readPNG(t, golden)
			if !strings.HasPrefix(name, "jpeg_") {
				wantEqual(t, have, want)
				return
			}
			mean, worst, err := difference(have, want)
			t.Logf("mean %.4f, worst %d", mean, worst)
			if err != nil || mean > 0.1 || worst > 3 {
				t.Errorf("differs from Pillow: mean %.3f, worst %d (%v)", mean, worst, err)
			}
		})
	}
}

func TestOrientGolden(t *testing.T) {
	for _, golden := range glob(t, "orient/*.golden.png", 20) {
		path := strings.TrimSuffix(golden, ".golden.png")
		t.Run(filepath.Base(path), func(t *testing.T) {
			have, want := open(t, path), readPNG(t, golden)
			if !strings.HasSuffix(path, ".jpg") {
				wantEqual(t, have, want)
				return
			}
			if mean, worst, err := difference(have, want); err != nil || worst > 3 {
				t.Errorf("differs from Pillow: mean %.3f, worst %d (%v)", mean, worst, err)
			}
		})
	}
}

func TestKeepOrientation(t *testing.T) {
	want := open(t, "testdata/orient/1.png")
	for o := 1; o <= 8; o++ {
		have, err := Open(fmt.Sprintf("testdata/orient/%d.png", o), Options{KeepOrientation: true})
		if err != nil {
			t.Fatal(err)
		}
		wantEqual(t, have, want)
	}
}

func TestResizeGolden(t *testing.T) {
	for f := Lanczos; f <= Nearest; f++ {
		for _, path := range glob(t, fmt.Sprintf("resize/%v_*.png", f), 10) {
			t.Run(filepath.Base(path), func(t *testing.T) {
				src, want := readPNG(t, "testdata/picture.png"), readPNG(t, path)
				have, err := Resize(src, want.W, want.H, f)
				if err != nil {
					t.Fatal(err)
				}
				wantEqual(t, have, want)
			})
		}
	}
	for _, f := range []Filter{Lanczos, Bicubic} {
		want := readPNG(t, fmt.Sprintf("testdata/resize/checker_%v_53x22.png", f))
		have, err := Resize(readPNG(t, "testdata/resize/checker.png"), 53, 22, f)
		if err != nil {
			t.Fatal(err)
		}
		wantEqual(t, have, want)
	}
}

func TestFitGolden(t *testing.T) {
	wide := readPNG(t, "testdata/picture.png")
	for _, orientation := range []string{"wide", "tall"} {
		src := wide
		if orientation == "tall" {
			src = orient(wide, 5)
		}
		for _, path := range glob(t, "fit/crop_"+orientation+"_*.png", 4) {
			var n, short int
			if _, err := fmt.Sscanf(filepath.Base(path), "crop_"+orientation+"_%d_%d.png", &n, &short); err != nil {
				t.Fatal(err)
			}
			have, err := Fit(src, n, n, FitOptions{Mode: Crop, Filter: Bilinear, ShortSide: short})
			if err != nil {
				t.Fatal(err)
			}
			wantEqual(t, have, readPNG(t, path))
		}
		for _, path := range glob(t, "fit/fit_"+orientation+"_*.png", 4) {
			want := readPNG(t, path)
			have, err := Fit(src, want.W, want.H, FitOptions{Mode: Letterbox, Background: [3]uint8{114, 115, 116}})
			if err != nil {
				t.Fatal(err)
			}
			wantEqual(t, have, want)
		}
	}
}
