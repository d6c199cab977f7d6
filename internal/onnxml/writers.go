package onnxml

import (
	"math"
	"slices"

	"github.com/smelt-ml/smelt/internal/frontend/onnx/classical"
	"github.com/smelt-ml/smelt/internal/onnxpb"
	"github.com/smelt-ml/smelt/mlmodel/spec"
)

// writers are the kinds of models that have operators.
var writers map[any]func(w *writer, m *spec.Model) error

func init() {
	writers = map[any]func(w *writer, m *spec.Model) error{
		spec.Model_TreeEnsembleRegressor_case:       writeTreeRegressor,
		spec.Model_TreeEnsembleClassifier_case:      writeTreeClassifier,
		spec.Model_GlmRegressor_case:                writeGLMRegressor,
		spec.Model_GlmClassifier_case:               writeGLMClassifier,
		spec.Model_SupportVectorRegressor_case:      writeSVMRegressor,
		spec.Model_SupportVectorClassifier_case:     writeSVMClassifier,
		spec.Model_KNearestNeighborsClassifier_case: writeNeighbors,
		spec.Model_OneHotEncoder_case:               writeOneHot,
		spec.Model_Imputer_case:                     writeImputer,
		spec.Model_FeatureVectorizer_case:           writeFeatureVectorizer,
		spec.Model_DictVectorizer_case:              writeDictVectorizer,
		spec.Model_Scaler_case:                      writeScaler,
		spec.Model_CategoricalMapping_case:          writeMapping,
		spec.Model_Normalizer_case:                  writeNormalizer,
		spec.Model_ArrayFeatureExtractor_case:       writeExtractor,
		spec.Model_Identity_case:                    writeIdentity,
		spec.Model_NeuralNetwork_case:               writeNetwork,
		spec.Model_NeuralNetworkClassifier_case:     writeNetworkClassifier,
	}
}

// as returns a wire in another element type.
func (w *writer) as(x *wire, elem onnxpb.TensorProto_DataType) string {
	if x.elem != elem {
		return w.one("Cast", attrs{"to": int(elem)}, w.column(x))
	}
	return w.column(x)
}

// floats returns a wire as float32.
func (w *writer) floats(x *wire) string { return w.as(x, onnxpb.TensorProto_FLOAT) }

// column gives a label [N] the shape [N, 1].
func (w *writer) column(x *wire) string {
	if x.flat {
		return w.one("Reshape", nil, x.name, w.integers([]int64{-1, 1}, 2))
	}
	return x.name
}

// vector joins all inputs of a model, as it reads them.
func (w *writer) vector(m *spec.Model, elem onnxpb.TensorProto_DataType) (name string, width int, err error) {
	var parts []string
	for _, f := range m.GetDescription().GetInput() {
		x := w.wires[f.GetName()]
		if x.kind == text || x.kind == dictionary {
			return "", 0, corrupt("the input %q is no number", f.GetName())
		}
		parts = append(parts, w.as(x, elem))
		width += x.size
	}
	switch len(parts) {
	case 0:
		return "", 0, corrupt("the model has no inputs")
	case 1:
		return parts[0], width, nil
	}
	return w.one("Concat", attrs{"axis": 1}, parts...), width, nil
}

// pair returns the one input and the name of the one output of a model.
func (w *writer) pair(m *spec.Model) (*wire, *spec.FeatureDescription, error) {
	d := m.GetDescription()
	if len(d.GetInput()) != 1 || len(d.GetOutput()) != 1 {
		return nil, nil, corrupt("%d inputs and %d outputs, want one of each", len(d.GetInput()), len(d.GetOutput()))
	}
	return w.wires[d.GetInput()[0].GetName()], d.GetOutput()[0], nil
}

// give makes a wire of a feature, of float32 unless it says otherwise.
func (w *writer) give(f *spec.FeatureDescription, x wire) {
	if x.elem == onnxpb.TensorProto_UNDEFINED {
		x.elem = onnxpb.TensorProto_FLOAT
	}
	w.wires[f.GetName()] = &x
}

