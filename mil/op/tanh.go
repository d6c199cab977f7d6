package op

import (
	"math"

	"github.com/smelt-ml/smelt/mil"
)

// Tanh is the hyperbolic tangent.
var Tanh = Define(Spec[Unary]{
	Name: "tanh", Since: mil.IOS15, Types: Types{"T": Float},
	Infer:  sameAsX,
	Eval:   floats(math.Tanh),
	Sample: sampleX,
})
