package neuralnetwork

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/smelt-ml/smelt/internal/backend/mlprogram"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// layer is what a layer says, without its blobs and its name.
type layer = spec.NeuralNetworkLayer_builder

// blob is what layers pass on by name. Its elements are those of a value, in
// the same order; its shape may differ: a number is a vector of one, and in a
// network of the old form there are always five dimensions.
type blob struct {
	name  string
	shape []int // negative where it is not known
	fixed bool  // the name is an input's or an output's
}

func (b *blob) rank() int { return len(b.shape) }

// pending is a layer whose blobs do not have their final names yet.
type pending struct {
	layer   *spec.NeuralNetworkLayer
	in, out []*blob
	place   string
	// condition is what a loop goes on by, which its message names.
	condition *blob
}

// writer makes the layers of a function.
type writer struct {
	rank5    bool
	store    tensor.DType // of weights; Invalid is float16 where that loses nothing
	partial  bool         // make custom layers of what no layer says
	opset    mil.Opset
	uses     map[*mil.Value]int
	blobs    map[*mil.Value]*blob
	expanded map[*mil.Value]*mil.Node // constants by what expands them
	all      []*pending
	layers   []*pending                 // of the network being written
	loaded   []map[*tensor.Tensor]*blob // by networks, the inner ones last
	folded   int
	depth    int

	place    string // the node being written
	failure  error  // of that node
	problems []mlprogram.Problem
	notes    map[string]bool
}

// rule writes the layers of an operator.
type rule func(w *writer, a args)

// maxRank is the greatest that arrays of networks have, as Core ML promises.
const maxRank = 5

func newWriter(f *mil.Func, rank5 bool, store tensor.DType) *writer {
	return &writer{
		rank5: rank5, store: store, opset: f.Opset, uses: f.Body.Uses(), blobs: map[*mil.Value]*blob{}, expanded: map[*mil.Value]*mil.Node{},
		loaded: []map[*tensor.Tensor]*blob{{}}, notes: map[string]bool{},
	}
}

// err returns what cannot be written.
func (w *writer) err() error {
	if len(w.problems) == 0 {
		return nil
	}
	slices.SortStableFunc(w.problems, func(a, b mlprogram.Problem) int { return b.Count - a.Count })
	return &UnsupportedError{w.problems}
}

func (w *writer) noted() []string { return slices.Sorted(maps.Keys(w.notes)) }

// fail records why the node cannot be written.
func (w *writer) fail(format string, args ...any) *blob {
	if w.failure == nil {
		w.failure = fmt.Errorf(format, args...)
	}
	return &blob{}
}

func (w *writer) report(n *mil.Node, err error) {
	reason := err.Error()
	for i := range w.problems {
		if p := &w.problems[i]; p.Op == n.Op && p.Reason == reason {
			p.Count++
			p.Names = append(p.Names, n.Name)
			return
		}
	}
	w.problems = append(w.problems, mlprogram.Problem{Op: n.Op, Count: 1, Where: n.Name, Names: []string{n.Name}, Reason: reason, WayOut: wayOut})
}

// function writes a function's body and names its outputs.
func (w *writer) function(f *mil.Func) {
	for _, v := range f.Inputs {
		if w.blobs[v] == nil { // preprocessing may have made another value of it
			w.blobs[v] = &blob{name: v.Name, shape: w.shape(v), fixed: true}
		}
		w.rank(v)
	}
	inputs := map[string]bool{}
	for _, v := range f.Inputs {
		inputs[v.Name] = true
	}
	for _, v := range f.Body.Outputs {
		if inputs[v.Name] {
			w.report(&mil.Node{Op: "output", Name: v.Name}, errors.New("is an input: a network gives only what its layers make"))
		}
	}
	for _, v := range slices.Concat(f.Inputs, f.Body.Outputs) {
		if slices.Contains(v.Type.Shape, 0) {
			w.report(&mil.Node{Op: "array", Name: v.Name}, errEmpty)
		}
	}
	if len(f.Inputs) == 0 {
		w.report(&mil.Node{Op: "function", Name: f.Name}, errors.New("has no inputs, a NeuralNetwork has one at least"))
	}
	w.block(f.Body)
	if w.err() != nil {
		return
	}
	w.place, w.failure = "", nil
	for _, v := range f.Body.Outputs {
		w.place = v.Name
		b := w.read(v)
		if b.fixed {
			b = w.copy(b)
		}
		b.name, b.fixed = v.Name, true
		w.blobs[v] = b
	}
	if w.failure != nil {
		w.report(&mil.Node{Op: "output", Name: w.place}, w.failure)
	}
}

