package op

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// SplitArgs are the arguments of split: the number of equal parts, or the
// sizes of the parts, or both, which must agree.
type SplitArgs struct {
	X          *mil.Value `mil:"x,T"`
	NumSplits  int        `mil:"num_splits,int32,const,optional,omitzero"`
	SplitSizes []int      `mil:"split_sizes,int32,const,optional"`
	Axis       int        `mil:"axis,int32,const"`
}

// Split cuts a tensor along an axis; each part is an output.
var Split = Define(Spec[SplitArgs]{
	Name: "split", Since: mil.IOS15, Types: Types{"T": Any},
	Infer: inferSplit, Eval: evalSplit, Sample: sampleSplit,
})

func inferSplit(a *SplitArgs) ([]mil.Type, error) {
	shape := dims(a.X)
	at, err := axis(a.Axis, len(shape))
	if err != nil {
		return nil, err
	}
	sizes, err := splitSizes(a, shape[at])
	if err != nil {
		return nil, err
	}
	var out []mil.Type
	for _, n := range sizes {
		part := slices.Clone(shape)
		part[at] = n
		t, err := result(a.X.Type.DType, part...)
		if err != nil {
			return nil, err
		}
		out = append(out, t...)
	}
	return out, nil
}

// splitSizes returns the sizes of the parts of a dimension of n.
func splitSizes(a *SplitArgs, n int) ([]int, error) {
	sizes := a.SplitSizes
	switch {
	case sizes == nil && a.NumSplits == 0:
		return nil, errors.New("neither num_splits nor split_sizes is given")
	case a.NumSplits < 0 || a.NumSplits > maxOutputs || len(sizes) > maxOutputs:
		return nil, fmt.Errorf("%d parts", max(a.NumSplits, len(sizes)))
	case sizes == nil && n < 0:
		return slices.Repeat([]int{mil.Unknown}, a.NumSplits), nil
	case sizes == nil && n%a.NumSplits != 0:
		return nil, fmt.Errorf("%d elements do not make %d equal parts", n, a.NumSplits)
	case sizes == nil:
		return slices.Repeat([]int{n / a.NumSplits}, a.NumSplits), nil
	case a.NumSplits != 0 && a.NumSplits != len(sizes):
		return nil, fmt.Errorf("num_splits is %d, but there are %d split_sizes", a.NumSplits, len(sizes))
	}
	total := 0
	for _, s := range sizes {
		if s < 0 {
			return nil, fmt.Errorf("a part of %d elements", s)
		}
		total += s
	}
	if n >= 0 && total != n {
		return nil, fmt.Errorf("split_sizes add up to %d, not to %d", total, n)
	}
	return sizes, nil
}

func evalSplit(a *SplitArgs) ([]*tensor.Tensor, error) {
	x := a.X.Const.Decoded()
	shape := x.Shape()
	at, err := axis(a.Axis, len(shape))
	if err != nil {
		return nil, err
	}
	sizes, err := splitSizes(a, shape[at])
	if err != nil {
		return nil, err
	}
	from, place := strides(shape), 0
	outs := make([]*tensor.Tensor, len(sizes))
	for i, n := range sizes {
		part := slices.Clone(shape)
		part[at] = n
		if outs[i], err = rearranged(x, part, move{shape: part, from: from, fromAt: place}); err != nil {
			return nil, err
		}
		place += n * from[at]
	}
	return outs, nil
}

func sampleSplit(r *rand.Rand) SplitArgs {
	shape := sampleShape(r)
	at := r.IntN(len(shape))
	a := SplitArgs{Axis: at - len(shape)*r.IntN(2)}
	if r.IntN(2) == 0 {
		a.NumSplits = 1 + r.IntN(4)
		shape[at] *= a.NumSplits
	} else {
		for left := shape[at]; left > 0; left -= a.SplitSizes[len(a.SplitSizes)-1] {
			a.SplitSizes = append(a.SplitSizes, 1+r.IntN(left))
		}
		a.NumSplits = len(a.SplitSizes) * r.IntN(2)
	}
	a.X = sampleFloats(r, shape...)
	return a
}
