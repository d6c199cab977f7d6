package onnxml

import (
	"fmt"
	"strconv"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/internal/frontend/onnx"
	"github.com/smelt-ml/smelt/internal/frontend/onnx/classical"
	"github.com/smelt-ml/smelt/tensor"
)

// Features are what a model takes or gives, by name: a *tensor.Tensor, or a
// dictionary, map[string]float64 or map[int64]float64. Run gives a []any of
// dictionaries for a sequence of several.
type Features = map[string]any

// Run computes a graph, node by node: what a conversion is held against. It hurries
// nowhere.
func Run(g *onnx.Graph, in Features) (Features, error) { return evaluatorOf(g).run(in) }

// evaluator is a graph whose operators have been read. It serves one goroutine.
type evaluator struct {
	graph *onnx.Graph
	rules map[*onnx.Node]rule
}

func evaluatorOf(g *onnx.Graph) *evaluator { return &evaluator{g, map[*onnx.Node]rule{}} }

func (e *evaluator) run(in Features) (Features, error) {
	g := e.graph
	r := &runner{evaluator: e, values: map[string]any{}}
	for _, p := range g.Inputs {
		v, ok := in[p.Name]
		if !ok {
			return nil, fault.New(fault.BadValue, fmt.Sprintf("input %q", p.Name), "is missing")
		}
		if t, ok := v.(*tensor.Tensor); ok && p.DType != tensor.Invalid && !p.Map {
			var err error
			if v, err = t.ConvertTo(p.DType); err != nil {
				return nil, fault.New(fault.BadValue, fmt.Sprintf("input %q", p.Name), "%w", err)
			}
		}
		r.values[p.Name] = v
	}
	for _, n := range g.Nodes {
		if err := r.node(n); err != nil {
			return nil, place(n, err)
		}
	}
	out := Features{}
	for _, p := range g.Outputs {
		v, err := r.value(p.Name)
		if err != nil {
			return nil, fault.New(fault.Corrupt, fmt.Sprintf("output %q", p.Name), "%w", err)
		}
		if list, ok := v.([]any); ok && len(list) == 1 {
			v = list[0]
		}
		out[p.Name] = v
	}
	return out, nil
}

// place names the node of an error.
func place(n onnx.GraphNode, err error) error {
	kind := fault.KindOf(err)
	if kind == 0 {
		kind = fault.Corrupt
	}
	return fault.New(kind, fmt.Sprintf("%s %q", opName(n), nodeName(n)), "%w", err)
}

func opName(n onnx.GraphNode) string {
	if n.Domain == "" {
		return n.Op
	}
	return n.Domain + "::" + n.Op
}

func nodeName(n onnx.GraphNode) string {
	if n.Name == "" && len(n.Out) > 0 {
		return n.Out[0]
	}
	return n.Name
}

type runner struct {
	*evaluator
	values map[string]any
}

// value returns what was given, made or is an initializer.
func (r *runner) value(name string) (any, error) {
	if v, ok := r.values[name]; ok {
		return v, nil
	}
	t, err := r.graph.Constant(name)
	if err != nil {
		return nil, err
	}
	if t == nil {
		return nil, fmt.Errorf("%q is made nowhere before", name)
	}
	r.values[name] = t
	return t, nil
}

func (r *runner) node(n onnx.GraphNode) error {
	args := make([]any, len(n.Args))
	for i, name := range n.Args {
		if name == "" {
			continue
		}
		var err error
		if args[i], err = r.value(name); err != nil {
			return err
		}
	}
	outs, err := r.compute(n.Node, args)
	if err != nil {
		return err
	}
	for i, name := range n.Out {
		switch {
		case name == "":
		case i >= len(outs) || outs[i] == nil:
			return fmt.Errorf("gives %d outputs, not %d", len(outs), len(n.Out))
		default:
			r.values[name] = outs[i]
		}
	}
	return nil
}

