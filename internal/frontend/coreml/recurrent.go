package coreml

import (
	"fmt"
	"slices"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

var recurrentKinds = map[string]layerFunc{
	"simpleRecurrent": simpleRecurrent,
	"gru":             gru,
	"uniDirectionalLSTM": func(l *lowering, in []*mil.Value) []*mil.Value {
		p := l.layer.GetUniDirectionalLSTM()
		if len(in) > 3 {
			return l.fail("want an input and two states, have %d inputs", len(in))
		}
		direction := directionOf(p.GetReverseInput())
		return l.lstm(in, p.GetInputVectorSize(), p.GetOutputVectorSize(), direction, p.GetActivations(), p.GetParams(), p.GetWeightParams())
	},
	"biDirectionalLSTM": func(l *lowering, in []*mil.Value) []*mil.Value {
		p := l.layer.GetBiDirectionalLSTM()
		forward, backward := l.gateNames(p.GetActivationsForwardLSTM(), 3), l.gateNames(p.GetActivationsBackwardLSTM(), 3)
		if l.Err() == nil && !slices.Equal(forward, backward) {
			return l.fail("the directions have activations %v and %v, want the same", forward, backward)
		}
		if n := len(p.GetWeightParams()); n != 2 {
			return l.fail("weights for %d directions, want 2", n)
		}
		return l.lstm(in, p.GetInputVectorSize(), p.GetOutputVectorSize(), "bidirectional", p.GetActivationsForwardLSTM(), p.GetParams(), p.GetWeightParams()...)
	},
}

func directionOf(reverse bool) string {
	if reverse {
		return "reverse"
	}
	return "forward"
}

// gateNames reads the activations of a recurrent layer. They have constants of
// their own: numbers in the message are those or none.
func (l *lowering) gateNames(ps []*spec.ActivationParams, n int) []string {
	if len(ps) != n {
		l.fail("%d activations, want %d", len(ps), n)
		return slices.Repeat([]string{"tanh"}, n)
	}
	names := make([]string, n)
	for i, p := range ps {
		names[i] = l.gateName(p)
	}
	return names
}

func (l *lowering) gateName(p *spec.ActivationParams) string {
	var have [2]float32
	var name string
	var want [2]float64
	switch p.WhichNonlinearityType() {
	case spec.ActivationParams_Tanh_case:
		return "tanh"
	case spec.ActivationParams_Sigmoid_case:
		return "sigmoid"
	case spec.ActivationParams_ReLU_case:
		return "relu"
	case spec.ActivationParams_Linear_case:
		a := p.GetLinear()
		name, have, want = "linear", [2]float32{a.GetAlpha(), a.GetBeta()}, [2]float64{1, 0}
	case spec.ActivationParams_SigmoidHard_case:
		a := p.GetSigmoidHard()
		name, have, want = "hard_sigmoid", [2]float32{a.GetAlpha(), a.GetBeta()}, [2]float64{0.2, 0.5}
	case spec.ActivationParams_ScaledTanh_case:
		// Without numbers it is plain tanh: that is what the tests that Apple
		// runs on its own framework expect.
		a := p.GetScaledTanh()
		name, have, want = "scaled_tanh", [2]float32{a.GetAlpha(), a.GetBeta()}, [2]float64{1, 1}
		if near(have, [2]float64{1.7159, 2. / 3}) {
			return "lecun_tanh"
		}
	default:
		l.fail("a recurrent layer cannot have the activation %s", p.WhichNonlinearityType())
		return "tanh"
	}
	if have != [2]float32{} && !near(have, want) {
		l.Fail(fault.New(fault.Unsupported, "", "cannot be run: activation %s with numbers %v in a recurrent layer", p.WhichNonlinearityType(), have))
	}
	return name
}

// near tells whether the numbers of an activation are these, written with few
// digits perhaps.
func near(have [2]float32, want [2]float64) bool {
	for i, v := range have {
		if d := float64(v) - want[i]; d < -0.01 || d > 0.01 {
			return false
		}
	}
	return true
}

// saturates tells activations for which it makes no difference that a layer
// bounds what it gives to them.
func saturates(names ...string) bool {
	return !slices.ContainsFunc(names, func(name string) bool { return name == "relu" || name == "linear" || name == "lecun_tanh" })
}

// sequence brings the input of a recurrent layer, [S, B, C, 1, 1], to [S, B, C]
// and returns it with its states, [1, B, C, 1, 1], as [B, C]; those that are
// not given are zeros. It comes after the weights, which bound the sizes.
func (l *lowering) sequence(in []*mil.Value, width, hidden, states int) (x *mil.Value, hs []*mil.Value) {
	if len(in) < 1 || len(in) > states+1 {
		l.fail("want an input and at most %d states, have %d inputs", states, len(in))
		return nil, nil
	}
	for i, v := range in {
		if v.Type.Rank() != 5 {
			l.Fail(fault.New(fault.BadShape, "", "input %d is %s, want rank 5", i, v.Type))
			return nil, nil
		}
	}
	s := l.sizes(in[0])
	if n := l.product(s[2:]); n.v == nil && n.n != width {
		l.Fail(fault.New(fault.BadShape, "", "the input is %s, want vectors of %d numbers", in[0].Type, width))
		return nil, nil
	}
	x = l.reshapeTo(in[0], append(s[:2:2], fixed(width)...))
	for i := range states {
		if i+1 < len(in) {
			n := l.product(l.sizes(in[i+1]))
			if hidden == 0 || n.v == nil && n.n%hidden != 0 {
				l.Fail(fault.New(fault.BadShape, "", "state %d is %s, want vectors of %d numbers", i, in[i+1].Type, hidden))
				return nil, nil
			}
			hs = append(hs, l.reshape(in[i+1], -1, hidden))
			continue
		}
		hs = append(hs, op.Fill.Add(l.Builder, op.FillArgs{
			Shape: l.shapeOf([]size{s[1], {n: hidden}}), Value: tensor.Scalar[float32](tensor.Float32, 0),
		}))
	}
	return x, hs
}

// states brings the results of a recurrent operator, [S, B, C] and [B, C], to
// rank 5.
func (l *lowering) states(vs []*mil.Value) []*mil.Value {
	if l.Err() != nil {
		return nil
	}
	out := make([]*mil.Value, len(vs))
	for i, v := range vs {
		axes := []int{3, 4}
		if v.Type.Rank() == 2 {
			axes = []int{0, 3, 4}
		}
		out[i] = op.ExpandDimsIOS17.Add(l.Builder, op.ExpandDimsArgs{X: v, Axes: axes})
	}
	return out
}

// stack decodes the weights of gates, [rows, cols] each, and puts them one
// after another; vectors where cols is negative.
func (l *lowering) stack(what string, rows, cols int, gates ...*spec.WeightParams) *tensor.Tensor {
	shape, axis := []int{rows}, -1
	if cols >= 0 {
		shape, axis = []int{rows, cols}, 0
	}
	n, err := tensor.CheckShape(shape)
	whole := slices.Clone(shape)
	whole[0] *= len(gates)
	if err == nil {
		_, err = tensor.CheckShape(whole)
	}
	if err != nil {
		l.Fail(fault.New(fault.BadShape, "", "%s: %w", what, err))
		return nil
	}
	var all []float32
	for i, p := range gates {
		data, err := l.decode(p, shape, n, axis)
		if err != nil {
			l.Fail(fmt.Errorf("%s, gate %d: %w", what, i, err))
			return nil
		}
		all = append(all, data...)
	}
	return tensor.Floats(whole, all)
}

func simpleRecurrent(l *lowering, in []*mil.Value) []*mil.Value {
	p := l.layer.GetSimpleRecurrent()
	size := integers([]uint64{p.GetInputVectorSize(), p.GetOutputVectorSize()})
	name := l.gateName(p.GetActivation())
	if name == "hard_sigmoid" {
		name = "sigmoid_hard"
	}
	a := op.RNNArgs{
		WeightIH: l.stack("weights", size[1], size[0], p.GetWeightMatrix()), WeightHH: l.stack("recursion", size[1], size[1], p.GetRecursionMatrix()),
		Direction: directionOf(p.GetReverseInput()), OutputSequence: p.GetSequenceOutput(), Activation: name,
	}
	if p.GetHasBiasVector() {
		a.Bias = l.stack("bias", size[1], -1, p.GetBiasVector())
	}
	x, states := l.sequence(in, size[0], size[1], 1)
	if l.Err() != nil {
		return nil
	}
	a.X, a.InitialH = x, states[0]
	if saturates(name) {
		return l.states(op.RNNIOS17.AddN(l.Builder, a))
	}
	return l.states(op.NetworkRNN.AddN(l.Builder, op.NetworkRNNArgs(a)))
}

func gru(l *lowering, in []*mil.Value) []*mil.Value {
	p := l.layer.GetGru()
	size := integers([]uint64{p.GetInputVectorSize(), p.GetOutputVectorSize()})
	names := l.gateNames(p.GetActivations(), 2)
	a := op.GRUArgs{
		WeightIH: l.stack("weights", size[1], size[0],
			p.GetResetGateWeightMatrix(), p.GetOutputGateWeightMatrix(), p.GetUpdateGateWeightMatrix()),
		WeightHH: l.stack("recursion", size[1], size[1],
			p.GetResetGateRecursionMatrix(), p.GetOutputGateRecursionMatrix(), p.GetUpdateGateRecursionMatrix()),
		Direction: directionOf(p.GetReverseInput()), OutputSequence: p.GetSequenceOutput(),
		RecurrentActivation: names[0], Activation: names[1],
	}
	if p.GetHasBiasVectors() {
		a.Bias = l.stack("bias", size[1], -1, p.GetResetGateBiasVector(), p.GetOutputGateBiasVector(), p.GetUpdateGateBiasVector())
	}
	x, states := l.sequence(in, size[0], size[1], 1)
	if l.Err() != nil {
		return nil
	}
	a.X, a.InitialH = x, states[0]
	if saturates(names...) {
		return l.states(op.GRUIOS18.AddN(l.Builder, *a.IOS18()))
	}
	return l.states(op.NetworkGRU.AddN(l.Builder, op.NetworkGRUArgs(a)))
}

// lstm lowers an LSTM in one direction or, with two sets of weights, in both.
func (l *lowering) lstm(in []*mil.Value, inSize, outSize uint64, direction string, activations []*spec.ActivationParams,
	p *spec.LSTMParams, weights ...*spec.LSTMWeightParams,
) []*mil.Value {
	size := integers([]uint64{inSize, outSize})
	hidden := size[1]
	names := l.gateNames(activations, 3)
	a := op.LSTMArgs{
		Direction: direction, OutputSequence: p.GetSequenceOutput(),
		RecurrentActivation: names[0], CellActivation: names[1], Activation: names[2], Clip: p.GetCellClipThreshold(),
	}
	if a.Clip == 0 {
		a.Clip = 50
	}
	a.WeightIH, a.WeightHH, a.Bias, a.Peephole = l.lstmWeights(p, weights[0], size[0], hidden)
	if len(weights) == 2 {
		a.WeightIHBack, a.WeightHHBack, a.BiasBack, a.PeepholeBack = l.lstmWeights(p, weights[1], size[0], hidden)
	}
	x, states := l.sequence(in, size[0], hidden, 2*len(weights))
	if l.Err() != nil {
		return nil
	}
	a.X, a.InitialH, a.InitialC = x, states[0], states[1]
	if len(weights) == 2 {
		a.InitialH = op.Concat.Add(l.Builder, op.ConcatArgs{Values: []*mil.Value{states[0], states[2]}, Axis: 1})
		a.InitialC = op.Concat.Add(l.Builder, op.ConcatArgs{Values: []*mil.Value{states[1], states[3]}, Axis: 1})
	}
	if l.Err() != nil {
		return nil
	}
	var out []*mil.Value
	if saturates(names[:2]...) && names[2] != "lecun_tanh" && !p.GetCoupledInputAndForgetGate() {
		out = op.LSTMIOS17.AddN(l.Builder, a)
	} else {
		b := op.NetworkLSTMOf(a)
		b.Coupled = p.GetCoupledInputAndForgetGate()
		out = op.NetworkLSTM.AddN(l.Builder, b)
	}
	if len(weights) == 2 && l.Err() == nil { // y, and h and c for each direction
		h := op.Split.AddN(l.Builder, op.SplitArgs{X: out[1], NumSplits: 2, Axis: 1})
		c := op.Split.AddN(l.Builder, op.SplitArgs{X: out[2], NumSplits: 2, Axis: 1})
		if l.Err() == nil {
			out = []*mil.Value{out[0], h[0], c[0], h[1], c[1]}
		}
	}
	return l.states(out)
}

// lstmWeights returns the weights of one direction in the order that the
// operator wants. Coupled, the forget gate has none; the input gate's stand in.
func (l *lowering) lstmWeights(p *spec.LSTMParams, w *spec.LSTMWeightParams, size, hidden int) (weight, recursion, bias, peephole *tensor.Tensor) {
	forget, forgetRecursion := w.GetForgetGateWeightMatrix(), w.GetForgetGateRecursionMatrix()
	forgetBias, forgetPeephole := w.GetForgetGateBiasVector(), w.GetForgetGatePeepholeVector()
	if p.GetCoupledInputAndForgetGate() {
		forget, forgetRecursion = w.GetInputGateWeightMatrix(), w.GetInputGateRecursionMatrix()
		forgetBias, forgetPeephole = w.GetInputGateBiasVector(), w.GetInputGatePeepholeVector()
	}
	weight = l.stack("weights", hidden, size, w.GetInputGateWeightMatrix(), forget, w.GetOutputGateWeightMatrix(), w.GetBlockInputWeightMatrix())
	recursion = l.stack("recursion", hidden, hidden,
		w.GetInputGateRecursionMatrix(), forgetRecursion, w.GetOutputGateRecursionMatrix(), w.GetBlockInputRecursionMatrix())
	if p.GetHasBiasVectors() {
		bias = l.stack("bias", hidden, -1, w.GetInputGateBiasVector(), forgetBias, w.GetOutputGateBiasVector(), w.GetBlockInputBiasVector())
	}
	if p.GetHasPeepholeVectors() {
		peephole = l.stack("peephole", hidden, -1, w.GetInputGatePeepholeVector(), forgetPeephole, w.GetOutputGatePeepholeVector())
	}
	if p.GetForgetBias() && l.Err() == nil {
		data := make([]float32, 4*hidden)
		if bias != nil {
			copy(data, bias.F32())
		}
		for i := range data[hidden : 2*hidden] {
			data[hidden+i]++
		}
		bias = tensor.Floats([]int{4 * hidden}, data)
	}
	return weight, recursion, bias, peephole
}
