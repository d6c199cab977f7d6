package op

import (
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// LogicalOr is true where either is.
var LogicalOr = Define(Spec[Binary]{
	Name: "logical_or", Since: mil.IOS15, Types: Types{"T": {tensor.Bool}},
	Infer:  broadcastXY,
	Eval:   truths(func(x, y bool) bool { return x || y }),
	Sample: sampleTruths,
})