// compute evaluates one node.
func (e *evaluator) compute(n *onnx.Node, args []any) ([]any, error) {
	if n.Domain == classical.Domain && operators[n.Op] != nil {
		if len(args) != 1 || args[0] == nil {
			return nil, fmt.Errorf("want one input, have %d", len(args))
		}
		if e.rules[n] == nil {
			e.rules[n] = operators[n.Op](n)
		}
		return e.rules[n](n, args[0])
	}
	tensors := make([]*tensor.Tensor, len(args))
	var texts []string
	for i, a := range args {
		if a == nil {
			continue
		}
		t, ok := a.(*tensor.Tensor)
		if !ok {
			if n.Op == "Identity" {
				return args, nil
			}
			return nil, fmt.Errorf("input %d is a dictionary", i)
		}
		if t.DType() == tensor.String { // moved as the places in a list
			at := make([]int32, t.Len())
			for k := range at {
				at[k] = int32(len(texts) + k)
			}
			texts = append(texts, t.Strings()...)
			t = tensor.New(tensor.Int32, t.Shape(), at)
		}
		tensors[i] = t
	}
	if texts != nil && !moves[n.Op] {
		return nil, fault.New(fault.Unsupported, "", "texts")
	}
	made, err := n.Evaluate(tensors)
	if err != nil {
		return nil, err
	}
	outs := make([]any, len(made))
	for i, t := range made {
		if t == nil {
			continue
		}
		if outs[i] = t; texts != nil {
			moved := make([]string, t.Len())
			for k, v := range t.Float64s() {
				if v < 0 || int(v) >= len(texts) {
					return nil, fault.New(fault.Unsupported, "", "texts")
				}
				moved[k] = texts[int(v)]
			}
			outs[i] = tensor.New(tensor.String, t.Shape(), moved)
		}
	}
	return outs, nil
}

// moves are the operators that take elements as they are, so that it does not
// matter what they are.
var moves = map[string]bool{
	"Identity": true, "Reshape": true, "Gather": true, "Concat": true, "Squeeze": true, "Unsqueeze": true, "Flatten": true,
	"Slice": true, "Transpose": true, "Split": true, "ArrayFeatureExtractor": true, "Expand": true, "GatherElements": true, "Tile": true,
}

// operators are those of ai.onnx.ml with one input that are no arithmetic on
// tensors.
// What they say is read once.
var operators map[string]func(n *onnx.Node) rule

func init() {
	as := func(f rule) func(*onnx.Node) rule { return func(*onnx.Node) rule { return f } }
	operators = map[string]func(n *onnx.Node) rule{
		"TreeEnsemble":           func(n *onnx.Node) rule { return regress(classical.TreeEnsemble(n)) },
		"TreeEnsembleRegressor":  func(n *onnx.Node) rule { return regress(classical.TreeRegressor(n)) },
		"LinearRegressor":        func(n *onnx.Node) rule { return regress(classical.LinearRegressor(n)) },
		"SVMRegressor":           func(n *onnx.Node) rule { return regress(classical.NewSVMRegressor(n)) },
		"TreeEnsembleClassifier": func(n *onnx.Node) rule { return classify(classical.NewTreeClassifier(n)) },
		"LinearClassifier":       func(n *onnx.Node) rule { return classify(classical.NewLinearClassifier(n)) },
		"SVMClassifier":          func(n *onnx.Node) rule { return classify(classical.NewSVMClassifier(n)) },
		"OneHotEncoder":          as(oneHot),
		"LabelEncoder":           as(relabel),
		"CategoryMapper":         as(relabel),
		"ZipMap":                 as(zipMap),
		"DictVectorizer":         as(dictVector),
	}
}

// rows cuts an array into rows: one vector is one row.
func rows(x any, width int) ([][]float64, error) {
	t, ok := x.(*tensor.Tensor)
	if !ok || t.DType() == tensor.String || t.Rank() < 1 {
		return nil, fmt.Errorf("want rows of numbers, have %v", x)
	}
	n, w := 1, t.Len()
	if t.Rank() > 1 {
		n = t.Shape()[0]
		w /= max(n, 1)
	}
	if w < width {
		return nil, fault.New(fault.BadShape, "", "rows of %d values, want %d", w, width)
	}
	values := t.Float64s()
	out := make([][]float64, n)
	for i := range out {
		out[i] = values[i*w : (i+1)*w]
	}
	return out, nil
}

type rule = func(n *onnx.Node, x any) ([]any, error)

func failing(err error) rule { return func(*onnx.Node, any) ([]any, error) { return nil, err } }

// regress computes a regressor for each row, in float32.
func regress[R classical.Regressor](r R, err error) rule {
	if err != nil {
		return failing(err)
	}
	return func(_ *onnx.Node, x any) ([]any, error) {
		in, err := rows(x, r.Width())
		if err != nil {
			return nil, err
		}
		var out []float64
		for _, row := range in {
			out = append(out, r.Predict(row)...)
		}
		return []any{floats(out, len(in), r.Outputs())}, nil
	}
}

