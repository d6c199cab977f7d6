package onnxml

import (
	"github.com/smelt-ml/smelt/internal/frontend/onnx"
	"github.com/smelt-ml/smelt/internal/frontend/onnx/classical"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// readers are the operators of ONNX's own domain that classical models can say:
// what exporters put between those of ai.onnx.ml. Each gives one value.
var readers map[string]func(r *reader, n onnx.GraphNode) (any, error)

func init() {
	readers = map[string]func(r *reader, n onnx.GraphNode) (any, error){
		"Identity": func(r *reader, n onnx.GraphNode) (any, error) { return r.arg(n, 0) },
		"Dropout":  func(r *reader, n onnx.GraphNode) (any, error) { return r.arg(n, 0) },
		"Cast":     readCast,
		"Reshape":  readReshape,
		"Flatten":  readFlat, "Squeeze": readFlat, "Unsqueeze": readFlat,
		"Concat": readConcat,
		"Gather": readGather,
		"Slice":  readSlice,
		"Mul": func(r *reader, n onnx.GraphNode) (any, error) {
			return r.affineBy(n, true, func(c float64) (float64, float64) { return c, 0 })
		},
		"Add": func(r *reader, n onnx.GraphNode) (any, error) {
			if r.constants(n) == 0 {
				return r.combine(n, 1, 1)
			}
			return r.affineBy(n, true, func(c float64) (float64, float64) { return 1, c })
		},
		"Sum": func(r *reader, n onnx.GraphNode) (any, error) { return r.combine(n, 1, 1) },
		"Mean": func(r *reader, n onnx.GraphNode) (any, error) {
			return r.combine(n, 1/float64(len(n.Args)), 1/float64(len(n.Args)))
		},
		"Greater":         readComparison(classical.Greater, classical.Less),
		"GreaterOrEqual":  readComparison(classical.GreaterEqual, classical.LessEqual),
		"Less":            readComparison(classical.Less, classical.Greater),
		"LessOrEqual":     readComparison(classical.LessEqual, classical.GreaterEqual),
		"Equal":           readComparison(classical.Equal, classical.Equal),
		"ReduceLogSumExp": readLogSum,
		"Exp":             readExp,
		"Sub":             readSub,
		"Div": func(r *reader, n onnx.GraphNode) (any, error) {
			return r.affineBy(n, false, func(c float64) (float64, float64) { return 1 / c, 0 })
		},
		"Neg": func(r *reader, n onnx.GraphNode) (any, error) {
			x, err := r.row(n, 0)
			if err != nil {
				return nil, err
			}
			return x.affine(always(-1), always(0))
		},
		"MatMul":          readMatMul,
		"Gemm":            readGemm,
		"Sigmoid":         func(r *reader, n onnx.GraphNode) (any, error) { return r.link(n, spec.GLMRegressor_Logit) },
		"Softmax":         readSoftmax,
		"ArgMax":          readArgMax,
		"ArgMin":          readArgMax,
		"LpNormalization": readLpNormalization,
		"Sign": func(r *reader, n onnx.GraphNode) (any, error) {
			x, err := r.row(n, 0)
			if err != nil {
				return nil, err
			}
			return r.steps(x, []step{{classical.Greater, 0, 1}, {classical.Less, 0, -1}}, 0)
		},
	}
}

func readCast(r *reader, n onnx.GraphNode) (any, error) {
	v, err := r.arg(n, 0)
	if err != nil {
		return nil, err
	}
	to := n.Int("to", 0)
	float := to == 1 || to == 10 || to == 11 || to == 16
	whole := to == 6 || to == 7
	switch v := v.(type) {
	case *row:
		for _, c := range v.columns {
			if c.of.kind == text && (float || whole) {
				return nil, unsupported("texts read as numbers")
			}
		}
		if float {
			return v, nil
		}
		if whole && v.whole {
			return v, nil
		}
		if whole { // what follows takes whole numbers, or cuts them off itself
			return cut{v}, nil
		}
	case truth:
		if float || whole {
			return v.of, nil
		}
	case scores, position:
		if float || to == 7 {
			return v, nil
		}
	case label:
		if v.of.labels.Texts == nil && (whole || float) || v.of.labels.Texts != nil && to == 8 {
			return v, nil
		}
	case chosen:
		if v.labels.Texts == nil && (whole || float) || v.labels.Texts != nil && to == 8 {
			return v, nil
		}
	case cut:
		if float || whole {
			return v, nil
		}
	}
	return nil, unsupported("a cast to type %d", to)
}

// cut is a row whose values are cut off to whole numbers.
type cut struct{ *row }

func readFlat(r *reader, n onnx.GraphNode) (any, error) {
	v, err := r.arg(n, 0)
	if err != nil {
		return nil, err
	}
	return v, r.sameRows(v)
}

// sameRows refuses what a change of shape might mean something for.
func (r *reader) sameRows(v any) error {
	switch v.(type) {
	case *row, cut, label, scores, position, chosen, logSum, truth:
		return nil
	}
	return unsupported("of a dictionary")
}

func readReshape(r *reader, n onnx.GraphNode) (any, error) {
	v, err := r.arg(n, 0)
	if err != nil {
		return nil, err
	}
	t, err := r.constant(n, 1)
	if err != nil {
		return nil, err
	}
	width := 1
	switch v := v.(type) {
	case *row:
		width = len(v.columns)
	case cut:
		width = len(v.columns)
	case scores:
		width = v.of.labels.Len()
	}
	to := t.Float64s()
	switch {
	case len(to) == 2 && (to[0] == -1 || to[0] == 1) && (to[1] == float64(width) || to[1] == -1 && to[0] == 1), len(to) == 1 && (width == 1 && to[0] == -1 || to[0] == float64(width)):
		return v, r.sameRows(v)
	}
	return nil, unsupported("rows of %d values as %v", width, to)
}

// lastAxis refuses axes but that of the columns.
func lastAxis(axis int) error {
	if axis == 1 || axis == -1 {
		return nil
	}
	return unsupported("along axis %d: rows go on by themselves", axis)
}

func readConcat(r *reader, n onnx.GraphNode) (any, error) {
	if err := lastAxis(n.Int("axis", 1)); err != nil {
		return nil, err
	}
	out := &row{}
	for i := range n.Args {
		x, err := r.row(n, i)
		if err != nil {
			return nil, err
		}
		if len(out.columns)+len(x.columns) > maxWidth {
			return nil, unsupported("rows of more than %d values", maxWidth)
		}
		out.columns = append(out.columns, x.columns...)
	}
	if len(out.columns) == 0 {
		return nil, corrupt("there is nothing to join")
	}
	return out, nil
}

// pick takes columns.
func (x *row) pick(at []int) (*row, error) {
	out := &row{}
	for _, i := range at {
		if i < 0 {
			i += len(x.columns)
		}
		if i < 0 || i >= len(x.columns) {
			return nil, corrupt("column %d of %d", i, len(x.columns))
		}
		out.columns = append(out.columns, x.columns[i])
	}
	if len(at) == 0 || len(at) > maxWidth {
		return nil, unsupported("%d columns", len(at))
	}
	return out, nil
}

func whole(t *tensor.Tensor) []int {
	out := make([]int, t.Len())
	if t.DType() == tensor.String {
		return nil
	}
	for i, v := range t.Float64s() {
		out[i] = int(v)
	}
	return out
}

func readGather(r *reader, n onnx.GraphNode) (any, error) {
	v, err := r.arg(n, 0)
	if err != nil {
		return nil, err
	}
	if t, ok := v.(*tensor.Tensor); ok { // a label by its position
		return r.lookUp(t, n)
	}
	x, err := r.asRow(v)
	if err != nil {
		return nil, err
	}
	at, err := r.constant(n, 1)
	if err != nil {
		return nil, err
	}
	if err := lastAxis(n.Int("axis", 0)); err != nil {
		return nil, err
	}
	return x.pick(whole(at))
}

// lookUp takes labels at the position of the largest value.
func (r *reader) lookUp(labels *tensor.Tensor, n onnx.GraphNode) (any, error) {
	at, err := r.arg(n, 1)
	if err != nil {
		return nil, err
	}
	p, ok := at.(position)
	if !ok {
		return nil, unsupported("of a constant, at places that are no ArgMax")
	}
	l := classical.Labels{}
	switch {
	case labels.DType() == tensor.String:
		l.Texts = labels.Strings()
	case labels.DType().IsInt():
		for _, v := range items(labels) {
			l.Ints = append(l.Ints, v.(int64))
		}
	default:
		return nil, unsupported("labels of type %s", labels.DType())
	}
	if l.Len() != len(p.of.columns) {
		return nil, corrupt("%d labels for %d values", l.Len(), len(p.of.columns))
	}
	return chosen{p.of, l}, classes(l)
}

func readSlice(r *reader, n onnx.GraphNode) (any, error) {
	x, err := r.row(n, 0)
	if err != nil {
		return nil, err
	}
	get := func(name string, i int) ([]int, error) {
		if v := n.Ints(name); v != nil {
			return v, nil
		}
		if i >= len(n.Args) || n.Args[i] == "" {
			return nil, nil
		}
		t, err := r.constant(n, i)
		if err != nil {
			return nil, err
		}
		return whole(t), nil
	}
	var lists [4][]int
	for i, name := range []string{"starts", "ends", "axes", "steps"} {
		if lists[i], err = get(name, i+1); err != nil {
			return nil, err
		}
	}
	starts, ends, axes, steps := lists[0], lists[1], lists[2], lists[3]
	if len(starts) != 1 || len(ends) != 1 || len(axes) != 1 || len(steps) > 1 || len(steps) == 1 && steps[0] != 1 {
		return nil, unsupported("but of one run of columns")
	}
	if err := lastAxis(axes[0]); err != nil {
		return nil, err
	}
	place := func(v int) int {
		if v < 0 {
			v += len(x.columns)
		}
		return min(max(v, 0), len(x.columns))
	}
	var at []int
	for i := place(starts[0]); i < place(ends[0]); i++ {
		at = append(at, i)
	}
	return x.pick(at)
}

// affineBy applies an operator with one constant, which may be the first where the
// order does not matter.
func (r *reader) affineBy(n onnx.GraphNode, either bool, of func(c float64) (a, b float64)) (any, error) {
	at := 0
	first, err := r.arg(n, 0)
	if err != nil {
		return nil, err
	}
	if _, ok := first.(*tensor.Tensor); ok && either {
		at = 1
	}
	v, err := r.arg(n, at)
	if err != nil {
		return nil, err
	}
	c, err := r.constant(n, 1-at)
	if err != nil {
		return nil, unsupported("of two values, neither of them a constant")
	}
	if s, ok := v.(scores); ok { // by 1 and the like
		same := true
		for _, k := range c.Float64s() {
			a, b := of(k)
			same = same && a == 1 && b == 0
		}
		if same {
			return s, nil
		}
	}
	x, err := r.asRow(v)
	if err != nil {
		return nil, err
	}
	return x.by(c, of)
}

// constants counts the arguments that are known.
func (r *reader) constants(n onnx.GraphNode) int {
	count := 0
	for i := range n.Args {
		if v, _ := r.arg(n, i); v != nil {
			if _, ok := v.(*tensor.Tensor); ok {
				count++
			}
		}
	}
	return count
}

// combine adds rows of equal width, the first times a, the others times b: a
// linear regressor of all of them.
func (r *reader) combine(n onnx.GraphNode, a, b float64) (any, error) {
	all := &row{}
	width := 0
	for i := range n.Args {
		x, err := r.row(n, i)
		if err != nil {
			return nil, err
		}
		if width = len(x.columns); i > 0 && len(all.columns) != i*width || (i+1)*width*width > maxWidth {
			return nil, unsupported("of rows of different widths, or of many values")
		}
		all.columns = append(all.columns, x.columns...)
	}
	w := make([][]float64, width)
	for k := range w {
		w[k] = make([]float64, len(all.columns))
		for i := range n.Args {
			if w[k][i*width+k] = a; i > 0 {
				w[k][i*width+k] = b
			}
		}
	}
	return r.product(all, w, make([]float64, width))
}

// readComparison compares columns with one number.
func readComparison(mode, swapped classical.Mode) func(r *reader, n onnx.GraphNode) (any, error) {
	return func(r *reader, n onnx.GraphNode) (any, error) {
		at, m := 0, mode
		if v, err := r.arg(n, 0); err != nil {
			return nil, err
		} else if _, ok := v.(*tensor.Tensor); ok {
			at, m = 1, swapped
		}
		x, err := r.row(n, at)
		if err != nil {
			return nil, err
		}
		c, err := r.constant(n, 1-at)
		if err != nil {
			return nil, unsupported("of two values, neither of them a constant")
		}
		if c.Len() != 1 || c.DType() == tensor.String {
			return nil, unsupported("with more than one number")
		}
		y, err := r.steps(x, []step{{m, c.Float64s()[0], 1}}, 0)
		if err != nil {
			return nil, err
		}
		return truth{y}, nil
	}
}

func readLogSum(r *reader, n onnx.GraphNode) (any, error) {
	x, err := r.row(n, 0)
	if err != nil {
		return nil, err
	}
	axes := n.Ints("axes")
	if len(n.Args) > 1 && n.Args[1] != "" {
		t, err := r.constant(n, 1)
		if err != nil {
			return nil, err
		}
		axes = whole(t)
	}
	if len(axes) != 1 {
		return nil, unsupported("along %d axes", len(axes))
	}
	return logSum{x}, lastAxis(axes[0])
}

// readExp is the second half of a softmax.
func readExp(r *reader, n onnx.GraphNode) (any, error) {
	v, err := r.arg(n, 0)
	if err != nil {
		return nil, err
	}
	if s, ok := v.(logShares); ok {
		return r.softmax(s.of)
	}
	return nil, unsupported("no classical model computes that")
}

// by maps columns by a constant for each, or for all.
func (x *row) by(c *tensor.Tensor, of func(c float64) (a, b float64)) (*row, error) {
	if c.DType() == tensor.String {
		return nil, corrupt("arithmetic with texts")
	}
	k := c.Float64s()
	if len(k) != 1 && len(k) != len(x.columns) || c.Rank() > 1 && c.Shape()[c.Rank()-1] != len(k) {
		return nil, unsupported("rows of %d values with %s", len(x.columns), tensor.FormatShape(c.Shape()))
	}
	get := func(i int) (float64, float64) { return of(k[min(i, len(k)-1)]) }
	return x.affine(func(i int) float64 { a, _ := get(i); return a }, func(i int) float64 { _, b := get(i); return b })
}

func readSub(r *reader, n onnx.GraphNode) (any, error) {
	first, err := r.arg(n, 0)
	if err != nil {
		return nil, err
	}
	second, err := r.arg(n, 1)
	if err != nil {
		return nil, err
	}
	if s, ok := second.(logSum); ok && s.of == first {
		return logShares(s), nil
	}
	if r.constants(n) == 0 {
		return r.combine(n, 1, -1)
	}
	if c, ok := first.(*tensor.Tensor); ok {
		x, err := r.row(n, 1)
		if err != nil {
			return nil, err
		}
		return x.by(c, func(c float64) (float64, float64) { return -1, c })
	}
	return r.affineBy(n, false, func(c float64) (float64, float64) { return 1, -c })
}

// matrix returns a constant [in, out] as rows of weights, one for each output.
func matrix(t *tensor.Tensor, in int, transposed bool) ([][]float64, error) {
	if t.Rank() != 2 || t.DType() == tensor.String {
		return nil, unsupported("of a constant that is no matrix")
	}
	a, b := t.Shape()[0], t.Shape()[1]
	if transposed {
		a, b = b, a
	}
	if a != in || b < 1 || b > maxWidth {
		return nil, corrupt("rows of %d values and a matrix of %d×%d", in, a, b)
	}
	v := t.Float64s()
	out := make([][]float64, b)
	for i := range out {
		out[i] = make([]float64, a)
		for k := range a {
			if transposed {
				out[i][k] = v[i*a+k]
			} else {
				out[i][k] = v[k*b+i]
			}
		}
	}
	return out, nil
}

func readMatMul(r *reader, n onnx.GraphNode) (any, error) {
	x, err := r.row(n, 0)
	if err != nil {
		return nil, err
	}
	c, err := r.constant(n, 1)
	if err != nil {
		return nil, err
	}
	w, err := matrix(c, len(x.columns), false)
	if err != nil {
		return nil, err
	}
	return r.product(x, w, make([]float64, len(w)))
}

// product is a linear regressor of a row.
func (r *reader) product(x *row, w [][]float64, b []float64) (*row, error) {
	in, err := r.array(x)
	if err != nil {
		return nil, err
	}
	return rowOf(r.linear(in, w, b)), nil
}

func readGemm(r *reader, n onnx.GraphNode) (any, error) {
	x, err := r.row(n, 0)
	if err != nil {
		return nil, err
	}
	c, err := r.constant(n, 1)
	if err != nil {
		return nil, err
	}
	if n.Int("transA", 0) != 0 {
		return nil, unsupported("of columns")
	}
	w, err := matrix(c, len(x.columns), n.Int("transB", 0) != 0)
	if err != nil {
		return nil, err
	}
	b := make([]float64, len(w))
	if len(n.Args) > 2 && n.Args[2] != "" {
		t, err := r.constant(n, 2)
		if err != nil {
			return nil, err
		}
		v := t.Float64s()
		if len(v) != 1 && (len(v) != len(w) || t.Shape()[t.Rank()-1] != len(w)) {
			return nil, unsupported("an offset of %s", tensor.FormatShape(t.Shape()))
		}
		for i := range b {
			b[i] = float64(n.Float("beta", 1)) * v[min(i, len(v)-1)]
		}
	}
	if alpha := float64(n.Float("alpha", 1)); alpha != 1 {
		for _, row := range w {
			for k := range row {
				row[k] *= alpha
			}
		}
	}
	return r.product(x, w, b)
}

// link applies a function to each column, by a regressor that changes nothing
// else.
func (r *reader) link(n onnx.GraphNode, t spec.GLMRegressor_PostEvaluationTransform) (any, error) {
	x, err := r.row(n, 0)
	if err != nil {
		return nil, err
	}
	in, err := r.array(x)
	if err != nil {
		return nil, err
	}
	if in.size > maxDiagonal {
		return nil, unsupported("of %d values", in.size)
	}
	ones := make([]float64, in.size)
	for i := range ones {
		ones[i] = 1
	}
	return rowOf(r.glm(in, diagonal(ones), make([]float64, in.size), t)), nil
}

// readSoftmax is a network of one layer.
func readSoftmax(r *reader, n onnx.GraphNode) (any, error) {
	if n.Has("axis") {
		if err := lastAxis(n.Int("axis", 1)); err != nil {
			return nil, err
		}
	}
	x, err := r.row(n, 0)
	if err != nil {
		return nil, err
	}
	return r.softmax(x)
}

func (r *reader) softmax(x *row) (any, error) {
	in, err := r.array(x)
	if err != nil {
		return nil, err
	}
	out := r.fresh("softmax", array, in.size)
	r.transform([]*feature{in}, out, func() *spec.Model_builder {
		return &spec.Model_builder{NeuralNetwork: spec.NeuralNetwork_builder{Layers: []*spec.NeuralNetworkLayer{
			spec.NeuralNetworkLayer_builder{
				Name: "softmax", Input: []string{in.name}, Output: []string{out.name}, Softmax: spec.SoftmaxLayerParams_builder{}.Build(),
			}.Build(),
		}}.Build()}
	})
	y := rowOf(out)
	y.like = x
	return y, nil
}

func readArgMax(r *reader, n onnx.GraphNode) (any, error) {
	if err := lastAxis(n.Int("axis", 0)); err != nil {
		return nil, err
	}
	if n.Int("select_last_index", 0) != 0 {
		return nil, unsupported("the last of equal values")
	}
	x, err := r.row(n, 0)
	if err != nil {
		return nil, err
	}
	if n.Op == "ArgMin" {
		x, err = x.affine(always(-1), always(0))
		return position{x}, err
	}
	return position{x}, x.numeric()
}

func readLpNormalization(r *reader, n onnx.GraphNode) (any, error) {
	if err := lastAxis(n.Int("axis", -1)); err != nil {
		return nil, err
	}
	types := map[int]spec.Normalizer_NormType{1: spec.Normalizer_L1, 2: spec.Normalizer_L2}
	t, ok := types[n.Int("p", 2)]
	if !ok {
		return nil, unsupported("the norm %d", n.Int("p", 2))
	}
	return r.normalize(n, t)
}

// normalize divides rows by a norm. Shares stay as they are.
func (r *reader) normalize(n onnx.GraphNode, t spec.Normalizer_NormType) (any, error) {
	v, err := r.arg(n, 0)
	if err != nil {
		return nil, err
	}
	if s, ok := v.(scores); ok && t == spec.Normalizer_L1 {
		switch {
		case s.of.parts:
			return s, nil
		case s.of.shares != nil:
			return scores{s.of.shares}, nil
		}
	}
	x, err := r.asRow(v)
	if err != nil {
		return nil, err
	}
	in, err := r.array(x)
	if err != nil {
		return nil, err
	}
	out := rowOf(r.transform([]*feature{in}, r.fresh("normalized", array, in.size), func() *spec.Model_builder {
		return &spec.Model_builder{Normalizer: spec.Normalizer_builder{NormType: t}.Build()}
	}))
	out.like = x
	return out, nil
}
