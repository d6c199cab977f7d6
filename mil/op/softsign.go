package op

import (
	"math"

	"github.com/smelt-ml/smelt/mil"
)

// Softsign is x / (1 + |x|).
var Softsign = Define(Spec[Unary]{
	Name: "softsign", Since: mil.IOS15, Types: Types{"T": Float},
	Infer:  sameAsX,
	Eval:   floats(func(x float64) float64 { return x / (1 + math.Abs(x)) }),
	Sample: sampleX,
})
