package gemm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/smelt-ml/smelt/internal/kernel/cpu"
	"github.com/smelt-ml/smelt/internal/kernel/par"
)

const eps = 1.0 / (1 << 24)

func random(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

// want is the reference, in float64, and the bound of the error of a float32
// sum of that length in any order.
func (q *Product) want(i, j int) (v, bound float64) {
	at := func(m Matrix, i, j int) float64 { return float64(m.Data[i*m.RowStride+j*m.ColStride]) }
	var abs float64
	add := func(x float64) { v += x; abs += math.Abs(x) }
	for k := range q.K {
		b := 0.0
		if x := q.Indirect; x != nil {
			b = float64(x.Data[x.Table.rows[k]+int(x.Table.cols[j])])
		} else {
			b = at(q.B, k, j)
		}
		add(at(q.A, i, k) * b)
	}
	if q.Add != nil {
		add(float64(q.Add[i*q.LDAdd+j]))
	}
	if q.RowBias != nil {
		add(float64(q.RowBias[i]))
	}
	if q.ColBias != nil {
		add(float64(q.ColBias[j]))
	}
	bound = float64(q.K+4) * eps * abs
	switch q.Act.kind {
	case actClamp:
		v = min(max(v, float64(q.Act.lo)), float64(q.Act.hi))
	case actLeaky:
		if v < 0 {
			v *= float64(q.Act.lo)
		}
	case actPRelu:
		slope := float64(q.Act.slopes[i])
		if v < 0 {
			v *= slope
		}
		bound *= math.Max(1, math.Abs(slope)) // the error is multiplied, too
	case actFunc:
		v = 2 * v
		bound *= 2
	}
	return v, bound
}

func double(dst, src []float32) {
	for i, v := range src {
		dst[i] = 2 * v
	}
}

// verify computes q, with guards around the rows of C, and compares.
func verify(t *testing.T, kn *Kernel, p *par.Pool, q Product) {
	t.Helper()
	const guard = 12345
	ref := q
	if q.Add != nil && len(q.C) > 0 && len(q.Add) > 0 && &q.Add[0] == &q.C[0] {
		ref.Add = append([]float32(nil), q.Add...)
	} else {
		for i := range q.C {
			q.C[i] = guard
		}
	}
	kn.Mul(p, &q)
	for i := range q.M {
		for j := range q.LDC {
			if i*q.LDC+j >= len(q.C) {
				break
			}
			got := float64(q.C[i*q.LDC+j])
			if j >= q.N {
				if ref.Add == nil && got != guard {
					t.Fatalf("%d×%d×%d: wrote beyond row %d, at column %d", q.M, q.N, q.K, i, j)
				}
				continue
			}
			want, bound := ref.want(i, j)
			if !(math.Abs(got-want) <= bound) {
				t.Fatalf("%d×%d×%d: C[%d,%d] = %v, want %v ± %v", q.M, q.N, q.K, i, j, got, want, bound)
			}
		}
	}
}

func levels(t *testing.T, f func(t *testing.T, kn *Kernel)) {
	for _, l := range cpu.Available() {
		t.Run(l.String(), func(t *testing.T) { f(t, For(l)) })
	}
}

func TestMul(t *testing.T) {
	levels(t, func(t *testing.T, kn *Kernel) {
		r := rand.New(rand.NewPCG(1, 2))
		pools := []*par.Pool{par.New(1), par.New(2), par.New(3)}
		for n := range 600 {
			p := pools[n%len(pools)]
			q := Product{M: r.IntN(40), N: r.IntN(120), K: r.IntN(40)}
			switch n % 10 {
			case 0:
				q.M = 1
			case 1:
				q.N = 1
			case 2:
				q.K = 0
			case 3:
				q.K = 200 + r.IntN(500)
			}
			a := Matrix{Data: random(r, (q.M+3)*(q.K+3)), RowStride: q.K + 2, ColStride: 1}
			if r.IntN(2) == 0 {
				a = Matrix{Data: a.Data, RowStride: 1, ColStride: q.M + 1}
			}
			b := Matrix{Data: random(r, (q.K+3)*(q.N+3)*2), RowStride: q.N + 2, ColStride: 1}
			switch r.IntN(3) {
			case 0:
				b = Matrix{Data: b.Data, RowStride: 1, ColStride: q.K + 1}
			case 1:
				b = Matrix{Data: b.Data, RowStride: 2*q.N + 1, ColStride: 2}
			}
			q.A, q.B = a, b
			q.LDC = q.N + r.IntN(4)
			q.C = random(r, q.M*q.LDC)
			if r.IntN(2) == 0 {
				q.RowBias = random(r, q.M)
			}
			if r.IntN(3) == 0 {
				q.ColBias = random(r, q.N)
			}
			switch r.IntN(3) {
			case 0:
				q.LDAdd = q.N + 1
				q.Add = random(r, q.M*q.LDAdd)
			case 1:
				q.Add, q.LDAdd = q.C, q.LDC
			}
			q.Act = []Act{{}, Relu, Clamp(-0.5, 0.75), Leaky(0.25), PRelu(random(r, q.M)), Func(double)}[r.IntN(6)]
			if r.IntN(2) == 0 {
				q.PackedA = kn.PackA(q.M, q.K, a)
			}
			if r.IntN(2) == 0 {
				q.PackedB = kn.PackB(q.K, q.N, b)
			}
			verify(t, kn, p, q)
		}
		for _, p := range pools {
			p.Close()
		}
	})
}

// TestSizes goes through each remainder of rows and columns.
func TestSizes(t *testing.T) {
	levels(t, func(t *testing.T, kn *Kernel) {
		r := rand.New(rand.NewPCG(3, 4))
		p := par.New(1)
		defer p.Close()
		for m := 1; m <= kn.mr+1; m++ {
			for n := 1; n <= kn.nr+1; n++ {
				for _, k := range []int{0, 1, 2, 3, 7} {
					q := Product{M: m, N: n, K: k, LDC: n + 1, Act: Clamp(-2, 2)}
					q.A = RowMajor(random(r, m*k), k)
					q.B = RowMajor(random(r, k*n), n)
					q.C = random(r, m*q.LDC)
					q.Add, q.LDAdd = random(r, m*n), n
					q.RowBias, q.ColBias = random(r, m), random(r, n)
					verify(t, kn, p, q)
					q.PackedB = kn.PackB(k, n, q.B)
					q.RowBias, q.ColBias, q.Add = nil, nil, nil
					verify(t, kn, p, q)
				}
			}
		}
	})
}

// TestEdge multiplies with one column more than whole panels, which whole panels
// of A take along.
func TestEdge(t *testing.T) {
	levels(t, func(t *testing.T, kn *Kernel) {
		r := rand.New(rand.NewPCG(5, 6))
		p := par.New(1)
		defer p.Close()
		for i := range 60 {
			q := Product{M: kn.mr*(1+i%4) + i%2*3, N: kn.nr*(1+i%3) + 1, K: []int{0, 1, 2, 5, 300, 512}[i%6]}
			q.M = max(q.M, 9*kn.mr*(i%5/4)) // too high to read B in place
			q.LDC = q.N + i%3
			q.A, q.B, q.C = RowMajor(random(r, q.M*q.K), q.K), RowMajor(random(r, q.K*q.N), q.N), random(r, q.M*q.LDC)
			q.PackedA = kn.PackA(q.M, q.K, q.A)
			if i%2 == 0 {
				q.PackedB = kn.PackB(q.K, q.N, q.B)
			}
			if r.IntN(2) == 0 {
				q.RowBias = random(r, q.M)
			}
			if r.IntN(2) == 0 {
				q.ColBias = random(r, q.N)
			}
			if r.IntN(2) == 0 {
				q.LDAdd = q.N + r.IntN(3)
				q.Add = random(r, q.M*q.LDAdd)
			}
			q.Act = []Act{{}, Relu, Clamp(-0.5, 0.75), Leaky(0.25), PRelu(random(r, q.M)), Func(double)}[r.IntN(6)]
			verify(t, kn, p, q)
		}
	})
}

// TestIndirect feeds columns cut into runs of each length.
func TestIndirect(t *testing.T) {
	levels(t, func(t *testing.T, kn *Kernel) {
		r := rand.New(rand.NewPCG(5, 6))
		p := par.New(2)
		defer p.Close()
		for run := 1; run <= 60; run++ {
			q := Product{M: 5, N: 1 + r.IntN(150), K: 1 + r.IntN(300)}
			if run%2 == 0 {
				q.M = 100 // packed, not direct
			}
			var cols []int32
			for j := range q.N {
				cols = append(cols, int32(j+j/run*3))
			}
			var rows []int
			for range q.K {
				rows = append(rows, r.IntN(100))
			}
			x := &Indirect{Table: NewTable(rows, cols)}
			x.Data = random(r, x.Table.end)
			q.Indirect = x
			q.A = RowMajor(random(r, q.M*q.K), q.K)
			q.C, q.LDC = make([]float32, q.M*q.N), q.N
			verify(t, kn, p, q)
		}
	})
}

func TestBatch(t *testing.T) {
	levels(t, func(t *testing.T, kn *Kernel) {
		r := rand.New(rand.NewPCG(7, 8))
		p := par.New(3)
		defer p.Close()
		for n := range 40 {
			m, c, k, batch := 1+r.IntN(20), 1+r.IntN(60), r.IntN(30), 1+r.IntN(6)
			s := Strides{A: m * k, B: k * c, C: m * c, Add: m * c}
			if n%3 == 0 {
				s.A = 0
			}
			if n%4 == 0 {
				s.B = 0
			}
			q := Product{M: m, N: c, K: k, LDC: c, LDAdd: c}
			q.A, q.B = RowMajor(random(r, batch*m*k), k), RowMajor(random(r, batch*k*c), c)
			q.C, q.Add = make([]float32, batch*m*c), random(r, batch*m*c)
			if n%5 == 0 {
				q.PackedA, s.A = kn.PackA(m, k, q.A), 0
			} else if n%5 == 1 {
				q.PackedA = kn.PackBatch(batch, s.A, m, k, q.A)
			}
			if n%2 == 0 {
				q.RowBias, s.RowBias = random(r, batch*m), m
			}
			kn.MulBatch(p, batch, s, &q)
			for b := range batch {
				var w work
				(&job{Product: q, stride: s}).member(&w, b)
				one := &w.Product
				one.A.Data = q.A.Data[b*s.A:]
				for i := range m {
					for j := range c {
						want, bound := one.want(i, j)
						if got := float64(one.C[i*c+j]); !(math.Abs(got-want) <= bound) {
							t.Fatalf("member %d of %d, %d×%d×%d: C[%d,%d] = %v, want %v", b, batch, m, c, k, i, j, got, want)
						}
					}
				}
			}
		}
	})
}

// TestSpecial holds that NaN and infinities arrive where they should and only there.
func TestSpecial(t *testing.T) {
	levels(t, func(t *testing.T, kn *Kernel) {
		p := par.New(1)
		defer p.Close()
		nan, inf := float32(math.NaN()), float32(math.Inf(1))
		const m, n, k = 9, 50, 3
		for _, act := range []Act{{}, Relu, Clamp(-1, 6), Leaky(0.1), PRelu(random(rand.New(rand.NewPCG(1, 1)), m))} {
			a, b := make([]float32, m*k), make([]float32, k*n)
			for i := range a {
				a[i] = 1
			}
			for i := range b {
				b[i] = 1
			}
			b[1*n+7] = nan
			b[2*n+49] = inf
			b[0*n+20] = -inf
			c := make([]float32, m*n)
			kn.Mul(p, &Product{M: m, N: n, K: k, A: RowMajor(a, k), B: RowMajor(b, n), C: c, LDC: n, Act: act})
			for i := range m {
				for j := range n {
					x := []float32{3}
					switch j {
					case 7:
						x[0] = nan
					case 49:
						x[0] = inf
					case 20:
						x[0] = -inf
					}
					act.Apply(kn.vec, x, i)
					if got := c[i*n+j]; got != x[0] && !(got != got && x[0] != x[0]) {
						t.Fatalf("act %v: C[%d,%d] = %v, want %v", act.kind, i, j, got, x[0])
					}
				}
			}
		}
	})
}

func TestShortSlicesPanic(t *testing.T) {
	p := par.New(1)
	defer p.Close()
	kn := For(cpu.Generic)
	good := func() Product {
		return Product{M: 3, N: 4, K: 5, A: RowMajor(make([]float32, 15), 5), B: RowMajor(make([]float32, 20), 4), C: make([]float32, 12), LDC: 4}
	}
	q := good()
	kn.Mul(p, &q)
	for name, spoil := range map[string]func(q *Product){
		"A":             func(q *Product) { q.A.Data = q.A.Data[:14] },
		"B":             func(q *Product) { q.B.Data = q.B.Data[:19] },
		"C":             func(q *Product) { q.C = q.C[:11] },
		"rows":          func(q *Product) { q.RowBias = make([]float32, 2) },
		"column biases": func(q *Product) { q.ColBias = make([]float32, 3) },
		"add":           func(q *Product) { q.Add, q.LDAdd = make([]float32, 11), 4 },
		"LDC":           func(q *Product) { q.LDC = 3 },
		"negative":      func(q *Product) { q.K = -1 },
		"packed A":      func(q *Product) { q.PackedA = kn.PackA(3, 4, q.A) },
		"packed B":      func(q *Product) { q.PackedB = kn.PackB(4, 4, q.B) },
		"indirect": func(q *Product) {
			q.Indirect = &Indirect{Data: make([]float32, 8), Table: NewTable([]int{0, 1, 2, 3, 4}, []int32{0, 1, 2, 4})}
		},
		"table": func(q *Product) {
			q.Indirect = &Indirect{Data: make([]float32, 9), Table: NewTable([]int{0, 1, 2, 3}, []int32{0, 1, 2, 4})}
		},
		"columns": func(q *Product) { NewTable([]int{0}, []int32{1, 1}) },
		"place":   func(q *Product) { NewTable([]int{-1}, []int32{0, 1}) },
	} {
		q := good()
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			spoil(&q)
			kn.Mul(p, &q)
		}()
	}
}

