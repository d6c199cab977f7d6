package op

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// GatherNdArgs are the arguments of gather_nd in iOS15.
type GatherNdArgs struct {
	X       *mil.Value `mil:"x,T"`
	Indices *mil.Value `mil:"indices,I"`
}

// GatherNdIOS16Args adds the number of leading dimensions that X and Indices
// share, along which they go together.
type GatherNdIOS16Args struct {
	X         *mil.Value `mil:"x,T"`
	Indices   *mil.Value `mil:"indices,I"`
	BatchDims int        `mil:"batch_dims,int32,const,optional"`
}

// GatherNdIOS17Args adds the demand that no index be negative or too large; see
// GatherIOS17Args.
type GatherNdIOS17Args struct {
	X               *mil.Value `mil:"x,T"`
	Indices         *mil.Value `mil:"indices,I"`
	BatchDims       int        `mil:"batch_dims,int32,const,optional"`
	ValidateIndices bool       `mil:"validate_indices,bool,const,optional"`
}

// GatherNd takes the slices that the rows of the indices, along their last
// axis, point at: a row of k indices is a place in the first k dimensions.
var GatherNd = Define(Spec[GatherNdArgs]{
	Name: "gather_nd", Since: mil.IOS15, Types: Types{"T": Number, "I": onlyInt32},
	Infer: func(a *GatherNdArgs) ([]mil.Type, error) {
		return inferGatherNd(&GatherNdIOS17Args{X: a.X, Indices: a.Indices})
	},
	Eval: func(a *GatherNdArgs) ([]*tensor.Tensor, error) {
		return evalGatherNd(&GatherNdIOS17Args{X: a.X, Indices: a.Indices})
	},
	Sample: func(r *rand.Rand) GatherNdArgs {
		a := sampleGatherNd(r, 0)
		return GatherNdArgs{X: a.X, Indices: a.Indices}
	},
})

// GatherNdIOS16 is GatherNd with batch dimensions.
var GatherNdIOS16 = Define(Spec[GatherNdIOS16Args]{
	Name: "gather_nd", Since: mil.IOS16, Types: Types{"T": Number, "I": indexIOS16},
	Infer: func(a *GatherNdIOS16Args) ([]mil.Type, error) {
		return inferGatherNd(&GatherNdIOS17Args{X: a.X, Indices: a.Indices, BatchDims: a.BatchDims})
	},
	Eval: func(a *GatherNdIOS16Args) ([]*tensor.Tensor, error) {
		return evalGatherNd(&GatherNdIOS17Args{X: a.X, Indices: a.Indices, BatchDims: a.BatchDims})
	},
	Sample: func(r *rand.Rand) GatherNdIOS16Args {
		a := sampleGatherNd(r, 2)
		return GatherNdIOS16Args{X: a.X, Indices: a.Indices, BatchDims: a.BatchDims}
	},
})

// GatherNdIOS17 is GatherNdIOS16 for more element types.
var GatherNdIOS17 = Define(Spec[GatherNdIOS17Args]{
	Name: "gather_nd", Since: mil.IOS17, Types: Types{"T": numberIOS17, "I": IndexSet},
	Infer: inferGatherNd, Eval: evalGatherNd,
	Sample: func(r *rand.Rand) GatherNdIOS17Args { return sampleGatherNd(r, 2) },
})

func inferGatherNd(a *GatherNdIOS17Args) ([]mil.Type, error) {
	x, indices, b := dims(a.X), dims(a.Indices), a.BatchDims
	if len(indices) == 0 {
		return nil, errors.New("indices: want at least a vector, have a scalar")
	}
	k := indices[len(indices)-1]
	if b < 0 || b >= len(indices) || b > len(x) || k > len(x)-b {
		return nil, fmt.Errorf("rows of %d indices into %s, with batch_dims %d", k, a.X.Type, b)
	}
	if !compatible(x[:b], indices[:b]) {
		return nil, fmt.Errorf("the first %d dimensions of %s and %s", b, a.X.Type, a.Indices.Type)
	}
	if k < 0 {
		return anyShape(a.X.Type.DType)
	}
	return result(a.X.Type.DType, slices.Concat(indices[:len(indices)-1], x[b+k:])...)
}

func evalGatherNd(a *GatherNdIOS17Args) ([]*tensor.Tensor, error) {
	shape, err := staticShape(inferGatherNd, a)
	if err != nil {
		return nil, err
	}
	out, err := zeros(a.X.Const.DType(), shape)
	if err != nil || out.Len() == 0 {
		return []*tensor.Tensor{out}, err
	}
	from, n, err := pointed(a.X.Const.Shape(), a.Indices.Const, a.BatchDims, !a.ValidateIndices)
	if err != nil {
		return nil, err
	}
	runs(out, a.X.Const, nil, from, n)
	return one(out)
}

// pointed returns the place of the slice that each row of the indices points
// at in a tensor of that shape, and the number of elements of a slice. There is
// at least one slice.
func pointed(shape []int, indices *tensor.Tensor, batch int, wrap bool) (out []int, n int, err error) {
	is := indices.Shape()
	k := is[len(is)-1]
	rows := tensor.Size(is[:len(is)-1])
	st := strides(shape)
	n = tensor.Size(shape[batch+k:])
	perBatch := rows / max(tensor.Size(is[:batch]), 1)
	slab := tensor.Size(shape[batch:])
	data := indices.I32()
	out = make([]int, rows)
	for r := range out {
		at := r / max(perBatch, 1) * slab
		for j, v := range data[r*k : (r+1)*k] {
			p, size := int(v), shape[batch+j]
			if p < 0 && wrap {
				p += size
			}
			if p < 0 || p >= size {
				return nil, 0, fmt.Errorf("index %d of a dimension of %d", v, size)
			}
			at += p * st[batch+j]
		}
		out[r] = at
	}
	return out, n, nil
}

func sampleGatherNd(r *rand.Rand, batch int) GatherNdIOS17Args {
	x := sampleFloats(r)
	shape := x.Type.Shape
	b := r.IntN(min(batch, len(shape)-1) + 1)
	k := 1 + r.IntN(len(shape)-b)
	indices := slices.Clone(shape[:b])
	for range r.IntN(3) {
		indices = append(indices, 1+r.IntN(3))
	}
	return GatherNdIOS17Args{X: x, Indices: sampleRows(r, shape[b:b+k], indices), BatchDims: b, ValidateIndices: r.IntN(2) == 0}
}

// sampleRows makes rows of indices into dimensions of the given sizes.
func sampleRows(r *rand.Rand, sizes, rows []int) *mil.Value {
	var data []int32
	for range tensor.Size(rows) {
		for _, n := range sizes {
			data = append(data, int32(r.IntN(n)))
		}
	}
	return mil.NewConst("i", tensor.Ints(append(slices.Clone(rows), len(sizes)), data))
}
