package onnxml

import (
	"errors"
	"fmt"
	"slices"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/internal/frontend/onnx"
	"github.com/smelt-ml/smelt/internal/frontend/onnx/classical"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/tensor"
)

// reader follows a graph and collects the models that compute the same.
type reader struct {
	pipeline
	graph  *onnx.Graph
	values map[string]any
	doc    *Document
	lost   Unsupported

	network Network // nil where there are none
	columns int     // of all rows
}

// Bounds against hostile files: the values of a row, and of all rows.
const (
	maxWidth   = 1 << 20
	maxColumns = 1 << 23
)

// ToCoreML makes a Core ML model of a graph. Arithmetic that no classical model
// computes becomes a network by that function, unless it is nil. What cannot be
// expressed is an *Unsupported that lists all of it.
func ToCoreML(g *onnx.Graph, network Network) (*Document, error) {
	r := &reader{
		pipeline: pipeline{made: map[string]*feature{}, names: map[string]bool{}},
		graph:    g, values: map[string]any{}, lost: Unsupported{what: "a classical Core ML model"},
		doc: &Document{graph: evaluatorOf(g), inputs: map[string][]*feature{}}, network: network,
	}
	for _, p := range g.Outputs { // the names that results shall have
		r.names[p.Name] = true
	}
	var in []*feature
	for _, p := range g.Inputs {
		features, err := r.declare(p)
		if err != nil {
			return nil, fault.New(fault.KindOf(err), fmt.Sprintf("input %q", p.Name), "%w", err)
		}
		in = append(in, features...)
	}
	for _, n := range r.needed() {
		if err := r.node(n); err != nil {
			return nil, place(n, err)
		}
	}
	if len(r.lost.Problems) == 0 {
		if err := r.finish(); err != nil {
			return nil, err
		}
	}
	if len(r.lost.Problems) > 0 {
		return nil, &r.lost
	}
	var out []*feature
	for _, o := range r.doc.outputs {
		out = append(out, o.feature)
	}
	r.doc.Spec = r.model(in, out)
	if m := mlmodel.New(r.doc.Spec); m.RequiredVersion() > 1 {
		r.doc.Spec.SetSpecificationVersion(m.RequiredVersion())
	}
	return r.doc, nil
}

func (r *reader) note(format string, args ...any) {
	r.doc.Notes = append(r.doc.Notes, fmt.Sprintf(format, args...))
}

// needed are the nodes that outputs depend on, in their order.
func (r *reader) needed() []onnx.GraphNode {
	wanted := map[string]bool{}
	for _, p := range r.graph.Outputs {
		wanted[p.Name] = true
	}
	var out []onnx.GraphNode
	for _, n := range slices.Backward(r.graph.Nodes) {
		if !slices.ContainsFunc(n.Out, func(name string) bool { return wanted[name] }) {
			continue
		}
		for _, name := range n.Args {
			wanted[name] = true
		}
		out = append(out, n)
	}
	slices.Reverse(out)
	return out
}

// declare makes the features of an input: one array of the numbers of a row, one
// number or text of a single column, and a text for each column of texts.
func (r *reader) declare(p onnx.GraphValue) ([]*feature, error) {
	name := p.Name
	if r.names[name] {
		return nil, corrupt("has the name of another input or of an output")
	}
	if p.Map {
		f := r.fresh(name, dictionary, 0)
		f.texts = p.Key == tensor.String
		r.doc.inputs[name] = []*feature{f}
		r.values[name] = rowOf(f)
		return []*feature{f}, nil
	}
	width := 1
	switch {
	case p.NoShape || len(p.Dims) > 2 || len(p.Dims) == 0:
		return nil, unsupported("want rows, an array of one or two dimensions")
	case len(p.Dims) == 2 && p.Dims[0].Size > 1:
		return nil, unsupported("%d rows at once: a prediction has one", p.Dims[0].Size)
	case len(p.Dims) == 2:
		width = p.Dims[1].Size
	case p.Dims[0].Size > 0:
		width = p.Dims[0].Size
	}
	if width < 1 || width > maxWidth {
		return nil, unsupported("the number of values in a row is not declared, or more than %d", maxWidth)
	}
	var fs []*feature
	switch {
	case p.DType == tensor.String:
		for i := range width {
			base := name
			if width > 1 {
				base = fmt.Sprintf("%s_%d", name, i)
			}
			fs = append(fs, r.fresh(base, text, 0))
		}
		if width > 1 {
			r.note("input %q of %d texts became the inputs %s to %s", name, width, fs[0].name, fs[width-1].name)
		}
	case width == 1 && p.DType.IsInt():
		fs = []*feature{r.fresh(name, integer, 0)}
	case width == 1 && p.DType.IsFloat():
		fs = []*feature{r.fresh(name, number, 0)}
	case p.DType.IsInt() || p.DType.IsFloat():
		f := r.fresh(name, array, width)
		if f.dtype = tensor.Float32; p.DType.IsInt() {
			f.dtype = tensor.Int32
		} else if p.DType == tensor.Float64 {
			f.dtype = tensor.Float64
		}
		fs = []*feature{f}
	default:
		return nil, unsupported("elements of type %s", p.DType)
	}
	x := &row{}
	for _, f := range fs {
		x.columns = append(x.columns, rowOf(f).columns...)
	}
	r.doc.inputs[name], r.values[name] = fs, x
	return fs, nil
}

