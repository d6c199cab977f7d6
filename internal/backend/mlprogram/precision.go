package mlprogram

import (
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

// convert makes operations compute in the float type to where they did in from,
// but for those that keep names, such as to has no numbers for, and those that
// hand on what others made (control flow, lists, states). Inputs and outputs
// stay what they are: casts stand between them and the operations, and
// wherever else both types meet.
func convert(f *mil.Func, from, to tensor.DType, keep func(*mil.Node) bool) {
	c := &converter{from: from, to: to, keep: keep, opset: f.Opset, consts: map[*mil.Value]*mil.Value{}, was: map[*mil.Value]origin{}}
	known := forms{}
	for _, v := range f.Inputs {
		c.define(known, v)
	}
	c.block(f.Body, known)
}

// form is a value in both types, nil where it has not been made.
type form struct{ from, to *mil.Value }

// forms are those of the values that can be seen at a place of the program, by
// the value as it was before.
type forms map[*mil.Value]form

type converter struct {
	from, to tensor.DType
	keep     func(*mil.Node) bool
	opset    mil.Opset
	consts   map[*mil.Value]*mil.Value
	was      map[*mil.Value]origin // of values that changed
	out      []*mil.Node           // of the block that is being made
}

// carriers hand values on without looking at them: these keep their types. So do
// custom layers, of which nobody here knows what their code takes.
var carriers = map[string]bool{
	"while_loop": true, "cond": true, "make_list": true, "list_gather": true, "list_scatter": true, "list_read": true,
	"list_write": true, "list_length": true, "read_state": true, "write_state": true, "classify": true, "custom_layer": true,
}

// define enters a value with the type that it has.
func (c *converter) define(known forms, v *mil.Value) {
	if v.Type.Kind != mil.Tensor {
		return
	}
	switch v.Type.DType {
	case c.from:
		known[v] = form{from: v}
	case c.to:
		known[v] = form{to: v}
	}
}

func (c *converter) block(b *mil.Block, known forms) {
	outer := c.out
	c.out = nil
	for _, v := range b.Inputs {
		c.define(known, v)
	}
	for _, n := range b.Nodes {
		c.node(n, known)
	}
	for i, v := range b.Outputs {
		b.Outputs[i] = c.final(b, i, v, known)
	}
	b.Nodes, c.out = c.out, outer
}

// origin is what a value was before it changed.
type origin struct {
	dtype tensor.DType
	name  string
}

// final is a block's output in the type that it had, under its name.
func (c *converter) final(b *mil.Block, i int, v *mil.Value, known forms) *mil.Value {
	o, changed := c.was[v]
	if !changed {
		return v
	}
	out := c.want(v, o.dtype, known)
	if !slices.Contains(c.out, out.Node) || slices.Contains(b.Outputs[:i], out) || slices.Contains(b.Outputs[i+1:], out) {
		x := out
		out = &mil.Value{Name: o.name, Type: x.Type}
		out.Node = &mil.Node{Op: "identity", Name: o.name, Inputs: []mil.Input{{Name: "x", Values: []*mil.Value{x}}}, Outputs: []*mil.Value{out}}
		c.out = append(c.out, out.Node)
	}
	out.Name = o.name
	return out
}

func (c *converter) node(n *mil.Node, known forms) {
	for _, nested := range n.Blocks {
		c.block(nested, maps.Clone(known))
	}
	def, err := op.For(n.Op, c.opset)
	if err != nil {
		c.out = append(c.out, n) // fit reports what does not exist
		return
	}
	if c.through(n, known) {
		return
	}
	target := map[string]tensor.DType{} // by the letter of the argument types
	if !carriers[n.Op] && !(c.keep != nil && c.keep(n)) && !c.overflows(n, def, known) {
		c.targets(n, def, known, target)
	}
	for i := range n.Inputs {
		in := &n.Inputs[i]
		p := param(def, in.Name)
		for j, v := range in.Values {
			switch {
			case p != nil && target[letter(p)] == c.to && !c.spared(n, p, def):
				in.Values[j] = c.want(v, c.to, known)
			case p != nil && letter(p) == "any" && !carriers[n.Op]:
				if k := known[v]; k.from == nil && k.to != nil {
					in.Values[j] = k.to
				} else if k.from != nil {
					in.Values[j] = k.from
				}
			case v.Type.Kind == mil.Tensor && v.Const == nil:
				if o, changed := c.was[v]; changed {
					in.Values[j] = c.want(v, o.dtype, known)
				} else {
					in.Values[j] = c.want(v, v.Type.DType, known)
				}
			}
		}
	}
	c.out = append(c.out, n)
	c.results(n, def, len(target) > 0, known)
}

// through lets casts between the two types, copies, and constants of one type
// stored in the other vanish: whoever reads the result reads what was cast.
func (c *converter) through(n *mil.Node, known forms) bool {
	if len(n.Outputs) != 1 {
		return false
	}
	out := n.Outputs[0]
	switch n.Op {
	case "cast":
		x := n.Input("x")
		k, ok := known[x]
		if !ok || out.Type.DType != c.from && out.Type.DType != c.to || x.Const != nil {
			return false
		}
		c.was[out] = origin{out.Type.DType, out.Name}
		known[out] = k
		return true
	case "identity":
		if k, ok := known[n.Input("x")]; ok {
			c.was[out] = origin{out.Type.DType, out.Name}
			known[out] = k
			return true
		}
	case "constexpr_cast":
		if half := n.Input("source_val"); c.to == tensor.Float16 && half != nil && half.Const != nil {
			c.was[out] = origin{out.Type.DType, out.Name}
			known[out] = form{to: mil.NewConst(out.Name+"_to_fp16", half.Const)}
			return true
		}
	}
	return false
}

// values is the name of the lists whose elements have one type that no letter
// stands for: those of concat, stack and einsum.
const values = "values"

func letter(p *op.Param) string {
	if p.List && p.Name == values {
		return values
	}
	return p.Type
}

// allowed returns the types that the arguments of a parameter may have.
func allowed(def *op.Op, p *op.Param) []tensor.DType {
	if letter(p) == values {
		return op.Float
	}
	return def.Types[p.Type]
}

// targets finds the letters whose arguments change their type.
func (c *converter) targets(n *mil.Node, def *op.Op, known forms, target map[string]tensor.DType) {
	for _, in := range n.Inputs {
		p := param(def, in.Name)
		if p == nil || !slices.Contains(allowed(def, p), c.to) {
			continue
		}
		for _, v := range in.Values {
			if _, ok := known[v]; ok || v.Type.Kind == mil.Tensor && v.Type.DType == c.from {
				target[letter(p)] = c.to
			}
		}
	}
}

// spared tells a parameter of an activation, which may be finer than the
// values: the arguments of its letter are nothing but such parameters.
func (c *converter) spared(n *mil.Node, p *op.Param, def *op.Op) bool {
	if c.to != tensor.Float16 || n.Input(p.Name) == nil || n.Input(p.Name).Const == nil {
		return false
	}
	for _, q := range def.Params {
		if q.Type == p.Type && q.Name != "alpha" && q.Name != "beta" && q.Name != "epsilon" {
			return false
		}
	}
	return true
}

// beyond tells numbers too large for float16, infinity excepted.
func beyond(values []float32) bool {
	return slices.ContainsFunc(values, func(x float32) bool { return (x > 65504 || x < -65504) && x < 1e38 && x > -1e38 })
}

// overflows tells whether some constant is beyond what to can hold.
func (c *converter) overflows(n *mil.Node, def *op.Op, known forms) bool {
	if c.to != tensor.Float16 {
		return false
	}
	for _, in := range n.Inputs {
		p := param(def, in.Name)
		if p == nil || !slices.Contains(allowed(def, p), c.to) {
			continue
		}
		for _, v := range in.Values {
			if v.Const == nil || v.Type.DType != c.from {
				continue
			}
			if _, done := c.consts[v]; done {
				continue
			}
			if beyond(v.Const.F32()) {
				return true
			}
		}
	}
	return false
}

// results gives a node's outputs the types that follow from its arguments.
func (c *converter) results(n *mil.Node, def *op.Op, changed bool, known forms) {
	types := make([]mil.Type, 0, len(n.Outputs))
	if args, err := def.Bind(n, nil); changed && err == nil {
		types, _ = def.Infer(args)
	}
	for i, v := range n.Outputs {
		d := v.Type.DType
		if changed && d == c.from {
			switch {
			case len(types) == len(n.Outputs):
				d = types[i].DType
			default: // nothing is known of a rank
				d = c.to
			}
		}
		if d != v.Type.DType {
			c.was[v] = origin{v.Type.DType, v.Name}
			v.Type.DType = d
			v.Name = c.named(v.Name)
		}
		c.define(known, v)
	}
	if changed {
		n.Name = c.named(n.Name)
	}
}

// named tells in a name that something computes in float16.
func (c *converter) named(name string) string {
	name = strings.TrimSuffix(name, "_cast_fp16")
	if c.to == tensor.Float16 {
		name += "_cast_fp16"
	}
	return name
}

// want returns v in type d, by a cast if it is not there.
func (c *converter) want(v *mil.Value, d tensor.DType, known forms) *mil.Value {
	if v.Const != nil {
		return c.constant(v, d)
	}
	k, ok := known[v]
	if !ok || d != c.from && d != c.to {
		return v
	}
	have, other := k.from, k.to
	if d == c.to {
		have, other = k.to, k.from
	}
	if have != nil {
		return have
	}
	if other.Const != nil {
		have = c.constant(other, d)
	} else {
		have = c.cast(other, d)
	}
	if d == c.to {
		k.to = have
	} else {
		k.from = have
	}
	known[v] = k
	return have
}

func (c *converter) cast(v *mil.Value, d tensor.DType) *mil.Value {
	out := &mil.Value{Name: v.Name + "_to_" + d.String(), Type: v.Type}
	out.Type.DType = d
	if n := v.Node; n != nil && n.Op == "cast" && len(n.Blocks) == 0 { // once is enough
		if x := n.Input("x"); x != nil && !x.Type.DType.IsFloat() {
			v = x
		}
	}
	n := &mil.Node{
		Op: "cast", Name: out.Name, Outputs: []*mil.Value{out},
		Inputs: []mil.Input{
			{Name: "x", Values: []*mil.Value{v}},
			{Name: "dtype", Values: []*mil.Value{mil.NewConst("", tensor.Scalar(tensor.String, d.String()))}},
		},
	}
	out.Node = n
	c.out = append(c.out, n)
	return out
}

// constant converts a constant once for all who read it.
func (c *converter) constant(v *mil.Value, d tensor.DType) *mil.Value {
	if v.Type.DType == d || !v.Type.DType.IsFloat() {
		return v
	}
	if done := c.consts[v]; done != nil {
		return done
	}
	name := v.Name
	if name != "" {
		name += "_to_" + d.String()
	}
	out := mil.NewConst(name, rounded(v.Const, d))
	c.consts[v] = out
	return out
}

// small is the most elements of a constant that may be a bound or a divisor:
// in such a number that is not zero stays so.
const small = 400

// rounded converts a constant, packing it at once: two bytes for each element
// that is packed in four is all that it takes.
func rounded(t *tensor.Tensor, d tensor.DType) *tensor.Tensor {
	values := t.F32()
	if d == tensor.Float16 && len(values) < small {
		const least = 1.0 / (1 << 24)
		values = slices.Clone(values)
		for i, x := range values {
			if x != 0 && tensor.Float16ToFloat32(tensor.Float16FromFloat32(x)) == 0 {
				values[i] = float32(math.Copysign(least, float64(x)))
			}
		}
	}
	out, err := tensor.FromPacked(d, t.Shape(), tensor.New(d, t.Shape(), values).Packed())
	if err != nil {
		panic(err) // the bytes come from a tensor of this shape
	}
	return out
}
