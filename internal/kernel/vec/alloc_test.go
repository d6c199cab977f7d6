//go:build !race

// The race detector makes sync.Pool forget, which allocates.

package vec

import (
	"testing"
)

func TestNothingAllocates(t *testing.T) {
	levels(t, func(t *testing.T, v *Funcs) {
		x := make([]float32, 3000)
		shape, perm := []int{3, 100, 10}, []int{2, 0, 1}
		for name, f := range map[string]func(){
			"gelu":    func() { v.Gelu(x, x) },
			"silu":    func() { v.Silu(x, x) },
			"clamp":   func() { v.Clamp(x, x, 0, 6) },
			"leaky":   func() { v.Leaky(x, x, 0.1) },
			"log":     func() { v.LogSoftmax(x, x, 3, 1000) },
			"softmax": func() { v.SoftmaxStrided(x, x, 3, 10, 100) },
			"norm":    func() { v.Normalize(x, x, x, x, 1) },
			"permute": func() { v.Permute(x, x, shape, perm) },
		} {
			if a := testing.AllocsPerRun(10, f); a != 0 {
				t.Errorf("%s: %v allocations", name, a)
			}
		}
	})
}
