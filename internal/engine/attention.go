package engine

import (
	"math"
	"slices"

	"github.com/smelt-ml/smelt/internal/kernel/attend"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

var attentionKernels = map[string]kernel{"attention": attention, "scaled_dot_product_attention": attention}

// attention serves masks that are one row or whole rows of numbers, and for
// more than two leading dimensions those that are the same for all.
func attention(c *compiler, n *mil.Node, args any) (stepFunc, bool) {
	a, ok := args.(*op.AttentionArgs)
	if !ok {
		s := args.(*op.ScaledDotProductAttentionArgs)
		a = &op.AttentionArgs{Query: s.Query, Key: s.Key, Value: s.Value, AttnMask: s.AttnMask}
		a.Scale = float32(1 / math.Sqrt(float64(a.Query.Type.Shape[a.Query.Type.Rank()-1])))
	}
	out := n.Outputs[0]
	t := attend.Attention{Scale: a.Scale}
	var lead []int
	lead, t.Rows, t.Inner, t.Query = heads(a.Query, a.QuerySwapped)
	_, t.Keys, _, t.Key = heads(a.Key, a.KeySwapped)
	_, _, t.Width, t.Value = heads(a.Value, a.ValueSwapped)
	_, _, _, t.Out = heads(out, a.OutputSwapped)
	t.Outer, t.Heads = lead[0], tensor.Size(lead[1:])
	if tensor.Size(out.Type.Shape) == 0 || t.Keys == 0 || t.Inner == 0 {
		return nil, false
	}
	if m := a.AttnMask; m != nil {
		if t.Mask, ok = repeats(m.Type.Shape, lead, t.Rows, t.Keys); !ok {
			return nil, false
		}
	}
	kn := attend.For(c.opts.Level)
	q, k, v := c.in(a.Query), c.in(a.Key), c.in(a.Value)
	var mask func(r *Run) []float32
	if a.AttnMask != nil {
		mask = c.additive(a.AttnMask)
	}
	y := c.out(out)
	return func(r *Run) error {
		t := t
		t.Query.Data, t.Key.Data, t.Value.Data, t.Out.Data = r.at(q), r.at(k), r.at(v), r.at(y)
		if mask != nil {
			t.Mask.Data = mask(r)
		}
		kn.Run(r.pool, &t)
		return nil
	}, true
}

// additive returns how a step reads a mask as numbers to add.
func (c *compiler) additive(v *mil.Value) func(r *Run) []float32 {
	if inArena(v.Type) {
		mask := c.in(v)
		return func(r *Run) []float32 { return r.at(mask) }
	}
	object := c.places[v].object
	return func(r *Run) []float32 {
		t := v.Const
		if t == nil {
			t = r.objects[object].tensor
		}
		parts := t.Bools()
		dst := r.pool.Shared(len(parts))
		for i, part := range parts {
			dst[i] = 0
			if !part {
				dst[i] = float32(math.Inf(-1))
			}
		}
		return dst
	}
}

// heads returns the leading dimensions, at least one, the matrices and the
// strides of [*B, L, E], or of [B, L, H, E] for swapped.
func heads(v *mil.Value, swapped bool) (lead []int, rows, width int, o attend.Operand) {
	s := v.Type.Shape
	n := len(s)
	width = s[n-1]
	if swapped {
		return []int{s[0], s[2]}, s[1], width, attend.Operand{Outer: s[1] * s[2] * width, Head: width, Row: s[2] * width}
	}
	lead, rows = s[:n-2], s[n-2]
	return lead, rows, width, attend.Operand{Outer: tensor.Size(lead[1:]) * rows * width, Head: rows * width, Row: width}
}

// repeats returns how a mask repeats over the leading dimensions and the rows.
func repeats(mask, lead []int, rows, keys int) (o attend.Operand, ok bool) {
	full := slices.Concat(lead, []int{rows, keys})
	for len(mask) < len(full) {
		mask = append([]int{1}, mask...)
	}
	n := len(lead)
	if mask[n+1] != keys {
		return o, false
	}
	size := keys
	if mask[n] == rows && rows > 1 {
		o.Row = keys
		size *= rows
	}
	rest := tensor.Size(mask[1:n])
	switch rest {
	case 1:
	case tensor.Size(lead[1:]):
		o.Head = size
	default:
		return o, false
	}
	if mask[0] > 1 {
		o.Outer = rest * size
	}
	return o, true
}
