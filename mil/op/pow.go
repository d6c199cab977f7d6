package op

import (
	"math"
	"math/rand/v2"

	"github.com/smelt-ml/smelt/mil"
)

// Pow is x to the power of y. Integers wrap around; a negative power of an
// integer is cut off toward zero: 0 but for the powers of 1 and -1.
var Pow = Define(Spec[Binary]{
	Name: "pow", Since: mil.IOS15, Types: Types{"T": Number},
	Infer: broadcastXY,
	Eval: numbers2(
		func(x, y float32) float32 { return float32(math.Pow(float64(x), float64(y))) },
		powInt),
	Sample: func(r *rand.Rand) Binary {
		a := sampleXY(r)
		a.X = mil.NewConst("x", mapFloats(a.X.Const, math.Abs)) // a fraction of a power of a negative number is NaN
		return a
	},
})

func powInt(x, y int32) int32 {
	switch {
	case x == 1:
		return 1
	case x == -1:
		return 1 - 2*(y&1)
	case y < 0:
		return 0
	}
	p := int32(1)
	for ; y > 0; y >>= 1 {
		if y&1 != 0 {
			p *= x
		}
		x *= x
	}
	return p
}
