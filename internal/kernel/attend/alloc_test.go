//go:build !race

// The race detector makes sync.Pool forget, which allocates.

package attend

import (
	"math/rand/v2"
	"testing"

	"github.com/smelt-ml/smelt/internal/kernel/cpu"
	"github.com/smelt-ml/smelt/internal/kernel/par"
)

func TestNoAllocations(t *testing.T) {
	a := sample(rand.New(rand.NewPCG(3, 4)), 1, 4, 32, 32, 16, 16, 1)
	pool := par.New(2)
	defer pool.Close()
	kn := For(cpu.Best())
	if n := testing.AllocsPerRun(50, func() { kn.Run(pool, a) }); n > 0 {
		t.Errorf("%g allocations", n)
	}
}
