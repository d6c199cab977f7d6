package op

import (
	"math/rand/v2"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// ScatterAlongAxis combines elements of a tensor with updates: that at indices
// i, …, j, …, k goes to i, …, index, …, k, where the index, in place of the
// axis, is the element of the indices at i, …, j, …, k.
var ScatterAlongAxis = Define(Spec[ScatterArgs]{
	Name: "scatter_along_axis", Since: mil.IOS15, Types: Types{"T": Number},
	Default: ScatterArgs{Mode: "add"},
	Infer:   func(a *ScatterArgs) ([]mil.Type, error) { return inferScatterAlongAxis(a.newest()) },
	Eval:    func(a *ScatterArgs) ([]*tensor.Tensor, error) { return evalScatterAlongAxis(a.newest()) },
	Sample:  func(r *rand.Rand) ScatterArgs { return sampleScatterAlongAxis(r).oldest() },
})

// ScatterAlongAxisIOS17 is ScatterAlongAxis with checked indices.
var ScatterAlongAxisIOS17 = Define(Spec[ScatterIOS17Args]{
	Name: "scatter_along_axis", Since: mil.IOS17, Types: Types{"T": Number},
	Default: ScatterIOS17Args{Mode: "add"},
	Infer:   inferScatterAlongAxis, Eval: evalScatterAlongAxis, Sample: sampleScatterAlongAxis,
})

func inferScatterAlongAxis(a *ScatterIOS17Args) ([]mil.Type, error) {
	if _, err := besides(a.Data, a.Indices, a.Axis); err != nil {
		return nil, err
	}
	if !compatible(dims(a.Indices), dims(a.Updates)) {
		return nil, mismatch("updates", a.Indices, a.Updates)
	}
	return sameShape(a.Data)
}

func evalScatterAlongAxis(a *ScatterIOS17Args) ([]*tensor.Tensor, error) {
	at, err := besides(a.Data, a.Indices, a.Axis)
	if err != nil {
		return nil, err
	}
	to, err := placesAlong(a.Data.Const, a.Indices.Const, at, !a.ValidateIndices)
	if err != nil {
		return nil, err
	}
	return combined(a.Data.Const, a.Updates.Const, to, 1, a.Mode)
}

func sampleScatterAlongAxis(r *rand.Rand) ScatterIOS17Args {
	x := sampleGatherAlongAxis(r)
	return ScatterIOS17Args{
		Data: x.X, Indices: x.Indices, Updates: sampleFloats(r, x.Indices.Type.Shape...),
		Axis: x.Axis, Mode: scatterModes[r.IntN(len(scatterModes))], ValidateIndices: x.ValidateIndices,
	}
}
