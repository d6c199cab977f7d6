package op

import (
	"math"

	"github.com/smelt-ml/smelt/mil"
)

// FloorDiv is the greatest integer that is not above x / y. An integer divided by
// 0 gives 0.
var FloorDiv = Define(Spec[Binary]{
	Name: "floor_div", Since: mil.IOS15, Types: Types{"T": Number},
	Infer: broadcastXY,
	Eval: numbers2(
		func(x, y float32) float32 { return float32(math.Floor(float64(x) / float64(y))) },
		func(x, y int32) int32 {
			if y == 0 {
				return 0
			}
			q := x / y
			if x%y != 0 && (x < 0) != (y < 0) {
				q--
			}
			return q
		}),
	Sample: sampleXY,
})
