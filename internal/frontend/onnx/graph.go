package onnx

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"sync"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/internal/onnxpb"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

// lowering builds a program from a graph.
type lowering struct {
	*mil.Builder
	model     *Model
	opts      Options
	functions map[string]*onnxpb.FunctionProto
	symbols   map[string]int // by name; the numbers that stand for them are negative
	count     int            // nodes lowered
	depth     int
	folds     int // the work done for constants
	made      int // their elements
	allowed   int // how many more there may be for the size of the file
	ops       map[string]int
	notes     map[string]bool

	dtypes map[*mil.Value]tensor.DType // what ONNX has, where that is something else
	wide   map[*mil.Value]bool         // constants that were cut off at the range of int32
	wider  map[*mil.Value]*mil.Value   // constants of small integers as int32
	parts  map[*mil.Value][]part
	lists  map[*mil.Value]*list // sequences and optionals

	sizes map[string]int // of symbols, where a shape that was given says one
	unsupported
}

// scope is where names are looked up: a graph, within those around it.
type scope struct {
	outer    *scope
	values   map[string]*mil.Value
	initial  map[string]func() (*tensor.Tensor, error)
	versions map[string]int
	attrs    map[string]*onnxpb.AttributeProto // of the function that is called
	// infos are what the file says of the values' types.
	infos func() map[string]*onnxpb.ValueInfoProto
}

func (m *Model) lower(o Options) (*Program, error) {
	versions, err := opsets(m.proto.GetOpsetImport())
	if err != nil {
		return nil, err
	}
	l := m.lowering(o)
	g := m.proto.GetGraph()
	s := l.newScope(nil, g, versions)
	f := &mil.Func{Name: "main", Opset: l.Opset, Body: l.Block}
	p := &Program{Func: f, Ops: l.ops}
	inputs, err := m.Inputs()
	if err != nil {
		return nil, err
	}
	if p.Outputs, err = m.Outputs(); err != nil {
		return nil, err
	}
	for _, in := range inputs {
		if t := o.Values[in.Name]; t != nil {
			v, err := l.constant(t)
			if err != nil {
				return nil, fault.New(fault.Unsupported, fmt.Sprintf("input %q", in.Name), "%w", err)
			}
			s.values[in.Name] = v
			continue
		}
		v, err := l.input(in)
		if err != nil {
			return nil, err
		}
		s.values[in.Name] = v
		f.Inputs = append(f.Inputs, v)
		p.Inputs = append(p.Inputs, in)
	}
	for _, out := range p.Outputs {
		l.Unique(out.Name)
	}
	err = l.nodes(s, g.GetNode())
	if len(l.problems) > 0 {
		return nil, l.all(g.GetNode(), versions)
	}
	if err != nil {
		return nil, err
	}
	for i, out := range p.Outputs {
		if err := l.output(s, out); err != nil {
			return nil, err
		}
		if v := l.Block.Outputs[i]; p.Outputs[i].DType == tensor.Invalid {
			p.Outputs[i].DType = v.Type.DType
		}
	}
	prune(l.Block, map[*mil.Value]bool{})
	for note := range l.notes {
		p.Notes = append(p.Notes, note)
	}
	sort.Strings(p.Notes)
	return p, l.Err()
}

// lowering begins a program.
func (m *Model) lowering(o Options) *lowering {
	l := &lowering{
		Builder: mil.NewBuilder(mil.IOS18), model: m, opts: o, functions: map[string]*onnxpb.FunctionProto{},
		symbols: map[string]int{}, ops: map[string]int{}, notes: map[string]bool{},
		dtypes: map[*mil.Value]tensor.DType{}, wide: map[*mil.Value]bool{}, wider: map[*mil.Value]*mil.Value{},
		parts: map[*mil.Value][]part{}, lists: map[*mil.Value]*list{},
	}
	l.Fold = l.fold
	l.allowed = 4 * m.size
	for _, f := range m.proto.GetFunctions() {
		l.functions[functionName(f.GetDomain(), f.GetName(), f.GetOverload())] = f
	}
	return l
}

func functionName(domain, name, overload string) string {
	return opName(domain, name) + ":" + overload
}

