package onnx

import (
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

// Operators on the bits of integers. mil has none: they are composed of
// arithmetic.
var integerRules = table{
	"BitShift": always(bitShift),
	"BitwiseNot": always(func(b *Builder, n *Node) []*mil.Value {
		x := n.In[0]
		return one(b.wrap(b.sub(b.int(-1), x), x))
	}),
	"BitwiseAnd": always(bitwise(func(b *Builder, x, y *mil.Value) *mil.Value { return b.mul(x, y) })),
	"BitwiseOr":  always(bitwise(func(b *Builder, x, y *mil.Value) *mil.Value { return op.Maximum.Add(b.Builder, op.Binary{X: x, Y: y}) })),
	"BitwiseXor": always(bitwise(func(b *Builder, x, y *mil.Value) *mil.Value {
		d := b.sub(x, y)
		return b.mul(d, d)
	})),
}

// bitShift multiplies with or divides by a power of two. A shift by as many
// places as there are, or by a negative number, leaves only the sign.
func bitShift(b *Builder, n *Node) []*mil.Value {
	x, y := b.operands(n)
	bits := min(b.DType(x).Bits(), 32)
	binary := func(o *op.Def[op.Binary], x, y *mil.Value) *mil.Value { return o.Add(b.Builder, op.Binary{X: x, Y: y}) }
	beyond := binary(op.LogicalOr, binary(op.Less, y, b.int(0)), binary(op.GreaterEqual, y, b.int(bits)))
	left := n.Text("direction", "") == "LEFT"
	// A power of 2 fits in 30 bits; the last place, if it takes one more, is a
	// second step.
	first := binary(op.Minimum, b.sel(beyond, b.int(31), y), b.int(30))
	second := b.sub(b.sel(beyond, b.int(31), y), first)
	for _, by := range []*mil.Value{first, second} {
		p := binary(op.Pow, b.int(2), by)
		if left {
			x = b.mul(x, p)
		} else {
			x = binary(op.FloorDiv, x, p)
		}
	}
	if left {
		x = b.sel(beyond, b.int(0), x)
	}
	return one(b.wrap(x, n.In[0]))
}

// bitwise takes numbers apart into bits along a new last axis, combines these
// by arithmetic on 0 and 1 and adds them up again.
func bitwise(f func(b *Builder, x, y *mil.Value) *mil.Value) lowerFunc {
	return func(b *Builder, n *Node) []*mil.Value {
		x, y := b.operands(n)
		d := b.DType(x)
		if !d.IsInt() {
			return b.fail("want integers, have %s", d)
		}
		bits := min(d.Bits(), 32)
		places := make([]int, min(bits, 31))
		for i := range places {
			places[i] = 1 << i
		}
		apart := func(v *mil.Value) *mil.Value {
			v = b.expandDims(v, -1)
			out := op.FloorDiv.Add(b.Builder, op.Binary{X: v, Y: b.ints(places...)})
			out = op.Mod.Add(b.Builder, op.Binary{X: out, Y: b.int(2)})
			if bits == 32 { // the sign
				sign := b.cast(op.Less.Add(b.Builder, op.Binary{X: v, Y: b.int(0)}), tensor.Int32)
				out = b.concat(-1, out, sign)
			}
			return out
		}
		weights := places
		if bits == 32 {
			weights = append(weights, -1<<31)
		}
		v := b.mul(f(b, apart(x), apart(y)), b.ints(weights...))
		r := op.ReduceSum.Defaults()
		r.X, r.Axes = v, []int{-1}
		return one(b.wrap(op.ReduceSum.Add(b.Builder, r), x))
	}
}