// block writes nodes in their order. In the old form the first that cannot be
// written is the last.
func (w *writer) block(b *mil.Block) {
	for _, n := range b.Nodes {
		if w.rank5 && len(w.problems) > 0 {
			return
		}
		w.place = n.Name
		w.failure = nil
		w.node(n, 0, w.opset)
		if w.failure != nil && w.partial {
			w.customized(n)
		}
		if w.failure != nil {
			w.report(n, w.failure)
			for _, v := range n.Outputs { // for what follows
				w.blobs[v] = &blob{name: v.Name, shape: w.shape(v)}
			}
		}
	}
}

var kindNames = map[mil.Kind]string{mil.List: "list", mil.Dict: "dictionary", mil.Tuple: "tuple", mil.State: "state"}

// customized makes a custom layer of an operation that could not be written.
func (w *writer) customized(n *mil.Node) {
	c, err := mlprogram.Customized(n)
	if err != nil {
		return // the first reason is better
	}
	w.failure = nil
	w.node(c, 0, w.opset)
}

// maxSteps bounds how often what stands for an operator is itself rewritten.
const maxSteps = 8

// node writes one operation of an opset.
func (w *writer) node(n *mil.Node, steps int, opset mil.Opset) {
	for _, v := range n.Outputs {
		if v.Type.Kind != mil.Tensor {
			w.fail("gives a %s, which networks do not have", kindNames[v.Type.Kind])
			return
		}
	}
	if w.fold(n) {
		return
	}
	def, err := op.For(n.Op, opset)
	if err == nil && len(n.Blocks) == 0 {
		err = w.infer(n, def)
	}
	if err != nil {
		w.fail("%w", err)
		return
	}
	for _, v := range n.Outputs {
		w.rank(v)
	}
	a := args{n, def}
	if compose := compositions[n.Op]; compose != nil && steps < maxSteps {
		b := mil.NewBuilder(composed)
		b.Fold = w.fold
		b.SetPlace(n.Name)
		outs := compose(w, b, a)
		if err := b.Err(); err != nil {
			w.fail("%w", err)
		}
		if w.failure != nil {
			return
		}
		if outs != nil {
			w.parts(n, b.Block.Nodes, outs, steps)
			return
		}
	}
	write := rules[n.Op]
	if write == nil {
		w.fail("%s", reasonAgainst(n.Op))
		return
	}
	write(w, a)
	if w.failure == nil {
		for _, v := range n.Outputs {
			if w.blobs[v] == nil {
				w.fail("its output %q is not made", v.Name)
			}
		}
	}
}

// infer brings the types of results up to what is known now.
func (w *writer) infer(n *mil.Node, def *op.Op) error {
	bound, err := def.Bind(n, nil)
	if err != nil {
		return err
	}
	if c, ok := bound.(*op.CustomLayerArgs); ok {
		return c.Check()
	}
	types, err := def.Infer(bound)
	if err != nil {
		return err
	}
	for i, t := range types {
		if i < len(n.Outputs) && !n.Outputs[i].Type.IsStatic() && !t.AnyRank && t.Kind == mil.Tensor {
			n.Outputs[i].Type = t
		}
	}
	for _, v := range n.Outputs {
		if v.Type.AnyRank {
			return errors.New("the rank of its result is only known when it is run")
		}
	}
	return nil
}

// composed is the opset of what stands for an operator.
const composed = mil.IOS18

