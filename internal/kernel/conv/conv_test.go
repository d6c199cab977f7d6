package conv

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/smelt-ml/smelt/internal/kernel/cpu"
	"github.com/smelt-ml/smelt/internal/kernel/gemm"
	"github.com/smelt-ml/smelt/internal/kernel/par"
	"github.com/smelt-ml/smelt/internal/kernel/vec"
	"github.com/smelt-ml/smelt/internal/kernel/window"
)

const eps = 1.0 / (1 << 24)

func random(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

// each visits all index triples of the extents.
func each(n [3]int, f func(at [3]int, flat int)) {
	flat := 0
	for z := range n[0] {
		for y := range n[1] {
			for x := range n[2] {
				f([3]int{z, y, x}, flat)
				flat++
			}
		}
	}
}

// place is the flat index of window at's element tap in the input, or -1.
func place(s *Shape, at, tap, in [3]int) int {
	flat := 0
	for d := range at {
		i := at[d]*s.Stride[d] + tap[d]*s.Dilation[d] - s.Pad[d][0]
		if i < 0 || i >= in[d] {
			return -1
		}
		flat = flat*in[d] + i
	}
	return flat
}

// naive returns the convolution and the sums of absolute values, in float64.
func naive(s *Shape, batch int, src, weights, bias, add []float32) (sum, abs []float64) {
	out := s.Windows()
	in, n, taps := window.Size(s.In), window.Size(out), window.Size(s.Kernel)
	per, m := s.Channels/s.Groups, s.Filters/s.Groups
	sum, abs = make([]float64, batch*s.Filters*n), make([]float64, batch*s.Filters*n)
	for i := range batch * s.Filters {
		f := i % s.Filters
		image := src[i/s.Filters*s.Channels*in:]
		each(out, func(at [3]int, o int) {
			o += i * n
			put := func(v float64) { sum[o] += v; abs[o] += math.Abs(v) }
			for c := range per {
				plane := image[(f/m*per+c)*in:]
				each(s.Kernel, func(tap [3]int, k int) {
					if p := place(s, at, tap, s.In); p >= 0 {
						put(float64(plane[p]) * float64(weights[(f*per+c)*taps+k]))
					}
				})
			}
			if bias != nil {
				put(float64(bias[f]))
			}
			if add != nil {
				put(float64(add[o]))
			}
		})
	}
	return sum, abs
}

func naiveTransposed(s *Shape, out [3]int, batch int, src, weights, bias []float32) (sum, abs []float64) {
	in, n, taps := window.Size(s.In), window.Size(out), window.Size(s.Kernel)
	per, m := s.Channels/s.Groups, s.Filters/s.Groups
	sum, abs = make([]float64, batch*s.Filters*n), make([]float64, batch*s.Filters*n)
	for i := range batch * s.Filters {
		f := i % s.Filters
		image := src[i/s.Filters*s.Channels*in:]
		for c := range per {
			ch := f/m*per + c
			each(s.In, func(at [3]int, x int) {
				each(s.Kernel, func(tap [3]int, k int) {
					if p := place(s, at, tap, out); p >= 0 {
						v := float64(image[ch*in+x]) * float64(weights[(ch*m+f%m)*taps+k])
						sum[i*n+p] += v
						abs[i*n+p] += math.Abs(v)
					}
				})
			})
		}
		if bias != nil {
			for o := range n {
				sum[i*n+o] += float64(bias[f])
				abs[i*n+o] += math.Abs(float64(bias[f]))
			}
		}
	}
	return sum, abs
}

func compare(t *testing.T, what string, got []float32, sum, abs []float64, terms int, act gemm.Act) {
	t.Helper()
	if len(got) != len(sum) {
		t.Fatalf("%s: %d values, want %d", what, len(got), len(sum))
	}
	for i := range got {
		want := []float32{float32(sum[i])}
		act.Apply(vec.For(cpu.Generic), want, 0)
		bound := float64(terms+4) * eps * abs[i]
		if d := math.Abs(float64(got[i]) - float64(want[0])); !(d <= bound) {
			t.Fatalf("%s: [%d] = %v, want %v ± %v", what, i, got[i], want[0], bound)
		}
	}
}

func levels(t *testing.T, f func(t *testing.T, l cpu.Level)) {
	for _, l := range cpu.Available() {
		t.Run(l.String(), func(t *testing.T) { f(t, l) })
	}
}

// randomShape draws a shape of one of the kinds: plain, grouped, one channel a
// group, several filters a channel.
func randomShape(r *rand.Rand, n int) Shape {
	s := Shape{Channels: 1 + r.IntN(9), Filters: 1 + r.IntN(20), Groups: 1}
	switch n % 4 {
	case 1:
		s.Groups = 1 + r.IntN(3)
		s.Channels *= s.Groups
		s.Filters *= s.Groups
	case 2:
		s.Groups, s.Filters = s.Channels, s.Channels
	case 3:
		s.Groups, s.Filters = s.Channels, s.Channels*(1+r.IntN(3))
	}
	first := r.IntN(3) // 3-D, 2-D, 1-D
	if n%3 != 0 {
		first = 1
	}
	for d := range 3 {
		s.In[d], s.Kernel[d], s.Stride[d], s.Dilation[d] = 1, 1, 1, 1
		if d < first {
			continue
		}
		s.In[d] = 1 + r.IntN(12)
		if d == 2 {
			s.In[d] = 1 + r.IntN(40)
		}
		s.Kernel[d] = 1 + r.IntN(5)
		if d == 0 { // the reference is slow
			s.In[d], s.Kernel[d] = 1+r.IntN(4), 1+r.IntN(3)
		}
		s.Stride[d] = 1 + r.IntN(3)
		s.Dilation[d] = 1 + r.IntN(2)
		s.Pad[d] = [2]int{r.IntN(6), r.IntN(6)}
		if r.IntN(8) == 0 {
			s.Pad[d][0] = -r.IntN(2)
		}
	}
	if n%5 == 0 {
		s.Kernel = [3]int{1, 1, 1}
		s.Pad = [3][2]int{}
	}
	if n%7 == 0 { // one window, the image
		s.In, s.Dilation, s.Pad = s.Kernel, [3]int{1, 1, 1}, [3][2]int{}
	}
	return s
}

func TestConv(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	pools := []*par.Pool{par.New(1), par.New(2), par.New(3)}
	for n := range 400 {
		s := randomShape(r, n)
		batch := 1 + r.IntN(2)
		weights := random(r, s.Filters*s.Channels/s.Groups*window.Size(s.Kernel))
		src := random(r, batch*s.Channels*window.Size(s.In))
		act := []gemm.Act{{}, gemm.Relu, gemm.Clamp(-1, 1.5), gemm.Leaky(0.1)}[r.IntN(4)]
		var bias, add []float32
		if r.IntN(2) == 0 {
			bias = random(r, s.Filters)
		}
		size := batch * s.Filters * window.Size(s.Windows())
		kind := r.IntN(3)
		if kind < 2 {
			add = random(r, size)
		}
		sum, abs := naive(&s, batch, src, weights, bias, add)
		for _, l := range cpu.Available() {
			c := New(l, s, weights, bias, act)
			dst, add := make([]float32, batch*s.Filters*window.Size(c.Out())), add
			if kind == 1 {
				copy(dst, add)
				add = dst
			}
			c.Run(pools[n%3], batch, dst, src, add)
			compare(t, fmt.Sprintf("%v: %+v batch %d", l, s, batch), dst, sum, abs, len(weights)/s.Filters, act)
		}
	}
	for _, p := range pools {
		p.Close()
	}
}

// TestPRelu holds that each filter has its slope, in a product of groups,
// channel by channel and in a product with the images.
func TestPRelu(t *testing.T) {
	levels(t, func(t *testing.T, l cpu.Level) {
		p := par.New(2)
		defer p.Close()
		r := rand.New(rand.NewPCG(3, 4))
		for _, s := range []Shape{
			{Channels: 6, Filters: 12, Groups: 1, Shape: window.Flat(9, 20, 3, 3)},
			{Channels: 6, Filters: 12, Groups: 2, Shape: window.Flat(9, 20, 3, 3)},
			{Channels: 6, Filters: 12, Groups: 6, Shape: window.Flat(9, 20, 3, 3)},
			{Channels: 6, Filters: 12, Groups: 6, Shape: window.Flat(90, 30, 3, 3)}, // whose rows are shared out
			{Channels: 6, Filters: 12, Groups: 1, Shape: window.Flat(3, 3, 3, 3)},
		} {
			const batch = 2
			weights, slopes := random(r, 12*6/s.Groups*9), random(r, 12)
			src := random(r, batch*6*window.Size(s.In))
			size := window.Size(s.Windows())
			plain, got := make([]float32, batch*12*size), make([]float32, batch*12*size)
			New(l, s, weights, nil, gemm.Act{}).Run(p, batch, plain, src, nil)
			New(l, s, weights, nil, gemm.PRelu(slopes)).Run(p, batch, got, src, nil)
			for i, v := range plain {
				if v < 0 {
					v *= slopes[i/size%12]
				}
				if got[i] != v {
					t.Fatalf("%+v: [%d] = %v, want %v", s, i, got[i], v)
				}
			}
		}
	})
}

// TestDepthwise has images whose rows are shared out.
func TestDepthwise(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	pools := []*par.Pool{par.New(1), par.New(2), par.New(3)}
	for n := range 12 {
		s := Shape{Channels: 5, Filters: 5 * (1 + n%2), Groups: 5, Shape: window.Flat(30+r.IntN(60), 20+r.IntN(40), 3+n/2%2*2, 3+n/2%2*2)}
		s.Stride[1], s.Stride[2] = 1+n/4%2, 1+n/4%2
		s.Pad = [3][2]int{{}, {r.IntN(3), r.IntN(3)}, {2, 2}}
		weights, bias := random(r, s.Filters*s.Kernel[1]*s.Kernel[2]), random(r, s.Filters)
		src, add := random(r, 2*s.Channels*window.Size(s.In)), random(r, 2*s.Filters*window.Size(s.Windows()))
		act := []gemm.Act{gemm.Relu, gemm.Leaky(0.1), gemm.Func(vec.For(cpu.Generic).Relu)}[n%3]
		levels(t, func(t *testing.T, l cpu.Level) {
			c := New(l, s, weights, bias, act)
			for i, p := range append(pools, pools...) {
				got, also := slices.Clone(add), []float32(nil)
				if i >= len(pools) {
					also = got
				}
				sum, abs := naive(&s, 2, src, weights, bias, also)
				c.Run(p, 2, got, src, also)
				compare(t, fmt.Sprintf("%+v", s), got, sum, abs, len(weights)/s.Filters, act)
			}
		})
	}
}

func TestTransposed(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	p := par.New(2)
	defer p.Close()
	for n := range 250 {
		s := randomShape(r, n)
		batch := 1 + r.IntN(2)
		if n%7 == 0 {
			s.Out = [3]int{2 + r.IntN(3), 3 + r.IntN(30), 3 + r.IntN(60)}
		}
		weights := random(r, s.Channels*s.Filters/s.Groups*window.Size(s.Kernel))
		src := random(r, batch*s.Channels*window.Size(s.In))
		var bias []float32
		if r.IntN(2) == 0 {
			bias = random(r, s.Filters)
		}
		act := []gemm.Act{{}, gemm.Relu}[r.IntN(2)]
		var sum, abs []float64
		for _, l := range cpu.Available() {
			c := NewTransposed(l, s, weights, bias, act)
			if sum == nil {
				sum, abs = naiveTransposed(&s, c.Out(), batch, src, weights, bias)
			}
			dst := make([]float32, batch*s.Filters*window.Size(c.Out()))
			c.Run(p, batch, dst, src)
			compare(t, fmt.Sprintf("%v: %+v batch %d", l, s, batch), dst, sum, abs, len(weights)/s.Filters, act)
		}
	}
}

// TestBands has images large enough to be cut.
func TestBands(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	pools := []*par.Pool{par.New(1), par.New(2), par.New(3)}
	for n, s := range []Shape{
		{Channels: 16, Filters: 3, Groups: 1, Shape: window.Flat(101, 103, 3, 3)},
		{Channels: 16, Filters: 6, Groups: 2, Shape: window.Flat(101, 103, 5, 3)},
		{Channels: 8, Filters: 10, Groups: 1, Shape: window.Flat(231, 150, 3, 3)},
		{Channels: 4, Filters: 2, Groups: 1, Shape: window.Flat(300, 180, 3, 3)},
	} {
		s.Pad = [3][2]int{{}, {1, 2}, {2, 1}}
		if n == 2 {
			s.Stride = [3]int{1, 2, 3}
		}
		if n == 3 {
			s.Dilation = [3]int{1, 5, 2}
		}
		weights := random(r, s.Filters*s.Channels/s.Groups*window.Size(s.Kernel))
		src, bias := random(r, 2*s.Channels*window.Size(s.In)), random(r, s.Filters)
		dst := random(r, 2*s.Filters*window.Size(s.Windows()))
		sum, abs := naive(&s, 2, src, weights, bias, dst)
		levels(t, func(t *testing.T, l cpu.Level) {
			c := &Conv{shape: s, out: s.Windows(), plan: newPlan(l, s, weights, bias, gemm.Leaky(0.1))}
			if c.plan.bands() < 2 {
				t.Fatalf("%+v is not cut", s)
			}
			for _, p := range pools {
				got := slices.Clone(dst)
				c.Run(p, 2, got, src, got)
				compare(t, fmt.Sprintf("%+v", s), got, sum, abs, len(weights)/s.Filters, gemm.Leaky(0.1))
			}
		})

		s.In = [3]int{1, s.In[1] / 2, s.In[2] / 2}
		s.Channels, s.Filters = 2*s.Channels, 2*s.Filters
		s.Stride = [3]int{1, 2, 2}
		weights, bias = random(r, s.Filters*s.Channels/s.Groups*window.Size(s.Kernel)), random(r, s.Filters)
		sum, abs = nil, nil
		levels(t, func(t *testing.T, l cpu.Level) {
			c := NewTransposed(l, s, weights, bias, gemm.Relu)
			if sum == nil {
				sum, abs = naiveTransposed(&s, c.Out(), 2, src, weights, bias)
			}
			for _, p := range pools {
				got := make([]float32, len(sum))
				c.Run(p, 2, got, src)
				compare(t, fmt.Sprintf("transposed %+v", s), got, sum, abs, len(weights)/s.Filters, gemm.Relu)
			}
		})
	}
	for _, p := range pools {
		p.Close()
	}
}

// TestNaN holds that a NaN reaches the windows that see it and no other.
func TestNaN(t *testing.T) {
	levels(t, func(t *testing.T, l cpu.Level) {
		p := par.New(1)
		defer p.Close()
		for _, groups := range []int{1, 4} {
			s := Shape{Channels: 4, Filters: 4, Groups: groups, Shape: window.Flat(9, 37, 3, 3)}
			s.Pad = [3][2]int{{}, {1, 1}, {1, 1}}
			weights := make([]float32, 4*4/groups*9)
			for i := range weights {
				weights[i] = 1
			}
			src := make([]float32, 4*9*37)
			src[9*37+5*37+20] = float32(math.NaN())
			c := New(l, s, weights, nil, gemm.Relu)
			dst := make([]float32, 4*9*37)
			c.Run(p, 1, dst, src, nil)
			for i, v := range dst {
				f, y, x := i/(9*37), i/37%9, i%37
				sees := y >= 4 && y <= 6 && x >= 19 && x <= 21 && (groups == 1 || f == 1)
				if sees != (v != v) {
					t.Fatalf("groups %d: filter %d, (%d,%d) = %v", groups, f, y, x, v)
				}
			}
		}
	})
}

func TestShortSlicesPanic(t *testing.T) {
	p := par.New(1)
	defer p.Close()
	s := Shape{Channels: 2, Filters: 3, Groups: 1, Shape: window.Flat(4, 4, 1, 1)}
	c := New(cpu.Generic, s, make([]float32, 6), nil, gemm.Act{})
	dst, src := make([]float32, 48), make([]float32, 32)
	c.Run(p, 1, dst, src, nil)
	bad := s
	bad.Groups = 3
	for name, f := range map[string]func(){
		"input":   func() { c.Run(p, 1, dst, src[:31], nil) },
		"output":  func() { c.Run(p, 1, dst[:47], src, nil) },
		"added":   func() { c.Run(p, 1, dst, src, dst[:47]) },
		"batch":   func() { c.Run(p, 2, dst, src, nil) },
		"weights": func() { New(cpu.Generic, s, make([]float32, 5), nil, gemm.Act{}) },
		"bias":    func() { New(cpu.Generic, s, make([]float32, 6), make([]float32, 2), gemm.Act{}) },
		"groups":  func() { New(cpu.Generic, bad, make([]float32, 6), nil, gemm.Act{}) },
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

// BenchmarkConv has layers of networks: SqueezeNet's, a style transfer's with
// large windows, MobileNet's, ResNet's.
func BenchmarkConv(b *testing.B) {
	for _, l := range cpu.Available() {
		for _, threads := range []int{1, 2} {
			for _, s := range []struct {
				name                                            string
				size, channels, filters, groups, kernel, stride int
				transposed                                      bool
			}{
				{"squeeze", 55, 64, 16, 1, 1, 1, false},
				{"expand1x1", 55, 16, 64, 1, 1, 1, false},
				{"expand3x3", 55, 16, 64, 1, 3, 1, false},
				{"expand3x3late", 13, 64, 256, 1, 3, 1, false},
				{"first3x3", 224, 3, 64, 1, 3, 2, false},
				{"first7x7", 224, 3, 64, 1, 7, 2, false},
				{"style9x9", 256, 3, 32, 1, 9, 1, false},
				{"style9x9out", 256, 32, 3, 1, 9, 1, false},
				{"style3x3", 64, 128, 128, 1, 3, 1, false},
				{"style3x3stride", 256, 32, 64, 1, 3, 2, false},
				{"style3x3up", 64, 128, 64, 1, 3, 2, true},
				{"style3x3upper", 128, 64, 32, 1, 3, 2, true},
				{"resnet3x3", 56, 64, 64, 1, 3, 1, false},
				{"resnet3x3late", 7, 512, 512, 1, 3, 1, false},
				{"depthwise112", 112, 32, 32, 32, 3, 1, false},
				{"depthwise112stride", 112, 64, 64, 64, 3, 2, false},
				{"depthwise14", 14, 512, 512, 512, 3, 1, false},
				{"depthwise7", 7, 1024, 1024, 1024, 3, 1, false},
				{"grouped", 56, 128, 128, 32, 3, 1, false},
			} {
				b.Run(fmt.Sprintf("%v/%d/%s", l, threads, s.name), func(b *testing.B) {
					p := par.New(threads)
					defer p.Close()
					shape := Shape{Channels: s.channels, Filters: s.filters, Groups: s.groups, Shape: window.Flat(s.size, s.size, s.kernel, s.kernel)}
					shape.Stride = [3]int{1, s.stride, s.stride}
					pad := [2]int{s.kernel / 2, s.kernel / 2}
					shape.Pad = [3][2]int{{}, pad, pad}
					taps := window.Size(shape.Kernel)
					weights, bias := make([]float32, s.channels*s.filters/s.groups*taps), make([]float32, s.filters)
					src := make([]float32, s.channels*s.size*s.size)
					flops := 2 * float64(len(weights))
					if s.transposed {
						flops *= float64(s.size * s.size)
						c := NewTransposed(l, shape, weights, bias, gemm.Relu)
						dst := make([]float32, s.filters*window.Size(c.Out()))
						for b.Loop() {
							c.Run(p, 1, dst, src)
						}
					} else {
						c := New(l, shape, weights, bias, gemm.Relu)
						flops *= float64(window.Size(c.Out()))
						dst := make([]float32, s.filters*window.Size(c.Out()))
						for b.Loop() {
							c.Run(p, 1, dst, src, nil)
						}
					}
					b.ReportMetric(flops*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOPS")
				})
			}
		}
	}
}
