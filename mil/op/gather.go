package op

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// GatherArgs are the arguments of gather in iOS15. Negative indices count
// from the end.
type GatherArgs struct {
	X       *mil.Value `mil:"x,T"`
	Indices *mil.Value `mil:"indices,I"`
	Axis    int        `mil:"axis,int32,const,optional"`
}

// GatherIOS16Args adds the number of leading dimensions that X and Indices
// share, along which they go together.
type GatherIOS16Args struct {
	X         *mil.Value `mil:"x,T"`
	Indices   *mil.Value `mil:"indices,I"`
	Axis      int        `mil:"axis,int32,const,optional"`
	BatchDims int        `mil:"batch_dims,int32,const,optional"`
}

// GatherIOS17Args adds the demand that no index be negative or too large.
// Without it such a negative index counts from the end, as it always did, and
// one too large is an error all the same.
type GatherIOS17Args struct {
	X               *mil.Value `mil:"x,T"`
	Indices         *mil.Value `mil:"indices,I"`
	Axis            int        `mil:"axis,int32,const,optional"`
	BatchDims       int        `mil:"batch_dims,int32,const,optional"`
	ValidateIndices bool       `mil:"validate_indices,bool,const,optional"`
}

// Element types of the gather operators.
var (
	indexIOS16  = []tensor.DType{tensor.Int32, tensor.Uint16, tensor.Int16}
	numberIOS17 = []tensor.DType{
		tensor.Float16, tensor.Float32, tensor.Int32, tensor.Int16, tensor.Uint16, tensor.Int8, tensor.Uint8,
	}
)

// Gather takes slices of a tensor along an axis: the shape of the indices
// takes the place of the axis.
var Gather = Define(Spec[GatherArgs]{
	Name: "gather", Since: mil.IOS15, Types: Types{"T": Number, "I": onlyInt32},
	Infer: func(a *GatherArgs) ([]mil.Type, error) {
		return inferGather(&GatherIOS17Args{X: a.X, Indices: a.Indices, Axis: a.Axis})
	},
	Eval: func(a *GatherArgs) ([]*tensor.Tensor, error) {
		return evalGather(&GatherIOS17Args{X: a.X, Indices: a.Indices, Axis: a.Axis})
	},
	Sample: func(r *rand.Rand) GatherArgs {
		a := sampleGather(r, 0)
		return GatherArgs{X: a.X, Indices: a.Indices, Axis: a.Axis}
	},
})

// GatherIOS16 is Gather with batch dimensions.
var GatherIOS16 = Define(Spec[GatherIOS16Args]{
	Name: "gather", Since: mil.IOS16, Types: Types{"T": Number, "I": indexIOS16},
	Infer: func(a *GatherIOS16Args) ([]mil.Type, error) {
		return inferGather(&GatherIOS17Args{X: a.X, Indices: a.Indices, Axis: a.Axis, BatchDims: a.BatchDims})
	},
	Eval: func(a *GatherIOS16Args) ([]*tensor.Tensor, error) {
		return evalGather(&GatherIOS17Args{X: a.X, Indices: a.Indices, Axis: a.Axis, BatchDims: a.BatchDims})
	},
	Sample: func(r *rand.Rand) GatherIOS16Args {
		a := sampleGather(r, 2)
		return GatherIOS16Args{X: a.X, Indices: a.Indices, Axis: a.Axis, BatchDims: a.BatchDims}
	},
})

// GatherIOS17 is GatherIOS16 for more element types.
var GatherIOS17 = Define(Spec[GatherIOS17Args]{
	Name: "gather", Since: mil.IOS17, Types: Types{"T": numberIOS17, "I": IndexSet},
	Infer: inferGather, Eval: evalGather,
	Sample: func(r *rand.Rand) GatherIOS17Args { return sampleGather(r, 2) },
})

func inferGather(a *GatherIOS17Args) ([]mil.Type, error) {
	x, indices := dims(a.X), dims(a.Indices)
	at, err := axis(a.Axis, len(x))
	if err != nil {
		return nil, err
	}
	b := a.BatchDims
	if b < 0 {
		b += len(indices)
	}
	if b < 0 || b > at || b > len(indices) {
		return nil, fmt.Errorf("batch_dims %d with axis %d and %s", a.BatchDims, at, a.Indices.Type)
	}
	if !compatible(x[:b], indices[:b]) {
		return nil, fmt.Errorf("the first %d dimensions of %s and %s", b, a.X.Type, a.Indices.Type)
	}
	return result(a.X.Type.DType, slices.Concat(x[:at], indices[b:], x[at+1:])...)
}

func evalGather(a *GatherIOS17Args) ([]*tensor.Tensor, error) {
	shape, err := staticShape(inferGather, a)
	if err != nil {
		return nil, err
	}
	x, indices := a.X.Const, a.Indices.Const
	out, err := zeros(x.DType(), shape)
	if err != nil || out.Len() == 0 {
		return []*tensor.Tensor{out}, err
	}
	at, _ := axis(a.Axis, x.Rank())
	b := a.BatchDims
	if b < 0 {
		b += indices.Rank()
	}
	n := x.Shape()[at]
	index, err := places(indices, n, !a.ValidateIndices)
	if err != nil {
		return nil, err
	}
	batches := tensor.Size(x.Shape()[:b])
	outer := tensor.Size(x.Shape()[b:at])
	inner := tensor.Size(x.Shape()[at+1:])
	per := len(index) / batches
	from := make([]int, 0, batches*outer*per)
	for i := range batches {
		for o := range outer {
			base := (i*outer + o) * n
			for _, p := range index[i*per : (i+1)*per] {
				from = append(from, (base+p)*inner)
			}
		}
	}
	runs(out, x, nil, from, inner)
	return one(out)
}

// places reads indices into a dimension of n. Negative ones count from the
// end if wrap says so.
func places(indices *tensor.Tensor, n int, wrap bool) ([]int, error) {
	data := indices.I32()
	out := make([]int, len(data))
	for i, v := range data {
		p := int(v)
		if p < 0 && wrap {
			p += n
		}
		if p < 0 || p >= n {
			return nil, fmt.Errorf("index %d of a dimension of %d", v, n)
		}
		out[i] = p
	}
	return out, nil
}

func sampleGather(r *rand.Rand, batch int) GatherIOS17Args {
	shape := sampleShape(r)
	at := r.IntN(len(shape))
	b := r.IntN(min(at, batch) + 1)
	n := shape[at]
	indices := slices.Clone(shape[:b])
	for range r.IntN(3) {
		indices = append(indices, 1+r.IntN(4))
	}
	a := GatherIOS17Args{X: sampleFloats(r, shape...), Axis: at - len(shape)*r.IntN(2), BatchDims: b, ValidateIndices: r.IntN(2) == 0}
	lo := 0
	if !a.ValidateIndices && batch == 0 {
		lo = -n
	}
	a.Indices = sampleInts(r, lo, n, indices...)
	return a
}
