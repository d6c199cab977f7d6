package onnxml

import (
	"math"

	"github.com/smelt-ml/smelt/internal/frontend/onnx"
	"github.com/smelt-ml/smelt/internal/frontend/onnx/classical"
	"github.com/smelt-ml/smelt/mlmodel/spec"
)

// classifier is an operator that gives labels and scores. Its models are made when
// it is known what is wanted of them.
type classifier struct {
	labels classical.Labels
	// both makes a Core ML classifier whose probabilities are the scores; nil where
	// there is none. exact says that its label is the operator's, too.
	both  func() *spec.Model_builder
	exact bool
	// vote makes a Core ML classifier whose label is the operator's.
	vote func() *spec.Model_builder
	// values makes the scores as a row; nil where that cannot be done.
	values func() (*row, error)
	// shares is the classifier whose scores are these divided by their sum, nil
	// for none; parts says that these are such already.
	shares *classifier
	parts  bool

	in    *feature
	row   *row   // what values has made
	stage *stage // what both has made
}

// scoresOf returns the scores of a classifier as a row.
func (c *classifier) scoresOf() (*row, error) {
	if c.row != nil {
		return c.row, nil
	}
	if c.values == nil {
		return nil, unsupported("its probabilities are a dictionary in Core ML, with which nothing can be computed")
	}
	var err error
	c.row, err = c.values()
	return c.row, err
}

// classes refuses labels of which two are the same.
func classes(l classical.Labels) error {
	seen := map[any]bool{}
	for i := range l.Len() {
		if seen[l.At(i)] {
			return unsupported("two classes have the label %v", l.At(i))
		}
		seen[l.At(i)] = true
	}
	return nil
}

// input makes the array that a predictor takes.
func (r *reader) input(n onnx.GraphNode, width int) (*feature, error) {
	x, err := r.row(n, 0)
	if err != nil {
		return nil, err
	}
	if len(x.columns) < width {
		return nil, corrupt("rows of %d values, want %d", len(x.columns), width)
	}
	return r.array(x)
}

// exactly is input for operators whose rows have that width.
func (r *reader) exactly(n onnx.GraphNode, width int) (*feature, error) {
	f, err := r.input(n, width)
	if err == nil && f.size != width {
		err = corrupt("rows of %d values, want %d", f.size, width)
	}
	return f, err
}

var behaviors = map[classical.Mode]spec.TreeEnsembleParameters_TreeNode_TreeNodeBehavior{
	classical.LessEqual:    spec.TreeEnsembleParameters_TreeNode_BranchOnValueLessThanEqual,
	classical.Less:         spec.TreeEnsembleParameters_TreeNode_BranchOnValueLessThan,
	classical.GreaterEqual: spec.TreeEnsembleParameters_TreeNode_BranchOnValueGreaterThanEqual,
	classical.Greater:      spec.TreeEnsembleParameters_TreeNode_BranchOnValueGreaterThan,
	classical.Equal:        spec.TreeEnsembleParameters_TreeNode_BranchOnValueEqual,
	classical.NotEqual:     spec.TreeEnsembleParameters_TreeNode_BranchOnValueNotEqual,
	classical.Leaf:         spec.TreeEnsembleParameters_TreeNode_LeafNode,
}

// ensembleParams writes trees. spread says what a leaf's value adds to which
// dimensions.
func ensembleParams(e *classical.Ensemble, dims int, base []float64, spread func(w classical.Weight, add func(dim int, v float64))) *spec.TreeEnsembleParameters {
	b := spec.TreeEnsembleParameters_builder{NumPredictionDimensions: uint64(dims), BasePredictionValue: base}
	type visit struct{ at, tree, id int }
	for tree, root := range e.Roots {
		next := 1
		for stack := []visit{{root, tree, 0}}; len(stack) > 0; {
			v := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			n := &e.Nodes[v.at]
			out := spec.TreeEnsembleParameters_TreeNode_builder{TreeId: uint64(v.tree), NodeId: uint64(v.id), NodeBehavior: behaviors[n.Mode]}
			if n.Mode == classical.Leaf {
				for _, w := range n.Weights {
					spread(w, func(dim int, value float64) {
						out.EvaluationInfo = append(out.EvaluationInfo, spec.TreeEnsembleParameters_TreeNode_EvaluationInfo_builder{
							EvaluationIndex: uint64(dim), EvaluationValue: value,
						}.Build())
					})
				}
			} else {
				out.BranchFeatureIndex, out.BranchFeatureValue = uint64(n.Feature), n.Threshold
				// NaN differs from everything: it takes the true side in any case.
				out.MissingValueTracksTrueChild = n.Missing || n.Mode == classical.NotEqual
				out.TrueChildNodeId, out.FalseChildNodeId = uint64(next), uint64(next+1)
				stack = append(stack, visit{n.False, tree, next + 1}, visit{n.True, tree, next})
				next += 2
			}
			b.Nodes = append(b.Nodes, out.Build())
		}
	}
	return b.Build()
}

