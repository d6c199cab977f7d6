package attend

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/smelt-ml/smelt/internal/kernel/cpu"
	"github.com/smelt-ml/smelt/internal/kernel/par"
)

func random(r *rand.Rand, n int) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = float32(r.NormFloat64())
	}
	return out
}

// plain is the definition, in float64.
func plain(a *Attention) {
	weights := make([]float64, a.Keys)
	for b := range a.Outer {
		for h := range a.Heads {
			for i := range a.Rows {
				q, sum := a.Query.at(b, h, i), 0.0
				for j := range weights {
					k, s := a.Key.at(b, h, j), 0.0
					for c := range a.Inner {
						s += float64(q[c]) * float64(k[c])
					}
					s *= float64(a.Scale)
					if a.Mask.Data != nil {
						s += float64(a.Mask.at(b, h, i)[j])
					}
					weights[j] = math.Exp(s)
					sum += weights[j]
				}
				for c := range a.Width {
					s := 0.0
					for j, w := range weights {
						s += w * float64(a.Value.at(b, h, j)[c])
					}
					a.Out.at(b, h, i)[c] = float32(s / sum)
				}
			}
		}
	}
}

// matrices returns an operand of random values, heads inside of the rows if
// swapped.
func matrices(r *rand.Rand, a *Attention, rows, width int, swapped bool) Operand {
	o := Operand{Data: random(r, a.Outer*a.Heads*rows*width), Outer: a.Heads * rows * width, Head: rows * width, Row: width}
	if swapped {
		o.Head, o.Row = width, a.Heads*width
	}
	return o
}

func sample(r *rand.Rand, outer, heads, rows, keys, inner, width, mask int) *Attention {
	a := &Attention{Outer: outer, Heads: heads, Rows: rows, Keys: keys, Inner: inner, Width: width, Scale: 0.3}
	swap := func() bool { return r.IntN(2) == 0 }
	a.Query, a.Key = matrices(r, a, rows, inner, swap()), matrices(r, a, keys, inner, swap())
	a.Value, a.Out = matrices(r, a, keys, width, swap()), matrices(r, a, rows, width, swap())
	switch mask {
	case 1:
		a.Mask = Operand{Data: random(r, keys)}
	case 2:
		a.Mask = Operand{Data: random(r, rows*keys), Row: keys}
	case 3:
		a.Mask = matrices(r, a, rows, keys, false)
	}
	if mask > 0 { // some keys take no part
		for i := range a.Mask.Data {
			if i%3 == 1 {
				a.Mask.Data[i] = float32(math.Inf(-1))
			}
		}
	}
	return a
}

func TestAttention(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, s := range [][6]int{
		{1, 1, 1, 1, 1, 1}, {1, 2, 5, 7, 3, 4}, {2, 3, 17, 33, 8, 16}, {1, 1, 200, 65, 32, 32}, {1, 2, 40, 3000, 16, 5}, {3, 1, 1, 90, 64, 64},
	} {
		for mask := range 4 {
			a := sample(r, s[0], s[1], s[2], s[3], s[4], s[5], mask)
			plain(a)
			want := append([]float32(nil), a.Out.Data...)
			for _, level := range cpu.Available() {
				for _, threads := range []int{1, 3} {
					pool := par.New(threads)
					clear(a.Out.Data)
					For(level).Run(pool, a)
					pool.Close()
					for i, w := range want {
						if d := math.Abs(float64(a.Out.Data[i] - w)); !(d <= 2e-5) {
							t.Fatalf("%v, mask %d, %s, %d threads: element %d is %g, want %g", s, mask, level, threads, i, a.Out.Data[i], w)
						}
					}
				}
			}
		}
	}
}

func BenchmarkAttention(b *testing.B) {
	a := sample(rand.New(rand.NewPCG(3, 4)), 1, 12, 128, 128, 32, 32, 1)
	pool := par.New(1)
	defer pool.Close()
	kn := For(cpu.Best())
	for b.Loop() {
		kn.Run(pool, a)
	}
	b.ReportMetric(float64(b.N)*2*12*128*128*64/float64(b.Elapsed().Nanoseconds()), "GFLOP/s")
}
