package op

import "github.com/smelt-ml/smelt/mil"

// ReduceProd multiplies elements, floats in float64; integers wrap around.
var ReduceProd = Define(Spec[Reduction]{
	Name: "reduce_prod", Since: mil.IOS15, Types: Types{"T": Number},
	Infer: inferReduction,
	Eval: reduction(
		func(row []float32) float32 {
			s := float64(1)
			for _, v := range row {
				s *= float64(v)
			}
			return float32(s)
		},
		func(row []int32) int32 {
			s := int32(1)
			for _, v := range row {
				s *= v
			}
			return s
		}),
	Sample: sampleReduction,
})
