package op

import (
	"math"

	"github.com/smelt-ml/smelt/mil"
)

// Softplus is log(1 + eˣ).
var Softplus = Define(Spec[Unary]{
	Name: "softplus", Since: mil.IOS15, Types: Types{"T": Float},
	Infer:  sameAsX,
	Eval:   floats(softplus),
	Sample: sampleX,
})

// softplus keeps eˣ from overflowing and small results from being rounded away.
func softplus(x float64) float64 { return max(x, 0) + math.Log1p(math.Exp(-math.Abs(x))) }
