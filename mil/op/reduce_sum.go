package op

import "github.com/smelt-ml/smelt/mil"

// ReduceSum adds elements, floats in float64.
var ReduceSum = Define(Spec[Reduction]{
	Name: "reduce_sum", Since: mil.IOS15, Types: Types{"T": Number},
	Infer: inferReduction,
	Eval: reduction(
		func(row []float32) float32 {
			var s float64
			for _, v := range row {
				s += float64(v)
			}
			return float32(s)
		},
		func(row []int32) int32 {
			var s int32
			for _, v := range row {
				s += v
			}
			return s
		}),
	Sample: sampleReduction,
})
