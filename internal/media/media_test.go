package media

import (
	"bytes"
	"image"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/smelt-ml/smelt/fault"
)

func TestDecodeErrors(t *testing.T) {
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	jpg, pngFile := read("decode/jpeg_420.jpg"), read("decode/png_rgb8.png")
	huge := slices.Clone(pngFile)
	copy(huge[16:], "\x00\x01\x00\x00\x00\x01\x00\x00") // 65536 × 65536; the checksum is wrong too
	// A JPEG header of 65500 × 65500 pixels and nothing behind it.
	bomb := []byte("\xff\xd8\xff\xc0\x00\x0b\x08\xff\xdc\xff\xdc\x01\x01\x11\x00\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00")
	// The same with 10000 × 10000, within the limit.
	lie := []byte(strings.Replace(string(bomb), "\xff\xdc\xff\xdc", "\x27\x10\x27\x10", 1))
	for _, c := range []struct {
		name string
		data []byte
		kind fault.Kind
		text string
	}{
		{"empty", nil, fault.Corrupt, "file is empty"},
		{"text", []byte("hello, this is not a picture"), fault.Unsupported, `starts with "hello, this "`},
		{"half a JPEG", jpg[:len(jpg)/2], fault.Corrupt, "file is truncated"},
		{"start of a JPEG", jpg[:40], fault.Corrupt, "file is truncated"},
		{"half a PNG", pngFile[:len(pngFile)/2], fault.Corrupt, "not enough pixel data"},
		{"half a WebP", read("decode/webp_lossy.webp")[:100], fault.Corrupt, "WebP"},
		{"half a BMP", read("decode/bmp_rgb.bmp")[:200], fault.Corrupt, "file is truncated"},
		{"half a GIF", read("decode/gif_palette.gif")[:300], fault.Corrupt, "GIF"},
		{"half a TIFF", read("decode/tiff_raw.tif")[:200], fault.Corrupt, "TIFF"},
		{"12-bit JPEG", []byte(strings.Replace(string(jpg), "\xff\xc0\x00\x11\x08", "\xff\xc0\x00\x11\x0c", 1)), fault.Unsupported, "precision"},
		{"JPEG bomb", bomb, fault.Limit, "65500×65500 pixels is over the limit"},
		{"JPEG that cannot be so large", lie, fault.Corrupt, "file of 25 bytes cannot hold 10000×10000 pixels"},
		{"PNG with a wrong checksum", huge, fault.Corrupt, "checksum"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "photo.jpg")
			if err := os.WriteFile(path, c.data, 0o600); err != nil {
				t.Fatal(err)
			}
			m, err := Open(path, Options{})
			if err == nil || m != nil {
				t.Fatalf("have %v, %v, want an error alone", m, err)
			}
			if fault.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.text) || !strings.HasPrefix(err.Error(), path+": ") {
				t.Errorf("have %v error %q, want %v with %q", fault.KindOf(err), err, c.kind, c.text)
			}
		})
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none.png"), Options{}); !os.IsNotExist(err) {
		t.Errorf("missing file: %v", err)
	}
	if _, err := Decode(bytes.NewReader(jpg), Options{MaxPixels: 41*29 - 1}); fault.KindOf(err) != fault.Limit {
		t.Errorf("one pixel too many: %v", err)
	}
	if _, err := Decode(bytes.NewReader(jpg), Options{MaxPixels: 41 * 29}); err != nil {
		t.Errorf("at the limit: %v", err)
	}
}

func TestPlanarGolden(t *testing.T) {
	m, want := readPNG(t, "testdata/colour.png"), readPNG(t, "testdata/luma.png")
	plane := make([]float32, m.W*m.H)
	if err := ToPlanar(m, Gray, plane); err != nil {
		t.Fatal(err)
	}
	gray, err := FromPlanar(plane, m.W, m.H, Gray)
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, gray, want)
}

