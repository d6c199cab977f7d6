package op

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// StackArgs are the arguments of stack. Axis is one of the result.
type StackArgs struct {
	Values []*mil.Value `mil:"values,any"`
	Axis   int          `mil:"axis,int32,const"`
}

// Stack joins tensors of one shape along a new axis.
var Stack = Define(Spec[StackArgs]{
	Name: "stack", Since: mil.IOS15,
	Infer: inferStack, Eval: evalStack, Sample: sampleStack,
})

func inferStack(a *StackArgs) ([]mil.Type, error) {
	d, err := oneType(a.Values)
	if err != nil {
		return nil, err
	}
	shape := slices.Clone(dims(a.Values[0]))
	for _, v := range a.Values {
		other := dims(v)
		if !compatible(shape, other) {
			return nil, fmt.Errorf("%s and %s", a.Values[0].Type, v.Type)
		}
		for i, d := range other {
			shape[i], _ = merge(shape[i], d)
		}
	}
	at, err := axis(a.Axis, len(shape)+1)
	if err != nil {
		return nil, err
	}
	return result(d, slices.Insert(shape, at, len(a.Values))...)
}

func evalStack(a *StackArgs) ([]*tensor.Tensor, error) {
	shape, err := staticShape(inferStack, a)
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
	to = slices.Delete(to, at, at+1)
	for i, v := range a.Values {
		own := v.Const.Shape()
		move{shape: own, from: strides(own), to: to, toAt: i * step}.apply(out, v.Const)
	}
	return one(out)
}

func sampleStack(r *rand.Rand) StackArgs {
	shape := sampleShape(r)
	rank := len(shape) + 1
	a := StackArgs{Axis: r.IntN(rank) - rank*r.IntN(2)}
	for range 1 + r.IntN(4) {
		a.Values = append(a.Values, sampleFloats(r, shape...))
	}
	return a
}
