package op

import (
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// LogicalAnd is true where both are.
var LogicalAnd = Define(Spec[Binary]{
	Name: "logical_and", Since: mil.IOS15, Types: Types{"T": {tensor.Bool}},
	Infer:  broadcastXY,
	Eval:   truths(func(x, y bool) bool { return x && y }),
	Sample: sampleTruths,
})
