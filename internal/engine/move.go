package engine

import (
	"github.com/smelt-ml/smelt/internal/kernel/vec"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

var moveKernels = map[string]kernel{"transpose": transpose, "concat": concat, "stack": stacked}

func transpose(c *compiler, n *mil.Node, args any) (stepFunc, bool) {
	a := args.(*op.TransposeArgs)
	shape := a.X.Type.Shape
	if len(shape) > 8 {
		return nil, false
	}
	perm := make([]int, len(a.Perm))
	for i, d := range a.Perm {
		if d < 0 {
			d += len(shape)
		}
		perm[i] = d
	}
	x := c.in(a.X)
	y := c.out(n.Outputs[0])
	return func(r *Run) error {
		vec.Permute(r.at(y), r.at(x), shape, perm)
		return nil
	}, true
}

// stacked is concat of operands with a new axis.
func stacked(c *compiler, n *mil.Node, args any) (stepFunc, bool) {
	a := args.(*op.StackArgs)
	outer, _, inner := around(n.Outputs[0].Type.Shape, a.Axis)
	parts := make([]operand, len(a.Values))
	for i, v := range a.Values {
		parts[i] = c.in(v)
	}
	y := c.out(n.Outputs[0])
	return func(r *Run) error {
		dst := r.at(y)
		for i, part := range parts {
			src := r.at(part)
			for o := range outer {
				copy(dst[(o*len(parts)+i)*inner:], src[o*inner:(o+1)*inner])
			}
		}
		return nil
	}, true
}

// home is the place of a value within another, which joins it with others.
type home struct {
	whole *mil.Value
	at    int // elements before it
}

// joined finds the values that only a concat reads and that lie in its result
// as they are: whoever makes them may do so right there.
func (c *compiler) joined(b *mil.Block) map[*mil.Value]home {
	homes := map[*mil.Value]home{}
	inside := map[*mil.Value]bool{}
	for _, n := range b.Nodes {
		for _, v := range n.Outputs {
			inside[v] = true
		}
		axis := n.Input("axis")
		if n.Op != "concat" || axis == nil || axis.Const == nil || len(n.Outputs) != 1 || !inArena(n.Outputs[0].Type) {
			continue
		}
		if v := n.Input("interleave"); v != nil && (v.Const == nil || v.Const.Bools()[0]) {
			continue
		}
		whole := n.Outputs[0]
		outer, _, _ := around(whole.Type.Shape, int(axis.Const.I32()[0]))
		if outer != 1 {
			continue
		}
		at := 0
		for _, in := range n.Inputs {
			if in.Name != "values" {
				continue
			}
			for _, v := range in.Values {
				if !v.Type.IsStatic() {
					break
				}
				if inside[v] && v.Const == nil && inArena(v.Type) && c.uses[v] == 1 {
					homes[v] = home{whole, at}
				}
				at += tensor.Size(v.Type.Shape)
			}
		}
	}
	return homes
}

// concat copies each operand into its place, but for those that are there.
func concat(c *compiler, n *mil.Node, args any) (stepFunc, bool) {
	a := args.(*op.ConcatArgs)
	shape := n.Outputs[0].Type.Shape
	if a.Interleave || len(shape) == 0 || a.Values[0].Type.Rank() == 0 {
		return nil, false
	}
	outer, size, inner := around(shape, a.Axis)
	row := size * inner
	type part struct {
		operand
		at, size int
	}
	var parts []part
	y := c.out(n.Outputs[0])
	at := 0
	for _, v := range a.Values {
		_, size, _ := around(v.Type.Shape, a.Axis)
		p := part{c.in(v), at, size * inner}
		at += p.size
		if b := &c.buffers[p.buffer]; p.data == nil && b.parent == y.buffer+1 && outer == 1 {
			continue
		}
		parts = append(parts, p)
	}
	if len(parts) == 0 {
		return nil, true
	}
	return func(r *Run) error {
		dst := r.at(y)
		for _, p := range parts {
			src := r.at(p.operand)
			for o := range outer {
				copy(dst[o*row+p.at:], src[o*p.size:(o+1)*p.size])
			}
		}
		return nil
	}, true
}
