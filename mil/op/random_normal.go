package op

import (
	"math/rand/v2"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// RandomNormalArgs are the arguments of RandomNormal. Mean and StdDev are
// scalars.
type RandomNormalArgs struct {
	Shape  *mil.Value     `mil:"shape,int32"`
	Mean   *tensor.Tensor `mil:"mean,T,const,optional"`
	StdDev *tensor.Tensor `mil:"stddev,T,const,optional"`
	Seed   int            `mil:"seed,int32,const,optional"`
}

// RandomNormal is a tensor of normally distributed numbers.
var RandomNormal = Define(Spec[RandomNormalArgs]{
	Name: "random_normal", Since: mil.IOS15, Types: Types{"T": Float}, Random: true,
	Default: RandomNormalArgs{
		Mean: tensor.Scalar[float32](tensor.Float32, 0), StdDev: tensor.Scalar[float32](tensor.Float32, 1), Seed: -1,
	},
	Infer: func(a *RandomNormalArgs) ([]mil.Type, error) { return inferRandom(a.Shape, a.Mean, a.StdDev) },
	Eval: func(a *RandomNormalArgs) ([]*tensor.Tensor, error) {
		r, mean, dev := generator(a.Seed), scalar(a.Mean), scalar(a.StdDev)
		return evalRandom(func() float32 { return float32(mean + dev*r.NormFloat64()) }, a.Shape, a.Mean, a.StdDev)
	},
	Sample: func(r *rand.Rand) RandomNormalArgs {
		return RandomNormalArgs{
			sampleDims(r), tensor.Scalar(tensor.Float32, r.Float32()), tensor.Scalar(tensor.Float32, r.Float32()), r.IntN(9),
		}
	},
})
