package engine

import (
	"slices"

	"github.com/smelt-ml/smelt/internal/kernel/gemm"
	"github.com/smelt-ml/smelt/internal/kernel/vec"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/mil/pass"
	"github.com/smelt-ml/smelt/tensor"
)

// Compile prepares f for inputs of the given types.
func Compile(f *mil.Func, inputs []mil.Type, o Options) (*Plan, error) {
	g, err := Specialize(f, inputs, o)
	if err != nil {
		return nil, err
	}
	if o.fuses() {
		pass.Optimize(g)
	}
	c := &compiler{
		Plan: &Plan{Inputs: g.Inputs, Outputs: g.Body.Outputs, opts: o, places: map[*mil.Value]place{}},
		fn:   g, ends: map[int]int{}, uses: map[*mil.Value]int{}, users: map[*mil.Value]*mil.Node{}, fused: map[*mil.Node]bool{},
		gemm: gemm.For(o.Level), vec: vec.For(o.Level),
	}
	for _, n := range g.Body.Nodes {
		for _, v := range outer(n) {
			if v.Const == nil { // weights are let go of as steps are made
				c.uses[v]++
				c.users[v] = n
			}
		}
	}
	for _, v := range g.Body.Outputs { // an output's last use comes after all steps
		c.uses[v]++
	}
	if o.fuses() {
		c.homes = c.joined(g.Body)
	}
	for _, v := range g.Inputs {
		if at := c.declare(v); at.buffer >= 0 {
			c.buffers[at.buffer].given = true
		}
	}
	for _, n := range g.Body.Nodes {
		if !c.fused[n] {
			if err := c.node(n); err != nil {
				return nil, wrap(n, err)
			}
		}
		c.touch(n)
	}
	for _, v := range g.Body.Outputs {
		c.in(v)
	}
	c.free(g.Body.Outputs)
	// Steps may hold the compiler; it shall not hold the program and its weights.
	c.fn, c.uses, c.users, c.fused, c.homes = nil, nil, nil, nil, nil
	return c.Plan, c.assign()
}

// forget lets go of the constants of a kernel, which holds what it needs in a
// form of its own. It is done at once, so that a large model's weights are not
// in memory twice.
func (c *compiler) forget(s *step) {
	const small = 64 // parameters, which FLOPs may ask for
	for _, n := range append(s.merged, s.node) {
		for _, in := range n.Inputs {
			for i, v := range in.Values {
				if v.Const != nil && v.Const.Len() > small {
					in.Values[i] = &mil.Value{Name: v.Name, Type: v.Type}
				}
			}
		}
	}
}

// touch notes that the objects of n are in use up to the step that was made
// last.
func (c *compiler) touch(n *mil.Node) {
	for _, v := range append(outer(n), n.Outputs...) {
		if at, ok := c.places[v]; ok && at.buffer < 0 && len(c.steps) > 0 {
			c.ends[at.object] = len(c.steps) - 1
		}
	}
}

// free lets go of objects after their last step, but for those given out.
func (c *compiler) free(outputs []*mil.Value) {
	for _, v := range outputs {
		if at := c.places[v]; at.buffer < 0 {
			delete(c.ends, at.object)
		}
	}
	for object, last := range c.ends {
		c.steps[last].frees = append(c.steps[last].frees, object)
	}
}

// fuses tells whether nodes may be merged: not where each one's own result,
// or its rounding, is asked for.
func (o *Options) fuses() bool { return !o.Reference && !o.Strict && o.Observe == nil }

// compiler makes a Plan, node by node. While a node's step is being made,
// in, out and view keep the books: what lives where, and how long.
type compiler struct {
	*Plan
	fn    *mil.Func
	uses  map[*mil.Value]int
	users map[*mil.Value]*mil.Node // a user of each value; the only one where uses is 1
	fused map[*mil.Node]bool       // done by an earlier step
	taken []*mil.Node              // those of the step that is being made
	homes map[*mil.Value]home      // see concat
	ends  map[int]int              // the last step that needs an object
	gemm  *gemm.Kernel
	vec   *vec.Funcs
}

// stepFunc does a step's work.
type stepFunc func(r *Run) error

// kernel makes the step of a node whose arguments are bound. It returns false,
// before touching the compiler, for a case that it does not serve; the step is
// nil where nothing is to be done at run time.
type kernel func(c *compiler, n *mil.Node, args any) (stepFunc, bool)

func (c *compiler) node(n *mil.Node) error {
	c.taken = nil
	run, ok, err := c.fast(n)
	if err != nil {
		return err
	}
	if !ok {
		run = c.evaluate(n)
	}
	if run == nil {
		return nil
	}
	if c.opts.Strict {
		run = rounding(n, run)
	}
	s := step{node: n, run: run, fast: ok, merged: c.taken}
	if c.opts.Profile != nil {
		s.told = c.describe(&s)
	}
	if ok {
		c.forget(&s)
	}
	c.steps = append(c.steps, s)
	return nil
}

// packing returns the step that pack makes of weights. A frugal plan packs them
// anew in each run, when the step's turn comes, and lets go of them after it.
func (c *compiler) packing(pack func() stepFunc) stepFunc {
	if !c.opts.Frugal {
		return pack()
	}
	return func(r *Run) error { return pack()(r) }
}

// merge lets the step that is being made do node n, too.
func (c *compiler) merge(n *mil.Node) {
	c.fused[n] = true
	c.taken = append(c.taken, n)
}

