//go:build fulldata

package compress

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/smelt-ml/smelt/mlmodel"
)

// sharedModel returns the path of a model of the large test data.
func sharedModel(t testing.TB, name string) string {
	dir := os.Getenv("SMELT_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "data")
	}
	return filepath.Join(dir, "models", name)
}

func open(t testing.TB, path string) *mlmodel.Model {
	m, err := mlmodel.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// networkWeights returns all weights of a model by layer and role.
func networkWeights(t testing.TB, m *mlmodel.Model) (all []mlmodel.LayerWeights, values [][]float32) {
	for w := range mlmodel.NetworkWeights(m.Spec()) {
		payload, err := m.Weights(w.Params)
		if err != nil {
			t.Fatal(err)
		}
		v, err := payload.Values(w.Params.GetQuantization(), w.Shape, w.Axis)
		if err != nil {
			t.Fatal(err)
		}
		all, values = append(all, w), append(values, v)
	}
	return all, values
}

func payload(t testing.TB, m *mlmodel.Model, w mlmodel.LayerWeights) []byte {
	p, err := m.Weights(w.Params)
	if err != nil {
		t.Fatal(err)
	}
	b, err := p.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func mse(want, got []float32) float64 {
	var sum float64
	for i, x := range want {
		d := float64(x) - float64(got[i])
		sum += d * d
	}
	return sum / float64(len(want))
}

// SqueezeNet, compressed by coremltools: linear quantization gives the same
// bits, k-means never a greater error, and no file is larger.
func TestSqueezeNetAsReference(t *testing.T) {
	source := sharedModel(t, "squeezenet/SqueezeNet.mlmodel")
	_, original := networkWeights(t, open(t, source))
	for _, c := range []struct {
		file string
		mode Mode
		bits int
	}{
		{"linear_8", Linear, 8}, {"linear_4", Linear, 4},
		{"kmeans_8", KMeans, 8}, {"kmeans_4", KMeans, 4}, {"kmeans_2", KMeans, 2}, {"kmeans_1", KMeans, 1},
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
		saved := open(t, out)
		a, gotValues := networkWeights(t, saved)
		b, wantValues := networkWeights(t, ref)
		for i, w := range a {
			place := w.Layer.Path + "." + w.Role
			got, want := mse(original[i], gotValues[i]), mse(original[i], wantValues[i])
			if got > want*(1+1e-12) {
				t.Errorf("%s: %s: mean squared error %g, reference %g", c.file, place, got, want)
			}
			if c.mode != Linear {
				continue
			}
			if !bytes.Equal(payload(t, saved, w), payload(t, ref, b[i])) {
				t.Errorf("%s: %s: other codes", c.file, place)
			}
			got1, want1 := w.Params.GetQuantization().GetLinearQuantization(), b[i].Params.GetQuantization().GetLinearQuantization()
			if !slices.Equal(got1.GetScale(), want1.GetScale()) || !slices.Equal(got1.GetBias(), want1.GetBias()) {
				t.Errorf("%s: %s: other scales or biases", c.file, place)
			}
		}
	}
}
