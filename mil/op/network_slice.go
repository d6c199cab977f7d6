package op

import (
	"math/rand/v2"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// NetworkSliceArgs are SliceByIndexArgs, but all of them are values.
type NetworkSliceArgs struct {
	X           *mil.Value `mil:"x,T"`
	Begin       *mil.Value `mil:"begin,int32"`
	End         *mil.Value `mil:"end,int32"`
	Stride      *mil.Value `mil:"stride,int32"`
	BeginMask   *mil.Value `mil:"begin_mask,bool"`
	EndMask     *mil.Value `mil:"end_mask,bool"`
	SqueezeMask *mil.Value `mil:"squeeze_mask,bool"`
}

// NetworkSlice is SliceByIndex as the layer sliceDynamic of neural networks
// has it: which axes remain may only be known when it is run.
var NetworkSlice = Define(Spec[NetworkSliceArgs]{
	Name: "network_slice", Since: mil.IOS13, Internal: true, Types: Types{"T": Any},
	Infer: func(a *NetworkSliceArgs) ([]mil.Type, error) {
		shape, _, err := a.cuts()
		if err != nil {
			return nil, err
		}
		if a.SqueezeMask.Const == nil {
			return anyShape(a.X.Type.DType)
		}
		return result(a.X.Type.DType, shape...)
	},
	Eval: func(a *NetworkSliceArgs) ([]*tensor.Tensor, error) {
		shape, cs, err := a.cuts()
		if err != nil {
			return nil, err
		}
		t, err := rearranged(a.X.Const, shape, sliceMove(cs, a.X.Const.Shape()))
		return []*tensor.Tensor{t}, err
	},
	Sample: func(r *rand.Rand) NetworkSliceArgs {
		a := sampleSliceByIndex(r)
		n := len(a.BeginMask)
		if a.Stride == nil {
			for range n {
				a.Stride = append(a.Stride, 1)
			}
		}
		if a.SqueezeMask == nil {
			a.SqueezeMask = make([]bool, n)
		}
		flags := func(m []bool) *mil.Value { return mil.NewConst("m", tensor.New(tensor.Bool, []int{n}, m)) }
		return NetworkSliceArgs{
			a.X, a.Begin, a.End, vectorOf(a.Stride...), flags(a.BeginMask), flags(a.EndMask), flags(a.SqueezeMask),
		}
	},
})

// cuts returns the shape of the result and what is taken along each axis, as
// far as that is known: nil where it is not. The shape says nothing where the
// squeeze mask is not known.
func (a *NetworkSliceArgs) cuts() (shape []int, cs []cut, err error) {
	n := len(dims(a.X))
	b := &SliceByIndexArgs{X: a.X, Begin: a.Begin, End: a.End}
	if err := lengthOf("stride", a.Stride, n); err != nil {
		return nil, nil, err
	}
	for _, m := range []*mil.Value{a.BeginMask, a.EndMask, a.SqueezeMask} {
		if err := lengthOf("a mask", m, n); err != nil {
			return nil, nil, err
		}
	}
	if a.SqueezeMask.Const == nil {
		return nil, nil, nil
	}
	b.SqueezeMask = a.SqueezeMask.Const.Bools()
	var known bool
	if b.Stride, known = knownInts(a.Stride); !known || a.BeginMask.Const == nil || a.EndMask.Const == nil {
		for _, s := range b.SqueezeMask {
			if !s {
				shape = append(shape, mil.Unknown)
			}
		}
		return shape, nil, nil
	}
	b.BeginMask, b.EndMask = a.BeginMask.Const.Bools(), a.EndMask.Const.Bools()
	cs, err = cuts(b, dims(a.X))
	return sliceShape(cs), cs, err
}
