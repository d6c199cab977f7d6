package op

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// OneHotArgs are the arguments of one_hot. Axis is one of the result. The two
// scalars, of one element type, are 1 and 0 of int32 where they are not given.
type OneHotArgs struct {
	Indices          *mil.Value     `mil:"indices,int32"`
	OneHotVectorSize *mil.Value     `mil:"one_hot_vector_size,int32"`
	Axis             int            `mil:"axis,int32,const,optional"`
	OnValue          *tensor.Tensor `mil:"on_value,T,const,optional"`
	OffValue         *tensor.Tensor `mil:"off_value,T,const,optional"`
}

// OneHot makes a vector of each index, "on" at the index and "off" elsewhere:
// everywhere for an index that is negative or too large.
var OneHot = Define(Spec[OneHotArgs]{
	Name: "one_hot", Since: mil.IOS15, Types: Types{"T": Any},
	Default: OneHotArgs{Axis: -1, OnValue: tensor.Scalar[int32](tensor.Int32, 1), OffValue: tensor.Scalar[int32](tensor.Int32, 0)},
	Infer:   inferOneHot,
	Eval:    evalOneHot,
	Sample: func(r *rand.Rand) OneHotArgs {
		n := 1 + r.IntN(5)
		indices := sampleInts(r, -1, n+1, sampleShape(r)...)
		rank := indices.Type.Rank() + 1
		return OneHotArgs{
			Indices: indices, OneHotVectorSize: mil.NewConst("n", integers(nil, tensor.Int32, n)), Axis: r.IntN(2*rank) - rank,
			OnValue: tensor.Scalar[float32](tensor.Float32, 2), OffValue: tensor.Scalar[float32](tensor.Float32, -1),
		}
	},
})

func inferOneHot(a *OneHotArgs) ([]mil.Type, error) {
	if on, off := a.OnValue, a.OffValue; on.Len() != 1 || off.Len() != 1 || on.DType() != off.DType() {
		return nil, fmt.Errorf("on_value and off_value: want scalars of one type, have %s and %s", on, off)
	}
	shape := slices.Clone(dims(a.Indices))
	at, err := axis(a.Axis, len(shape)+1)
	if err != nil {
		return nil, err
	}
	n := mil.Unknown
	if size, known := knownInts(a.OneHotVectorSize); known {
		if len(size) != 1 || size[0] < 0 {
			return nil, fmt.Errorf("one_hot_vector_size %v", size)
		}
		n = size[0]
	}
	return result(a.OnValue.DType(), slices.Insert(shape, at, n)...)
}

func evalOneHot(a *OneHotArgs) ([]*tensor.Tensor, error) {
	shape, err := staticShape(inferOneHot, a)
	if err != nil {
		return nil, err
	}
	out, err := filled(a.OffValue, shape)
	if err != nil {
		return nil, err
	}
	at, _ := axis(a.Axis, len(shape))
	n, inner := shape[at], tensor.Size(shape[at+1:])
	var places []int
	for i, v := range a.Indices.Const.I32() {
		if v >= 0 && int(v) < n {
			places = append(places, (i/inner*n+int(v))*inner+i%inner)
		}
	}
	runs(out, a.OnValue, places, make([]int, len(places)), 1)
	return one(out)
}
