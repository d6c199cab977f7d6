package onnx

import (
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// recurrences are the recurrent operators.
var recurrences = map[string]rule{
	"gru": gru, "lstm": lstm, "network_gru": gru, "network_lstm": lstm, "network_rnn": rnn, "rnn": rnn,
}

// gateFunction is what ONNX calls a function of a gate, with its parameters.
type gateFunction struct {
	name        string
	alpha, beta float32
	open        bool // has no bounds
}

// of writes the function as an operator of its own, what it is given being
// within ±limit unless that is 0.
func (f gateFunction) of(w *writer, x *val, limit float64) *val {
	if limit > 0 {
		x = w.add("Clip", []*val{x, w.number(-limit, x.dtype), w.number(limit, x.dtype)})
	}
	switch f.name {
	case "Affine":
		return x
	case "ScaledTanh":
		return w.mul(w.add("Tanh", []*val{w.mul(x, w.number(float64(f.beta), x.dtype))}), w.number(float64(f.alpha), x.dtype))
	case "HardSigmoid":
		return w.add(f.name, []*val{x}, attr{"alpha", float64(f.alpha)}, attr{"beta", float64(f.beta)})
	}
	return w.add(f.name, []*val{x})
}

var gateFunctions = map[string]gateFunction{
	"tanh": {name: "Tanh"}, "scaled_tanh": {name: "Tanh"}, "sigmoid": {name: "Sigmoid"}, "relu": {name: "Relu", open: true},
	"hard_sigmoid": {name: "HardSigmoid", alpha: 0.2, beta: 0.5}, "sigmoid_hard": {name: "HardSigmoid", alpha: 0.2, beta: 0.5},
	"linear": {name: "Affine", alpha: 1, beta: 0, open: true}, "lecun_tanh": {name: "ScaledTanh", alpha: 1.7159, beta: 2. / 3},
}

// recurrent gathers what the recurrent operators have in common.
type recurrent struct {
	w          *writer
	c          *call
	x          *val
	directions int
	hidden     int
	attrs      []attr
}

func (c *call) recurrent(gates ...string) *recurrent {
	r := &recurrent{w: c.w, c: c, x: c.in("x"), directions: 1}
	w := c.w
	direction := "forward"
	switch c.text("direction") {
	case "reverse": // in which each step's result stands where it was made
		r.x = w.turned(r.x, 0)
	case "bidirectional":
		r.directions, direction = 2, "bidirectional"
	}
	if t := c.tensor("weight_hh"); t == nil || t.Rank() != 2 {
		w.fail("its argument weight_hh is no matrix")
	} else {
		r.hidden = t.Shape()[1]
	}
	var names []string
	var alpha, beta []float32
	open := false
	for range r.directions {
		for _, g := range gates {
			f, ok := gateFunctions[c.text(g)]
			if !ok {
				w.fail("its function %q", c.text(g))
			}
			names = append(names, f.name)
			if f.alpha != 0 || f.beta != 0 {
				alpha, beta = append(alpha, f.alpha), append(beta, f.beta)
			}
			open = open || f.open
		}
	}
	r.attrs = []attr{{"hidden_size", r.hidden}, {"direction", direction}, {"activations", names}}
	if len(alpha) > 0 {
		r.attrs = append(r.attrs, attr{"activation_alpha", alpha}, attr{"activation_beta", beta})
	}
	if open && len(c.Op) > 8 && c.Op[:8] == "network_" { // which bounds what the functions are given
		r.attrs = append(r.attrs, attr{"clip", float64(networkLimit)})
	}
	return r
}

// weights joins the weights of the directions, [directions, gates·hidden, …],
// with the gates in another order. An absent one is zeros; nil if all are.
func (r *recurrent) weights(name string, order ...int) *tensor.Tensor {
	var parts []*tensor.Tensor
	var shape []int
	for d := range r.directions {
		n := name
		if d == 1 {
			n += "_back"
		}
		t := r.c.tensor(n)
		parts = append(parts, t)
		if t != nil {
			shape = t.Shape()
		}
	}
	if shape == nil {
		return nil
	}
	size := tensor.Size(shape)
	if len(shape) == 0 || shape[0] != len(order)*r.hidden {
		r.w.fail("its argument %s has the shape %s", name, tensor.FormatShape(shape))
		return nil
	}
	gate := size / len(order)
	out := make([]float32, 0, r.directions*size)
	for _, t := range parts {
		if t == nil {
			out = append(out, make([]float32, size)...)
			continue
		}
		if t.Len() != size || !t.DType().IsFloat() {
			r.w.fail("its argument %s is %s", name, t)
			return nil
		}
		for _, g := range order {
			out = append(out, t.F32()[g*gate:][:gate]...)
		}
	}
	return tensor.New(r.x.dtype, append([]int{r.directions}, shape...), out)
}

func (r *recurrent) val(t *tensor.Tensor) *val {
	if t == nil {
		return nil
	}
	return r.w.initializer(t, r.x.dtype)
}

// biases joins those of the input with those of the recursion.
func (r *recurrent) biases(input, recursion *tensor.Tensor) *val {
	have := input
	if have == nil {
		have = recursion
	}
	if have == nil || r.w.err != nil {
		return nil
	}
	n := have.Len() / r.directions
	out := make([]float32, 0, 4*n)
	for d := range r.directions {
		for _, t := range []*tensor.Tensor{input, recursion} {
			if t == nil {
				out = append(out, make([]float32, n)...)
			} else {
				out = append(out, t.F32()[d*n:][:n]...)
			}
		}
	}
	return r.val(tensor.New(r.x.dtype, []int{r.directions, 2 * n}, out))
}

// state brings [batch, directions·hidden] to [directions, batch, hidden]; states
// for a larger batch than x's are cut off.
func (r *recurrent) state(name string) *val {
	w, v, s := r.w, r.c.in(name), r.c.dims(name)
	x := r.c.dims("x")
	switch {
	case len(s) != 2 || len(x) != 3 || s[0] == x[1] || s[0] == 1:
	case s[0] >= 0 && x[1] >= 0:
		v = w.slice(v, 0, 0, x[1])
	default:
		v = w.add("Slice", []*val{v, w.ints(0), w.gather(w.shape(r.x), w.ints(1), 0), w.ints(0)})
	}
	v = w.cast(v, r.x.dtype)
	if r.directions == 1 {
		return w.unsqueeze(v, 0)
	}
	return w.transpose(w.reshape(v, -1, r.directions, r.hidden), 1, 0, 2)
}

// last brings a state back.
func (r *recurrent) last(v *val) *val {
	if r.directions == 1 {
		return r.w.squeeze(v, 0)
	}
	return r.w.reshape(r.w.transpose(v, 1, 0, 2), -1, r.directions*r.hidden)
}

// results are the states of all steps, or that of the last one, and the last
// states.
func (r *recurrent) results(outs []*val) []*val {
	var all []*val
	for _, v := range outs[1:] {
		all = append(all, r.last(v))
	}
	y := r.w.unsqueeze(all[0], 0)
	switch {
	case r.c.flag("output_sequence") && r.directions == 1:
		y = r.w.squeeze(outs[0], 1)
	case r.c.flag("output_sequence"):
		// A 0 is the size as it was.
		y = r.w.add("Reshape", []*val{r.w.transpose(outs[0], 0, 2, 1, 3), r.w.ints(0, 0, r.directions*r.hidden)})
	}
	return append([]*val{y}, all...)
}

// lstm has the gates input, forget, output, cell; ONNX input, output, forget,
// cell.
func lstm(w *writer, c *call) []*val {
	r := c.recurrent("recurrent_activation", "cell_activation", "activation")
	if c.float("clip") != 0 {
		return r.scanned(c.float("clip"))
	}
	order := []int{0, 2, 1, 3}
	if c.Op == "network_lstm" && c.flag("coupled") {
		r.attrs = append(r.attrs, attr{"input_forget", 1})
	}
	in := []*val{
		r.x, r.val(r.weights("weight_ih", order...)), r.val(r.weights("weight_hh", order...)), r.biases(r.weights("bias", order...), nil),
		nil, r.state("initial_h"), r.state("initial_c"), r.val(r.weights("peephole", 0, 2, 1)),
	}
	if w.err != nil {
		return nil
	}
	return r.results(w.addN("LSTM", 3, in, r.attrs...))
}

// scanned is an LSTM step by step: ONNX's operator bounds what the functions
// are given, not the memory.
func (r *recurrent) scanned(bound float64) []*val {
	w, c, limit := r.w, r.c, 0.0
	if c.Op == "network_lstm" {
		limit = networkLimit
	}
	gate, cell, act := gateFunctions[c.text("recurrent_activation")], gateFunctions[c.text("cell_activation")], gateFunctions[c.text("activation")]
	coupled := c.Op == "network_lstm" && c.flag("coupled")
	h0, c0 := r.state("initial_h"), r.state("initial_c")
	var ys, hs, cs []*val
	for d := range r.directions {
		suffix := []string{"", "_back"}[d]
		weight := func(name string, rank int) *val {
			t := c.tensor(name + suffix)
			if t == nil {
				return nil
			}
			if t.Rank() != rank || t.Shape()[0]%r.hidden != 0 {
				w.fail("its argument %s is %s", name+suffix, t)
				return nil
			}
			return w.initializer(t, r.x.dtype)
		}
		wi, wh, bias, peep := weight("weight_ih", 2), weight("weight_hh", 2), weight("bias", 1), weight("peephole", 1)
		if wi == nil || wh == nil || w.err != nil {
			return w.fail("without weights")
		}
		wi, wh = w.swapped(wi, 2), w.swapped(wh, 2)
		g := w.inner(c.Name+"_step", func(g *graph) {
			in := func(name string) *val {
				v := &val{name: w.unique(c.Name + "_" + name), dtype: r.x.dtype}
				g.inputs = append(g.inputs, port{v, mil.Type{AnyRank: true}})
				return v
			}
			h, m, x := in("h"), in("c"), in("x")
			sums := w.sum(w.matmul(x, wi), w.matmul(h, wh))
			if bias != nil {
				sums = w.sum(sums, bias)
			}
			part := func(v *val, axis, i int) *val { return w.slice(v, axis, i*r.hidden, (i+1)*r.hidden) }
			peeped := func(i int, m *val) *val {
				if peep == nil {
					return part(sums, 1, i)
				}
				return w.sum(part(sums, 1, i), w.mul(part(peep, 0, i), m))
			}
			take := gate.of(w, peeped(0, m), limit)
			var keep *val
			if coupled {
				keep = w.less(w.number(1, take.dtype), take)
			} else {
				keep = gate.of(w, peeped(1, m), limit)
			}
			m = w.sum(w.mul(keep, m), w.mul(take, cell.of(w, part(sums, 1, 3), limit)))
			m = w.add("Clip", []*val{m, w.number(-bound, m.dtype), w.number(bound, m.dtype)})
			h = w.mul(gate.of(w, peeped(2, m), limit), act.of(w, m, 0))
			for _, v := range []*val{h, m, h} {
				w.yield(g, v)
			}
		})
		first := func(v *val) *val { return w.squeeze(w.slice(v, 0, d, d+1), 0) }
		outs := w.addN("Scan", 3, []*val{first(h0), first(c0), r.x}, attr{"num_scan_inputs", 1}, attr{"body", g},
			attr{"scan_input_directions", []int{d}}, attr{"scan_output_directions", []int{d}})
		hs, cs, ys = append(hs, outs[0]), append(cs, outs[1]), append(ys, outs[2])
	}
	h := w.concat(1, hs...)
	y := w.unsqueeze(h, 0)
	if c.flag("output_sequence") {
		y = w.concat(2, ys...)
	}
	return []*val{y, h, w.concat(1, cs...)}
}

// networkLimit bounds what the recurrent layers of neural networks give to
// their functions.
const networkLimit = 50

// gru has the gates reset, output, update; ONNX update, reset, output.
func gru(w *writer, c *call) []*val {
	r := c.recurrent("recurrent_activation", "activation")
	order := []int{2, 0, 1}
	if c.Input("reset_after") != nil && c.flag("reset_after") {
		r.attrs = append(r.attrs, attr{"linear_before_reset", 1})
	}
	var input *tensor.Tensor
	if c.Input("input_bias") != nil {
		input = r.weights("input_bias", order...)
	}
	in := []*val{
		r.x, r.val(r.weights("weight_ih", order...)), r.val(r.weights("weight_hh", order...)), r.biases(input, r.weights("bias", order...)),
		nil, r.state("initial_h"),
	}
	if w.err != nil {
		return nil
	}
	return r.results(w.addN("GRU", 2, in, r.attrs...))
}

func rnn(w *writer, c *call) []*val {
	r := c.recurrent("activation")
	in := []*val{
		r.x, r.val(r.weights("weight_ih", 0)), r.val(r.weights("weight_hh", 0)), r.biases(r.weights("bias", 0), nil), nil, r.state("initial_h"),
	}
	if w.err != nil {
		return nil
	}
	return r.results(w.addN("RNN", 2, in, r.attrs...))
}
