package op

import (
	"math"

	"github.com/smelt-ml/smelt/mil"
)

// Abs is |x|. The least int32 has no positive counterpart and stays as it is.
var Abs = Define(Spec[Unary]{
	Name: "abs", Since: mil.IOS15, Types: Types{"T": Number},
	Infer: sameAsX,
	Eval: numbers(
		func(x float32) float32 { return float32(math.Abs(float64(x))) },
		func(x int32) int32 { return max(x, -x) }),
	Sample: sampleX,
})
