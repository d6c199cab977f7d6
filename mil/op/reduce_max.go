package op

import (
	"math"

	"github.com/smelt-ml/smelt/mil"
)

// ReduceMax is the greatest element; NaN wins. Of none it is the least value of
// the type.
var ReduceMax = Define(Spec[Reduction]{
	Name: "reduce_max", Since: mil.IOS15, Types: Types{"T": Number},
	Infer: inferReduction,
	Eval: reduction(
		func(row []float32) float32 {
			m := float32(math.Inf(-1))
			for _, v := range row {
				m = max(m, v)
			}
			return m
		},
		func(row []int32) int32 {
			m := int32(math.MinInt32)
			for _, v := range row {
				m = max(m, v)
			}
			return m
		}),
	Sample: sampleReduction,
})
