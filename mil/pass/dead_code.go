package pass

import (
	"slices"

	"github.com/smelt-ml/smelt/mil"
)

// deadCode removes nodes whose results nobody uses. Writing a state is a use.
func deadCode(f *mil.Func) {
	uses := f.Body.Uses()
	nodes := f.Body.Nodes
	kept := len(nodes) // nodes[kept:] are alive
	for i := len(nodes) - 1; i >= 0; i-- {
		n := nodes[i]
		if !effect(n) && !slices.ContainsFunc(n.Outputs, func(v *mil.Value) bool { return uses[v] > 0 }) {
			for v, times := range (&mil.Block{Nodes: nodes[i : i+1]}).Uses() {
				uses[v] -= times
			}
			continue
		}
		kept--
		nodes[kept] = n
	}
	f.Body.Nodes = nodes[kept:]
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
