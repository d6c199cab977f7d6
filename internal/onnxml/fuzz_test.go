package onnxml_test

import (
	"os"
	"path/filepath"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/smelt-ml/smelt/internal/frontend/onnx"
	"github.com/smelt-ml/smelt/internal/onnxml"
	"github.com/smelt-ml/smelt/internal/predict"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/mlmodel/spec"
)

// seeds are the smallest of the golden models.
func seeds(f *testing.F) [][]byte {
	f.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", "models", "*.onnx"))
	if err != nil || len(paths) < 100 {
		f.Fatal("no seeds", err)
	}
	var out [][]byte
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			f.Fatal(err)
		}
		if len(b) < 3000 {
			out = append(out, b)
		}
	}
	return out
}

// FuzzToCoreML reads bytes as an ONNX model: an error, or a model that loads and
// answers or says why not, as the graph does.
func FuzzToCoreML(f *testing.F) {
	for _, b := range seeds(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := onnx.Parse(b, nil)
		if err != nil {
			return
		}
		g, err := m.Graph()
		if err != nil {
			return
		}
		d, err := onnxml.ToCoreML(g, network)
		if err != nil {
			return
		}
		model, err := predict.Load(mlmodel.New(d.Spec), predict.Options{})
		if err != nil {
			return // a label that stands twice, NaN where there must be none
		}
		defer model.Close()
		for _, in := range onnxml.Samples(d.Spec, 1)[:2] {
			_, _ = model.Predict(t.Context(), in, nil)
			_, _ = d.Source(in)
		}
	})
}

// FuzzFromCoreML reads bytes as a Core ML model: an error, or an ONNX model that
// answers or says why not.
func FuzzFromCoreML(f *testing.F) {
	for _, b := range seeds(f) {
		m, err := onnx.Parse(b, nil)
		if err != nil {
			f.Fatal(err)
		}
		g, err := m.Graph()
		if err != nil {
			f.Fatal(err)
		}
		if d, err := onnxml.ToCoreML(g, network); err == nil {
			b, err := proto.Marshal(d.Spec)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m := new(spec.Model)
		if proto.Unmarshal(b, m) != nil {
			return
		}
		w, err := onnxml.FromCoreML(m, mlmodel.Metadata{})
		if err != nil {
			return
		}
		for _, in := range onnxml.Samples(m, 1)[:2] {
			_, _ = w.Answer(in)
		}
	})
}
