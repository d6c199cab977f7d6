package op

import (
	"math"

	"github.com/smelt-ml/smelt/mil"
)

// Round is the nearest integer, the even one of two.
var Round = Define(Spec[Unary]{
	Name: "round", Since: mil.IOS15, Types: Types{"T": Float},
	Infer:  sameAsX,
	Eval:   floats(math.RoundToEven),
	Sample: sampleX,
})
