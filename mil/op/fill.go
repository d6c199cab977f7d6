package op

import (
	"fmt"
	"math/rand/v2"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// FillArgs are the arguments of fill. The scalar gives the element type.
type FillArgs struct {
	Shape *mil.Value     `mil:"shape,int32"`
	Value *tensor.Tensor `mil:"value,T,const,optional"`
}

// Fill makes a tensor of one value.
var Fill = Define(Spec[FillArgs]{
	Name: "fill", Since: mil.IOS15, Types: Types{"T": Any},
	Default: FillArgs{Value: tensor.Scalar[float32](tensor.Float32, 0)},
	Infer:   inferFill,
	Eval: func(a *FillArgs) ([]*tensor.Tensor, error) {
		shape, err := staticShape(inferFill, a)
		if err != nil {
			return nil, err
		}
		t, err := filled(a.Value, shape)
		return []*tensor.Tensor{t}, err
	},
	Sample: func(r *rand.Rand) FillArgs {
		return FillArgs{vectorOf(sampleShape(r)...), tensor.Scalar(tensor.Float32, float32(r.IntN(3)))}
	},
})

func inferFill(a *FillArgs) ([]mil.Type, error) {
	if a.Value.Len() != 1 {
		return nil, fmt.Errorf("value: want a scalar, have %s", a.Value)
	}
	return shapedBy(a.Value.DType(), a.Shape)
}

// shapedBy is the type of a tensor whose shape is a value.
func shapedBy(d tensor.DType, shape *mil.Value) ([]mil.Type, error) {
	n, err := vector("shape", shape)
	if err != nil {
		return nil, err
	}
	want, known := knownInts(shape)
	switch {
	case n < 0:
		return anyShape(d)
	case n > maxRank:
		return nil, fmt.Errorf("a result of rank %d", n)
	case !known:
		return result(d, unknownDims(n)...)
	}
	if _, err := tensor.CheckShape(want); err != nil {
		return nil, err
	}
	return result(d, want...)
}

// filled returns a tensor of one value.
func filled(v *tensor.Tensor, shape []int) (*tensor.Tensor, error) {
	return rearranged(v, shape, move{shape: shape, from: make([]int, len(shape))})
}
