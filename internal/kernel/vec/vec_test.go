package vec

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/smelt-ml/smelt/internal/kernel/cpu"
)

const eps = 1.0 / (1 << 24)

var (
	nan = float32(math.NaN())
	inf = float32(math.Inf(1))
)

func levels(t *testing.T, f func(t *testing.T, v *Funcs)) {
	for _, l := range cpu.Available() {
		t.Run(l.String(), func(t *testing.T) { f(t, For(l)) })
	}
}

func random(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64() * 3)
	}
	return x
}

// ulp is the distance of a float32 near x to the next.
func ulp(x float64) float64 {
	a := math.Abs(x)
	if a < 0x1p-126 {
		return 0x1p-149
	}
	_, e := math.Frexp(a)
	return math.Ldexp(1, e-24)
}

// sweep is the special arguments, every 5000th float32 of either sign up to 1000,
// which has all the exponents, and some of each beyond, where functions saturate.
func sweep() []float32 {
	x := []float32{
		0, float32(math.Copysign(0, -1)), 1, -1, inf, -inf, nan, math.MaxFloat32, -math.MaxFloat32,
		math.SmallestNonzeroFloat32, -math.SmallestNonzeroFloat32, 0x1p-126, -0x1p-126, 88.72283, 88.72284, -87.33655, -103.97, -103.98, -104, -88, 0.625, 0.9375, 4, -4, 9.01, 9.02,
	}
	for b := uint32(0); b < math.Float32bits(1000); b += 4999 {
		x = append(x, math.Float32frombits(b), -math.Float32frombits(b))
	}
	for b := math.Float32bits(1000); b < math.Float32bits(inf); b += 1<<20 - 1 {
		x = append(x, math.Float32frombits(b), -math.Float32frombits(b))
	}
	return x
}

func TestFunctions(t *testing.T) {
	sqrt2pi := math.Sqrt(2 / math.Pi)
	gated := func(x, g float64) float64 {
		if math.IsInf(x, -1) {
			return 0
		}
		return x * g
	}
	for _, test := range []struct {
		name     string
		f        func(v *Funcs) func(dst, x []float32)
		want     func(x float64) float64
		ulps     float64
		rel, abs float64 // the latter times |x|
	}{
		{name: "exp", f: func(v *Funcs) func(dst, x []float32) { return v.Exp }, want: math.Exp, ulps: 4},
		{name: "tanh", f: func(v *Funcs) func(dst, x []float32) { return v.Tanh }, want: math.Tanh, ulps: 4},
		{name: "sigmoid", f: func(v *Funcs) func(dst, x []float32) { return v.Sigmoid }, want: func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }, ulps: 4},
		{name: "erf", f: func(v *Funcs) func(dst, x []float32) { return v.Erf }, want: math.Erf, ulps: 4},
		{name: "sqrt", f: func(v *Funcs) func(dst, x []float32) { return v.Sqrt }, want: math.Sqrt, ulps: 0.5},
		{name: "rsqrt", f: func(v *Funcs) func(dst, x []float32) { return v.Rsqrt }, want: func(x float64) float64 { return 1 / math.Sqrt(x) }, ulps: 1.5},
		{name: "silu", f: func(v *Funcs) func(dst, x []float32) { return v.Silu }, want: func(x float64) float64 { return gated(x, 1/(1+math.Exp(-x))) }, rel: 1e-6, abs: 4e-7},
		{name: "gelu", f: func(v *Funcs) func(dst, x []float32) { return v.Gelu }, want: func(x float64) float64 { return gated(x, math.Erfc(-x/math.Sqrt2)/2) }, abs: 4e-7},
		{name: "geluTanh", f: func(v *Funcs) func(dst, x []float32) { return v.GeluTanh }, want: func(x float64) float64 {
			return gated(x, (1+math.Tanh(sqrt2pi*(x+0.044715*x*x*x)))/2)
		}, rel: 1e-6, abs: 4e-7},
		{name: "relu", f: func(v *Funcs) func(dst, x []float32) { return v.Relu }, want: func(x float64) float64 { return max(x, 0) }},
		{name: "clamp", f: func(v *Funcs) func(dst, x []float32) {
			return func(dst, x []float32) { v.Clamp(dst, x, -1, 6) }
		}, want: func(x float64) float64 { return min(max(x, -1), 6) }},
		{name: "leaky", f: func(v *Funcs) func(dst, x []float32) {
			return func(dst, x []float32) { v.Leaky(dst, x, 0.25) }
		}, want: func(x float64) float64 { return max(x, 0.25*x) }, ulps: 0.5},
	} {
		t.Run(test.name, func(t *testing.T) {
			levels(t, func(t *testing.T, v *Funcs) {
				x := sweep()
				got := make([]float32, len(x))
				test.f(v)(got, x)
				worst, worstAt := 0.0, float32(0)
				for i, x := range x {
					want, g := test.want(float64(x)), float64(got[i])
					w32 := float32(want)
					switch {
					case want != want:
						if g == g {
							t.Fatalf("f(%v) = %v, want NaN", x, g)
						}
						continue
					case g == want, math.IsInf(float64(w32), 0) && g == float64(w32):
						continue
					}
					d := math.Abs(g - want)
					if !(d <= test.ulps*ulp(want)+test.rel*math.Abs(want)+test.abs*math.Abs(float64(x))+0x1p-149) {
						t.Fatalf("f(%v) = %v, want %v (%.2f ULP)", x, g, want, d/ulp(want))
					}
					if w := d / ulp(want); w > worst {
						worst, worstAt = w, x
					}
				}
				t.Logf("worst error %.2f ULP, at %v", worst, worstAt)
				// Lengths, nothing beyond, and in place.
				for n := range 70 {
					in := slices.Clone(x[40 : 40+n+1])
					in[n] = 12345
					test.f(v)(in[:n], in[:n])
					for i := range n {
						if in[i] != got[40+i] && in[i] == in[i] {
							t.Fatalf("%d elements: [%d] = %v, want %v", n, i, in[i], got[40+i])
						}
					}
					if in[n] != 12345 {
						t.Fatalf("%d elements: wrote beyond", n)
					}
				}
			})
		})
	}
}