// BenchmarkTile is the micro-kernel alone, with operands in the first-level cache:
// what the instructions can do.
func BenchmarkTile(b *testing.B) {
	for _, l := range cpu.Available() {
		b.Run(l.String(), func(b *testing.B) {
			kn := For(l)
			const k = 128
			t := &tile{k: k, a: make([]float32, k*kn.mr), astep: kn.mr, b: make([]float32, k*kn.nr), c: make([]float32, kn.mr*kn.nr), ldc: kn.nr, rows: kn.mr, cols: kn.nr}
			for b.Loop() {
				for range 100 {
					kn.micro(t)
				}
			}
			b.ReportMetric(2*float64(100*kn.mr*kn.nr*k)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOPS")
		})
	}
}

func BenchmarkMul(b *testing.B) {
	for _, l := range cpu.Available() {
		for _, s := range [][3]int{
			{512, 512, 512},
			// SqueezeNet's 1×1 layers: squeeze, expand.
			{16, 3025, 64},
			{64, 3025, 16},
			{32, 729, 128},
			{128, 729, 32},
			{48, 169, 256},
			{192, 169, 48},
			{64, 169, 384},
			{256, 169, 64},
			{1000, 169, 512},
			// Products of 3×3 windows, and a classifier.
			{64, 3025, 144},
			{64, 3136, 576},
			{512, 196, 2304},
			{512, 49, 4608},
			{1, 1000, 2048},
			{1000, 1, 2048},
		} {
			b.Run(fmt.Sprintf("%v/%dx%dx%d", l, s[0], s[1], s[2]), func(b *testing.B) {
				p := par.New(1)
				defer p.Close()
				kn := For(l)
				q := Product{M: s[0], N: s[1], K: s[2], LDC: s[1], Act: Relu}
				a := make([]float32, q.M*q.K)
				q.PackedA = kn.PackA(q.M, q.K, RowMajor(a, q.K))
				q.B = RowMajor(make([]float32, q.K*q.N), q.N)
				q.C = make([]float32, q.M*q.N)
				for b.Loop() {
					kn.Mul(p, &q)
				}
				b.ReportMetric(2*float64(q.M*q.N*q.K)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOPS")
			})
		}
	}
}

// BenchmarkUnpacked has operands that are known at run time only, as attention
// does, and a linear layer, whose weights are packed.
func BenchmarkUnpacked(b *testing.B) {
	for _, l := range cpu.Available() {
		for _, s := range []struct {
			name           string
			batch, m, n, k int
			left, packed   bool // B is transposed or packed
		}{
			{"scores", 12, 128, 128, 64, true, false},
			{"values", 12, 128, 64, 128, false, false},
			{"scores1", 12, 1, 512, 64, true, false},
			{"values1", 12, 1, 64, 512, false, false},
			{"linear128", 1, 128, 768, 768, true, true},
			{"linear1", 1, 1, 768, 768, true, true},
			{"linear1unpacked", 1, 1, 768, 768, true, false},
		} {
			b.Run(fmt.Sprintf("%v/%s", l, s.name), func(b *testing.B) {
				p := par.New(1)
				defer p.Close()
				kn := For(l)
				q := Product{M: s.m, N: s.n, K: s.k, LDC: s.n, A: RowMajor(make([]float32, s.batch*s.m*s.k), s.k), C: make([]float32, s.batch*s.m*s.n)}
				q.B = RowMajor(make([]float32, s.batch*s.k*s.n), s.n)
				if s.left {
					q.B = RowMajor(q.B.Data, s.k).T()
				}
				if s.packed {
					q.PackedB = kn.PackB(s.k, s.n, q.B)
				}
				for b.Loop() {
					kn.MulBatch(p, s.batch, Strides{A: s.m * s.k, B: s.k * s.n, C: s.m * s.n}, &q)
				}
				b.ReportMetric(2*float64(s.batch*s.m*s.n*s.k)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOPS")
			})
		}
	}
}
