package op

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// SlidingWindowsArgs are the arguments of sliding_windows.
type SlidingWindowsArgs struct {
	X      *mil.Value `mil:"x,T"`
	Axis   int        `mil:"axis,int32,const"`
	Size   int        `mil:"size,int32,const"`
	Stride int        `mil:"stride,int32,const,optional"`
}

// The file's name ends in an underscore because Go would build a file called
// *_windows.go for that operating system only.

// SlidingWindows puts the windows of an axis in place of it: their number, and
// after it their size.
var SlidingWindows = Define(Spec[SlidingWindowsArgs]{
	Name: "sliding_windows", Since: mil.IOS15, Types: Types{"T": Number},
	Default: SlidingWindowsArgs{Stride: 1},
	Infer:   inferSlidingWindows, Eval: evalSlidingWindows, Sample: sampleSlidingWindows,
})

// SlidingWindowsIOS17 is SlidingWindows for more element types.
var SlidingWindowsIOS17 = Define(Spec[SlidingWindowsArgs]{
	Name: "sliding_windows", Since: mil.IOS17, Types: Types{"T": AnyIOS17},
	Default: SlidingWindowsArgs{Stride: 1},
	Infer:   inferSlidingWindows, Eval: evalSlidingWindows, Sample: sampleSlidingWindows,
})

func inferSlidingWindows(a *SlidingWindowsArgs) ([]mil.Type, error) {
	shape := slices.Clone(dims(a.X))
	at, err := axis(a.Axis, len(shape))
	if err != nil {
		return nil, err
	}
	n := shape[at]
	if a.Size < 1 || a.Stride < 1 || n >= 0 && a.Size > n {
		return nil, fmt.Errorf("windows of %d, %d apart, along an axis of %d", a.Size, a.Stride, n)
	}
	if n >= 0 {
		shape[at] = (n-a.Size)/a.Stride + 1
	} else {
		shape[at] = mil.Unknown
	}
	return result(a.X.Type.DType, slices.Insert(shape, at+1, a.Size)...)
}

func evalSlidingWindows(a *SlidingWindowsArgs) ([]*tensor.Tensor, error) {
	shape, err := staticShape(inferSlidingWindows, a)
	if err != nil {
		return nil, err
	}
	at, _ := axis(a.Axis, len(shape)-1)
	from := strides(a.X.Const.Shape())
	from = slices.Insert(from, at, from[at]*a.Stride)
	t, err := rearranged(a.X.Const, shape, move{shape: shape, from: from})
	return []*tensor.Tensor{t}, err
}

func sampleSlidingWindows(r *rand.Rand) SlidingWindowsArgs {
	x := sampleFloats(r)
	at := r.IntN(x.Type.Rank())
	return SlidingWindowsArgs{X: x, Axis: at - x.Type.Rank()*r.IntN(2), Size: 1 + r.IntN(x.Type.Shape[at]), Stride: 1 + r.IntN(3)}
}
