package op

import (
	"math"

	"github.com/smelt-ml/smelt/mil"
)

// Cosh is the hyperbolic cosine.
var Cosh = Define(Spec[Unary]{
	Name: "cosh", Since: mil.IOS15, Types: Types{"T": Float},
	Infer:  sameAsX,
	Eval:   floats(math.Cosh),
	Sample: sampleX,
})
