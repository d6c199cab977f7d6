package op

import (
	"math"

	"github.com/smelt-ml/smelt/mil"
)

// Asinh is the inverse hyperbolic sine, as the layer of neural networks
// computes it.
var Asinh = Define(Spec[Unary]{
	Name: "asinh", Since: mil.IOS13, Internal: true, Types: Types{"T": Float},
	Infer:  sameAsX,
	Eval:   floats(math.Asinh),
	Sample: sampleX,
})
