package op

import (
	"fmt"
	"math/rand/v2"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// FillLikeArgs are the arguments of fill_like. Only the shape of the
// reference matters; the scalar gives the element type.
type FillLikeArgs struct {
	RefTensor *mil.Value     `mil:"ref_tensor,T"`
	Value     *tensor.Tensor `mil:"value,U,const,optional"`
}

// FillLike makes a tensor of one value with the shape of another.
var FillLike = Define(Spec[FillLikeArgs]{
	Name: "fill_like", Since: mil.IOS16, Types: Types{"T": Any, "U": Any},
	Default: FillLikeArgs{Value: tensor.Scalar[float32](tensor.Float32, 0)},
	Infer: func(a *FillLikeArgs) ([]mil.Type, error) {
		if a.Value.Len() != 1 {
			return nil, fmt.Errorf("value: want a scalar, have %s", a.Value)
		}
		return result(a.Value.DType(), dims(a.RefTensor)...)
	},
	Eval: func(a *FillLikeArgs) ([]*tensor.Tensor, error) {
		t, err := filled(a.Value, dims(a.RefTensor))
		return []*tensor.Tensor{t}, err
	},
	Sample: func(r *rand.Rand) FillLikeArgs {
		return FillLikeArgs{sampleFloats(r), tensor.Scalar(tensor.Int32, int32(r.IntN(3)))}
	},
})