// predicted gives a regressor's result.
func (w *writer) predicted(m *spec.Model, name string, size int) error {
	d := m.GetDescription()
	feature := d.GetPredictedFeatureName()
	if feature == "" && len(d.GetOutput()) == 1 {
		feature = d.GetOutput()[0].GetName()
	}
	i := slices.IndexFunc(d.GetOutput(), func(f *spec.FeatureDescription) bool { return f.GetName() == feature })
	if i < 0 {
		return corrupt("the predicted feature %q is no output", feature)
	}
	k := array
	if !d.GetOutput()[i].GetType().HasMultiArrayType() {
		k = number
	}
	w.give(d.GetOutput()[i], wire{name: name, kind: k, size: size})
	return nil
}

// labelled is a model with class labels.
type labelled interface {
	GetStringClassLabels() *spec.StringVector
	GetInt64ClassLabels() *spec.Int64Vector
}

// labelsOf are a model's labels, the numbers from 0 where it has none.
func labelsOf(m labelled, n int) (classical.Labels, error) {
	l := classical.Labels{Texts: m.GetStringClassLabels().GetVector(), Ints: m.GetInt64ClassLabels().GetVector()}
	if len(l.Texts) > 0 {
		l.Ints = nil
	}
	if l.Len() == 0 {
		for i := range min(n, maxWidth) {
			l.Ints = append(l.Ints, int64(i))
		}
	}
	if l.Len() != n {
		return l, corrupt("%d class labels for %d classes", l.Len(), n)
	}
	return l, classes(l)
}

// answer gives a classifier's label and probabilities; label is "" where it is
// that of the largest one.
func (w *writer) answer(m *spec.Model, l classical.Labels, label, probabilities string) {
	d := m.GetDescription()
	named := func(wanted string, is func(*spec.FeatureType) bool) *spec.FeatureDescription {
		for _, f := range d.GetOutput() {
			if f.GetName() == wanted || wanted == "" && is(f.GetType()) {
				return f
			}
		}
		return nil
	}
	if f := named(d.GetPredictedFeatureName(), func(t *spec.FeatureType) bool { return t.HasStringType() || t.HasInt64Type() }); f != nil {
		if label == "" {
			label = w.choose(probabilities, l)
		}
		x := wire{name: label, kind: integer, size: 1, flat: true, elem: onnxpb.TensorProto_INT64}
		if l.Texts != nil {
			x.kind, x.elem = text, onnxpb.TensorProto_STRING
		}
		w.give(f, x)
	}
	if f := named(d.GetPredictedProbabilitiesName(), (*spec.FeatureType).HasDictionaryType); f != nil {
		w.give(f, wire{name: probabilities, kind: array, size: l.Len(), labels: &l})
	}
}

// choose takes the label of the largest value.
func (w *writer) choose(values string, l classical.Labels) string {
	at := w.one("ArgMax", attrs{"axis": 1, "keepdims": 0}, values)
	return w.one("Gather", attrs{"axis": 0}, w.labels(l), at)
}

// classLabels are labels as attributes.
func classLabels(a attrs, l classical.Labels, ints string) attrs {
	if l.Texts != nil {
		a["classlabels_strings"] = l.Texts
	} else {
		a[ints] = l.Ints
	}
	return a
}

// complement is [1 - p, p].
func (w *writer) complement(p string) string {
	return w.one("Concat", attrs{"axis": 1}, w.one("Sub", nil, w.numbers([]float64{1}, 1), p), p)
}

var treeModes = map[spec.TreeEnsembleParameters_TreeNode_TreeNodeBehavior]string{
	spec.TreeEnsembleParameters_TreeNode_BranchOnValueLessThanEqual:    "BRANCH_LEQ",
	spec.TreeEnsembleParameters_TreeNode_BranchOnValueLessThan:         "BRANCH_LT",
	spec.TreeEnsembleParameters_TreeNode_BranchOnValueGreaterThanEqual: "BRANCH_GTE",
	spec.TreeEnsembleParameters_TreeNode_BranchOnValueGreaterThan:      "BRANCH_GT",
	spec.TreeEnsembleParameters_TreeNode_BranchOnValueEqual:            "BRANCH_EQ",
	spec.TreeEnsembleParameters_TreeNode_BranchOnValueNotEqual:         "BRANCH_NEQ",
	spec.TreeEnsembleParameters_TreeNode_LeafNode:                      "LEAF",
}

