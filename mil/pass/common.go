package pass

import (
	"fmt"
	"slices"
	"strings"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

// common computes what several nodes of the function's body compute from the
// same values only once: mostly arithmetic on shapes, which exporters repeat
// wherever a shape is needed. The function's outputs keep their own nodes.
func common(f *mil.Func) {
	outputs := map[*mil.Value]bool{}
	for _, v := range f.Body.Outputs {
		outputs[v] = true
	}
	k := keys{ids: map[any]int{}}
	first := map[string]*mil.Node{}
	by := map[*mil.Value]*mil.Value{}
	kept := f.Body.Nodes[:0]
	for _, n := range f.Body.Nodes {
		for _, in := range n.Inputs {
			for i, v := range in.Values {
				if w := by[v]; w != nil {
					in.Values[i] = w
				}
			}
		}
		o, err := op.For(n.Op, f.Opset)
		if err != nil || !o.HasEval || o.Random || len(n.Blocks) > 0 || effect(n) || slices.ContainsFunc(slices.Concat(n.Values(), n.Outputs), func(v *mil.Value) bool { return v.Type.Kind != mil.Tensor }) {
			kept = append(kept, n)
			continue
		}
		key := k.of(n)
		old := first[key]
		if old == nil {
			first[key] = n
			kept = append(kept, n)
			continue
		}
		same := len(old.Outputs) == len(n.Outputs)
		for i := 0; same && i < len(n.Outputs); i++ {
			same = !outputs[n.Outputs[i]] && old.Outputs[i].Type.Equal(n.Outputs[i].Type)
		}
		if !same {
			kept = append(kept, n)
			continue
		}
		for i, v := range n.Outputs {
			by[v] = old.Outputs[i]
		}
	}
	clear(f.Body.Nodes[len(kept):])
	f.Body.Nodes = kept
	if len(by) > 0 {
		redirect(f.Body, by)
	}
}

// keys names nodes alike that compute the same.
type keys struct{ ids map[any]int }

func (k *keys) id(v any) int {
	n, ok := k.ids[v]
	if !ok {
		n = len(k.ids)
		k.ids[v] = n
	}
	return n
}

func (k *keys) of(n *mil.Node) string {
	inputs := slices.Clone(n.Inputs)
	slices.SortFunc(inputs, func(a, b mil.Input) int { return strings.Compare(a.Name, b.Name) })
	var b strings.Builder
	b.WriteString(n.Op)
	for _, in := range inputs {
		fmt.Fprintf(&b, "\n%q", in.Name)
		for _, v := range in.Values {
			const small = 32 // elements that are looked at
			switch t := v.Const; {
			case t == nil:
				fmt.Fprintf(&b, " v%d", k.id(v))
			case t.Len() > small:
				fmt.Fprintf(&b, " t%d", k.id(t))
			case t.DType() == tensor.String:
				fmt.Fprintf(&b, " %v %q", t.Shape(), t.Strings())
			default:
				fmt.Fprintf(&b, " %s %v %x", t.DType(), t.Shape(), t.Packed())
			}
		}
	}
	return b.String()
}