// straight adds a leaf's value, times a factor, to its own dimension.
func straight(factor float64) func(w classical.Weight, add func(int, float64)) {
	return func(w classical.Weight, add func(int, float64)) { add(w.Target, factor*w.Value) }
}

// baseOf are base values for all dimensions: one that is alone is added to the
// first.
func baseOf(e *classical.Ensemble) []float64 {
	out := make([]float64, e.Targets)
	copy(out, e.Base)
	return out
}

// treeTransform is the transform of several dimensions.
func treeTransform(t classical.Transform) (spec.TreeEnsemblePostEvaluationTransform, error) {
	switch t {
	case classical.None:
		return spec.TreeEnsemblePostEvaluationTransform_NoTransform, nil
	case classical.Softmax:
		return spec.TreeEnsemblePostEvaluationTransform_Classification_SoftMax, nil
	case classical.Logistic:
		return spec.TreeEnsemblePostEvaluationTransform_Regression_Logistic, nil
	}
	return 0, unsupported("the transform %s: there are NONE, SOFTMAX and LOGISTIC", t)
}

func (r *reader) treeRegressor(n onnx.GraphNode, e *classical.Ensemble) (*row, error) {
	factor := 1.0
	switch e.Aggregate {
	case classical.Sum:
	case classical.Average:
		factor /= float64(len(e.Roots))
	default:
		return nil, unsupported("the aggregate function %s: trees add up", e.Aggregate)
	}
	post := e.Post
	if e.Targets == 1 && post != classical.Probit {
		if post != classical.None {
			r.note("%s %q: the transform %s of one target is left out, as ONNX Runtime does", n.Op, nodeName(n), post)
		}
		post = classical.None
	}
	t, err := treeTransform(post)
	if err != nil {
		return nil, err
	}
	in, err := r.input(n, e.Width())
	if err != nil {
		return nil, err
	}
	return rowOf(r.trees(in, ensembleParams(e, e.Targets, baseOf(e), straight(factor)), t)), nil
}

// treeClassifierOf makes a tree classifier.
func treeClassifierOf(params *spec.TreeEnsembleParameters, t spec.TreeEnsemblePostEvaluationTransform, l classical.Labels) *spec.Model_builder {
	b := spec.TreeEnsembleClassifier_builder{TreeEnsemble: params, PostEvaluationTransform: t}
	b.StringClassLabels, b.Int64ClassLabels = labelVectors(l)
	return &spec.Model_builder{TreeEnsembleClassifier: b.Build()}
}

