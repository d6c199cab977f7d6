package gemm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/smelt-ml/smelt/internal/kernel/cpu"
	"github.com/smelt-ml/smelt/internal/kernel/par"
)

// randomCodes makes rows×cols codes; group 0 is a table.
func randomCodes(r *rand.Rand, rows, cols, bits, group int) *Coded {
	c := &Coded{Bits: bits, Codes: make([]byte, rows*cols)}
	for i := range c.Codes {
		c.Codes[i] = byte(r.IntN(1 << bits))
	}
	if group == 0 {
		c.Table = random(r, 1<<bits)
		return c
	}
	c.Group = group
	c.Scale = random(r, rows*ceilDiv(cols, group))
	if r.IntN(2) == 0 {
		c.Zero = random(r, len(c.Scale))
	}
	return c
}

// expand makes all of the numbers, as Coded defines them.
func (c *Coded) expand(rows, cols int) []float32 {
	out := make([]float32, rows*cols)
	for i, v := range c.Codes[:rows*cols] {
		if c.Table != nil {
			out[i] = c.Table[v]
			continue
		}
		g := i/cols*ceilDiv(cols, c.Group) + i%cols/c.Group
		zero := float32(0)
		if c.Zero != nil {
			zero = c.Zero[g]
		}
		out[i] = c.Scale[g] * (float32(v) - zero)
	}
	return out
}

// TestCodes holds products with codes against those with their numbers: they
// must not differ in a bit.
func TestCodes(t *testing.T) {
	levels(t, func(t *testing.T, kn *Kernel) {
		r := rand.New(rand.NewPCG(9, 10))
		var pools []*par.Pool
		for threads := 1; threads <= 3; threads++ {
			pools = append(pools, par.New(threads))
			defer pools[threads-1].Close()
		}
		for i := range 400 {
			q := Product{M: 1 + r.IntN(40), N: 1 + r.IntN(120), K: 1 + r.IntN(70)}
			switch i % 8 {
			case 0:
				q.M = 1
			case 1:
				q.N = 49
			case 2:
				q.K = 200 + r.IntN(700)
			case 3:
				q.M, q.K = 100+r.IntN(100), 512
			}
			bits := 4 + 4*r.IntN(2)
			group := []int{0, q.K, q.K + 5, 32, 4, 7, 1, 100}[r.IntN(8)]
			q.LDC = q.N + r.IntN(3)
			if r.IntN(2) == 0 {
				q.RowBias = random(r, q.M)
			}
			if r.IntN(2) == 0 {
				q.LDAdd = q.N + r.IntN(3)
				q.Add = random(r, q.M*q.LDAdd)
			}
			if r.IntN(2) == 0 {
				q.ColBias = random(r, q.N)
			}
			q.Act = []Act{{}, Relu, Func(double), Leaky(0.5), PRelu(random(r, q.M))}[r.IntN(5)]
			p := pools[i%len(pools)]
			multiply := func(q Product) []float32 {
				q.C = make([]float32, q.M*q.LDC)
				kn.Mul(p, &q)
				return q.C
			}
			name := fmt.Sprintf("%d×%d×%d, %d bits, groups of %d", q.M, q.N, q.K, bits, group)

			left, floats := q, q
			a := randomCodes(r, q.M, q.K, bits, group)
			left.B = RowMajor(random(r, q.K*q.N), q.N)
			if r.IntN(3) == 0 {
				left.PackedB = kn.PackB(q.K, q.N, left.B)
			}
			floats.B, floats.PackedB = left.B, left.PackedB
			left.PackedA = kn.PackCodesA(q.M, q.K, a)
			floats.PackedA = kn.PackA(q.M, q.K, RowMajor(a.expand(q.M, q.K), q.K))
			if !slices.Equal(multiply(left), multiply(floats)) {
				t.Fatalf("%s: the left operand's codes give other numbers", name)
			}

			right, floats := q, q
			b := randomCodes(r, q.N, q.K, bits, group)
			right.A = RowMajor(random(r, q.M*q.K), q.K)
			floats.A = right.A
			right.PackedB = kn.PackCodesB(q.K, q.N, b)
			floats.PackedB = kn.PackB(q.K, q.N, RowMajor(b.expand(q.N, q.K), q.K).T())
			if !slices.Equal(multiply(right), multiply(floats)) {
				t.Fatalf("%s: the right operand's codes give other numbers", name)
			}

			right.PackedA, floats.PackedA = left.PackedA, kn.PackA(q.M, q.K, RowMajor(a.expand(q.M, q.K), q.K))
			if !slices.Equal(multiply(right), multiply(floats)) {
				t.Fatalf("%s: codes on both sides give other numbers", name)
			}
		}
	})
}

