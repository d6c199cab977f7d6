package op

import "github.com/smelt-ml/smelt/mil"

// GreaterEqual is true where x ≥ y.
var GreaterEqual = Define(Spec[Binary]{
	Name: "greater_equal", Since: mil.IOS15, Types: Types{"T": Number},
	Infer: compareXY,
	Eval: compare(
		func(x, y float32) bool { return x >= y },
		func(x, y int32) bool { return x >= y }),
	Sample: sampleSmall,
})
