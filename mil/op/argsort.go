package op

import (
	"math/rand/v2"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// ArgsortArgs are the arguments of argsort.
type ArgsortArgs struct {
	X         *mil.Value `mil:"x,T"`
	Axis      int        `mil:"axis,int32,const,optional"`
	Ascending bool       `mil:"ascending,bool,const,optional"`
}

// Argsort gives the places of the elements along an axis in the order of
// their values. Equal elements stay in order, NaN come last.
var Argsort = Define(Spec[ArgsortArgs]{
	Name: "argsort", Since: mil.IOS15, Types: Types{"T": Number},
	Default: ArgsortArgs{Axis: -1},
	Infer: func(a *ArgsortArgs) ([]mil.Type, error) {
		if _, _, err := knownAxis(a.X, a.Axis); err != nil {
			return nil, err
		}
		return result(tensor.Int32, dims(a.X)...)
	},
	Eval: func(a *ArgsortArgs) ([]*tensor.Tensor, error) {
		at, n, err := knownAxis(a.X, a.Axis)
		if err != nil {
			return nil, err
		}
		_, indices, err := firsts(a.X.Const, at, n, a.Ascending, tensor.Int32)
		return []*tensor.Tensor{indices}, err
	},
	Sample: func(r *rand.Rand) ArgsortArgs {
		x := sampleFloats(r)
		return ArgsortArgs{x, r.IntN(2*x.Type.Rank()) - x.Type.Rank(), r.IntN(2) == 0}
	},
})
