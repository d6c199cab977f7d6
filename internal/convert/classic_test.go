package convert

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/smelt-ml/smelt/internal/onnxpb"
	"github.com/smelt-ml/smelt/internal/predict"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/tensor"
)

const classicModels = "../onnxml/testdata/models/"

// A classical model goes there and back, checked on the way.
func TestClassical(t *testing.T) {
	dir := t.TempDir()
	for name, kind := range map[string]string{
		"columns_forest": "pipelineClassifier", "xgboost": "treeEnsembleClassifier", "dict_vectorizer": "dictVectorizer",
		"svr_rbf": "supportVectorRegressor", "one_vs_rest": "pipelineClassifier", "ordinal_encoder": "pipeline", "columns_single": "pipelineRegressor",
	} {
		document, again := filepath.Join(dir, name+".mlmodel"), filepath.Join(dir, name+".onnx")
		r, err := File(context.Background(), classicModels+name+".onnx", document, Options{Verify: &Verify{Seed: 1}, Metadata: mlmodel.Metadata{Author: "a person"}})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if r.Target != Classical || r.SpecVersion != 1 || r.Source != "onnx" || r.SizeAfter == 0 {
			t.Errorf("%s: %+v", name, r)
		}
		close := func(r *Report) {
			t.Helper()
			if r.Check.Samples < 30 || len(r.Check.Outputs) == 0 || r.Check.Skipped != "" {
				t.Errorf("%s: checked on %+v", name, r.Check)
			}
			for out, d := range r.Check.Outputs {
				if !(d.MaxRel < 2e-6) {
					t.Errorf("%s: output %q is %g off", name, out, d.MaxRel)
				}
			}
		}
		close(r)
		m, err := mlmodel.Open(document)
		if err != nil {
			t.Fatal(err)
		}
		if m.Kind() != kind || m.Metadata().Author != "a person" {
			t.Errorf("%s is a %s by %q", name, m.Kind(), m.Metadata().Author)
		}
		m.Close()
		if r, err = File(context.Background(), document, again, Options{Verify: &Verify{Seed: 2}}); err != nil {
			t.Errorf("%s and back: %v", name, err)
			continue
		}
		close(r)
		if r.Target != ONNX || r.Ops == nil || r.SizeAfter == 0 {
			t.Errorf("%s and back: %+v", name, r)
		}
	}
}

func TestClassicalRefused(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "out.mlmodel")
	r, err := File(context.Background(), classicModels+"edge_linear_probit.onnx", out, Options{})
	if err == nil || len(r.Unsupported) != 1 || r.Unsupported[0].Count != 1 || !strings.Contains(err.Error(), "PROBIT") {
		t.Errorf("%v, %+v", err, r.Unsupported)
	}
	for _, o := range []Options{{Labels: []string{"a"}}, {Rename: map[string]string{"X": "Y"}}, {Target: 6}} {
		if _, err := File(context.Background(), classicModels+"ridge.onnx", out, o); err == nil {
			t.Errorf("%+v goes", o)
		}
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) > 0 {
		t.Errorf("%v was written, %v", list, err)
	}
}

// Such a file runs as it is.
func TestOpenClassical(t *testing.T) {
	m, r, err := Open(context.Background(), classicModels+"columns_logistic.onnx")
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if m.Kind() != "pipelineClassifier" || r.Target != Classical {
		t.Errorf("%s, %+v", m.Kind(), r)
	}
	p, err := predict.Load(m, predict.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	out, err := p.Predict(context.Background(), predict.Features{
		"n": tensor.New(tensor.Float64, []int{2}, []float64{0.1, -0.2}), "s_0": "red", "s_1": "big",
	}, nil)
	if err != nil || len(out["output_probability"].(map[int64]float64)) != 3 {
		t.Errorf("%v, %v", out, err)
	}
	// Several rows at once are no prediction of one, but a program.
	path := filepath.Join(t.TempDir(), "rows.onnx")
	rows := func(name string) *onnxpb.ValueInfoProto {
		two, float := int64(2), int32(onnxpb.TensorProto_FLOAT)
		dim := onnxpb.TensorShapeProto_Dimension_builder{DimValue: &two}.Build()
		return onnxpb.ValueInfoProto_builder{Name: &name, Type: onnxpb.TypeProto_builder{TensorType: onnxpb.TypeProto_Tensor_builder{
			ElemType: &float, Shape: onnxpb.TensorShapeProto_builder{Dim: []*onnxpb.TensorShapeProto_Dimension{dim, dim}}.Build(),
		}.Build()}.Build()}.Build()
	}
	b, err := proto.Marshal(onnxpb.ModelProto_builder{
		OpsetImport: []*onnxpb.OperatorSetIdProto{onnxpb.OperatorSetIdProto_builder{Domain: proto.String("ai.onnx.ml"), Version: proto.Int64(3)}.Build()},
		Graph: onnxpb.GraphProto_builder{Input: []*onnxpb.ValueInfoProto{rows("x")}, Output: []*onnxpb.ValueInfoProto{rows("y")}, Node: []*onnxpb.NodeProto{
			onnxpb.NodeProto_builder{OpType: proto.String("Normalizer"), Domain: proto.String("ai.onnx.ml"), Input: []string{"x"}, Output: []string{"y"}}.Build(),
		}}.Build(),
	}.Build())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	m, r, err = Open(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if m.Kind() != "mlProgram" || r.Target != MLProgram {
		t.Errorf("%s, %+v", m.Kind(), r)
	}
}
