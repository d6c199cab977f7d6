package op

import (
	"math"

	"github.com/smelt-ml/smelt/mil"
)

// ReduceL1Norm adds the magnitudes of elements, floats in float64; integers wrap
// around.
var ReduceL1Norm = Define(Spec[Reduction]{
	Name: "reduce_l1_norm", Since: mil.IOS15, Types: Types{"T": Number},
	Infer: inferReduction,
	Eval: reduction(
		func(row []float32) float32 {
			s := float64(0)
			for _, v := range row {
				s += math.Abs(float64(v))
			}
			return float32(s)
		},
		func(row []int32) int32 {
			s := int32(0)
			for _, v := range row {
				s += max(v, -v)
			}
			return s
		}),
	Sample: sampleReduction,
})
