package op

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// ScatterArgs are the arguments of scatter and scatter_along_axis in iOS15.
// Negative indices count from the end.
type ScatterArgs struct {
	Data    *mil.Value `mil:"data,T"`
	Indices *mil.Value `mil:"indices,int32"`
	Updates *mil.Value `mil:"updates,T"`
	Axis    int        `mil:"axis,int32,const,optional"`
	Mode    string     `mil:"mode,string,const,optional" values:"update|add|sub|mul|div|max|min"`
}

// ScatterIOS17Args adds the demand that no index be negative or too large; see
// GatherIOS17Args.
type ScatterIOS17Args struct {
	Data            *mil.Value `mil:"data,T"`
	Indices         *mil.Value `mil:"indices,int32"`
	Updates         *mil.Value `mil:"updates,T"`
	Axis            int        `mil:"axis,int32,const,optional"`
	Mode            string     `mil:"mode,string,const,optional" values:"update|add|sub|mul|div|max|min"`
	ValidateIndices bool       `mil:"validate_indices,bool,const,optional"`
}

// Scatter combines slices along an axis with updates, in the order of the
// indices: the shape of the updates is that of the data with the shape of the
// indices in place of the axis.
var Scatter = Define(Spec[ScatterArgs]{
	Name: "scatter", Since: mil.IOS15, Types: Types{"T": Number},
	Default: ScatterArgs{Mode: "add"},
	Infer:   func(a *ScatterArgs) ([]mil.Type, error) { return inferScatter(a.newest()) },
	Eval:    func(a *ScatterArgs) ([]*tensor.Tensor, error) { return evalScatter(a.newest()) },
	Sample:  func(r *rand.Rand) ScatterArgs { return sampleScatter(r).oldest() },
})

// ScatterIOS17 is Scatter with checked indices.
var ScatterIOS17 = Define(Spec[ScatterIOS17Args]{
	Name: "scatter", Since: mil.IOS17, Types: Types{"T": Number},
	Default: ScatterIOS17Args{Mode: "add"},
	Infer:   inferScatter, Eval: evalScatter, Sample: sampleScatter,
})

func (a *ScatterArgs) newest() *ScatterIOS17Args {
	return &ScatterIOS17Args{a.Data, a.Indices, a.Updates, a.Axis, a.Mode, false}
}

func (a ScatterIOS17Args) oldest() ScatterArgs {
	return ScatterArgs{a.Data, a.Indices, a.Updates, a.Axis, a.Mode}
}

func inferScatter(a *ScatterIOS17Args) ([]mil.Type, error) {
	data := dims(a.Data)
	at, err := axis(a.Axis, len(data))
	if err != nil {
		return nil, err
	}
	if want := slices.Concat(data[:at], dims(a.Indices), data[at+1:]); !compatible(want, dims(a.Updates)) {
		return nil, fmt.Errorf("updates: want %s, have %s", mil.FormatDims(want), a.Updates.Type)
	}
	return sameShape(a.Data)
}

func evalScatter(a *ScatterIOS17Args) ([]*tensor.Tensor, error) {
	data := a.Data.Const
	at, err := axis(a.Axis, data.Rank())
	if err != nil {
		return nil, err
	}
	n, inner := data.Shape()[at], tensor.Size(data.Shape()[at+1:])
	index, err := places(a.Indices.Const, n, !a.ValidateIndices)
	if err != nil {
		return nil, err
	}
	var to []int
	for o := range tensor.Size(data.Shape()[:at]) {
		for _, p := range index {
			to = append(to, (o*n+p)*inner)
		}
	}
	return combined(data, a.Updates.Const, to, inner, a.Mode)
}

// combined returns a copy of data in which the run of n elements at each place
// is combined with the next n updates.
func combined(data, updates *tensor.Tensor, to []int, n int, mode string) ([]*tensor.Tensor, error) {
	out, err := duplicate(data)
	if err != nil {
		return nil, err
	}
	switch {
	case mode == "update":
		runs(out, updates, to, nil, n)
	case data.DType().IsFloat():
		err = combine(out.F32(), updates.F32(), to, n, mode, func(x, y float32) (float32, error) { return x / y, nil })
	default:
		err = combine(out.I32(), updates.I32(), to, n, mode, func(x, y int32) (int32, error) {
			if y == 0 {
				return 0, fmt.Errorf("%d is divided by 0", x)
			}
			return x / y, nil
		})
	}
	return []*tensor.Tensor{out}, err
}

// combine applies a mode to each pair of elements. max and min give NaN where
// there is one.
func combine[T float32 | int32](out, updates []T, to []int, n int, mode string, div func(x, y T) (T, error)) error {
	for i, place := range to {
		run, with := out[place:place+n], updates[i*n:(i+1)*n]
		switch mode {
		case "add":
			for j, v := range with {
				run[j] += v
			}
		case "sub":
			for j, v := range with {
				run[j] -= v
			}
		case "mul":
			for j, v := range with {
				run[j] *= v
			}
		case "max":
			for j, v := range with {
				run[j] = max(run[j], v)
			}
		case "min":
			for j, v := range with {
				run[j] = min(run[j], v)
			}
		case "div":
			for j, v := range with {
				var err error
				if run[j], err = div(run[j], v); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

var scatterModes = []string{"update", "add", "sub", "mul", "div", "max", "min"}

func sampleScatter(r *rand.Rand) ScatterIOS17Args {
	data := sampleFloats(r)
	shape := data.Type.Shape
	at := r.IntN(len(shape))
	k := 1 + r.IntN(4)
	return ScatterIOS17Args{
		Data: data, Indices: sampleInts(r, 0, shape[at], k),
		Updates: sampleFloats(r, slices.Concat(shape[:at], []int{k}, shape[at+1:])...),
		Axis:    at - len(shape)*r.IntN(2), Mode: scatterModes[r.IntN(len(scatterModes))], ValidateIndices: r.IntN(2) == 0,
	}
}
