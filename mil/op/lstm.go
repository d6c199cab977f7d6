package op

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// LSTMArgs are the arguments of LSTM: x is [steps, batch, in], the states
// [batch, directions·hidden]; for each direction, weight_ih is [4·hidden, in],
// weight_hh [4·hidden, hidden] and bias [4·hidden], for the input, forget,
// output and cell gates, in this order, and peephole [3·hidden] for the first
// three. Clip, where it is not 0, bounds the memory.
type LSTMArgs struct {
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
	RecurrentActivation string         `mil:"recurrent_activation,string,const,optional" values:"tanh|scaled_tanh|sigmoid|hard_sigmoid|relu|linear"`
	CellActivation      string         `mil:"cell_activation,string,const,optional" values:"tanh|scaled_tanh|sigmoid|hard_sigmoid|relu|linear"`
	Activation          string         `mil:"activation,string,const,optional" values:"tanh|scaled_tanh|sigmoid|hard_sigmoid|relu|linear"`
	Clip                float32        `mil:"clip,T,const,optional,omitzero"`
}

// LSTM is the long short-term memory, with W = weight_ih, R = weight_hh and
// p = peephole:
//
//	i = recurrent_activation(W_i·x + R_i·h + b_i + p_i*c)
//	f = recurrent_activation(W_f·x + R_f·h + b_f + p_f*c)
//	z = cell_activation(W_z·x + R_z·h + b_z)
//	c = f*c + i*z, within ±clip
//	o = recurrent_activation(W_o·x + R_o·h + b_o + p_o*c)
//	h = o*activation(c)
//
// Its outputs are h after each step (or only the last, as one step), and h and
// c after the last step. Reversed, the first step is that of the last x. Of two
// directions, forward and backward, the states for the same x are side by side.
var LSTM = Define(Spec[LSTMArgs]{
	Name: "lstm", Since: mil.IOS15, Types: Types{"T": {tensor.Float32}},
	Default: defaultLSTM, Infer: inferLSTM, Eval: evalLSTM, Sample: sampleLSTM,
})

// LSTMIOS17 is LSTM for more element types.
var LSTMIOS17 = Define(Spec[LSTMArgs]{
	Name: "lstm", Since: mil.IOS17, Types: Types{"T": Float},
	Default: defaultLSTM, Infer: inferLSTM, Eval: evalLSTM, Sample: sampleLSTM,
})

var defaultLSTM = LSTMArgs{Direction: "forward", RecurrentActivation: "sigmoid", CellActivation: "tanh", Activation: "tanh"}

// lstmDirection is what an LSTM does in one direction.
type lstmDirection struct {
	sequences
	weight, recursion, bias, peephole *tensor.Tensor
}

// directions checks the arguments.
func (a *LSTMArgs) directions() ([]lstmDirection, error) {
	s, err := unrolled(a.X, a.WeightHH, a.Direction)
	if err != nil {
		return nil, err
	}
	ds := []lstmDirection{{s, a.WeightIH, a.WeightHH, a.Bias, a.Peephole}}
	if a.Direction == "bidirectional" {
		if a.WeightIHBack == nil || a.WeightHHBack == nil {
			return nil, errors.New("two directions want weight_ih_back and weight_hh_back")
		}
		s.reverse = true
		ds = append(ds, lstmDirection{s, a.WeightIHBack, a.WeightHHBack, a.BiasBack, a.PeepholeBack})
	}
	for i, d := range ds {
		err := s.fits(4, d.weight, d.recursion, d.bias)
		if err == nil && d.peephole != nil {
			err = shaped("peephole", d.peephole, product([]int{3, s.hidden}))
		}
		if err != nil && i == 1 {
			err = fmt.Errorf("backward: %w", err)
		}
		if err != nil {
			return nil, err
		}
	}
	if a.Clip < 0 {
		return nil, fmt.Errorf("clip %v is negative", a.Clip)
	}
	size := product([]int{len(ds), s.hidden})
	if err := s.state("initial_h", a.InitialH, size); err != nil {
		return nil, err
	}
	return ds, s.state("initial_c", a.InitialC, size)
}

