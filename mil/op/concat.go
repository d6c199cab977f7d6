package op

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// ConcatArgs are the arguments of concat.
type ConcatArgs struct {
	Values     []*mil.Value `mil:"values,any"`
	Axis       int          `mil:"axis,int32,const"`
	Interleave bool         `mil:"interleave,bool,const,optional"`
}

// Concat puts tensors one after another along an axis. Interleaved, it takes
// one slice of each in turn; their shapes must be equal then. Scalars make a
// vector.
var Concat = Define(Spec[ConcatArgs]{
	Name: "concat", Since: mil.IOS15,
	Infer: inferConcat, Eval: evalConcat, Sample: sampleConcat,
})

// oneType checks that a list is of tensors of one element type, and returns it.
func oneType(values []*mil.Value) (tensor.DType, error) {
	if len(values) == 0 {
		return tensor.Invalid, errors.New("there are no values")
	}
	d := values[0].Type.DType
	for i, v := range values {
		switch {
		case v.Type.Kind != mil.Tensor:
			return d, fmt.Errorf("value %d is a %s", i, v.Type)
		case v.Type.DType != d:
			return d, fmt.Errorf("values of types %s and %s", d, v.Type.DType)
		}
	}
	return d, nil
}

func inferConcat(a *ConcatArgs) ([]mil.Type, error) {
	d, err := oneType(a.Values)
	if err != nil {
		return nil, err
	}
	shape := slices.Clone(dims(a.Values[0]))
	if len(shape) == 0 {
		for _, v := range a.Values {
			if len(dims(v)) != 0 {
				return nil, fmt.Errorf("a scalar and %s", v.Type)
			}
		}
		return result(d, len(a.Values))
	}
	at, err := axis(a.Axis, len(shape))
	if err != nil {
		return nil, err
	}
	total := 0
	for _, v := range a.Values {
		other := dims(v)
		if len(other) != len(shape) {
			return nil, fmt.Errorf("%s and %s", a.Values[0].Type, v.Type)
		}
		for i, d := range other {
			if i == at && !a.Interleave {
				continue
			}
			var ok bool
			if shape[i], ok = merge(shape[i], d); !ok {
				return nil, fmt.Errorf("%s and %s along axis %d", a.Values[0].Type, v.Type, at)
			}
		}
		if n := other[at]; n < 0 || total < 0 {
			total = mil.Unknown
		} else {
			total += n
		}
	}
	if a.Interleave && shape[at] >= 0 {
		total = shape[at] * len(a.Values)
	}
	shape[at] = total
	return result(d, shape...)
}

func evalConcat(a *ConcatArgs) ([]*tensor.Tensor, error) {
	shape, err := staticShape(inferConcat, a)
	if err != nil {
		return nil, err
	}
	out, err := zeros(a.Values[0].Type.DType, shape)
	if err != nil {
		return nil, err
	}
	at, _ := axis(a.Axis, len(shape))
	to := strides(shape)
	step := to[at]
	if a.Interleave {
		to[at] *= len(a.Values)
	}
	place := 0
	for _, v := range a.Values {
		own := v.Const.Shape()
		if len(own) == 0 {
			own = []int{1}
		}
		move{shape: own, from: strides(own), to: to, toAt: place}.apply(out, v.Const)
		if a.Interleave {
			place += step
		} else {
			place += step * own[at]
		}
	}
	return one(out)
}

func sampleConcat(r *rand.Rand) ConcatArgs {
	shape := sampleShape(r)
	at := r.IntN(len(shape))
	a := ConcatArgs{Axis: at - len(shape)*r.IntN(2), Interleave: r.IntN(3) == 0}
	for range 1 + r.IntN(4) {
		if !a.Interleave {
			shape[at] = 1 + r.IntN(6)
		}
		a.Values = append(a.Values, sampleFloats(r, shape...))
	}
	return a
}
