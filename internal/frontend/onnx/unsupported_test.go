package onnx

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/internal/onnxpb"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

// branch is a graph without inputs.
func branch(out string, nodes ...*onnxpb.NodeProto) *onnxpb.GraphProto {
	return onnxpb.GraphProto_builder{Node: nodes, Output: []*onnxpb.ValueInfoProto{outputInfo(out)}}.Build()
}

// mixed has operators that nobody knows in the graph, behind each other, in both
// sides of an If, in a loop and in a function, and nodes that a rule refuses.
func mixed() *onnxpb.ModelProto {
	twice := onnxpb.FunctionProto_builder{
		Name: proto.String("Twice"), Domain: proto.String("local"), Input: []string{"a"}, Output: []string{"b"},
		Node: []*onnxpb.NodeProto{nodeProto("acme::Inner", []string{"a"}, []string{"m"}), nodeProto("Relu", []string{"m"}, []string{"b"})},
		OpsetImport: []*onnxpb.OperatorSetIdProto{
			onnxpb.OperatorSetIdProto_builder{Version: proto.Int64(17)}.Build(),
		},
	}.Build()
	body := onnxpb.GraphProto_builder{
		Input: []*onnxpb.ValueInfoProto{valueInfo("i", tensor.Int64), valueInfo("go", tensor.Bool), valueInfo("v", tensor.Float32, 2)},
		Node: []*onnxpb.NodeProto{
			nodeProto("acme::Round", []string{"v"}, []string{"w"}), nodeProto("Identity", []string{"go"}, []string{"on"}),
		},
		Output: []*onnxpb.ValueInfoProto{outputInfo("on"), outputInfo("w")},
	}.Build()
	g := onnxpb.GraphProto_builder{
		Input: []*onnxpb.ValueInfoProto{valueInfo("x", tensor.Float32, 2), valueInfo("p", tensor.Bool), valueInfo("n", tensor.Int64, 1)},
		Initializer: []*onnxpb.TensorProto{
			tensorProto("three", in64(nil, 3)), tensorProto("yes", tensor.Scalar(tensor.Bool, true)),
		},
		Node: []*onnxpb.NodeProto{
			nodeProto("acme::First", []string{"x"}, []string{"a"}),
			nodeProto("Relu", []string{"a"}, []string{"b"}), // of which no error tells anything
			nodeProto("Reshape", []string{"b", "a"}, []string{"c"}),
			nodeProto("acme::First", []string{"c"}, []string{"d"}),
			nodeProto("If", []string{"p"}, []string{"e"},
				attr("then_branch", branch("t", nodeProto("acme::Then", []string{"x"}, []string{"t"}))),
				attr("else_branch", branch("f", nodeProto("acme::Else", []string{"x"}, []string{"f"})))),
			nodeProto("Loop", []string{"three", "yes", "x"}, []string{"l"}, attr("body", body)),
			nodeProto("local::Twice", []string{"x"}, []string{"g"}),
			nodeProto("local::Twice", []string{"g"}, []string{"h"}),
			nodeProto("BitCast", []string{"x"}, []string{"k"}, attr("to", 6)),
			nodeProto("BitCast", []string{"l"}, []string{"m"}, attr("to", 6)),
			nodeProto("Sum", []string{"d", "e", "l", "h"}, []string{"y"}),
		},
		Output: []*onnxpb.ValueInfoProto{outputInfo("y"), outputInfo("k")},
	}.Build()
	return modelProto(26, g, twice)
}

func TestUnsupportedEverywhere(t *testing.T) {
	_, err := evaluated(t, mixed(), nil)
	var u *Unsupported
	if !errors.As(err, &u) || fault.KindOf(err) != fault.Unsupported {
		t.Fatalf("have %v", err)
	}
	have := map[string][]string{}
	for _, p := range u.Problems {
		have[opName(p.Domain, p.Op)] = p.Names
		if p.Known != (p.Op == "BitCast") || p.Reason == "" || strings.Contains(p.Reason, "layer") {
			t.Errorf("%+v", p)
		}
	}
	want := map[string][]string{
		"acme::First": {"n_a", "n_d"}, "acme::Then": {"n_t"}, "acme::Else": {"n_f"}, "acme::Round": {"n_w"}, "acme::Inner": {"n_m"},
		"BitCast": {"n_k"}, // what the loop gives is doubtful
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("-want +have\n%s", diff)
	}
	for _, part := range []string{"acme::First ×2 (n_a, n_d)", `BitCast "n_k": the bits of fp32 as int32`} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%v does not say %s", err, part)
		}
	}
}

