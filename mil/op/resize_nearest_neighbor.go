package op

import (
	"math/rand/v2"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// ResizeNearestNeighborArgs are the arguments of resize_nearest_neighbor.
type ResizeNearestNeighborArgs struct {
	X                *mil.Value `mil:"x,T"`
	TargetSizeHeight int        `mil:"target_size_height,int32,const"`
	TargetSizeWidth  int        `mil:"target_size_width,int32,const"`
}

// ResizeNearestNeighbor gives the last two dimensions other sizes. Element i
// of out comes from element ⌊(i + 1/2)·n/out⌋ of n.
var ResizeNearestNeighbor = Define(Spec[ResizeNearestNeighborArgs]{
	Name: "resize_nearest_neighbor", Since: mil.IOS15, Types: Types{"T": Float},
	Infer: func(a *ResizeNearestNeighborArgs) ([]mil.Type, error) {
		return resizedTo(a.X, a.TargetSizeHeight, a.TargetSizeWidth)
	},
	Eval: func(a *ResizeNearestNeighborArgs) ([]*tensor.Tensor, error) {
		x := a.X.Const
		t, err := resizeNearest(x, lastAxes(x, "UNALIGN_CORNERS", a.TargetSizeHeight, a.TargetSizeWidth), true)
		return []*tensor.Tensor{t}, err
	},
	Sample: func(r *rand.Rand) ResizeNearestNeighborArgs {
		return ResizeNearestNeighborArgs{samplePictures(r), 1 + r.IntN(9), 1 + r.IntN(9)}
	},
})
