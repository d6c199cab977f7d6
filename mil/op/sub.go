package op

import "github.com/smelt-ml/smelt/mil"

// Sub is x - y; integers wrap around.
var Sub = Define(Spec[Binary]{
	Name: "sub", Since: mil.IOS15, Types: Types{"T": Number},
	Infer: broadcastXY,
	Eval: numbers2(
		func(x, y float32) float32 { return x - y },
		func(x, y int32) int32 { return x - y }),
	Sample: sampleXY,
})