// TestCodesBatch multiplies several left operands, indirectly.
func TestCodesBatch(t *testing.T) {
	levels(t, func(t *testing.T, kn *Kernel) {
		r := rand.New(rand.NewPCG(11, 12))
		p := par.New(2)
		defer p.Close()
		const batch, m, n, k = 3, 20, 60, 36
		for _, group := range []int{0, k, 12} {
			c := randomCodes(r, batch*m, k, 4, group)
			var rows []int
			var cols []int32
			for i := range k {
				rows = append(rows, i*70)
			}
			for j := range int32(n) {
				cols = append(cols, j+j/7)
			}
			data := random(r, batch*k*70)
			s := Strides{A: m * k, B: k * 70, C: m * n}
			var got [2][]float32
			for i, a := range []*PackedA{kn.PackCodesBatch(batch, m, k, c), kn.PackBatch(batch, m*k, m, k, RowMajor(c.expand(batch*m, k), k))} {
				got[i] = make([]float32, batch*m*n)
				kn.MulBatch(p, batch, s, &Product{M: m, N: n, K: k, PackedA: a, Indirect: &Indirect{data, NewTable(rows, cols)}, C: got[i], LDC: n})
			}
			if !slices.Equal(got[0], got[1]) {
				t.Fatalf("groups of %d: other numbers", group)
			}
		}
	})
}

// TestCodesIndirect multiplies few rows by what a table says: columns in runs,
// which are read where they are, for more inner indices than a block has.
func TestCodesIndirect(t *testing.T) {
	levels(t, func(t *testing.T, kn *Kernel) {
		r := rand.New(rand.NewPCG(15, 16))
		p := par.New(1)
		defer p.Close()
		for _, k := range []int{256, 700, blockA/kn.mr + 1} {
			rows, cols := make([]int, k), make([]int32, 96)
			for i := range rows {
				rows[i] = i % 50 * 96
			}
			for j := range cols {
				cols[j] = int32(j)
			}
			b := &Indirect{random(r, 50*96), NewTable(rows, cols)}
			for _, m := range []int{1, 2, kn.mr - 1, kn.mr, kn.mr + 1} {
				c := randomCodes(r, m, k, 4, k)
				var got [2][]float32
				for i, a := range []*PackedA{kn.PackCodesA(m, k, c), kn.PackA(m, k, RowMajor(c.expand(m, k), k))} {
					got[i] = make([]float32, m*49)
					kn.Mul(p, &Product{M: m, N: 49, K: k, PackedA: a, Indirect: b, C: got[i], LDC: 49})
				}
				if !slices.Equal(got[0], got[1]) {
					t.Errorf("%d×%d: other numbers", m, k)
				}
			}
		}
	})
}

// TestCodesLastRows multiplies a block of rows whose numbers fit only for a part
// of the inner indices, and then as many as fit for all.
func TestCodesLastRows(t *testing.T) {
	levels(t, func(t *testing.T, kn *Kernel) {
		r := rand.New(rand.NewPCG(17, 18))
		p := par.New(1)
		defer p.Close()
		const n, k = 30, 273
		m := blockRows(k, kn.mr) + blockA/k/kn.mr*kn.mr
		c := randomCodes(r, m, k, 4, k)
		q := Product{M: m, N: n, K: k, B: RowMajor(random(r, k*n), n), LDC: n}
		var got [2][]float32
		for i, a := range []*PackedA{kn.PackCodesA(m, k, c), kn.PackA(m, k, RowMajor(c.expand(m, k), k))} {
			got[i] = make([]float32, m*n)
			q.PackedA, q.C = a, got[i]
			kn.Mul(p, &q)
		}
		if !slices.Equal(got[0], got[1]) {
			t.Error("other numbers")
		}
	})
}

