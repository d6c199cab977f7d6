package op

import (
	"math/rand/v2"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// IdentityArgs are the arguments of identity: a value of any kind.
type IdentityArgs struct {
	X *mil.Value `mil:"x,any"`
}

// Identity is its argument under another name.
var Identity = Define(Spec[IdentityArgs]{
	Name: "identity", Since: mil.IOS15,
	Infer:  func(a *IdentityArgs) ([]mil.Type, error) { return []mil.Type{a.X.Type}, nil },
	Eval:   func(a *IdentityArgs) ([]*tensor.Tensor, error) { return one(a.X.Const) },
	Sample: func(r *rand.Rand) IdentityArgs { return IdentityArgs{sampleFloats(r)} },
})