// ensemble are trees as attributes, for features that are doubles: comparisons and
// votes stay what they are; what prefixes those of leaves. allPositive
// says that no leaf's value is negative.
func (w *writer) ensemble(p *spec.TreeEnsembleParameters, what string, width int) (a attrs, dims int, allPositive bool, err error) {
	n := p.GetNumPredictionDimensions()
	if n < 1 || n > maxWidth || len(p.GetBasePredictionValue()) > 0 && uint64(len(p.GetBasePredictionValue())) != n {
		return nil, 0, false, corrupt("%d dimensions and %d base values", n, len(p.GetBasePredictionValue()))
	}
	dims = int(n)
	var trees, ids, features, yes, no, missing, leafTrees, leafIDs, targets []int64
	var thresholds, weights []float64
	var modes []string
	allPositive = true
	for _, n := range p.GetNodes() {
		mode, ok := treeModes[n.GetNodeBehavior()]
		if !ok || n.GetTreeId() > math.MaxInt64 || n.GetNodeId() > math.MaxInt64 {
			return nil, 0, false, corrupt("node %d of tree %d: %s", n.GetNodeId(), n.GetTreeId(), n.GetNodeBehavior())
		}
		trees, ids, modes = append(trees, int64(n.GetTreeId())), append(ids, int64(n.GetNodeId())), append(modes, mode)
		if mode != "LEAF" {
			if n.GetBranchFeatureIndex() >= uint64(width) {
				return nil, 0, false, corrupt("node %d of tree %d asks for value %d of %d", n.GetNodeId(), n.GetTreeId(), n.GetBranchFeatureIndex(), width)
			}
			features, thresholds = append(features, int64(n.GetBranchFeatureIndex())), append(thresholds, n.GetBranchFeatureValue())
			yes, no = append(yes, int64(n.GetTrueChildNodeId())), append(no, int64(n.GetFalseChildNodeId()))
			track := int64(0)
			if n.GetMissingValueTracksTrueChild() {
				track = 1
			} else if mode == "BRANCH_NEQ" { // NaN takes the true side there: exchange the sides
				modes[len(modes)-1] = "BRANCH_EQ"
				yes[len(yes)-1], no[len(no)-1] = no[len(no)-1], yes[len(yes)-1]
				track = 1
			}
			missing = append(missing, track)
			continue
		}
		features, thresholds, yes, no, missing = append(features, 0), append(thresholds, 0), append(yes, 0), append(no, 0), append(missing, 0)
		sums := map[uint64]float64{}
		var order []uint64
		for _, e := range n.GetEvaluationInfo() {
			i := e.GetEvaluationIndex()
			if i >= uint64(dims) {
				return nil, 0, false, corrupt("node %d of tree %d adds to dimension %d of %d", n.GetNodeId(), n.GetTreeId(), i, dims)
			}
			if _, ok := sums[i]; !ok {
				order = append(order, i)
			}
			sums[i] += e.GetEvaluationValue()
		}
		if len(order) == 0 {
			order = []uint64{0}
		}
		for _, i := range order {
			leafTrees, leafIDs = append(leafTrees, int64(n.GetTreeId())), append(leafIDs, int64(n.GetNodeId()))
			targets, weights = append(targets, int64(i)), append(weights, sums[i])
			allPositive = allPositive && sums[i] >= 0
		}
	}
	a = attrs{
		"nodes_treeids": trees, "nodes_nodeids": ids, "nodes_featureids": features, "nodes_modes": modes, "nodes_values_as_tensor": precise(thresholds),
		"nodes_truenodeids": yes, "nodes_falsenodeids": no, "nodes_missing_value_tracks_true": missing,
		what + "_treeids": leafTrees, what + "_nodeids": leafIDs, what + "_ids": targets, what + "_weights_as_tensor": precise(weights),
	}
	if base := p.GetBasePredictionValue(); slices.ContainsFunc(base, func(v float64) bool { return v != 0 }) {
		a["base_values_as_tensor"] = precise(base)
	}
	return a, dims, allPositive, nil
}