// TestNoCodes has operands of no elements on one of their sides.
func TestNoCodes(t *testing.T) {
	levels(t, func(t *testing.T, kn *Kernel) {
		p := par.New(1)
		defer p.Close()
		for _, zero := range [][]float32{nil, {}} {
			c := &Coded{Bits: 4, Scale: []float32{}, Zero: zero, Group: 1}
			q := Product{M: 2, N: 3, PackedA: kn.PackCodesA(2, 0, c), PackedB: kn.PackCodesB(0, 3, c), C: []float32{9, 9, 9, 9, 9, 9}, LDC: 3, RowBias: []float32{1, 2}}
			kn.Mul(p, &q)
			if want := []float32{1, 1, 1, 2, 2, 2}; !slices.Equal(q.C, want) {
				t.Errorf("%v, want %v", q.C, want)
			}
			kn.Mul(p, &Product{K: 5, PackedA: kn.PackCodesA(0, 5, c), PackedB: kn.PackCodesB(5, 0, c)})
		}
	})
}

// TestCodesMemory wants codes and parameters, and nothing of the numbers' size.
func TestCodesMemory(t *testing.T) {
	levels(t, func(t *testing.T, kn *Kernel) {
		const rows, k, group = 480, 1000, 40 // of 250 in a block
		for _, bits := range []int{4, 8} {
			c := &Coded{Codes: make([]byte, rows*k), Bits: bits, Group: group, Scale: make([]float32, rows*k/group)}
			for _, p := range []*codes{&kn.PackCodesA(rows, k, c).codes[0], kn.PackCodesB(k, rows, c).codes} {
				params := 4 * p.period * chunk * ceilDiv(rows, p.width) * (k / group)
				if most := rows*k*bits/8*11/10 + params + 4*p.period*chunk; len(p.data)+4*(len(p.scale)+len(p.zero)) > most {
					t.Errorf("%d bits in panels of %d: %d bytes of codes, %d scales and %d zeros, want at most %d bytes",
						bits, p.width, len(p.data), len(p.scale), len(p.zero), most)
				}
			}
		}
	})
}

// TestCodesPanics gives slices that are too short.
func TestCodesPanics(t *testing.T) {
	const rows, cols = 3, 10
	good := Coded{Codes: make([]byte, rows*cols), Bits: 8, Scale: make([]float32, rows*3), Zero: make([]float32, rows*3), Group: 4}
	levels(t, func(t *testing.T, kn *Kernel) {
		for what, spoil := range map[string]func(c *Coded){
			"codes":    func(c *Coded) { c.Codes = c.Codes[1:] },
			"bits":     func(c *Coded) { c.Bits = 5 },
			"scales":   func(c *Coded) { c.Scale = c.Scale[1:] },
			"zeros":    func(c *Coded) { c.Zero = c.Zero[1:] },
			"no group": func(c *Coded) { c.Group = 0 },
			"table":    func(c *Coded) { c.Table = make([]float32, 255) },
		} {
			c := good
			spoil(&c)
			for _, pack := range []func(){
				func() { kn.PackCodesA(rows, cols, &c) },
				func() { kn.PackCodesBatch(rows, 1, cols, &c) },
				func() { kn.PackCodesB(cols, rows, &c) },
			} {
				func() {
					defer func() {
						if s, ok := recover().(string); !ok || !strings.HasPrefix(s, "gemm: ") {
							t.Errorf("%s: %v", what, s)
						}
					}()
					pack()
				}()
			}
		}
		defer func() {
			if s, ok := recover().(string); !ok || !strings.Contains(s, "codes") {
				t.Errorf("a panel times codes: %q", s)
			}
		}()
		kn.MulPanel(new(Panel), kn.PackCodesA(rows, cols, &good), 0, make([]float32, cols*kn.Width()), 1, make([]float32, rows), 1)
	})
}