// parts writes the nodes that stand for n.
func (w *writer) parts(n *mil.Node, nodes []*mil.Node, outs []*mil.Value, steps int) {
	if len(outs) < len(n.Outputs) {
		w.fail("gives %d results, not %d", len(outs), len(n.Outputs))
		return
	}
	outs = outs[:len(n.Outputs)]
	for _, m := range nodes {
		if w.node(m, steps+1, composed); w.failure != nil {
			if rules[m.Op] == nil || m.Op != n.Op {
				w.failure = fmt.Errorf("its part %s: %w", m.Op, w.failure)
			}
			return
		}
	}
	for i, v := range outs {
		n.Outputs[i].Const = v.Const
		if v.Const == nil {
			w.set(n.Outputs[i], w.blob(v))
		}
	}
}

// rank notes a value that has more dimensions than arrays of networks are said
// to have; not all layers mind.
func (w *writer) rank(v *mil.Value) {
	if n := v.Type.Rank(); n > maxRank && v.Const == nil {
		w.notes[fmt.Sprintf("%q has %d dimensions: Core ML promises %d", v.Name, n, maxRank)] = true
	}
}

var errEmpty = errors.New("has no elements, arrays of networks have some")

// shape returns the usual shape of a value's blob.
func (w *writer) shape(v *mil.Value) []int { return w.usual(v.Type.Shape) }

// usual is the shape that a blob has for values of a shape: at least one
// dimension, and in the old form, where pictures are [N, C, H, W] or
// [C, H, W] and vectors [N, C] or [C], the five.
func (w *writer) usual(s []int) []int {
	switch n := len(s); {
	case !w.rank5 && n == 0:
		return []int{1}
	case !w.rank5 || n >= 5:
		return slices.Clone(s)
	case n == 0:
		return []int{1, 1, 1, 1, 1}
	case n == 1:
		return []int{1, 1, s[0], 1, 1}
	case n == 2:
		return []int{1, s[0], s[1], 1, 1}
	case n == 3:
		return []int{1, 1, s[0], s[1], s[2]}
	}
	return append([]int{1}, s...)
}

// blob returns the blob of a value; a constant is loaded.
func (w *writer) blob(v *mil.Value) *blob {
	if v == nil {
		return w.fail("an argument is missing")
	}
	if v.Const != nil {
		return w.constant(v)
	}
	b := w.blobs[v]
	if b == nil {
		return w.fail("its argument %q is not made", v.Name)
	}
	return b
}

// read returns the blob of a value in its usual shape. In the newer form it is
// always that.
func (w *writer) read(v *mil.Value) *blob {
	if !w.rank5 {
		return w.blob(v)
	}
	return w.as(w.blob(v), w.shape(v))
}

// set makes b the blob of a value, after which it is named.
func (w *writer) set(v *mil.Value, b *blob) {
	if !b.fixed {
		b.name = v.Name
	}
	w.blobs[v] = b
}

// give sets the blobs of a node's results.
func (w *writer) give(a args, bs ...*blob) {
	for i, v := range a.Outputs {
		if i < len(bs) {
			w.set(v, bs[i])
		}
	}
}

// emit adds a layer with one output of that shape.
func (w *writer) emit(l layer, shape []int, in ...*blob) *blob {
	return w.emitN(l, [][]int{shape}, in...)[0]
}

// emitN adds a layer.
func (w *writer) emitN(l layer, shapes [][]int, in ...*blob) []*blob {
	out := make([]*blob, len(shapes))
	for i, s := range shapes {
		out[i] = &blob{name: w.place, shape: s}
	}
	w.append(l, in, out)
	return out
}

func (w *writer) append(l layer, in, out []*blob) {
	if w.failure != nil {
		return
	}
	p := &pending{layer: l.Build(), in: in, out: out, place: w.place}
	if kind := p.layer.WhichLayer(); w.rank5 && kind >= spec.NeuralNetworkLayer_Copy_case {
		w.fail("the layer %s is none of old networks", kind)
		return
	}
	w.layers = append(w.layers, p)
	w.all = append(w.all, p)
}

// copy gives a blob another name.
func (w *writer) copy(b *blob) *blob {
	if w.rank5 {
		return w.linear(b, 1, 0)
	}
	return w.emit(layer{Copy: new(spec.CopyLayerParams)}, b.shape, b)
}

