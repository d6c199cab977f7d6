package op

import (
	"math"

	"github.com/smelt-ml/smelt/mil"
)

// Floor is the greatest integer that is not above x.
var Floor = Define(Spec[Unary]{
	Name: "floor", Since: mil.IOS15, Types: Types{"T": Float},
	Infer:  sameAsX,
	Eval:   floats(math.Floor),
	Sample: sampleX,
})
