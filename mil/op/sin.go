package op

import (
	"math"

	"github.com/smelt-ml/smelt/mil"
)

// Sin is the sine.
var Sin = Define(Spec[Unary]{
	Name: "sin", Since: mil.IOS15, Types: Types{"T": Float},
	Infer:  sameAsX,
	Eval:   floats(math.Sin),
	Sample: sampleX,
})
