package op

import (
	"math/rand/v2"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// RNNArgs are the arguments of RNN: x is [steps, batch, in], initial_h [batch,
// hidden], weight_ih [hidden, in], weight_hh [hidden, hidden], bias [hidden].
type RNNArgs struct {
	X              *mil.Value     `mil:"x,T"`
	InitialH       *mil.Value     `mil:"initial_h,T"`
	WeightIH       *tensor.Tensor `mil:"weight_ih,T,const"`
	WeightHH       *tensor.Tensor `mil:"weight_hh,T,const"`
	Bias           *tensor.Tensor `mil:"bias,T,const,optional"`
	Direction      string         `mil:"direction,string,const,optional" values:"forward|reverse"`
	OutputSequence bool           `mil:"output_sequence,bool,const,optional"`
	Activation     string         `mil:"activation,string,const,optional" values:"relu|tanh|sigmoid|sigmoid_hard|scaled_tanh|linear"`
}

// RNN is the simple recurrent network h = activation(weight_ih·x +
// weight_hh·h + bias). Its outputs are h after each step (or only the last, as
// one step) and after the last step. Reversed, the first step is that of the
// last x.
var RNN = Define(Spec[RNNArgs]{
	Name: "rnn", Since: mil.IOS15, Types: Types{"T": {tensor.Float32}},
	Default: defaultRNN, Infer: inferRNN, Eval: evalRNN, Sample: sampleRNN,
})

// RNNIOS17 is RNN for more element types.
var RNNIOS17 = Define(Spec[RNNArgs]{
	Name: "rnn", Since: mil.IOS17, Types: Types{"T": Float},
	Default: defaultRNN, Infer: inferRNN, Eval: evalRNN, Sample: sampleRNN,
})

var defaultRNN = RNNArgs{Direction: "forward", Activation: "tanh"}

func (a *RNNArgs) sequences() (sequences, error) {
	s, err := unrolled(a.X, a.WeightHH, a.Direction)
	if err != nil {
		return s, err
	}
	if err := s.fits(1, a.WeightIH, a.WeightHH, a.Bias); err != nil {
		return s, err
	}
	return s, s.state("initial_h", a.InitialH, s.hidden)
}

func inferRNN(a *RNNArgs) ([]mil.Type, error) {
	s, err := a.sequences()
	if err != nil {
		return nil, err
	}
	return s.results(a.X.Type.DType, s.hidden, a.OutputSequence, 1)
}

func evalRNN(a *RNNArgs) ([]*tensor.Tensor, error) { return a.run(activations[a.Activation]) }

func (a *RNNArgs) run(act func(float64) float64) ([]*tensor.Tensor, error) {
	s, err := a.sequences()
	if err != nil {
		return nil, err
	}
	x, wi, wh, bias := a.X.Const.F32(), a.WeightIH.F32(), a.WeightHH.F32(), floatsOf(a.Bias)
	out := newRecord(&s, s.hidden, a.OutputSequence)
	h, sums := make([]float64, s.hidden), make([]float64, s.hidden)
	for n := range s.batch {
		start(h, a.InitialH.Const.F32()[n*s.hidden:][:s.hidden])
		s.each(func(t, i int) {
			start(sums, bias)
			gates(sums, wi, x[(i*s.batch+n)*s.in:][:s.in])
			gates(sums, wh, h)
			for j, v := range sums {
				h[j] = act(v)
			}
			out.step(t, n, 0, h)
		})
		out.end(n, 0, h)
	}
	return out.tensors(a.X.Type.DType), nil
}

func sampleRNN(r *rand.Rand) RNNArgs {
	s := sampleSequences(r)
	return RNNArgs{
		X: sampleFloats(r, s.steps, s.batch, s.in), InitialH: sampleFloats(r, s.batch, s.hidden),
		WeightIH: sampleWeights(r, s.hidden, s.in), WeightHH: sampleWeights(r, s.hidden, s.hidden), Bias: perhaps(r, s.hidden),
		Direction: oneOf(r, "forward", "reverse"), OutputSequence: r.IntN(2) == 0,
		Activation: oneOf(r, "relu", "tanh", "sigmoid", "sigmoid_hard", "scaled_tanh", "linear"),
	}
}
