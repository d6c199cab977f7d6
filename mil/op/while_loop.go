package op

import "github.com/smelt-ml/smelt/mil"

// WhileLoopArgs are the arguments of while_loop: the values that the loop
// variables start with.
type WhileLoopArgs struct {
	LoopVars []*mil.Value `mil:"loop_vars,any"`
}

// WhileLoop runs the second of its node's two blocks, which gives the loop
// variables new values, as long as the first, which gives a truth value, says
// so. Both blocks take the loop variables. Infer gives the types that these
// start with; dimensions that the body changes are for whoever has the node to
// find.
var WhileLoop = Define(Spec[WhileLoopArgs]{
	Name: "while_loop", Since: mil.IOS15,
	Infer: func(a *WhileLoopArgs) ([]mil.Type, error) {
		var out []mil.Type
		for _, v := range a.LoopVars {
			out = append(out, v.Type)
		}
		return out, nil
	},
})
