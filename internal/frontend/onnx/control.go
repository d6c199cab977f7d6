package onnx

import (
	"fmt"
	"slices"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/internal/onnxpb"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

// graphRules lower the operators that hold graphs.
var graphRules map[string]func(l *lowering, s *scope, n *Node) ([]*mil.Value, error)

func init() {
	graphRules = map[string]func(l *lowering, s *scope, n *Node) ([]*mil.Value, error){
		"If": (*lowering).ifElse, "Loop": (*lowering).loop, "Scan": (*lowering).scan,
	}
}

var errTooLong = fault.New(fault.Limit, "", "a sequence is too long")

// unrolled is the number of rounds up to which a loop of known length is laid
// out.
const unrolled = 64

// body lowers a graph with values for its inputs in the current block and
// returns its outputs.
func (l *lowering) body(s *scope, g *onnxpb.GraphProto, in []*mil.Value) ([]*mil.Value, error) {
	if l.depth++; l.depth > maxNesting {
		return nil, fault.New(fault.Limit, "", "graphs are nested more than %d deep", maxNesting)
	}
	defer func() { l.depth-- }()
	place := l.Place()
	defer func() { l.SetPlace(place) }()
	if g == nil || len(g.GetInput()) != len(in) {
		return nil, fmt.Errorf("the graph has %d inputs, want %d", len(g.GetInput()), len(in))
	}
	inner := l.newScope(s, g, s.versions)
	for i, v := range g.GetInput() {
		if in[i] != nil {
			inner.values[v.GetName()] = in[i]
		}
	}
	if err := l.nodes(inner, g.GetNode()); err != nil {
		return nil, err
	}
	var out []*mil.Value
	for _, o := range g.GetOutput() {
		v, err := l.value(inner, o.GetName())
		if err != nil {
			return nil, err
		}
		out = append(out, l.widened(v))
	}
	return out, nil
}

// block lowers into a new block, of which f returns the outputs.
func (l *lowering) block(f func() ([]*mil.Value, error)) (*mil.Block, []*mil.Value, error) {
	outer := l.Builder
	l.Builder = outer.Nested()
	out, err := f()
	inner := l.Builder
	l.Builder = outer
	if err == nil {
		err = inner.Err()
	}
	if err != nil {
		return nil, nil, err
	}
	for _, v := range out {
		if l.lists[v] != nil {
			return nil, nil, fault.New(fault.Unsupported, "", "a sequence leaves a graph that may not be run")
		}
	}
	inner.Block.Outputs = out
	return inner.Block, out, nil
}

// ifElse lowers If: the side that is taken, where that is known.
func (l *lowering) ifElse(s *scope, n *Node) ([]*mil.Value, error) {
	if n.input(0) == nil {
		return nil, fmt.Errorf("want a condition")
	}
	pred := n.In[0]
	sides := []*onnxpb.GraphProto{n.graph("then_branch"), n.graph("else_branch")}
	if pred.Const != nil && pred.Const.Len() == 1 && pred.Const.DType() == tensor.Bool {
		if pred.Const.Bools()[0] {
			return l.body(s, sides[0], nil)
		}
		return l.body(s, sides[1], nil)
	}
	b := &Builder{Builder: l.Builder, l: l}
	node := &mil.Node{Op: op.Cond.Name, Name: l.Unique(l.Place()), Inputs: []mil.Input{{Name: "pred", Values: one(b.reshape(pred))}}}
	var ends [2][]*mil.Value
	for i, g := range sides {
		block, out, err := l.block(func() ([]*mil.Value, error) { return l.body(s, g, nil) })
		if err != nil {
			return nil, err
		}
		node.Blocks = append(node.Blocks, block)
		ends[i] = out
	}
	if len(ends[0]) != len(ends[1]) {
		return nil, fmt.Errorf("one side has %d outputs, the other %d", len(ends[0]), len(ends[1]))
	}
	for i, v := range ends[0] {
		t, err := join(v.Type, ends[1][i].Type)
		if err != nil {
			return nil, err
		}
		out := &mil.Value{Name: l.Unique(node.Name), Type: t}
		l.dtypes[out] = b.DType(v)
		node.Outputs = append(node.Outputs, out)
	}
	l.Append(node)
	return slices.Clone(node.Outputs), l.Err()
}

// join returns the narrowest type that holds the values of both.
func join(a, b mil.Type) (mil.Type, error) {
	if a.DType != b.DType {
		return a, fmt.Errorf("a value is %s or %s", a, b)
	}
	if a.AnyRank || b.AnyRank || a.Rank() != b.Rank() {
		return mil.Type{DType: a.DType, AnyRank: true}, nil
	}
	out := mil.TensorType(a.DType, slices.Clone(a.Shape)...)
	for i, d := range b.Shape {
		if out.Shape[i] != d {
			out.Shape[i] = mil.Unknown
		}
	}
	return out, nil
}

// mark remembers the current block, so that what is added to it can be taken
// back.
func (l *lowering) mark() func() {
	block, length := l.Block, len(l.Block.Nodes)
	return func() { block.Nodes = block.Nodes[:length] }
}

// truth reads a known truth value.
func truth(v *mil.Value) (value, known bool) {
	if v == nil || v.Const == nil || v.Const.DType() != tensor.Bool || v.Const.Len() != 1 {
		return false, false
	}
	return v.Const.Bools()[0], true
}

// loop lowers Loop: round by round where their number is small and known, and
// as a loop otherwise.
func (l *lowering) loop(s *scope, n *Node) ([]*mil.Value, error) {
	g := n.graph("body")
	if len(n.In) < 2 || g == nil || len(g.GetInput()) != len(n.In) || len(g.GetOutput()) < len(n.In)-1 {
		return nil, fmt.Errorf("%d inputs for a body with %d inputs and %d outputs", len(n.In), len(g.GetInput()), len(g.GetOutput()))
	}
	b := &Builder{Builder: l.Builder, l: l}
	for i, v := range n.In {
		n.In[i] = l.widened(v)
	}
	most, cond, first := n.In[0], n.In[1], n.In[2:]
	if slices.Contains(first, nil) {
		return nil, fmt.Errorf("a loop variable is missing")
	}
	if c, ok := truth(cond); ok && c {
		cond = nil
	}
	if count, ok := b.known(most); ok && len(count) == 1 && count[0] <= unrolled && cond == nil {
		undo := l.mark()
		out, done, err := l.rounds(s, g, count[0], first)
		if done || err != nil {
			return out, err
		}
		undo()
	}
	for _, v := range first {
		if l.lists[v] != nil {
			return nil, fault.New(fault.Unsupported, "", "a sequence in a loop whose length is only known when it is run")
		}
	}
	return l.while(b, g, s, n, most, cond, first)
}

// rounds lays a loop out. It is not done where the body may stop it.
func (l *lowering) rounds(s *scope, g *onnxpb.GraphProto, count int, vars []*mil.Value) (out []*mil.Value, done bool, err error) {
	b := &Builder{Builder: l.Builder, l: l}
	k := len(vars)
	scans := make([][]*mil.Value, len(g.GetOutput())-1-k)
	for i := range count {
		yes := b.bool(true)
		ends, err := l.body(s, g, append([]*mil.Value{b.SetDType(b.int(i), tensor.Int64), yes}, vars...))
		if err != nil {
			return nil, false, err
		}
		again, known := truth(ends[0])
		if !known && ends[0] != yes {
			return nil, false, nil
		}
		vars = ends[1 : 1+k]
		for j, v := range ends[1+k:] {
			scans[j] = append(scans[j], b.expandDims(v, 0))
		}
		if known && !again {
			break
		}
	}
	out = slices.Clone(vars)
	for _, parts := range scans {
		if len(parts) == 0 {
			return nil, false, nil
		}
		out = append(out, b.concat(0, parts...))
	}
	return out, true, l.Err()
}

// while makes a loop of the program. What a round adds to a result is appended
// to a loop variable that begins empty.
func (l *lowering) while(b *Builder, g *onnxpb.GraphProto, s *scope, n *Node, most, cond *mil.Value, first []*mil.Value) ([]*mil.Value, error) {
	place := l.Place()
	k := len(first)
	count, again := b.SetDType(b.int(0), tensor.Int64), b.bool(true)
	if cond != nil {
		again = b.reshape(cond)
	}
	if most != nil {
		most = b.reshape(most)
	}
	starts := append([]*mil.Value{count, again}, first...)
	types := make([]mil.Type, len(starts))
	dtypes := make([]tensor.DType, len(starts))
	for i, v := range starts {
		types[i], dtypes[i] = v.Type, b.DType(v)
	}
	variables := func() []*mil.Value {
		out := make([]*mil.Value, len(types))
		for i, t := range types {
			out[i] = &mil.Value{Name: l.Unique(place), Type: t}
			l.dtypes[out[i]] = dtypes[i]
		}
		return out
	}
	// A round without the results, to learn their types.
	_, ends, err := l.block(func() ([]*mil.Value, error) { return l.body(s, g, variables()[:2+k]) })
	if err != nil {
		return nil, err
	}
	for _, v := range ends[1+k:] {
		if v.Type.AnyRank || !v.Type.IsStatic() {
			return nil, fault.New(fault.Unsupported, "", "the shape of what a round gives, %s, is only known when it is run", v.Type)
		}
		shape := append([]int{0}, v.Type.Shape...)
		d := b.DType(v)
		starts = append(starts, op.Fill.Add(b.Builder, op.FillArgs{Shape: b.ints(shape...), Value: scalarOf(0, v.Type.DType)}))
		shape = append([]int{mil.Unknown}, v.Type.Shape...)
		types, dtypes = append(types, mil.TensorType(v.Type.DType, shape...)), append(dtypes, d)
	}
	var round *mil.Block
	for {
		var in []*mil.Value
		round, ends, err = l.block(func() ([]*mil.Value, error) {
			in = variables()
			out, err := l.body(s, g, in[:2+k])
			if err != nil {
				return nil, err
			}
			b := &Builder{Builder: l.Builder, l: l}
			ends := append([]*mil.Value{b.add(in[0], b.int(1)), b.reshape(out[0])}, out[1:1+k]...)
			for i, v := range out[1+k:] {
				ends = append(ends, b.concat(0, in[2+k+i], b.expandDims(v, 0)))
			}
			return ends, nil
		})
		if err != nil {
			return nil, err
		}
		round.Inputs = in
		changed := false
		for i, v := range ends[:2+k] {
			t, err := join(types[i], v.Type)
			if err != nil {
				return nil, err
			}
			changed = changed || !t.Equal(types[i])
			types[i] = t
		}
		if !changed {
			break
		}
		if l.count > maxLowered {
			return nil, fault.New(fault.Limit, "", "the loops around it are nested too deep")
		}
	}
	var in []*mil.Value
	test, _, err := l.block(func() ([]*mil.Value, error) {
		in = variables()
		b := &Builder{Builder: l.Builder, l: l}
		v := in[1]
		if most != nil {
			v = op.LogicalAnd.Add(b.Builder, op.Binary{X: v, Y: op.Less.Add(b.Builder, op.Binary{X: in[0], Y: most})})
		}
		return one(v), nil
	})
	if err != nil {
		return nil, err
	}
	test.Inputs = in
	node := &mil.Node{
		Op: op.WhileLoop.Name, Name: l.Unique(place), Inputs: []mil.Input{{Name: "loop_vars", Values: starts}}, Blocks: []*mil.Block{test, round},
	}
	for i, t := range types {
		v := &mil.Value{Name: l.Unique(node.Name), Type: t}
		l.dtypes[v] = dtypes[i]
		node.Outputs = append(node.Outputs, v)
	}
	l.Append(node)
	return slices.Clone(node.Outputs[2:]), l.Err()
}

// scan lowers Scan, whose rounds go along axes of its inputs.
func (l *lowering) scan(s *scope, n *Node) ([]*mil.Value, error) {
	g, k := n.graph("body"), n.Int("num_scan_inputs", 0)
	b := &Builder{Builder: l.Builder, l: l}
	in := n.In
	batch := false
	if n.Version < 9 { // lengths come first, and a batch axis
		if len(in) < 1 || in[0] != nil {
			return nil, fault.New(fault.Unsupported, "", "a scan of sequences of different lengths")
		}
		in, batch = in[1:], true
	}
	states := len(in) - k
	if g == nil || k < 1 || states < 0 || len(g.GetInput()) != len(in) || len(g.GetOutput()) < states || slices.Contains(in, nil) {
		return nil, fmt.Errorf("%d scan inputs of %d", k, len(in))
	}
	results := len(g.GetOutput()) - states
	at := func(name string, i, n2 int) (int, error) {
		v := n.Ints(name)
		if v == nil {
			return 0, nil
		}
		if len(v) != n2 {
			return 0, fmt.Errorf("%s: want %d numbers, have %v", name, n2, v)
		}
		return v[i], nil
	}
	length := -1
	axes, reversed := make([]int, k), make([]bool, k)
	xs := make([]*mil.Value, k)
	for i := range k {
		xs[i] = l.widened(in[states+i])
		if batch {
			if b.rank(xs[i]) < 2 || xs[i].Type.Shape[0] != 1 {
				return nil, fault.New(fault.Unsupported, "", "a scan of several sequences")
			}
			xs[i] = b.squeeze(xs[i], 0)
		}
		a, err := at("scan_input_axes", i, k)
		if err != nil {
			return nil, err
		}
		axes[i] = b.axis(a, b.rank(xs[i]))
		name := "scan_input_directions"
		if batch {
			name = "directions"
		}
		d, err := at(name, i, k)
		if err != nil || l.Err() != nil {
			return nil, err
		}
		reversed[i] = d == 1
		if size := xs[i].Type.Shape[axes[i]]; size >= 0 {
			length = size
		}
	}
	if length < 0 || length > 1<<12 {
		return nil, fault.New(fault.Unsupported, "", "a scan along an axis of %d", length)
	}
	vars := make([]*mil.Value, states)
	for i, v := range in[:states] {
		vars[i] = l.widened(v)
		if batch {
			vars[i] = b.squeeze(vars[i], 0)
		}
	}
	parts := make([][]*mil.Value, results)
	for t := range length {
		args := slices.Clone(vars)
		for i, x := range xs {
			p := t
			if reversed[i] {
				p = length - 1 - t
			}
			args = append(args, b.squeeze(b.slice(x, axes[i], p, p+1), axes[i]))
		}
		ends, err := l.body(s, g, args)
		if err != nil {
			return nil, err
		}
		vars = ends[:states]
		for i, v := range ends[states:] {
			parts[i] = append(parts[i], v)
		}
	}
	var out []*mil.Value
	for _, v := range vars {
		if batch {
			v = b.expandDims(v, 0)
		}
		out = append(out, v)
	}
	for i, ps := range parts {
		if len(ps) == 0 {
			return nil, fault.New(fault.Unsupported, "", "a scan of nothing")
		}
		a, err := at("scan_output_axes", i, results)
		if err != nil {
			return nil, err
		}
		a = b.axis(a, b.rank(ps[0])+1)
		d, err := at("scan_output_directions", i, results)
		if err != nil {
			return nil, err
		}
		if d == 1 {
			slices.Reverse(ps)
		}
		for j, v := range ps {
			ps[j] = b.expandDims(v, a)
		}
		v := b.concat(a, ps...)
		if batch {
			v = b.expandDims(v, 0)
		}
		out = append(out, v)
	}
	return out, l.Err()
}
