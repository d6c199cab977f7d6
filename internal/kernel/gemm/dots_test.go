package gemm

import (
	"math/rand/v2"
	"testing"

	"github.com/smelt-ml/smelt/internal/kernel/par"
	"pgregory.net/rapid"
)

// TestNarrow holds products with a few vectors, from either side and in every
// form that the matrix may have, against float64.
func TestNarrow(t *testing.T) {
	levels(t, func(t *testing.T, kn *Kernel) {
		pools := []*par.Pool{par.New(1), par.New(3)}
		defer pools[0].Close()
		defer pools[1].Close()
		rapid.Check(t, func(rt *rapid.T) {
			r := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 1))
			few, many := rapid.IntRange(1, maxNarrow+1).Draw(rt, "few"), rapid.IntRange(1, 150).Draw(rt, "many")
			q := Product{M: few, N: many, K: rapid.SampledFrom([]int{0, 1, 5, 16, 37, 200, 530}).Draw(rt, "k")}
			if rapid.Bool().Draw(rt, "vectors on the right") {
				q.M, q.N = many, few
			}
			matrix := func(name string, rows, cols int) Matrix {
				gap := rapid.IntRange(0, 3).Draw(rt, name+" gap")
				if rapid.Bool().Draw(rt, name+" by columns") {
					return RowMajor(random(r, cols*(rows+gap)), rows+gap).T()
				}
				return RowMajor(random(r, rows*(cols+gap)), cols+gap)
			}
			q.A, q.B = matrix("A", q.M, q.K), matrix("B", q.K, q.N)
			q.LDC = q.N + rapid.IntRange(0, 3).Draw(rt, "C gap")
			q.C = random(r, q.M*q.LDC)
			switch rapid.IntRange(0, 2).Draw(rt, "add") {
			case 1:
				q.Add, q.LDAdd = random(r, q.M*q.N), q.N
			case 2:
				q.Add, q.LDAdd = q.C, q.LDC
			}
			if rapid.Bool().Draw(rt, "biases") {
				q.RowBias, q.ColBias = random(r, q.M), random(r, q.N)
			}
			q.Act = rapid.SampledFrom([]Act{{}, Relu, Leaky(0.25), PRelu(random(r, q.M)), Func(double)}).Draw(rt, "act")
			if rapid.Bool().Draw(rt, "pack A") {
				q.PackedA = kn.PackA(q.M, q.K, q.A)
			}
			if rapid.Bool().Draw(rt, "pack B") {
				q.PackedB = kn.PackB(q.K, q.N, q.B)
			}
			verify(t, kn, rapid.SampledFrom(pools).Draw(rt, "pool"), q)
			if t.Failed() {
				rt.FailNow()
			}
		})
	})
}