// classify computes labels and scores.
func classify[C classical.Classifier](c C, err error) rule {
	if err != nil {
		return failing(err)
	}
	return func(_ *onnx.Node, x any) ([]any, error) {
		in, err := rows(x, c.Width())
		if err != nil {
			return nil, err
		}
		var out []float64
		labels := classical.Labels{}
		for _, row := range in {
			i, scores := c.Classify(row)
			out = append(out, scores...)
			if all := c.Classes(); all.Texts != nil {
				labels.Texts = append(labels.Texts, all.Texts[i])
			} else {
				labels.Ints = append(labels.Ints, all.Ints[i])
			}
		}
		return []any{labels.Tensor(), floats(out, len(in), len(out)/max(len(in), 1))}, nil
	}
}

// floats is an array of float32.
func floats(v []float64, shape ...int) *tensor.Tensor {
	out := make([]float32, len(v))
	for i, x := range v {
		out[i] = float32(x)
	}
	return tensor.Floats(shape, out)
}

// items are the elements of a tensor as strings, int64s or float64s.
func items(t *tensor.Tensor) []any {
	out := make([]any, t.Len())
	switch {
	case t.DType() == tensor.String:
		for i, s := range t.Strings() {
			out[i] = s
		}
	case t.DType().IsInt():
		wide, err := t.ConvertTo(tensor.Int64)
		if err != nil {
			return nil
		}
		for i, v := range tensor.Data[int64](wide) {
			out[i] = v
		}
	default:
		for i, v := range t.Float64s() {
			out[i] = v
		}
	}
	return out
}

func oneHot(n *onnx.Node, x any) ([]any, error) {
	o, err := classical.NewOneHot(n)
	if err != nil {
		return nil, err
	}
	t, ok := x.(*tensor.Tensor)
	if !ok {
		return nil, fmt.Errorf("want an array, have a %T", x)
	}
	var out []float64
	for _, v := range items(t) {
		one, err := o.Encode(v)
		if err != nil {
			return nil, err
		}
		out = append(out, one...)
	}
	return []any{floats(out, append(append([]int{}, t.Shape()...), o.Len())...)}, nil
}

func relabel(n *onnx.Node, x any) ([]any, error) {
	t, ok := x.(*tensor.Tensor)
	if !ok {
		return nil, fmt.Errorf("want an array, have a %T", x)
	}
	m, err := classical.NewMapping(n.Op, n, t.DType() == tensor.String)
	if err != nil {
		return nil, err
	}
	var texts []string
	var ints []int64
	var numbers []float64
	for _, v := range items(t) {
		if _, ok := m.Keys[0].(float64); ok {
			if i, ok := v.(int64); ok {
				v = float64(i)
			}
		}
		switch v := m.Of(v).(type) {
		case string:
			texts = append(texts, v)
		case int64:
			ints = append(ints, v)
		case float64:
			numbers = append(numbers, v)
		}
	}
	switch t.Len() {
	case len(texts):
		return []any{tensor.New(tensor.String, t.Shape(), texts)}, nil
	case len(ints):
		return []any{tensor.New(tensor.Int64, t.Shape(), ints)}, nil
	case len(numbers):
		return []any{floats(numbers, t.Shape()...)}, nil
	}
	return nil, fault.New(fault.Corrupt, "", "the default is of another type than the values")
}

// zipMap makes dictionaries of rows.
func zipMap(n *onnx.Node, x any) ([]any, error) {
	texts, ints := n.Texts("classlabels_strings"), n.Int64s("classlabels_int64s")
	in, err := rows(x, max(len(texts), len(ints)))
	if err != nil {
		return nil, err
	}
	var out []any
	for _, row := range in {
		if len(texts) > 0 {
			out = append(out, zip(texts, row))
		} else {
			out = append(out, zip(ints, row))
		}
	}
	return []any{out}, nil
}

func zip[K comparable](keys []K, v []float64) map[K]float64 {
	m := make(map[K]float64, len(keys))
	for i, k := range keys {
		m[k] = v[i]
	}
	return m
}

// dictVector puts the values of a dictionary in the order of a vocabulary.
func dictVector(n *onnx.Node, x any) ([]any, error) {
	texts, ints := n.Texts("string_vocabulary"), n.Int64s("int64_vocabulary")
	var out []float64
	switch d := x.(type) {
	case map[string]float64:
		for _, k := range texts {
			out = append(out, d[k])
		}
		for _, k := range ints {
			out = append(out, d[strconv.FormatInt(k, 10)])
		}
	case map[int64]float64:
		for _, k := range ints {
			out = append(out, d[k])
		}
	}
	if n := max(len(texts), len(ints)); n == 0 || len(out) != n {
		return nil, fmt.Errorf("a dictionary of type %T and a vocabulary of %d texts and %d integers", x, len(texts), len(ints))
	}
	return []any{floats(out, 1, len(out))}, nil
}
