package op

import (
	"math"

	"github.com/smelt-ml/smelt/mil"
)

// Exp2 is 2ˣ. Of integers it is 0 below 0 and ends at the greatest int32.
var Exp2 = Define(Spec[Unary]{
	Name: "exp2", Since: mil.IOS15, Types: Types{"T": Number},
	Infer: sameAsX,
	Eval: numbers(
		func(x float32) float32 { return float32(math.Exp2(float64(x))) },
		func(x int32) int32 {
			switch {
			case x < 0:
				return 0
			case x >= 31:
				return math.MaxInt32
			}
			return 1 << x
		}),
	Sample: sampleX,
})
