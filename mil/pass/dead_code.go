package pass

import (
	"slices"

	"github.com/smelt-ml/smelt/mil"
)

// deadCode removes nodes whose results nobody uses. Writing a state is a use.
func deadCode(f *mil.Func) {
	for {
		uses := f.Body.Uses()
		before := len(f.Body.Nodes)
		f.Body.Nodes = slices.DeleteFunc(f.Body.Nodes, func(n *mil.Node) bool {
			return !effect(n) && !slices.ContainsFunc(n.Outputs, func(v *mil.Value) bool { return uses[v] > 0 })
		})
		if len(f.Body.Nodes) == before {
			return
		}
	}
}

// effect tells a node that does more than make its results.
func effect(n *mil.Node) bool {
	if n.Op == "write_state" || n.Op == "coreml_update_state" {
		return true
	}
	for _, b := range n.Blocks {
		if slices.ContainsFunc(b.Nodes, effect) {
			return true
		}
	}
	return false
}
