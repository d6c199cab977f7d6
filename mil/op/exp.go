package op

import (
	"math"

	"github.com/smelt-ml/smelt/mil"
)

// Exp is eˣ.
var Exp = Define(Spec[Unary]{
	Name: "exp", Since: mil.IOS15, Types: Types{"T": Float},
	Infer:  sameAsX,
	Eval:   floats(math.Exp),
	Sample: sampleX,
})