// stand makes a custom layer of any node.
func stand(n *Node, b *Builder) ([]*mil.Value, error) {
	attributes, err := n.Attributes()
	if err != nil {
		return nil, err
	}
	a := op.CustomLayerArgs{ClassName: n.Op, Description: strings.Join(slices.Sorted(maps.Keys(attributes)), " ")}
	for i, v := range n.In {
		if v == nil {
			continue
		}
		a.Inputs, a.Names = append(a.Inputs, v), append(a.Names, fmt.Sprint("in", i))
	}
	a.InputOrder = a.Names
	types := make([]mil.Type, len(n.Out))
	for i := range types {
		t, ok := n.Type(i)
		if !ok {
			t = mil.Type{DType: tensor.Float32, AnyRank: true}
		}
		types[i] = t
	}
	return op.AddCustomLayer(b.Builder, a, types), nil
}

// A fallback stands for what has no rule and for what a rule refuses; its results
// have the types that the file says, or any rank.
func TestFallback(t *testing.T) {
	twice := onnxpb.FunctionProto_builder{
		Name: proto.String("Twice"), Domain: proto.String("local"), Input: []string{"a"}, Output: []string{"b"},
		Node: []*onnxpb.NodeProto{nodeProto("acme::Inner", []string{"a"}, []string{"b"})},
	}.Build()
	g := onnxpb.GraphProto_builder{
		Input: []*onnxpb.ValueInfoProto{valueInfo("x", tensor.Float32, "N", 3)},
		Node: []*onnxpb.NodeProto{
			nodeProto("acme::Swirl", []string{"x"}, []string{"a"}, attr("angle", 0.5), attr("center", []int{1, 2}), attr("t", fl(sh{1}, 2))),
			nodeProto("Relu", []string{"a"}, []string{"b"}),
			nodeProto("BitCast", []string{"b"}, []string{"c"}, attr("to", 6)),
			nodeProto("local::Twice", []string{"b"}, []string{"d"}),
			nodeProto("Neg", []string{"d"}, []string{"e"}),
			nodeProto("acme::Last", []string{"x"}, []string{"f"}),
		},
		Output:    []*onnxpb.ValueInfoProto{outputInfo("e"), valueInfo("c", tensor.Int32, "N", 3), outputInfo("f")},
		ValueInfo: []*onnxpb.ValueInfoProto{valueInfo("a", tensor.Float32, "N", "M", 2), valueInfo("d", tensor.Float32, "M")},
	}.Build()
	model, err := Parse(encode(t, modelProto(26, g, twice)), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		shapes map[string][]int
		want   string
	}{
		{nil, "Swirl tensor<fp32, [s2, s3, 2]> angle center t; BitCast tensor<int32, [s2, 3]> to; Inner tensor<fp32, [s3]> ; Last tensor<fp32, ...> "},
		{map[string][]int{"x": {4, 3}}, "Swirl tensor<fp32, [4, s2, 2]> angle center t; BitCast tensor<int32, [4, 3]> to; Inner tensor<fp32, [s2]> ; Last tensor<fp32, ...> "},
	} {
		p, err := model.Program(Options{Fallback: stand, Shapes: c.shapes})
		if err != nil {
			t.Fatal(err)
		}
		var have []string
		for _, n := range p.Func.Body.Nodes {
			if n.Op == op.CustomLayer.Name {
				args, err := op.CustomLayer.Bind(n, nil)
				if err != nil {
					t.Fatal(err)
				}
				a := args.(*op.CustomLayerArgs)
				have = append(have, strings.Join([]string{a.ClassName, n.Outputs[0].Type.String(), a.Description}, " "))
			}
		}
		if got := strings.Join(have, "; "); got != c.want {
			t.Errorf("%v: have %s\nwant %s", c.shapes, got, c.want)
		}
	}
}

