package op

import (
	"math"

	"github.com/smelt-ml/smelt/mil"
)

// ReduceMin is the least element; NaN wins. Of none it is the greatest value of
// the type.
var ReduceMin = Define(Spec[Reduction]{
	Name: "reduce_min", Since: mil.IOS15, Types: Types{"T": Number},
	Infer: inferReduction,
	Eval: reduction(
		func(row []float32) float32 {
			m := float32(math.Inf(1))
			for _, v := range row {
				m = min(m, v)
			}
			return m
		},
		func(row []int32) int32 {
			m := int32(math.MaxInt32)
			for _, v := range row {
				m = min(m, v)
			}
			return m
		}),
	Sample: sampleReduction,
})
