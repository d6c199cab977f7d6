package pool

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/smelt-ml/smelt/internal/kernel/cpu"
	"github.com/smelt-ml/smelt/internal/kernel/par"
	"github.com/smelt-ml/smelt/internal/kernel/window"
)

const eps = 1.0 / (1 << 24)

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

// elements calls f for the elements of a window that lie in the plane.
func elements(s *window.Shape, at [3]int, f func(flat int)) {
	for z := range s.Kernel[0] {
		for y := range s.Kernel[1] {
			for x := range s.Kernel[2] {
				flat := 0
				for d, k := range [3]int{z, y, x} {
					i := at[d]*s.Stride[d] + k*s.Dilation[d] - s.Pad[d][0]
					if i < 0 || i >= s.In[d] {
						flat = -1
						break
					}
					flat = flat*s.In[d] + i
				}
				if flat >= 0 {
					f(flat)
				}
			}
		}
	}
}

func randomShape(r *rand.Rand, n int) window.Shape {
	s := window.Flat(1, 1, 1, 1)
	for d := n % 3; d < 3; d++ { // 3-D, 2-D, 1-D
		s.In[d], s.Kernel[d] = 1+r.IntN(9), 1+r.IntN(4)
		s.Stride[d], s.Dilation[d] = 1+r.IntN(3), 1+r.IntN(2)
		s.Pad[d] = [2]int{r.IntN(3), r.IntN(3)}
	}
	s.In[2] += r.IntN(50)
	switch n % 7 {
	case 0: // all of the plane
		s.Kernel, s.Pad = s.In, [3][2]int{}
	case 1: // one more window than fits
		for d := range s.Out {
			s.Out[d] = s.Windows()[d] + 1
		}
	case 2: // large windows
		s.Kernel[1], s.Kernel[2] = 5, 7
		s.In[1] += 6
		s.In[2] += 14
	case 3: // windows 3×3, two apart
		s = window.Flat(1+r.IntN(9), 1+r.IntN(100), 3, 3)
		s.Stride = [3]int{1, 2, 2}
		for d := 1; d < 3; d++ {
			s.Pad[d] = [2]int{r.IntN(2), r.IntN(3)}
			s.In[d] += max(0, 3-s.In[d]-s.Pad[d][0]-s.Pad[d][1])
		}
	}
	return s
}

func TestPooling(t *testing.T) {
	levels(t, func(t *testing.T, l cpu.Level) {
		r := rand.New(rand.NewPCG(1, 2))
		pools := []*par.Pool{par.New(1), par.New(2), par.New(3)}
		for n := range 700 {
			s := randomShape(r, n)
			out := s.Windows()
			var counts [3][]int
			for d := range counts {
				for range out[d] {
					counts[d] = append(counts[d], r.IntN(5))
				}
			}
			planes, in, size := 1+r.IntN(5), window.Size(s.In), window.Size(out)
			src := random(r, planes*in)
			if n%4 == 0 {
				src[r.IntN(len(src))] = float32(math.NaN())
				src[r.IntN(len(src))] = float32(math.Inf(1))
				src[r.IntN(len(src))] = float32(math.Inf(-1))
			}
			largest, average := make([]float32, planes*size), make([]float32, planes*size)
			NewMax(l, s).Run(pools[n%3], planes, largest, src)
			NewAverage(l, s, counts).Run(pools[n%3], planes, average, src)
			i := 0
			for p := range planes {
				plane := src[p*in : (p+1)*in]
				for z := range out[0] {
					for y := range out[1] {
						for x := range out[2] {
							top, sum, abs := math.Inf(-1), 0.0, 0.0
							elements(&s, [3]int{z, y, x}, func(flat int) {
								v := float64(plane[flat])
								top, sum, abs = max(top, v), sum+v, abs+math.Abs(v)
							})
							if g := float64(largest[i]); g != top && !(g != g && top != top) {
								t.Fatalf("%+v: max [%d] = %v, want %v", s, i, g, top)
							}
							scale := 0.0
							if c := counts[0][z] * counts[1][y] * counts[2][x]; c > 0 {
								scale = 1 / float64(c)
							}
							want, bound := sum*scale, float64(window.Size(s.Kernel)+4)*eps*abs*scale
							if g := float64(average[i]); g != want && !(math.Abs(g-want) <= bound) && !(g != g && want != want) {
								t.Fatalf("%+v: average [%d] = %v, want %v", s, i, g, want)
							}
							i++
						}
					}
				}
			}
		}
		for _, p := range pools {
			p.Close()
		}
	})
}

func TestBadArgumentsPanic(t *testing.T) {
	p := par.New(1)
	defer p.Close()
	m := NewMax(cpu.Generic, window.Flat(4, 4, 2, 2))
	for name, f := range map[string]func(){
		"src":    func() { m.Run(p, 2, make([]float32, 18), make([]float32, 31)) },
		"dst":    func() { m.Run(p, 2, make([]float32, 17), make([]float32, 32)) },
		"counts": func() { NewAverage(cpu.Generic, window.Flat(4, 4, 2, 2), [3][]int{{1}, {1, 1, 1}, {1, 1}}) },
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

// BenchmarkPooling reports the bytes read of the planes.
func BenchmarkPooling(b *testing.B) {
	for _, l := range cpu.Available() {
		for _, s := range []struct{ planes, size, kernel, stride int }{
			{64, 111, 3, 2}, {128, 55, 3, 2}, {192, 28, 3, 1}, {512, 13, 5, 1}, {512, 13, 13, 1}, {1000, 13, 13, 1000},
		} {
			shape := window.Flat(s.size, s.size, s.kernel, s.kernel)
			shape.Stride = [3]int{1, s.stride, s.stride}
			if s.stride == 1 {
				shape.Pad = [3][2]int{{}, {s.kernel / 2, s.kernel / 2}, {s.kernel / 2, s.kernel / 2}}
			}
			var counts [3][]int
			for d, n := range shape.Windows() {
				for range n {
					counts[d] = append(counts[d], shape.Kernel[d])
				}
			}
			src := make([]float32, s.planes*s.size*s.size)
			dst := make([]float32, s.planes*window.Size(shape.Windows()))
			for name, m := range map[string]*Pooling{"max": NewMax(l, shape), "average": NewAverage(l, shape, counts)} {
				b.Run(fmt.Sprintf("%v/%s/%dx%dx%d/%dstride%d", l, name, s.planes, s.size, s.size, s.kernel, s.stride), func(b *testing.B) {
					p := par.New(1)
					defer p.Close()
					b.SetBytes(int64(4 * len(src)))
					for b.Loop() {
						m.Run(p, s.planes, dst, src)
					}
				})
			}
		}
	}
}