// newScope enters a graph; its initializers are read when they are asked for.
func (l *lowering) newScope(outer *scope, g *onnxpb.GraphProto, versions map[string]int) *scope {
	s := &scope{outer: outer, values: map[string]*mil.Value{}, initial: map[string]func() (*tensor.Tensor, error){}, versions: versions}
	s.infos = sync.OnceValue(func() map[string]*onnxpb.ValueInfoProto { return infosOf(g.GetValueInfo(), g.GetOutput()) })
	if outer != nil {
		s.attrs = outer.attrs
	}
	for _, t := range g.GetInitializer() {
		s.initial[t.GetName()] = func() (*tensor.Tensor, error) {
			v, err := l.model.tensorOf(t)
			if err == nil && t.GetDataLocation() == onnxpb.TensorProto_EXTERNAL {
				l.allowed += 4 * v.Len()
			}
			return v, err
		}
	}
	for _, t := range g.GetSparseInitializer() {
		s.initial[t.GetValues().GetName()] = func() (*tensor.Tensor, error) { return l.sparse(t) }
	}
	return s
}

// value returns the value of a name.
func (l *lowering) value(s *scope, name string) (*mil.Value, error) {
	for ; s != nil; s = s.outer {
		if v := s.values[name]; v != nil {
			return v, nil
		}
		read := s.initial[name]
		if read == nil {
			continue
		}
		t, err := read()
		if err != nil {
			return nil, fmt.Errorf("initializer %q: %w", name, err)
		}
		v, err := l.constant(t)
		if err != nil {
			return nil, fmt.Errorf("initializer %q: %w", name, err)
		}
		v.Name = l.Unique(name)
		s.values[name] = v
		return v, nil
	}
	return nil, fault.New(fault.Corrupt, "", "the input %q is made nowhere before", name)
}

// constant returns a tensor as programs hold it. Integers of 8 bits and less
// stay as they are: see widened.
func (l *lowering) constant(t *tensor.Tensor) (*mil.Value, error) {
	d := t.DType()
	to := held(d)
	switch {
	case d.IsInt() && d.Bits() <= 8:
		to = d
	case d == tensor.Float64, d == tensor.BFloat16:
		l.notes[fmt.Sprintf("values of type %s are computed in fp32", name(d))] = true
	}
	wide := false
	if d == tensor.Int64 || d == tensor.Uint64 || d == tensor.Uint32 {
		for _, v := range tensor.Data[int64](t) {
			wide = wide || v != int64(int32(v))
		}
	}
	u := t
	if d != to {
		var err error
		if u, err = t.ConvertTo(to); err != nil {
			return nil, err
		}
	}
	v := mil.NewConst("const", u)
	if d != to {
		l.dtypes[v] = d
	}
	if wide {
		l.wide[v] = true
	}
	return v, nil
}

// name is how ONNX calls an element type.
func name(d tensor.DType) string {
	switch d {
	case tensor.Float64:
		return "double"
	case tensor.BFloat16:
		return "bfloat16"
	}
	return d.String()
}

// widened returns a constant of small integers as int32, others as they are.
func (l *lowering) widened(v *mil.Value) *mil.Value {
	if v == nil || v.Const == nil {
		return v
	}
	d := v.Const.DType()
	if !d.IsInt() || d == tensor.Int32 {
		return v
	}
	if w := l.wider[v]; w != nil {
		return w
	}
	t, err := v.Const.ConvertTo(tensor.Int32)
	if err != nil {
		l.Builder.Fail(err)
		return v
	}
	w := mil.NewConst(v.Name, t)
	l.dtypes[w] = d
	l.wider[v] = w
	return w
}

// input makes an input of the program.
func (l *lowering) input(p Port) (*mil.Value, error) {
	place := fmt.Sprintf("input %q", p.Name)
	given, fixed := l.opts.Shapes[p.Name]
	if p.NoShape && !fixed {
		return nil, fault.New(fault.Unsupported, place, "the file declares no shape: give one")
	}
	if p.DType == tensor.String {
		return nil, fault.New(fault.Unsupported, place, "strings")
	}
	if fixed && !p.NoShape && len(given) != len(p.Dims) {
		return nil, fault.New(fault.BadShape, place, "has rank %d, the shape given is %v", len(p.Dims), given)
	}
	shape := slices.Clone(given)
	if !fixed {
		shape = repeat(-1, len(p.Dims))
	}
	for i := range shape {
		if p.NoShape || shape[i] >= 0 {
			if !p.NoShape && p.Dims[i].Name != "" {
				l.fix(p.Dims[i].Name, shape[i])
			}
			if !p.NoShape && p.Dims[i].Size >= 0 && p.Dims[i].Size != shape[i] {
				return nil, fault.New(fault.BadShape, place, "dimension %d is %d, the shape given is %v", i, p.Dims[i].Size, given)
			}
			continue
		}
		d := p.Dims[i]
		if n, ok := l.opts.Dims[d.Name]; ok && d.Size < 0 {
			d.Size = n
		}
		if shape[i] = d.Size; d.Size < 0 {
			shape[i] = l.symbol(d.Name)
		}
	}
	if d := held(p.DType); d != p.DType && d == tensor.Float32 {
		l.notes[fmt.Sprintf("values of type %s are computed in fp32", name(p.DType))] = true
	}
	v := &mil.Value{Name: p.Name, Type: mil.TensorType(held(p.DType), shape...)}
	l.dtypes[v] = p.DType
	l.Unique(p.Name)
	return v, nil
}

