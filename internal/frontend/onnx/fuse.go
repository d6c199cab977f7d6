package onnx

import (
	"math"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
)

// mul multiplies. ONNX had no operators for silu and gelu for long: exporters
// wrote their definitions, which are recognized at their last product. The
// operators have their limits at -∞, the definitions NaN.
func mul(b *Builder, n *Node) []*mil.Value {
	x, y := b.operands(n)
	if b.Err() == nil && x.Type.DType.IsFloat() {
		for _, p := range [][2]*mil.Value{{x, y}, {y, x}} {
			if made(p[1], "sigmoid") != nil && p[1].Node.Input("x") == p[0] {
				return one(b.as(op.Silu.Add(b.Builder, op.Unary{X: p[0]}), x))
			}
		}
		if v := gelu(x, y); v != nil {
			return one(b.as(op.Gelu.Add(b.Builder, op.GeluArgs{X: v, Mode: "EXACT"}), x))
		}
	}
	return one(b.wrap(b.mul(x, y), x))
}

// made returns the node of an operator that made a value, or nil.
func made(v *mil.Value, name string) *mil.Node {
	if v == nil || v.Node == nil || v.Node.Op != name {
		return nil
	}
	return v.Node
}

// number reads a known scalar.
func number(v *mil.Value) (float64, bool) {
	if v == nil || v.Const == nil || v.Const.Len() != 1 || v.Const.Rank() > 1 || !v.Const.DType().IsFloat() {
		return 0, false
	}
	return v.Const.Float64s()[0], true
}

// about tells whether a value is a known number, but for its rounding.
func about(v *mil.Value, want float64) bool {
	x, ok := number(v)
	return ok && math.Abs(x-want) <= 1e-3*math.Abs(want)
}

// gelu returns z where x·y is z/2 · (1 + erf(z/√2)), its factors in any order.
func gelu(x, y *mil.Value) *mil.Value {
	factors := []*mil.Value{x, y}
	for i, v := range factors {
		if m := made(v, "mul"); m != nil && len(factors) == 2 {
			factors = []*mil.Value{m.Input("x"), m.Input("y"), factors[1-i]}
			break
		}
	}
	if len(factors) != 3 {
		return nil
	}
	for i, half := range factors {
		if !about(half, 0.5) {
			continue
		}
		p, q := factors[(i+1)%3], factors[(i+2)%3]
		for _, pair := range [][2]*mil.Value{{p, q}, {q, p}} {
			if pair[0].Type.Rank() > 0 && onePlusErf(pair[1], pair[0]) {
				return pair[0]
			}
		}
	}
	return nil
}

// onePlusErf tells whether v is 1 + erf(z/√2).
func onePlusErf(v, z *mil.Value) bool {
	sum := made(v, "add")
	if sum == nil {
		return false
	}
	erf := made(sum.Input("x"), "erf")
	unit := sum.Input("y")
	if erf == nil {
		erf, unit = made(sum.Input("y"), "erf"), sum.Input("x")
	}
	if erf == nil || !about(unit, 1) {
		return false
	}
	if d := made(erf.Input("x"), "real_div"); d != nil {
		return d.Input("x") == z && about(d.Input("y"), math.Sqrt2)
	}
	m := made(erf.Input("x"), "mul")
	return m != nil && (m.Input("x") == z && about(m.Input("y"), math.Sqrt2/2) || m.Input("y") == z && about(m.Input("x"), math.Sqrt2/2))
}
