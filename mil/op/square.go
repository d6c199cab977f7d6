package op

import "github.com/smelt-ml/smelt/mil"

// Square is x²; integers wrap around.
var Square = Define(Spec[Unary]{
	Name: "square", Since: mil.IOS15, Types: Types{"T": Number},
	Infer: sameAsX,
	Eval: numbers(
		func(x float32) float32 { return x * x },
		func(x int32) int32 { return x * x }),
	Sample: sampleX,
})
