package op

import "github.com/smelt-ml/smelt/mil"

// Relu6 is min(max(x, 0), 6); NaN stays NaN.
var Relu6 = Define(Spec[Unary]{
	Name: "relu6", Since: mil.IOS15, Types: Types{"T": Float},
	Infer:  sameAsX,
	Eval:   floats(func(x float64) float64 { return min(max(x, 0), 6) }),
	Sample: sampleX,
})
