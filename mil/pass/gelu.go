package pass

import (
	"math"
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

// gelus makes one operation of x/2·(1 + erf(x/√2)) and of the approximation
// x/2·(1 + tanh(√(2/π)·(x + 0.044715·x³))), whichever way they are multiplied.
func gelus(f *mil.Func) {
	g := newGraph(f)
	for _, n := range slices.Clone(f.Body.Nodes) {
		var x *mil.Value
		mode := "EXACT"
		switch n.Op {
		case "erf":
			x = g.factor(n.Input("x"), math.Sqrt2/2)
		case "tanh":
			mode, x = "TANH_APPROXIMATION", g.cubic(g.factor(n.Input("x"), math.Sqrt(2/math.Pi)))
		}
		if x == nil {
			continue
		}
		one := g.only(n.Outputs[0])
		if one == nil || !near(addend(one, n.Outputs[0]), 1, x.Type.DType) {
			continue
		}
		if last := g.half(one.Outputs[0], x); last != nil && last.Outputs[0].Type.Equal(x.Type) {
			g.become(last, "gelu", op.Gelu.Node(last.Name, &op.GeluArgs{X: x, Mode: mode}).Inputs...)
		}
	}
}

// half returns the node that finishes v·x/2.
func (g *graph) half(v, x *mil.Value) *mil.Node {
	n := g.only(v)
	if n == nil || n.Op != "mul" && n.Op != "real_div" {
		return nil
	}
	if by, from := scaling(n); from == v && near(by, 0.5, x.Type.DType) {
		return g.product(n.Outputs[0], x)
	}
	if m := g.product(v, x); m != nil {
		if n = g.only(m.Outputs[0]); n == nil {
			return nil
		}
		if by, from := scaling(n); from == m.Outputs[0] && near(by, 0.5, x.Type.DType) {
			return n
		}
		return nil
	}
	if other := operand(n, v); n.Op == "mul" && other != nil && g.factor(other, 0.5) == x {
		return n
	}
	return nil
}

// product returns the node that alone reads v, if it multiplies it by x.
func (g *graph) product(v, x *mil.Value) *mil.Node {
	if n := g.only(v); n != nil && n.Op == "mul" && operand(n, v) == x {
		return n
	}
	return nil
}

// factor returns what v is so many times of, or nil.
func (g *graph) factor(v *mil.Value, by float64) *mil.Value {
	if v == nil || v.Node == nil || v.Const != nil {
		return nil
	}
	if have, x := scaling(v.Node); x != nil && near(have, by, v.Type.DType) {
		return x
	}
	return nil
}

// cubic returns x if v is x + 0.044715·x³, or nil.
func (g *graph) cubic(v *mil.Value) *mil.Value {
	if v == nil || v.Node == nil || v.Node.Op != "add" {
		return nil
	}
	for _, name := range []string{"x", "y"} {
		x := v.Node.Input(name)
		if cube := g.factor(operand(v.Node, x), 0.044715); cube != nil && isCube(cube.Node, x) {
			return x
		}
	}
	return nil
}

func isCube(n *mil.Node, x *mil.Value) bool {
	switch {
	case n == nil:
	case n.Op == "pow":
		e, ok := scalar(n.Input("y"))
		return ok && e == 3 && n.Input("x") == x
	case n.Op == "mul":
		s := operand(n, x)
		return s != nil && isSquare(s.Node, x)
	}
	return false
}

func isSquare(n *mil.Node, x *mil.Value) bool {
	switch {
	case n == nil:
	case n.Op == "square":
		return n.Input("x") == x
	case n.Op == "mul":
		return n.Input("x") == x && n.Input("y") == x
	case n.Op == "pow":
		e, ok := scalar(n.Input("y"))
		return ok && e == 2 && n.Input("x") == x
	}
	return false
}

// operand returns the other operand of a node that reads v, nil if it does not.
func operand(n *mil.Node, v *mil.Value) *mil.Value {
	switch v {
	case n.Input("x"):
		return n.Input("y")
	case n.Input("y"):
		return n.Input("x")
	}
	return nil
}

// addend returns the number that a node adds to v, NaN if it does not.
func addend(n *mil.Node, v *mil.Value) float32 {
	if n.Op == "add" && n.Outputs[0].Type.Equal(v.Type) {
		if c, ok := scalar(operand(n, v)); ok {
			return c
		}
	}
	return float32(math.NaN())
}

// near tells whether a constant of type d is that number, rounded.
func near(have float32, want float64, d tensor.DType) bool {
	part := 1e-6
	if d == tensor.Float16 {
		part = 1e-3
	}
	return math.Abs(float64(have)-want) <= part*math.Abs(want)
}
