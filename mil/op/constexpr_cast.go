package op

import (
	"math/rand/v2"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// ConstexprCastArgs are the arguments of ConstexprCast.
type ConstexprCastArgs struct {
	SourceVal   *tensor.Tensor `mil:"source_val,fp16,const"`
	OutputDType string         `mil:"output_dtype,string,const" values:"fp32"`
}

// ConstexprCast is a constant stored in half its size.
var ConstexprCast = Define(Spec[ConstexprCastArgs]{
	Name: "constexpr_cast", Since: mil.IOS16, Attributes: true,
	Infer:  inferConstexprCast,
	Eval:   evalConstexprCast,
	Sample: sampleConstexprCast,
})

// ConstexprCastIOS18 is ConstexprCast with its arguments as inputs.
var ConstexprCastIOS18 = Define(Spec[ConstexprCastArgs]{
	Name: "constexpr_cast", Since: mil.IOS18,
	Infer:  inferConstexprCast,
	Eval:   evalConstexprCast,
	Sample: sampleConstexprCast,
})

func inferConstexprCast(a *ConstexprCastArgs) ([]mil.Type, error) {
	return []mil.Type{mil.TensorType(tensor.Float32, a.SourceVal.Shape()...)}, nil
}

func evalConstexprCast(a *ConstexprCastArgs) ([]*tensor.Tensor, error) {
	return one(tensor.Floats(a.SourceVal.Shape(), a.SourceVal.F32()))
}

func sampleConstexprCast(r *rand.Rand) ConstexprCastArgs {
	shape := sampleShape(r)
	return ConstexprCastArgs{tensor.New(tensor.Float16, shape, sampleVector(r, tensor.Size(shape), -0.5)), "fp32"}
}
