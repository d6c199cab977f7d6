package op

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/smelt-ml/smelt/mil"
)

// TestSamplesAsText writes a program of one node for every operator that has
// Sample: text names the operator and every argument that is given.
func TestSamplesAsText(t *testing.T) {
	for _, o := range All() {
		for seed := range uint64(20) {
			args := o.Sample(rand.New(rand.NewPCG(seed, 2)))
			if args == nil {
				break
			}
			n := o.Node("n", args)
			types, err := o.Infer(args)
			if err != nil {
				t.Fatalf("%s/%s: seed %d: %v", o.Name, o.Since, seed, err)
			}
			for _, typ := range types {
				n.Outputs = append(n.Outputs, &mil.Value{Name: "y", Type: typ})
			}
			p := &mil.Program{Funcs: []*mil.Func{{Name: "main", Opset: o.Since, Body: &mil.Block{Nodes: []*mil.Node{n}, Outputs: n.Outputs}}}}
			var text strings.Builder
			if err := p.WriteText(&text); err != nil {
				t.Fatalf("%s/%s: seed %d: %v", o.Name, o.Since, seed, err)
			}
			for _, in := range n.Inputs {
				if !strings.Contains(text.String(), in.Name+" = ") {
					t.Errorf("%s/%s: seed %d: no argument %q in\n%s", o.Name, o.Since, seed, in.Name, &text)
				}
			}
			if !strings.Contains(text.String(), " = "+o.Name+"(") {
				t.Errorf("%s/%s: seed %d: no operator in\n%s", o.Name, o.Since, seed, &text)
			}
		}
	}
}
