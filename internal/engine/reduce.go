package engine

import (
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

var reduceKernels = map[string]kernel{"reduce_sum": reduce, "reduce_mean": reduce, "reduce_max": reduce}

// reduce serves reductions over the last axes, where the elements of each
// result lie together.
func reduce(c *compiler, n *mil.Node, args any) (stepFunc, bool) {
	a, ok := args.(*op.Reduction)
	if !ok {
		return nil, false
	}
	shape := a.X.Type.Shape
	axes := slices.Clone(a.Axes)
	for i, axis := range axes {
		if axis < 0 {
			axes[i] += len(shape)
		}
	}
	first := 0
	if len(axes) > 0 {
		first = slices.Min(axes)
	}
	if size := tensor.Size(shape); size == 0 || (len(axes) > 0 && len(axes) != len(shape)-first) {
		return nil, false
	}
	size := tensor.Size(shape[first:])
	rows := tensor.Size(shape[:first])
	f := c.vec.Sum
	switch n.Op {
	case "reduce_max":
		f = c.vec.MaxOf
	case "reduce_mean":
		f = func(x []float32) float32 { return c.vec.Sum(x) / float32(len(x)) }
	}
	x := c.in(a.X)
	y := c.out(n.Outputs[0])
	return overRows(rows, size, func(r *Run, lo, hi int) {
		dst, src := r.at(y), r.at(x)
		for i := lo; i < hi; i++ {
			dst[i] = f(src[i*size : (i+1)*size])
		}
	}), true
}
