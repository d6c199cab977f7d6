package engine

import (
	"slices"

	"github.com/smelt-ml/smelt/internal/kernel/vec"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

var sliceKernels = map[string]kernel{"slice_by_index": sliced, "slice_by_size": sliced}

// sliced copies a block out of a tensor, given by corners that are known.
func sliced(c *compiler, n *mil.Node, args any) (stepFunc, bool) {
	a := args.(interface {
		Block() (shape, strides []int, offset int, ok bool)
	})
	shape, strides, offset, ok := a.Block()
	v := n.Input("x")
	if !ok || !inArena(v.Type) || tensor.Size(shape) == 0 {
		return nil, false
	}
	shape, strides = merged(shape, strides)
	size := tensor.Size(shape[1:])
	x := c.in(v)
	y := c.out(n.Outputs[0])
	return overRows(shape[0], size, func(r *Run, lo, hi int) {
		dst, src := r.at(y), r.at(x)
		for i := lo; i < hi; i++ {
			vec.CopyStrided(dst[i*size:(i+1)*size], src, shape[1:], strides[1:], offset+i*strides[0])
		}
	}), true
}

// merged joins neighbouring dimensions of a block whose elements lie in one
// run. There is at least one dimension left.
func merged(shape, strides []int) (ns, nt []int) {
	for i := len(shape) - 1; i >= 0; i-- {
		n, step := shape[i], strides[i]
		switch last := len(ns) - 1; {
		case n == 1:
		case last >= 0 && step == ns[last]*nt[last]:
			ns[last] *= n
		default:
			ns, nt = append(ns, n), append(nt, step)
		}
	}
	if len(ns) == 0 {
		return []int{1}, []int{1}
	}
	slices.Reverse(ns)
	slices.Reverse(nt)
	return ns, nt
}
