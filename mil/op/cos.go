package op

import (
	"math"

	"github.com/smelt-ml/smelt/mil"
)

// Cos is the cosine.
var Cos = Define(Spec[Unary]{
	Name: "cos", Since: mil.IOS15, Types: Types{"T": Float},
	Infer:  sameAsX,
	Eval:   floats(math.Cos),
	Sample: sampleX,
})