func (r *reader) treeClassifier(n onnx.GraphNode, e *classical.TreeClassifier) (*classifier, error) {
	in, err := r.input(n, e.Width())
	if err != nil {
		return nil, err
	}
	c := &classifier{labels: e.Labels, in: in, exact: true}
	const (
		plain    = spec.TreeEnsemblePostEvaluationTransform_NoTransform
		logistic = spec.TreeEnsemblePostEvaluationTransform_Regression_Logistic
	)
	if !e.OneColumn {
		t, err := treeTransform(e.Post)
		if err != nil {
			return nil, err
		}
		params := func() *spec.TreeEnsembleParameters {
			return ensembleParams(&e.Ensemble, e.Targets, baseOf(&e.Ensemble), straight(1))
		}
		c.both = func() *spec.Model_builder { return treeClassifierOf(params(), t, e.Labels) }
		c.vote = c.both
		c.values = func() (*row, error) { return rowOf(r.trees(in, params(), t)), nil }
		c.parts = e.Post == classical.Softmax
		return c, nil
	}
	if e.Post == classical.Probit {
		return nil, unsupported("the transform %s: there are NONE, SOFTMAX and LOGISTIC", e.Post)
	}
	one := func() *spec.TreeEnsembleParameters { // the score of the second class
		return ensembleParams(&e.Ensemble, 1, baseOf(&e.Ensemble), straight(1))
	}
	two := func() *spec.TreeEnsembleParameters { // the scores of both
		b := baseOf(&e.Ensemble)[0]
		first := -b
		if e.Positive && e.Post != classical.Logistic {
			first = 1 - b
		}
		return ensembleParams(&e.Ensemble, 2, []float64{first, b}, func(w classical.Weight, add func(int, float64)) {
			add(0, -w.Value)
			add(1, w.Value)
		})
	}
	switch {
	case e.Post == classical.Logistic:
		c.both = func() *spec.Model_builder { return treeClassifierOf(one(), logistic, e.Labels) }
		c.values = func() (*row, error) { return rowOf(r.trees(in, two(), logistic)), nil }
		c.exact = !e.Positive
	case e.Positive:
		c.both = func() *spec.Model_builder { return treeClassifierOf(one(), plain, e.Labels) }
		c.values = func() (*row, error) { return rowOf(r.trees(in, two(), plain)), nil }
	default:
		c.both = func() *spec.Model_builder { return treeClassifierOf(two(), plain, e.Labels) }
		c.values = func() (*row, error) { return rowOf(r.trees(in, two(), plain)), nil }
	}
	c.parts = e.Post == classical.Logistic
	if c.vote = c.both; !c.exact {
		c.vote = func() *spec.Model_builder { return treeClassifierOf(one(), plain, e.Labels) }
	}
	return c, nil
}

func (r *reader) linearRegressor(n onnx.GraphNode, l *classical.Linear) (*row, error) {
	if len(l.Rows) == 1 && l.Post != classical.Probit {
		if l.Post != classical.None {
			r.note("%s %q: the transform %s of one target is left out, as ONNX Runtime does", n.Op, nodeName(n), l.Post)
		}
		l.Post = classical.None
	}
	t, ok := map[classical.Transform]spec.GLMRegressor_PostEvaluationTransform{
		classical.None: spec.GLMRegressor_NoTransform, classical.Logistic: spec.GLMRegressor_Logit,
	}[l.Post]
	if !ok {
		return nil, unsupported("the transform %s: there are NONE and LOGISTIC", l.Post)
	}
	in, err := r.exactly(n, l.Width())
	if err != nil {
		return nil, err
	}
	return rowOf(r.glm(in, l.Rows, l.Offsets, t)), nil
}

// glmClassifierOf makes a linear classifier.
func glmClassifierOf(rows [][]float64, offsets []float64, e spec.GLMClassifier_ClassEncoding, l classical.Labels) *spec.Model_builder {
	b := spec.GLMClassifier_builder{Offset: offsets, ClassEncoding: e, PostEvaluationTransform: spec.GLMClassifier_Logit}
	for _, r := range rows {
		b.Weights = append(b.Weights, spec.GLMClassifier_DoubleArray_builder{Value: r}.Build())
	}
	b.StringClassLabels, b.Int64ClassLabels = labelVectors(l)
	return &spec.Model_builder{GlmClassifier: b.Build()}
}

