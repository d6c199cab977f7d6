//go:build !race

// The race detector makes sync.Pool forget, which allocates.

package engine

import (
	"context"
	"math/rand/v2"
	"testing"

	"github.com/smelt-ml/smelt/internal/kernel/par"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

func TestRecurrentStepsDoNotAllocate(t *testing.T) {
	const in, hidden = 30, 200
	r := rand.New(rand.NewPCG(1, 1))
	x := &mil.Value{Name: "x", Type: mil.TensorType(tensor.Float32, 9, 1, in)}
	state := mil.NewConst("s", floatsOf(r, 1, hidden))
	b := mil.NewBuilder(mil.IOS18)
	op.LSTMIOS17.AddN(b, op.LSTMArgs{
		X: x, InitialH: state, InitialC: state, WeightIH: floatsOf(r, 4*hidden, in), WeightHH: floatsOf(r, 4*hidden, hidden),
		Direction: "forward", RecurrentActivation: "sigmoid", CellActivation: "tanh", Activation: "tanh", Clip: 3,
	})
	op.GRUIOS17.AddN(b, op.GRUArgs{
		X: x, InitialH: state, WeightIH: floatsOf(r, 3*hidden, in), WeightHH: floatsOf(r, 3*hidden, hidden),
		Direction: "forward", RecurrentActivation: "sigmoid", Activation: "tanh",
	})
	op.RNNIOS17.AddN(b, op.RNNArgs{X: x, InitialH: state, WeightIH: floatsOf(r, hidden, in), WeightHH: floatsOf(r, hidden, hidden), Direction: "forward", Activation: "tanh"})
	if b.Err() != nil {
		t.Fatal(b.Err())
	}
	for _, n := range b.Block.Nodes {
		b.Block.Outputs = append(b.Block.Outputs, n.Outputs...)
	}
	p, err := Compile(&mil.Func{Name: "main", Opset: mil.IOS18, Inputs: []*mil.Value{x}, Body: b.Block}, []mil.Type{x.Type}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	pool := par.New(2)
	defer pool.Close()
	run := p.NewRun(pool)
	if _, err := run.Do(context.Background(), []*tensor.Tensor{floatsOf(r, 9, 1, in)}, nil); err != nil {
		t.Fatal(err)
	}
	run.ctx = context.Background()
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
