package engine

import (
	"slices"
	"testing"

	"github.com/smelt-ml/smelt/mil/op"
)

// TestKernelNames looks for kernels that no program can reach: their operator has
// another name, or the engine itself acts in its place.
func TestKernelNames(t *testing.T) {
	for _, name := range Kernels() {
		if !slices.ContainsFunc(op.All(), func(o *op.Op) bool { return o.Name == name && o.HasEval }) {
			t.Errorf("kernel %q: there is no operator with reference evaluation of that name", name)
		}
		if structural[name] != nil {
			t.Errorf("kernel %q: the interpreter runs that operator", name)
		}
	}
}
