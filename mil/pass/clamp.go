package pass

import (
	"math"

	"github.com/smelt-ml/smelt/mil"
)

// clamps replaces chains of clamping and exact scaling by one clip. Networks
// without an operator for it write min(max(x, 0), 6) as
// -max(-max(x, 0), -6), for instance.
func clamps(f *mil.Func) {
	g := newGraph(f)
	inner := map[*mil.Node]bool{} // links of a chain that began before
	for _, n := range f.Body.Nodes {
		if inner[n] {
			continue
		}
		c := bend{scale: 1, lo: float32(math.Inf(-1)), hi: float32(math.Inf(1))}
		x := c.input(n)
		var last *mil.Node
		var whole bend
		length, best := 0, 0
		for at, v := n, x; at != nil && v != nil && c.follow(at, v); at = g.only(v) {
			length++
			inner[at] = true
			v = at.Outputs[0]
			if c.scale == 1 {
				last, whole, best = at, c, length
			}
		}
		if best < 2 || !(whole.lo < whole.hi) { // clip wants room between its bounds
			continue
		}
		if whole.lo == 0 && math.IsInf(float64(whole.hi), 1) {
			g.become(last, "relu", input("x", x))
			continue
		}
		d := last.Outputs[0].Type.DType
		g.become(last, "clip", input("x", x), input("alpha", number(d, whole.lo)), input("beta", number(d, whole.hi)))
	}
}

// bend is min(max(scale·x, lo), hi), where scale is a power of two or minus
// one, so that nothing is rounded.
type bend struct{ scale, lo, hi float32 }

// input returns the value that the operation bends, nil if it is none.
func (*bend) input(n *mil.Node) *mil.Value {
	switch n.Op {
	case "relu", "relu6", "clip", "threshold":
		return n.Input("x")
	case "mul", "maximum", "minimum":
		x, y := n.Input("x"), n.Input("y")
		if _, ok := scalar(y); ok {
			return x
		}
		if _, ok := scalar(x); ok {
			return y
		}
	}
	return nil
}

// follow composes the function with operation n on v. It is false where n is
// no such operation.
func (b *bend) follow(n *mil.Node, v *mil.Value) bool {
	if b.input(n) != v || !isFloat(v) || v.Const != nil || !v.Type.Equal(n.Outputs[0].Type) {
		return false
	}
	var by float32 // the other operand
	if n.Op == "mul" || n.Op == "maximum" || n.Op == "minimum" {
		y := n.Input("y")
		if y == v {
			y = n.Input("x")
		}
		by, _ = scalar(y)
	}
	inf := float32(math.Inf(1))
	switch n.Op {
	case "relu":
		b.clamp(0, inf)
	case "relu6":
		b.clamp(0, 6)
	case "maximum":
		b.clamp(by, inf)
	case "minimum":
		b.clamp(-inf, by)
	case "threshold":
		least, ok := scalar(n.Input("alpha"))
		if !ok {
			return false
		}
		b.clamp(least, inf)
	case "clip":
		lo, ok := scalar(n.Input("alpha"))
		hi, ok2 := scalar(n.Input("beta"))
		if !ok || !ok2 {
			return false
		}
		b.clamp(lo, hi)
	case "mul":
		fraction, exponent := math.Frexp(float64(by))
		if math.Abs(fraction) != 0.5 || exponent < -10 || exponent > 10 {
			return false
		}
		b.scale, b.lo, b.hi = b.scale*by, b.lo*by, b.hi*by
		if by < 0 {
			b.lo, b.hi = b.hi, b.lo
		}
	}
	return b.lo == b.lo && b.hi == b.hi // no NaN
}

func (b *bend) clamp(lo, hi float32) {
	b.lo, b.hi = min(max(b.lo, lo), hi), min(max(b.hi, lo), hi)
}
