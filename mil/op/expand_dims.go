package op

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// ExpandDimsArgs are the arguments of expand_dims. Axes are those of the
// result.
type ExpandDimsArgs struct {
	X    *mil.Value `mil:"x,T"`
	Axes []int      `mil:"axes,int32,const"`
}

// ExpandDims inserts dimensions of 1.
var ExpandDims = Define(Spec[ExpandDimsArgs]{
	Name: "expand_dims", Since: mil.IOS15, Types: Types{"T": Any},
	Infer: inferExpandDims, Eval: evalExpandDims, Sample: sampleExpandDims,
})

// ExpandDimsIOS17 is ExpandDims for more element types.
var ExpandDimsIOS17 = Define(Spec[ExpandDimsArgs]{
	Name: "expand_dims", Since: mil.IOS17, Types: Types{"T": AnyIOS17},
	Infer: inferExpandDims, Eval: evalExpandDims, Sample: sampleExpandDims,
})

func inferExpandDims(a *ExpandDimsArgs) ([]mil.Type, error) {
	shape := slices.Clone(dims(a.X))
	if len(shape)+len(a.Axes) > maxRank {
		return nil, fmt.Errorf("a result of rank %d", len(shape)+len(a.Axes))
	}
	if len(a.Axes) > 0 {
		axes, err := axesOf(a.Axes, len(shape)+len(a.Axes))
		if err != nil {
			return nil, err
		}
		for _, i := range axes {
			shape = slices.Insert(shape, i, 1)
		}
	}
	return result(a.X.Type.DType, shape...)
}

func evalExpandDims(a *ExpandDimsArgs) ([]*tensor.Tensor, error) {
	return reshapedBy(inferExpandDims, a, a.X)
}

// reshapedBy is the Eval of an operator that gives x the shape of its type
// rule and leaves the elements alone.
func reshapedBy[A any](infer func(*A) ([]mil.Type, error), a *A, x *mil.Value) ([]*tensor.Tensor, error) {
	shape, err := staticShape(infer, a)
	if err != nil {
		return nil, err
	}
	return one(x.Const.Reshape(shape))
}

func sampleExpandDims(r *rand.Rand) ExpandDimsArgs {
	a := ExpandDimsArgs{X: sampleFloats(r), Axes: []int{}}
	rank := a.X.Type.Rank() + 1 + r.IntN(2)
	for _, i := range r.Perm(rank)[:rank-a.X.Type.Rank()] {
		a.Axes = append(a.Axes, i-rank*r.IntN(2))
	}
	return a
}
