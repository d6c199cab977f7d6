package op

import (
	"math"

	"github.com/smelt-ml/smelt/mil"
)

// Acos is the inverse cosine; it is NaN outside [-1, 1].
var Acos = Define(Spec[Unary]{
	Name: "acos", Since: mil.IOS15, Types: Types{"T": Float},
	Infer:  sameAsX,
	Eval:   floats(math.Acos),
	Sample: sampleWithin(-1, 1),
})
