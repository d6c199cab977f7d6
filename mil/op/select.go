package op

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// SelectArgs are the arguments of select. They broadcast against each other.
type SelectArgs struct {
	Cond *mil.Value `mil:"cond,bool"`
	A    *mil.Value `mil:"a,T"`
	B    *mil.Value `mil:"b,T"`
}

// Select is a where the condition is true, and b where it is not.
var Select = Define(Spec[SelectArgs]{
	Name: "select", Since: mil.IOS15, Types: Types{"T": Any},
	Infer: inferSelect,
	Eval: func(a *SelectArgs) ([]*tensor.Tensor, error) {
		shape, err := staticShape(inferSelect, a)
		if err != nil {
			return nil, err
		}
		cond, err := broadcast(a.Cond.Const, shape)
		if err != nil {
			return nil, err
		}
		x, err := broadcast(a.A.Const, shape)
		if err != nil {
			return nil, err
		}
		y, err := broadcast(a.B.Const, shape)
		if err != nil {
			return nil, err
		}
		switch d := x.DType(); {
		case d == tensor.Bool:
			return one(chosen[bool](cond, x, y))
		case d.IsFloat():
			return one(chosen[float32](cond, x, y))
		default:
			return one(chosen[int32](cond, x, y))
		}
	},
	Sample: func(r *rand.Rand) SelectArgs {
		xy := sampleXY(r)
		shape, _ := mil.Broadcast(xy.X.Type.Shape, xy.Y.Type.Shape)
		shape = slices.Clone(shape)
		shape[r.IntN(len(shape))] = 1
		cond, _ := sampleInts(r, 0, 2, shape...).Const.ConvertTo(tensor.Bool)
		return SelectArgs{mil.NewConst("c", cond), xy.X, xy.Y}
	},
})

func inferSelect(a *SelectArgs) ([]mil.Type, error) {
	shape, err := mil.Broadcast(dims(a.A), dims(a.B))
	if err != nil {
		return nil, fmt.Errorf("a and b: %w", err)
	}
	if shape, err = mil.Broadcast(shape, dims(a.Cond)); err != nil {
		return nil, fmt.Errorf("cond: %w", err)
	}
	return result(a.A.Type.DType, shape...)
}

// broadcast repeats a tensor along dimensions that it lacks or has as 1.
func broadcast(x *tensor.Tensor, shape []int) (*tensor.Tensor, error) {
	if slices.Equal(x.Shape(), shape) {
		return x, nil
	}
	return rearranged(x, shape, move{shape: shape, from: broadcastStrides(x.Shape(), shape)})
}

func chosen[T tensor.Element](cond, x, y *tensor.Tensor) *tensor.Tensor {
	xs, ys := tensor.Data[T](x), tensor.Data[T](y)
	out := slices.Clone(ys)
	for i, c := range cond.Bools() {
		if c {
			out[i] = xs[i]
		}
	}
	return tensor.New(x.DType(), x.Shape(), out)
}
