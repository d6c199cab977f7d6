package op

import (
	"math/rand/v2"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// PreluArgs are the arguments of Prelu. X is [N, C, *D], Alpha has length C.
type PreluArgs struct {
	X     *mil.Value `mil:"x,T"`
	Alpha []float32  `mil:"alpha,T,const"`
}

// PreluIOS17Args are PreluArgs with a parameter of its own float type.
type PreluIOS17Args struct {
	X     *mil.Value `mil:"x,T"`
	Alpha []float32  `mil:"alpha,U,const"`
}

// Prelu is x, below 0 alpha · x with the alpha of x's channel.
var Prelu = Define(Spec[PreluArgs]{
	Name: "prelu", Since: mil.IOS15, Types: Types{"T": Float},
	Infer:  inferPrelu,
	Eval:   evalPrelu,
	Sample: samplePrelu,
})

// PreluIOS17 is Prelu with a parameter of its own float type.
var PreluIOS17 = Define(Spec[PreluIOS17Args]{
	Name: "prelu", Since: mil.IOS17, Types: Types{"T": Float, "U": Float},
	Infer:  func(a *PreluIOS17Args) ([]mil.Type, error) { return inferPrelu((*PreluArgs)(a)) },
	Eval:   func(a *PreluIOS17Args) ([]*tensor.Tensor, error) { return evalPrelu((*PreluArgs)(a)) },
	Sample: func(r *rand.Rand) PreluIOS17Args { return PreluIOS17Args(samplePrelu(r)) },
})

func inferPrelu(a *PreluArgs) ([]mil.Type, error) {
	return perChannel(a.X, channelVector{"alpha", a.Alpha})
}

func evalPrelu(a *PreluArgs) ([]*tensor.Tensor, error) {
	return planes(a.X.Const, func(c int, out, in []float32) {
		for i, v := range in {
			if v < 0 {
				v *= a.Alpha[c]
			}
			out[i] = v
		}
	})
}

func samplePrelu(r *rand.Rand) PreluArgs {
	x, n := sampleChannels(r)
	return PreluArgs{x, sampleVector(r, n, 0)}
}
