package op

import "github.com/smelt-ml/smelt/mil"

// Sign is -1, 0 or 1; NaN stays NaN.
var Sign = Define(Spec[Unary]{
	Name: "sign", Since: mil.IOS15, Types: Types{"T": Number},
	Infer:  sameAsX,
	Eval:   numbers(sign, sign),
	Sample: sampleX,
})

func sign[T float32 | int32](x T) T {
	switch {
	case x < 0:
		return -1
	case x > 0:
		return 1
	}
	return x
}