// fast looks for a kernel: there must be one, and all shapes must be known.
func (c *compiler) fast(n *mil.Node) (run stepFunc, ok bool, err error) {
	make := kernels[n.Op]
	if slices.ContainsFunc(n.Outputs, func(v *mil.Value) bool { return !inArena(v.Type) }) {
		make = objectKernels[n.Op]
	}
	if make == nil || c.opts.Reference {
		return nil, false, nil
	}
	for _, v := range append(n.Values(), n.Outputs...) {
		if !v.Type.IsStatic() {
			return nil, false, nil
		}
	}
	o, err := op.For(n.Op, c.fn.Opset)
	if err != nil {
		return nil, false, err
	}
	args, err := o.Bind(n, nil)
	if err != nil {
		return nil, false, err
	}
	run, ok = make(c, n, args)
	return run, ok, nil
}

// operand is where a step finds a float value: a buffer, or a constant.
type operand struct {
	buffer int
	data   []float32
}

// at returns the elements of an operand.
func (r *Run) at(o operand) []float32 {
	if o.data != nil {
		return o.data
	}
	return r.buffers[o.buffer]
}

// inArena tells a value that the arena can hold: float elements, known shape.
func inArena(t mil.Type) bool {
	return t.IsStatic() && t.DType.IsFloat() && t.DType != tensor.Float64
}

// declare gives a value a place of its own, or at home.
func (c *compiler) declare(v *mil.Value) place {
	if at, there := c.places[v]; there {
		return at // since a part of it was made
	}
	at := place{buffer: -1, object: c.objects}
	if inArena(v.Type) {
		b := buffer{size: tensor.Size(v.Type.Shape), first: len(c.steps), last: len(c.steps), pending: c.uses[v]}
		if h, ok := c.homes[v]; ok {
			b.parent, b.within = c.declare(h.whole).buffer+1, h.at
			c.enclosing(b.parent, func(p *buffer) {
				p.pending += b.pending
				p.last = len(c.steps)
			})
		}
		at = place{buffer: len(c.buffers)}
		c.buffers = append(c.buffers, b)
	} else {
		c.objects++
	}
	c.places[v] = at
	return at
}

// enclosing calls f for a parent, its parent, and so on.
func (c *compiler) enclosing(parent int, f func(p *buffer)) {
	for parent > 0 {
		p := &c.buffers[parent-1]
		f(p)
		parent = p.parent
	}
}

// in notes that the current step reads v, once for each time that v stands
// among a node's inputs, and returns where v is. Values outside of the arena
// have no operand.
func (c *compiler) in(v *mil.Value) operand {
	if v.Const != nil {
		if v.Const.Codes() != nil {
			v.Const = v.Const.Decoded() // once for all runs
		}
		if inArena(v.Type) {
			return operand{data: v.Const.F32()}
		}
		return operand{}
	}
	at := c.places[v]
	if at.buffer < 0 {
		return operand{}
	}
	b := &c.buffers[at.buffer]
	b.last = len(c.steps)
	b.pending--
	c.enclosing(b.parent, func(p *buffer) {
		p.last = len(c.steps)
		p.pending--
	})
	return operand{buffer: at.buffer}
}

// out gives the current step's result a buffer: that of the first of the
// candidates, read by this step, which nobody reads again, or a new one.
func (c *compiler) out(v *mil.Value, candidates ...*mil.Value) operand {
	for _, x := range candidates {
		if _, ok := c.homes[v]; ok || x.Const != nil || c.opts.Observe != nil {
			continue
		}
		i := c.places[x].buffer
		if b := &c.buffers[i]; b.pending == 0 && !b.given && b.size == tensor.Size(v.Type.Shape) {
			b.pending, b.last = c.uses[v], len(c.steps)
			c.places[v] = place{buffer: i}
			return operand{buffer: i}
		}
	}
	return operand{buffer: c.declare(v).buffer}
}

// view lets v, the result of the current node, live where x does.
func (c *compiler) view(v, x *mil.Value) {
	c.in(x)
	at := c.places[x]
	c.places[v] = at
	c.buffers[at.buffer].pending += c.uses[v]
}

// next returns the node that alone reads v, if it is one of these operators
// and may be merged into the step that makes v.
func (c *compiler) next(v *mil.Value, ops ...string) *mil.Node {
	n := c.users[v]
	if !c.opts.fuses() || n == nil || c.uses[v] != 1 {
		return nil
	}
	for _, o := range ops {
		if n.Op == o {
			return n
		}
	}
	return nil
}

// rounding rounds the results of a step to float16 where that is their type.
func rounding(n *mil.Node, run stepFunc) stepFunc {
	return func(r *Run) error {
		if err := run(r); err != nil {
			return err
		}
		for _, v := range n.Outputs {
			if at := r.plan.places[v]; at.buffer >= 0 && v.Type.DType == tensor.Float16 {
				tensor.RoundTo(tensor.Float16, r.buffers[at.buffer])
			}
		}
		return nil
	}
}

// outer returns the values that a node reads; of its nested blocks, those that
// come from outside.
func outer(n *mil.Node) []*mil.Value {
	vs := n.Values()
	inside := map[*mil.Value]bool{}
	var walk func(b *mil.Block)
	read := func(all []*mil.Value) {
		for _, v := range all {
			if !inside[v] && v.Const == nil {
				vs = append(vs, v)
			}
		}
	}
	walk = func(b *mil.Block) {
		for _, v := range b.Inputs {
			inside[v] = true
		}
		for _, m := range b.Nodes {
			read(m.Values())
			for _, nested := range m.Blocks {
				walk(nested)
			}
			for _, v := range m.Outputs {
				inside[v] = true
			}
		}
		read(b.Outputs)
	}
	for _, b := range n.Blocks {
		walk(b)
	}
	return vs
}
