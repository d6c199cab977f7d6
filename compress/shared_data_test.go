//go:build fulldata

package compress

import (
	"bytes"
	"context"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/smelt-ml/smelt/internal/media"
	"github.com/smelt-ml/smelt/internal/predict"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/tensor"
)

// sharedModel returns the path of a model of the large test data.
func sharedModel(t testing.TB, name string) string {
	dir := os.Getenv("SMELT_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "data")
	}
	return filepath.Join(dir, "models", name)
}

// SqueezeNet, compressed by coremltools: linear quantization gives the same
// bits, k-means never a greater error, and no file is larger.
func TestSqueezeNetAsReference(t *testing.T) {
	source := sharedModel(t, "squeezenet/SqueezeNet.mlmodel")
	original := networkWeights(t, open(t, source))
	for _, c := range []struct {
		file string
		mode Mode
		bits int
	}{
		{"linear_8", Linear, 8},
		{"linear_4", Linear, 4},
		{"kmeans_8", KMeans, 8},
		{"kmeans_4", KMeans, 4},
		{"kmeans_2", KMeans, 2},
		{"kmeans_1", KMeans, 1},
	} {
		path := sharedModel(t, "squeezenet/quantized/SqueezeNet_"+c.file+".mlmodel")
		ref := open(t, path)
		m := open(t, source)
		start := time.Now()
		r, err := Quantize(context.Background(), m, Options{Bits: c.bits, Mode: c.mode})
		if err != nil {
			t.Fatal(err)
		}
		seconds := time.Since(start)
		out := filepath.Join(t.TempDir(), "out.mlmodel")
		if err := m.Save(out); err != nil {
			t.Fatal(err)
		}
		want, _ := os.Stat(path)
		have, err := os.Stat(out)
		if err != nil || have.Size() > want.Size() {
			t.Errorf("%s: %v bytes, want at most %d", c.file, have.Size(), want.Size())
		}
		t.Logf("%s: %v, %d bytes, reference %d", c.file, seconds, have.Size(), want.Size())
		if len(r.Layers) != len(original) || len(r.Kept) != 0 {
			t.Errorf("%s: reports %d weights and %d that stay", c.file, len(r.Layers), len(r.Kept))
		}
		reference := networkWeights(t, ref)
		for i, w := range networkWeights(t, open(t, out)) {
			got, _ := difference(original[i].values, w.values)
			want, _ := difference(original[i].values, reference[i].values)
			if got > want*(1+1e-12) {
				t.Errorf("%s: %s: mean squared error %g, reference %g", c.file, w.key(), got, want)
			}
			if c.mode == Linear && (!bytes.Equal(w.bytes, reference[i].bytes) || !proto.Equal(w.Params.GetQuantization(), reference[i].Params.GetQuantization())) {
				t.Errorf("%s: %s: other codes, scales or biases", c.file, w.key())
			}
		}
	}
}

// Real models compute nearly the same with 8 bits.
func TestRealPictures(t *testing.T) {
	pictures, err := filepath.Glob(filepath.Join(sharedModel(t, ".."), "images", "imagenet-227", "*.png"))
	if err != nil || len(pictures) == 0 {
		t.Fatal(pictures, err)
	}
	labels := func(m *mlmodel.Model) []string {
		p, err := predict.Load(m, predict.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		var all []string
		for _, file := range pictures {
			picture, err := media.Open(file, media.Options{})
			if err != nil {
				t.Fatal(err)
			}
			out, err := p.Predict(context.Background(), predict.Features{p.Inputs()[0].GetName(): picture}, nil)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, out["classLabel"].(string))
		}
		return all
	}
	for _, name := range []string{
		"squeezenet/SqueezeNet.mlmodel", "squeezenet/SqueezeNet_fp16.mlpackage",
		"mobilenet-v1-025/MobileNetV1_025_fp32.mlpackage", "mobilenet-v1-025/MobileNetV1_025_fp16.mlpackage",
	} {
		want := labels(open(t, sharedModel(t, name)))
		m := open(t, sharedModel(t, name))
		quantized(t, m, Options{Bits: 8})
		agree := 0
		for i, label := range labels(saved(t, m)) {
			if label == want[i] {
				agree++
			}
		}
		t.Logf("%s: %d of %d agree", name, agree, len(want))
		if agree < len(want)*9/10 {
			t.Errorf("%s: %d of %d agree", name, agree, len(want))
		}
	}
}

