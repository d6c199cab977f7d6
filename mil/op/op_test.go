package op

import (
	"math/rand/v2"
	"testing"

	"github.com/smelt-ml/smelt/mil"
)

// TestSamples holds every operator's Infer against its Eval: the types that
// the rule promises are those of the values that come out, and arguments
// survive the way into a node and back.
func TestSamples(t *testing.T) {
	for _, o := range All() {
		t.Run(o.Name+"/"+o.Since.String(), func(t *testing.T) {
			for seed := range uint64(20) {
				args := o.Sample(rand.New(rand.NewPCG(seed, 1)))
				if args == nil {
					if o.HasEval {
						t.Fatal("an operator with Eval needs Sample")
					}
					return
				}
				n := o.Node("n", args)
				bound, err := o.Bind(n, nil)
				if err != nil {
					t.Fatalf("seed %d: bind: %v", seed, err)
				}
				types, err := o.Infer(bound)
				if err != nil {
					t.Fatalf("seed %d: infer: %v", seed, err)
				}
				outs, err := o.Eval(bound)
				if err != nil {
					t.Fatalf("seed %d: eval: %v", seed, err)
				}
				if len(outs) != len(types) {
					t.Fatalf("seed %d: %d outputs, %d types", seed, len(outs), len(types))
				}
				for i, out := range outs {
					if !fits(types[i], mil.TypeOf(out)) {
						t.Errorf("seed %d: output %d is %s, Infer says %s", seed, i, mil.TypeOf(out), types[i])
					}
				}
			}
		})
	}
}

// fits tells whether a value's type is an instance of an inferred one.
func fits(want, have mil.Type) bool {
	if want.Kind != mil.Tensor || want.AnyRank {
		return want.DType == have.DType || want.Kind != mil.Tensor
	}
	if want.DType != have.DType || len(want.Shape) != len(have.Shape) {
		return false
	}
	for i, d := range want.Shape {
		if d >= 0 && d != have.Shape[i] {
			return false
		}
	}
	return true
}
