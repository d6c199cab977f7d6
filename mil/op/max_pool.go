package op

import (
	"math"

	"github.com/smelt-ml/smelt/mil"
)

// MaxPool is the largest element of each window; NaN if there is one. Padding
// counts as -Inf.
var MaxPool = Define(Spec[Pooling]{
	Name: "max_pool", Since: mil.IOS15, Types: Types{"T": Float},
	Infer: inferPooling,
	Eval: pooling(math.Inf(-1),
		func(m, v float64) float64 {
			if v > m || v != v {
				return v
			}
			return m
		},
		func(m float64) float64 { return m }),
	Sample: samplePooling(3),
})
