package op

import (
	"fmt"
	"math/rand/v2"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// ArgReduction is the argument struct of reduce_argmax and reduce_argmin.
type ArgReduction struct {
	X        *mil.Value `mil:"x,T"`
	Axis     int        `mil:"axis,int32,const,optional"`
	KeepDims bool       `mil:"keep_dims,bool,const,optional"`
}

// ArgReductionIOS17 is ArgReduction with a choice of the index type.
type ArgReductionIOS17 struct {
	X           *mil.Value `mil:"x,T"`
	Axis        int        `mil:"axis,int32,const,optional"`
	KeepDims    bool       `mil:"keep_dims,bool,const,optional"`
	OutputDType string     `mil:"output_dtype,string,const,optional" values:"int32|uint16"`
}

// defineArg defines both versions of an operator that finds the first element
// that is better than all others. As in NumPy, NaN is the best of all.
func defineArg(name string, floats func(x, y float32) bool, ints func(x, y int32) bool) (*Def[ArgReduction], *Def[ArgReductionIOS17]) {
	infer := func(a *ArgReductionIOS17) ([]mil.Type, error) {
		shape := a.X.Type.Shape
		at, err := axis(a.Axis, len(shape))
		if err != nil {
			return nil, err
		}
		d, err := tensor.ParseDType(a.OutputDType)
		if err != nil {
			return nil, err
		}
		if shape[at] == 0 {
			return nil, fmt.Errorf("dimension %d has no elements to choose from", at)
		}
		if _, last := d.IntRange(); int64(shape[at]-1) > last {
			return nil, fmt.Errorf("an index up to %d does not fit %s", shape[at]-1, d)
		}
		if shape, err = reducedShape(shape, []int{at}, a.KeepDims); err != nil {
			return nil, err
		}
		return []mil.Type{mil.TensorType(d, shape...)}, nil
	}
	eval := func(a *ArgReductionIOS17) ([]*tensor.Tensor, error) {
		types, err := infer(a)
		if err != nil {
			return nil, err
		}
		at, out := []int{a.Axis}, make([]int32, tensor.Size(types[0].Shape))
		if a.X.Type.DType.IsFloat() {
			rows(a.X.Const, at, func(i int, row []float32) {
				out[i] = first(row, func(x, y float32) bool { return floats(x, y) || x != x && y == y })
			})
		} else {
			rows(a.X.Const, at, func(i int, row []int32) { out[i] = first(row, ints) })
		}
		return one(tensor.New(types[0].DType, types[0].Shape, out))
	}
	widen := func(a *ArgReduction) *ArgReductionIOS17 {
		return &ArgReductionIOS17{a.X, a.Axis, a.KeepDims, "int32"}
	}
	sample := func(r *rand.Rand) ArgReduction {
		x := sampleFloats(r)
		return ArgReduction{x, r.IntN(2*x.Type.Rank()) - x.Type.Rank(), r.IntN(2) == 0}
	}
	return Define(Spec[ArgReduction]{
			Name: name, Since: mil.IOS15, Types: Types{"T": Number},
			Default: ArgReduction{Axis: -1},
			Infer:   func(a *ArgReduction) ([]mil.Type, error) { return infer(widen(a)) },
			Eval:    func(a *ArgReduction) ([]*tensor.Tensor, error) { return eval(widen(a)) },
			Sample:  sample,
		}), Define(Spec[ArgReductionIOS17]{
			Name: name, Since: mil.IOS17, Types: Types{"T": Number},
			Default: ArgReductionIOS17{Axis: -1, OutputDType: "int32"},
			Infer:   infer,
			Eval:    eval,
			Sample: func(r *rand.Rand) ArgReductionIOS17 {
				a := sample(r)
				a17 := widen(&a)
				a17.OutputDType = []string{"int32", "uint16"}[r.IntN(2)]
				return *a17
			},
		})
}

// first returns the position of the first element than which none is better.
func first[T any](row []T, better func(x, y T) bool) int32 {
	best := 0
	for i, v := range row {
		if better(v, row[best]) {
			best = i
		}
	}
	return int32(best)
}
