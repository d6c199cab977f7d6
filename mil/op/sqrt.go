package op

import (
	"math"

	"github.com/smelt-ml/smelt/mil"
)

// Sqrt is the square root; it is NaN below 0.
var Sqrt = Define(Spec[Unary]{
	Name: "sqrt", Since: mil.IOS15, Types: Types{"T": Float},
	Infer:  sameAsX,
	Eval:   floats(math.Sqrt),
	Sample: sampleWithin(0, 9),
})
