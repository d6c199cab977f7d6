package pass

import (
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// pads lets a convolution pad by itself where zeros were put around its input.
func pads(f *mil.Func) {
	g := newGraph(f)
	for _, n := range f.Body.Nodes {
		if n.Op != "pad" || len(n.Outputs) != 1 {
			continue
		}
		c := g.only(n.Outputs[0])
		if c == nil || c.Op != "conv" || c.Input("x") != n.Outputs[0] {
			continue
		}
		before, ok := zeros(n)
		if !ok {
			continue
		}
		own, ok := padOf(c, len(before))
		if !ok {
			continue
		}
		for i, k := range before {
			own[i] += k
		}
		g.set(c, "pad_type", mil.NewConst("", tensor.Scalar(tensor.String, "custom")))
		g.set(c, "pad", mil.NewConst("", tensor.Ints([]int{len(own)}, own)))
		g.set(c, "x", n.Input("x"))
	}
}

// zeros returns the zeros that a pad adds before and after each spatial
// dimension, if it does nothing else.
func zeros(n *mil.Node) ([]int32, bool) {
	x, pad, mode := n.Input("x"), n.Input("pad"), n.Input("mode")
	if !isFloat(x) || pad == nil || pad.Const == nil || pad.Const.DType() != tensor.Int32 {
		return nil, false
	}
	if mode != nil && (mode.Const == nil || mode.Const.Strings()[0] != "constant") {
		return nil, false
	}
	if v := n.Input("constant_val"); v != nil {
		if fill, ok := scalar(v); !ok || fill != 0 {
			return nil, false
		}
	}
	all := pad.Const.I32()
	for len(all) < 2*len(x.Type.Shape) {
		all = append([]int32{0, 0}, all...)
	}
	if len(all) < 4 || all[0] != 0 || all[1] != 0 || all[2] != 0 || all[3] != 0 {
		return nil, false
	}
	return all[4:], true
}

// padOf returns the padding of a convolution that states it, with n numbers.
func padOf(c *mil.Node, n int) ([]int32, bool) {
	kind := "valid"
	if v := c.Input("pad_type"); v != nil {
		if v.Const == nil {
			return nil, false
		}
		kind = v.Const.Strings()[0]
	}
	own := make([]int32, n)
	switch kind {
	case "valid":
		return own, true
	case "custom":
		v := c.Input("pad")
		if v == nil {
			return own, true
		}
		if v.Const == nil || v.Const.DType() != tensor.Int32 || v.Const.Len() != n {
			return nil, false
		}
		copy(own, v.Const.I32())
		return own, true
	}
	return nil, false
}
