package onnx

import (
	"fmt"
	"slices"
	"strings"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// val is a value of a graph: an input, the result of a node or a constant. Its
// type is ONNX's, in which sizes and places are of int64.
type val struct {
	name  string
	dtype tensor.DType
	fixed bool           // the name is the model's
	data  *tensor.Tensor // of a constant
	// from is the int64 value that this is a cast to int32 of, if it is one.
	from *val
	made *call // the operation that it was made for
}

// node is an operation; inputs are nil where one is absent.
type node struct {
	op   string
	in   []*val
	out  []*val
	attr []attr
}

// attr is an attribute: an int, ints, a float, floats, a string, a tensor or a
// graph.
type attr struct {
	name  string
	value any
}

// port is an input or an output.
type port struct {
	val *val
	typ mil.Type
}

type graph struct {
	name            string
	inputs, outputs []port
	nodes           []*node
}

func (g *graph) walk(f func(*node)) {
	for _, n := range g.nodes {
		f(n)
		for _, a := range n.attr {
			if inner, ok := a.value.(*graph); ok {
				inner.walk(f)
			}
		}
	}
}

// makes tells whether one of the graph's own nodes gives a value.
func (g *graph) makes(v *val) bool {
	for i := len(g.nodes) - 1; i >= 0; i-- {
		if slices.Contains(g.nodes[i].out, v) {
			return true
		}
	}
	return false
}

// sweep drops the nodes whose results are unused, given those used outside.
func (g *graph) sweep(used map[*val]bool) {
	for _, p := range g.outputs {
		used[p.val] = true
	}
	kept := len(g.nodes)
	for i := len(g.nodes) - 1; i >= 0; i-- {
		n := g.nodes[i]
		if !slices.ContainsFunc(n.out, func(v *val) bool { return used[v] }) {
			continue
		}
		for _, v := range n.in {
			used[v] = true
		}
		for _, a := range n.attr {
			if inner, ok := a.value.(*graph); ok {
				inner.sweep(used)
			}
		}
		kept--
		g.nodes[kept] = n
	}
	g.nodes = slices.Delete(g.nodes, 0, kept)
}

// writer makes the graphs of a model.
type writer struct {
	o        Options
	opset    int       // of ONNX
	wanted   int       // the opset that a rule asked for
	source   mil.Opset // of the program
	main, g  *graph    // the model's graph, and the one being written
	prologue []*node   // what is made of constants, before everything else
	inits    []*val
	values   map[*mil.Value]*val
	states   map[*mil.Value]*val // their values by now
	nested   int                 // graphs around the one being written
	consts   map[constKey]*val
	small    map[string]*val // constants by what they hold
	expanded map[*mil.Value]*tensor.Tensor
	names    map[string]bool
	suffix   map[string]int // of names that are taken
	problems []Problem

	call *call // the operation being written
	err  error
}

type constKey struct {
	t *tensor.Tensor
	d tensor.DType
}

func newWriter(opset int, source mil.Opset, o Options) *writer {
	return &writer{
		o: o, opset: opset, source: source, values: map[*mil.Value]*val{}, states: map[*mil.Value]*val{},
		consts: map[constKey]*val{}, small: map[string]*val{}, expanded: map[*mil.Value]*tensor.Tensor{},
		names: map[string]bool{}, suffix: map[string]int{},
	}
}

// half tells whether values of float16 stay such.
func (w *writer) half() bool { return w.o.Float == tensor.Float16 }

// dtype is the type in which values of a program's type are computed.
func (w *writer) dtype(d tensor.DType) tensor.DType {
	if d == tensor.Float16 && !w.half() {
		return tensor.Float32
	}
	return d
}

// need tells whether operators of a version may be used. If not, everything is
// written again for that version.
func (w *writer) need(opset int) bool {
	if w.opset >= opset {
		return true
	}
	if w.o.Opset != 0 {
		w.fail("needs opset %d", opset)
	}
	w.wanted = max(w.wanted, opset)
	return false
}

// fail notes why the operation cannot be written.
func (w *writer) fail(format string, args ...any) []*val {
	if w.err == nil {
		w.err = fmt.Errorf(format, args...)
	}
	return nil
}

// unique returns a name that no other value has.
func (w *writer) unique(name string) string {
	if name == "" {
		name = "v"
	}
	if !w.names[name] {
		w.names[name] = true
		return name
	}
	for {
		w.suffix[name]++
		if n := fmt.Sprintf("%s_%d", name, w.suffix[name]); !w.names[n] {
			w.names[n] = true
			return n
		}
	}
}

// results are the types of the results that are not those of the first input.
var results = map[string]tensor.DType{
	"Equal": tensor.Bool, "Less": tensor.Bool, "LessOrEqual": tensor.Bool, "Greater": tensor.Bool, "GreaterOrEqual": tensor.Bool,
	"IsNaN": tensor.Bool, "IsInf": tensor.Bool, "Shape": tensor.Int64, "Size": tensor.Int64, "NonZero": tensor.Int64, "ArgMax": tensor.Int64,
	"ArgMin": tensor.Int64, "NonMaxSuppression": tensor.Int64,
}

// addN appends a node with so many outputs.
func (w *writer) addN(op string, outputs int, in []*val, attrs ...attr) []*val {
	d := tensor.Float32
	if t, ok := results[op]; ok {
		d = t
	} else {
		at := 0
		switch op {
		case "Where", "DequantizeLinear":
			at = 1
		case "OneHot":
			at = 2
		}
		if at < len(in) && in[at] != nil {
			d = in[at].dtype
		}
	}
	n := &node{op: op, in: in, attr: attrs}
	place := strings.ToLower(op)
	if w.call != nil {
		if len(w.call.Outputs) > 0 {
			place = w.call.Outputs[0].Name + "_" + place
		}
	}
	for range outputs {
		n.out = append(n.out, &val{name: w.unique(place), dtype: d, made: w.call})
	}
	w.g.nodes = append(w.g.nodes, n)
	return n.out
}

// add appends a node with one output.
func (w *writer) add(op string, in []*val, attrs ...attr) *val {
	return w.addN(op, 1, in, attrs...)[0]
}

// as sets the type of a value that does not follow from the first input.
func (v *val) as(d tensor.DType) *val {
	v.dtype = d
	return v
}

// cast converts a value, unless it is of that type.
func (w *writer) cast(v *val, d tensor.DType) *val {
	switch {
	case v.dtype == d:
		return v
	case v.from != nil && v.from.dtype == d:
		return v.from
	}
	out := w.add("Cast", []*val{v}, attr{"to", int(elemTypes[d])}).as(d)
	if v.dtype == tensor.Int64 && d == tensor.Int32 {
		out.from = v
	}
	return out
}

// constant returns a known value, of the type that values like it are computed
// in.
func (w *writer) constant(t *tensor.Tensor) *val {
	d := w.dtype(t.DType())
	if t.DType() == tensor.Float16 && d != tensor.Float16 && w.o.Float == tensor.Invalid && t.Len() >= fewer {
		key := constKey{t, d}
		if v := w.consts[key]; v != nil {
			return v
		}
		half := w.initializer(t, tensor.Float16)
		v := &val{name: w.unique(half.name + "_float"), dtype: d}
		w.prologue = append(w.prologue, &node{op: "Cast", in: []*val{half}, out: []*val{v}, attr: []attr{{"to", int(elemTypes[d])}}})
		w.consts[key] = v
		return v
	}
	return w.initializer(t, d)
}

// fewer elements than these are no matter of size.
const fewer = 64

// initializer returns a known value of a type, once.
func (w *writer) initializer(t *tensor.Tensor, d tensor.DType) *val {
	key := constKey{t, d}
	if v := w.consts[key]; v != nil {
		return v
	}
	if _, ok := elemTypes[d]; !ok {
		w.fail("ONNX has no type %s", d)
		return &val{name: "?", dtype: d}
	}
	data := t
	if d != t.DType() {
		var err error
		if data, err = converted(t, d); err != nil {
			w.fail("%w", err)
			return &val{name: "?", dtype: d}
		}
	}
	text := ""
	if data.Len() < fewer {
		if d == tensor.String {
			text = fmt.Sprintf("%q%v", data.Strings(), data.Shape())
		} else {
			text = fmt.Sprintf("%s%v%x", d, data.Shape(), data.Packed())
		}
		if v := w.small[text]; v != nil {
			w.consts[key] = v
			return v
		}
	}
	place := "const"
	if w.call != nil {
		place = w.call.Name + "_const"
		for _, in := range w.call.Inputs {
			for _, x := range in.Values {
				if x.Const == t && x.Name != "" {
					place = x.Name
				} else if x.Const == t {
					place = w.call.Name + "_" + in.Name
				}
			}
		}
	}
	v := &val{name: w.unique(place), dtype: d, data: data}
	w.inits = append(w.inits, v)
	w.consts[key] = v
	if text != "" {
		w.small[text] = v
	}
	return v
}

// converted brings a constant to another type.
func converted(t *tensor.Tensor, d tensor.DType) (*tensor.Tensor, error) {
	if d == tensor.Float16 && t.DType() == tensor.Float32 {
		return tensor.New(d, t.Shape(), t.F32()), nil
	}
	return t.ConvertTo(d)
}

// ints returns a vector of int64, as ONNX has sizes, places and axes.
func (w *writer) ints(v ...int) *val {
	out := make([]int64, len(v))
	for i, x := range v {
		out[i] = int64(x)
	}
	return w.initializer(tensor.New(tensor.Int64, []int{len(v)}, out), tensor.Int64)
}

// int returns a scalar of int64.
func (w *writer) int(v int) *val {
	return w.initializer(tensor.Scalar(tensor.Int64, int64(v)), tensor.Int64)
}

// number returns a scalar of any type of numbers or bool.
func (w *writer) number(x float64, d tensor.DType) *val {
	if d == tensor.String || d == tensor.Invalid {
		w.fail("of %s", d)
		return &val{name: "?", dtype: d}
	}
	return w.initializer(scalar(x, d), d)
}

func scalar(x float64, d tensor.DType) *tensor.Tensor {
	switch {
	case d == tensor.Bool:
		return tensor.Scalar(d, x != 0)
	case d == tensor.Int64:
		return tensor.Scalar(d, int64(x))
	case d == tensor.Float64:
		return tensor.Scalar(d, x)
	case d.IsFloat():
		return tensor.Scalar(d, float32(x))
	}
	return tensor.Scalar(d, int32(x))
}

// floats returns known numbers of a float type.
func (w *writer) floats(data []float32, d tensor.DType, shape ...int) *val {
	if !d.IsFloat() {
		w.fail("of %s", d)
		return &val{name: "?", dtype: d}
	}
	return w.initializer(tensor.New(d, shape, data), d)
}

// Short forms of what compositions are made of.
func (w *writer) sum(x, y *val) *val  { return w.add("Add", []*val{x, y}) }
func (w *writer) less(x, y *val) *val { return w.add("Sub", []*val{x, y}) }
func (w *writer) mul(x, y *val) *val  { return w.add("Mul", []*val{x, y}) }
func (w *writer) div(x, y *val) *val  { return w.add("Div", []*val{x, y}) }

// where chooses element by element.
func (w *writer) where(cond, x, y *val) *val { return w.add("Where", []*val{cond, x, y}) }

// reshape gives a value a shape, in which one dimension may be unknown: it is
// what is left over.
func (w *writer) reshape(v *val, shape ...int) *val {
	to, left := slices.Clone(shape), 0
	for i, d := range to {
		if d < 0 {
			to[i] = -1
			left++
		}
	}
	var attrs []attr
	empty := slices.Contains(to, 0)
	if empty { // which else is "as it was"
		attrs = []attr{{"allowzero", 1}}
	}
	if left > 1 || left > 0 && empty {
		w.fail("sizes are only known when it is run")
		return v
	}
	return w.add("Reshape", []*val{v, w.ints(to...)}, attrs...)
}

func (w *writer) transpose(v *val, perm ...int) *val {
	if slices.Equal(perm, iota(len(perm))) {
		return v
	}
	return w.add("Transpose", []*val{v}, attr{"perm", perm})
}

func (w *writer) unsqueeze(v *val, axes ...int) *val {
	if len(axes) == 0 {
		return v
	}
	return w.add("Unsqueeze", []*val{v, w.ints(axes...)})
}

func (w *writer) squeeze(v *val, axes ...int) *val {
	if len(axes) == 0 {
		return v
	}
	return w.add("Squeeze", []*val{v, w.ints(axes...)})
}

func (w *writer) concat(axis int, vs ...*val) *val {
	if len(vs) == 1 {
		return vs[0]
	}
	return w.add("Concat", vs, attr{"axis", axis})
}

// slice takes the elements [from, to) along an axis.
func (w *writer) slice(v *val, axis, from, to int) *val {
	return w.add("Slice", []*val{v, w.ints(from), w.ints(to), w.ints(axis)})
}

// gather takes elements along an axis.
func (w *writer) gather(v, at *val, axis int) *val {
	return w.add("Gather", []*val{v, at}, attr{"axis", axis})
}

// shape returns the sizes of a value as int64.
func (w *writer) shape(v *val) *val { return w.add("Shape", []*val{v}) }

// reduce reduces axes; these are attributes up to opset 17.
func (w *writer) reduce(op string, v *val, keep bool, axes ...int) *val {
	k := attr{"keepdims", 0}
	if keep {
		k.value = 1
	}
	if op == "ReduceSum" || w.opset >= 18 {
		return w.add(op, []*val{v, w.ints(axes...)}, k)
	}
	return w.add(op, []*val{v}, attr{"axes", axes}, k)
}

// iota returns 0, 1, … n-1.
func iota(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// repeat returns n times a number.
func repeat(v, n int) []int { return slices.Repeat([]int{v}, n) }
