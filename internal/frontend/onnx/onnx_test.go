package onnx

import (
	"math"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/internal/onnxpb"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// sh is a shape in tables.
type sh []int

// fl makes a known fp32 tensor.
func fl(shape sh, v ...float32) *tensor.Tensor { return tensor.Floats(shape, v) }

// in64 makes a known int64 tensor.
func in64(shape sh, v ...int64) *tensor.Tensor { return tensor.New(tensor.Int64, shape, v) }

// attr makes an attribute of a Go value.
func attr(name string, v any) *onnxpb.AttributeProto {
	a := onnxpb.AttributeProto_builder{Name: proto.String(name)}
	switch v := v.(type) {
	case int:
		a.I, a.Type = proto.Int64(int64(v)), onnxpb.AttributeProto_INT.Enum()
	case float64:
		a.F, a.Type = proto.Float32(float32(v)), onnxpb.AttributeProto_FLOAT.Enum()
	case string:
		a.S, a.Type = []byte(v), onnxpb.AttributeProto_STRING.Enum()
	case []int:
		for _, x := range v {
			a.Ints = append(a.Ints, int64(x))
		}
		a.Type = onnxpb.AttributeProto_INTS.Enum()
	case []string:
		for _, x := range v {
			a.Strings = append(a.Strings, []byte(x))
		}
		a.Type = onnxpb.AttributeProto_STRINGS.Enum()
	case []float32:
		a.Floats, a.Type = v, onnxpb.AttributeProto_FLOATS.Enum()
	case *tensor.Tensor:
		a.T, a.Type = tensorProto("", v), onnxpb.AttributeProto_TENSOR.Enum()
	case *onnxpb.GraphProto:
		a.G, a.Type = v, onnxpb.AttributeProto_GRAPH.Enum()
	default:
		panic("attr: no such type")
	}
	return a.Build()
}

func elemType(d tensor.DType) onnxpb.TensorProto_DataType {
	for k, v := range dtypes {
		if v == d {
			return k
		}
	}
	panic("elemType: " + d.String())
}

// tensorProto makes a tensor as files hold it.
func tensorProto(name string, t *tensor.Tensor) *onnxpb.TensorProto {
	p := onnxpb.TensorProto_builder{Name: proto.String(name), DataType: proto.Int32(int32(elemType(t.DType())))}
	for _, d := range t.Shape() {
		p.Dims = append(p.Dims, int64(d))
	}
	if t.DType() == tensor.String {
		for _, s := range t.Strings() {
			p.StringData = append(p.StringData, []byte(s))
		}
	} else {
		p.RawData = t.Packed()
		if p.RawData == nil {
			p.RawData = []byte{}
		}
	}
	return p.Build()
}

// nodeProto makes a node; "domain::Op" names one of another domain.
func nodeProto(op string, in, out []string, attrs ...*onnxpb.AttributeProto) *onnxpb.NodeProto {
	n := onnxpb.NodeProto_builder{Input: in, Output: out, Attribute: attrs, Name: proto.String("n_" + out[0])}
	if domain, name, ok := strings.Cut(op, "::"); ok {
		n.Domain, op = proto.String(domain), name
	}
	n.OpType = proto.String(op)
	return n.Build()
}

// valueInfo declares a value; a dimension is a number or a name.
func valueInfo(name string, d tensor.DType, dims ...any) *onnxpb.ValueInfoProto {
	shape := onnxpb.TensorShapeProto_builder{}
	for _, v := range dims {
		dim := onnxpb.TensorShapeProto_Dimension_builder{}
		switch v := v.(type) {
		case int:
			dim.DimValue = proto.Int64(int64(v))
		case string:
			dim.DimParam = proto.String(v)
		}
		shape.Dim = append(shape.Dim, dim.Build())
	}
	t := onnxpb.TypeProto_Tensor_builder{ElemType: proto.Int32(int32(elemType(d))), Shape: shape.Build()}.Build()
	return onnxpb.ValueInfoProto_builder{Name: proto.String(name), Type: onnxpb.TypeProto_builder{TensorType: t}.Build()}.Build()
}

func outputInfo(name string) *onnxpb.ValueInfoProto {
	return onnxpb.ValueInfoProto_builder{Name: proto.String(name)}.Build()
}

// modelProto makes a model of a graph.
func modelProto(version int, g *onnxpb.GraphProto, functions ...*onnxpb.FunctionProto) *onnxpb.ModelProto {
	imports := []*onnxpb.OperatorSetIdProto{
		onnxpb.OperatorSetIdProto_builder{Version: proto.Int64(int64(version))}.Build(),
		onnxpb.OperatorSetIdProto_builder{Domain: proto.String("com.microsoft"), Version: proto.Int64(1)}.Build(),
		onnxpb.OperatorSetIdProto_builder{Domain: proto.String("ai.onnx.ml"), Version: proto.Int64(3)}.Build(),
		onnxpb.OperatorSetIdProto_builder{Domain: proto.String("local"), Version: proto.Int64(1)}.Build(),
	}
	return onnxpb.ModelProto_builder{
		IrVersion: proto.Int64(10), OpsetImport: imports, Graph: g, ProducerName: proto.String("test"), Functions: functions,
	}.Build()
}

func encode(t testing.TB, m *onnxpb.ModelProto) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// single makes a model of one node; inputs that are nil are absent, those in
// fixed are initializers.
func single(op string, version, outputs int, in []*tensor.Tensor, fixed []int, attrs ...*onnxpb.AttributeProto) *onnxpb.ModelProto {
	g := onnxpb.GraphProto_builder{Name: proto.String("g")}
	var names, outs []string
	for i, t := range in {
		name := string(rune('a' + i))
		switch {
		case t == nil:
			name = ""
		case slices.Contains(fixed, i):
			g.Initializer = append(g.Initializer, tensorProto(name, t))
		default:
			var dims []any
			for _, d := range t.Shape() {
				dims = append(dims, d)
			}
			g.Input = append(g.Input, valueInfo(name, t.DType(), dims...))
		}
		names = append(names, name)
	}
	for i := range outputs {
		outs = append(outs, "y"+string(rune('0'+i)))
		g.Output = append(g.Output, outputInfo(outs[i]))
	}
	g.Node = []*onnxpb.NodeProto{nodeProto(op, names, outs, attrs...)}
	return modelProto(version, g.Build())
}

// evaluate computes a model's outputs for inputs by folding them all.
func evaluate(t *testing.T, m *onnxpb.ModelProto, in map[string]*tensor.Tensor) []*tensor.Tensor {
	t.Helper()
	p, err := evaluated(t, m, in)
	if err != nil {
		t.Fatal(err)
	}
	var out []*tensor.Tensor
	for _, v := range p.Func.Body.Outputs {
		c := v.Const
		if c == nil && v.Node != nil && v.Node.Op == "identity" {
			c = v.Node.Input("x").Const
		}
		if c == nil {
			t.Fatalf("the output %s is not computed", v.Name)
		}
		out = append(out, c)
	}
	return out
}

func evaluated(t *testing.T, m *onnxpb.ModelProto, in map[string]*tensor.Tensor) (*Program, error) {
	t.Helper()
	model, err := Parse(encode(t, m), nil)
	if err != nil {
		return nil, err
	}
	return model.Program(Options{Values: in})
}

// nodeTest is a node with known inputs and what it gives.
type nodeTest struct {
	name    string
	op      string
	version int
	in      []*tensor.Tensor
	attrs   []*onnxpb.AttributeProto
	want    []*tensor.Tensor // nil for an output that does not matter
	err     string
}

// runNodes lowers each node with its inputs known, so that folding computes it.
func runNodes(t *testing.T, tests []nodeTest) {
	t.Helper()
	for _, test := range tests {
		name := test.op
		if test.name != "" {
			name += "/" + test.name
		}
		t.Run(name, func(t *testing.T) {
			version := test.version
			if version == 0 {
				version = 21
			}
			m := single(test.op, version, max(1, len(test.want)), test.in, nil, test.attrs...)
			in := map[string]*tensor.Tensor{}
			for i, x := range test.in {
				if x != nil {
					in[string(rune('a'+i))] = x
				}
			}
			if test.err != "" {
				_, err := evaluated(t, m, in)
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Fatalf("error %v, want %q", err, test.err)
				}
				return
			}
			for i, got := range evaluate(t, m, in) {
				if want := test.want[i]; want != nil {
					sameTensor(t, got, want)
				}
			}
		})
	}
}

