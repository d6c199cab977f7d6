package engine

import (
	"fmt"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

var gatherKernels = map[string]kernel{"gather": gather}

// gather copies the slices of float values that indices name: of an embedding,
// the rows of a table.
func gather(c *compiler, n *mil.Node, args any) (stepFunc, bool) {
	a := op.GatherIOS17Args{}
	switch args := args.(type) {
	case *op.GatherArgs:
		a = op.GatherIOS17Args{X: args.X, Indices: args.Indices, Axis: args.Axis}
	case *op.GatherIOS16Args:
		a = op.GatherIOS17Args{X: args.X, Indices: args.Indices, Axis: args.Axis, BatchDims: args.BatchDims}
	case *op.GatherIOS17Args:
		a = *args
	}
	shape := a.X.Type.Shape
	if !inArena(a.X.Type) || !a.Indices.Type.DType.IsInt() || tensor.Size(n.Outputs[0].Type.Shape) == 0 {
		return nil, false
	}
	axis, shared := a.Axis, a.BatchDims
	if axis < 0 {
		axis += len(shape)
	}
	if shared < 0 {
		shared += a.Indices.Type.Rank()
	}
	outer, size, inner := around(shape, axis)
	each := outer / tensor.Size(shape[:shared]) // rows of the table for the same indices
	per := tensor.Size(a.Indices.Type.Shape[shared:])
	x, at := c.in(a.X), c.ints(a.Indices)
	y := c.out(n.Outputs[0])
	copyRows := overRows(outer*per, inner, func(r *Run, lo, hi int) {
		dst, src, index := r.at(y), r.at(x), r.intsAt(at)
		for i := lo; i < hi; i++ {
			o := i / per
			p := int(index[o/each*per+i%per])
			if p < 0 {
				p += size
			}
			copy(dst[i*inner:(i+1)*inner], src[(o*size+p)*inner:])
		}
	})
	least := -size
	if a.ValidateIndices {
		least = 0
	}
	return func(r *Run) error {
		for _, v := range r.intsAt(at) {
			if int(v) < least || int(v) >= size {
				return fmt.Errorf("index %d of a dimension of %d", v, size)
			}
		}
		return copyRows(r)
	}, true
}
