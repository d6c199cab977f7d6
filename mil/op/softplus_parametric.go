package op

import (
	"math/rand/v2"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// SoftplusParametricArgs are the arguments of SoftplusParametric. X is
// [N, C, *D], Alpha and Beta have length C.
type SoftplusParametricArgs struct {
	X     *mil.Value `mil:"x,T"`
	Alpha []float32  `mil:"alpha,T,const"`
	Beta  []float32  `mil:"beta,T,const"`
}

// SoftplusParametricIOS17Args are SoftplusParametricArgs with parameters of
// their own float type.
type SoftplusParametricIOS17Args struct {
	X     *mil.Value `mil:"x,T"`
	Alpha []float32  `mil:"alpha,U,const"`
	Beta  []float32  `mil:"beta,U,const"`
}

// SoftplusParametric is alpha · log(1 + e^(beta · x)) with the parameters of
// x's channel.
var SoftplusParametric = Define(Spec[SoftplusParametricArgs]{
	Name: "softplus_parametric", Since: mil.IOS15, Types: Types{"T": Float},
	Infer:  inferSoftplusParametric,
	Eval:   evalSoftplusParametric,
	Sample: sampleSoftplusParametric,
})

// SoftplusParametricIOS17 is SoftplusParametric with parameters of their own
// float type.
var SoftplusParametricIOS17 = Define(Spec[SoftplusParametricIOS17Args]{
	Name: "softplus_parametric", Since: mil.IOS17, Types: Types{"T": Float, "U": Float},
	Infer: func(a *SoftplusParametricIOS17Args) ([]mil.Type, error) {
		return inferSoftplusParametric((*SoftplusParametricArgs)(a))
	},
	Eval: func(a *SoftplusParametricIOS17Args) ([]*tensor.Tensor, error) {
		return evalSoftplusParametric((*SoftplusParametricArgs)(a))
	},
	Sample: func(r *rand.Rand) SoftplusParametricIOS17Args {
		return SoftplusParametricIOS17Args(sampleSoftplusParametric(r))
	},
})

func inferSoftplusParametric(a *SoftplusParametricArgs) ([]mil.Type, error) {
	return perChannel(a.X, channelVector{"alpha", a.Alpha}, channelVector{"beta", a.Beta})
}

func evalSoftplusParametric(a *SoftplusParametricArgs) ([]*tensor.Tensor, error) {
	return planes(a.X.Const, func(c int, out, in []float32) {
		alpha, beta := float64(a.Alpha[c]), float64(a.Beta[c])
		for i, v := range in {
			out[i] = float32(alpha * softplus(beta*float64(v)))
		}
	})
}

func sampleSoftplusParametric(r *rand.Rand) SoftplusParametricArgs {
	x, n := sampleChannels(r)
	return SoftplusParametricArgs{x, sampleVector(r, n, 0), sampleVector(r, n, 0)}
}