func TestPlanarOrder(t *testing.T) {
	m := &Image{W: 2, H: 1, Channels: 3, Pix: []uint8{1, 2, 3, 4, 5, 6}}
	for _, c := range []struct {
		order Order
		want  []float32
	}{
		{RGB, []float32{1, 4, 2, 5, 3, 6}},
		{BGR, []float32{3, 6, 2, 5, 1, 4}},
		{Gray, []float32{2, 5}},
	} {
		have := make([]float32, 2*c.order.Channels())
		if err := ToPlanar(m, c.order, have); err != nil || !slices.Equal(have, c.want) {
			t.Errorf("%v: have %v (%v), want %v", c.order, have, err, c.want)
		}
	}
	gray := &Image{W: 2, H: 1, Channels: 1, Pix: []uint8{7, 9}}
	have := make([]float32, 6)
	if err := ToPlanar(gray, BGR, have); err != nil || !slices.Equal(have, []float32{7, 9, 7, 9, 7, 9}) {
		t.Errorf("gray as BGR: %v (%v)", have, err)
	}
	for _, err := range []error{
		ToPlanar(m, RGB, make([]float32, 5)),
		ToPlanar(m, Order(9), make([]float32, 6)),
		ToPlanar(&Image{W: 2, H: 2, Channels: 3}, RGB, make([]float32, 12)),
		ToPlanar(&Image{W: 1, H: 1, Channels: 2, Pix: []uint8{1, 2}}, RGB, make([]float32, 3)),
	} {
		if err == nil {
			t.Error("a call that cannot be met gave no error")
		}
	}
	if _, err := FromPlanar(make([]float32, 5), 2, 1, RGB); err == nil {
		t.Error("5 values made a picture of 2 pixels")
	}
}

func TestFromPlanarRounding(t *testing.T) {
	inf := float32(math.Inf(1))
	src := []float32{-inf, -1, -0.5, 0.5, 0.51, 1.5, 2.5, 254.5, 254.6, 255, 300, inf, float32(math.NaN())}
	want := []uint8{0, 0, 0, 0, 1, 2, 2, 254, 255, 255, 255, 255, 0}
	m, err := FromPlanar(src, len(src), 1, Gray)
	if err != nil || !slices.Equal(m.Pix, want) {
		t.Errorf("have %v (%v), want %v", m.Pix, err, want)
	}
}

func drawImage(t *rapid.T, channels int) *Image {
	w, h := rapid.IntRange(1, 40).Draw(t, "width"), rapid.IntRange(1, 40).Draw(t, "height")
	m := New(w, h, channels)
	v := rapid.Uint32().Draw(t, "seed")
	for i := range m.Pix {
		v = v*1664525 + 1013904223
		m.Pix[i] = uint8(v >> 24)
	}
	return m
}

func drawChannels(t *rapid.T) int { return rapid.SampledFrom([]int{1, 3}).Draw(t, "channels") }

func TestPlanarAndPNGRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := drawImage(t, drawChannels(t))
		order := Gray
		if m.Channels == 3 {
			order = rapid.SampledFrom([]Order{RGB, BGR}).Draw(t, "order")
		}
		planes := make([]float32, len(m.Pix))
		if err := ToPlanar(m, order, planes); err != nil {
			t.Fatal(err)
		}
		back, err := FromPlanar(planes, m.W, m.H, order)
		if err != nil || !bytes.Equal(back.Pix, m.Pix) {
			t.Fatalf("planes: %v", err)
		}
		var b bytes.Buffer
		if err := EncodePNG(&b, m); err != nil {
			t.Fatal(err)
		}
		back, err = Decode(&b, Options{})
		if err != nil || back.Channels != m.Channels || back.W != m.W || !bytes.Equal(back.Pix, m.Pix) {
			t.Fatalf("PNG: %v", err)
		}
	})
}

// TestResizeProperties: a flat picture stays flat, gray and colour agree, and
// each channel is treated alike.
func TestResizeProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := drawImage(t, 1)
		w, h := rapid.IntRange(1, 70).Draw(t, "to width"), rapid.IntRange(1, 70).Draw(t, "to height")
		f := Filter(rapid.IntRange(0, int(Nearest)).Draw(t, "filter"))
		gray, err := Resize(m, w, h, f)
		if err != nil {
			t.Fatal(err)
		}
		colour, err := Resize(m.RGB(), w, h, f)
		if err != nil || !bytes.Equal(gray.RGB().Pix, colour.Pix) {
			t.Fatalf("gray and colour differ (%v)", err)
		}
		v := rapid.Uint8().Draw(t, "level")
		m.Fill([3]uint8{v, v, v})
		flat, err := Resize(m, w, h, f)
		if err != nil || flat.W != w || flat.H != h {
			t.Fatalf("%d×%d (%v)", flat.W, flat.H, err)
		}
		for _, p := range flat.Pix {
			if p != v {
				t.Fatalf("a picture of %d became %d", v, p)
			}
		}
	})
}

// TestCropIsPartOfResize: computing only the kept pixels changes none of them.
func TestCropIsPartOfResize(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := drawImage(t, drawChannels(t))
		w, h := rapid.IntRange(1, 60).Draw(t, "to width"), rapid.IntRange(1, 60).Draw(t, "to height")
		left, top := rapid.IntRange(0, w-1).Draw(t, "left"), rapid.IntRange(0, h-1).Draw(t, "top")
		r := image.Rect(left, top, rapid.IntRange(left+1, w).Draw(t, "right"), rapid.IntRange(top+1, h).Draw(t, "bottom"))
		f := Filter(rapid.IntRange(0, int(Nearest)).Draw(t, "filter"))
		whole, err := Resize(m, w, h, f)
		if err != nil {
			t.Fatal(err)
		}
		part, err := resize(m, w, h, r, f)
		if err != nil || part.W != r.Dx() || part.H != r.Dy() || !bytes.Equal(part.Pix, whole.part(r).Pix) {
			t.Fatalf("the part differs (%v)", err)
		}
	})
}