// as gives a blob another shape of as many elements, which are known.
func (w *writer) as(b *blob, shape []int) *blob {
	if w.failure != nil || slices.Equal(b.shape, shape) {
		return b
	}
	if slices.ContainsFunc(shape, negative) || slices.ContainsFunc(b.shape, negative) {
		if to, ok := oneUnknown(shape); ok && !w.rank5 {
			return w.emit(layer{ReshapeStatic: spec.ReshapeStaticLayerParams_builder{TargetShape: wide(to)}.Build()}, shape, b)
		}
		return w.fail("the shape %s of %s is only known when it is run", mil.FormatDims(shape), mil.FormatDims(b.shape))
	}
	if tensor.Size(shape) != tensor.Size(b.shape) {
		return w.fail("%s does not become %s", mil.FormatDims(b.shape), mil.FormatDims(shape))
	}
	if !w.rank5 {
		return w.emit(layer{ReshapeStatic: spec.ReshapeStaticLayerParams_builder{TargetShape: wide(shape)}.Build()}, shape, b)
	}
	switch {
	case len(shape) != 5 || !slices.Equal(shape[:2], b.shape[:2]):
		return w.fail("%s is no shape of old networks for %s", mil.FormatDims(shape), mil.FormatDims(b.shape))
	case shape[3] == 1 && shape[4] == 1:
		return w.emit(layer{Flatten: new(spec.FlattenLayerParams)}, shape, b)
	}
	return w.emit(layer{Reshape: spec.ReshapeLayerParams_builder{TargetShape: wide(shape[2:])}.Build()}, shape, b)
}

// oneUnknown writes the only unknown dimension of a shape as -1, which is what
// is left over.
func oneUnknown(shape []int) ([]int, bool) {
	out := slices.Clone(shape)
	unknown := 0
	for i, d := range out {
		if d < 0 {
			out[i] = -1
			unknown++
		} else if d == 0 {
			return nil, false
		}
	}
	return out, unknown == 1
}

func negative(d int) bool { return d < 0 }

// finish gives blobs and layers their names, each only once, and returns the
// layers.
func (w *writer) finish() ([]*spec.NeuralNetworkLayer, error) {
	if len(w.layers) == 0 {
		return nil, errors.New("the program computes nothing: a NeuralNetwork has at least one layer")
	}
	blobs, layers := taken{}, taken{}
	for _, b := range w.blobs {
		if b.fixed {
			blobs[b.name] = 1
		}
	}
	named := map[*blob]bool{}
	for _, p := range w.all {
		for _, b := range p.out {
			if !b.fixed && !named[b] {
				b.name = blobs.unique(b.name)
			}
			named[b] = true
		}
	}
	for _, p := range w.all {
		p.layer.SetName(layers.unique(p.place))
		p.layer.SetInput(namesOf(p.in))
		p.layer.SetOutput(namesOf(p.out))
		if p.condition != nil {
			p.layer.GetLoop().SetConditionVar(p.condition.name)
		}
	}
	return protos(w.layers), nil
}

func namesOf(bs []*blob) []string {
	var out []string
	for _, b := range bs {
		out = append(out, b.name)
	}
	return out
}

func protos(ps []*pending) []*spec.NeuralNetworkLayer {
	out := make([]*spec.NeuralNetworkLayer, len(ps))
	for i, p := range ps {
		out[i] = p.layer
	}
	return out
}

// taken are the names in use, each with the number that another one of it
// begins to look for a free one.
type taken map[string]int

func (t taken) unique(base string) string {
	if base == "" {
		base = "layer"
	}
	name := base
	for t[name] > 0 {
		name = fmt.Sprintf("%s_%d", base, t[base])
		t[base]++
	}
	t[name] = 1
	return name
}

// wide and counts are sizes as messages have them.
func wide(ns []int) []int64 {
	out := make([]int64, len(ns))
	for i, n := range ns {
		out[i] = int64(n)
	}
	return out
}

func counts(ns ...int) []uint64 {
	out := make([]uint64, len(ns))
	for i, n := range ns {
		out[i] = uint64(max(n, 0))
	}
	return out
}
