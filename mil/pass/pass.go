// Package pass rewrites programs without changing what they compute. Each
// pass is one file and one row of the table; the order of the rows is the order
// in which they run. A pass sees types and constants, never a file or a kernel.
package pass

import "github.com/smelt-ml/smelt/mil"

// passes runs in this order. A later pass may rely on what an earlier one has
// done.
var passes = []struct {
	Name   string
	Run    func(f *mil.Func)
	Engine bool // makes operators that no file has
}{
	{Name: "common", Run: common},
	{Name: "reshape", Run: reshapes},
	{Name: "dead_code", Run: deadCode}, // a reshape that nobody reads is no reader, either
	{Name: "layer_norm", Run: layerNorms},
	{Name: "gelu", Run: gelus},
	{Name: "affine", Run: affine},
	{Name: "pad", Run: pads},
	{Name: "clamp", Run: clamps},
	{Name: "attention", Run: attentions, Engine: true},
	{Name: "dead_code", Run: deadCode},
}

// Optimize runs every pass on a function whose types are inferred.
func Optimize(f *mil.Func) {
	for _, p := range passes {
		p.Run(f)
	}
}

// Simplify runs the passes whose results can be written to a file.
func Simplify(f *mil.Func) {
	for _, p := range passes {
		if !p.Engine {
			p.Run(f)
		}
	}
	Sweep(f)
}