func (r *reader) linearClassifier(n onnx.GraphNode, l *classical.LinearClassifier) (*classifier, error) {
	in, err := r.exactly(n, l.Width())
	if err != nil {
		return nil, err
	}
	rows, offsets := l.Rows, l.Offsets
	c := &classifier{labels: l.Labels, in: in, exact: true}
	// reference compares classes with the first, which is enough for two and what
	// a softmax is made of.
	reference := func() *spec.Model_builder {
		var w [][]float64
		var b []float64
		for i := 1; i < len(rows); i++ {
			diff := make([]float64, len(rows[i]))
			for k, v := range rows[i] {
				diff[k] = v - rows[0][k]
			}
			w, b = append(w, diff), append(b, offsets[i]-offsets[0])
		}
		return glmClassifierOf(w, b, spec.GLMClassifier_ReferenceClass, l.Labels)
	}
	single := func() *spec.Model_builder {
		return glmClassifierOf(rows[len(rows)-1:], offsets[len(rows)-1:], spec.GLMClassifier_OneVsRest, l.Labels)
	}
	c.vote = reference
	if len(rows) == 1 {
		c.vote = single
	}
	opposite := len(rows) == 2 && offsets[0] == -offsets[1]
	for k := range rows[0] {
		opposite = opposite && rows[0][k] == -rows[1][k]
	}
	both := func(t spec.GLMRegressor_PostEvaluationTransform) func() (*row, error) {
		return func() (*row, error) {
			if len(rows) > 1 {
				return rowOf(r.glm(in, rows, offsets, t)), nil
			}
			return rowOf(r.glm(in, [][]float64{negative(rows[0]), rows[0]}, []float64{-offsets[0], offsets[0]}, t)), nil
		}
	}
	switch {
	case l.Post == classical.Logistic && (len(rows) == 1 || opposite):
		c.both, c.parts = single, true
		c.values = both(spec.GLMRegressor_Logit)
	case l.Post == classical.Softmax && len(rows) > 1:
		c.both, c.parts = reference, true
	case l.Post == classical.Logistic:
		c.values = both(spec.GLMRegressor_Logit)
		if len(rows) > 2 {
			c.shares = &classifier{labels: l.Labels, in: in, exact: true, parts: true, vote: c.vote}
			c.shares.both = func() *spec.Model_builder {
				return glmClassifierOf(rows, offsets, spec.GLMClassifier_OneVsRest, l.Labels)
			}
		}
	case len(rows) == 1 && l.Post != classical.Probit: // the score and its complement
		c.values = func() (*row, error) {
			return rowOf(r.linear(in, [][]float64{negative(rows[0]), rows[0]}, []float64{1 - offsets[0], offsets[0]})), nil
		}
	case l.Post == classical.None:
		c.values = both(spec.GLMRegressor_NoTransform)
	default:
		return nil, unsupported("the transform %s: there are NONE, SOFTMAX and LOGISTIC", l.Post)
	}
	return c, nil
}

func negative(v []float64) []float64 {
	out := make([]float64, len(v))
	for i, x := range v {
		out[i] = -x
	}
	return out
}

func kernelSpec(k classical.Kernel) (*spec.Kernel, error) {
	var b spec.Kernel_builder
	switch k.Type {
	case "LINEAR":
		b.LinearKernel = spec.LinearKernel_builder{}.Build()
	case "RBF":
		b.RbfKernel = spec.RBFKernel_builder{Gamma: k.Gamma}.Build()
	case "SIGMOID":
		b.SigmoidKernel = spec.SigmoidKernel_builder{Gamma: k.Gamma, C: k.C}.Build()
	default:
		if k.Degree != math.Trunc(k.Degree) || k.Degree < 0 || k.Degree > math.MaxInt32 {
			return nil, unsupported("a polynomial kernel of degree %v", k.Degree)
		}
		b.PolyKernel = spec.PolyKernel_builder{Gamma: k.Gamma, C: k.C, Degree: int32(k.Degree)}.Build()
	}
	return b.Build(), nil
}

func dense(vectors [][]float64) *spec.DenseSupportVectors {
	var b spec.DenseSupportVectors_builder
	for _, v := range vectors {
		b.Vectors = append(b.Vectors, spec.DenseVector_builder{Values: v}.Build())
	}
	return b.Build()
}

// machine adds a regressor with support vectors.
func (r *reader) machine(in *feature, k *spec.Kernel, vectors [][]float64, alpha []float64, rho float64) *feature {
	return r.regress(in, 1, func() *spec.Model_builder {
		return &spec.Model_builder{SupportVectorRegressor: spec.SupportVectorRegressor_builder{
			Kernel: k, DenseSupportVectors: dense(vectors), Coefficients: spec.Coefficients_builder{Alpha: alpha}.Build(), Rho: -rho,
		}.Build()}
	})
}

func (r *reader) svmRegressor(n onnx.GraphNode, m *classical.SVMRegressor) (*row, error) {
	if m.Post == classical.Probit {
		return nil, unsupported("the transform %s", m.Post)
	}
	k, err := kernelSpec(m.Kernel)
	if err != nil {
		return nil, err
	}
	in, err := r.exactly(n, m.Width())
	if err != nil {
		return nil, err
	}
	out := rowOf(r.machine(in, k, m.Vectors, m.Coefficients, m.Rho))
	if m.OneClass {
		return r.steps(out, []step{{classical.Greater, 0, 1}}, -1)
	}
	return out, nil
}

