//go:build fulldata

package compress

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
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
