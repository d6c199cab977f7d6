package op

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// CropArgs are the arguments of crop: what to cut off at the start and at the
// end.
type CropArgs struct {
	X          *mil.Value `mil:"x,T"`
	CropHeight []int      `mil:"crop_height,int32,const"`
	CropWidth  []int      `mil:"crop_width,int32,const"`
}

// Crop cuts borders off the last two dimensions.
var Crop = Define(Spec[CropArgs]{
	Name: "crop", Since: mil.IOS15, Types: Types{"T": Float},
	Infer: inferCrop,
	Eval: func(a *CropArgs) ([]*tensor.Tensor, error) {
		shape, err := staticShape(inferCrop, a)
		if err != nil {
			return nil, err
		}
		from := strides(a.X.Const.Shape())
		n := len(from)
		t, err := rearranged(a.X.Const, shape, move{shape: shape, from: from, fromAt: a.CropHeight[0]*from[n-2] + a.CropWidth[0]})
		return []*tensor.Tensor{t}, err
	},
	Sample: func(r *rand.Rand) CropArgs {
		return CropArgs{sampleFloats(r, 1+r.IntN(2), 1+r.IntN(3), 4+r.IntN(4), 4+r.IntN(4)), []int{r.IntN(2), r.IntN(3)}, []int{r.IntN(3), r.IntN(2)}}
	},
})

func inferCrop(a *CropArgs) ([]mil.Type, error) {
	shape := slices.Clone(dims(a.X))
	if len(shape) < 3 {
		return nil, fmt.Errorf("want at least rank 3, have %s", a.X.Type)
	}
	for i, c := range [][]int{a.CropHeight, a.CropWidth} {
		at := len(shape) - 2 + i
		switch n := shape[at]; {
		case len(c) != 2:
			return nil, fmt.Errorf("want 2 numbers to crop by, have %d", len(c))
		case c[0] < 0 || c[1] < 0 || n >= 0 && c[0]+c[1] > n:
			return nil, fmt.Errorf("crops of %d and %d along axis %d of %d", c[0], c[1], at, n)
		case c[0]+c[1] == 0:
		case n >= 0:
			shape[at] = n - c[0] - c[1]
		default:
			shape[at] = mil.Unknown
		}
	}
	return result(a.X.Type.DType, shape...)
}
