package op

import (
	"math"

	"github.com/smelt-ml/smelt/mil"
)

// Mod is the remainder of FloorDiv: it has the sign of y. Of a division by 0 it is
// NaN, 0 for integers.
var Mod = Define(Spec[Binary]{
	Name: "mod", Since: mil.IOS15, Types: Types{"T": Number},
	Infer: broadcastXY,
	Eval: numbers2(
		func(x, y float32) float32 {
			m := math.Mod(float64(x), float64(y))
			if m == 0 {
				return float32(math.Copysign(0, float64(y)))
			}
			if (m < 0) != (y < 0) {
				m += float64(y)
			}
			return float32(m)
		},
		func(x, y int32) int32 {
			if y == 0 {
				return 0
			}
			m := x % y
			if m != 0 && (m < 0) != (y < 0) {
				m += y
			}
			return m
		}),
	Sample: sampleXY,
})
