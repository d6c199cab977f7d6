package engine

import (
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// integers is where a step finds integers: an object, or a constant.
type integers struct {
	object int
	data   []int32
}

// ints is in for integers of up to 32 bits.
func (c *compiler) ints(v *mil.Value) integers {
	if v.Const != nil {
		return integers{data: v.Const.I32()}
	}
	return integers{object: c.places[v].object}
}

// intsAt returns the elements.
func (r *Run) intsAt(o integers) []int32 {
	if o.data != nil {
		return o.data
	}
	return r.objects[o.object].tensor.I32()
}

// objectKernels serve operators whose results live outside of the arena.
var objectKernels = map[string]kernel{
	"reshape": sameObject, "expand_dims": sameObject, "squeeze": sameObject, "identity": sameObject,
}

// sameObject serves operators that change no element: the result is the
// operand, which Run.object gives its new shape.
func sameObject(c *compiler, n *mil.Node, _ any) (stepFunc, bool) {
	x, y := n.Input("x"), n.Outputs[0]
	if x == nil || x.Const != nil || !y.Type.IsStatic() || x.Type.Kind != mil.Tensor || c.opts.Observe != nil {
		return nil, false
	}
	for _, v := range n.Values() {
		if v != x && v.Const == nil {
			return nil, false
		}
	}
	c.places[y] = c.places[x]
	return nil, true
}

// castOf makes floats of integers or truth values.
func castOf(c *compiler, n *mil.Node) (stepFunc, bool) {
	v, to := n.Input("x"), n.Outputs[0]
	if v.Const != nil || !inArena(to.Type) {
		return nil, false
	}
	object := c.places[v].object
	round := to.Type.DType
	switch d := v.Type.DType; {
	case d == tensor.Bool:
		y := c.out(to)
		return func(r *Run) error {
			dst := r.at(y)
			for i, yes := range r.objects[object].tensor.Bools() {
				dst[i] = 0
				if yes {
					dst[i] = 1
				}
			}
			return nil
		}, true
	case d.IsInt() && d.Bits() <= 32 && d != tensor.Uint32:
		y := c.out(to)
		return func(r *Run) error {
			dst := r.at(y)
			for i, x := range r.objects[object].tensor.I32() {
				dst[i] = float32(x)
			}
			tensor.RoundTo(round, dst)
			return nil
		}, true
	}
	return nil, false
}
