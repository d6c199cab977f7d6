//go:build !race

// The race detector makes sync.Pool forget, which allocates.

package conv

import (
	"testing"

	"github.com/smelt-ml/smelt/internal/kernel/cpu"
	"github.com/smelt-ml/smelt/internal/kernel/gemm"
	"github.com/smelt-ml/smelt/internal/kernel/par"
	"github.com/smelt-ml/smelt/internal/kernel/window"
)

func TestRunDoesNotAllocate(t *testing.T) {
	levels(t, func(t *testing.T, l cpu.Level) {
		p := par.New(2)
		defer p.Close()
		for _, groups := range []int{1, 8} {
			s := Shape{Channels: 8, Filters: 8, Groups: groups, Shape: window.Flat(20, 20, 3, 3)}
			s.Pad = [3][2]int{{}, {1, 1}, {1, 1}}
			c := New(l, s, make([]float32, 8*8/groups*9), nil, gemm.Relu)
			dst, src := make([]float32, 8*400), make([]float32, 8*400)
			c.Run(p, 1, dst, src, nil)
			if a := testing.AllocsPerRun(50, func() { c.Run(p, 1, dst, src, dst) }); a >= 1 {
				t.Errorf("groups %d: %v allocations a run", groups, a)
			}
			s.Stride = [3]int{1, 2, 2}
			up := NewTransposed(l, s, make([]float32, 8*8/groups*9), nil, gemm.Relu)
			dst = make([]float32, 8*window.Size(up.Out()))
			up.Run(p, 1, dst, src)
			if a := testing.AllocsPerRun(50, func() { up.Run(p, 1, dst, src) }); a >= 1 {
				t.Errorf("transposed, groups %d: %v allocations a run", groups, a)
			}
		}
		whole := New(l, Shape{Channels: 64, Filters: 64, Groups: 1, Shape: window.Flat(1, 1, 1, 1)}, make([]float32, 64*64), nil, gemm.Relu)
		one := make([]float32, 2*64)
		if a := testing.AllocsPerRun(50, func() { whole.Run(p, 1, one[:64], one[64:], nil) }); a >= 1 {
			t.Errorf("one window: %v allocations a run", a)
		}
		s := Shape{Channels: 16, Filters: 8, Groups: 1, Shape: window.Flat(100, 100, 3, 3)} // in bands
		s.Pad = [3][2]int{{}, {1, 1}, {1, 1}}
		c := New(l, s, make([]float32, 16*8*9), nil, gemm.Relu)
		dst, src := make([]float32, 8*10000), make([]float32, 16*10000)
		c.Run(p, 1, dst, src, nil)
		if a := testing.AllocsPerRun(20, func() { c.Run(p, 1, dst, src, nil) }); a >= 1 {
			t.Errorf("in bands: %v allocations a run", a)
		}
		for _, size := range []int{12, 60} { // together, and each worker by itself
			s := Shape{Channels: 40, Filters: 70, Groups: 1, Shape: window.Flat(size, size, 3, 3)}
			w := newWinograd(l, s, make([]float32, 40*70*9), nil, gemm.Leaky(0.1), nil)
			dst, src := make([]float32, 70*size*size), make([]float32, 40*size*size)
			w.run(p, 1, dst, src, nil)
			if a := testing.AllocsPerRun(20, func() { w.run(p, 1, dst, src, nil) }); a >= 1 {
				t.Errorf("tiles of %d×%d: %v allocations a run", size, size, a)
			}
		}
	})
}
