package op

import (
	"fmt"
	"math/rand/v2"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// ThresholdArgs are the arguments of Threshold. Alpha is a scalar.
type ThresholdArgs struct {
	X     *mil.Value     `mil:"x,T"`
	Alpha *tensor.Tensor `mil:"alpha,T,const"`
}

// Threshold is max(x, alpha); NaN stays NaN.
var Threshold = Define(Spec[ThresholdArgs]{
	Name: "threshold", Since: mil.IOS15, Types: Types{"T": Number},
	Infer: func(a *ThresholdArgs) ([]mil.Type, error) {
		if a.Alpha.Len() != 1 {
			return nil, fmt.Errorf("alpha is %s, want a scalar", a.Alpha)
		}
		return []mil.Type{a.X.Type}, nil
	},
	Eval: func(a *ThresholdArgs) ([]*tensor.Tensor, error) {
		if a.X.Type.DType.IsFloat() {
			alpha := a.Alpha.F32()[0]
			return one(mapElements(a.X.Const, func(x float32) float32 { return max(x, alpha) }))
		}
		alpha := a.Alpha.I32()[0]
		return one(mapElements(a.X.Const, func(x int32) int32 { return max(x, alpha) }))
	},
	Sample: func(r *rand.Rand) ThresholdArgs {
		return ThresholdArgs{sampleFloats(r), tensor.Scalar(tensor.Float32, r.Float32())}
	},
})
