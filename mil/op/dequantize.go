package op

import (
	"math/rand/v2"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// DequantizeArgs are the arguments of Dequantize. Scale and ZeroPoint, which
// may be nil, are scalars or vectors along Axis, a scalar that may be nil where
// they are scalars.
type DequantizeArgs struct {
	Input     *mil.Value     `mil:"input,SrcT"`
	ZeroPoint *tensor.Tensor `mil:"zero_point,SrcT,const,optional"`
	Scale     *tensor.Tensor `mil:"scale,DstT,const"`
	Axis      *tensor.Tensor `mil:"axis,int32,const,optional"`
}

// Dequantize is scale · (input - zero_point).
var Dequantize = Define(Spec[DequantizeArgs]{
	Name: "dequantize", Since: mil.IOS17, Types: Types{"SrcT": bytesTypes, "DstT": Float},
	Infer: func(a *DequantizeArgs) ([]mil.Type, error) {
		if _, err := quantizedAxis(a.Input.Type.Shape, a.Scale, a.ZeroPoint, a.Axis); err != nil {
			return nil, err
		}
		return []mil.Type{mil.TensorType(a.Scale.DType(), a.Input.Type.Shape...)}, nil
	},
	Eval: func(a *DequantizeArgs) ([]*tensor.Tensor, error) {
		at, err := quantizedAxis(a.Input.Const.Shape(), a.Scale, a.ZeroPoint, a.Axis)
		if err != nil {
			return nil, err
		}
		return one(dequantize(a.Input.Const, a.Scale, a.ZeroPoint, at))
	},
	Sample: func(r *rand.Rand) DequantizeArgs {
		d, shape := bytesTypes[r.IntN(2)], sampleShape(r)
		scale, zero, at := sampleQuantization(r, shape, d)
		return DequantizeArgs{mil.NewConst("input", sampleCodes(r, d, shape...)), zero, scale, at}
	},
})