// TestExpanders holds each level's expansions against the portable ones.
func TestExpanders(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 14))
	for _, l := range cpu.Available() {
		by := For(l).expand
		for _, bits := range []int{4, 8} {
			for _, period := range []int{1, 3, 6} {
				for chunks := 0; chunks <= 24; chunks += 2 {
					codes := make([]byte, chunks*bits)
					for i := range codes {
						codes[i] = byte(r.Uint32())
					}
					scale, zero, table := random(r, period*chunk), random(r, period*chunk), random(r, 1<<bits)
					want, got := make([]float32, chunks*chunk+1), make([]float32, chunks*chunk+1)
					shiftGeneric(want, codes, bits, chunks, period, scale, zero)
					by.shift(got, codes, bits, chunks, period, scale, zero)
					if !slices.Equal(got, want) {
						t.Fatalf("%v: %d bits, %d chunks, period %d: shifted to other numbers", l, bits, chunks, period)
					}
					tableGeneric(want, codes, bits, chunks, table)
					by.table(got, codes, bits, chunks, table)
					if !slices.Equal(got, want) {
						t.Fatalf("%v: %d bits, %d chunks: other entries", l, bits, chunks)
					}
				}
			}
		}
	}
}

// BenchmarkExpand reports the time of a weight.
func BenchmarkExpand(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, l := range cpu.Available() {
		by := For(l).expand
		const chunks = 4096
		codes, dst, params, table := make([]byte, chunks*8), make([]float32, chunks*chunk), random(r, 6*chunk), random(r, 256)
		for i := range codes {
			codes[i] = byte(r.Uint32())
		}
		for _, bits := range []int{4, 8} {
			for _, period := range []int{1, 6} {
				b.Run(fmt.Sprintf("%v/shift%d/period%d", l, bits, period), func(b *testing.B) {
					for b.Loop() {
						by.shift(dst, codes, bits, chunks, period, params, params)
					}
					b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(chunks*chunk), "ns/weight")
				})
			}
			b.Run(fmt.Sprintf("%v/table%d", l, bits), func(b *testing.B) {
				for b.Loop() {
					by.table(dst, codes, bits, chunks, table)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(chunks*chunk), "ns/weight")
			})
		}
	}
}

// BenchmarkCodes reports how much longer products take by codes than by floats,
// taken in turns: the least of all turns. Weights are those of several layers,
// which do not fit in the caches of a core.
func BenchmarkCodes(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, l := range cpu.Available() {
		kn := For(l)
		for _, s := range []struct {
			name    string
			m, n, k int
			right   bool // the codes are B
		}{
			{"1x1024x1024", 1, 1024, 1024, true},
			{"128x1024x1024", 128, 1024, 1024, true},
			{"512x49x2048", 512, 49, 2048, false},
			{"256x196x1024", 256, 196, 1024, false},
			{"64x3136x256", 64, 3136, 256, false},
		} {
			for _, way := range []struct {
				name        string
				bits, group int
			}{{"shift8", 8, s.k}, {"shift4by32", 4, 32}, {"table4", 4, 0}, {"table8", 8, 0}} {
				b.Run(fmt.Sprintf("%v/%s/%s", l, s.name, way.name), func(b *testing.B) {
					p := par.New(1)
					defer p.Close()
					const layers = 12
					var qs [2][layers]Product // of floats, of codes
					for i := range layers {
						q := Product{M: s.m, N: s.n, K: s.k, C: make([]float32, s.m*s.n), LDC: s.n}
						f := q
						if s.right {
							c := randomCodes(r, s.n, s.k, way.bits, way.group)
							q.A = RowMajor(random(r, s.m*s.k), s.k)
							f.A = q.A
							q.PackedB, f.PackedB = kn.PackCodesB(s.k, s.n, c), kn.PackB(s.k, s.n, RowMajor(c.expand(s.n, s.k), s.k).T())
						} else {
							c := randomCodes(r, s.m, s.k, way.bits, way.group)
							q.B = RowMajor(random(r, s.k*s.n), s.n)
							f.B = q.B
							q.PackedA, f.PackedA = kn.PackCodesA(s.m, s.k, c), kn.PackA(s.m, s.k, RowMajor(c.expand(s.m, s.k), s.k))
						}
						qs[0][i], qs[1][i] = f, q
					}
					least := [2]time.Duration{math.MaxInt64, math.MaxInt64}
					for b.Loop() {
						for i := range qs {
							start := time.Now()
							for j := range qs[i] {
								kn.Mul(p, &qs[i][j])
							}
							least[i] = min(least[i], time.Since(start))
						}
					}
					b.ReportMetric(float64(least[0].Microseconds())/layers, "µs/floats")
					b.ReportMetric(float64(least[1].Microseconds())/layers, "µs/codes")
					b.ReportMetric(float64(least[1])/float64(least[0]), "codes/floats")
				})
			}
		}
	}
}