// TestBinary compares with Go's operators, bit by bit.
func TestBinary(t *testing.T) {
	levels(t, func(t *testing.T, v *Funcs) {
		r := rand.New(rand.NewPCG(1, 2))
		special := []float32{0, float32(math.Copysign(0, -1)), nan, inf, -inf, math.MaxFloat32, 1e-45, -3}
		for n := range 80 {
			a, b := random(r, n), random(r, n)
			for i := range n {
				if r.IntN(3) == 0 {
					a[i] = special[r.IntN(len(special))]
				}
				if r.IntN(3) == 0 {
					b[i] = special[r.IntN(len(special))]
				}
			}
			s := special[n%len(special)]
			if n%2 == 0 {
				s = b0(b)
			}
			for _, op := range []struct {
				name   string
				vv     func(dst, a, b []float32)
				vs, sv func(dst, a []float32, s float32)
				want   func(a, b float32) float32
			}{
				{"add", v.Add, v.AddScalar, nil, func(a, b float32) float32 { return a + b }},
				{"sub", v.Sub, v.SubScalar, func(d, a []float32, s float32) { v.ScalarSub(d, s, a) }, func(a, b float32) float32 { return a - b }},
				{"mul", v.Mul, v.MulScalar, nil, func(a, b float32) float32 { return a * b }},
				{"div", v.Div, v.DivScalar, func(d, a []float32, s float32) { v.ScalarDiv(d, s, a) }, func(a, b float32) float32 { return a / b }},
				{"max", v.Max, v.MaxScalar, nil, func(a, b float32) float32 { return max(a, b) }},
				{"min", v.Min, v.MinScalar, nil, func(a, b float32) float32 { return min(a, b) }},
			} {
				check := func(form string, got []float32, at func(i int) (x, y float32)) {
					t.Helper()
					if got[n] != 12345 {
						t.Fatalf("%s %s: wrote beyond %d elements", op.name, form, n)
					}
					for i := range n {
						x, y := at(i)
						if want := op.want(x, y); got[i] != want && !(got[i] != got[i] && want != want) {
							t.Fatalf("%s %s, n %d: (%v, %v) = %v, want %v", op.name, form, n, x, y, got[i], want)
						}
					}
				}
				dst := make([]float32, n+1)
				dst[n] = 12345
				op.vv(dst[:n], a, b)
				check("vector", dst, func(i int) (x, y float32) { return a[i], b[i] })
				op.vs(dst[:n], a, s)
				check("scalar", dst, func(i int) (x, y float32) { return a[i], s })
				if op.sv != nil {
					op.sv(dst[:n], a, s)
					check("scalar first", dst, func(i int) (x, y float32) { return s, a[i] })
				}
			}
		}
	})
}