// sums are the sums of the trees, transformed.
func (w *writer) sums(m *spec.Model, p *spec.TreeEnsembleParameters, t spec.TreeEnsemblePostEvaluationTransform) (name string, size int, err error) {
	in, width, err := w.vector(m, onnxpb.TensorProto_DOUBLE)
	if err != nil {
		return "", 0, err
	}
	a, dims, _, err := w.ensemble(p, "target", width)
	if err != nil {
		return "", 0, err
	}
	a["n_targets"], a["post_transform"] = dims, "NONE"
	v := w.one(ml+"TreeEnsembleRegressor", a, in)
	return w.transformed(v, dims, t)
}

func (w *writer) transformed(v string, dims int, t spec.TreeEnsemblePostEvaluationTransform) (string, int, error) {
	switch t {
	case spec.TreeEnsemblePostEvaluationTransform_NoTransform:
		return v, dims, nil
	case spec.TreeEnsemblePostEvaluationTransform_Classification_SoftMax:
		return w.one("Softmax", attrs{"axis": 1}, v), dims, nil
	case spec.TreeEnsemblePostEvaluationTransform_Regression_Logistic:
		return w.one("Sigmoid", nil, v), dims, nil
	case spec.TreeEnsemblePostEvaluationTransform_Classification_SoftMaxWithZeroClassReference:
		return w.one("Softmax", attrs{"axis": 1}, w.zeroFirst(v, dims)), dims + 1, nil
	}
	return "", 0, corrupt("the transform %s is not known", t)
}

// zeroFirst puts a column of zeros before others.
func (w *writer) zeroFirst(v string, dims int) string {
	return w.one("Pad", attrs{}, v, w.integers([]int64{0, 1, 0, 0}, 4))
}

func writeTreeRegressor(w *writer, m *spec.Model) error {
	r := m.GetTreeEnsembleRegressor()
	v, size, err := w.sums(m, r.GetTreeEnsemble(), r.GetPostEvaluationTransform())
	if err != nil {
		return err
	}
	return w.predicted(m, v, size)
}

// writeTreeClassifier uses the operator of that name where ONNX Runtime makes of
// it what Core ML does, and sums and their largest elsewhere.
func writeTreeClassifier(w *writer, m *spec.Model) error {
	c := m.GetTreeEnsembleClassifier()
	p, t := c.GetTreeEnsemble(), c.GetPostEvaluationTransform()
	n := int(min(p.GetNumPredictionDimensions(), maxWidth+1))
	reference := t == spec.TreeEnsemblePostEvaluationTransform_Classification_SoftMaxWithZeroClassReference
	given := max(len(c.GetStringClassLabels().GetVector()), len(c.GetInt64ClassLabels().GetVector()))
	count := max(n, 2)
	if reference && given == n+1 {
		count = n + 1
	}
	l, err := labelsOf(c, count)
	if err != nil {
		return err
	}
	if reference && count == n { // the first dimension is left out
		return unsupported("the transform %s of as many dimensions as classes", t)
	}
	if reference {
		v, _, err := w.sums(m, p, t)
		if err != nil {
			return err
		}
		w.answer(m, l, "", v)
		return nil
	}
	in, width, err := w.vector(m, onnxpb.TensorProto_DOUBLE)
	if err != nil {
		return err
	}
	a, dims, positive, err := w.ensemble(p, "class", width)
	if err != nil {
		return err
	}
	posts := map[spec.TreeEnsemblePostEvaluationTransform]string{
		spec.TreeEnsemblePostEvaluationTransform_NoTransform: "NONE", spec.TreeEnsemblePostEvaluationTransform_Classification_SoftMax: "SOFTMAX",
		spec.TreeEnsemblePostEvaluationTransform_Regression_Logistic: "LOGISTIC",
	}
	post := posts[t]
	if dims > 2 || dims == 1 && (post == "LOGISTIC" && !positive || post == "NONE" && positive) {
		a["post_transform"] = post
		outs := w.add(ml+"TreeEnsembleClassifier", []string{in}, 2, classLabels(a, l, "classlabels_int64s"))
		w.answer(m, l, outs[0], outs[1])
		return nil
	}
	if dims == 1 && post == "SOFTMAX" {
		return corrupt("a softmax of one dimension is 1 always")
	}
	for _, name := range []string{"treeids", "nodeids", "ids", "weights_as_tensor"} {
		a["target_"+name] = a["class_"+name]
		delete(a, "class_"+name)
	}
	a["n_targets"], a["post_transform"] = dims, "NONE"
	v, _, err := w.transformed(w.one(ml+"TreeEnsembleRegressor", a, in), dims, t)
	if err != nil {
		return err
	}
	if dims == 1 {
		v = w.complement(v)
	}
	w.answer(m, l, "", v)
	return nil
}

