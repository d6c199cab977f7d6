package onnx

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/smelt-ml/smelt/internal/onnxpb"
	"github.com/smelt-ml/smelt/tensor"
)

var seeds = flag.Bool("seeds", false, "write the seeds of the fuzz targets anew")

// seedModels are small models of each kind that the reader knows.
func seedModels() map[string]*onnxpb.ModelProto {
	x := fl(sh{1, 2, 4, 4}, make([]float32, 32)...)
	w := fl(sh{2, 2, 3, 3}, make([]float32, 36)...)
	body := onnxpb.GraphProto_builder{
		Input:  []*onnxpb.ValueInfoProto{valueInfo("i", tensor.Int64), valueInfo("c", tensor.Bool), valueInfo("v", tensor.Float32, 2)},
		Output: []*onnxpb.ValueInfoProto{outputInfo("c2"), outputInfo("v2"), outputInfo("s")},
		Node: []*onnxpb.NodeProto{
			nodeProto("Identity", []string{"c"}, []string{"c2"}), nodeProto("Add", []string{"v", "v"}, []string{"v2"}),
			nodeProto("Identity", []string{"v2"}, []string{"s"}),
		},
	}.Build()
	return map[string]*onnxpb.ModelProto{
		"conv": single("Conv", 13, 1, []*tensor.Tensor{x, w}, []int{1}, attr("pads", []int{1, 1, 1, 1})),
		"loop": single("Loop", 13, 2, []*tensor.Tensor{in64(nil, 3), tensor.Scalar(tensor.Bool, true), fl(sh{2}, 1, 2)}, []int{0, 1}, attr("body", body)),
		"function": modelProto(17, onnxpb.GraphProto_builder{
			Input: []*onnxpb.ValueInfoProto{valueInfo("x", tensor.Float32, "N")}, Output: []*onnxpb.ValueInfoProto{outputInfo("y")},
			Node: []*onnxpb.NodeProto{nodeProto("local::Twice", []string{"x"}, []string{"y"}, attr("by", 2.0))},
		}.Build(), twice()),
	}
}

// twice is a function of x and a number.
func twice() *onnxpb.FunctionProto {
	name, domain, to, ref := "Twice", "local", "value_float", "by"
	c := nodeProto("Constant", nil, []string{"k"})
	c.SetAttribute([]*onnxpb.AttributeProto{onnxpb.AttributeProto_builder{
		Name: &to, RefAttrName: &ref, Type: onnxpb.AttributeProto_FLOAT.Enum(),
	}.Build()})
	version := int64(17)
	return onnxpb.FunctionProto_builder{
		Name: &name, Domain: &domain, Input: []string{"a"}, Output: []string{"b"}, Attribute: []string{"by"},
		Node:        []*onnxpb.NodeProto{c, nodeProto("Mul", []string{"a", "k"}, []string{"b"})},
		OpsetImport: []*onnxpb.OperatorSetIdProto{onnxpb.OperatorSetIdProto_builder{Version: &version}.Build()},
	}.Build()
}

// TestSeeds holds that the seeds are models that can be lowered.
func TestSeeds(t *testing.T) {
	for name, m := range seedModels() {
		path := filepath.Join("testdata", "seeds", name+".onnx")
		if *seeds {
			if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, encode(t, m), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		m, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		if _, err := m.Program(Options{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
