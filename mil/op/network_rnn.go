package op

import (
	"math/rand/v2"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// NetworkRNNArgs are RNNArgs with the activations that the layer has.
type NetworkRNNArgs struct {
	X              *mil.Value     `mil:"x,T"`
	InitialH       *mil.Value     `mil:"initial_h,T"`
	WeightIH       *tensor.Tensor `mil:"weight_ih,T,const"`
	WeightHH       *tensor.Tensor `mil:"weight_hh,T,const"`
	Bias           *tensor.Tensor `mil:"bias,T,const,optional"`
	Direction      string         `mil:"direction,string,const,optional" values:"forward|reverse"`
	OutputSequence bool           `mil:"output_sequence,bool,const,optional"`
	Activation     string         `mil:"activation,string,const,optional" values:"relu|tanh|sigmoid|sigmoid_hard|scaled_tanh|linear|lecun_tanh"`
}

// NetworkRNN is RNN as the layer simpleRecurrent of neural networks computes
// it: what the activation is given is within ±50.
var NetworkRNN = Define(Spec[NetworkRNNArgs]{
	Name: "network_rnn", Since: mil.IOS13, Internal: true, Types: Types{"T": Float},
	Default: NetworkRNNArgs(defaultRNN),
	Infer:   func(a *NetworkRNNArgs) ([]mil.Type, error) { return inferRNN((*RNNArgs)(a)) },
	Eval:    func(a *NetworkRNNArgs) ([]*tensor.Tensor, error) { return (*RNNArgs)(a).run(limited(a.Activation)) },
	Sample: func(r *rand.Rand) NetworkRNNArgs {
		a := NetworkRNNArgs(sampleRNN(r))
		a.Activation = oneOf(r, a.Activation, "lecun_tanh")
		return a
	},
})
