package pass

import (
	"slices"

	"github.com/smelt-ml/smelt/mil"
)

// Sweep removes what computes nothing that anybody reads, and operations that
// only give a value another name. Types need not be inferred.
func Sweep(f *mil.Func) {
	names(f)
	deadCode(f)
}

// names removes identities from the function's body: readers of the copy read
// the original, which takes an output's name and place.
func names(f *mil.Func) {
	fixed := map[*mil.Value]bool{} // those with a name that must stay
	for _, v := range slices.Concat(f.Inputs, f.Body.Outputs) {
		fixed[v] = true
	}
	local := map[*mil.Value]bool{} // made by the body itself
	by := map[*mil.Value]*mil.Value{}
	kept := f.Body.Nodes[:0]
	for _, n := range f.Body.Nodes {
		for _, v := range n.Outputs {
			local[v] = true
		}
		if n.Op != "identity" || len(n.Outputs) != 1 || n.Input("x") == nil {
			kept = append(kept, n)
			continue
		}
		x, out := n.Input("x"), n.Outputs[0]
		if b := by[x]; b != nil {
			x = b
		}
		if fixed[out] {
			if fixed[x] || !local[x] {
				kept = append(kept, n)
				continue
			}
			fixed[x] = true
			x.Name = out.Name
		}
		by[out] = x
	}
	f.Body.Nodes = kept
	if len(by) > 0 {
		redirect(f.Body, by)
	}
}

// redirect lets readers of some values read others.
func redirect(b *mil.Block, by map[*mil.Value]*mil.Value) {
	swap := func(vs []*mil.Value) {
		for i, v := range vs {
			if w := by[v]; w != nil {
				vs[i] = w
			}
		}
	}
	b.Walk(func(n *mil.Node) {
		for _, in := range n.Inputs {
			swap(in.Values)
		}
		for _, nested := range n.Blocks {
			swap(nested.Outputs)
		}
	})
	swap(b.Outputs)
}
