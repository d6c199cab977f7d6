package pass

import (
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
)

// WithoutCustom removes from a function what can only be computed by the code of
// custom layers, and what is computed from that. It tells which outputs are gone,
// by their indexes.
func WithoutCustom(f *mil.Func) []int {
	custom := map[*mil.Value]bool{}
	kept := make([]*mil.Node, 0, len(f.Body.Nodes))
	for _, n := range f.Body.Nodes {
		needs := false
		inner := &mil.Block{Nodes: []*mil.Node{n}}
		for v := range inner.Uses() {
			needs = needs || custom[v]
		}
		inner.Walk(func(n *mil.Node) { needs = needs || n.Op == op.CustomLayer.Name })
		if !needs {
			kept = append(kept, n)
			continue
		}
		for _, v := range n.Outputs {
			custom[v] = true
		}
		for _, v := range n.Values() { // a state that is written
			if v.Type.Kind == mil.State {
				custom[v] = true
			}
		}
	}
	if len(kept) == len(f.Body.Nodes) {
		return nil
	}
	f.Body.Nodes = kept
	var gone []int
	for i, v := range f.Body.Outputs {
		if custom[v] {
			gone = append(gone, i)
		}
	}
	f.Body.Outputs = slices.DeleteFunc(f.Body.Outputs, func(v *mil.Value) bool { return custom[v] })
	deadCode(f)
	return gone
}
