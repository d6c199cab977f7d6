package op

import "github.com/smelt-ml/smelt/mil"

// RealDiv is x / y. Integers are cut off toward zero; an integer divided by 0
// gives 0.
var RealDiv = Define(Spec[Binary]{
	Name: "real_div", Since: mil.IOS15, Types: Types{"T": Number},
	Infer: broadcastXY,
	Eval: numbers2(
		func(x, y float32) float32 { return x / y },
		func(x, y int32) int32 {
			if y == 0 {
				return 0
			}
			return x / y
		}),
	Sample: sampleXY,
})
