package op

import (
	"math/rand/v2"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// NetworkLSTMArgs are LSTMArgs with the activations that the layer has, and
// Coupled.
type NetworkLSTMArgs struct {
	X                   *mil.Value     `mil:"x,T"`
	InitialH            *mil.Value     `mil:"initial_h,T"`
	InitialC            *mil.Value     `mil:"initial_c,T"`
	WeightIH            *tensor.Tensor `mil:"weight_ih,T,const"`
	WeightHH            *tensor.Tensor `mil:"weight_hh,T,const"`
	Bias                *tensor.Tensor `mil:"bias,T,const,optional"`
	Peephole            *tensor.Tensor `mil:"peephole,T,const,optional"`
	WeightIHBack        *tensor.Tensor `mil:"weight_ih_back,T,const,optional"`
	WeightHHBack        *tensor.Tensor `mil:"weight_hh_back,T,const,optional"`
	BiasBack            *tensor.Tensor `mil:"bias_back,T,const,optional"`
	PeepholeBack        *tensor.Tensor `mil:"peephole_back,T,const,optional"`
	Direction           string         `mil:"direction,string,const,optional" values:"forward|reverse|bidirectional"`
	OutputSequence      bool           `mil:"output_sequence,bool,const,optional"`
	RecurrentActivation string         `mil:"recurrent_activation,string,const,optional" values:"tanh|scaled_tanh|sigmoid|hard_sigmoid|relu|linear|lecun_tanh"`
	CellActivation      string         `mil:"cell_activation,string,const,optional" values:"tanh|scaled_tanh|sigmoid|hard_sigmoid|relu|linear|lecun_tanh"`
	Activation          string         `mil:"activation,string,const,optional" values:"tanh|scaled_tanh|sigmoid|hard_sigmoid|relu|linear|lecun_tanh"`
	Clip                float32        `mil:"clip,T,const,optional,omitzero"`
	Coupled             bool           `mil:"coupled,bool,const,optional"`
}

// NetworkLSTM is LSTM as the layers uniDirectionalLSTM and biDirectionalLSTM
// of neural networks compute it: what recurrent_activation and cell_activation
// are given is within ±50, and coupled gates forget what the input gate does
// not take in, f = 1 - i. The weights of the forget gate are unused then.
var NetworkLSTM = Define(Spec[NetworkLSTMArgs]{
	Name: "network_lstm", Since: mil.IOS13, Internal: true, Types: Types{"T": Float},
	Default: NetworkLSTMOf(defaultLSTM),
	Infer:   func(a *NetworkLSTMArgs) ([]mil.Type, error) { return inferLSTM(a.lstm()) },
	Eval: func(a *NetworkLSTMArgs) ([]*tensor.Tensor, error) {
		return a.lstm().run(limited(a.RecurrentActivation), limited(a.CellActivation), a.Coupled)
	},
	Sample: func(r *rand.Rand) NetworkLSTMArgs {
		a := NetworkLSTMOf(sampleLSTM(r))
		a.Activation, a.Coupled = oneOf(r, a.Activation, "lecun_tanh"), r.IntN(2) == 0
		return a
	},
})

// NetworkLSTMOf returns the same arguments for the layers' operator.
func NetworkLSTMOf(a LSTMArgs) NetworkLSTMArgs {
	return NetworkLSTMArgs{
		X: a.X, InitialH: a.InitialH, InitialC: a.InitialC, WeightIH: a.WeightIH, WeightHH: a.WeightHH, Bias: a.Bias, Peephole: a.Peephole,
		WeightIHBack: a.WeightIHBack, WeightHHBack: a.WeightHHBack, BiasBack: a.BiasBack, PeepholeBack: a.PeepholeBack,
		Direction: a.Direction, OutputSequence: a.OutputSequence, RecurrentActivation: a.RecurrentActivation,
		CellActivation: a.CellActivation, Activation: a.Activation, Clip: a.Clip,
	}
}

func (a *NetworkLSTMArgs) lstm() *LSTMArgs {
	return &LSTMArgs{
		X: a.X, InitialH: a.InitialH, InitialC: a.InitialC, WeightIH: a.WeightIH, WeightHH: a.WeightHH, Bias: a.Bias, Peephole: a.Peephole,
		WeightIHBack: a.WeightIHBack, WeightHHBack: a.WeightHHBack, BiasBack: a.BiasBack, PeepholeBack: a.PeepholeBack,
		Direction: a.Direction, OutputSequence: a.OutputSequence, RecurrentActivation: a.RecurrentActivation,
		CellActivation: a.CellActivation, Activation: a.Activation, Clip: a.Clip,
	}
}