// value returns what a name stands for.
func (r *reader) value(name string) (any, error) {
	if v, ok := r.values[name]; ok {
		return v, nil
	}
	t, err := r.graph.Constant(name)
	if err != nil {
		return nil, err
	}
	if t == nil {
		return nil, corrupt("%q is made nowhere before", name)
	}
	r.values[name] = t
	return t, nil
}

// arg returns an argument, nil where it is absent.
func (r *reader) arg(n onnx.GraphNode, i int) (any, error) {
	if i >= len(n.Args) || n.Args[i] == "" {
		return nil, nil
	}
	return r.value(n.Args[i])
}

// row returns an argument that is a row, or can be made one.
func (r *reader) row(n onnx.GraphNode, i int) (*row, error) {
	v, err := r.arg(n, i)
	if err != nil {
		return nil, err
	}
	return r.asRow(v)
}

func (r *reader) asRow(v any) (*row, error) {
	switch v := v.(type) {
	case *row:
		return v, nil
	case scores:
		return v.of.scoresOf()
	case *pending:
		return r.materialize(v)
	case nil:
		return nil, corrupt("an input is missing")
	case *tensor.Tensor:
		return nil, unsupported("of a constant")
	case label, chosen, position:
		return nil, unsupported("of a label")
	}
	return nil, unsupported("of a dictionary")
}

// constant returns the numbers of an argument that must be known.
func (r *reader) constant(n onnx.GraphNode, i int) (*tensor.Tensor, error) {
	v, err := r.arg(n, i)
	if err != nil {
		return nil, err
	}
	if t, ok := v.(*tensor.Tensor); ok {
		return t, nil
	}
	return nil, unsupported("input %d is no constant", i)
}

// node follows one node. What cannot be expressed is noted, and with it all that
// comes of it is lost without another word.
func (r *reader) node(n onnx.GraphNode) error {
	known, waits := true, false
	for _, name := range n.Args {
		if name == "" {
			continue
		}
		v, err := r.value(name)
		if err != nil {
			return err
		}
		if _, ok := v.(lost); ok {
			if err := ruled(n); err != nil { // that, too
				r.lost.add(opName(n), nodeName(n), err)
			}
			for _, out := range n.Out {
				r.values[out] = lost{}
			}
			return nil
		}
		_, constant := v.(*tensor.Tensor)
		_, pends := v.(*pending)
		known, waits = known && constant, waits || pends
	}
	if waits && r.defers(n, false) {
		r.wait(n, nil)
		return nil
	}
	outs, err := r.apply(n, known && n.Domain == "")
	if err != nil {
		if fault.KindOf(err) != fault.Unsupported {
			return err
		}
		if r.defers(n, true) && r.wait(n, err) {
			return nil
		}
		var f *fault.Error
		for errors.As(err, &f) && f.Err != nil && errors.As(f.Err, new(*fault.Error)) {
			err = f.Err
		}
		r.lost.add(opName(n), nodeName(n), err)
		for _, out := range n.Out {
			r.values[out] = lost{}
		}
		return nil
	}
	for i, out := range n.Out {
		if out == "" {
			continue
		}
		if i >= len(outs) || outs[i] == nil {
			return corrupt("gives %d outputs, not %d", len(outs), len(n.Out))
		}
		if x, ok := outs[i].(*row); ok {
			if r.columns += len(x.columns); r.columns > maxColumns {
				return fault.New(fault.Limit, "", "rows of more than %d values in all", maxColumns)
			}
		}
		r.values[out] = outs[i]
	}
	return nil
}

