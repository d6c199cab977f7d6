package engine

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

// generator makes a program from the bytes of a fuzzer: each byte is one
// choice, and where they end, the program does. Values have the types of this
// one run; what the function declares about its inputs may say less.
type generator struct {
	bytes  []byte
	ops    []*op.Op // the newest version that the opset has of each operator
	fast   []*op.Op // those with a kernel
	simple []*op.Op // those of one or two operands of any shape
	fn     *mil.Func
	inputs []*tensor.Tensor // nil for a state
	random bool             // results differ from run to run
	half   bool             // values are rounded where nothing is fused
}

// next is the next choice among n.
func (g *generator) next(n int) int {
	if len(g.bytes) == 0 {
		return 0
	}
	b := g.bytes[0]
	g.bytes = g.bytes[1:]
	return int(b) % n
}

// rand is a source for everything that is not worth a choice of its own.
func (g *generator) rand() *rand.Rand {
	return rand.New(rand.NewPCG(uint64(g.next(256)), 3))
}

// generate makes a program.
func generate(bytes []byte) *generator {
	g := &generator{bytes: bytes}
	opset := mil.IOS15 + mil.Opset(g.next(5))
	g.fn = &mil.Func{Name: "main", Opset: opset}
	for _, o := range op.All() {
		if newest, err := op.For(o.Name, opset); err != nil || newest != o {
			continue
		}
		g.ops = append(g.ops, o)
		if kernels[o.Name] != nil {
			g.fast = append(g.fast, o)
		}
		if unaryKernels[o.Name] != nil || binaryKernels[o.Name] != nil {
			g.simple = append(g.simple, o)
		}
	}
	b := mil.NewBuilder(opset)
	symbolic := g.next(4) == 0
	made := g.nodes(b, nil, 24, 0)
	if len(made) == 0 {
		made = []*mil.Value{g.input(tensor.Floats([]int{1}, []float32{1}))}
	}
	b.Block.Outputs = []*mil.Value{made[len(made)-1]}
	every := g.next(3) > 0 // value that nobody reads is an output, or only a few are
	for uses, i := b.Block.Uses(), 0; i < len(made); i++ {
		if every && uses[made[i]] == 0 || g.next(8) == 1 {
			b.Block.Outputs = append(b.Block.Outputs, made[i])
		}
	}
	b.Block.Outputs = slices.DeleteFunc(b.Block.Outputs, func(v *mil.Value) bool { return v.Type.Kind != mil.Tensor })
	g.fn.Body = b.Block
	if symbolic {
		for i, v := range g.fn.Inputs {
			v.Type.Shape = slices.Clone(v.Type.Shape)
			for j := range v.Type.Shape {
				if (i+j)%2 == 0 {
					v.Type.Shape[j] = mil.Unknown - j
				}
			}
		}
	}
	return g
}

// input adds an input to the function.
func (g *generator) input(t *tensor.Tensor) *mil.Value {
	v := &mil.Value{Name: fmt.Sprintf("in%d", len(g.inputs)), Type: mil.TypeOf(t)}
	g.fn.Inputs = append(g.fn.Inputs, v)
	g.inputs = append(g.inputs, t)
	return v
}

// nodes appends up to n nodes, which may read the values before, and returns
// those values and the results.
func (g *generator) nodes(b *mil.Builder, before []*mil.Value, n, depth int) []*mil.Value {
	made := slices.Clone(before)
	for range n {
		if len(g.bytes) == 0 {
			break
		}
		var outs []*mil.Value
		switch kind := g.next(16); {
		case kind < 5:
			outs = g.operator(b, g.simple[g.next(len(g.simple))], made)
		case kind < 9:
			outs = g.operator(b, g.fast[g.next(len(g.fast))], made)
		case kind < 13 || depth > 2:
			outs = g.operator(b, g.ops[(256*g.next(256)+g.next(256))%len(g.ops)], made)
		case kind == 13:
			outs = g.branch(b, made, depth)
		case kind == 14:
			outs = g.loop(b, made, depth)
		case depth == 0 && g.next(2) == 0:
			outs = g.state(b, made)
		default:
			outs = g.list(b, made)
		}
		made = append(made, outs...)
	}
	return made
}

// operator appends a node of sampled arguments, some of them replaced by
// earlier values, by inputs of the function, or by hostile constants. Several
// samples are tried, for most do not fit the values that there are.
func (g *generator) operator(b *mil.Builder, o *op.Op, made []*mil.Value) []*mil.Value {
	r := g.rand()
	wiring, hostile, latest := g.next(4), g.next(12) == 1, g.next(3) > 0
	for range 24 {
		args := o.Sample(r)
		if args == nil {
			return nil
		}
		n := o.Node(b.Unique(o.Name), args)
		ins := len(g.inputs)
		for i := range n.Inputs {
			for j, v := range n.Inputs[i].Values {
				n.Inputs[i].Values[j] = g.argument(o, n, n.Inputs[i].Name, v, made, r, wiring, i == 0 && latest, hostile)
			}
		}
		if outs := g.append(b, o, n); outs != nil {
			return outs
		}
		g.inputs, g.fn.Inputs = g.inputs[:ins], g.fn.Inputs[:ins]
	}
	return nil
}

