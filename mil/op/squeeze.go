package op

import (
	"math/rand/v2"
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// SqueezeArgs are the arguments of squeeze. Axes that are not given (nil) are
// all of size 1.
type SqueezeArgs struct {
	X    *mil.Value `mil:"x,T"`
	Axes []int      `mil:"axes,int32,const,optional"`
}

// Squeeze removes dimensions of 1. Axes of another size are left alone.
var Squeeze = Define(Spec[SqueezeArgs]{
	Name: "squeeze", Since: mil.IOS15, Types: Types{"T": Any},
	Infer: inferSqueeze, Eval: evalSqueeze, Sample: sampleSqueeze,
})

// SqueezeIOS17 is Squeeze for more element types.
var SqueezeIOS17 = Define(Spec[SqueezeArgs]{
	Name: "squeeze", Since: mil.IOS17, Types: Types{"T": AnyIOS17},
	Infer: inferSqueeze, Eval: evalSqueeze, Sample: sampleSqueeze,
})

func inferSqueeze(a *SqueezeArgs) ([]mil.Type, error) {
	shape := slices.Clone(dims(a.X))
	axes, err := givenAxes(a.Axes, len(shape))
	if err != nil {
		return nil, err
	}
	for _, i := range slices.Backward(axes) {
		switch {
		case shape[i] == 1:
			shape = slices.Delete(shape, i, i+1)
		case shape[i] < 0:
			return anyShape(a.X.Type.DType)
		}
	}
	return result(a.X.Type.DType, shape...)
}

func evalSqueeze(a *SqueezeArgs) ([]*tensor.Tensor, error) { return reshapedBy(inferSqueeze, a, a.X) }

func sampleSqueeze(r *rand.Rand) SqueezeArgs {
	shape := sampleShape(r)
	shape[r.IntN(len(shape))] = 1
	a := SqueezeArgs{X: sampleFloats(r, shape...)}
	for i := range shape {
		if r.IntN(2) == 0 {
			a.Axes = append(a.Axes, i-len(shape)*r.IntN(2))
		}
	}
	return a
}
