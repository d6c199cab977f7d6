package op

import (
	"math/rand/v2"
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// ReverseArgs are the arguments of reverse. Axes that are not given (nil) are
// all of them.
type ReverseArgs struct {
	X    *mil.Value `mil:"x,T"`
	Axes []int      `mil:"axes,int32,const,optional"`
}

// Reverse turns the order of the elements along axes around.
var Reverse = Define(Spec[ReverseArgs]{
	Name: "reverse", Since: mil.IOS15, Types: Types{"T": Any},
	Infer: inferReverse, Eval: evalReverse, Sample: sampleReverse,
})

// ReverseIOS17 is Reverse for more element types.
var ReverseIOS17 = Define(Spec[ReverseArgs]{
	Name: "reverse", Since: mil.IOS17, Types: Types{"T": AnyIOS17},
	Infer: inferReverse, Eval: evalReverse, Sample: sampleReverse,
})

// givenAxes is axesOf, but an empty list that is given names no axis.
func givenAxes(axes []int, rank int) ([]int, error) {
	if axes != nil && len(axes) == 0 {
		return nil, nil
	}
	return axesOf(axes, rank)
}

func inferReverse(a *ReverseArgs) ([]mil.Type, error) {
	if _, err := givenAxes(a.Axes, len(dims(a.X))); err != nil {
		return nil, err
	}
	return sameShape(a.X)
}

func evalReverse(a *ReverseArgs) ([]*tensor.Tensor, error) {
	x := a.X.Const
	axes, err := givenAxes(a.Axes, x.Rank())
	if err != nil {
		return nil, err
	}
	m := move{shape: x.Shape(), from: slices.Clone(strides(x.Shape()))}
	for _, i := range axes {
		m.fromAt += (x.Shape()[i] - 1) * m.from[i]
		m.from[i] = -m.from[i]
	}
	t, err := rearranged(x, x.Shape(), m)
	return []*tensor.Tensor{t}, err
}

func sampleReverse(r *rand.Rand) ReverseArgs {
	a := ReverseArgs{X: sampleFloats(r)}
	for i := range a.X.Type.Rank() {
		if r.IntN(2) == 0 {
			a.Axes = append(a.Axes, i-a.X.Type.Rank()*r.IntN(2))
		}
	}
	return a
}
