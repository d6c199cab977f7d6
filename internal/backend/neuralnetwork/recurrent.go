package neuralnetwork

import (
	"math"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

var recurrentRules = map[string]rule{
	"rnn": rnn, "network_rnn": rnn, "gru": gru, "network_gru": gru, "lstm": lstm, "network_lstm": lstm,
}

// gate is the activation of a gate with the numbers that operators have for it.
func (w *writer) gate(name string) *spec.ActivationParams {
	var p activation
	switch name {
	case "tanh":
		p.Tanh = new(spec.ActivationTanh)
	case "sigmoid":
		p.Sigmoid = new(spec.ActivationSigmoid)
	case "relu":
		p.ReLU = new(spec.ActivationReLU)
	case "linear":
		p.Linear = spec.ActivationLinear_builder{Alpha: 1}.Build()
	case "hard_sigmoid", "sigmoid_hard":
		p.SigmoidHard = spec.ActivationSigmoidHard_builder{Alpha: 0.2, Beta: 0.5}.Build()
	case "scaled_tanh":
		p.ScaledTanh = spec.ActivationScaledTanh_builder{Alpha: 1, Beta: 1}.Build()
	case "lecun_tanh":
		p.ScaledTanh = spec.ActivationScaledTanh_builder{Alpha: 1.7159, Beta: 2. / 3}.Build()
	default:
		w.fail("no recurrent layer has the activation %s", name)
	}
	return p.Build()
}

// bounded notes that layers bound what activations are given.
func (w *writer) bounded(a args, names ...string) {
	for _, name := range names {
		if (name == "relu" || name == "linear") && a.Op[:min(8, len(a.Op))] != "network_" {
			w.notes["recurrent layers bound what their activations are given to ±50"] = true
		}
	}
}

// recurrence is what recurrent operators have in common.
type recurrence struct {
	in                 []*blob
	steps, batch       int
	width, hidden      int // of one direction
	weight, recurrent  *tensor.Tensor
	reverse, everyStep bool
}

// sequence reads x, [S, B, C], and states, [B, H], as blobs of five dimensions.
func (w *writer) sequence(a args, gates int, states ...string) (r recurrence) {
	x := a.Input("x")
	r.weight, r.recurrent = a.tensor("weight_ih"), a.tensor("weight_hh")
	if x.Type.Rank() != 3 || r.weight == nil || r.recurrent == nil || r.weight.Rank() != 2 {
		w.fail("its weights are only known when it is run")
		return r
	}
	r.steps, r.batch, r.width = x.Type.Shape[0], x.Type.Shape[1], r.weight.Shape()[1]
	r.hidden = r.weight.Shape()[0] / gates
	r.reverse, r.everyStep = a.string("direction") == "reverse", a.bool("output_sequence")
	r.in = append(r.in, w.five(x, 3, 4))
	for _, name := range states {
		r.in = append(r.in, w.five(a.Input(name), 0, 3, 4))
	}
	return r
}

// five gives a value dimensions of 1 at those places of five.
func (w *writer) five(v *mil.Value, axes ...int) *blob {
	shape := v.Type.Shape
	for _, n := range axes {
		shape = inserted(shape, min(n, len(shape)))
	}
	b := w.blob(v)
	if w.rank5 || v.Type.IsStatic() {
		return w.as(b, shape)
	}
	return w.emit(layer{ExpandDims: spec.ExpandDimsLayerParams_builder{Axes: wide(axes)}.Build()}, shape, b)
}

// three takes dimensions of 1 away again.
func (w *writer) three(a args, i int, b *blob, axes ...int) *blob {
	out := a.Outputs[i]
	if w.rank5 {
		return b
	}
	if out.Type.IsStatic() {
		return w.as(b, w.shape(out))
	}
	return w.squeeze(b, axes, w.shape(out))
}

// rows returns some rows of a matrix, or elements of a vector, as weights.
func (w *writer) rows(t *tensor.Tensor, at, n int) *spec.WeightParams {
	if t == nil {
		return nil
	}
	data := single(t)
	size := len(data) / max(t.Shape()[0], 1)
	data = data[at*n*size : (at+1)*n*size]
	if t.Rank() > 1 {
		return w.matrix(data)
	}
	return w.vector(data)
}

func (r *recurrence) states(n int) []int { return []int{1, r.batch, n, 1, 1} }

func (r *recurrence) outputs(n int) []int {
	if r.everyStep {
		return []int{r.steps, r.batch, n, 1, 1}
	}
	return r.states(n)
}

func rnn(w *writer, a args) {
	r := w.sequence(a, 1, "initial_h")
	if w.failure != nil {
		return
	}
	name := a.string("activation")
	w.bounded(a, name)
	bias := a.tensor("bias")
	out := w.emitN(layer{SimpleRecurrent: spec.SimpleRecurrentLayerParams_builder{
		InputVectorSize: uint64(r.width), OutputVectorSize: uint64(r.hidden), Activation: w.gate(name), SequenceOutput: r.everyStep,
		HasBiasVector: bias != nil, WeightMatrix: w.rows(r.weight, 0, r.hidden), RecursionMatrix: w.rows(r.recurrent, 0, r.hidden),
		BiasVector: w.rows(bias, 0, r.hidden), ReverseInput: r.reverse,
	}.Build()}, [][]int{r.outputs(r.hidden), r.states(r.hidden)}, r.in...)
	w.give(a, w.three(a, 0, out[0], 3, 4), w.three(a, 1, out[1], 0, 3, 4))
}

func gru(w *writer, a args) {
	if a.bool("reset_after") || a.tensor("input_bias") != nil {
		w.fail("no layer multiplies by the reset gate after the product")
		return
	}
	r := w.sequence(a, 3, "initial_h")
	if w.failure != nil {
		return
	}
	names := []string{a.string("recurrent_activation"), a.string("activation")}
	w.bounded(a, names...)
	bias := a.tensor("bias")
	const reset, output, update = 0, 1, 2
	out := w.emitN(layer{Gru: spec.GRULayerParams_builder{
		InputVectorSize: uint64(r.width), OutputVectorSize: uint64(r.hidden), SequenceOutput: r.everyStep, ReverseInput: r.reverse,
		Activations:           []*spec.ActivationParams{w.gate(names[0]), w.gate(names[1])},
		HasBiasVectors:        bias != nil,
		ResetGateWeightMatrix: w.rows(r.weight, reset, r.hidden), ResetGateRecursionMatrix: w.rows(r.recurrent, reset, r.hidden),
		OutputGateWeightMatrix: w.rows(r.weight, output, r.hidden), OutputGateRecursionMatrix: w.rows(r.recurrent, output, r.hidden),
		UpdateGateWeightMatrix: w.rows(r.weight, update, r.hidden), UpdateGateRecursionMatrix: w.rows(r.recurrent, update, r.hidden),
		ResetGateBiasVector: w.rows(bias, reset, r.hidden), OutputGateBiasVector: w.rows(bias, output, r.hidden),
		UpdateGateBiasVector: w.rows(bias, update, r.hidden),
	}.Build()}, [][]int{r.outputs(r.hidden), r.states(r.hidden)}, r.in...)
	w.give(a, w.three(a, 0, out[0], 3, 4), w.three(a, 1, out[1], 0, 3, 4))
}

func lstm(w *writer, a args) {
	names := []string{a.string("recurrent_activation"), a.string("cell_activation"), a.string("activation")}
	w.bounded(a, names...)
	params := spec.LSTMParams_builder{
		SequenceOutput: a.bool("output_sequence"), HasBiasVectors: a.either("bias"), HasPeepholeVectors: a.either("peephole"),
		CoupledInputAndForgetGate: a.bool("coupled"), CellClipThreshold: a.float("clip"),
	}
	if params.CellClipThreshold == 0 {
		params.CellClipThreshold = math.MaxFloat32 // 0 would mean 50
	}
	gates := func() []*spec.ActivationParams {
		return []*spec.ActivationParams{w.gate(names[0]), w.gate(names[1]), w.gate(names[2])}
	}
	r := w.sequence(a, 4)
	if w.failure != nil {
		return
	}
	h, c := a.Input("initial_h"), a.Input("initial_c")
	if a.string("direction") != "bidirectional" {
		r.in = append(r.in, w.five(h, 0, 3, 4), w.five(c, 0, 3, 4))
		out := w.emitN(layer{UniDirectionalLSTM: spec.UniDirectionalLSTMLayerParams_builder{
			InputVectorSize: uint64(r.width), OutputVectorSize: uint64(r.hidden), ReverseInput: r.reverse, Activations: gates(),
			Params: params.Build(), WeightParams: w.lstmWeights(a, r.hidden, ""),
		}.Build()}, [][]int{r.outputs(r.hidden), r.states(r.hidden), r.states(r.hidden)}, r.in...)
		w.give(a, w.three(a, 0, out[0], 3, 4), w.three(a, 1, out[1], 0, 3, 4), w.three(a, 2, out[2], 0, 3, 4))
		return
	}
	// The states of both directions lie side by side in the program.
	halves := func(v *mil.Value) []*blob {
		b := w.as(w.blob(v), []int{1, r.batch, 2 * r.hidden, 1, 1})
		if v.Const == nil && !v.Type.IsStatic() {
			w.fail("states of a size that is only known when it is run")
		}
		if w.rank5 {
			return w.emitN(layer{Split: spec.SplitLayerParams_builder{NOutputs: 2}.Build()}, [][]int{r.states(r.hidden), r.states(r.hidden)}, b)
		}
		return w.emitN(layer{SplitND: spec.SplitNDLayerParams_builder{Axis: 2, NumSplits: 2}.Build()}, [][]int{r.states(r.hidden), r.states(r.hidden)}, b)
	}
	hs, cs := halves(h), halves(c)
	r.in = append(r.in, hs[0], cs[0], hs[1], cs[1])
	state := r.states(r.hidden)
	out := w.emitN(layer{BiDirectionalLSTM: spec.BiDirectionalLSTMLayerParams_builder{
		InputVectorSize: uint64(r.width), OutputVectorSize: uint64(r.hidden), ActivationsForwardLSTM: gates(), ActivationsBackwardLSTM: gates(),
		Params: params.Build(), WeightParams: []*spec.LSTMWeightParams{w.lstmWeights(a, r.hidden, ""), w.lstmWeights(a, r.hidden, "_back")},
	}.Build()}, [][]int{r.outputs(2 * r.hidden), state, state, state, state}, r.in...)
	join := func(i int, parts ...*blob) *blob {
		both := r.states(2 * r.hidden)
		if w.rank5 {
			return w.emit(layer{Concat: new(spec.ConcatLayerParams)}, both, parts...)
		}
		return w.three(a, i, w.emit(layer{ConcatND: spec.ConcatNDLayerParams_builder{Axis: 2}.Build()}, both, parts...), 0, 3, 4)
	}
	w.give(a, w.three(a, 0, out[0], 3, 4), join(1, out[1], out[3]), join(2, out[2], out[4]))
}

// either tells whether one of the directions has an argument: layers have both
// or none.
func (a args) either(name string) bool { return a.tensor(name) != nil || a.tensor(name+"_back") != nil }

// lstmWeights are those of one direction. A coupled forget gate has none of its
// own.
func (w *writer) lstmWeights(a args, hidden int, suffix string) *spec.LSTMWeightParams {
	weight, recurrent := a.tensor("weight_ih"+suffix), a.tensor("weight_hh"+suffix)
	bias, peephole := a.tensor("bias"+suffix), a.tensor("peephole"+suffix)
	if bias == nil && a.either("bias") {
		bias = tensor.Zeros(tensor.Float32, []int{4 * hidden})
	}
	if peephole == nil && a.either("peephole") {
		peephole = tensor.Zeros(tensor.Float32, []int{3 * hidden})
	}
	if weight == nil || recurrent == nil {
		w.fail("its weights are only known when it is run")
		return nil
	}
	const input, forget, output, block = 0, 1, 2, 3
	return spec.LSTMWeightParams_builder{
		InputGateWeightMatrix: w.rows(weight, input, hidden), InputGateRecursionMatrix: w.rows(recurrent, input, hidden),
		ForgetGateWeightMatrix: w.rows(weight, forget, hidden), ForgetGateRecursionMatrix: w.rows(recurrent, forget, hidden),
		OutputGateWeightMatrix: w.rows(weight, output, hidden), OutputGateRecursionMatrix: w.rows(recurrent, output, hidden),
		BlockInputWeightMatrix: w.rows(weight, block, hidden), BlockInputRecursionMatrix: w.rows(recurrent, block, hidden),
		InputGateBiasVector: w.rows(bias, input, hidden), ForgetGateBiasVector: w.rows(bias, forget, hidden),
		OutputGateBiasVector: w.rows(bias, output, hidden), BlockInputBiasVector: w.rows(bias, block, hidden),
		InputGatePeepholeVector: w.rows(peephole, 0, hidden), ForgetGatePeepholeVector: w.rows(peephole, 1, hidden),
		OutputGatePeepholeVector: w.rows(peephole, 2, hidden),
	}.Build()
}