// weights joins rows of weights and checks them.
func weights[R interface{ GetValue() []float64 }](rows []R, offset []float64, width int) ([][]float64, error) {
	if len(rows) == 0 || len(rows) != len(offset) {
		return nil, corrupt("%d rows of weights and %d offsets", len(rows), len(offset))
	}
	var out [][]float64
	for i, r := range rows {
		if len(r.GetValue()) != width {
			return nil, corrupt("row %d has %d weights for %d values", i, len(r.GetValue()), width)
		}
		out = append(out, r.GetValue())
	}
	return out, nil
}

// probit is the normal distribution's function of v.
func (w *writer) probit(v string) string {
	e := w.one("Erf", nil, w.one("Mul", nil, v, w.numbers([]float64{math.Sqrt2 / 2}, 1)))
	return w.one("Mul", nil, w.one("Add", nil, e, w.numbers([]float64{1}, 1)), w.numbers([]float64{0.5}, 1))
}

func writeGLMRegressor(w *writer, m *spec.Model) error {
	r := m.GetGlmRegressor()
	in, width, err := w.vector(m, onnxpb.TensorProto_FLOAT)
	if err != nil {
		return err
	}
	rows, err := weights(r.GetWeights(), r.GetOffset(), width)
	if err != nil {
		return err
	}
	v := w.one(ml+"LinearRegressor", attrs{"coefficients": slices.Concat(rows...), "intercepts": r.GetOffset(), "targets": len(rows)}, in)
	switch t := r.GetPostEvaluationTransform(); t {
	case spec.GLMRegressor_NoTransform:
	case spec.GLMRegressor_Logit:
		v = w.one("Sigmoid", nil, v)
	case spec.GLMRegressor_Probit:
		v = w.probit(v)
	default:
		return corrupt("the transform %s is not known", t)
	}
	return w.predicted(m, v, len(rows))
}

func writeGLMClassifier(w *writer, m *spec.Model) error {
	c := m.GetGlmClassifier()
	in, width, err := w.vector(m, onnxpb.TensorProto_FLOAT)
	if err != nil {
		return err
	}
	rows, err := weights(c.GetWeights(), c.GetOffset(), width)
	if err != nil {
		return err
	}
	offsets, n := c.GetOffset(), len(rows)
	reference := c.GetClassEncoding() == spec.GLMClassifier_ReferenceClass
	if reference || n == 1 {
		n++
	}
	l, err := labelsOf(c, n)
	if err != nil {
		return err
	}
	linear := func(rows [][]float64, offsets []float64, post string) []string {
		a := attrs{"coefficients": slices.Concat(rows...), "intercepts": offsets, "post_transform": post, "multi_class": 1}
		return w.add(ml+"LinearClassifier", []string{in}, 2, classLabels(a, l, "classlabels_ints"))
	}
	if c.GetPostEvaluationTransform() == spec.GLMClassifier_Probit {
		if len(rows) != 1 {
			return corrupt("Probit is for two classes only")
		}
		p := w.probit(w.one(ml+"LinearRegressor", attrs{"coefficients": rows[0], "intercepts": offsets, "targets": 1}, in))
		w.answer(m, l, "", w.complement(p))
		return nil
	}
	switch {
	case n == 2:
		row, b := rows[len(rows)-1], offsets[len(rows)-1]
		outs := linear([][]float64{negative(row), row}, []float64{-b, b}, "LOGISTIC")
		w.answer(m, l, outs[0], outs[1])
	case reference:
		outs := linear(append([][]float64{make([]float64, width)}, rows...), append([]float64{0}, offsets...), "SOFTMAX")
		w.answer(m, l, outs[0], outs[1])
	default:
		outs := linear(rows, offsets, "LOGISTIC")
		w.answer(m, l, outs[0], w.one(ml+"Normalizer", attrs{"norm": "L1"}, outs[1]))
	}
	return nil
}
