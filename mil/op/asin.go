package op

import (
	"math"

	"github.com/smelt-ml/smelt/mil"
)

// Asin is the inverse sine; it is NaN outside [-1, 1].
var Asin = Define(Spec[Unary]{
	Name: "asin", Since: mil.IOS15, Types: Types{"T": Float},
	Infer:  sameAsX,
	Eval:   floats(math.Asin),
	Sample: sampleWithin(-1, 1),
})
