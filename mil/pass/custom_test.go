package pass

import (
	"slices"
	"testing"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

func TestWithoutCustom(t *testing.T) {
	x := &mil.Value{Name: "x", Type: mil.TensorType(tensor.Float32, 2)}
	held := x.Type
	state := &mil.Value{Name: "s", Type: mil.Type{Kind: mil.State, Elem: &held}}
	b := mil.NewBuilder(mil.IOS18)
	relu := func(b *mil.Builder, x *mil.Value) *mil.Value { return op.Relu.Add(b, op.Unary{X: x}) }
	free := relu(b, x)
	made := op.AddCustomLayer(b, op.CustomLayerArgs{Inputs: []*mil.Value{free}, Names: []string{"x"}, ClassName: "C"}, []mil.Type{x.Type})[0]
	behind := relu(b, made)
	b.Append(&mil.Node{Op: "write_state", Inputs: []mil.Input{{Name: "input", Values: []*mil.Value{state}}, {Name: "data", Values: []*mil.Value{behind}}}})
	read := op.ReadState.Add(b, op.ReadStateArgs{Input: state})
	side := func(v *mil.Value) *mil.Block { return &mil.Block{Outputs: []*mil.Value{v}} }
	pick := func(u, v *mil.Value) *mil.Value {
		out := &mil.Value{Name: "picked", Type: x.Type}
		pred := mil.NewConst("", tensor.Scalar(tensor.Bool, true))
		b.Append(&mil.Node{Op: "cond", Inputs: []mil.Input{{Name: "pred", Values: []*mil.Value{pred}}}, Blocks: []*mil.Block{side(u), side(v)}, Outputs: []*mil.Value{out}})
		return out
	}
	f := &mil.Func{Name: "main", Opset: mil.IOS18, Inputs: []*mil.Value{x, state}, Body: b.Block}
	f.Body.Outputs = []*mil.Value{behind, free, read, pick(free, made), pick(free, x), made}
	if b.Err() != nil {
		t.Fatal(b.Err())
	}
	if gone := WithoutCustom(f); !slices.Equal(gone, []int{0, 2, 3, 5}) {
		t.Errorf("gone %v", gone)
	}
	if len(f.Body.Outputs) != 2 || len(f.Body.Nodes) != 2 {
		t.Errorf("left %v in %v", f.Body.Outputs, f.Body.Nodes)
	}
	if gone := WithoutCustom(f); gone != nil {
		t.Errorf("gone %v", gone)
	}
}
