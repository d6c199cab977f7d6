package onnx

import (
	"errors"
	"slices"
	"strings"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

// rule says an operation in ONNX's operators and returns its outputs in order.
// The first failure of the writer is what counts: a rule need not look for one
// after each step.
type rule func(w *writer, c *call) []*val

// call is an operation of the program, whose arguments a rule asks for by name.
type call struct {
	*mil.Node
	def *op.Op
	w   *writer
}

// one is the list of one output.
func one(v *val) []*val { return []*val{v} }

// body writes the nodes of a block.
func (w *writer) body(b *mil.Block) {
	for _, n := range b.Nodes {
		w.node(n)
	}
}

// node writes an operation; what keeps it from being written is a problem.
func (w *writer) node(n *mil.Node) {
	outer, failed := w.call, w.err
	defer func() { w.call, w.err = outer, failed }()
	c := &call{Node: n, w: w}
	w.call, w.err = c, nil
	var outs []*val
	def, err := op.For(n.Op, w.source)
	if err != nil { // an operator of a later opset, or none
		def, err = op.For(n.Op, mil.IOS26)
	}
	c.def = def
	switch r := rules[n.Op]; {
	case err != nil:
		w.fail("%w", err)
	case r == nil:
		w.fail("no operators of ONNX say this")
	default:
		if err := c.check(); err != nil {
			w.fail("%w", err)
			break
		}
		outs = r(w, c)
		if w.err == nil && len(outs) < len(n.Outputs) {
			w.fail("gives %d results, not %d", len(outs), len(n.Outputs))
		}
	}
	if w.err != nil {
		w.report(n, w.err.Error())
		for _, v := range n.Outputs { // so that what follows is looked at, too
			w.values[v] = &val{name: "?", dtype: w.dtype(v.Type.DType)}
		}
		return
	}
	for i, v := range n.Outputs {
		out := outs[i]
		if out == nil {
			continue
		}
		if v.Type.Kind == mil.Tensor {
			if d := w.dtype(v.Type.DType); out.dtype != d {
				out = w.cast(out, d)
			}
		}
		if !out.fixed && out.made == c {
			w.rename(out, v.Name)
			out.made = nil // an operation's other results do not take the name
		}
		w.values[v] = out
	}
}

// rename gives a value the name that the program has for it.
func (w *writer) rename(v *val, name string) {
	if !w.names[name] {
		delete(w.names, v.name)
		v.name = w.unique(name)
	}
}

func (w *writer) report(n *mil.Node, reason string) {
	for i := range w.problems {
		if p := &w.problems[i]; p.Op == n.Op && p.Reason == reason {
			p.Count++
			return
		}
	}
	w.problems = append(w.problems, Problem{Op: n.Op, Count: 1, Where: n.Name, Reason: reason})
}

// check holds the arguments against the operator's declaration, so that rules
// only see such as make sense. Of what is only known when it is run little can
// be told.
func (c *call) check() error {
	open, compressed := false, false
	for _, v := range c.Values() {
		if v == nil {
			return errors.New("an argument is missing")
		}
		open = open || v.Type.AnyRank
		compressed = compressed || v.Const == nil && v.Node != nil && strings.HasPrefix(v.Node.Op, "constexpr_")
	}
	if compressed && c.Op == "linear" {
		return nil // whose weights are large, and need not be expanded
	}
	args, err := c.def.Bind(c.Node, nil)
	if err != nil && compressed {
		args, err = c.def.Bind(c.Node, func(v *mil.Value) *mil.Value {
			if t, err := c.w.known(v); err == nil && v.Const == nil {
				return mil.NewConst(v.Name, t)
			}
			return v
		})
	}
	if err != nil || open {
		return err
	}
	_, err = c.def.Infer(args)
	return err
}

// value is what the graph has for a value of the program.
func (w *writer) value(v *mil.Value) *val {
	switch {
	case v == nil:
		w.fail("an argument is missing")
	case v.Const != nil:
		return w.constant(v.Const)
	case w.values[v] != nil:
		return w.values[v]
	case v.Type.Kind == mil.State:
		w.fail("a state is no tensor")
	default:
		if t, err := w.known(v); err == nil {
			return w.constant(t)
		}
		w.fail("its argument %q is made nowhere before", v.Name)
	}
	return &val{name: "?", dtype: tensor.Float32}
}

// in returns an argument that must be there.
func (c *call) in(name string) *val {
	v := c.Input(name)
	if v == nil {
		c.w.fail("its argument %s is missing", name)
		return &val{name: "?", dtype: tensor.Float32}
	}
	return c.w.value(v)
}

// opt returns an argument, nil where there is none.
func (c *call) opt(name string) *val {
	if c.Input(name) == nil {
		return nil
	}
	return c.in(name)
}

// list returns the values of a list.
func (c *call) list(name string) []*val {
	var out []*val
	for _, in := range c.Inputs {
		if in.Name == name {
			for _, v := range in.Values {
				out = append(out, c.w.value(v))
			}
		}
	}
	return out
}

// dims returns the shape of an argument, whose rank must be known.
func (c *call) dims(name string) []int {
	v := c.Input(name)
	switch {
	case v == nil:
		c.w.fail("its argument %s is missing", name)
	case v.Type.Kind != mil.Tensor:
		c.w.fail("its argument %s is a %s", name, v.Type)
	case v.Type.AnyRank:
		c.w.fail("the rank of its argument %s is only known when it is run", name)
	default:
		return v.Type.Shape
	}
	return nil
}

// static returns the shape of an argument, which must be known.
func (c *call) static(name string) []int {
	s := c.dims(name)
	if slices.ContainsFunc(s, func(d int) bool { return d < 0 }) {
		c.w.fail("the shape of its argument %s is only known when it is run", name)
		return nil
	}
	return s
}

// rank returns the rank of an argument.
func (c *call) rank(name string) int { return len(c.dims(name)) }

// axis brings an axis to [0, rank).
func (c *call) axis(a, rank int) int {
	if a < -rank || a >= rank {
		c.w.fail("axis %d of rank %d", a, rank)
		return 0
	}
	if a < 0 {
		a += rank
	}
	return a
}

// axes returns the argument axes, all of them where there is none.
func (c *call) axes(rank int) []int {
	given := c.numbers("axes")
	if given == nil {
		return iota(rank)
	}
	out := make([]int, len(given))
	for i, a := range given {
		out[i] = c.axis(a, rank)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// tensor returns an argument that is a constant, nil where there is none.
// Compressed constants are expanded.
func (c *call) tensor(name string) *tensor.Tensor {
	v := c.Input(name)
	if v == nil {
		return nil
	}
	t, err := c.w.known(v)
	if err != nil {
		c.w.fail("its argument %s %w", name, err)
		return tensor.Zeros(tensor.Float32, nil)
	}
	return t
}

var errRuntime = errors.New("is only known when it is run")

// known returns the value of a constant or of what is made of compressed ones.
func (w *writer) known(v *mil.Value) (*tensor.Tensor, error) {
	if v.Const != nil {
		return v.Const, nil
	}
	if t := w.expanded[v]; t != nil {
		return t, nil
	}
	n := v.Node
	if n == nil || !strings.HasPrefix(n.Op, "constexpr_") {
		return nil, errRuntime
	}
	def, err := op.For(n.Op, w.source)
	if err != nil {
		return nil, err
	}
	var failed error
	args, err := def.Bind(n, func(v *mil.Value) *mil.Value {
		if v.Const != nil {
			return v
		}
		t, err := w.known(v)
		if err != nil {
			failed = err
			return v
		}
		return mil.NewConst(v.Name, t)
	})
	if err = errors.Join(failed, err); err != nil {
		return nil, err
	}
	if _, err := def.Infer(args); err != nil {
		return nil, err
	}
	outs, err := def.Eval(args)
	if err != nil {
		return nil, err
	}
	for i, out := range n.Outputs {
		if i < len(outs) {
			w.expanded[out] = outs[i]
		}
	}
	if t := w.expanded[v]; t != nil {
		return t, nil
	}
	return nil, errRuntime
}

// fallback is the value that an absent argument has.
func (c *call) fallback(name string) any {
	if c.def != nil {
		for i := range c.def.Params {
			if p := &c.def.Params[i]; p.Name == name {
				return p.Default
			}
		}
	}
	return nil
}

// numbers returns a vector of integers, nil where it is absent.
func (c *call) numbers(name string) []int {
	t := c.tensor(name)
	if t == nil {
		if d, ok := c.fallback(name).([]int); ok {
			return d
		}
		return nil
	}
	out := []int{}
	for _, x := range numbersOf(t) {
		out = append(out, int(x))
	}
	return out
}

// numbersOf returns the elements of a tensor of numbers, none of strings.
func numbersOf(t *tensor.Tensor) []float64 {
	if t.DType() == tensor.String {
		return nil
	}
	return t.Float64s()
}

// flags returns a vector of truth values, n times false where it is absent.
func (c *call) flags(name string, n int) []bool {
	t := c.tensor(name)
	if t == nil {
		return make([]bool, n)
	}
	if t.DType() != tensor.Bool || t.Len() != n {
		c.w.fail("its argument %s: want %d truth values, have %s", name, n, t)
		return make([]bool, n)
	}
	return t.Bools()
}

// float returns a number.
func (c *call) float(name string) float64 {
	t := c.tensor(name)
	if t == nil {
		switch d := c.fallback(name).(type) {
		case float32:
			return float64(d)
		case int:
			return float64(d)
		}
		return 0
	}
	v := numbersOf(t)
	if len(v) != 1 {
		c.w.fail("its argument %s: want a number, have %s", name, t)
		return 0
	}
	return v[0]
}

// int returns a whole number.
func (c *call) int(name string) int { return int(c.float(name)) }

// flag returns a truth value.
func (c *call) flag(name string) bool {
	t := c.tensor(name)
	if t == nil {
		d, _ := c.fallback(name).(bool)
		return d
	}
	if t.DType() != tensor.Bool || t.Len() != 1 {
		c.w.fail("its argument %s: want a truth value, have %s", name, t)
		return false
	}
	return t.Bools()[0]
}

// text returns a string.
func (c *call) text(name string) string {
	t := c.tensor(name)
	if t == nil {
		d, _ := c.fallback(name).(string)
		return d
	}
	if t.DType() != tensor.String || t.Len() != 1 {
		c.w.fail("its argument %s: want a text, have %s", name, t)
		return ""
	}
	return t.Strings()[0]
}

// sizes returns an argument of sizes or places as a vector of int64.
func (c *call) sizes(name string) *val {
	v := c.Input(name)
	if v != nil && v.Const != nil {
		return c.w.ints(c.numbers(name)...)
	}
	return c.w.vector(c.w.cast(c.in(name), tensor.Int64), v)
}

// vector makes a vector of what may be a scalar.
func (w *writer) vector(x *val, v *mil.Value) *val {
	if v != nil && !v.Type.AnyRank && v.Type.Rank() == 1 {
		return x
	}
	return w.reshape(x, -1)
}

// out is the type of a result.
func (c *call) out(i int) mil.Type {
	if i < len(c.Outputs) {
		return c.Outputs[i].Type
	}
	return mil.Type{AnyRank: true}
}

// alike returns a number of the type of a value.
func (c *call) alike(x float64, v *val) *val { return c.w.number(x, v.dtype) }
