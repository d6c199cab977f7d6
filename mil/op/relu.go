package op

import "github.com/smelt-ml/smelt/mil"

// Relu is max(x, 0); NaN stays NaN.
var Relu = Define(Spec[Unary]{
	Name: "relu", Since: mil.IOS15, Types: Types{"T": Float},
	Infer: sameAsX,
	Eval: floats(func(x float64) float64 {
		if x < 0 {
			return 0
		}
		return x
	}),
	Sample: sampleX,
})