// A node whose input has no known rank is not to blame: the one before it is.
func TestFallbackWithoutRank(t *testing.T) {
	g := onnxpb.GraphProto_builder{
		Input:  []*onnxpb.ValueInfoProto{valueInfo("x", tensor.Float32, 3)},
		Node:   []*onnxpb.NodeProto{nodeProto("acme::Swirl", []string{"x"}, []string{"a"}), nodeProto("Relu", []string{"a"}, []string{"y"})},
		Output: []*onnxpb.ValueInfoProto{outputInfo("y")},
	}.Build()
	model, err := Parse(encode(t, modelProto(17, g)), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = model.Program(Options{Fallback: stand})
	var u *Unsupported
	if !errors.As(err, &u) || len(u.Problems) != 1 || u.Problems[0].Op != "Relu" || !u.Problems[0].Shapeless || u.Problems[0].Reason != `nothing says the shape of its input "a", which the custom layer "a" gives` {
		t.Errorf("have %v", err)
	}
}

// A fallback that fails, and attributes that no constant has.
func TestFallbackFails(t *testing.T) {
	g := onnxpb.GraphProto_builder{
		Input: []*onnxpb.ValueInfoProto{valueInfo("x", tensor.Float32, 3)},
		Node: []*onnxpb.NodeProto{
			nodeProto("acme::Graph", []string{"x"}, []string{"a"}, attr("body", branch("x"))),
			nodeProto("acme::Other", []string{"x"}, []string{"y"}),
		},
		Output: []*onnxpb.ValueInfoProto{outputInfo("y")},
	}.Build()
	model, err := Parse(encode(t, modelProto(17, g)), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = model.Program(Options{Fallback: stand})
	var u *Unsupported
	if !errors.As(err, &u) || len(u.Problems) != 1 || u.Problems[0].Reason != `attribute "body" is a graph` {
		t.Errorf("have %v", err)
	}
	_, err = model.Program(Options{Fallback: func(*Node, *Builder) ([]*mil.Value, error) { return nil, errors.New("broken") }})
	if err == nil || !strings.Contains(err.Error(), `acme::Graph "n_a": broken`) {
		t.Errorf("have %v", err)
	}
}

// Rules of the user come first, and may ask for the table's own.
func TestBuiltin(t *testing.T) {
	g := onnxpb.GraphProto_builder{
		Input: []*onnxpb.ValueInfoProto{valueInfo("x", tensor.Float32, 2)},
		Node: []*onnxpb.NodeProto{
			nodeProto("Relu", []string{"x"}, []string{"a"}), nodeProto("acme::Negative", []string{"a"}, []string{"y"}),
		},
		Output: []*onnxpb.ValueInfoProto{outputInfo("y")},
	}.Build()
	rules := func(as string) map[string]Rule {
		return map[string]Rule{
			"Relu":           func(n *Node, b *Builder) ([]*mil.Value, error) { return b.Builtin(n, "") },
			"acme::Negative": func(n *Node, b *Builder) ([]*mil.Value, error) { return b.Builtin(n, as) },
		}
	}
	model, err := Parse(encode(t, modelProto(17, g)), nil)
	if err != nil {
		t.Fatal(err)
	}
	p, err := model.Program(Options{Rules: rules("Neg"), Values: map[string]*tensor.Tensor{"x": fl(sh{2}, -1, 2)}})
	if err != nil {
		t.Fatal(err)
	}
	if v := p.Func.Body.Nodes[0].Input("x").Const; v == nil || !slices.Equal(v.F32(), []float32{0, -2}) {
		t.Errorf("have %v", p.Func.Body.Nodes[0])
	}
	for _, as := range []string{"", "acme::Negative", "com.microsoft::Neg"} {
		if _, err := model.Program(Options{Rules: rules(as)}); err == nil || !strings.Contains(err.Error(), "there is no conversion of") {
			t.Errorf("as %q: have %v", as, err)
		}
	}
}

func TestAttributes(t *testing.T) {
	list := []*onnxpb.AttributeProto{
		attr("i", 3), attr("f", 0.5), attr("s", "text"), attr("is", []int{1, 2}), attr("fs", []float32{1}), attr("ss", []string{"a"}),
		onnxpb.AttributeProto_builder{Name: proto.String("old"), Ints: []int64{7}}.Build(),
		onnxpb.AttributeProto_builder{Name: proto.String("zero"), I: proto.Int64(0)}.Build(),
		onnxpb.AttributeProto_builder{Name: proto.String("half"), F: proto.Float32(0.5)}.Build(),
		onnxpb.AttributeProto_builder{Name: proto.String("word"), S: []byte("w")}.Build(),
	}
	n := &Node{attrs: map[string]*onnxpb.AttributeProto{}, model: &Model{}}
	for _, a := range list {
		n.attrs[a.GetName()] = a
	}
	have, err := n.Attributes()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"i": int64(3), "f": float32(0.5), "s": "text", "is": []int64{1, 2}, "fs": []float32{1}, "ss": []string{"a"},
		"old": []int64{7}, "zero": int64(0), "half": float32(0.5), "word": "w",
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("-want +have\n%s", diff)
	}
}