func TestRealSound(t *testing.T) {
	path := sharedModel(t, "basic-pitch/nmp.mlpackage")
	cases, err := tensor.OpenNPZ(sharedModel(t, "basic-pitch/expected.npz"))
	if err != nil {
		t.Fatal(err)
	}
	defer cases.Close()
	clips, err := cases.Read("input")
	if err != nil {
		t.Fatal(err)
	}
	n := clips.Shape()[1]
	in := tensor.Floats([]int{1, n, 1}, clips.F32()[:n])
	notes := func(m *mlmodel.Model) predict.Features {
		p, err := predict.Load(m, predict.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		out, err := p.Predict(context.Background(), predict.Features{p.Inputs()[0].GetName(): in}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	want := notes(open(t, path))
	for bits, db := range map[int]float64{16: 60, 8: 25} {
		m := open(t, path)
		// The logarithm of silence tells the least change of the spectrum's filters.
		network := func(w Weight) bool { return w.Shape[0] != 36 }
		if r := quantized(t, m, Options{Bits: bits, Select: network}); len(r.Layers) != 2 {
			t.Errorf("compressed %+v", r.Layers)
		}
		for name, v := range notes(saved(t, m)) {
			ratio := snr(want[name].(*tensor.Tensor).F32(), v.(*tensor.Tensor).F32())
			t.Logf("%d bits: %s: %.1f dB", bits, name, ratio)
			if !(ratio >= db) {
				t.Errorf("%d bits: %s: signal to noise %.1f dB", bits, name, ratio)
			}
		}
	}
}

// Sentence embeddings, compressed already, take another 8-bit form without
// turning away.
func TestRealSentences(t *testing.T) {
	path := sharedModel(t, "minilm/MiniLM_int8.mlpackage")
	cases, err := tensor.OpenNPZ(sharedModel(t, "minilm/expected.npz"))
	if err != nil {
		t.Fatal(err)
	}
	defer cases.Close()
	ids, err := cases.Read("input_ids")
	if err != nil {
		t.Fatal(err)
	}
	mask, err := cases.Read("attention_mask")
	if err != nil {
		t.Fatal(err)
	}
	embed := func(m *mlmodel.Model) [][]float32 {
		p, err := predict.Load(m, predict.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		var all [][]float32
		row := func(x *tensor.Tensor, i int) *tensor.Tensor {
			n := x.Shape()[1]
			v, err := x.ConvertTo(tensor.Int32)
			if err != nil {
				t.Fatal(err)
			}
			return tensor.Ints([]int{1, n}, v.I32()[i*n:(i+1)*n])
		}
		for i := range ids.Shape()[0] {
			out, err := p.Predict(context.Background(), predict.Features{"input_ids": row(ids, i), "attention_mask": row(mask, i)}, nil)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, out["embedding"].(*tensor.Tensor).F32())
		}
		return all
	}
	want := embed(open(t, path))
	for _, c := range []struct {
		o    Options
		near float64
	}{{Options{Bits: 8, Mode: KMeans, Again: true}, .999}, {Options{Bits: 6, Mode: KMeans, Again: true}, .98}} {
		m := open(t, path)
		quantized(t, m, c.o)
		for i, v := range embed(saved(t, m)) {
			var cos, a, b float64
			for k, x := range want[i] {
				cos += float64(x) * float64(v[k])
				a += float64(x) * float64(x)
				b += float64(v[k]) * float64(v[k])
			}
			if cos /= math.Sqrt(a * b); !(cos >= c.near) {
				t.Errorf("%d bits: sentence %d: cosine %g", c.o.Bits, i, cos)
			} else {
				t.Logf("%d bits: sentence %d: cosine %g", c.o.Bits, i, cos)
			}
		}
	}
}