func TestFitSizes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := drawImage(t, drawChannels(t))
		w, h := rapid.IntRange(1, 50).Draw(t, "to width"), rapid.IntRange(1, 50).Draw(t, "to height")
		for mode := Squash; mode <= Letterbox; mode++ {
			d, err := Fit(m, w, h, FitOptions{Mode: mode, Filter: Bilinear, Background: [3]uint8{1, 2, 3}})
			if err != nil || d.check() != nil || d.W != w || d.H != h {
				t.Fatalf("%v: %v", mode, err)
			}
		}
	})
}

func TestDefaultShortSide(t *testing.T) {
	for _, c := range []struct{ w, h, n, want int }{
		{500, 375, 224, 256}, {375, 500, 224, 256}, {500, 375, 227, 259}, {1000, 10, 299, 342}, {7, 7, 1, 1},
	} {
		if have := defaultShortSide(&Image{W: c.w, H: c.h}, c.n, c.n); have != c.want {
			t.Errorf("crop %d of %d×%d: %d, want %d", c.n, c.w, c.h, have, c.want)
		}
	}
}

func TestFitErrors(t *testing.T) {
	m := New(40, 30, 3)
	for _, c := range []struct {
		w, h int
		o    FitOptions
		text string
	}{
		{0, 5, FitOptions{}, "0×5"},
		{5, -1, FitOptions{Mode: Letterbox}, "5×-1"},
		{1 << 20, 1 << 20, FitOptions{}, "pixels"},
		{1 << 20, 1 << 20, FitOptions{Mode: Letterbox}, "pixels"},
		{224, 224, FitOptions{Mode: Crop, ShortSide: 200}, "crop of 224×224 pixels does not fit in the picture resized to 266×200"},
		{224, 224, FitOptions{Mode: Crop, ShortSide: -3}, "-3 pixels"},
		{9, 9, FitOptions{Mode: Mode(7)}, "Mode(7)"},
		{9, 9, FitOptions{Filter: Filter(7)}, "Filter(7)"},
	} {
		if _, err := Fit(m, c.w, c.h, c.o); err == nil || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%d×%d %+v: have %v, want %q", c.w, c.h, c.o, err, c.text)
		}
	}
}

func TestNames(t *testing.T) {
	for f := Lanczos; f <= Nearest; f++ {
		if have, err := ParseFilter(f.String()); err != nil || have != f {
			t.Errorf("filter %v: %v, %v", f, have, err)
		}
	}
	for m := Squash; m <= Letterbox; m++ {
		if have, err := ParseMode(m.String()); err != nil || have != m {
			t.Errorf("mode %v: %v, %v", m, have, err)
		}
	}
	if _, err := ParseFilter("sharp"); err == nil {
		t.Error("a filter named sharp")
	}
	if _, err := ParseMode("stretch"); err == nil {
		t.Error("a mode named stretch")
	}
}

func TestStd(t *testing.T) {
	m := &Image{W: 1, H: 1, Channels: 3, Pix: []uint8{9, 8, 7}}
	if have := m.Std().At(0, 0); have != (color.RGBA{9, 8, 7, 255}) {
		t.Error(have)
	}
}

func TestList(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"b.JPEG", "a.png", "sub/c.WebP", "sub/deep/d.tif", "note.txt", ".hidden.png", ".dir/e.png", "f.gif.txt", "g.bmp"} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "folder.png"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("a.png", filepath.Join(dir, "link.png")); err != nil {
		t.Fatal(err)
	}
	want := []string{"a.png", "b.JPEG", "g.bmp", "link.png", "sub/c.WebP", "sub/deep/d.tif"}
	for i, name := range want {
		want[i] = filepath.Join(dir, filepath.FromSlash(name))
	}
	have, err := List(dir)
	if err != nil || !slices.Equal(have, want) {
		t.Errorf("have %q (%v), want %q", have, err, want)
	}
	for path, text := range map[string]string{
		filepath.Join(dir, "folder.png"): "holds no pictures",
		filepath.Join(dir, "a.png"):      "is not a folder",
		filepath.Join(dir, "nowhere"):    "nowhere",
	} {
		if _, err := List(path); err == nil || !strings.Contains(err.Error(), text) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: have %v, want %q", path, err, text)
		}
	}
}