// symbol returns the number of a symbolic dimension, a new one where it has no
// name.
func (l *lowering) symbol(name string) int {
	if name == "" {
		name = fmt.Sprintf("\x00%d", len(l.symbols))
	}
	n, ok := l.symbols[name]
	if !ok {
		n = mil.Unknown - 1 - len(l.symbols)
		l.symbols[name] = n
	}
	return n
}

// output gives a value an output's name. One that is an input, a constant or
// another output too is passed through an identity.
func (l *lowering) output(s *scope, p Port) error {
	v, err := l.value(s, p.Name)
	if err != nil {
		return fmt.Errorf("output %q: %w", p.Name, err)
	}
	if l.lists[v] != nil {
		return fault.New(fault.Unsupported, fmt.Sprintf("output %q", p.Name), "is a sequence")
	}
	v = l.widened(v)
	if v.Type.DType == tensor.String {
		return fault.New(fault.Unsupported, fmt.Sprintf("output %q", p.Name), "strings")
	}
	if v.Node == nil || !slices.Contains(l.Block.Nodes, v.Node) || slices.Contains(l.Block.Outputs, v) {
		l.SetPlace(p.Name)
		out := &mil.Value{Name: p.Name, Type: v.Type}
		fold := l.Fold
		l.Fold = nil
		l.Append(&mil.Node{
			Op: op.Identity.Name, Name: l.Unique(p.Name), Inputs: []mil.Input{{Name: "x", Values: one(v)}}, Outputs: one(out),
		})
		l.Fold = fold
		v = out
	}
	v.Name = p.Name
	l.Block.Outputs = append(l.Block.Outputs, v)
	return l.Err()
}

// nodes lowers nodes in their order.
func (l *lowering) nodes(s *scope, nodes []*onnxpb.NodeProto) error {
	for _, p := range nodes {
		if err := l.node(s, p); err != nil {
			return err
		}
	}
	return nil
}

func (l *lowering) node(s *scope, p *onnxpb.NodeProto) error {
	n := &Node{
		Domain: p.GetDomain(), Op: p.GetOpType(), Name: p.GetName(), Out: p.GetOutput(), Version: s.versions[domainName(p.GetDomain())],
		attrs: map[string]*onnxpb.AttributeProto{}, model: l.model,
	}
	place := describe(n)
	wrap := func(err error) error {
		kind := fault.KindOf(err)
		if kind == 0 {
			kind = fault.Corrupt
		}
		var f *fault.Error
		if errors.As(err, &f) && f.Place != "" {
			return err
		}
		return fault.New(kind, place, "%w", err)
	}
	if l.count++; l.count > maxLowered {
		return fault.New(fault.Limit, place, "more than %d nodes, those of functions counting each time", maxLowered)
	}
	for _, a := range p.GetAttribute() {
		if ref := a.GetRefAttrName(); ref != "" {
			if given := s.attrs[ref]; given != nil {
				n.attrs[a.GetName()] = given
			}
			continue
		}
		n.attrs[a.GetName()] = a
	}
	for _, in := range p.GetInput() {
		if in == "" {
			n.In = append(n.In, nil)
			continue
		}
		v, err := l.value(s, in)
		if err != nil {
			return wrap(err)
		}
		n.In = append(n.In, v)
	}
	n.types = func(i int) (mil.Type, bool) { return l.declaredType(s, n, i) }
	undo := l.mark()
	outs, err := l.lowerNode(s, n, p.GetOverload())
	if err != nil {
		undo()
		if outs, err = l.instead(n, err); err != nil {
			return wrap(err)
		}
	}
	for i, out := range n.Out {
		if out == "" {
			continue
		}
		if i >= len(outs) || outs[i] == nil {
			return wrap(fmt.Errorf("gives %d outputs, not %d", len(outs), len(n.Out)))
		}
		s.values[out] = outs[i]
	}
	l.spread(n, outs)
	return nil
}

