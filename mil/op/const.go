package op

import (
	"math/rand/v2"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// ConstArgs are the arguments of const.
type ConstArgs struct {
	Val *tensor.Tensor `mil:"val,any,const"`
}

// Const is how a file writes a constant. In a program constants are values
// without a node.
var Const = Define(Spec[ConstArgs]{
	Name: "const", Since: mil.IOS15, Attributes: true,
	Infer:  func(a *ConstArgs) ([]mil.Type, error) { return []mil.Type{mil.TypeOf(a.Val)}, nil },
	Eval:   func(a *ConstArgs) ([]*tensor.Tensor, error) { return one(a.Val) },
	Sample: func(r *rand.Rand) ConstArgs { return ConstArgs{sampleFloats(r).Const} },
})
