package op

import "github.com/smelt-ml/smelt/mil"

// Minimum is the lesser of x and y; NaN where either is NaN.
var Minimum = Define(Spec[Binary]{
	Name: "minimum", Since: mil.IOS15, Types: Types{"T": Number},
	Infer: broadcastXY,
	Eval: numbers2(
		func(x, y float32) float32 { return min(x, y) },
		func(x, y int32) int32 { return min(x, y) }),
	Sample: sampleXY,
})
