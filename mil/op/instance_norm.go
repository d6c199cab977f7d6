package op

import (
	"math/rand/v2"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// InstanceNormArgs are the arguments of InstanceNorm. X is [N, C, *D], the
// vectors have length C; Gamma nil means ones, Beta nil zeros.
type InstanceNormArgs struct {
	X       *mil.Value `mil:"x,T"`
	Gamma   []float32  `mil:"gamma,T,const,optional"`
	Beta    []float32  `mil:"beta,T,const,optional"`
	Epsilon float32    `mil:"epsilon,T,const,optional"`
}

// InstanceNormIOS17Args are InstanceNormArgs with parameters of their own
// float type.
type InstanceNormIOS17Args struct {
	X       *mil.Value `mil:"x,T"`
	Gamma   []float32  `mil:"gamma,U,const,optional"`
	Beta    []float32  `mil:"beta,U,const,optional"`
	Epsilon float32    `mil:"epsilon,U,const,optional"`
}

// InstanceNorm is gamma · (x - mean) / sqrt(variance + epsilon) + beta, with
// the mean and the variance of each channel of each member of the batch.
var InstanceNorm = Define(Spec[InstanceNormArgs]{
	Name: "instance_norm", Since: mil.IOS15, Types: Types{"T": Float},
	Default: InstanceNormArgs{Epsilon: 1e-5},
	Infer:   inferInstanceNorm,
	Eval:    evalInstanceNorm,
	Sample:  sampleInstanceNorm,
})

// InstanceNormIOS17 is InstanceNorm with parameters of their own float type.
var InstanceNormIOS17 = Define(Spec[InstanceNormIOS17Args]{
	Name: "instance_norm", Since: mil.IOS17, Types: Types{"T": Float, "U": Float},
	Default: InstanceNormIOS17Args{Epsilon: 1e-5},
	Infer:   func(a *InstanceNormIOS17Args) ([]mil.Type, error) { return inferInstanceNorm((*InstanceNormArgs)(a)) },
	Eval: func(a *InstanceNormIOS17Args) ([]*tensor.Tensor, error) {
		return evalInstanceNorm((*InstanceNormArgs)(a))
	},
	Sample: func(r *rand.Rand) InstanceNormIOS17Args { return InstanceNormIOS17Args(sampleInstanceNorm(r)) },
})

func inferInstanceNorm(a *InstanceNormArgs) ([]mil.Type, error) {
	return perChannel(a.X, channelVector{"gamma", a.Gamma}, channelVector{"beta", a.Beta})
}

func evalInstanceNorm(a *InstanceNormArgs) ([]*tensor.Tensor, error) {
	return planes(a.X.Const, func(c int, out, in []float32) {
		mean, variance := moments(in)
		standardize(out, in, mean, variance, float64(a.Epsilon), at(a.Gamma, c, 1), at(a.Beta, c, 0))
	})
}

func sampleInstanceNorm(r *rand.Rand) InstanceNormArgs {
	x, n := sampleChannels(r)
	return InstanceNormArgs{X: x, Gamma: sampleOptional(r, n, 0.5), Beta: sampleOptional(r, n, -0.5), Epsilon: 1e-5 + r.Float32()/10}
}
