package op

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// TopkArgs are the arguments of topk in iOS15.
type TopkArgs struct {
	X         *mil.Value `mil:"x,T"`
	K         int        `mil:"k,int32,const,optional"`
	Axis      int        `mil:"axis,int32,const,optional"`
	Ascending bool       `mil:"ascending,bool,const,optional"` // the least elements
}

// TopkIOS16Args add the choice of leaving the result in any order, which is
// given sorted all the same, and of leaving the places out.
type TopkIOS16Args struct {
	X             *mil.Value `mil:"x,T"`
	K             int        `mil:"k,int32,const,optional"`
	Axis          int        `mil:"axis,int32,const,optional"`
	Ascending     bool       `mil:"ascending,bool,const,optional"`
	Sort          bool       `mil:"sort,bool,const,optional"`
	ReturnIndices bool       `mil:"return_indices,bool,const,optional"`
}

// TopkIOS17Args add the element type of the places, int32 where it is not
// given. A K of -1 means all elements.
type TopkIOS17Args struct {
	X                  *mil.Value `mil:"x,T"`
	K                  int        `mil:"k,K,const,optional"`
	Axis               int        `mil:"axis,int32,const,optional"`
	Ascending          bool       `mil:"ascending,bool,const,optional"`
	Sort               bool       `mil:"sort,bool,const,optional"`
	ReturnIndices      bool       `mil:"return_indices,bool,const,optional"`
	OutputIndicesDType string     `mil:"output_indices_dtype,string,const,optional" values:"int32|uint16"`
}

// Topk gives the k greatest elements along an axis and their places, the
// greatest first. Of equal ones the first comes first; NaN come last.
var Topk = Define(Spec[TopkArgs]{
	Name: "topk", Since: mil.IOS15, Types: Types{"T": Number},
	Default: TopkArgs{K: 1, Axis: -1},
	Infer:   func(a *TopkArgs) ([]mil.Type, error) { return inferTopk(a.newest(), false) },
	Eval:    func(a *TopkArgs) ([]*tensor.Tensor, error) { return evalTopk(a.newest()) },
	Sample: func(r *rand.Rand) TopkArgs {
		a := sampleTopk(r)
		return TopkArgs{X: a.X, K: a.K, Axis: a.Axis, Ascending: a.Ascending}
	},
})

// TopkIOS16 is Topk with a choice of outputs.
var TopkIOS16 = Define(Spec[TopkIOS16Args]{
	Name: "topk", Since: mil.IOS16, Types: Types{"T": Number},
	Default: TopkIOS16Args{K: 1, Axis: -1, Sort: true, ReturnIndices: true},
	Infer:   func(a *TopkIOS16Args) ([]mil.Type, error) { return inferTopk(a.newest(), false) },
	Eval:    func(a *TopkIOS16Args) ([]*tensor.Tensor, error) { return evalTopk(a.newest()) },
	Sample: func(r *rand.Rand) TopkIOS16Args {
		a := sampleTopk(r)
		return TopkIOS16Args{X: a.X, K: a.K, Axis: a.Axis, Ascending: a.Ascending, Sort: a.Sort, ReturnIndices: a.ReturnIndices}
	},
})

// TopkIOS17 is TopkIOS16 for more element types.
var TopkIOS17 = Define(Spec[TopkIOS17Args]{
	Name: "topk", Since: mil.IOS17, Types: Types{"T": numberIOS17, "K": SignedInt},
	Default: TopkIOS17Args{K: 1, Axis: -1, Sort: true, ReturnIndices: true},
	Infer:   func(a *TopkIOS17Args) ([]mil.Type, error) { return inferTopk(a, true) },
	Eval:    evalTopk,
	Sample: func(r *rand.Rand) TopkIOS17Args {
		a := sampleTopk(r)
		if r.IntN(4) == 0 {
			a.K = -1
		}
		if a.ReturnIndices {
			a.OutputIndicesDType = []string{"", "int32", "uint16"}[r.IntN(3)]
		}
		return a
	},
})

func (a *TopkArgs) newest() *TopkIOS17Args {
	return &TopkIOS17Args{X: a.X, K: a.K, Axis: a.Axis, Ascending: a.Ascending, Sort: true, ReturnIndices: true}
}

func (a *TopkIOS16Args) newest() *TopkIOS17Args {
	return &TopkIOS17Args{X: a.X, K: a.K, Axis: a.Axis, Ascending: a.Ascending, Sort: a.Sort, ReturnIndices: a.ReturnIndices}
}

func inferTopk(a *TopkIOS17Args, all bool) ([]mil.Type, error) {
	at, n, err := knownAxis(a.X, a.Axis)
	if err != nil {
		return nil, err
	}
	k := a.K
	if k == -1 && all {
		k = n
	} else if k < 0 || n >= 0 && k > n {
		return nil, fmt.Errorf("the first %d along an axis of %d", k, n)
	}
	shape := slices.Clone(dims(a.X))
	shape[at] = k
	types, err := result(a.X.Type.DType, shape...)
	if err != nil || !a.ReturnIndices {
		if err == nil && a.OutputIndicesDType != "" {
			err = errors.New("output_indices_dtype is given, but return_indices is false")
		}
		return types, err
	}
	d, err := indexType(a.OutputIndicesDType, n)
	return append(types, mil.TensorType(d, shape...)), err
}

func evalTopk(a *TopkIOS17Args) ([]*tensor.Tensor, error) {
	at, n, err := knownAxis(a.X, a.Axis)
	if err != nil {
		return nil, err
	}
	k := a.K
	if k == -1 {
		k = n
	}
	d, err := indexType(a.OutputIndicesDType, n)
	if err != nil {
		return nil, err
	}
	values, indices, err := firsts(a.X.Const.Decoded(), at, k, a.Ascending, d)
	if err != nil || !a.ReturnIndices {
		return []*tensor.Tensor{values}, err
	}
	return []*tensor.Tensor{values, indices}, nil
}

func sampleTopk(r *rand.Rand) TopkIOS17Args {
	x := sampleFloats(r)
	at := r.IntN(x.Type.Rank())
	return TopkIOS17Args{
		X: x, K: 1 + r.IntN(x.Type.Shape[at]), Axis: at - x.Type.Rank()*r.IntN(2),
		Ascending: r.IntN(2) == 0, Sort: r.IntN(2) == 0, ReturnIndices: r.IntN(3) != 0,
	}
}