func inferLSTM(a *LSTMArgs) ([]mil.Type, error) {
	ds, err := a.directions()
	if err != nil {
		return nil, err
	}
	return ds[0].results(a.X.Type.DType, len(ds)*ds[0].hidden, a.OutputSequence, 2)
}

func evalLSTM(a *LSTMArgs) ([]*tensor.Tensor, error) {
	return a.run(activations[a.RecurrentActivation], activations[a.CellActivation], false)
}

// run computes an LSTM. Coupled, it forgets what it does not take in: f = 1 - i.
func (a *LSTMArgs) run(gate, cell func(float64) float64, coupled bool) ([]*tensor.Tensor, error) {
	ds, err := a.directions()
	if err != nil {
		return nil, err
	}
	s := &ds[0].sequences
	m, size := s.hidden, len(ds)*s.hidden
	act := activations[a.Activation]
	clip := float64(a.Clip)
	out, memory := newRecord(s, size, a.OutputSequence), newRecord(s, size, false)
	h, c, sums := make([]float64, m), make([]float64, m), make([]float64, 4*m)
	x, wi, wh := a.X.Const.F32(), []float32(nil), []float32(nil)
	for dir, d := range ds {
		wi, wh = d.weight.F32(), d.recursion.F32()
		bias, peep := floatsOf(d.bias), floatsOf(d.peephole)
		if peep == nil {
			peep = make([]float32, 3*m)
		}
		for n := range s.batch {
			at := n*size + dir*m
			start(h, a.InitialH.Const.F32()[at:][:m])
			start(c, a.InitialC.Const.F32()[at:][:m])
			d.each(func(t, i int) {
				start(sums, bias)
				gates(sums, wi, x[(i*s.batch+n)*s.in:][:s.in])
				gates(sums, wh, h)
				for j, v := range c {
					in := gate(sums[j] + float64(peep[j])*v)
					forget := 1 - in
					if !coupled {
						forget = gate(sums[m+j] + float64(peep[m+j])*v)
					}
					v = forget*v + in*cell(sums[3*m+j])
					if clip > 0 {
						v = min(max(v, -clip), clip)
					}
					c[j] = v
					h[j] = gate(sums[2*m+j]+float64(peep[2*m+j])*v) * act(v)
				}
				if dir == 1 { // side by side with the forward state of the same x
					t = i
				}
				out.step(t, n, dir*m, h)
			})
			out.end(n, dir*m, h)
			memory.end(n, dir*m, c)
		}
	}
	d := a.X.Type.DType
	return append(out.tensors(d), memory.tensors(d)[1]), nil
}

func sampleLSTM(r *rand.Rand) LSTMArgs {
	s := sampleSequences(r)
	m := s.hidden
	a := LSTMArgs{
		X:        sampleFloats(r, s.steps, s.batch, s.in),
		WeightIH: sampleWeights(r, 4*m, s.in), WeightHH: sampleWeights(r, 4*m, m), Bias: perhaps(r, 4*m), Peephole: perhaps(r, 3*m),
		Direction: oneOf(r, "forward", "reverse", "bidirectional"), OutputSequence: r.IntN(2) == 0,
		RecurrentActivation: oneOf(r, gateNames...), CellActivation: oneOf(r, gateNames...), Activation: oneOf(r, gateNames...),
		Clip: float32(r.IntN(3)) / 2,
	}
	size := m
	if a.Direction == "bidirectional" {
		size = 2 * m
		a.WeightIHBack, a.WeightHHBack = sampleWeights(r, 4*m, s.in), sampleWeights(r, 4*m, m)
		a.BiasBack, a.PeepholeBack = perhaps(r, 4*m), perhaps(r, 3*m)
	}
	a.InitialH, a.InitialC = sampleFloats(r, s.batch, size), sampleFloats(r, s.batch, size)
	return a
}