// lowerNode lowers a node by a rule or as a call of a function.
func (l *lowering) lowerNode(s *scope, n *Node, overload string) ([]*mil.Value, error) {
	name := opName(n.Domain, n.Op)
	place := n.Name
	if len(n.Out) > 0 && n.Out[0] != "" {
		place = n.Out[0]
	}
	l.SetPlace(place)
	b := &Builder{Builder: l.Builder, l: l}
	if custom := l.opts.Rules[name]; custom != nil {
		return l.custom(custom, n, b)
	}
	r := ruleFor(name, max(n.Version, 1))
	f := l.functions[functionName(n.Domain, n.Op, overload)]
	if f != nil && (r == nil || domainName(n.Domain) != "") {
		return l.call(s, n, f)
	}
	if g := graphRules[name]; g != nil {
		l.ops[name]++
		return g(l, s, n)
	}
	if r == nil {
		return nil, fault.New(fault.Unsupported, "", "there is no conversion of %s", name)
	}
	return l.builtin(r, name, n, b)
}

// custom lowers a node by a rule of the user.
func (l *lowering) custom(rule Rule, n *Node, b *Builder) ([]*mil.Value, error) {
	l.ops[opName(n.Domain, n.Op)]++
	for i, v := range n.In {
		if l.lists[v] != nil {
			return nil, fault.New(fault.Unsupported, "", "input %d is a sequence", i)
		}
	}
	n.raw = slices.Clone(n.In)
	for i, v := range n.In {
		n.In[i] = l.widened(v)
	}
	outs, err := rule(n, b)
	if err == nil {
		err = l.Err()
	}
	if err == nil {
		l.declare(b, n, outs)
	}
	return outs, err
}

// builtin lowers a node by a rule of the table.
func (l *lowering) builtin(r *rule, name string, n *Node, b *Builder) ([]*mil.Value, error) {
	l.ops[name]++
	for i, v := range n.In {
		if !r.narrow {
			n.In[i] = l.widened(v)
		}
		if l.wide[v] && arithmetic[n.Op] {
			return nil, fault.New(fault.Unsupported, "", "computes with the constant %q, which has numbers of more than 32 bits", v.Name)
		}
	}
	if err := l.arguments(name, n); err != nil {
		return nil, err
	}
	outs := l.apply(r, b, n)
	if err := l.Err(); err != nil {
		return nil, err
	}
	l.declare(b, n, outs)
	l.follow(n, outs)
	return outs, nil
}

// apply calls a rule. After the builder's first error values have no shapes, so
// that what a rule computes from them may fail in any way: the error stands.
func (l *lowering) apply(r *rule, b *Builder, n *Node) (outs []*mil.Value) {
	defer func() {
		if l.Err() == nil {
			return // a panic goes on
		}
		if e := recover(); e != nil {
			outs = nil
		}
	}()
	return r.lower(b, n)
}

// arguments checks what every rule takes for granted of a node's inputs.
func (l *lowering) arguments(name string, n *Node) error {
	want, ok := required[name]
	if !ok {
		want = 1
	}
	for i := range want {
		if n.input(i) == nil {
			return fmt.Errorf("want at least %d inputs", want)
		}
	}
	if sequenceRules[name] != nil {
		return nil
	}
	for i, v := range n.In {
		switch {
		case v == nil:
		case l.lists[v] != nil && n.Op != "Identity":
			return fmt.Errorf("input %d is a sequence", i)
		case v.Type.AnyRank:
			return fault.New(fault.Unsupported, "", "the rank of input %d is only known when it is run", i)
		case v.Type.DType == tensor.String:
			return fault.New(fault.Unsupported, "", "input %d has strings", i)
		}
	}
	return nil
}

// arithmetic are operators to which it matters when a number was cut off.
var arithmetic = map[string]bool{"Add": true, "Sub": true, "Mul": true, "Div": true, "Mod": true, "BitShift": true, "BitwiseAnd": true, "BitwiseOr": true, "BitwiseXor": true}

