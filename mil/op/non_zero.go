package op

import (
	"math/rand/v2"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// NonZero gives the indices of the elements that are not zero, one row of a
// matrix each. How many there are is only known from the elements.
var NonZero = Define(Spec[Unary]{
	Name: "non_zero", Since: mil.IOS15, Types: Types{"T": Any},
	Infer: func(a *Unary) ([]mil.Type, error) { return result(tensor.Int32, mil.Unknown, len(dims(a.X))) },
	Eval: func(a *Unary) ([]*tensor.Tensor, error) {
		switch x := a.X.Const; {
		case x.DType() == tensor.Bool:
			return nonZero(x.Shape(), x.Bools())
		case x.DType().IsFloat():
			return nonZero(x.Shape(), x.F32())
		default:
			return nonZero(x.Shape(), x.I32())
		}
	},
	Sample: func(r *rand.Rand) Unary { return Unary{sampleInts(r, -1, 2, sampleShape(r)...)} },
})

func nonZero[T comparable](shape []int, data []T) ([]*tensor.Tensor, error) {
	var zero T
	n := 0
	for _, v := range data {
		if v != zero {
			n++
		}
	}
	if _, err := tensor.CheckShape([]int{n, len(shape)}); err != nil {
		return nil, err
	}
	out := make([]int32, 0, n*len(shape))
	at := make([]int32, len(shape))
	for _, v := range data {
		if v != zero {
			out = append(out, at...)
		}
		for d := len(at) - 1; d >= 0; d-- {
			if at[d]++; int(at[d]) < shape[d] {
				break
			}
			at[d] = 0
		}
	}
	return one(tensor.Ints([]int{n, len(shape)}, out))
}
