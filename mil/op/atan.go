package op

import (
	"math"

	"github.com/smelt-ml/smelt/mil"
)

// Atan is the inverse tangent.
var Atan = Define(Spec[Unary]{
	Name: "atan", Since: mil.IOS15, Types: Types{"T": Float},
	Infer:  sameAsX,
	Eval:   floats(math.Atan),
	Sample: sampleX,
})
