package engine

import (
	"strings"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// FLOPs counts the floating-point operations of one run: two for each product
// that convolutions, linear layers, products of matrices, attention and
// recurrent layers add up; everything else, being small beside these, is not
// counted. What a condition may skip counts, and loops as one round.
func (p *Plan) FLOPs() int64 {
	var sum int64
	for _, s := range p.steps {
		sum += flops(s.node)
	}
	return sum
}

func flops(n *mil.Node) int64 {
	sum := 2 * products(n)
	for _, b := range n.Blocks {
		b.Walk(func(n *mil.Node) { sum += 2 * products(n) })
	}
	return sum
}

// products is the number of multiplications of a node, 0 where a size is not
// known.
func products(n *mil.Node) int64 {
	for _, v := range append(n.Values(), n.Outputs...) {
		if v.Type.Kind != mil.Tensor || !v.Type.IsStatic() {
			return 0
		}
	}
	size := func(param string) int64 {
		v := n.Input(param)
		if v == nil {
			return 0
		}
		return int64(tensor.Size(v.Type.Shape))
	}
	// dim is a dimension of an argument, counted from the back if negative.
	dim := func(param string, axis int) int64 {
		v := n.Input(param)
		if v == nil {
			return 0
		}
		if s := v.Type.Shape; axis < 0 && -axis <= len(s) {
			return int64(s[len(s)+axis])
		} else if axis >= 0 && axis < len(s) {
			return int64(s[axis])
		}
		return 0
	}
	var out int64
	if len(n.Outputs) > 0 {
		out = int64(tensor.Size(n.Outputs[0].Type.Shape))
	}
	switch n.Op {
	case "conv", "conv_quantized":
		return out * size("weight") / max(dim("weight", 0), 1)
	case "conv_transpose":
		return size("x") * size("weight") / max(dim("weight", 0), 1)
	case "linear":
		return out * dim("weight", 1)
	case "matmul":
		inner := dim("x", -1)
		if t := n.Input("transpose_x"); t != nil && t.Const != nil && len(t.Const.Bools()) == 1 && t.Const.Bools()[0] {
			inner = dim("x", -2)
		}
		return out * inner
	case "einsum":
		return out * contracted(n)
	case "scaled_dot_product_attention":
		return size("query")*dim("key", -2) + out*dim("key", -2)
	case "lstm", "gru", "rnn", "network_lstm", "network_gru", "network_rnn":
		weights := size("weight_ih") + size("weight_hh") + size("weight_ih_back") + size("weight_hh_back")
		return size("x") / max(dim("x", -1), 1) * weights
	}
	return 0
}

// contracted is the size of the axes that an einsum adds up.
func contracted(n *mil.Node) int64 {
	e := n.Input("equation")
	values := n.Values()
	if e == nil || e.Const == nil || len(e.Const.Strings()) != 1 || len(values) == 0 {
		return 0
	}
	left, result, _ := strings.Cut(e.Const.Strings()[0], "->")
	first, _, _ := strings.Cut(left, ",")
	sum := int64(1)
	for i, letter := range []rune(first) {
		if shape := values[0].Type.Shape; !strings.ContainsRune(result, letter) && i < len(shape) {
			sum *= int64(shape[i])
		}
	}
	return sum
}
