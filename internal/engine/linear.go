package engine

import (
	"slices"

	"github.com/smelt-ml/smelt/internal/kernel/gemm"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

var linearKernels = map[string]kernel{"linear": linear, "matmul": matmul}

// linear makes y = act(x·Wᵀ + bias + residual) with constant weights.
func linear(c *compiler, n *mil.Node, args any) (stepFunc, bool) {
	var a op.LinearArgs
	switch args := args.(type) {
	case *op.LinearArgs:
		a = *args
	case *op.LinearIOS17Args:
		a = op.LinearArgs(*args)
	}
	weight := a.Weight.Shape()
	inner, outer := weight[1], weight[0]
	if !a.Weight.DType().IsFloat() || inner == 0 || outer == 0 || tensor.Size(a.X.Type.Shape) == 0 {
		return nil, false
	}
	rows := tensor.Size(a.X.Type.Shape) / inner
	residual, out := c.residual(n.Outputs[0])
	act, out := c.activation(out)
	bias := floats(a.Bias)
	x := c.in(a.X)
	var add operand
	if residual != nil {
		add = c.in(residual)
	}
	y := c.out(out)
	return c.packing(func() stepFunc {
		var w *gemm.PackedB
		if q := coded(a.Weight, inner); q != nil {
			w = c.gemm.PackCodesB(inner, outer, q)
		} else {
			w = c.gemm.PackB(inner, outer, gemm.RowMajor(a.Weight.F32(), inner).T())
		}
		return func(r *Run) error {
			q := gemm.Product{
				M: rows, N: outer, K: inner, A: gemm.RowMajor(r.at(x), inner), PackedB: w,
				C: r.at(y), LDC: outer, ColBias: bias, Act: act,
			}
			if residual != nil {
				q.Add, q.LDAdd = r.at(add), outer
			}
			c.gemm.Mul(r.pool, &q)
			return nil
		}
	}), true
}

// matmul makes a product of matrices. Leading dimensions either are those of
// both operands, or the second operand has none; other ways to broadcast are
// left to the reference.
func matmul(c *compiler, n *mil.Node, args any) (stepFunc, bool) {
	var a op.MatmulArgs
	switch args := args.(type) {
	case *op.MatmulArgs:
		a = *args
	case *op.MatmulIOS17Args:
		a = op.MatmulArgs(*args)
	}
	xs, ys := a.X.Type.Shape, a.Y.Type.Shape
	if len(xs) < 2 || len(ys) < 2 || !inArena(a.X.Type) || !inArena(a.Y.Type) || tensor.Size(n.Outputs[0].Type.Shape) == 0 {
		return nil, false
	}
	xl, yl := xs[:len(xs)-2], ys[:len(ys)-2]
	m, k := xs[len(xs)-2], xs[len(xs)-1]
	if a.TransposeX {
		m, k = k, m
	}
	cols := ys[len(ys)-1]
	if a.TransposeY {
		cols = ys[len(ys)-2]
	}
	batch := tensor.Size(xl)
	s := gemm.Strides{A: m * k, B: k * cols, C: m * cols}
	switch {
	case k == 0:
		return nil, false
	case slices.Equal(xl, yl):
	case tensor.Size(yl) == 1 && len(yl) <= len(xl):
		s.B = 0
		if !a.TransposeX { // one tall product
			m, batch = m*batch, 1
		}
	default:
		return nil, false
	}
	matrix := func(data []float32, rows, cols int, transposed bool) gemm.Matrix {
		if transposed {
			return gemm.RowMajor(data, rows).T()
		}
		return gemm.RowMajor(data, cols)
	}
	act, out := c.activation(n.Outputs[0])
	weight := a.Y.Const
	x, y := c.in(a.X), operand{}
	if weight == nil || batch != 1 {
		y, weight = c.in(a.Y), nil
	}
	z := c.out(out)
	return c.packing(func() stepFunc {
		var packed *gemm.PackedB
		if weight != nil {
			packed = c.gemm.PackB(k, cols, matrix(weight.F32(), k, cols, a.TransposeY))
		}
		return func(r *Run) error {
			q := gemm.Product{
				M: m, N: cols, K: k, A: matrix(r.at(x), m, k, a.TransposeX), C: r.at(z), LDC: cols, Act: act,
			}
			if packed != nil {
				q.PackedB = packed
			} else {
				q.B = matrix(r.at(y), k, cols, a.TransposeY)
			}
			c.gemm.MulBatch(r.pool, batch, s, &q)
			return nil
		}
	}), true
}
