package op

import (
	"math"

	"github.com/smelt-ml/smelt/mil"
)

// ReduceLogSum is the natural logarithm of the sum; of integers it is cut off toward
// zero.
var ReduceLogSum = Define(Spec[Reduction]{
	Name: "reduce_log_sum", Since: mil.IOS15, Types: Types{"T": Number},
	Infer: inferReduction,
	Eval: reduction(
		func(row []float32) float32 { return float32(logSum(row)) },
		func(row []int32) int32 { return truncate(logSum(row)) }),
	Sample: sampleReduction,
})

func logSum[T float32 | int32](row []T) float64 {
	var s float64
	for _, v := range row {
		s += float64(v)
	}
	return math.Log(s)
}
