package op

import (
	"math/rand/v2"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// LogicalNotArgs are the arguments of LogicalNot.
type LogicalNotArgs struct {
	X *mil.Value `mil:"x,bool"`
}

// LogicalNot is true where x is false.
var LogicalNot = Define(Spec[LogicalNotArgs]{
	Name: "logical_not", Since: mil.IOS15,
	Infer: func(a *LogicalNotArgs) ([]mil.Type, error) { return []mil.Type{a.X.Type}, nil },
	Eval: func(a *LogicalNotArgs) ([]*tensor.Tensor, error) {
		return one(mapElements(a.X.Const, func(x bool) bool { return !x }))
	},
	Sample: func(r *rand.Rand) LogicalNotArgs { return LogicalNotArgs{sampleBools(r, sampleShape(r))} },
})
