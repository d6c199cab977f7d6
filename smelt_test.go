package smelt_test

import (
	"context"
	"errors"
	"image"
	"image/color"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/smelt-ml/smelt"
	"github.com/smelt-ml/smelt/compare"
	"github.com/smelt-ml/smelt/compress"
	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/tensor"
)

func load(t *testing.T, path string, o smelt.Options) *smelt.Predictor {
	t.Helper()
	p, err := smelt.Load(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func uniform(c color.Color) image.Image {
	m := image.NewRGBA(image.Rect(0, 0, 40, 30))
	for y := range 30 {
		for x := range 40 {
			m.Set(x, y, c)
		}
	}
	return m
}

func TestPictureOut(t *testing.T) {
	p := load(t, "testdata/style.mlmodel", smelt.Options{})
	out, err := p.Predict(t.Context(), smelt.Features{"image": uniform(color.RGBA{200, 100, 50, 255})})
	if err != nil {
		t.Fatal(err)
	}
	m, ok := out["painting"].(image.Image)
	if !ok || m.Bounds() != image.Rect(0, 0, 32, 32) {
		t.Fatalf("painting is %T of %v", out["painting"], out["painting"])
	}
	if r, g, b, _ := m.At(16, 16).RGBA(); r <= g || g <= b {
		t.Errorf("a picture of orange came out as %v", m.At(16, 16))
	}
}

// One predictor answers many goroutines, and each right.
func TestConcurrent(t *testing.T) {
	p := load(t, "testdata/classifier.mlmodel", smelt.Options{})
	colours := map[string]color.Color{
		"red": color.RGBA{255, 0, 0, 255}, "blue": color.RGBA{0, 0, 255, 255}, "white": color.White, "black": color.Black,
	}
	var wg sync.WaitGroup
	for range 8 {
		for name, c := range colours {
			wg.Go(func() {
				out, err := p.Predict(t.Context(), smelt.Features{"image": uniform(c)})
				if err != nil || out["colour"] != name {
					t.Errorf("%s: %v, %v", name, out["colour"], err)
				}
			})
		}
	}
	wg.Wait()
}

func TestBatchError(t *testing.T) {
	p := load(t, "testdata/sums.mlpackage", smelt.Options{})
	good := smelt.Features{"a": tensor.Zeros(tensor.Float32, []int{1, 64}), "b": tensor.Zeros(tensor.Float32, []int{1, 64})}
	bad := smelt.Features{"a": tensor.Zeros(tensor.Float32, []int{1, 63}), "b": good["b"]}
	_, err := p.PredictBatch(t.Context(), []smelt.Features{good, good, bad, good})
	if err == nil || !strings.Contains(err.Error(), "input 2") || fault.KindOf(err) != fault.BadShape {
		t.Errorf("error %v, want a bad shape of input 2", err)
	}
}

func TestState(t *testing.T) {
	p := load(t, "mlmodel/testdata/functions.mlpackage", smelt.Options{Function: "one"})
	if got := p.Describe(); got.Function != "one" || len(got.States) != 1 {
		t.Errorf("describes %q with %d states", got.Function, len(got.States))
	}
	in := smelt.Features{p.Describe().Inputs[0].Name: tensor.Zeros(tensor.Float32, []int{1, 16})}
	s := p.NewState()
	for range 2 {
		out, err := s.Predict(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		if y := out["y"].(*tensor.Tensor).Float64s(); len(y) != 4 {
			t.Errorf("y is %v", y)
		}
	}
}

func TestCancelled(t *testing.T) {
	p := load(t, "testdata/sums.mlpackage", smelt.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	z := tensor.Zeros(tensor.Float32, []int{1, 64})
	if _, err := p.Predict(ctx, smelt.Features{"a": z, "b": z}); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled prediction gives %v", err)
	}
}

func TestErrors(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text.mlmodel")
	if err := os.WriteFile(text, []byte("this is no model"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := smelt.Load(text, smelt.Options{}); err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("error %v does not name the file", err)
	}
	if _, err := smelt.Load("mlmodel/testdata/functions.mlpackage", smelt.Options{Function: "three"}); err == nil || !strings.Contains(err.Error(), `"three"`) {
		t.Errorf("error %v does not name the function", err)
	}
	out := filepath.Join(dir, "out.mlmodel")
	if _, err := smelt.Quantize(t.Context(), "testdata/classifier.mlmodel", out, compress.Options{Bits: 9}); err == nil {
		t.Error("9 bits are no error")
	}
	if _, err := os.Stat(out); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a failed Quantize leaves a file: %v", err)
	}
}

// A model compared with itself, over more inputs than workers.
func TestCompareSame(t *testing.T) {
	p := load(t, "testdata/classifier.mlmodel", smelt.Options{})
	tiles, err := compare.Arrays("testdata/tiles.npy", p.Describe())
	if err != nil {
		t.Fatal(err)
	}
	r, err := smelt.Compare(t.Context(), p, p, tiles, compare.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if v, _ := r.Value("top1_agreement"); v != 1 || r.Samples != 8 {
		t.Errorf("agreement %v of %d samples", v, r.Samples)
	}
	if v, _ := r.Value("kl_divergence"); v != 0 {
		t.Errorf("divergence %v", v)
	}
	if len(r.Sizes) != 2 || r.Sizes[0] != p.Size() || p.Size() != 853 {
		t.Errorf("sizes %v, %d", r.Sizes, p.Size())
	}
}
