package op

import (
	"math/rand/v2"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// NetworkGRUArgs are GRUArgs with the activations that the layer has.
type NetworkGRUArgs struct {
	X                   *mil.Value     `mil:"x,T"`
	InitialH            *mil.Value     `mil:"initial_h,T"`
	WeightIH            *tensor.Tensor `mil:"weight_ih,T,const"`
	WeightHH            *tensor.Tensor `mil:"weight_hh,T,const"`
	Bias                *tensor.Tensor `mil:"bias,T,const,optional"`
	Direction           string         `mil:"direction,string,const,optional" values:"forward|reverse"`
	OutputSequence      bool           `mil:"output_sequence,bool,const,optional"`
	RecurrentActivation string         `mil:"recurrent_activation,string,const,optional" values:"tanh|scaled_tanh|sigmoid|hard_sigmoid|relu|linear|lecun_tanh"`
	Activation          string         `mil:"activation,string,const,optional" values:"tanh|scaled_tanh|sigmoid|hard_sigmoid|relu|linear|lecun_tanh"`
}

// NetworkGRU is GRU as the layer gru of neural networks computes it: what the
// activations are given is within ±50.
var NetworkGRU = Define(Spec[NetworkGRUArgs]{
	Name: "network_gru", Since: mil.IOS13, Internal: true, Types: Types{"T": Float},
	Default: NetworkGRUArgs(defaultGRU),
	Infer:   func(a *NetworkGRUArgs) ([]mil.Type, error) { return inferGRU((*GRUArgs)(a).IOS18()) },
	Eval: func(a *NetworkGRUArgs) ([]*tensor.Tensor, error) {
		return (*GRUArgs)(a).IOS18().run(limited(a.RecurrentActivation), limited(a.Activation))
	},
	Sample: func(r *rand.Rand) NetworkGRUArgs {
		a := NetworkGRUArgs(sampleGRU(r))
		a.Activation = oneOf(r, a.Activation, "lecun_tanh")
		return a
	},
})
