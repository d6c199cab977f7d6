package op

import (
	"math/rand/v2"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// RandomUniformArgs are the arguments of RandomUniform. Low and High are
// scalars.
type RandomUniformArgs struct {
	Shape *mil.Value     `mil:"shape,int32"`
	Low   *tensor.Tensor `mil:"low,T,const,optional"`
	High  *tensor.Tensor `mil:"high,T,const,optional"`
	Seed  int            `mil:"seed,int32,const,optional"`
}

// RandomUniform is a tensor of numbers evenly distributed over [low, high).
var RandomUniform = Define(Spec[RandomUniformArgs]{
	Name: "random_uniform", Since: mil.IOS15, Types: Types{"T": Float}, Random: true,
	Default: RandomUniformArgs{
		Low: tensor.Scalar[float32](tensor.Float32, 0), High: tensor.Scalar[float32](tensor.Float32, 1), Seed: -1,
	},
	Infer: func(a *RandomUniformArgs) ([]mil.Type, error) { return inferRandom(a.Shape, a.Low, a.High) },
	Eval: func(a *RandomUniformArgs) ([]*tensor.Tensor, error) {
		r, low, high := generator(a.Seed), scalar(a.Low), scalar(a.High)
		return evalRandom(func() float32 {
			v := float32(low + (high-low)*r.Float64())
			if float64(v) >= high && low < high {
				return float32(low) // rounded up to the end, which is excluded
			}
			return v
		}, a.Shape, a.Low, a.High)
	},
	Sample: func(r *rand.Rand) RandomUniformArgs {
		low := r.Float32()
		return RandomUniformArgs{
			sampleDims(r), tensor.Scalar(tensor.Float32, low), tensor.Scalar(tensor.Float32, low+r.Float32()), r.IntN(9),
		}
	},
})
