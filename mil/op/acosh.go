package op

import (
	"math"

	"github.com/smelt-ml/smelt/mil"
)

// Acosh is the inverse hyperbolic cosine, as the layer of neural networks
// computes it; it is NaN below 1.
var Acosh = Define(Spec[Unary]{
	Name: "acosh", Since: mil.IOS13, Internal: true, Types: Types{"T": Float},
	Infer:  sameAsX,
	Eval:   floats(math.Acosh),
	Sample: sampleWithin(1, 9),
})