func (r *reader) svmClassifier(n onnx.GraphNode, m *classical.SVMClassifier) (*classifier, error) {
	if m.Post != classical.None {
		return nil, unsupported("the transform %s", m.Post)
	}
	k, err := kernelSpec(m.Kernel)
	if err != nil {
		return nil, err
	}
	in, err := r.exactly(n, m.Width())
	if err != nil {
		return nil, err
	}
	model := func(a, b []float64) func() *spec.Model_builder {
		return func() *spec.Model_builder {
			out := spec.SupportVectorClassifier_builder{Kernel: k, DenseSupportVectors: dense(m.Vectors), Rho: negative(m.Rho), ProbA: a, ProbB: b}
			for _, n := range m.Counts {
				out.NumberOfSupportVectorsPerClass = append(out.NumberOfSupportVectorsPerClass, int32(n))
			}
			for _, alpha := range m.Coefficients {
				out.Coefficients = append(out.Coefficients, spec.Coefficients_builder{Alpha: alpha}.Build())
			}
			out.StringClassLabels, out.Int64ClassLabels = labelVectors(m.Labels)
			return &spec.Model_builder{SupportVectorClassifier: out.Build()}
		}
	}
	c := &classifier{labels: m.Labels, in: in, vote: model(nil, nil)}
	if m.ProbA != nil {
		c.both, c.parts = model(m.ProbA, m.ProbB), true
		return c, nil
	}
	c.values = func() (*row, error) { return r.pairs(in, k, m) }
	return c, nil
}

// maxValues bounds the numbers that a file does not have itself.
const maxValues = 1 << 26

// pairs makes the scores of the pairs of classes, each by a model of its own.
func (r *reader) pairs(in *feature, k *spec.Kernel, m *classical.SVMClassifier) (*row, error) {
	out := &row{}
	if k := len(m.Counts); k*len(m.Vectors) > maxValues/m.Width() { // each vector is in all pairs of its class
		return nil, unsupported("%d support vectors of %d classes, for each pair of them", len(m.Vectors), k)
	}
	start := make([]int, len(m.Counts)+1)
	for i, n := range m.Counts {
		start[i+1] = start[i] + n
	}
	for i := range m.Counts {
		for j := i + 1; j < len(m.Counts); j++ {
			var vectors [][]float64
			var alpha []float64
			vectors = append(append(vectors, m.Vectors[start[i]:start[i+1]]...), m.Vectors[start[j]:start[j+1]]...)
			alpha = append(append(alpha, m.Coefficients[j-1][start[i]:start[i+1]]...), m.Coefficients[i][start[j]:start[j+1]]...)
			if len(vectors) == 0 {
				return nil, unsupported("two classes without support vectors")
			}
			out.columns = append(out.columns, column{r.machine(in, k, vectors, alpha, m.Rho[len(out.columns)]), 0, 1, 0})
		}
	}
	if len(m.Counts) == 2 {
		f := out.columns[0].of
		// A row cannot hold a number twice: both scores come of one matrix.
		one, err := r.joined(rowOf(f))
		if err != nil {
			return nil, err
		}
		return rowOf(r.linear(one, [][]float64{{-1}, {1}}, []float64{0, 0})), nil
	}
	return out, nil
}

// step is a value that holds where the comparison does.
type step struct {
	mode      classical.Mode
	threshold float64
	value     float64
}

// steps gives each column the value of the first step that holds, or another: a
// tree for each.
func (r *reader) steps(x *row, list []step, otherwise float64) (*row, error) {
	in, err := r.array(x)
	if err != nil {
		return nil, err
	}
	e := &classical.Ensemble{Targets: in.size}
	for i := range in.size {
		e.Roots = append(e.Roots, len(e.Nodes))
		for _, s := range list {
			at := len(e.Nodes)
			e.Nodes = append(e.Nodes,
				classical.Node{Mode: s.mode, Feature: i, Threshold: s.threshold, True: at + 1, False: at + 2},
				classical.Node{Mode: classical.Leaf, Weights: []classical.Weight{{Target: i, Value: s.value}}})
		}
		e.Nodes = append(e.Nodes, classical.Node{Mode: classical.Leaf, Weights: []classical.Weight{{Target: i, Value: otherwise}}})
	}
	out := rowOf(r.trees(in, ensembleParams(e, in.size, nil, straight(1)), spec.TreeEnsemblePostEvaluationTransform_NoTransform))
	out.whole = otherwise == math.Trunc(otherwise)
	for _, s := range list {
		out.whole = out.whole && s.value == math.Trunc(s.value)
	}
	return out, nil
}
