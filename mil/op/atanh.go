package op

import (
	"math"

	"github.com/smelt-ml/smelt/mil"
)

// Atanh is the inverse hyperbolic tangent; it is NaN outside [-1, 1].
var Atanh = Define(Spec[Unary]{
	Name: "atanh", Since: mil.IOS15, Types: Types{"T": Float},
	Infer:  sameAsX,
	Eval:   floats(math.Atanh),
	Sample: sampleWithin(-1, 1),
})
