// Package pass rewrites programs without changing what they compute. Each
// pass is one file and one row of the table; the order of the rows is the order
// in which they run. A pass sees types and constants, never a file or a kernel.
package pass

import "github.com/smelt-ml/smelt/mil"

// passes runs in this order. A later pass may rely on what an earlier one has
// done.
var passes = []struct {
	Name string
	Run  func(f *mil.Func)
}{
	{"reshape", reshapes},
	{"dead_code", deadCode}, // a reshape that nobody reads is no reader, either
	{"layer_norm", layerNorms},
	{"gelu", gelus},
	{"affine", affine},
	{"pad", pads},
	{"clamp", clamps},
	{"attention", attentions},
	{"dead_code", deadCode},
}

// Optimize runs every pass on a function whose types are inferred.
func Optimize(f *mil.Func) {
	for _, p := range passes {
		p.Run(f)
	}
}