// apply uses the rule of an operator; what is computed of constants alone is
// computed.
func (r *reader) apply(n onnx.GraphNode, known bool) ([]any, error) {
	if known {
		var args []any
		for i := range n.Args {
			v, err := r.arg(n, i)
			if err != nil {
				return nil, err
			}
			args = append(args, v)
		}
		return r.doc.graph.compute(n.Node, args)
	}
	if err := ruled(n); err != nil {
		return nil, err
	}
	rules := readers
	if n.Domain == classical.Domain {
		rules = mlReaders
	}
	v, err := rules[n.Op](r, n)
	if c, ok := v.(*classifier); ok && err == nil {
		if err := classes(c.labels); err != nil {
			return nil, err
		}
		return []any{label{c}, scores{c}}, nil
	}
	return []any{v}, err
}

// ruled tells whether there is a rule for an operator.
func ruled(n onnx.GraphNode) error {
	if n.Domain == "" && readers[n.Op] != nil || n.Domain == classical.Domain && mlReaders[n.Op] != nil {
		return nil
	}
	return unsupported("no classical model computes that")
}

// output is one of the results.
type output struct {
	*feature
	source string            // the graph's name
	labels *classical.Labels // of a dictionary that is an array in the graph
}

// finish makes what the outputs stand for.
func (r *reader) finish() error {
	values := make([]any, len(r.graph.Outputs))
	for i, p := range r.graph.Outputs {
		v, err := r.value(p.Name)
		if err != nil {
			return err
		}
		values[i] = v
	}
	made := make([]*feature, len(values))
	for i, v := range values { // those that are no labels first
		var err error
		if made[i], err = r.result(v); err != nil {
			if fault.KindOf(err) != fault.Unsupported {
				return err
			}
			r.lost.add("output", r.graph.Outputs[i].Name, err)
		}
	}
	if len(r.lost.Problems) > 0 {
		return nil
	}
	for i, v := range values {
		if made[i] == nil {
			made[i] = r.labelOf(v, values, made)
		}
	}
	seen := map[*feature]bool{}
	for i, p := range r.graph.Outputs {
		f := made[i]
		if seen[f] || r.given(f) || f.fixed {
			f = r.copied(f)
		}
		seen[f] = true
		f.name = p.Name
		o := output{feature: f, source: p.Name}
		if s, ok := values[i].(scores); ok && f.kind == dictionary {
			o.labels = &s.of.labels
			r.note("output %q is a dictionary", p.Name)
		}
		r.doc.outputs = append(r.doc.outputs, o)
	}
	return nil
}

// given tells whether a feature is an input.
func (r *reader) given(f *feature) bool {
	for _, fs := range r.doc.inputs {
		if slices.Contains(fs, f) {
			return true
		}
	}
	return false
}

// result makes an output of a value; nil for a label.
func (r *reader) result(v any) (*feature, error) {
	switch v := v.(type) {
	case label, chosen:
		return nil, nil
	case position:
		l := classical.Labels{}
		for i := range v.of.columns {
			l.Ints = append(l.Ints, int64(i))
		}
		in, err := r.array(v.of)
		if err != nil {
			return nil, err
		}
		return r.identity(in, l, false).predicted, nil
	case scores:
		if v.of.both != nil {
			return r.dictionary(v.of), nil
		}
		x, err := v.of.scoresOf()
		if err != nil {
			return nil, err
		}
		return r.result(x)
	case zipped:
		if s, ok := v.of.(scores); ok && s.of.both != nil && slices.Equal(s.of.labels.Ints, v.labels.Ints) && slices.Equal(s.of.labels.Texts, v.labels.Texts) {
			return r.dictionary(s.of), nil
		}
		if err := classes(v.labels); err != nil {
			return nil, err
		}
		x, err := r.asRow(v.of)
		if err != nil {
			return nil, err
		}
		if len(x.columns) != v.labels.Len() {
			return nil, corrupt("%d values for %d labels", len(x.columns), v.labels.Len())
		}
		in, err := r.array(x)
		if err != nil {
			return nil, err
		}
		return r.identity(in, v.labels, true).probabilities, nil
	case *pending:
		x, err := r.materialize(v)
		if err != nil {
			return nil, err
		}
		return r.result(x)
	case *row:
		if f := v.feature(); f != nil {
			return f, nil
		}
		return r.array(v)
	case cut:
		if len(v.columns) == 1 {
			return r.one(v.columns[0])
		}
		return nil, unsupported("numbers cut off to integers")
	case *tensor.Tensor:
		return nil, unsupported("a constant")
	}
	return nil, unsupported("is no value of a feature")
}