func b0(b []float32) float32 {
	if len(b) == 0 {
		return 2
	}
	return b[0]
}

func TestReductions(t *testing.T) {
	levels(t, func(t *testing.T, v *Funcs) {
		r := rand.New(rand.NewPCG(3, 4))
		for n := range 300 {
			x, y := random(r, n), random(r, n)
			var sum, abs, dot, dotAbs float64
			top := math.Inf(-1)
			for i := range x {
				a, b := float64(x[i]), float64(y[i])
				sum += a
				abs += math.Abs(a)
				dot += a * b
				dotAbs += math.Abs(a * b)
				top = max(top, a)
			}
			near := func(what string, got float32, want, bound float64) {
				t.Helper()
				if d := math.Abs(float64(got) - want); !(d <= bound) {
					t.Fatalf("%s of %d: %v, want %v ± %v", what, n, got, want, bound)
				}
			}
			near("sum", v.Sum(x), sum, float64(n)*eps*abs)
			near("dot", v.Dot(x, y), dot, float64(n+1)*eps*dotAbs)
			if got := float64(v.MaxOf(x)); got != top {
				t.Fatalf("max of %d: %v, want %v", n, got, top)
			}
			mean, variance := v.MeanVar(x)
			if n == 0 {
				if mean == mean || variance == variance {
					t.Fatalf("mean, variance of none: %v, %v", mean, variance)
				}
				continue
			}
			m, ss := sum/float64(n), 0.0
			for _, a := range x {
				ss += (float64(a) - m) * (float64(a) - m)
			}
			near("mean", mean, m, float64(n+2)*eps*abs/float64(n))
			near("variance", variance, ss/float64(n), float64(n+8)*2*eps*(ss/float64(n)+m*m))
			bad := slices.Clone(x)
			bad[r.IntN(n)] = nan
			if got := v.MaxOf(bad); got == got {
				t.Fatalf("max of %d with a NaN: %v", n, got)
			}
		}
	})
}

func TestAffine(t *testing.T) {
	levels(t, func(t *testing.T, v *Funcs) {
		r := rand.New(rand.NewPCG(5, 6))
		for n := range 70 {
			x := random(r, n)
			dst := make([]float32, n)
			v.Affine(dst, x, 1.5, -0.3)
			for i, a := range x {
				want := float64(a)*1.5 + float64(float32(-0.3))
				if d := math.Abs(float64(dst[i]) - want); d > 2*eps*(math.Abs(float64(a)*1.5)+0.3) {
					t.Fatalf("affine(%v) = %v, want %v", a, dst[i], want)
				}
			}
		}
	})
}

func TestSoftmax(t *testing.T) {
	levels(t, func(t *testing.T, v *Funcs) {
		r := rand.New(rand.NewPCG(7, 8))
		for _, dims := range [][3]int{{1, 1, 1}, {3, 10, 1}, {2, 1000, 1}, {2, 7, 5}, {1, 3, 2500}, {0, 4, 3}, {3, 0, 2}} {
			outer, n, inner := dims[0], dims[1], dims[2]
			x := random(r, outer*n*inner)
			for i := range x {
				x[i] *= 20
			}
			dst, log := make([]float32, len(x)), make([]float32, len(x))
			v.SoftmaxStrided(dst, x, outer, n, inner)
			if inner == 1 {
				v.LogSoftmax(log, x, outer, n)
			}
			for o := range outer {
				for i := range inner {
					at := func(k int) int { return (o*n+k)*inner + i }
					top, sum := math.Inf(-1), 0.0
					for k := range n {
						top = max(top, float64(x[at(k)]))
					}
					for k := range n {
						sum += math.Exp(float64(x[at(k)]) - top)
					}
					for k := range n {
						d := float64(x[at(k)]) - top
						want := math.Exp(d) / sum
						// The difference is rounded, which the exponential magnifies.
						if bound := want*(float64(n)+10+2*math.Abs(d))*eps + 0x1p-148; !(math.Abs(float64(dst[at(k)])-want) <= bound) {
							t.Fatalf("%v: [%d %d %d] = %v, want %v", dims, o, k, i, dst[at(k)], want)
						}
						if inner == 1 {
							if l := d - math.Log(sum); !(math.Abs(float64(log[at(k)])-l) <= (float64(n)+10+4*math.Abs(d))*eps) {
								t.Fatalf("%v: log [%d %d] = %v, want %v", dims, o, k, log[at(k)], l)
							}
						}
					}
				}
			}
		}
	})
}

