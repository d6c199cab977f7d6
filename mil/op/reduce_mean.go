package op

import "github.com/smelt-ml/smelt/mil"

// ReduceMean is the mean of elements: of none NaN. The mean of integers is cut off
// toward zero, of none 0.
var ReduceMean = Define(Spec[Reduction]{
	Name: "reduce_mean", Since: mil.IOS15, Types: Types{"T": Number},
	Infer: inferReduction,
	Eval: reduction(
		func(row []float32) float32 {
			var s float64
			for _, v := range row {
				s += float64(v)
			}
			return float32(s / float64(len(row)))
		},
		func(row []int32) int32 {
			var s int64
			for _, v := range row {
				s += int64(v)
			}
			return int32(s / int64(max(len(row), 1)))
		}),
	Sample: sampleReduction,
})
