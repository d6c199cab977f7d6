package onnx

import (
	"math"

	"github.com/smelt-ml/smelt/tensor"
)

// products are matrix products and what is made of them.
var products = map[string]rule{
	"attention":                    attention,
	"einsum":                       einsum,
	"linear":                       linear,
	"matmul":                       matmul,
	"scaled_dot_product_attention": attention,
}

// swapped exchanges the last two axes.
func (w *writer) swapped(v *val, rank int) *val {
	if rank < 2 {
		w.fail("a matrix of rank %d", rank)
		return v
	}
	perm := iota(rank)
	perm[rank-2], perm[rank-1] = rank-1, rank-2
	return w.transpose(v, perm...)
}

func (w *writer) matmul(x, y *val) *val { return w.add("MatMul", []*val{x, y}) }

func matmul(w *writer, c *call) []*val {
	x, y := c.in("x"), c.in("y")
	if c.flag("transpose_x") && c.rank("x") > 1 {
		x = w.swapped(x, c.rank("x"))
	}
	if c.flag("transpose_y") && c.rank("y") > 1 {
		y = w.swapped(y, c.rank("y"))
	}
	return one(w.matmul(x, w.cast(y, x.dtype)))
}

// linear is Gemm for a matrix; else the product with the weights transposed.
func linear(w *writer, c *call) []*val {
	x, weight, bias := c.in("x"), c.in("weight"), c.opt("bias")
	weight, bias = w.cast(weight, x.dtype), w.castOpt(bias, x.dtype)
	if c.rank("x") == 2 {
		return one(w.add("Gemm", []*val{x, weight, bias}, attr{"transB", 1}))
	}
	y := w.matmul(x, w.swapped(weight, 2))
	if bias != nil {
		y = w.sum(y, bias)
	}
	return one(y)
}

func einsum(w *writer, c *call) []*val {
	return one(w.add("Einsum", c.list("values"), attr{"equation", c.text("equation")}))
}

// attention is softmax(query·keyᵀ·scale + mask)·value.
func attention(w *writer, c *call) []*val {
	side := func(name string) *val {
		v := c.in(name)
		if c.Input(name+"_swapped") != nil && c.flag(name+"_swapped") {
			v = w.transpose(v, 0, 2, 1, 3)
		}
		return v
	}
	q, k, v := side("query"), side("key"), side("value")
	rank := c.rank("query")
	scale := c.float("scale")
	if c.Op == "scaled_dot_product_attention" {
		e := c.dims("query")[rank-1]
		if e < 1 {
			return w.fail("the size of its vectors is only known when it is run")
		}
		scale = 1 / math.Sqrt(float64(e))
	}
	scores := w.matmul(w.mul(q, w.number(scale, q.dtype)), w.swapped(k, rank))
	if mask := c.opt("attn_mask"); mask != nil {
		if mask.dtype == tensor.Bool {
			mask = w.where(mask, w.number(0, q.dtype), w.number(math.Inf(-1), q.dtype))
		}
		scores = w.sum(scores, w.cast(mask, q.dtype))
	}
	y := w.matmul(w.add("Softmax", []*val{scores}, attr{"axis", -1}), v)
	if c.Input("output_swapped") != nil && c.flag("output_swapped") {
		y = w.transpose(y, 0, 2, 1, 3)
	}
	return one(y)
}

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
		r.attrs = append(r.attrs, attr{"clip", 50.0})
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
		return w.fail("its memory is bounded")
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
