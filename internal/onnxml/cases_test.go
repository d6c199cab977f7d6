//go:build onnxcases

package onnxml_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/smelt-ml/smelt/internal/frontend/onnx"
	"github.com/smelt-ml/smelt/internal/onnxml"
	"github.com/smelt-ml/smelt/internal/onnxpb"
	"github.com/smelt-ml/smelt/tensor"
)

// TestCases runs ONNX's own cases of ai.onnx.ml, those with texts among them.
func TestCases(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join("..", "..", ".cache", "onnx", "node", "test_ai_onnx_ml_*"))
	if err != nil || len(paths) < 8 {
		t.Fatalf("the cases are missing: python internal/frontend/onnx/testdata/export_tests.py .cache/onnx (%d, %v)", len(paths), err)
	}
	for _, dir := range paths {
		m, err := onnx.Open(filepath.Join(dir, "model.onnx"))
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		g, err := m.Graph()
		if err != nil {
			t.Fatal(err)
		}
		in := onnxml.Features{}
		for i, p := range g.Inputs {
			in[p.Name] = payload(t, filepath.Join(dir, fmt.Sprintf("input_%d.pb", i)))
		}
		out, err := onnxml.Run(g, in)
		if err != nil {
			t.Errorf("%s: %v", dir, err)
			continue
		}
		for i, p := range g.Outputs {
			if want := payload(t, filepath.Join(dir, fmt.Sprintf("output_%d.pb", i))); !(differ(want, out[p.Name]) <= tolerance) {
				t.Errorf("%s: %s is %v, want %v", dir, p.Name, out[p.Name], want)
			}
		}
	}
}

// payload reads a tensor that is a file of its own.
func payload(t *testing.T, path string) *tensor.Tensor {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	p := new(onnxpb.TensorProto)
	if err := proto.Unmarshal(b, p); err != nil {
		t.Fatal(err)
	}
	p.SetName("payload")
	if b, err = proto.Marshal(onnxpb.ModelProto_builder{Graph: onnxpb.GraphProto_builder{Initializer: []*onnxpb.TensorProto{p}}.Build()}.Build()); err != nil {
		t.Fatal(err)
	}
	m, err := onnx.Parse(b, nil)
	if err != nil {
		t.Fatal(err)
	}
	g, err := m.Graph()
	if err != nil {
		t.Fatal(err)
	}
	v, err := g.Constant("payload")
	if err != nil {
		t.Fatal(err)
	}
	return v
}
