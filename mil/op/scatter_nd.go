package op

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// ScatterNdArgs are the arguments of scatter_nd in iOS15.
type ScatterNdArgs struct {
	Data    *mil.Value `mil:"data,T"`
	Indices *mil.Value `mil:"indices,int32"`
	Updates *mil.Value `mil:"updates,T"`
	Mode    string     `mil:"mode,string,const,optional" values:"update|add|sub|mul|div|max|min"`
}

// ScatterNdIOS17Args adds the demand that no index be negative or too large;
// see GatherIOS17Args.
type ScatterNdIOS17Args struct {
	Data            *mil.Value `mil:"data,T"`
	Indices         *mil.Value `mil:"indices,int32"`
	Updates         *mil.Value `mil:"updates,T"`
	Mode            string     `mil:"mode,string,const,optional" values:"update|add|sub|mul|div|max|min"`
	ValidateIndices bool       `mil:"validate_indices,bool,const,optional"`
}

// ScatterNd combines the slices that the rows of the indices point at, as in
// GatherNd, with updates.
var ScatterNd = Define(Spec[ScatterNdArgs]{
	Name: "scatter_nd", Since: mil.IOS15, Types: Types{"T": Number},
	Default: ScatterNdArgs{Mode: "add"},
	Infer:   func(a *ScatterNdArgs) ([]mil.Type, error) { return inferScatterNd(a.newest()) },
	Eval:    func(a *ScatterNdArgs) ([]*tensor.Tensor, error) { return evalScatterNd(a.newest()) },
	Sample: func(r *rand.Rand) ScatterNdArgs {
		a := sampleScatterNd(r)
		return ScatterNdArgs{a.Data, a.Indices, a.Updates, a.Mode}
	},
})

// ScatterNdIOS17 is ScatterNd with checked indices.
var ScatterNdIOS17 = Define(Spec[ScatterNdIOS17Args]{
	Name: "scatter_nd", Since: mil.IOS17, Types: Types{"T": Number},
	Default: ScatterNdIOS17Args{Mode: "add"},
	Infer:   inferScatterNd, Eval: evalScatterNd, Sample: sampleScatterNd,
})

func (a *ScatterNdArgs) newest() *ScatterNdIOS17Args {
	return &ScatterNdIOS17Args{a.Data, a.Indices, a.Updates, a.Mode, false}
}

func inferScatterNd(a *ScatterNdIOS17Args) ([]mil.Type, error) {
	data, indices := dims(a.Data), dims(a.Indices)
	if len(indices) == 0 {
		return nil, errors.New("indices: want at least a vector, have a scalar")
	}
	k := indices[len(indices)-1]
	if k > len(data) {
		return nil, fmt.Errorf("rows of %d indices into %s", k, a.Data.Type)
	}
	if k >= 0 {
		if want := slices.Concat(indices[:len(indices)-1], data[k:]); !compatible(want, dims(a.Updates)) {
			return nil, fmt.Errorf("updates: want %s, have %s", mil.FormatDims(want), a.Updates.Type)
		}
	}
	return sameShape(a.Data)
}

func evalScatterNd(a *ScatterNdIOS17Args) ([]*tensor.Tensor, error) {
	if _, err := inferScatterNd(a); err != nil {
		return nil, err
	}
	if a.Updates.Const.Len() == 0 {
		return one(a.Data.Const)
	}
	to, n, err := pointed(a.Data.Const.Shape(), a.Indices.Const, 0, !a.ValidateIndices)
	if err != nil {
		return nil, err
	}
	return combined(a.Data.Const, a.Updates.Const, to, n, a.Mode)
}

func sampleScatterNd(r *rand.Rand) ScatterNdIOS17Args {
	data := sampleFloats(r)
	shape := data.Type.Shape
	k := 1 + r.IntN(len(shape))
	rows := []int{1 + r.IntN(4)}
	updates := slices.Concat(rows, shape[k:])
	return ScatterNdIOS17Args{
		Data: data, Indices: sampleRows(r, shape[:k], rows), Updates: sampleFloats(r, updates...),
		Mode: scatterModes[r.IntN(len(scatterModes))], ValidateIndices: r.IntN(2) == 0,
	}
}
