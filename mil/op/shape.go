package op

import (
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// Shape is the shape of a tensor as a vector. It follows from the type of x
// alone: Eval needs no elements.
var Shape = Define(Spec[Unary]{
	Name: "shape", Since: mil.IOS15, Types: Types{"T": Any},
	Infer: func(a *Unary) ([]mil.Type, error) { return result(tensor.Int32, len(dims(a.X))) },
	Eval: func(a *Unary) ([]*tensor.Tensor, error) {
		shape := dims(a.X)
		return one(integers([]int{len(shape)}, tensor.Int32, shape...))
	},
	Sample: sampleX,
})
