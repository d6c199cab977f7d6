package op

import (
	"math"

	"github.com/smelt-ml/smelt/mil"
)

// Sinh is the hyperbolic sine.
var Sinh = Define(Spec[Unary]{
	Name: "sinh", Since: mil.IOS15, Types: Types{"T": Float},
	Infer:  sameAsX,
	Eval:   floats(math.Sinh),
	Sample: sampleX,
})
