//go:build !race

// The race detector makes sync.Pool forget, which allocates.

package engine

import (
	"context"
	"testing"

	"github.com/smelt-ml/smelt/internal/kernel/cpu"
	"github.com/smelt-ml/smelt/internal/kernel/par"
	"github.com/smelt-ml/smelt/mil"
)

func TestTransformerStepsDoNotAllocate(t *testing.T) {
	f, in, err := encoder(spelling{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := Compile(f, []mil.Type{f.Inputs[0].Type, f.Inputs[1].Type}, Options{Level: cpu.Best()})
	if err != nil {
		t.Fatal(err)
	}
	pool := par.New(2)
	defer pool.Close()
	run := p.NewRun(pool)
	if _, err := run.Do(context.Background(), in, nil); err != nil {
		t.Fatal(err)
	}
	run.ctx = context.Background()
	for i, v := range p.Inputs { // as Do leaves nothing behind
		run.objects[p.places[v].object] = object{tensor: in[i]}
	}
	for i := range p.steps {
		s := &p.steps[i]
		if a := testing.AllocsPerRun(20, func() {
			if err := s.run(run); err != nil {
				t.Error(err)
			}
		}); a >= 1 {
			t.Errorf("%s: %v allocations", s.node.Op, a)
		}
	}
}
