package op

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// GatherAlongAxisIOS17Args are the arguments of gather_along_axis from iOS17
// on; see GatherIOS17Args. Before, they are GatherArgs.
type GatherAlongAxisIOS17Args struct {
	X               *mil.Value `mil:"x,T"`
	Indices         *mil.Value `mil:"indices,I"`
	Axis            int        `mil:"axis,int32,const,optional"`
	ValidateIndices bool       `mil:"validate_indices,bool,const,optional"`
}

// GatherAlongAxis takes for each index the element that stands at the same
// place but for the axis, where the index says which. Indices and x have the
// same size along all other axes.
var GatherAlongAxis = Define(Spec[GatherArgs]{
	Name: "gather_along_axis", Since: mil.IOS15, Types: Types{"T": Number, "I": onlyInt32},
	Infer: gatherAlongAxisTypes, Eval: gatherAlongAxisValues, Sample: gatherAlongAxisSample,
})

// GatherAlongAxisIOS16 is GatherAlongAxis for more element types.
var GatherAlongAxisIOS16 = Define(Spec[GatherArgs]{
	Name: "gather_along_axis", Since: mil.IOS16, Types: Types{"T": Number, "I": indexIOS16},
	Infer: gatherAlongAxisTypes, Eval: gatherAlongAxisValues, Sample: gatherAlongAxisSample,
})

// GatherAlongAxisIOS17 is GatherAlongAxis for more element types and with
// checked indices.
var GatherAlongAxisIOS17 = Define(Spec[GatherAlongAxisIOS17Args]{
	Name: "gather_along_axis", Since: mil.IOS17, Types: Types{"T": numberIOS17, "I": IndexSet},
	Infer: inferGatherAlongAxis, Eval: evalGatherAlongAxis, Sample: sampleGatherAlongAxis,
})

func gatherAlongAxisTypes(a *GatherArgs) ([]mil.Type, error) {
	return inferGatherAlongAxis(&GatherAlongAxisIOS17Args{X: a.X, Indices: a.Indices, Axis: a.Axis})
}

func gatherAlongAxisValues(a *GatherArgs) ([]*tensor.Tensor, error) {
	return evalGatherAlongAxis(&GatherAlongAxisIOS17Args{X: a.X, Indices: a.Indices, Axis: a.Axis})
}

func gatherAlongAxisSample(r *rand.Rand) GatherArgs {
	a := sampleGatherAlongAxis(r)
	return GatherArgs{X: a.X, Indices: a.Indices, Axis: a.Axis}
}

// besides checks that two tensors have the same sizes but along an axis,
// which it returns counted from the front.
func besides(x, indices *mil.Value, a int) (int, error) {
	from, index := slices.Clone(dims(x)), dims(indices)
	at, err := axis(a, len(from))
	if err != nil {
		return 0, err
	}
	if len(index) != len(from) {
		return 0, mismatch("indices", x, indices)
	}
	if from[at] = index[at]; !compatible(from, index) {
		return 0, mismatch("indices", x, indices)
	}
	return at, nil
}

func mismatch(name string, x, y *mil.Value) error {
	return fmt.Errorf("%s: %s does not go with %s", name, y.Type, x.Type)
}

func inferGatherAlongAxis(a *GatherAlongAxisIOS17Args) ([]mil.Type, error) {
	if _, err := besides(a.X, a.Indices, a.Axis); err != nil {
		return nil, err
	}
	return result(a.X.Type.DType, dims(a.Indices)...)
}

func evalGatherAlongAxis(a *GatherAlongAxisIOS17Args) ([]*tensor.Tensor, error) {
	at, err := besides(a.X, a.Indices, a.Axis)
	if err != nil {
		return nil, err
	}
	from, err := placesAlong(a.X.Const, a.Indices.Const, at, !a.ValidateIndices)
	if err != nil {
		return nil, err
	}
	out, err := zeros(a.X.Const.DType(), a.Indices.Const.Shape())
	if err != nil {
		return nil, err
	}
	runs(out, a.X.Const, nil, from, 1)
	return one(out)
}

// placesAlong returns the place in x of the element that each index means.
func placesAlong(x, indices *tensor.Tensor, at int, wrap bool) ([]int, error) {
	n, inner := x.Shape()[at], tensor.Size(x.Shape()[at+1:])
	out, err := places(indices, n, wrap)
	if err != nil {
		return nil, err
	}
	k := indices.Shape()[at]
	i := 0
	for o := range tensor.Size(x.Shape()[:at]) {
		for range k {
			for in := range inner {
				out[i] = (o*n+out[i])*inner + in
				i++
			}
		}
	}
	return out, nil
}

func sampleGatherAlongAxis(r *rand.Rand) GatherAlongAxisIOS17Args {
	x := sampleFloats(r)
	at := r.IntN(x.Type.Rank())
	n := x.Type.Shape[at]
	shape := slices.Clone(x.Type.Shape)
	shape[at] = 1 + r.IntN(4)
	return GatherAlongAxisIOS17Args{
		X: x, Indices: sampleInts(r, 0, n, shape...), Axis: at - len(shape)*r.IntN(2), ValidateIndices: r.IntN(2) == 0,
	}
}
