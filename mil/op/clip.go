package op

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// Clip is min(max(x, alpha), beta); NaN stays NaN.
var Clip = Define(Spec[AlphaBeta]{
	Name: "clip", Since: mil.IOS15, Types: Types{"T": Float},
	Infer: func(a *AlphaBeta) ([]mil.Type, error) {
		if a.Alpha != a.Alpha || a.Beta != a.Beta {
			return nil, errors.New("a bound is not a number")
		}
		return []mil.Type{a.X.Type}, nil
	},
	Eval:   evalClip,
	Sample: sampleClip,
})

// ClipIOS17 is Clip that asks for alpha < beta.
var ClipIOS17 = Define(Spec[AlphaBeta]{
	Name: "clip", Since: mil.IOS17, Types: Types{"T": Float},
	Infer: func(a *AlphaBeta) ([]mil.Type, error) {
		if !(a.Alpha < a.Beta) {
			return nil, fmt.Errorf("alpha %g is not below beta %g", a.Alpha, a.Beta)
		}
		return []mil.Type{a.X.Type}, nil
	},
	Eval:   evalClip,
	Sample: sampleClip,
})

func evalClip(a *AlphaBeta) ([]*tensor.Tensor, error) {
	return one(mapElements(a.X.Const, func(x float32) float32 { return min(max(x, a.Alpha), a.Beta) }))
}

func sampleClip(r *rand.Rand) AlphaBeta {
	return AlphaBeta{sampleFloats(r), -r.Float32(), r.Float32() + 0.1}
}
