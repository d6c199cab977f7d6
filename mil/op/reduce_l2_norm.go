package op

import (
	"math"

	"github.com/smelt-ml/smelt/mil"
)

// ReduceL2Norm is the square root of the sum of squares; of integers it is cut off
// toward zero.
var ReduceL2Norm = Define(Spec[Reduction]{
	Name: "reduce_l2_norm", Since: mil.IOS15, Types: Types{"T": Number},
	Infer: inferReduction,
	Eval: reduction(
		func(row []float32) float32 { return float32(l2Norm(row)) },
		func(row []int32) int32 { return truncate(l2Norm(row)) }),
	Sample: sampleReduction,
})

func l2Norm[T float32 | int32](row []T) float64 {
	var s float64
	for _, v := range row {
		s += float64(v) * float64(v)
	}
	return math.Sqrt(s)
}
