package op

import (
	"math"

	"github.com/smelt-ml/smelt/mil"
)

// Erf is the Gauss error function.
var Erf = Define(Spec[Unary]{
	Name: "erf", Since: mil.IOS15, Types: Types{"T": Float},
	Infer:  sameAsX,
	Eval:   floats(math.Erf),
	Sample: sampleX,
})
