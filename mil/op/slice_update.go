package op

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// SliceUpdateArgs are the arguments of slice_update: those of slice_by_index,
// and what to put there, which has the shape that slice_by_index gives.
type SliceUpdateArgs struct {
	X           *mil.Value `mil:"x,T"`
	Update      *mil.Value `mil:"update,T"`
	Begin       *mil.Value `mil:"begin,U"`
	End         *mil.Value `mil:"end,U"`
	Stride      []int      `mil:"stride,U,const,optional"`
	BeginMask   []bool     `mil:"begin_mask,bool,const,optional"`
	EndMask     []bool     `mil:"end_mask,bool,const,optional"`
	SqueezeMask []bool     `mil:"squeeze_mask,bool,const,optional"`
}

// SliceUpdate replaces a block of a tensor.
var SliceUpdate = Define(Spec[SliceUpdateArgs]{
	Name: "slice_update", Since: mil.IOS18, Types: Types{"T": AnyIOS17, "U": SignedInt},
	Infer: func(a *SliceUpdateArgs) ([]mil.Type, error) {
		if _, err := updateCuts(a); err != nil {
			return nil, err
		}
		return sameShape(a.X)
	},
	Eval: func(a *SliceUpdateArgs) ([]*tensor.Tensor, error) {
		cs, err := updateCuts(a)
		if err != nil {
			return nil, err
		}
		x := a.X.Const
		out, err := duplicate(x)
		if err != nil {
			return nil, err
		}
		m := sliceMove(cs, x.Shape())
		m.to, m.toAt = m.from, m.fromAt
		m.from, m.fromAt = strides(m.shape), 0
		m.apply(out, a.Update.Const)
		return one(out)
	},
	Sample: func(r *rand.Rand) SliceUpdateArgs {
		s := sampleSliceByIndex(r)
		cs, _ := cuts(&s, s.X.Type.Shape)
		update := sampleFloats(r, slices.Concat([]int{}, sliceShape(cs))...)
		if len(sliceShape(cs)) == 0 {
			update = mil.NewConst("x", tensor.Scalar(tensor.Float32, float32(r.NormFloat64())))
		}
		return SliceUpdateArgs{
			X: s.X, Update: update, Begin: s.Begin, End: s.End,
			Stride: s.Stride, BeginMask: s.BeginMask, EndMask: s.EndMask, SqueezeMask: s.SqueezeMask,
		}
	},
})

func updateCuts(a *SliceUpdateArgs) ([]cut, error) {
	cs, err := cuts(&SliceByIndexArgs{
		X: a.X, Begin: a.Begin, End: a.End,
		Stride: a.Stride, BeginMask: a.BeginMask, EndMask: a.EndMask, SqueezeMask: a.SqueezeMask,
	}, dims(a.X))
	if err == nil && !compatible(sliceShape(cs), dims(a.Update)) {
		err = fmt.Errorf("update: want %s, have %s", mil.FormatDims(sliceShape(cs)), a.Update.Type)
	}
	return cs, err
}

// duplicate returns a copy of a tensor, to be changed while under construction.
func duplicate(x *tensor.Tensor) (*tensor.Tensor, error) {
	return rearranged(x, x.Shape(), move{shape: x.Shape(), from: strides(x.Shape())})
}
