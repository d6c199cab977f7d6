package op

import (
	"math/rand/v2"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// GRUArgs are the arguments of GRU: x is [steps, batch, in], initial_h [batch,
// hidden], weight_ih [3·hidden, in], weight_hh [3·hidden, hidden] and bias
// [3·hidden] for the reset, output and update gates, in this order.
type GRUArgs struct {
	X                   *mil.Value     `mil:"x,T"`
	InitialH            *mil.Value     `mil:"initial_h,T"`
	WeightIH            *tensor.Tensor `mil:"weight_ih,T,const"`
	WeightHH            *tensor.Tensor `mil:"weight_hh,T,const"`
	Bias                *tensor.Tensor `mil:"bias,T,const,optional"`
	Direction           string         `mil:"direction,string,const,optional" values:"forward|reverse"`
	OutputSequence      bool           `mil:"output_sequence,bool,const,optional"`
	RecurrentActivation string         `mil:"recurrent_activation,string,const,optional" values:"tanh|scaled_tanh|sigmoid|hard_sigmoid|relu|linear"`
	Activation          string         `mil:"activation,string,const,optional" values:"tanh|scaled_tanh|sigmoid|hard_sigmoid|relu|linear"`
}

// GRUIOS18Args are GRUArgs with ResetAfter and a bias [3·hidden] of the input
// alone, which differs from Bias only with ResetAfter.
type GRUIOS18Args struct {
	X                   *mil.Value     `mil:"x,T"`
	InitialH            *mil.Value     `mil:"initial_h,T"`
	WeightIH            *tensor.Tensor `mil:"weight_ih,T,const"`
	WeightHH            *tensor.Tensor `mil:"weight_hh,T,const"`
	Bias                *tensor.Tensor `mil:"bias,T,const,optional"`
	Direction           string         `mil:"direction,string,const,optional" values:"forward|reverse"`
	OutputSequence      bool           `mil:"output_sequence,bool,const,optional"`
	RecurrentActivation string         `mil:"recurrent_activation,string,const,optional" values:"tanh|scaled_tanh|sigmoid|hard_sigmoid|relu|linear"`
	Activation          string         `mil:"activation,string,const,optional" values:"tanh|scaled_tanh|sigmoid|hard_sigmoid|relu|linear"`
	ResetAfter          bool           `mil:"reset_after,bool,const,optional,omitzero"`
	InputBias           *tensor.Tensor `mil:"input_bias,T,const,optional"`
}

// GRU is the gated recurrent unit, with W = weight_ih and R = weight_hh:
//
//	r = recurrent_activation(W_r·x + R_r·h + b_r)
//	z = recurrent_activation(W_z·x + R_z·h + b_z)
//	o = activation(W_o·x + R_o·(r*h) + b_o)
//	h = (1 - z)*o + z*h
//
// Its outputs are h after each step (or only the last, as one step) and after
// the last step. Reversed, the first step is that of the last x.
var GRU = Define(Spec[GRUArgs]{
	Name: "gru", Since: mil.IOS15, Types: Types{"T": {tensor.Float32}},
	Default: defaultGRU,
	Infer:   func(a *GRUArgs) ([]mil.Type, error) { return inferGRU(a.IOS18()) },
	Eval:    func(a *GRUArgs) ([]*tensor.Tensor, error) { return evalGRU(a.IOS18()) },
	Sample:  sampleGRU,
})

// GRUIOS17 is GRU for more element types.
var GRUIOS17 = Define(Spec[GRUArgs]{
	Name: "gru", Since: mil.IOS17, Types: Types{"T": Float},
	Default: defaultGRU,
	Infer:   func(a *GRUArgs) ([]mil.Type, error) { return inferGRU(a.IOS18()) },
	Eval:    func(a *GRUArgs) ([]*tensor.Tensor, error) { return evalGRU(a.IOS18()) },
	Sample:  sampleGRU,
})

// GRUIOS18 is GRU with the choice to reset after the product:
//
//	o = activation(W_o·x + c_o + r*(R_o·h + b_o))
//
// where c is the input's bias, which the other gates have too.
var GRUIOS18 = Define(Spec[GRUIOS18Args]{
	Name: "gru", Since: mil.IOS18, Types: Types{"T": Float},
	Default: *defaultGRU.IOS18(),
	Infer:   inferGRU, Eval: evalGRU,
	Sample: func(r *rand.Rand) GRUIOS18Args {
		g := sampleGRU(r)
		a := g.IOS18()
		a.ResetAfter, a.InputBias = r.IntN(2) == 0, perhaps(r, 3*a.InitialH.Type.Shape[1])
		return *a
	},
})

var defaultGRU = GRUArgs{Direction: "forward", RecurrentActivation: "sigmoid", Activation: "tanh"}

// IOS18 returns the same arguments for the latest version of the operator.
func (a *GRUArgs) IOS18() *GRUIOS18Args {
	return &GRUIOS18Args{
		X: a.X, InitialH: a.InitialH, WeightIH: a.WeightIH, WeightHH: a.WeightHH, Bias: a.Bias, Direction: a.Direction,
		OutputSequence: a.OutputSequence, RecurrentActivation: a.RecurrentActivation, Activation: a.Activation,
	}
}

func (a *GRUIOS18Args) sequences() (sequences, error) {
	s, err := unrolled(a.X, a.WeightHH, a.Direction)
	if err != nil {
		return s, err
	}
	if err := s.fits(3, a.WeightIH, a.WeightHH, a.Bias, a.InputBias); err != nil {
		return s, err
	}
	return s, s.state("initial_h", a.InitialH, s.hidden)
}

func inferGRU(a *GRUIOS18Args) ([]mil.Type, error) {
	s, err := a.sequences()
	if err != nil {
		return nil, err
	}
	return s.results(a.X.Type.DType, s.hidden, a.OutputSequence, 1)
}

func evalGRU(a *GRUIOS18Args) ([]*tensor.Tensor, error) {
	return a.run(activations[a.RecurrentActivation], activations[a.Activation])
}

func (a *GRUIOS18Args) run(gate, act func(float64) float64) ([]*tensor.Tensor, error) {
	s, err := a.sequences()
	if err != nil {
		return nil, err
	}
	x, wi, wh := a.X.Const.F32(), a.WeightIH.F32(), a.WeightHH.F32()
	bias, inBias := floatsOf(a.Bias), floatsOf(a.InputBias)
	out := newRecord(&s, s.hidden, a.OutputSequence)
	m := s.hidden
	h, reset := make([]float64, m), make([]float64, m)
	in, rec := make([]float64, 3*m), make([]float64, 3*m) // what comes from x, and from h
	for n := range s.batch {
		start(h, a.InitialH.Const.F32()[n*m:][:m])
		s.each(func(t, i int) {
			start(in, inBias)
			gates(in, wi, x[(i*s.batch+n)*s.in:][:s.in])
			start(rec, bias)
			gates(rec[:m], wh, h)
			gates(rec[2*m:], wh[2*m*m:], h)
			for j := range m {
				reset[j] = gate(in[j] + rec[j])
			}
			if a.ResetAfter {
				gates(rec[m:2*m], wh[m*m:], h)
				for j, r := range reset {
					rec[m+j] *= r
				}
			} else {
				for j, v := range h {
					reset[j] *= v
				}
				gates(rec[m:2*m], wh[m*m:], reset)
			}
			for j, v := range h {
				z := gate(in[2*m+j] + rec[2*m+j])
				h[j] = (1-z)*act(in[m+j]+rec[m+j]) + z*v
			}
			out.step(t, n, 0, h)
		})
		out.end(n, 0, h)
	}
	return out.tensors(a.X.Type.DType), nil
}

func sampleGRU(r *rand.Rand) GRUArgs {
	s := sampleSequences(r)
	m := 3 * s.hidden
	return GRUArgs{
		X: sampleFloats(r, s.steps, s.batch, s.in), InitialH: sampleFloats(r, s.batch, s.hidden),
		WeightIH: sampleWeights(r, m, s.in), WeightHH: sampleWeights(r, m, s.hidden), Bias: perhaps(r, m),
		Direction: oneOf(r, "forward", "reverse"), OutputSequence: r.IntN(2) == 0,
		RecurrentActivation: oneOf(r, gateNames...), Activation: oneOf(r, gateNames...),
	}
}