func (g *generator) argument(o *op.Op, n *mil.Node, name string, v *mil.Value, made []*mil.Value, r *rand.Rand, wiring int, first, hostile bool) *mil.Value {
	p := param(o, name)
	if v.Const == nil || v.Type.DType == tensor.String {
		return v
	}
	if p.Const {
		if hostile && r.IntN(3) == 0 {
			return hostileConst(v, r)
		}
		return v
	}
	if wiring > 0 && (first || r.IntN(3) < wiring-1) {
		var fit []*mil.Value
		for _, m := range made {
			// Any shape will do for the first argument, and sometimes for others.
			if m.Type.Kind == mil.Tensor && m.Type.DType == v.Type.DType && (first || r.IntN(4) == 0 || slices.Equal(m.Type.Shape, v.Type.Shape)) {
				fit = append(fit, m)
			}
		}
		if len(fit) > 0 {
			if first && r.IntN(3) > 0 {
				return fit[len(fit)-1]
			}
			return fit[r.IntN(len(fit))]
		}
	}
	if hostile && r.IntN(3) == 0 {
		return hostileConst(v, r)
	}
	// A constant that broadcasts to the first argument, as a bias does.
	if x := n.Inputs[0].Values[0]; !first && binaryKernels[o.Name] != nil && v.Type.DType == tensor.Float32 && r.IntN(2) == 0 {
		shape := slices.Clone(x.Type.Shape[r.IntN(len(x.Type.Shape)+1):])
		for i := range shape {
			if r.IntN(2) == 0 {
				shape[i] = 1
			}
		}
		if n, err := tensor.CheckShape(shape); err == nil && n < 1<<12 {
			v = mil.NewConst(v.Name, normals(r, shape))
		}
	}
	if (first || r.IntN(2) == 0) && v.Type.IsStatic() && v.Type.DType != tensor.Invalid && v.Const.Len() > 0 {
		return g.input(v.Const)
	}
	return v
}

func normals(r *rand.Rand, shape []int) *tensor.Tensor {
	data := make([]float32, tensor.Size(shape))
	for i := range data {
		data[i] = float32(r.NormFloat64())
	}
	return tensor.Floats(shape, data)
}

// append infers the results of a node and appends it, unless it is refused.
func (g *generator) append(b *mil.Builder, o *op.Op, n *mil.Node) []*mil.Value {
	args, err := o.Bind(n, nil)
	if err != nil {
		return nil
	}
	types, err := o.Infer(args)
	if err != nil {
		return nil
	}
	for i, t := range types {
		if t.DType == tensor.Float16 {
			g.half = true
		}
		n.Outputs = append(n.Outputs, &mil.Value{Name: fmt.Sprintf("%s.%d", n.Name, i), Type: t})
	}
	for _, v := range n.Values() {
		if v.Type.DType == tensor.Float16 {
			g.half = true
		}
	}
	g.random = g.random || o.Random
	b.Append(n)
	return n.Outputs
}

// hostileConst returns a constant that a file may hold in place of v.
func hostileConst(v *mil.Value, r *rand.Rand) *mil.Value {
	shape := slices.Clone(v.Type.Shape)
	switch r.IntN(6) {
	case 0:
		shape = append(shape, 1+r.IntN(3))
	case 1:
		if len(shape) > 0 {
			shape[r.IntN(len(shape))] = r.IntN(6)
		}
	}
	n := tensor.Size(shape)
	switch d := v.Type.DType; {
	case d == tensor.Bool:
		data := make([]bool, n)
		for i := range data {
			data[i] = r.IntN(2) == 0
		}
		return mil.NewConst("h", tensor.New(d, shape, data))
	case d == tensor.Int32:
		data := make([]int32, n)
		old := v.Const.I32()
		for i := range data {
			data[i] = []int32{0, -1, -2, 1, 2, 3, 7, 100, 1 << 16, 1 << 20, math.MaxInt32, math.MinInt32}[r.IntN(12)]
			if r.IntN(2) == 0 && i < len(old) {
				data[i] = old[i]
			}
		}
		return mil.NewConst("h", tensor.New(d, shape, data))
	case d == tensor.Float32 || d == tensor.Float16:
		data := make([]float32, n)
		for i := range data {
			data[i] = []float32{0, -1, 1, 0.5, float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1)), 1e12, -1e12, 1e-40, 1 << 31}[r.IntN(11)]
			if r.IntN(2) == 0 {
				data[i] = float32(r.NormFloat64())
			}
		}
		return mil.NewConst("h", tensor.New(d, shape, data))
	}
	return v
}

