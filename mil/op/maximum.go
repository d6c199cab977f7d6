package op

import "github.com/smelt-ml/smelt/mil"

// Maximum is the greater of x and y; NaN where either is NaN.
var Maximum = Define(Spec[Binary]{
	Name: "maximum", Since: mil.IOS15, Types: Types{"T": Number},
	Infer: broadcastXY,
	Eval: numbers2(
		func(x, y float32) float32 { return max(x, y) },
		func(x, y int32) int32 { return max(x, y) }),
	Sample: sampleXY,
})
