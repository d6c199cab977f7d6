package conv

import (
	"sync"

	"github.com/smelt-ml/smelt/internal/kernel/cpu"
	"github.com/smelt-ml/smelt/internal/kernel/gemm"
	"github.com/smelt-ml/smelt/internal/kernel/par"
	"github.com/smelt-ml/smelt/internal/kernel/vec"
	"github.com/smelt-ml/smelt/internal/kernel/window"
)

// dense is a convolution whose only window is the whole image, such as those of
// single elements that weigh channels by their means: each image of the batch
// is a row of a product with the weights.
type dense struct {
	filters, inner int
	weights        *gemm.PackedB
	bias           []float32
	act            gemm.Act
	kernel         *gemm.Kernel
	vec            *vec.Funcs
	products       sync.Pool // of *gemm.Product
}

func isDense(s *Shape) bool {
	return s.Groups == 1 && s.Kernel == s.In && window.Size(s.Windows()) == 1 && s.Pad == [3][2]int{}
}

func newDense(l cpu.Level, s *Shape, weights *gemm.PackedB, bias []float32, act gemm.Act) *dense {
	return &dense{
		filters: s.Filters, inner: s.Channels * window.Size(s.Kernel), weights: weights,
		bias: bias, act: act, kernel: gemm.For(l), vec: vec.For(l),
	}
}

func (d *dense) run(pool *par.Pool, batch int, dst, src, add []float32) {
	q, _ := d.products.Get().(*gemm.Product)
	if q == nil {
		q = new(gemm.Product)
	}
	*q = gemm.Product{
		M: batch, N: d.filters, K: d.inner, A: gemm.RowMajor(src, d.inner), PackedB: d.weights,
		C: dst, LDC: d.filters, ColBias: d.bias, Add: add, LDAdd: d.filters,
	}
	if d.act.Uniform() {
		q.Act = d.act
	}
	d.kernel.Mul(pool, q)
	*q = gemm.Product{}
	d.products.Put(q)
	if !d.act.Uniform() { // by filter, which here is a column
		for i := range batch {
			d.act.ApplyRows(d.vec, dst[i*d.filters:(i+1)*d.filters], 0, 1)
		}
	}
}