func sameTensor(t *testing.T, got, want *tensor.Tensor) {
	t.Helper()
	if !slices.Equal(got.Shape(), want.Shape()) {
		t.Fatalf("shape %v, want %v", got.Shape(), want.Shape())
	}
	g := got.Float64s()
	for i, w := range want.Float64s() {
		if d := math.Abs(g[i] - w); !(d <= 1e-5*max(1, math.Abs(w)) || g[i] == w || g[i] != g[i] && w != w) {
			t.Fatalf("element %d of %v is %g, want %g", i, g, g[i], w)
		}
	}
}

func TestProgram(t *testing.T) {
	g := onnxpb.GraphProto_builder{
		Input:       []*onnxpb.ValueInfoProto{valueInfo("x", tensor.Float32, "N", 4), valueInfo("w", tensor.Float32, 4, 3)},
		Output:      []*onnxpb.ValueInfoProto{valueInfo("y", tensor.Float32, "N", 3), valueInfo("x", tensor.Float32, "N", 4), valueInfo("k", tensor.Int64)},
		Initializer: []*onnxpb.TensorProto{tensorProto("w", fl(sh{4, 3}, make([]float32, 12)...)), tensorProto("k", in64(nil, 7))},
		Node: []*onnxpb.NodeProto{
			nodeProto("MatMul", []string{"x", "w"}, []string{"h"}),
			nodeProto("Relu", []string{"h"}, []string{"y"}),
		},
	}.Build()
	m, err := Parse(encode(t, modelProto(13, g)), nil)
	if err != nil {
		t.Fatal(err)
	}
	if name, _ := m.Producer(); name != "test" || m.Opset("") != 13 || m.Opset("com.microsoft") != 1 {
		t.Errorf("producer %q, opset %d", name, m.Opset(""))
	}
	p, err := m.Program(Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Inputs) != 1 || p.Func.Inputs[0].Name != "x" || p.Func.Opset != mil.IOS18 {
		t.Errorf("inputs %v", p.Inputs)
	}
	if s := p.Func.Inputs[0].Type.Shape; s[0] >= mil.Unknown || s[1] != 4 {
		t.Errorf("the input has shape %v, want a symbol and 4", s)
	}
	var names []string
	for i, v := range p.Func.Body.Outputs {
		names = append(names, v.Name)
		if v.Name != p.Outputs[i].Name {
			t.Errorf("output %q, want %q", v.Name, p.Outputs[i].Name)
		}
	}
	if !slices.Equal(names, []string{"y", "x", "k"}) {
		t.Errorf("outputs %v", names)
	}
	if s, in := p.Func.Body.Outputs[0].Type.Shape, p.Func.Inputs[0].Type.Shape; s[0] != in[0] || s[1] != 3 {
		t.Errorf("the output has shape %v for an input %v", s, in)
	}
	if p, err = m.Program(Options{Dims: map[string]int{"N": 5}}); err != nil || p.Func.Inputs[0].Type.Shape[0] != 5 {
		t.Errorf("with N fixed: %v", err)
	}
	if _, err = m.Program(Options{Shapes: map[string][]int{"x": {2, 5}}}); fault.KindOf(err) != fault.BadShape {
		t.Errorf("a wrong shape gives %v", err)
	}
	called := false
	rule := func(n *Node, b *Builder) ([]*mil.Value, error) { called = true; return n.In, nil }
	if _, err = m.Program(Options{Rules: map[string]Rule{"Relu": rule}}); err != nil || !called {
		t.Errorf("a custom rule is not called: %v", err)
	}
}