// pick returns an earlier value for which ok holds, or nil.
func (g *generator) pick(made []*mil.Value, ok func(mil.Type) bool) *mil.Value {
	var fit []*mil.Value
	for _, v := range made {
		if ok(v.Type) {
			fit = append(fit, v)
		}
	}
	if len(fit) == 0 {
		return nil
	}
	return fit[len(fit)-1-g.next(len(fit))]
}

func isTensor(t mil.Type) bool { return t.Kind == mil.Tensor && t.IsStatic() }

// scalar returns a number that is known before the run, or is not.
func (g *generator) scalar(n int32) *mil.Value {
	t := tensor.Scalar(tensor.Int32, n)
	if g.next(2) == 0 {
		return g.input(t)
	}
	return mil.NewConst("n", t)
}

// branch appends a cond of two blocks that give values of the same types, but
// not always of the same shapes.
func (g *generator) branch(b *mil.Builder, made []*mil.Value, depth int) []*mil.Value {
	n := &mil.Node{Op: "cond", Name: b.Unique("cond")}
	pred := g.pick(made, func(t mil.Type) bool { return isTensor(t) && t.DType == tensor.Bool && tensor.Size(t.Shape) == 1 })
	if pred == nil {
		pred = g.input(tensor.Scalar(tensor.Bool, g.next(2) == 0))
	}
	n.Inputs = []mil.Input{{Name: "pred", Values: []*mil.Value{pred}}}
	var inside [2][]*mil.Value
	for i := range 2 {
		inner := b.Nested()
		inside[i] = g.nodes(inner, made, 1+g.next(4), depth+1)
		n.Blocks = append(n.Blocks, inner.Block)
	}
	for range 1 + g.next(2) {
		x := g.pick(inside[0], func(mil.Type) bool { return true })
		if x == nil {
			return nil
		}
		exact := g.next(3) > 0
		y := g.pick(inside[1], func(t mil.Type) bool {
			return t.Kind == x.Type.Kind && t.DType == x.Type.DType && (!exact || t.Equal(x.Type))
		})
		if y == nil {
			continue
		}
		n.Blocks[0].Outputs = append(n.Blocks[0].Outputs, x)
		n.Blocks[1].Outputs = append(n.Blocks[1].Outputs, y)
		t, err := join(x.Type, y.Type)
		if err != nil {
			return nil
		}
		n.Outputs = append(n.Outputs, &mil.Value{Name: b.Unique(n.Name + ".out"), Type: t})
	}
	if len(n.Outputs) == 0 {
		return nil
	}
	b.Append(n)
	return n.Outputs
}

// loop appends a while_loop over a counter and some earlier values.
func (g *generator) loop(b *mil.Builder, made []*mil.Value, depth int) []*mil.Value {
	vars := []*mil.Value{g.scalar(0)}
	for range g.next(4) {
		if v := g.pick(made, func(t mil.Type) bool { return t.Kind != mil.State }); v != nil {
			vars = append(vars, v)
		}
	}
	rounds := int32(g.next(8))
	if g.next(16) == 1 {
		rounds = 1 << 30
	}
	grows := g.next(3) == 0
	condition := func(b *mil.Builder, vars []*mil.Value) *mil.Value {
		return op.Less.Add(b, op.Binary{X: vars[0], Y: mil.NewConst("rounds", tensor.Scalar(tensor.Int32, rounds))})
	}
	body := func(b *mil.Builder, vars []*mil.Value) []*mil.Value {
		outs := []*mil.Value{op.Add.Add(b, op.Binary{X: vars[0], Y: mil.NewConst("one", tensor.Scalar(tensor.Int32, int32(1)))})}
		inside := g.nodes(b, append(slices.Clone(made), vars...), 1+g.next(4), depth+1)
		for _, v := range vars[1:] {
			w := g.pick(inside, func(t mil.Type) bool {
				return t.Kind == v.Type.Kind && t.DType == v.Type.DType && (t.Equal(v.Type) || grows && t.Kind == mil.Tensor)
			})
			if w == nil {
				w = v
			}
			outs = append(outs, w)
		}
		return outs
	}
	outs := loopOver(b, vars, condition, body)
	n := b.Block.Nodes[len(b.Block.Nodes)-1]
	for i, v := range outs {
		t, err := join(v.Type, n.Blocks[1].Outputs[i].Type)
		if err != nil {
			b.Block.Nodes = b.Block.Nodes[:len(b.Block.Nodes)-1]
			return nil
		}
		v.Type = t
	}
	return outs
}

