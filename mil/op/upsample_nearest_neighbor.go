package op

import (
	"math/rand/v2"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// UpsampleNearestNeighborArgs are the arguments of upsample_nearest_neighbor.
type UpsampleNearestNeighborArgs struct {
	X                 *mil.Value `mil:"x,T"`
	ScaleFactorHeight float32    `mil:"scale_factor_height,U,const,optional"`
	ScaleFactorWidth  float32    `mil:"scale_factor_width,U,const,optional"`
}

// UpsampleNearestNeighbor scales the last two dimensions, rounding the new
// sizes down. Element i of out comes from element ⌊i·n/out⌋ of n.
var UpsampleNearestNeighbor = Define(Spec[UpsampleNearestNeighborArgs]{
	Name: "upsample_nearest_neighbor", Since: mil.IOS15,
	Types:   Types{"T": Float, "U": {tensor.Float32, tensor.Int32}},
	Default: UpsampleNearestNeighborArgs{ScaleFactorHeight: 1, ScaleFactorWidth: 1},
	Infer:   inferUpsampleNearestNeighbor,
	Eval: func(a *UpsampleNearestNeighborArgs) ([]*tensor.Tensor, error) {
		shape, err := staticShape(inferUpsampleNearestNeighbor, a)
		if err != nil {
			return nil, err
		}
		x := a.X.Const
		t, err := resizeNearest(x, lastAxes(x, "DEFAULT", shape[len(shape)-2:]...), false)
		return []*tensor.Tensor{t}, err
	},
	Sample: func(r *rand.Rand) UpsampleNearestNeighborArgs {
		return UpsampleNearestNeighborArgs{samplePictures(r), sampleScale(r), sampleScale(r)}
	},
})

func inferUpsampleNearestNeighbor(a *UpsampleNearestNeighborArgs) ([]mil.Type, error) {
	return upsampled(a.X, a.ScaleFactorHeight, a.ScaleFactorWidth)
}

// samplePictures makes a small tensor of rank 4.
func samplePictures(r *rand.Rand) *mil.Value {
	return sampleFloats(r, 1+r.IntN(2), 1+r.IntN(3), 1+r.IntN(6), 1+r.IntN(6))
}

// sampleScale makes a scale factor, often a whole number.
func sampleScale(r *rand.Rand) float32 {
	if r.IntN(2) == 0 {
		return float32(1 + r.IntN(3))
	}
	return float32(4+r.IntN(9)) / 4
}