func TestUnsupportedAllAtOnce(t *testing.T) {
	g := onnxpb.GraphProto_builder{
		Input: []*onnxpb.ValueInfoProto{valueInfo("x", tensor.Float32, 2)},
		Node: []*onnxpb.NodeProto{
			nodeProto("Mystery", []string{"x"}, []string{"a"}), nodeProto("local::Other", []string{"a"}, []string{"b"}),
			nodeProto("Mystery", []string{"b"}, []string{"y"}),
		},
		Output: []*onnxpb.ValueInfoProto{outputInfo("y")},
	}.Build()
	_, err := evaluated(t, modelProto(13, g), nil)
	if fault.KindOf(err) != fault.Unsupported || !strings.Contains(err.Error(), "Mystery ×2 (n_a, n_y)") || !strings.Contains(err.Error(), "local::Other ×1") {
		t.Errorf("error %v", err)
	}
}

// TestShapeArithmetic holds that what exporters write to compute shapes leaves
// nothing behind, with symbolic dimensions too.
func TestShapeArithmetic(t *testing.T) {
	g := onnxpb.GraphProto_builder{
		Input: []*onnxpb.ValueInfoProto{valueInfo("x", tensor.Float32, "N", "S", 8)},
		Initializer: []*onnxpb.TensorProto{
			tensorProto("zero", in64(nil, 0)), tensorProto("one", in64(nil, 1)), tensorProto("at", in64(sh{1}, 0)),
			tensorProto("two", in64(sh{1}, 2)), tensorProto("four", in64(sh{1}, 4)),
		},
		Node: []*onnxpb.NodeProto{
			nodeProto("Shape", []string{"x"}, []string{"s"}),
			nodeProto("Gather", []string{"s", "zero"}, []string{"n"}),
			nodeProto("Gather", []string{"s", "one"}, []string{"l"}),
			nodeProto("Unsqueeze", []string{"n", "at"}, []string{"n1"}),
			nodeProto("Unsqueeze", []string{"l", "at"}, []string{"l1"}),
			nodeProto("Concat", []string{"n1", "l1", "two", "four"}, []string{"to"}, attr("axis", 0)),
			nodeProto("Reshape", []string{"x", "to"}, []string{"h"}),
			nodeProto("Transpose", []string{"h"}, []string{"y"}, attr("perm", []int{0, 2, 1, 3})),
		},
		Output: []*onnxpb.ValueInfoProto{outputInfo("y")},
	}.Build()
	m, err := Parse(encode(t, modelProto(17, g)), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []Options{{Shapes: map[string][]int{"x": {2, 5, 8}}}, {Dims: map[string]int{"N": 1}}, {}} {
		p, err := m.Program(o)
		if err != nil {
			t.Fatal(err)
		}
		in, out := p.Func.Inputs[0].Type.Shape, p.Func.Body.Outputs[0].Type.Shape
		if want := []int{in[0], 2, in[1], 4}; !slices.Equal(out, want) {
			t.Errorf("%v gives %v, want %v", in, out, want)
		}
		if o.Shapes != nil || o.Dims != nil {
			for _, n := range p.Func.Body.Nodes {
				if n.Op != "reshape" && n.Op != "transpose" {
					t.Errorf("%v is left", n)
				}
			}
		}
	}
}
