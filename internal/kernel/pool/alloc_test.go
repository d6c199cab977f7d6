//go:build !race

// The race detector makes sync.Pool forget, which allocates.

package pool

import (
	"testing"

	"github.com/smelt-ml/smelt/internal/kernel/cpu"
	"github.com/smelt-ml/smelt/internal/kernel/par"
	"github.com/smelt-ml/smelt/internal/kernel/window"
)

func TestRunDoesNotAllocate(t *testing.T) {
	p := par.New(2)
	defer p.Close()
	for _, s := range []window.Shape{window.Flat(20, 20, 3, 3), window.Flat(20, 20, 9, 9), window.Flat(7, 7, 7, 7)} {
		s.Stride[2] = 2
		m := NewMax(cpu.Best(), s)
		dst, src := make([]float32, 8*400), make([]float32, 8*400)
		m.Run(p, 8, dst, src)
		if a := testing.AllocsPerRun(50, func() { m.Run(p, 8, dst, src) }); a >= 1 {
			t.Errorf("window %v: %v allocations a run", s.Kernel, a)
		}
	}
}
