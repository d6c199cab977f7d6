package op

import (
	"math"

	"github.com/smelt-ml/smelt/mil"
)

// Ceil is the least integer that is not below x.
var Ceil = Define(Spec[Unary]{
	Name: "ceil", Since: mil.IOS15, Types: Types{"T": Float},
	Infer:  sameAsX,
	Eval:   floats(math.Ceil),
	Sample: sampleX,
})
