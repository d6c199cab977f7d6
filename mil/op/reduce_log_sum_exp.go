package op

import (
	"math"

	"github.com/smelt-ml/smelt/mil"
)

// ReduceLogSumExp is log(sum of eˣ), computed from the differences to the greatest x
// so that nothing overflows; of integers it is cut off toward zero.
var ReduceLogSumExp = Define(Spec[Reduction]{
	Name: "reduce_log_sum_exp", Since: mil.IOS15, Types: Types{"T": Number},
	Infer: inferReduction,
	Eval: reduction(
		func(row []float32) float32 { return float32(logSumExp(row)) },
		func(row []int32) int32 { return truncate(logSumExp(row)) }),
	Sample: sampleReduction,
})

func logSumExp[T float32 | int32](row []T) float64 {
	greatest := math.Inf(-1)
	for _, v := range row {
		greatest = max(greatest, float64(v))
	}
	if math.IsInf(greatest, 0) {
		return greatest // no difference to an infinity is a number
	}
	var s float64
	for _, v := range row {
		s += math.Exp(float64(v) - greatest)
	}
	return greatest + math.Log(s)
}
