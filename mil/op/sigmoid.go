package op

import (
	"math"

	"github.com/smelt-ml/smelt/mil"
)

// Sigmoid is 1 / (1 + e⁻ˣ).
var Sigmoid = Define(Spec[Unary]{
	Name: "sigmoid", Since: mil.IOS15, Types: Types{"T": Float},
	Infer:  sameAsX,
	Eval:   floats(sigmoid),
	Sample: sampleX,
})

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
