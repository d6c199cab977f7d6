package engine

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/smelt-ml/smelt/internal/kernel/cpu"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

func scaledFloats(r *rand.Rand, scale float32, shape ...int) *tensor.Tensor {
	t := floatsOf(r, shape...)
	for i, v := range t.F32() {
		t.F32()[i] = scale * v
	}
	return t
}

// TestRecurrentSizes goes where the samples of TestKernels are too small to be:
// several groups of units, threads, more steps than have their sums at once.
func TestRecurrentSizes(t *testing.T) {
	for _, test := range []struct{ steps, batch, in, hidden int }{
		{7, 1, 20, 150}, {450, 1, 5, 17}, {5, 6, 33, 96}, {130, 3, 9, 40}, {3, 250, 4, 20},
	} {
		r := rand.New(rand.NewPCG(uint64(test.steps), uint64(test.hidden)))
		x := &mil.Value{Name: "x", Type: mil.TensorType(tensor.Float32, test.steps, test.batch, test.in)}
		weights := func(gates int) (in, rec, bias *tensor.Tensor) {
			m := gates * test.hidden
			return scaledFloats(r, 0.2, m, test.in), scaledFloats(r, 0.05, m, test.hidden), scaledFloats(r, 0.3, m)
		}
		state := func(directions int) *mil.Value {
			return mil.NewConst("s", floatsOf(r, test.batch+1, directions*test.hidden))
		}
		for i, all := range []bool{false, true} {
			for _, direction := range []string{"forward", "reverse", "bidirectional"} {
				b := mil.NewBuilder(mil.IOS18)
				a := op.LSTMArgs{X: x, Direction: direction, OutputSequence: all, RecurrentActivation: "sigmoid", CellActivation: "tanh", Activation: "tanh"}
				a.WeightIH, a.WeightHH, a.Bias = weights(4)
				a.InitialH, a.InitialC = state(1), state(1)
				if direction == "bidirectional" {
					a.WeightIHBack, a.WeightHHBack, a.BiasBack = weights(4)
					a.InitialH, a.InitialC = state(2), state(2)
				}
				b.Block.Outputs = op.LSTMIOS17.AddN(b, a)
				a.Peephole = scaledFloats(r, 0.2, 3*test.hidden)
				b.Block.Outputs = append(b.Block.Outputs, op.LSTMIOS17.AddN(b, a)...)
				if direction != "bidirectional" {
					g := op.GRUIOS18Args{X: x, InitialH: state(1), Direction: direction, OutputSequence: all, RecurrentActivation: "sigmoid", Activation: "tanh"}
					g.WeightIH, g.WeightHH, g.Bias = weights(3)
					b.Block.Outputs = append(b.Block.Outputs, op.GRUIOS18.AddN(b, g)...)
					_, _, g.InputBias = weights(3)
					g.ResetAfter = true
					b.Block.Outputs = append(b.Block.Outputs, op.GRUIOS18.AddN(b, g)...)
					n := op.RNNArgs{X: x, InitialH: state(1), Direction: direction, OutputSequence: all, Activation: "tanh"}
					n.WeightIH, n.WeightHH, n.Bias = weights(1)
					b.Block.Outputs = append(b.Block.Outputs, op.RNNIOS17.AddN(b, n)...)
				}
				if b.Err() != nil {
					t.Fatal(b.Err())
				}
				f := &mil.Func{Name: "main", Opset: mil.IOS18, Inputs: []*mil.Value{x}, Body: b.Block}
				in := []*tensor.Tensor{floatsOf(r, x.Type.Shape...)}
				want := compileAndRun(t, f, in, Options{Reference: true}, 1)
				for _, level := range cpu.Available() {
					for out, have := range compileAndRun(t, f, in, Options{Level: level}, 1+i) {
						near(t, fmt.Sprintf("%s %+v %s all %v output %d", level, test, direction, all, out), want[out], have, 2e-5)
					}
				}
			}
		}
	}
}