func TestNormalize(t *testing.T) {
	levels(t, func(t *testing.T, v *Funcs) {
		r := rand.New(rand.NewPCG(9, 10))
		for _, n := range []int{1, 2, 17, 768} {
			x, gamma, beta := random(r, n), random(r, n), random(r, n)
			var m, ss float64
			for _, a := range x {
				m += float64(a) / float64(n)
			}
			for _, a := range x {
				ss += (float64(a) - m) * (float64(a) - m) / float64(n)
			}
			const e = 1e-5
			got, channel := make([]float32, n), make([]float32, n)
			v.Normalize(got, x, gamma, beta, e)
			v.NormalizeChannel(channel, x, 2, 3, e)
			for i := range x {
				unit := (float64(x[i]) - m) / math.Sqrt(ss+e)
				bound := float64(n+16) * eps * (math.Abs(unit) + math.Abs(m)/math.Sqrt(ss+e) + 1) * 4
				if want := unit*float64(gamma[i]) + float64(beta[i]); !(math.Abs(float64(got[i])-want) <= bound*(1+math.Abs(float64(gamma[i]))+math.Abs(float64(beta[i])))) {
					t.Fatalf("n %d: [%d] = %v, want %v", n, i, got[i], want)
				}
				if want := unit*2 + 3; !(math.Abs(float64(channel[i])-want) <= bound*6) {
					t.Fatalf("channel of %d: [%d] = %v, want %v", n, i, channel[i], want)
				}
			}
		}
	})
}

func TestPermute(t *testing.T) {
	levels(t, func(t *testing.T, v *Funcs) { testPermute(t, v.Permute, v.Transpose) })
	testPermute(t, Permute, Transpose)
}

func testPermute(t *testing.T, permute func(dst, src []float32, shape, perm []int), transpose func(dst, src []float32, rows, cols int)) {
	r := rand.New(rand.NewPCG(11, 12))
	for range 500 {
		rank := r.IntN(6)
		shape, perm := make([]int, rank), r.Perm(rank)
		size := 1
		for d := range shape {
			shape[d] = r.IntN(6)
			if r.IntN(6) != 0 {
				shape[d]++
			}
			if r.IntN(12) == 0 {
				shape[d] = 20 + r.IntN(20)
			}
			size *= shape[d]
		}
		src := make([]float32, size)
		for i := range src {
			src[i] = float32(i)
		}
		dst := make([]float32, size)
		permute(dst, src, shape, perm)
		at := make([]int, rank) // of dst
		for i := range dst {
			flat := 0
			for d := range shape {
				flat = flat*shape[d] + at[slices.Index(perm, d)]
			}
			if dst[i] != src[flat] {
				t.Fatalf("shape %v, order %v: [%v] = %v, want %v", shape, perm, at, dst[i], src[flat])
			}
			for d := rank - 1; d >= 0; d-- {
				if at[d]++; at[d] < shape[perm[d]] {
					break
				}
				at[d] = 0
			}
		}
		if rank == 2 && perm[0] == 1 {
			again := make([]float32, size)
			if transpose(again, src, shape[0], shape[1]); !slices.Equal(again, dst) {
				t.Fatalf("transpose of %v differs", shape)
			}
		}
	}
}

func TestRows(t *testing.T) {
	r := rand.New(rand.NewPCG(15, 16))
	for range 100 {
		rows, n := r.IntN(10), r.IntN(20)
		dstStep, srcStep := n+r.IntN(4), n+r.IntN(4)
		src := random(r, rows*srcStep+1)
		dst := make([]float32, rows*dstStep)
		CopyRows(dst, dstStep, src, srcStep, rows, n)
		for i, got := range dst {
			want := float32(0)
			if i%dstStep < n {
				want = src[i/dstStep*srcStep+i%dstStep]
			}
			if got != want {
				t.Fatalf("%d rows of %d, %d and %d apart: [%d] = %v, want %v", rows, n, srcStep, dstStep, i, got, want)
			}
		}
		if rows == 0 {
			continue
		}
		index := make([]int32, r.IntN(30))
		for i := range index {
			index[i] = int32(r.IntN(rows))
		}
		dst = make([]float32, len(index)*n)
		GatherRows(dst, src[:rows*n], n, index)
		for i, at := range index {
			if got, want := dst[i*n:(i+1)*n], src[int(at)*n:(int(at)+1)*n]; !slices.Equal(got, want) {
				t.Fatalf("row %d of %v: %v, want %v", i, index, got, want)
			}
		}
	}
}

