package onnx

import (
	"slices"
	"strings"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

var recurrentRules = table{
	"RNN":  always(func(b *Builder, n *Node) []*mil.Value { return recurrent(b, n, 1, []string{"Tanh"}) }),
	"GRU":  always(func(b *Builder, n *Node) []*mil.Value { return recurrent(b, n, 3, []string{"Sigmoid", "Tanh"}) }),
	"LSTM": always(func(b *Builder, n *Node) []*mil.Value { return recurrent(b, n, 4, []string{"Sigmoid", "Tanh", "Tanh"}) }),
}

// maxSteps bounds the steps of a sequence that is laid out.
const maxSteps = 1 << 10

// layer is a recurrent node, all values as [steps, batch, …].
type layer struct {
	*Builder
	n            *Node
	gates        int
	hidden       int
	x            *mil.Value
	w, r, bias   *mil.Value // [directions, gates·hidden, …]
	peephole     *mil.Value
	lengths      *mil.Value // nil for sequences of full length
	directions   []string
	activations  []gate // those of each direction one after the other
	perDirection int
}

// gate is an activation with its numbers.
type gate struct {
	name        string
	alpha, beta float32
}

// gateDefaults are the numbers of activations that have some.
var gateDefaults = map[string][2]float32{
	"Affine": {1, 0}, "LeakyRelu": {0.01, 0}, "ThresholdedRelu": {1, 0}, "ScaledTanh": {1, 1}, "HardSigmoid": {0.2, 0.5}, "Elu": {1, 0},
}

// gateOf reads the activations of a node. The lists of numbers have entries
// only for those that take them.
func (l *layer) readGates(defaults []string) {
	names := l.n.Texts("activations")
	if names == nil {
		names = slices.Repeat(defaults, len(l.directions))
	}
	if len(names) != len(defaults)*len(l.directions) {
		l.fail("%d activations", len(names))
		return
	}
	alphas, betas := l.n.Floats("activation_alpha"), l.n.Floats("activation_beta")
	known := []string{"Relu", "Tanh", "Sigmoid", "Affine", "LeakyRelu", "ThresholdedRelu", "ScaledTanh", "HardSigmoid", "Elu", "Softsign", "Softplus"}
	for _, name := range names {
		i := slices.IndexFunc(known, func(k string) bool { return strings.EqualFold(k, name) })
		if i < 0 {
			l.refuse("the activation %q", name)
			return
		}
		g := gate{name: known[i]}
		if d, ok := gateDefaults[g.name]; ok {
			g.alpha, g.beta = d[0], d[1]
			if len(alphas) > 0 {
				g.alpha, alphas = alphas[0], alphas[1:]
			}
			if len(betas) > 0 && (g.name == "Affine" || g.name == "ScaledTanh" || g.name == "HardSigmoid") {
				g.beta, betas = betas[0], betas[1:]
			}
		}
		l.activations = append(l.activations, g)
	}
	l.perDirection = len(defaults)
}

func (l *layer) apply(g gate, x *mil.Value) *mil.Value {
	if c := l.n.Float("clip", 0); c > 0 {
		x = op.ClipIOS17.Add(l.Builder.Builder, op.AlphaBeta{X: x, Alpha: -c, Beta: c})
	}
	b := l.Builder.Builder
	alpha, beta := l.number(float64(g.alpha), x), l.number(float64(g.beta), x)
	switch g.name {
	case "Relu":
		return op.Relu.Add(b, op.Unary{X: x})
	case "Tanh":
		return op.Tanh.Add(b, op.Unary{X: x})
	case "Sigmoid":
		return op.Sigmoid.Add(b, op.Unary{X: x})
	case "Affine":
		return l.add(l.mul(x, alpha), beta)
	case "LeakyRelu":
		return l.leaky(x, g.alpha)
	case "ThresholdedRelu":
		return l.sel(op.Greater.Add(b, op.Binary{X: x, Y: alpha}), x, l.number(0, x))
	case "ScaledTanh":
		return l.mul(op.Tanh.Add(b, op.Unary{X: l.mul(x, beta)}), alpha)
	case "HardSigmoid":
		return op.SigmoidHardIOS17.Add(b, op.AlphaBetaIOS17{X: x, Alpha: g.alpha, Beta: g.beta})
	case "Elu":
		return op.EluIOS17.Add(b, op.AlphaIOS17{X: x, Alpha: g.alpha})
	case "Softsign":
		return op.Softsign.Add(b, op.Unary{X: x})
	}
	return op.Softplus.Add(b, op.Unary{X: x})
}

// native names an activation as recurrent operators call it, "" for one that
// they do not have.
func (g gate) native(hard string) string {
	switch {
	case g.name == "HardSigmoid" && g.alpha == 0.2 && g.beta == 0.5:
		return hard
	case g.name == "Sigmoid", g.name == "Tanh", g.name == "Relu":
		return strings.ToLower(g.name)
	}
	return ""
}

func recurrent(b *Builder, n *Node, gates int, defaults []string) []*mil.Value {
	if len(n.In) < 3 || n.In[0] == nil || n.In[1] == nil || n.In[2] == nil {
		return b.fail("want an input and weights")
	}
	l := &layer{Builder: b, n: n, gates: gates, x: n.In[0], w: n.In[1], r: n.In[2], bias: n.input(3)}
	batchFirst := n.Bool("layout")
	if b.rank(l.x) != 3 || b.rank(l.w) != 3 || b.rank(l.r) != 3 {
		return b.fail("want rank 3, have %s, %s and %s", l.x.Type, l.w.Type, l.r.Type)
	}
	switch n.Text("direction", "forward") {
	case "forward":
		l.directions = []string{"forward"}
	case "reverse":
		l.directions = []string{"reverse"}
	case "bidirectional":
		l.directions = []string{"forward", "reverse"}
	default:
		return b.fail("the direction %q", n.Text("direction", ""))
	}
	l.hidden = n.Int("hidden_size", l.r.Type.Shape[2])
	d := len(l.directions)
	if s := l.r.Type.Shape; s[0] != d || s[1] != gates*l.hidden || s[2] != l.hidden || l.hidden < 1 {
		return b.fail("want recurrent weights [%d, %d, %d], have %s", d, gates*l.hidden, l.hidden, l.r.Type)
	}
	l.readGates(defaults)
	if b.Err() != nil {
		return nil
	}
	if batchFirst {
		l.x = b.transpose(l.x, 1, 0, 2)
	}
	if v := n.input(4); v != nil {
		if lens, ok := b.known(v); !ok || slices.ContainsFunc(lens, func(k int) bool { return k != l.x.Type.Shape[0] }) {
			l.lengths = v
		}
	}
	if gates == 4 && n.input(7) != nil {
		l.peephole = n.In[7]
	}
	state := func(i int) *mil.Value {
		v := n.input(i)
		if v == nil {
			return nil
		}
		if batchFirst {
			v = b.transpose(v, 1, 0, 2)
		}
		return v
	}
	h := state(5)
	var c *mil.Value
	if gates == 4 {
		c = state(6)
	}
	ys, hs, cs := l.run(h, c)
	if b.Err() != nil {
		return nil
	}
	// [steps, batch, hidden] of each direction, and [batch, hidden].
	stack := func(vs []*mil.Value, axis int) *mil.Value {
		parts := make([]*mil.Value, len(vs))
		for i, v := range vs {
			parts[i] = b.expandDims(v, axis)
		}
		return b.concat(axis, parts...)
	}
	y := stack(ys, 1)
	last := stack(hs, 0)
	if batchFirst {
		y, last = b.transpose(y, 2, 0, 1, 3), b.transpose(last, 1, 0, 2)
	}
	outs := []*mil.Value{y, last}
	if gates == 4 {
		cell := stack(cs, 0)
		if batchFirst {
			cell = b.transpose(cell, 1, 0, 2)
		}
		outs = append(outs, cell)
	}
	return outs
}

// part takes one direction of a value, nil of nil.
func (l *layer) part(v *mil.Value, d int) *mil.Value {
	if v == nil {
		return nil
	}
	return l.squeeze(l.slice(v, 0, d, d+1), 0)
}

// zeros is an initial state [batch, hidden].
func (l *layer) zeros() *mil.Value {
	shape := l.concat(0, l.dims(l.x, 1), l.ints(l.hidden))
	return op.Fill.Add(l.Builder.Builder, op.FillArgs{Shape: shape, Value: scalarOf(0, l.x.Type.DType)})
}

// run computes each direction: all states, the last one and the last memory.
func (l *layer) run(h, c *mil.Value) (ys, hs, cs []*mil.Value) {
	for d, direction := range l.directions {
		h0, c0 := l.part(h, d), l.part(c, d)
		if h0 == nil {
			h0 = l.zeros()
		}
		if c0 == nil && l.gates == 4 {
			c0 = l.zeros()
		}
		w, r, bias, p := l.part(l.w, d), l.part(l.r, d), l.part(l.bias, d), l.part(l.peephole, d)
		gates := l.activations[d*l.perDirection : (d+1)*l.perDirection]
		if l.Err() != nil {
			return nil, nil, nil
		}
		y, hn, cn, ok := l.native(direction, gates, w, r, bias, p, h0, c0)
		if !ok {
			y, hn, cn = l.steps(direction, gates, w, r, bias, p, h0, c0)
		}
		ys, hs, cs = append(ys, y), append(hs, hn), append(cs, cn)
	}
	return ys, hs, cs
}

// regates reorders the rows of gates.
func regates(t *tensor.Tensor, hidden int, order ...int) *tensor.Tensor {
	data := t.F32()
	row := hidden
	for _, d := range t.Shape()[1:] {
		row *= d
	}
	var out []float32
	for _, g := range order {
		out = append(out, data[g*row:(g+1)*row]...)
	}
	return tensor.New(t.DType(), t.Shape(), out)
}

// native computes a direction by the operator for it, where that says the same.
func (l *layer) native(direction string, gates []gate, w, r, bias, p, h, c *mil.Value) (y, hn, cn *mil.Value, ok bool) {
	n := l.n
	hard := "hard_sigmoid"
	if l.gates == 1 {
		hard = "sigmoid_hard"
	}
	var names []string
	for _, g := range gates {
		names = append(names, g.native(hard))
	}
	if slices.Contains(names, "") || l.lengths != nil || n.Float("clip", 0) != 0 || n.Bool("input_forget") ||
		w.Const == nil || r.Const == nil || bias != nil && bias.Const == nil || p != nil && p.Const == nil {
		return nil, nil, nil, false
	}
	k := l.gates * l.hidden
	var wb, rb, both *tensor.Tensor
	if bias != nil {
		f := bias.Const.F32()
		if len(f) != 2*k {
			l.fail("want %d biases, have %d", 2*k, len(f))
			return nil, nil, nil, true
		}
		d := bias.Const.DType()
		wb, rb = tensor.New(d, []int{k}, f[:k]), tensor.New(d, []int{k}, f[k:])
		sum := make([]float32, k)
		for i := range sum {
			sum[i] = f[i] + f[i+k]
		}
		both = tensor.New(d, []int{k}, sum)
	}
	order := func(t *tensor.Tensor, gates ...int) *tensor.Tensor {
		if t == nil {
			return nil
		}
		return regates(t, l.hidden, gates...)
	}
	b := l.Builder.Builder
	var out []*mil.Value
	switch l.gates {
	case 1:
		a := op.RNNIOS17.Defaults()
		a.X, a.InitialH, a.WeightIH, a.WeightHH, a.Bias = l.x, h, w.Const, r.Const, both
		a.Direction, a.OutputSequence, a.Activation = direction, true, names[0]
		out = op.RNNIOS17.AddN(b, a)
	case 3: // update, reset, output → reset, output, update
		a := op.GRUIOS18.Defaults()
		a.X, a.InitialH, a.WeightIH, a.WeightHH = l.x, h, order(w.Const, 1, 2, 0), order(r.Const, 1, 2, 0)
		a.Bias = order(both, 1, 2, 0)
		if n.Bool("linear_before_reset") {
			a.ResetAfter = true
			a.Bias, a.InputBias = order(rb, 1, 2, 0), order(wb, 1, 2, 0)
		}
		a.Direction, a.OutputSequence, a.RecurrentActivation, a.Activation = direction, true, names[0], names[1]
		out = op.GRUIOS18.AddN(b, a)
	case 4: // input, output, forget, cell → input, forget, output, cell
		a := op.LSTMIOS17.Defaults()
		a.X, a.InitialH, a.InitialC, a.WeightIH, a.WeightHH = l.x, h, c, order(w.Const, 0, 2, 1, 3), order(r.Const, 0, 2, 1, 3)
		a.Bias = order(both, 0, 2, 1, 3)
		if p != nil {
			a.Peephole = order(p.Const, 0, 2, 1)
		}
		a.Direction, a.OutputSequence = direction, true
		a.RecurrentActivation, a.CellActivation, a.Activation = names[0], names[1], names[2]
		out = op.LSTMIOS17.AddN(b, a)
	}
	if len(out) < 2 {
		return nil, nil, nil, true
	}
	y = out[0]
	if direction == "reverse" { // the operator gives its steps in its order, ONNX those of x
		y = op.ReverseIOS17.Add(b, op.ReverseArgs{X: y, Axes: []int{0}})
	}
	if l.gates == 4 {
		cn = out[2]
	}
	return y, out[1], cn, true
}

// steps lays a direction out step by step.
func (l *layer) steps(direction string, gates []gate, w, r, bias, p, h, c *mil.Value) (y, hn, cn *mil.Value) {
	steps := l.x.Type.Shape[0]
	if steps < 1 || steps > maxSteps {
		l.refuse("such a recurrent layer over %d steps", steps)
		return nil, nil, nil
	}
	n := l.n
	before := n.Bool("linear_before_reset")
	xw := l.matmul(l.x, l.swap(w))
	rt := l.swap(r)
	k := l.gates * l.hidden
	var rb *mil.Value
	if bias != nil {
		xw = l.add(xw, l.slice(bias, 0, 0, k))
		rb = l.slice(bias, 0, k, 2*k)
	}
	cut := func(v *mil.Value, from, to int) *mil.Value {
		return l.slice(v, l.rank(v)-1, from*l.hidden, to*l.hidden)
	}
	plus := func(x, y *mil.Value) *mil.Value {
		if y == nil {
			return x
		}
		return l.add(x, y)
	}
	part := func(v *mil.Value, from, to int) *mil.Value {
		if v == nil {
			return nil
		}
		return cut(v, from, to)
	}
	var ys []*mil.Value
	for t := range steps {
		if direction == "reverse" {
			t = steps - 1 - t
		}
		in := l.squeeze(l.slice(xw, 0, t, t+1), 0)
		var next, memory *mil.Value
		switch l.gates {
		case 1:
			next = l.apply(gates[0], plus(l.add(in, l.matmul(h, rt)), rb))
		case 3:
			zr := plus(l.add(cut(in, 0, 2), l.matmul(h, cut(rt, 0, 2))), part(rb, 0, 2))
			zr = l.apply(gates[0], zr)
			z, reset := cut(zr, 0, 1), cut(zr, 1, 2)
			var o *mil.Value
			if before {
				o = l.mul(reset, plus(l.matmul(h, cut(rt, 2, 3)), part(rb, 2, 3)))
			} else {
				o = plus(l.matmul(l.mul(reset, h), cut(rt, 2, 3)), part(rb, 2, 3))
			}
			o = l.apply(gates[1], l.add(cut(in, 2, 3), o))
			next = l.add(l.mul(l.sub(l.number(1, z), z), o), l.mul(z, h))
		case 4:
			all := plus(l.add(in, l.matmul(h, rt)), rb)
			peep := func(v *mil.Value, i int, c *mil.Value) *mil.Value {
				if p == nil {
					return v
				}
				return l.add(v, l.mul(cut(p, i, i+1), c))
			}
			i := l.apply(gates[0], peep(cut(all, 0, 1), 0, c))
			var f *mil.Value
			if n.Bool("input_forget") {
				f = l.sub(l.number(1, i), i)
			} else {
				f = l.apply(gates[0], peep(cut(all, 2, 3), 2, c))
			}
			memory = l.add(l.mul(f, c), l.mul(i, l.apply(gates[1], cut(all, 3, 4))))
			o := l.apply(gates[0], peep(cut(all, 1, 2), 1, memory))
			plain := &layer{Builder: l.Builder, n: &Node{}}
			next = l.mul(o, plain.apply(gates[2], memory))
		}
		out := next
		if l.lengths != nil {
			inside := l.expandDims(op.Greater.Add(l.Builder.Builder, op.Binary{X: l.lengths, Y: l.int(t)}), 1)
			out = l.sel(inside, next, l.number(0, next))
			next = l.sel(inside, next, h)
			if memory != nil {
				memory = l.sel(inside, memory, c)
			}
		}
		h, c = next, memory
		ys = append(ys, l.expandDims(out, 0))
	}
	if direction == "reverse" {
		slices.Reverse(ys)
	}
	return l.concat(0, ys...), h, c
}
