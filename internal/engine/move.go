package engine

import (
	"github.com/smelt-ml/smelt/internal/kernel/vec"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
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

// concat copies each operand into its place.
func concat(c *compiler, n *mil.Node, args any) (stepFunc, bool) {
	a := args.(*op.ConcatArgs)
	shape := n.Outputs[0].Type.Shape
	if a.Interleave || len(shape) == 0 || a.Values[0].Type.Rank() == 0 {
		return nil, false
	}
	outer, size, inner := around(shape, a.Axis)
	row := size * inner
	parts := make([]operand, len(a.Values))
	sizes := make([]int, len(a.Values))
	for i, v := range a.Values {
		parts[i] = c.in(v)
		_, size, _ := around(v.Type.Shape, a.Axis)
		sizes[i] = size * inner
	}
	y := c.out(n.Outputs[0])
	return func(r *Run) error {
		dst, at := r.at(y), 0
		for i, part := range parts {
			src := r.at(part)
			for o := range outer {
				copy(dst[o*row+at:], src[o*sizes[i]:(o+1)*sizes[i]])
			}
			at += sizes[i]
		}
		return nil
	}, true
}