// declare notes the ONNX types of outputs of which the rule did not say one: in
// most operators that of the first input which is held alike.
func (l *lowering) declare(b *Builder, n *Node, outs []*mil.Value) {
	for _, v := range outs {
		if v == nil || v.Type.Kind != mil.Tensor {
			continue
		}
		if _, ok := l.dtypes[v]; ok {
			continue
		}
		d := v.Type.DType
		if d == tensor.Int32 {
			d = tensor.Int64
		}
		for _, in := range n.In {
			if in != nil && in.Type.DType == v.Type.DType {
				d = b.DType(in)
				break
			}
		}
		l.dtypes[v] = d
	}
}

// call lowers the nodes of a function in place of the node that calls it.
func (l *lowering) call(s *scope, n *Node, f *onnxpb.FunctionProto) ([]*mil.Value, error) {
	if l.depth++; l.depth > maxNesting {
		return nil, fault.New(fault.Limit, "", "functions call each other more than %d deep", maxNesting)
	}
	defer func() { l.depth-- }()
	versions, err := opsets(f.GetOpsetImport())
	if err != nil {
		return nil, err
	}
	if len(versions) == 0 {
		versions = s.versions
	}
	inner := &scope{values: map[string]*mil.Value{}, versions: versions, attrs: map[string]*onnxpb.AttributeProto{}}
	for _, a := range f.GetAttributeProto() {
		inner.attrs[a.GetName()] = a
	}
	for _, name := range f.GetAttribute() {
		if a := n.attrs[name]; a != nil {
			inner.attrs[name] = a
		}
	}
	for name, a := range n.attrs {
		if inner.attrs[name] != nil {
			inner.attrs[name] = a
		}
	}
	if len(n.In) > len(f.GetInput()) {
		return nil, fmt.Errorf("%d inputs, the function takes %d", len(n.In), len(f.GetInput()))
	}
	for i, name := range f.GetInput() {
		if v := n.input(i); v != nil {
			inner.values[name] = v
		}
	}
	inner.initial = map[string]func() (*tensor.Tensor, error){}
	inner.infos = sync.OnceValue(func() map[string]*onnxpb.ValueInfoProto {
		infos := infosOf(f.GetValueInfo())
		for i, name := range f.GetOutput() {
			if i < len(n.Out) && infos[name] == nil {
				infos[name] = s.infos()[n.Out[i]]
			}
		}
		return infos
	})
	if err := l.functionNodes(inner, f); err != nil {
		return nil, err
	}
	var outs []*mil.Value
	for i, name := range f.GetOutput() {
		v := inner.values[name]
		if v == nil && n.wants(i) {
			return nil, fmt.Errorf("the function does not make its output %q", name)
		}
		outs = append(outs, v)
	}
	return outs, nil
}

// functionNodes lowers a function's body. An input that was not given is
// absent wherever the body uses it.
func (l *lowering) functionNodes(s *scope, f *onnxpb.FunctionProto) error {
	absent := map[string]bool{}
	for _, name := range f.GetInput() {
		absent[name] = s.values[name] == nil
	}
	for _, p := range f.GetNode() {
		q := p
		if slices.ContainsFunc(p.GetInput(), func(name string) bool { return absent[name] }) {
			q = onnxpb.NodeProto_builder{
				Input: slices.Clone(p.GetInput()), Output: p.GetOutput(), Name: new(p.GetName()), OpType: new(p.GetOpType()),
				Domain: new(p.GetDomain()), Overload: new(p.GetOverload()), Attribute: p.GetAttribute(),
			}.Build()
			in := q.GetInput()
			for i, name := range in {
				if absent[name] {
					in[i] = ""
				}
			}
		}
		if err := l.node(s, q); err != nil {
			return err
		}
	}
	return nil
}

// prune removes the nodes of a block whose results nobody uses: mostly what
// computed shapes that turned out to be known. used gathers what is used
// outside of it and in it.
func prune(b *mil.Block, used map[*mil.Value]bool) {
	for _, v := range b.Outputs {
		used[v] = true
	}
	kept := len(b.Nodes)
	for i := len(b.Nodes) - 1; i >= 0; i-- {
		n := b.Nodes[i]
		if !slices.ContainsFunc(n.Outputs, func(v *mil.Value) bool { return used[v] }) {
			continue
		}
		for _, v := range n.Values() {
			used[v] = true
		}
		for _, inner := range n.Blocks {
			prune(inner, used)
		}
		kept--
		b.Nodes[kept] = n
	}
	b.Nodes = slices.Delete(b.Nodes, 0, kept)
}
