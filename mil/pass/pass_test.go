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