// list appends the operators of a list: one that is there, or a new one.
func (g *generator) list(b *mil.Builder, made []*mil.Value) []*mil.Value {
	add := func(name string, inputs ...mil.Input) *mil.Value {
		o, err := op.For(name, g.fn.Opset)
		if err != nil {
			return nil
		}
		if outs := g.append(b, o, &mil.Node{Op: name, Name: b.Unique(name), Inputs: inputs}); len(outs) > 0 {
			return outs[0]
		}
		return nil
	}
	in := func(name string, vs ...*mil.Value) mil.Input { return mil.Input{Name: name, Values: vs} }
	ls := g.pick(made, func(t mil.Type) bool { return t.Kind == mil.List })
	var outs []*mil.Value
	if ls == nil || g.next(4) == 0 {
		v := g.pick(made, isTensor)
		if v == nil || !slices.Contains(op.Any, v.Type.DType) {
			return nil
		}
		var shape []*mil.Value
		for _, d := range v.Type.Shape {
			n := mil.NewConst("d", tensor.Scalar(tensor.Int32, int32(d)))
			if g.next(8) == 1 {
				n = mil.NewConst("d", tensor.New(tensor.String, nil, []string{"is"}))
			}
			shape = append(shape, n)
		}
		ls = add("make_list", in("init_length", g.scalar(int32(g.next(5))-1)), in("elem_shape", shape...),
			in("dtype", mil.NewConst("t", tensor.New(tensor.String, nil, []string{v.Type.DType.String()}))),
			in("dynamic_length", mil.NewConst("dyn", tensor.Scalar(tensor.Bool, g.next(2) == 0))))
		if ls == nil {
			return nil
		}
		outs = append(outs, ls)
	}
	elem := ls.Type.Elem
	index := func() *mil.Value {
		return g.scalar([]int32{0, 1, 2, -1, 5, math.MaxInt32, math.MinInt32, 1 << 20}[g.next(8)])
	}
	var out *mil.Value
	switch g.next(5) {
	case 0:
		out = add("list_length", in("ls", ls))
	case 1:
		out = add("list_read", in("ls", ls), in("index", index()))
	case 2:
		if v := g.pick(made, func(t mil.Type) bool { return t.Kind == mil.Tensor && t.DType == elem.DType }); v != nil {
			out = add("list_write", in("ls", ls), in("index", index()), in("value", v))
		}
	default:
		at := make([]int32, g.next(4))
		for i := range at {
			at[i] = int32(g.next(4)) - 1
		}
		indices := g.input(tensor.Ints([]int{len(at)}, at))
		if g.next(2) == 0 {
			out = add("list_gather", in("ls", ls), in("indices", indices))
		} else if v := g.pick(made, func(t mil.Type) bool { return t.Kind == mil.Tensor && t.DType == elem.DType && len(t.Shape) > 0 }); v != nil {
			out = add("list_scatter", in("ls", ls), in("indices", indices), in("value", v))
		}
	}
	if out != nil {
		outs = append(outs, out)
	}
	return outs
}

// state appends a read or an update of a state: one that is there, or a new
// one for an earlier value.
func (g *generator) state(b *mil.Builder, made []*mil.Value) []*mil.Value {
	v := g.pick(made, func(t mil.Type) bool { return isTensor(t) && t.DType.IsFloat() })
	if v == nil {
		return nil
	}
	held := v.Type
	s := g.pick(g.fn.Inputs, func(t mil.Type) bool { return t.Kind == mil.State && t.Elem.Equal(held) })
	if s == nil {
		s = &mil.Value{Name: fmt.Sprintf("in%d", len(g.inputs)), Type: mil.Type{Kind: mil.State, Elem: &held}}
		g.fn.Inputs = append(g.fn.Inputs, s)
		g.inputs = append(g.inputs, nil)
	}
	name := []string{"read_state", "coreml_update_state", "write_state"}[g.next(3)]
	o, err := op.For(name, g.fn.Opset)
	if err != nil {
		return nil
	}
	n := &mil.Node{Op: name, Name: b.Unique(name)}
	switch name {
	case "read_state":
		n.Inputs = []mil.Input{{Name: "input", Values: []*mil.Value{s}}}
	case "write_state":
		n.Inputs = []mil.Input{{Name: "input", Values: []*mil.Value{s}}, {Name: "data", Values: []*mil.Value{v}}}
	default:
		n.Inputs = []mil.Input{{Name: "state", Values: []*mil.Value{s}}, {Name: "value", Values: []*mil.Value{v}}}
	}
	return g.append(b, o, n)
}
