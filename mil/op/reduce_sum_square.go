package op

import "github.com/smelt-ml/smelt/mil"

// ReduceSumSquare adds the squares of elements, floats in float64; integers wrap
// around.
var ReduceSumSquare = Define(Spec[Reduction]{
	Name: "reduce_sum_square", Since: mil.IOS15, Types: Types{"T": Number},
	Infer: inferReduction,
	Eval: reduction(
		func(row []float32) float32 {
			s := float64(0)
			for _, v := range row {
				s += float64(v) * float64(v)
			}
			return float32(s)
		},
		func(row []int32) int32 {
			s := int32(0)
			for _, v := range row {
				s += v * v
			}
			return s
		}),
	Sample: sampleReduction,
})