// TestTransposeStrided holds that nothing is written between the rows.
func TestTransposeStrided(t *testing.T) {
	levels(t, func(t *testing.T, v *Funcs) {
		r := rand.New(rand.NewPCG(13, 14))
		for range 300 {
			rows, cols := r.IntN(40), r.IntN(100)
			dstStep, srcStep := rows+r.IntN(3), cols+r.IntN(3)
			src, dst := random(r, rows*srcStep), make([]float32, cols*dstStep)
			for i := range dst {
				dst[i] = 12345
			}
			v.TransposeStrided(dst, dstStep, src, srcStep, rows, cols)
			for i := range dst {
				want := float32(12345)
				if at := i % dstStep; at < rows {
					want = src[at*srcStep+i/dstStep]
				}
				if dst[i] != want {
					t.Fatalf("%d×%d, rows %d and %d apart: [%d] = %v, want %v", rows, cols, srcStep, dstStep, i, dst[i], want)
				}
			}
		}
	})
}

func TestBadArgumentsPanic(t *testing.T) {
	v := For(cpu.Generic)
	two, three := make([]float32, 2), make([]float32, 3)
	for name, f := range map[string]func(){
		"unary":         func() { v.Exp(three, two) },
		"binary":        func() { v.Add(two, two, two[:1]) },
		"scalar":        func() { v.MulScalar(three, two, 1) },
		"softmax":       func() { v.Softmax(two, three, 1, 3) },
		"strided":       func() { v.SoftmaxStrided(three, three, 1, 2, 2) },
		"negative":      func() { v.Softmax(two, three, -1, -2) },
		"shape":         func() { Transpose(two, three, 3, 1) },
		"order":         func() { Permute(two, two, []int{1, 2}, []int{1, 1}) },
		"range":         func() { Permute(two, two, []int{1, 2}, []int{1, 2}) },
		"rank":          func() { Permute(two, two, []int{1, 2}, []int{0}) },
		"copy":          func() { CopyRows(three, 1, three, 2, 3, 1) },
		"overlap":       func() { CopyRows(three, 1, three, 2, 2, 2) },
		"gather":        func() { GatherRows(three, three, 1, []int32{0, 3}) },
		"gather before": func() { GatherRows(three, three, 1, []int32{-1}) },
		"apart":         func() { v.TransposeStrided(three, 1, three, 1, 2, 2) },
		"strided short": func() { v.TransposeStrided(three, 2, three, 2, 2, 2) },
		"dot":           func() { v.Dot(three, two) },
		"gamma":         func() { v.Normalize(two, two, two[:1], nil, 0) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}

func BenchmarkVec(b *testing.B) {
	for _, l := range cpu.Available() {
		v := For(l)
		x, y := random(rand.New(rand.NewPCG(1, 1)), 16384), make([]float32, 16384)
		for _, f := range []struct {
			name string
			f    func()
		}{
			{"exp", func() { v.Exp(y, x) }},
			{"tanh", func() { v.Tanh(y, x) }},
			{"sigmoid", func() { v.Sigmoid(y, x) }},
			{"erf", func() { v.Erf(y, x) }},
			{"gelu", func() { v.Gelu(y, x) }},
			{"silu", func() { v.Silu(y, x) }},
			{"add", func() { v.Add(y, x, y) }},
			{"max", func() { v.Max(y, x, y) }},
			{"sum", func() { v.Sum(x) }},
			{"softmax", func() { v.Softmax(y, x, 16, 1024) }},
			{"normalize", func() { v.Normalize(y, x, nil, nil, 1e-5) }},
			{"transpose", func() { v.Transpose(y, x, 128, 128) }},
		} {
			b.Run(l.String()+"/"+f.name, func(b *testing.B) {
				b.SetBytes(16384 * 4)
				for b.Loop() {
					f.f()
				}
			})
		}
	}
}
