package onnx

import (
	"math"

	"github.com/smelt-ml/smelt/tensor"
)

// products are matrix products and what is made of them.
var products = map[string]rule{
	"attention":                    attention,
	"einsum":                       einsum,
	"linear":                       linear,
	"matmul":                       matmul,
	"scaled_dot_product_attention": attention,
}

// swapped exchanges the last two axes.
func (w *writer) swapped(v *val, rank int) *val {
	if rank < 2 {
		w.fail("a matrix of rank %d", rank)
		return v
	}
	perm := iota(rank)
	perm[rank-2], perm[rank-1] = rank-1, rank-2
	return w.transpose(v, perm...)
}

func (w *writer) matmul(x, y *val) *val { return w.add("MatMul", []*val{x, y}) }

func matmul(w *writer, c *call) []*val {
	x, y := c.in("x"), c.in("y")
	if c.flag("transpose_x") && c.rank("x") > 1 {
		x = w.swapped(x, c.rank("x"))
	}
	if c.flag("transpose_y") && c.rank("y") > 1 {
		y = w.swapped(y, c.rank("y"))
	}
	return one(w.matmul(x, w.cast(y, x.dtype)))
}

// linear is Gemm for a matrix; else the product with the weights transposed.
func linear(w *writer, c *call) []*val {
	x, weight, bias := c.in("x"), c.in("weight"), c.opt("bias")
	weight, bias = w.cast(weight, x.dtype), w.castOpt(bias, x.dtype)
	if c.rank("x") == 2 {
		return one(w.add("Gemm", []*val{x, weight, bias}, attr{"transB", 1}))
	}
	y := w.matmul(x, w.swapped(weight, 2))
	if bias != nil {
		y = w.sum(y, bias)
	}
	return one(y)
}

func einsum(w *writer, c *call) []*val {
	return one(w.add("Einsum", c.list("values"), attr{"equation", c.text("equation")}))
}

// attention is softmax(query·keyᵀ·scale + mask)·value.
func attention(w *writer, c *call) []*val {
	side := func(name string) *val {
		v := c.in(name)
		if c.Input(name+"_swapped") != nil && c.flag(name+"_swapped") {
			v = w.transpose(v, 0, 2, 1, 3)
		}
		return v
	}
	q, k, v := side("query"), side("key"), side("value")
	rank := c.rank("query")
	scale := c.float("scale")
	if c.Op == "scaled_dot_product_attention" {
		e := c.dims("query")[rank-1]
		if e < 1 {
			return w.fail("the size of its vectors is only known when it is run")
		}
		scale = 1 / math.Sqrt(float64(e))
	}
	scores := w.matmul(w.mul(q, w.number(scale, q.dtype)), w.swapped(k, rank))
	if mask := c.opt("attn_mask"); mask != nil {
		if mask.dtype == tensor.Bool {
			mask = w.where(mask, w.number(0, q.dtype), w.number(math.Inf(-1), q.dtype))
		}
		scores = w.sum(scores, w.cast(mask, q.dtype))
	}
	y := w.matmul(w.add("Softmax", []*val{scores}, attr{"axis", -1}), v)
	if c.Input("output_swapped") != nil && c.flag("output_swapped") {
		y = w.transpose(y, 0, 2, 1, 3)
	}
	return one(y)
}
