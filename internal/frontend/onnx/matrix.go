package onnx

import (
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
)

var matrixRules = table{
	"MatMul": always(func(b *Builder, n *Node) []*mil.Value {
		x, y := b.operands(n)
		return one(b.as(b.matmul(x, y), x))
	}),
	"Gemm":   always(gemm),
	"Einsum": always(einsum),
	"Det":    always(det),
}

// gemm is alpha·A·B + beta·C, either factor transposed perhaps. With known
// weights it is a linear layer.
func gemm(b *Builder, n *Node) []*mil.Value {
	if len(n.In) < 2 {
		return b.fail("want two factors")
	}
	x, w, c := n.In[0], n.In[1], n.input(2)
	alpha, beta := float64(n.Float("alpha", 1)), float64(n.Float("beta", 1))
	if b.rank(x) != 2 || b.rank(w) != 2 {
		return b.fail("want matrices, have %s and %s", x.Type, w.Type)
	}
	if b.Err() != nil {
		return nil
	}
	if c != nil && beta != 1 {
		c = b.mul(c, b.number(beta, c))
	}
	if n.Bool("transA") {
		x = b.swap(x)
	}
	if w.Const != nil && x.Const == nil && x.Type.DType.IsFloat() {
		if !n.Bool("transB") {
			w = b.swap(w)
		}
		if alpha != 1 {
			w = b.mul(w, b.number(alpha, w))
		}
		if w.Const != nil && b.Err() == nil {
			return one(b.linear(x, w, c))
		}
	}
	y := op.Matmul.Add(b.Builder, op.MatmulArgs{X: x, Y: w, TransposeY: n.Bool("transB")})
	if alpha != 1 {
		y = b.mul(y, b.number(alpha, y))
	}
	if c != nil {
		y = b.add(y, c)
	}
	return one(b.as(y, x))
}

// linear is x·wᵀ + c for a known w of the form [out, in].
func (b *Builder) linear(x, w, c *mil.Value) *mil.Value {
	a := op.LinearIOS17Args{X: x, Weight: w.Const}
	out := w.Type.Shape[0]
	vector := c != nil && c.Const != nil && c.Const.Len() == out && (c.Type.Rank() == 1 || c.Type.Shape[c.Type.Rank()-1] == out)
	if vector {
		a.Bias = c.Const.Reshape([]int{out})
	}
	y := op.LinearIOS17.Add(b.Builder, a)
	if c != nil && !vector {
		y = b.add(y, c)
	}
	return y
}

// det develops a determinant by its first row.
func det(b *Builder, n *Node) []*mil.Value {
	x := n.In[0]
	r := b.rank(x)
	if b.Err() != nil || r < 2 {
		return b.fail("want matrices, have %s", x.Type)
	}
	size := x.Type.Shape[r-1]
	if size < 1 || size != x.Type.Shape[r-2] {
		return b.fail("want square matrices, have %s", x.Type)
	}
	if size > 4 {
		return b.refuse("determinants of %d×%d matrices", size, size)
	}
	var minor func(rows, cols []int) *mil.Value
	minor = func(rows, cols []int) *mil.Value {
		var sum *mil.Value
		for i, c := range cols {
			v := b.squeeze(b.slice(b.slice(x, r-2, rows[0], rows[0]+1), r-1, c, c+1), r-2, r-1)
			if len(rows) > 1 {
				v = b.mul(v, minor(rows[1:], slices.Delete(slices.Clone(cols), i, i+1)))
			}
			switch {
			case sum == nil:
				sum = v
			case i%2 == 0:
				sum = b.add(sum, v)
			default:
				sum = b.sub(sum, v)
			}
		}
		return sum
	}
	return one(minor(iota(size), iota(size)))
}
