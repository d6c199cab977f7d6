package op

import (
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// LogicalXor is true where exactly one is.
var LogicalXor = Define(Spec[Binary]{
	Name: "logical_xor", Since: mil.IOS15, Types: Types{"T": {tensor.Bool}},
	Infer:  broadcastXY,
	Eval:   truths(func(x, y bool) bool { return x != y }),
	Sample: sampleTruths,
})
