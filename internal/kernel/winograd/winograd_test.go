package winograd

import (
	"fmt"
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

// TestTransforms holds that the transforms of one channel and one filter, and
// the products of their points, make the sums over the windows.
func TestTransforms(t *testing.T) {
	levels(t, func(t *testing.T, l cpu.Level) {
		f := For(l)
		r := rand.New(rand.NewPCG(1, 2))
		for range 300 {
			h, w := 1+r.IntN(40), 1+r.IntN(90)
			pad := [2]int{r.IntN(4) - 1, r.IntN(4) - 1}
			oh, ow := max(1, h+pad[0]-2+r.IntN(3)), max(1, w+pad[1]-2+r.IntN(3))
			p := NewPlan(l, h, w, pad, oh, ow)
			what := fmt.Sprintf("%d×%d, pad %v, out %d×%d", h, w, pad, oh, ow)
			from := r.IntN(p.Across * p.Down)
			to := from + 1 + r.IntN(min(f.Width(), p.Across*p.Down-from))
			n := to - from
			src, weights, bias := random(r, h*w), random(r, 9), random(r, 1)[0]

			// Points of two channels, of which the second counts.
			q := &Channel{Half: random(r, p.HalfSize(n))}
			p.Begin(q, from, to)
			width := f.Width()
			step := 2*width + 16
			points := make([]float32, Points*step)
			for i := range points {
				points[i] = nan
			}
			q.Transform(points, step, random(r, h*w))
			q.Transform(points[width:], step, src)
			u := make([]float32, Points*3)
			Weights(u, 3, weights)
			product := make([]float32, Points*width)
			for j := range Points {
				for k := range width {
					product[j*width+k] = points[j*step+width+k] * u[3*j]
				}
			}
			got := make([]float32, Tile*Tile*width)
			f.Outputs(got, Tile*width, product, (n+f.lanes-1)/f.lanes, bias)
			for i := range n {
				ty, tx := (from+i)/p.Across, (from+i)%p.Across
				for y := range Tile {
					for x := range Tile {
						want := float64(bias)
						for k := range 9 {
							sy, sx := ty*Tile+y+k/3-pad[0], tx*Tile+x+k%3-pad[1]
							if sy >= 0 && sy < h && sx >= 0 && sx < w {
								want += float64(weights[k]) * float64(src[sy*w+sx])
							}
						}
						if v := got[y*Tile*width+i*Tile+x]; !(math.Abs(float64(v)-want) < 2000*eps) {
							t.Fatalf("%s: tile %d of %d to %d, (%d,%d) = %v, want %v", what, i, from, to, y, x, v, want)
						}
					}
				}
			}
		}
	})
}

// TestWeights has weights whose points are known.
func TestWeights(t *testing.T) {
	u := make([]float32, Points)
	Weights(u, 1, []float32{1, 1, 1, 1, 1, 1, 1, 1, 1})
	// The value of 1+x+x² at each point over the differences from the others.
	at := func(x float64) float64 { return 1 + x + x*x }
	one := [Size]float64{
		at(0) / (a * a * b * b),
		at(a) / (2 * a * a * (a*a - b*b)), at(-a) / (2 * a * a * (a*a - b*b)),
		at(b) / (2 * b * b * (b*b - a*a)), at(-b) / (2 * b * b * (b*b - a*a)),
		1,
	}
	for i := range Size {
		for j := range Size {
			want := one[i] * one[j]
			if got := float64(u[i*Size+j]); math.Abs(got-want) > 2*eps*math.Abs(want) {
				t.Errorf("point (%d,%d) = %v, want %v", i, j, got, want)
			}
		}
	}
}

func TestFinish(t *testing.T) {
	levels(t, func(t *testing.T, l cpu.Level) {
		f := For(l)
		r := rand.New(rand.NewPCG(3, 4))
		for n := range 70 {
			for _, added := range []bool{false, true} {
				rows, dstStep, srcStep := 1+r.IntN(4), n+r.IntN(3), n+20
				src, dst := random(r, rows*srcStep), random(r, rows*dstStep+5)
				var add []float32
				if added {
					add = random(r, len(dst))
				}
				if n > 0 {
					src[n-1] = nan
				}
				old := append([]float32(nil), dst...)
				f.Finish(dst, dstStep, src, srcStep, add, rows, n, -0.5, 0.75)
				for i, got := range dst {
					want := old[i]
					if y, x := i/max(1, dstStep), i%max(1, dstStep); y < rows && x < n {
						want = src[y*srcStep+x]
						if added {
							want += add[i]
						}
						want = max(-0.5, min(0.75, want))
					}
					if got != want && (got == got || want == want) {
						t.Fatalf("n %d, added %v: [%d] = %v, want %v", n, added, i, got, want)
					}
				}
			}
		}
	})
}

func TestPeak(t *testing.T) {
	levels(t, func(t *testing.T, l cpu.Level) {
		f := For(l)
		r := rand.New(rand.NewPCG(5, 6))
		for n := range 200 {
			x := random(r, n)
			var want uint32
			for _, v := range x {
				want = max(want, math.Float32bits(float32(math.Abs(float64(v)))))
			}
			if got := f.Peak(x); got != want {
				t.Fatalf("%d values: %x, want %x", n, got, want)
			}
			if n == 0 {
				continue
			}
			for _, v := range []float32{inf, -inf, nan, -nan, -1e30} {
				x[r.IntN(n)] = v
				if got, want := f.Peak(x), math.Float32bits(v)&^(1<<31); got < want {
					t.Fatalf("%d values with %v: %x", n, v, got)
				}
			}
		}
	})
}

func TestShortSlicesPanic(t *testing.T) {
	levels(t, func(t *testing.T, l cpu.Level) {
		f := For(l)
		p := NewPlan(l, 8, 8, [2]int{1, 1}, 8, 8)
		w := f.Width()
		ready := func() *Channel {
			q := &Channel{Half: make([]float32, p.HalfSize(4))}
			p.Begin(q, 0, 4)
			return q
		}
		points, src := make([]float32, Points*w), make([]float32, 64)
		ready().Transform(points, w, src)
		for name, g := range map[string]func(){
			"tiles":   func() { p.Begin(&Channel{Half: make([]float32, 1000)}, 0, 5) },
			"half":    func() { p.Begin(&Channel{Half: make([]float32, 10)}, 0, 4) },
			"channel": func() { ready().Transform(points, w, src[:63:63]) },
			"points":  func() { ready().Transform(points[:35*w], w, src) },
			"outputs": func() { f.Outputs(make([]float32, 15*f.lanes), 4*f.lanes, points, 1, 0) },
			"product": func() { f.Outputs(make([]float32, 16*f.lanes), 4*f.lanes, points[:35*w], 1, 0) },
			"dst":     func() { f.Finish(src[:9:9], 5, points, w, nil, 2, 5, 0, 1) },
			"src":     func() { f.Finish(src, 5, points[:f.lanes], 1, nil, 2, 5, 0, 1) },
			"add":     func() { f.Finish(src, 5, points, 16, src[:9:9], 2, 5, 0, 1) },
		} {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("%s: no panic", name)
					}
				}()
				g()
			}()
		}
	})
}
