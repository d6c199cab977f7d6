package engine

import (
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

var reduceKernels = map[string]kernel{"reduce_sum": reduce, "reduce_mean": reduce, "reduce_max": reduce, "reduce_min": reduce}

// reduce serves reductions over neighbouring axes: over the last ones, where
// the elements of each result lie together, or over others, by rows.
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
	first, last := 0, len(shape)-1
	if len(axes) > 0 {
		first, last = slices.Min(axes), slices.Max(axes)
	}
	if size := tensor.Size(shape); size == 0 || (len(axes) > 0 && len(axes) != last-first+1) {
		return nil, false
	}
	rows := tensor.Size(shape[:first])
	size := tensor.Size(shape[first : last+1])
	if inner := tensor.Size(shape[last+1:]); inner > 1 {
		return reduceRows(c, n, a.X, rows, size, inner), true
	}
	f := c.vec.Sum
	switch n.Op {
	case "reduce_max":
		f = c.vec.MaxOf
	case "reduce_min":
		f = least
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

// least is the smallest element, NaN if there is one. Four at a time need not
// wait for each other.
func least(x []float32) float32 {
	best := [4]float32{x[0], x[0], x[0], x[0]}
	for ; len(x) >= 4; x = x[4:] {
		for i := range best {
			best[i] = min(best[i], x[i])
		}
	}
	for _, v := range x {
		best[0] = min(best[0], v)
	}
	return min(best[0], best[1], best[2], best[3])
}

// reduceRows adds up, or compares, size rows of inner elements, outer times. The
// workers share out columns.
func reduceRows(c *compiler, n *mil.Node, v *mil.Value, outer, size, inner int) stepFunc {
	f := c.vec.Add
	switch n.Op {
	case "reduce_max":
		f = c.vec.Max
	case "reduce_min":
		f = c.vec.Min
	}
	scale := float32(1)
	if n.Op == "reduce_mean" {
		scale = 1 / float32(size)
	}
	x := c.in(v)
	y := c.out(n.Outputs[0])
	const strip = 1024 // columns that stay in the first-level cache
	strips := (inner + strip - 1) / strip
	return overRows(outer*strips, size*min(strip, inner), func(r *Run, lo, hi int) {
		dst, src := r.at(y), r.at(x)
		for i := lo; i < hi; i++ {
			from := i % strips * strip
			to := min(from+strip, inner)
			out, in := dst[i/strips*inner : (i/strips+1)*inner][from:to], src[i/strips*size*inner:]
			copy(out, in[from:to])
			for k := 1; k < size; k++ {
				f(out, out, in[k*inner+from:k*inner+to])
			}
			if scale != 1 {
				c.vec.MulScalar(out, out, scale)
			}
		}
	})
}
