package mlprogram

import (
	"fmt"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

// adjustments are what readers of ML Programs want beyond what the table of
// operators says.
var adjustments = map[string]func(n *mil.Node, target mil.Opset) error{
	"cumsum":   cumsum,
	"conv":     lowerSame,
	"avg_pool": lowerSame,
	"max_pool": lowerSame,
	"l2_pool":  lowerSame,
}

// cumsum takes no axis below -1.
func cumsum(n *mil.Node, _ mil.Opset) error {
	x, axis := n.Input("x"), n.Input("axis")
	if x == nil || axis == nil || axis.Const == nil || axis.Const.Len() != 1 || x.Type.AnyRank {
		return nil
	}
	if a := int(axis.Const.Float64s()[0]); a < -1 {
		for i, in := range n.Inputs {
			if in.Name == "axis" {
				n.Inputs[i].Values = one(mil.NewConst(axis.Name, tensor.Scalar(tensor.Int32, int32(a+x.Type.Rank()))))
			}
		}
	}
	return nil
}

// lowerSame is about a padding that iOS 15 does not have.
func lowerSame(n *mil.Node, target mil.Opset) error {
	if v := n.Input("pad_type"); target < mil.IOS16 && v != nil && v.Const != nil && v.Const.Strings()[0] == "same_lower" {
		return fmt.Errorf("its pad_type same_lower exists since %s", TargetName(mil.IOS16))
	}
	return nil
}

// choose spreads the first of the two values that select chooses from over the
// condition: of these two alone comes the shape that readers expect. What is
// multiplied by one stays what it is.
func choose(b *mil.Builder, n *mil.Node) ([]*mil.Value, error) {
	cond, x, y := n.Input("cond"), n.Input("a"), n.Input("b")
	inputs := n.Inputs
	if cond != nil && x != nil && y != nil && !cond.Type.AnyRank && !x.Type.AnyRank && !y.Type.AnyRank {
		shape, err := mil.Broadcast(x.Type.Shape, y.Type.Shape)
		if err != nil {
			return nil, err
		}
		if out := n.Outputs[0].Type; !mil.TensorType(out.DType, shape...).Equal(out) {
			var all *mil.Value
			if cond.Type.IsStatic() {
				all = ints(cond.Type.Shape...)
			} else {
				all = op.Shape.Add(b, op.Unary{X: cond})
			}
			if d := x.Type.DType; d == tensor.Bool {
				none := op.Fill.Add(b, op.FillArgs{Shape: all, Value: tensor.Scalar(tensor.Bool, false)})
				x = op.LogicalOr.Add(b, op.Binary{X: x, Y: none})
			} else {
				t, err := tensor.Scalar(tensor.Float32, float32(1)).ConvertTo(d)
				if err != nil {
					return nil, err
				}
				x = op.Mul.Add(b, op.Binary{X: x, Y: op.Fill.Add(b, op.FillArgs{Shape: all, Value: t})})
			}
			inputs = []mil.Input{{Name: "cond", Values: one(cond)}, {Name: "a", Values: one(x)}, {Name: "b", Values: one(y)}}
		}
	}
	return again(b, n, "select", inputs), nil
}
