package window

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/smelt-ml/smelt/internal/kernel/cpu"
)

const eps = 1.0 / (1 << 24)

var (
	nan = float32(math.NaN())
	inf = float32(math.Inf(1))
)

func levels(t *testing.T, f func(t *testing.T, l cpu.Level)) {
	for _, l := range cpu.Available() {
		t.Run(l.String(), func(t *testing.T) { f(t, l) })
	}
}

func random(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

// TestSlide goes through all widths up to some vectors, and some heights.
func TestSlide(t *testing.T) {
	levels(t, func(t *testing.T, l cpu.Level) {
		r := rand.New(rand.NewPCG(1, 2))
		const guard = 12345
		for cols := range 150 {
			rows, taps := r.IntN(12), r.IntN(11)
			q := Rows{Rows: rows, Cols: cols, DstStep: cols + r.IntN(3), SrcStep: r.IntN(200), Bias: 0.5, Lo: -2, Hi: inf}
			if cols%3 == 0 {
				q.Lo, q.Hi = -inf, 2
			}
			for range taps {
				q.Taps = append(q.Taps, r.IntN(100))
			}
			q.Weights = random(r, taps)
			end := 0 // just as much of src as is needed
			for _, tap := range q.Taps {
				end = max(end, tap+(rows-1)*q.SrcStep+cols)
			}
			q.Src = random(r, end)
			if cols%5 == 4 && end > 0 {
				q.Src[r.IntN(end)] = nan
				q.Src[r.IntN(end)] = -inf
			}
			check := func(what string, run func(*Rows), want func(at int) (v, bound float64)) {
				t.Helper()
				q.Dst = make([]float32, rows*q.DstStep)
				for i := range q.Dst {
					q.Dst[i] = guard
				}
				run(&q)
				for i, got := range q.Dst {
					y, x := i/q.DstStep, i%q.DstStep
					w, bound := float64(guard), 0.0
					if x < cols {
						w, bound = want(y*q.SrcStep + x)
					}
					if g := float64(got); g != w && !(math.Abs(g-w) <= bound) && !(g != g && w != w) {
						t.Fatalf("%s of %d taps, %d×%d: (%d,%d) = %v, want %v", what, taps, rows, cols, y, x, g, w)
					}
				}
			}
			check("sum", For(l).Sum, func(at int) (v, bound float64) {
				v, bound = float64(q.Bias), math.Abs(float64(q.Bias))
				for i, tap := range q.Taps {
					x := float64(q.Src[at+tap]) * float64(q.Weights[i])
					v, bound = v+x, bound+math.Abs(x)
				}
				return min(max(v, float64(q.Lo)), float64(q.Hi)), float64(taps+2) * eps * bound
			})
			check("max", For(l).Max, func(at int) (v, bound float64) {
				v = math.Inf(-1)
				for _, tap := range q.Taps {
					v = max(v, float64(q.Src[at+tap]))
				}
				return v, 0
			})
		}
	})
}

// TestLayout holds that each element of each window is found in the copy, and
// that neighbouring windows are neighbours there.
func TestLayout(t *testing.T) {
	levels(t, func(t *testing.T, level cpu.Level) {
		r := rand.New(rand.NewPCG(3, 4))
		for range 300 {
			var s Shape
			for d := range s.In {
				s.In[d], s.Kernel[d] = 1+r.IntN(5), 1+r.IntN(3)
				s.Stride[d], s.Dilation[d] = 1+r.IntN(3), 1+r.IntN(3)
				s.Pad[d] = [2]int{r.IntN(5) - 1, r.IntN(5) - 1}
				if r.IntN(4) == 0 {
					s.Out[d] = 1 + r.IntN(5)
				}
			}
			s.In[2] += r.IntN(60)
			l := NewLayout(level, s)
			plane := random(r, Size(s.In))
			copied := plane
			if !l.Direct {
				copied = make([]float32, l.Plane)
				for i := range copied {
					copied[i] = nan // what is read must be written
				}
				l.Copy(copied, plane, 9)
			}
			cols := l.Cols()
			if len(cols) != Size(s.Windows()) || len(l.Taps) != Size(s.Kernel) {
				t.Fatalf("%+v: %d windows of %d elements", s, len(cols), len(l.Taps))
			}
			n := 0
			for z := range l.Out[0] {
				for y := range l.Out[1] {
					for x := range l.Out[2] {
						if want := z*l.Slice + y*l.Row + x; int(cols[n]) != want {
							t.Fatalf("%+v: window %d at %d, want %d", s, n, cols[n], want)
						}
						tap := 0
						for kz := range s.Kernel[0] {
							for ky := range s.Kernel[1] {
								for kx := range s.Kernel[2] {
									want, flat := float32(9), 0
									for d, o := range [3]int{z, y, x} {
										i := o*s.Stride[d] + [3]int{kz, ky, kx}[d]*s.Dilation[d] - s.Pad[d][0]
										if i < 0 || i >= s.In[d] {
											flat = -1
											break
										}
										flat = flat*s.In[d] + i
									}
									if flat >= 0 {
										want = plane[flat]
									}
									if got := copied[int(cols[n])+l.Taps[tap]]; got != want {
										t.Fatalf("%+v: window %d, element %d: %v, want %v", s, n, tap, got, want)
									}
									tap++
								}
							}
						}
						n++
					}
				}
			}
		}
	})
}

func TestFilter(t *testing.T) {
	levels(t, func(t *testing.T, l cpu.Level) {
		r := rand.New(rand.NewPCG(7, 8))
		var scratch FilterScratch
		for n := range 400 {
			size, stride := 3+n%2*2, 1+n/2%2
			s := Flat(1+r.IntN(14), 1+r.IntN(70), size, size)
			s.Stride[1], s.Stride[2] = stride, stride
			for d := 1; d < 3; d++ {
				s.Pad[d] = [2]int{r.IntN(size+1) - 1, r.IntN(size + 1)}
				if r.IntN(4) == 0 {
					s.Out[d] = 1 + r.IntN(40)
				}
			}
			f := NewFilter(l, s)
			if f == nil {
				if few := s.In[2] < 4*stride || s.Windows()[2] < 4; l != cpu.Generic && !(l == cpu.NEON && few) {
					t.Fatalf("no filter for %+v", s)
				}
				continue
			}
			out, taps, images := s.Windows(), size*size, 1+r.IntN(3)
			step := r.IntN(2) * (Size(s.In) + r.IntN(3)) // or all of the same image
			src, weights, bias := random(r, images*(Size(s.In)+2)), random(r, images*taps), random(r, images)
			dst := make([]float32, images*Size(out)+1)
			if n%5 == 0 {
				src[r.IntN(len(src))] = nan
				src[r.IntN(len(src))] = inf
			}
			dst[len(dst)-1] = 12345
			some := r.IntN(f.Groups() + 1)
			f.Run(&scratch, 0, some, images, dst, src, step, weights, bias, -2, 3)
			f.Run(&scratch, some, f.Groups(), images, dst, src, step, weights, bias, -2, 3)
			if dst[len(dst)-1] != 12345 {
				t.Fatalf("%+v: wrote beyond", s)
			}
			for i, got := range dst[:len(dst)-1] {
				image, y, x := i/Size(out), i/out[2]%out[1], i%out[2]
				want := float64(bias[image])
				abs := math.Abs(want)
				for k, w := range weights[image*taps : (image+1)*taps] {
					at, from := y*stride+k/size-s.Pad[1][0], x*stride+k%size-s.Pad[2][0]
					if at >= 0 && at < s.In[1] && from >= 0 && from < s.In[2] {
						v := float64(w) * float64(src[image*step+at*s.In[2]+from])
						want, abs = want+v, abs+math.Abs(v)
					}
				}
				want = min(max(want, -2), 3)
				if got := float64(got); got != want && !(math.Abs(got-want) <= float64(taps+2)*eps*abs) && !(got != got && want != want) {
					t.Fatalf("%+v: image %d, (%d,%d) = %v, want %v", s, image, y, x, got, want)
				}
			}
		}
	})
}

func TestZip(t *testing.T) {
	levels(t, func(t *testing.T, l cpu.Level) {
		r := rand.New(rand.NewPCG(5, 6))
		for n := range 140 {
			a, b, dst := random(r, (n+1)/2), random(r, n/2), make([]float32, n+1)
			For(l).Zip(dst[:n], a, b)
			for i, got := range dst {
				want := float32(0)
				switch {
				case i < n && i%2 == 0:
					want = a[i/2]
				case i < n:
					want = b[i/2]
				}
				if got != want {
					t.Fatalf("%d values: [%d] = %v, want %v", n, i, got, want)
				}
			}
		}
	})
}

func TestBadArgumentsPanic(t *testing.T) {
	good := func() Rows {
		return Rows{Dst: make([]float32, 8), DstStep: 4, Src: make([]float32, 9), SrcStep: 4, Rows: 2, Cols: 4, Taps: []int{0, 1}, Weights: make([]float32, 2)}
	}
	f := For(cpu.Best())
	q := good()
	f.Sum(&q)
	f.Max(&q)
	for name, spoil := range map[string]func(q *Rows){
		"dst":     func(q *Rows) { q.Dst = q.Dst[:7] },
		"src":     func(q *Rows) { q.Src = q.Src[:8] },
		"tap":     func(q *Rows) { q.Taps[1] = -1 },
		"weights": func(q *Rows) { q.Weights = q.Weights[:1] },
		"step":    func(q *Rows) { q.DstStep = -1 },
	} {
		q := good()
		spoil(&q)
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f.Sum(&q)
		}()
	}
	for _, s := range []Shape{{}, {In: [3]int{1, 1, 1}, Kernel: [3]int{1, 1, 1}, Stride: [3]int{1, 1, 0}, Dilation: [3]int{1, 1, 1}}, {In: [3]int{-1, 1, 1}}} {
		if s.Check() == nil {
			t.Errorf("%+v passes", s)
		}
	}
}
