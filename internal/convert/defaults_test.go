package convert

import (
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/smelt-ml/smelt/internal/frontend/onnx"
	"github.com/smelt-ml/smelt/internal/onnxpb"
	"github.com/smelt-ml/smelt/mlmodel"
)

// declared declares a float input; a dimension is a number or a name.
func declared(name string, dims ...any) *onnxpb.ValueInfoProto {
	shape := onnxpb.TensorShapeProto_builder{}
	for _, d := range dims {
		dim := new(onnxpb.TensorShapeProto_Dimension)
		if n, ok := d.(int); ok {
			dim.SetDimValue(int64(n))
		} else {
			dim.SetDimParam(d.(string))
		}
		shape.Dim = append(shape.Dim, dim)
	}
	t := onnxpb.TypeProto_Tensor_builder{ElemType: proto.Int32(1), Shape: shape.Build()}.Build()
	return onnxpb.ValueInfoProto_builder{Name: &name, Type: onnxpb.TypeProto_builder{TensorType: t}.Build()}.Build()
}

func lists(op string, in, out []string, attr string, v ...int64) *onnxpb.NodeProto {
	n := onnxpb.NodeProto_builder{OpType: &op, Input: in, Output: out}
	if attr != "" {
		a := onnxpb.AttributeProto_builder{Name: &attr, Ints: v, Type: onnxpb.AttributeProto_INTS.Enum()}
		if attr == "axis" {
			a = onnxpb.AttributeProto_builder{Name: &attr, I: proto.Int64(v[0]), Type: onnxpb.AttributeProto_INT.Enum()}
		}
		n.Attribute = append(n.Attribute, a.Build())
	}
	return n.Build()
}

func TestDefaultShapes(t *testing.T) {
	for _, c := range []struct {
		name   string
		inputs []*onnxpb.ValueInfoProto
		nodes  []*onnxpb.NodeProto
		given  map[string]mlmodel.Shapes
		want   map[string][]int
	}{
		{
			"pictures",
			[]*onnxpb.ValueInfoProto{declared("x", "n", 3, "h", "w")},
			[]*onnxpb.NodeProto{lists("Relu", []string{"x"}, []string{"y"}, "")},
			nil,
			map[string][]int{"x": {1, 3, 224, 224}},
		},
		{
			"large windows",
			[]*onnxpb.ValueInfoProto{declared("x", "n", 3, "h", "w")},
			[]*onnxpb.NodeProto{lists("MaxPool", []string{"x"}, []string{"y"}, "kernel_shape", 300, 300)},
			nil,
			map[string][]int{"x": {1, 3, 512, 512}},
		},
		{
			"a sum of sizes",
			[]*onnxpb.ValueInfoProto{declared("a", "batch", "old"), declared("b", "batch", "new"), declared("mask", "batch", "all")},
			[]*onnxpb.NodeProto{lists("Concat", []string{"a", "b"}, []string{"c"}, "axis", 1), lists("Add", []string{"c", "mask"}, []string{"y"}, "")},
			nil,
			map[string][]int{"a": {1, 64}, "b": {1, 64}, "mask": {1, 128}},
		},
		{
			"one is given",
			[]*onnxpb.ValueInfoProto{declared("a", "batch", "old"), declared("b", "batch", "new")},
			[]*onnxpb.NodeProto{lists("Add", []string{"a", "b"}, []string{"y"}, "")},
			map[string]mlmodel.Shapes{"a": {Default: []int{1, 32}}},
			map[string][]int{"b": {1, 32}},
		},
		{
			"nothing works",
			[]*onnxpb.ValueInfoProto{declared("x", "n", 3, "h", "w")},
			[]*onnxpb.NodeProto{lists("MaxPool", []string{"x"}, []string{"y"}, "kernel_shape", 3000, 3000)},
			nil, nil,
		},
		{
			"nothing is open",
			[]*onnxpb.ValueInfoProto{declared("x", 2, 3)},
			[]*onnxpb.NodeProto{lists("Relu", []string{"x"}, []string{"y"}, "")},
			nil, nil,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, err := proto.Marshal(onnxpb.ModelProto_builder{
				IrVersion:   proto.Int64(8),
				OpsetImport: []*onnxpb.OperatorSetIdProto{onnxpb.OperatorSetIdProto_builder{Version: proto.Int64(17)}.Build()},
				Graph: onnxpb.GraphProto_builder{
					Input: c.inputs, Node: c.nodes,
					Output: []*onnxpb.ValueInfoProto{onnxpb.ValueInfoProto_builder{Name: proto.String("y")}.Build()},
				}.Build(),
			}.Build())
			if err != nil {
				t.Fatal(err)
			}
			m, err := onnx.Parse(b, nil)
			if err != nil {
				t.Fatal(err)
			}
			o := onnx.Options{Shapes: map[string][]int{}}
			for name, s := range c.given {
				o.Shapes[name] = s.Open()
			}
			p, err := m.Program(o)
			if err != nil {
				t.Fatal(err)
			}
			got := defaultShapes(p, c.given)
			if len(got) != len(c.want) {
				t.Fatalf("have %v, want %v", got, c.want)
			}
			for name, want := range c.want {
				s := got[name]
				if !slices.Equal(s.Default, want) || len(s.Ranges) != len(want) {
					t.Errorf("input %s: %+v, want %v", name, s, want)
				}
			}
		})
	}
}
