package op

import (
	"math"

	"github.com/smelt-ml/smelt/mil"
)

// Tan is the tangent.
var Tan = Define(Spec[Unary]{
	Name: "tan", Since: mil.IOS15, Types: Types{"T": Float},
	Infer:  sameAsX,
	Eval:   floats(math.Tan),
	Sample: sampleX,
})
