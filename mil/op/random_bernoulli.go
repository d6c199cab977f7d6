package op

import (
	"math/rand/v2"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// RandomBernoulliArgs are the arguments of RandomBernoulli. Prob is a scalar.
type RandomBernoulliArgs struct {
	Shape *mil.Value     `mil:"shape,int32"`
	Prob  *tensor.Tensor `mil:"prob,T,const,optional"`
	Seed  int            `mil:"seed,int32,const,optional"`
}

// RandomBernoulli is a tensor of ones, each with a probability, and zeros.
var RandomBernoulli = Define(Spec[RandomBernoulliArgs]{
	Name: "random_bernoulli", Since: mil.IOS15, Types: Types{"T": Float}, Random: true,
	Default: RandomBernoulliArgs{Prob: tensor.Scalar[float32](tensor.Float32, 0.5), Seed: -1},
	Infer:   func(a *RandomBernoulliArgs) ([]mil.Type, error) { return inferRandom(a.Shape, a.Prob) },
	Eval: func(a *RandomBernoulliArgs) ([]*tensor.Tensor, error) {
		r, p := generator(a.Seed), scalar(a.Prob)
		return evalRandom(func() float32 {
			if r.Float64() < p {
				return 1
			}
			return 0
		}, a.Shape, a.Prob)
	},
	Sample: func(r *rand.Rand) RandomBernoulliArgs {
		return RandomBernoulliArgs{sampleDims(r), tensor.Scalar(tensor.Float32, r.Float32()), r.IntN(9)}
	},
})
