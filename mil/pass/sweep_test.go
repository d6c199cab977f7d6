package pass

import (
	"testing"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

// Sweep leaves no copies but those that give an input another name.
func TestSweep(t *testing.T) {
	b := mil.NewBuilder(mil.IOS15)
	x := &mil.Value{Name: "x", Type: mil.TensorType(tensor.Float32, 2)}
	copied := op.Identity.Add(b, op.IdentityArgs{X: x})
	r := op.Relu.Add(b, op.Unary{X: copied})
	op.Tanh.Add(b, op.Unary{X: r}) // which nobody reads
	y := op.Identity.Add(b, op.IdentityArgs{X: r})
	y.Name = "y"
	again := op.Identity.Add(b, op.IdentityArgs{X: r})
	again.Name = "again"
	same := op.Identity.Add(b, op.IdentityArgs{X: x})
	same.Name = "same"
	b.Block.Outputs = []*mil.Value{y, again, same}
	f := &mil.Func{Name: "main", Opset: mil.IOS15, Inputs: []*mil.Value{x}, Body: b.Block}
	Sweep(f)
	var ops []string
	for _, n := range f.Body.Nodes {
		ops = append(ops, n.Op)
	}
	if len(ops) != 3 || ops[0] != "relu" || f.Body.Nodes[0].Input("x") != x {
		t.Errorf("operations %v", ops)
	}
	for i, want := range []string{"y", "again", "same"} {
		if v := f.Body.Outputs[i]; v.Name != want || v.Node == nil {
			t.Errorf("output %d is %s", i, v.Name)
		}
	}
	if f.Body.Outputs[0] != r {
		t.Error("the first copy of an operation's result is still there")
	}
}
