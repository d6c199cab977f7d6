//go:build !race

// The race detector makes sync.Pool forget, which allocates.

package gemm

import (
	"testing"

	"github.com/smelt-ml/smelt/internal/kernel/par"
)

func TestMulDoesNotAllocate(t *testing.T) {
	levels(t, func(t *testing.T, kn *Kernel) {
		p := par.New(2)
		defer p.Close()
		const n = 64
		c := &Coded{Codes: make([]byte, n*n), Bits: 4, Scale: make([]float32, n*n/32), Group: 32}
		q := Product{M: n, N: n, K: n, A: RowMajor(make([]float32, n*n), n), B: RowMajor(make([]float32, n*n), n), C: make([]float32, n*n), LDC: n}
		left, right := q, q
		left.PackedA, right.PackedB = kn.PackCodesA(n, n, c), kn.PackCodesB(n, n, c)
		for what, q := range map[string]*Product{"floats": &q, "codes on the left": &left, "codes on the right": &right} {
			kn.Mul(p, q)
			if a := testing.AllocsPerRun(50, func() { kn.Mul(p, q) }); a >= 1 {
				t.Errorf("%s: %v allocations a product", what, a)
			}
		}
	})
}
