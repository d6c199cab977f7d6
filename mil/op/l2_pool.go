package op

import (
	"fmt"
	"math"

	"github.com/smelt-ml/smelt/mil"
)

// L2Pool is the Euclidean norm of each window, in 1 or 2 dimensions.
var L2Pool = Define(Spec[Pooling]{
	Name: "l2_pool", Since: mil.IOS15, Types: Types{"T": Float},
	Infer: func(a *Pooling) ([]mil.Type, error) {
		if len(dims(a.X)) > 4 {
			return nil, fmt.Errorf("x: want 1 or 2 spatial dimensions, have %s", a.X.Type)
		}
		return inferPooling(a)
	},
	Eval:   pooling(0, func(sum, v float64) float64 { return sum + v*v }, math.Sqrt),
	Sample: samplePooling(2),
})
