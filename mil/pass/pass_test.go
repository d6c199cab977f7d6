package pass

import (
	"testing"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

func TestDeadCode(t *testing.T) {
	b := mil.NewBuilder(mil.IOS18)
	elem := mil.TensorType(tensor.Float32, 2)
	x, s := &mil.Value{Name: "x", Type: elem}, &mil.Value{Name: "s", Type: mil.Type{Kind: mil.State, Elem: &elem}}
	used := op.Relu.Add(b, op.Unary{X: x})
	dead := op.Tanh.Add(b, op.Unary{X: x})
	op.Exp.Add(b, op.Unary{X: dead}) // dead too, and what makes dead dead
	stored := op.Abs.Add(b, op.Unary{X: x})
	op.WriteState.AddN(b, op.WriteStateArgs{Input: s, Data: stored})
	if b.Err() != nil {
		t.Fatal(b.Err())
	}
	b.Block.Outputs = []*mil.Value{used}
	f := &mil.Func{Name: "main", Opset: mil.IOS18, Inputs: []*mil.Value{x, s}, Body: b.Block}
	Optimize(f)
	var left []string
	for _, n := range f.Body.Nodes {
		left = append(left, n.Op)
	}
	if len(left) != 3 || left[0] != "relu" || left[1] != "abs" || left[2] != "write_state" {
		t.Errorf("left are %v, want relu, abs and write_state", left)
	}
}

// What is computed twice of the same is computed once, but for outputs, random
// numbers and what differs in a constant or a type.
func TestCommon(t *testing.T) {
	b := mil.NewBuilder(mil.IOS18)
	elem := mil.TensorType(tensor.Float32, 2)
	x, s := &mil.Value{Name: "x", Type: elem}, &mil.Value{Name: "s", Type: mil.Type{Kind: mil.State, Elem: &elem}}
	plus := func(x *mil.Value, n float32) *mil.Value {
		return op.Add.Add(b, op.Binary{X: x, Y: mil.NewConst("n", tensor.Scalar(tensor.Float32, n))})
	}
	twice := op.Mul.Add(b, op.Binary{X: plus(op.Relu.Add(b, op.Unary{X: x}), 1), Y: plus(op.Relu.Add(b, op.Unary{X: x}), 1)})
	other := plus(op.Relu.Add(b, op.Unary{X: x}), 2)
	sum := op.Add.Add(b, op.Binary{X: twice, Y: other})
	out := op.Relu.Add(b, op.Unary{X: x}) // an output keeps its own node
	before := op.ReadState.Add(b, op.ReadStateArgs{Input: s})
	op.WriteState.AddN(b, op.WriteStateArgs{Input: s, Data: x})
	after := op.ReadState.Add(b, op.ReadStateArgs{Input: s})
	if b.Err() != nil {
		t.Fatal(b.Err())
	}
	b.Block.Outputs = []*mil.Value{sum, out, before, after}
	f := &mil.Func{Name: "main", Opset: mil.IOS18, Inputs: []*mil.Value{x, s}, Body: b.Block}
	common(f)
	count := map[string]int{}
	for _, n := range f.Body.Nodes {
		count[n.Op]++
	}
	if count["relu"] != 2 || count["add"] != 3 || count["mul"] != 1 || count["read_state"] != 2 {
		t.Errorf("left are %v", count)
	}
	if n := twice.Node; n.Input("x") != n.Input("y") {
		t.Error("the factors are still two")
	}
}
