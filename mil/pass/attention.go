package pass

import (
	"math"
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

// attentions makes one operation of softmax(query·keyᵀ·scale + mask)·value, and
// lets it read and write its operands as they lie before heads and positions
// are swapped.
func attentions(f *mil.Func) {
	g := newGraph(f)
	gone := map[*mil.Node]bool{}
	for _, n := range f.Body.Nodes {
		var a *op.AttentionArgs
		switch n.Op {
		case "matmul":
			a = g.attention(n)
		case "scaled_dot_product_attention":
			a = &op.AttentionArgs{Query: n.Input("query"), Key: n.Input("key"), Value: n.Input("value"), AttnMask: n.Input("attn_mask")}
			if e := a.Query.Type; e.Rank() > 0 {
				a.Scale = float32(1 / math.Sqrt(float64(e.Shape[e.Rank()-1])))
			}
		}
		if a == nil || !a.Query.Type.IsStatic() || !a.Key.Type.IsStatic() {
			continue
		}
		a.Query, a.QuerySwapped = unswapped(a.Query, a.QuerySwapped)
		a.Key, a.KeySwapped = unswapped(a.Key, a.KeySwapped)
		a.Value, a.ValueSwapped = unswapped(a.Value, a.ValueSwapped)
		out := n.Outputs[0]
		after := g.only(out)
		if a.OutputSwapped = after != nil && permutes(after, 0, 2, 1, 3); a.OutputSwapped {
			out = after.Outputs[0]
		}
		if types, err := op.Attention.Infer(a); err != nil || !types[0].Equal(out.Type) {
			continue
		}
		g.become(n, "attention", op.Attention.Node(n.Name, a).Inputs...)
		if a.OutputSwapped {
			gone[after] = true
			n.Outputs[0], out.Node = out, n
		}
	}
	f.Body.Nodes = slices.DeleteFunc(f.Body.Nodes, func(n *mil.Node) bool { return gone[n] })
}

// attention reads the pattern whose last product is n. Key is swapped if the
// matrices of the first product say so.
func (g *graph) attention(n *mil.Node) *op.AttentionArgs {
	p := n.Input("x").Node
	if flag(n, "transpose_x") || flag(n, "transpose_y") || p == nil || p.Op != "softmax" || g.only(p.Outputs[0]) != n || !last(p) {
		return nil
	}
	a := &op.AttentionArgs{Value: n.Input("y"), Scale: 1}
	s := g.made(p.Input("x"), p)
	if s != nil && s.Op == "add" {
		for i, name := range []string{"x", "y"} {
			other := s.Input([]string{"y", "x"}[i])
			if m := g.made(s.Input(name), s); m != nil && g.scores(m) {
				a.AttnMask, s = other, m
				break
			}
		}
	}
	if s != nil && s.Op != "matmul" {
		by, x := scaling(s)
		if x == nil {
			return nil
		}
		a.Scale *= by
		s = g.made(x, s)
	}
	if s == nil || s.Op != "matmul" || flag(s, "transpose_x") {
		return nil
	}
	a.Query, a.Key = s.Input("x"), s.Input("y")
	for _, v := range []**mil.Value{&a.Query, &a.Key} { // either may be scaled, or both by the root
		if n := (*v).Node; n != nil {
			if by, x := scaling(n); x != nil && x.Type.Equal((*v).Type) {
				*v, a.Scale = x, a.Scale*by
			}
		}
	}
	if flag(s, "transpose_y") {
		return a
	}
	switch t := a.Key.Node; {
	case t == nil:
		return nil
	case permutes(t, 0, 2, 3, 1):
		a.Key, a.KeySwapped = t.Input("x"), true
	case permutes(t, 0, 1, 3, 2):
		a.Key = t.Input("x")
	default:
		return nil
	}
	if n := a.Key.Node; n != nil { // or it is scaled before it is turned
		if by, x := scaling(n); x != nil && x.Type.Equal(a.Key.Type) {
			a.Key, a.Scale = x, a.Scale*by
		}
	}
	return a
}

// scores tells a node that may make scores: a product, scaled or not.
func (g *graph) scores(n *mil.Node) bool {
	if _, x := scaling(n); x != nil {
		n = g.made(x, n)
	}
	return n != nil && n.Op == "matmul"
}

// made returns the node that makes v if only n reads it.
func (g *graph) made(v *mil.Value, n *mil.Node) *mil.Node {
	if v.Node == nil || g.only(v) != n {
		return nil
	}
	return v.Node
}

// unswapped looks through a swap of dimensions 1 and 2.
func unswapped(v *mil.Value, already bool) (*mil.Value, bool) {
	if !already && v.Node != nil && permutes(v.Node, 0, 2, 1, 3) {
		return v.Node.Input("x"), true
	}
	return v, already
}

// scaling returns the number that a node multiplies by, and the value; nil if
// it does something else.
func scaling(n *mil.Node) (by float32, x *mil.Value) {
	if n.Op != "mul" && n.Op != "real_div" {
		return 0, nil
	}
	x, y := n.Input("x"), n.Input("y")
	if _, ok := scalar(x); ok && n.Op == "mul" {
		x, y = y, x
	}
	by, ok := scalar(y)
	if !ok || x.Const != nil || !x.Type.Equal(n.Outputs[0].Type) {
		return 0, nil
	}
	if n.Op == "real_div" {
		by = 1 / by
	}
	return by, x
}

// permutes tells a transpose with this order.
func permutes(n *mil.Node, perm ...int) bool {
	p := n.Input("perm")
	if n.Op != "transpose" || p == nil || p.Const == nil || p.Const.Len() != len(perm) {
		return false
	}
	for i, d := range p.Const.I32() {
		if d < 0 {
			d += int32(len(perm))
		}
		if int(d) != perm[i] {
			return false
		}
	}
	return true
}

// flag reads a constant truth value, false if absent.
func flag(n *mil.Node, name string) bool {
	v := n.Input(name)
	return v != nil && v.Const != nil && v.Const.DType() == tensor.Bool && v.Const.Len() == 1 && v.Const.Bools()[0]
}

// last tells that the axis of n is the last one of x.
func last(n *mil.Node) bool {
	v := n.Input("axis")
	if v == nil || v.Const == nil {
		return v == nil
	}
	at := int(v.Const.I32()[0])
	return at == -1 || at == n.Input("x").Type.Rank()-1
}
