package op

import "github.com/smelt-ml/smelt/mil"

// Silu is x · sigmoid(x).
var Silu = Define(Spec[Unary]{
	Name: "silu", Since: mil.IOS15, Types: Types{"T": Float},
	Infer:  sameAsX,
	Eval:   floats(func(x float64) float64 { return finite(x) * sigmoid(x) }),
	Sample: sampleX,
})