// dictionary is the probabilities of a classifier.
func (r *reader) dictionary(c *classifier) *feature {
	if c.stage == nil {
		c.stage = r.classify(c.in, c.labels, true, c.both)
	}
	return c.stage.probabilities
}

// labelOf makes a label, of the classifier that there is already if its label is
// the one.
func (r *reader) labelOf(v any, values []any, made []*feature) *feature {
	switch v := v.(type) {
	case label:
		c := v.of
		for _, d := range []*classifier{c, c.shares} {
			if d != nil && d.stage != nil && d.exact {
				return d.stage.predicted
			}
		}
		return r.classify(c.in, c.labels, false, c.vote).predicted
	case chosen:
		// A network that has these values as probabilities, or others in the same
		// order, gives the label, too.
		for i, other := range values {
			z, ok := other.(zipped)
			x, isRow := z.of.(*row)
			if !ok || !isRow || !slices.Equal(z.labels.Ints, v.labels.Ints) || !slices.Equal(z.labels.Texts, v.labels.Texts) {
				continue
			}
			if x == v.of || x.like == v.of || v.of.like == x {
				for _, s := range r.stages {
					if s.probabilities != nil && s.probabilities == made[i] {
						return s.predicted
					}
				}
			}
		}
		in, err := r.array(v.of)
		if err != nil {
			return nil
		}
		return r.identity(in, v.labels, false).predicted
	}
	return nil
}

// Source asks the graph what the document is asked: inputs and outputs are the
// document's.
func (d *Document) Source(in Features) (Features, error) {
	given := Features{}
	for _, p := range d.graph.graph.Inputs {
		v, err := gather(p, d.inputs[p.Name], in)
		if err != nil {
			return nil, fault.New(fault.BadValue, fmt.Sprintf("input %q", p.Name), "%w", err)
		}
		given[p.Name] = v
	}
	made, err := d.graph.run(given)
	if err != nil {
		return nil, err
	}
	out := Features{}
	for _, o := range d.outputs {
		v := made[o.source]
		t, ok := v.(*tensor.Tensor)
		switch {
		case ok && o.labels != nil && o.labels.Texts != nil:
			v = zip(o.labels.Texts, t.Float64s())
		case ok && o.labels != nil:
			v = zip(o.labels.Ints, t.Float64s())
		case ok && t.Len() == 1 && o.kind == text:
			v = t.Strings()[0]
		case ok && t.Len() == 1 && o.kind == integer:
			v = int64(t.Float64s()[0])
		case ok && t.Len() == 1 && o.kind == number:
			v = t.Float64s()[0]
		case ok:
			v = t.Reshape([]int{t.Len()})
		}
		out[o.feature.name] = v
	}
	return out, nil
}

// Inputs makes the document's inputs of the graph's.
func (d *Document) Inputs(in Features) Features {
	out := Features{}
	for name, fs := range d.inputs {
		t, ok := in[name].(*tensor.Tensor)
		if !ok {
			out[fs[0].name] = in[name]
			continue
		}
		for i, f := range fs {
			switch {
			case f.kind == array:
				out[f.name] = t.Reshape([]int{t.Len()})
			case i >= t.Len():
			case f.kind == text:
				out[f.name] = t.Strings()[i]
			case f.kind == integer:
				out[f.name] = int64(t.Float64s()[i])
			default:
				out[f.name] = t.Float64s()[i]
			}
		}
	}
	return out
}

// gather makes an input of the graph of the document's.
func gather(p onnx.GraphValue, from []*feature, in Features) (any, error) {
	var texts []string
	var numbers []float64
	for _, f := range from {
		switch v := in[f.name].(type) {
		case string:
			texts = append(texts, v)
		case int64:
			numbers = append(numbers, float64(v))
		case float64:
			numbers = append(numbers, v)
		case *tensor.Tensor:
			numbers = append(numbers, v.Float64s()...)
		case map[string]float64, map[int64]float64:
			return v, nil
		default:
			return nil, fmt.Errorf("%q is missing, or a %T", f.name, v)
		}
	}
	shape := []int{1, len(numbers) + len(texts)}
	if len(p.Dims) == 1 {
		shape = shape[1:]
	}
	if p.DType == tensor.String {
		return tensor.New(tensor.String, shape, texts), nil
	}
	return tensor.New(tensor.Float64, shape, numbers).ConvertTo(p.DType)
}
