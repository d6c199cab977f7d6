package op

import (
	"math/rand/v2"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// BatchNormArgs are the arguments of BatchNorm. X is [N, C, *D], the vectors
// have length C; Gamma nil means ones, Beta nil zeros.
type BatchNormArgs struct {
	X        *mil.Value `mil:"x,T"`
	Mean     []float32  `mil:"mean,T,const"`
	Variance []float32  `mil:"variance,T,const"`
	Gamma    []float32  `mil:"gamma,T,const,optional"`
	Beta     []float32  `mil:"beta,T,const,optional"`
	Epsilon  float32    `mil:"epsilon,T,const,optional"`
}

// BatchNormIOS17Args are BatchNormArgs with parameters of their own float type.
type BatchNormIOS17Args struct {
	X        *mil.Value `mil:"x,T"`
	Mean     []float32  `mil:"mean,U,const"`
	Variance []float32  `mil:"variance,U,const"`
	Gamma    []float32  `mil:"gamma,U,const,optional"`
	Beta     []float32  `mil:"beta,U,const,optional"`
	Epsilon  float32    `mil:"epsilon,U,const,optional"`
}

// BatchNorm is gamma · (x - mean) / sqrt(variance + epsilon) + beta, with the
// parameters of x's channel.
var BatchNorm = Define(Spec[BatchNormArgs]{
	Name: "batch_norm", Since: mil.IOS15, Types: Types{"T": Float},
	Default: BatchNormArgs{Epsilon: 1e-5},
	Infer:   inferBatchNorm,
	Eval:    evalBatchNorm,
	Sample:  sampleBatchNorm,
})

// BatchNormIOS17 is BatchNorm with parameters of their own float type.
var BatchNormIOS17 = Define(Spec[BatchNormIOS17Args]{
	Name: "batch_norm", Since: mil.IOS17, Types: Types{"T": Float, "U": Float},
	Default: BatchNormIOS17Args{Epsilon: 1e-5},
	Infer:   func(a *BatchNormIOS17Args) ([]mil.Type, error) { return inferBatchNorm((*BatchNormArgs)(a)) },
	Eval:    func(a *BatchNormIOS17Args) ([]*tensor.Tensor, error) { return evalBatchNorm((*BatchNormArgs)(a)) },
	Sample:  func(r *rand.Rand) BatchNormIOS17Args { return BatchNormIOS17Args(sampleBatchNorm(r)) },
})

func inferBatchNorm(a *BatchNormArgs) ([]mil.Type, error) {
	return perChannel(a.X, channelVector{"mean", a.Mean}, channelVector{"variance", a.Variance}, channelVector{"gamma", a.Gamma}, channelVector{"beta", a.Beta})
}

func evalBatchNorm(a *BatchNormArgs) ([]*tensor.Tensor, error) {
	return planes(a.X.Const, func(c int, out, in []float32) {
		standardize(out, in, float64(a.Mean[c]), float64(a.Variance[c]), float64(a.Epsilon), at(a.Gamma, c, 1), at(a.Beta, c, 0))
	})
}

func sampleBatchNorm(r *rand.Rand) BatchNormArgs {
	x, n := sampleChannels(r)
	return BatchNormArgs{
		X: x, Mean: sampleVector(r, n, -0.5), Variance: sampleVector(r, n, 0.5),
		Gamma: sampleOptional(r, n, 0.5), Beta: sampleOptional(r, n, -0.5), Epsilon: 1e-5 + r.Float32()/10,
	}
}
