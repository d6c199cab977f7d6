package edit

import (
	"fmt"
	"slices"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/internal/backend/mlprogram"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// label makes a classifier of a network, by the only output with as many
// elements as there are labels, or replaces the labels of a classifier.
func (e *editor) label(labels []string) error {
	seen := map[string]bool{}
	for _, l := range labels {
		if seen[l] {
			return fault.New(fault.BadValue, "", "the label %q stands twice", l)
		}
		seen[l] = true
	}
	s := e.doc.Spec()
	var owner *spec.Model
	for _, m := range mlmodel.Models(s) {
		if stagesOf(m) == nil && mlmodel.ClassLabels(m).Len() > 0 {
			owner = m
		}
	}
	if owner == nil {
		return e.classify(s, labels)
	}
	old := mlmodel.ClassLabels(owner)
	if old.Len() != len(labels) {
		return fault.New(fault.BadValue, "", "%d labels, the model has %d", len(labels), old.Len())
	}
	if slices.Equal(old.Strings, labels) {
		return nil
	}
	if err := relabel(owner, labels); err != nil {
		return err
	}
	if old.Ints != nil {
		for _, m := range mlmodel.Models(s) {
			textLabels(m.GetDescription())
		}
	}
	return nil
}

// relabel replaces the labels of a model that has some.
func relabel(m *spec.Model, labels []string) error {
	v := spec.StringVector_builder{Vector: labels}.Build()
	switch m.WhichType() {
	case spec.Model_NeuralNetworkClassifier_case:
		m.GetNeuralNetworkClassifier().SetStringClassLabels(v)
	case spec.Model_TreeEnsembleClassifier_case:
		m.GetTreeEnsembleClassifier().SetStringClassLabels(v)
	case spec.Model_SupportVectorClassifier_case:
		m.GetSupportVectorClassifier().SetStringClassLabels(v)
	case spec.Model_GlmClassifier_case:
		m.GetGlmClassifier().SetStringClassLabels(v)
	case spec.Model_NonMaximumSuppression_case:
		m.GetNonMaximumSuppression().SetStringClassLabels(v)
	case spec.Model_MlProgram_case:
		for o := range mlmodel.Operations(m) {
			if o.GetType() == "classify" {
				mlprogram.Relabel(o.Operation, &mlprogram.Classifier{Strings: labels})
			}
		}
	default:
		return fault.New(fault.Unsupported, "", "the labels of a %s are part of what it has learnt", kindOf(m))
	}
	return nil
}

// textLabels lets a description that gives integers as labels give strings.
func textLabels(d *spec.ModelDescription) {
	for _, out := range d.GetOutput() {
		switch t := out.GetType(); {
		case out.GetName() == d.GetPredictedFeatureName() && t.HasInt64Type():
			t.SetStringType(new(spec.StringFeatureType))
		case out.GetName() == d.GetPredictedProbabilitiesName() && t.GetDictionaryType().HasInt64KeyType():
			t.GetDictionaryType().SetStringKeyType(new(spec.StringFeatureType))
		}
	}
}

// The outputs of a classifier that is made of another model.
const (
	LabelName         = "classLabel"
	ProbabilitiesName = LabelName + "_probs"
)

// classify makes a classifier of a network.
func (e *editor) classify(m *spec.Model, labels []string) error {
	all := faces(m)
	if m.WhichType() != spec.Model_NeuralNetwork_case && m.WhichType() != spec.Model_MlProgram_case || len(all) != 1 {
		return fault.New(fault.Unsupported, "", "labels for a %s: want a neural network, an ML Program of one function, or a classifier", kindOf(m))
	}
	p := all[0]
	p.side = output
	var fit []*spec.FeatureDescription
	for _, d := range p.face.GetOutput() {
		if !d.GetType().HasMultiArrayType() {
			continue
		}
		p.feature = d
		if shape, err := e.sizeOf(p); err == nil && tensor.Size(shape) == len(labels) && !slices.Contains(shape, -1) {
			fit = append(fit, d)
		}
	}
	if len(fit) != 1 {
		return fault.New(fault.BadValue, "", "%d labels: %d outputs have so many elements, want one", len(labels), len(fit))
	}
	p.feature = fit[0]
	for _, name := range []string{LabelName, ProbabilitiesName} {
		if sides := sidesOf(m, name); len(sides) > 0 {
			return fault.New(fault.BadValue, fmt.Sprintf("%s %q", sides[0], name), "has the name of what a classifier gives: rename it first")
		}
	}
	if p.function != nil {
		if err := functionOf(p.function).classify(p.name(), labels); err != nil {
			return p.fail(fault.Unsupported, "%w", err)
		}
	} else {
		n := m.GetNeuralNetwork()
		c := spec.NeuralNetworkClassifier_builder{
			Layers: n.GetLayers(), Preprocessing: n.GetPreprocessing(), UpdateParams: n.GetUpdateParams(),
			ArrayInputShapeMapping: n.GetArrayInputShapeMapping(), ImageInputShapeMapping: n.GetImageInputShapeMapping(),
			StringClassLabels: spec.StringVector_builder{Vector: labels}.Build(), LabelProbabilityLayerName: p.name(),
		}.Build()
		c.ProtoReflect().SetUnknown(n.ProtoReflect().GetUnknown())
		m.SetNeuralNetworkClassifier(c)
	}
	dict := spec.DictionaryFeatureType_builder{StringKeyType: new(spec.StringFeatureType)}.Build()
	outs := []*spec.FeatureDescription{
		spec.FeatureDescription_builder{Name: LabelName, Type: spec.FeatureType_builder{StringType: new(spec.StringFeatureType)}.Build()}.Build(),
		spec.FeatureDescription_builder{
			Name: ProbabilitiesName, ShortDescription: p.feature.GetShortDescription(), Type: spec.FeatureType_builder{DictionaryType: dict}.Build(),
		}.Build(),
	}
	for _, d := range p.face.GetOutput() {
		if d != p.feature {
			outs = append(outs, d)
		}
	}
	p.face.SetOutput(outs)
	p.face.SetPredictedFeatureName(LabelName)
	p.face.SetPredictedProbabilitiesName(ProbabilitiesName)
	return nil
}

// classify makes labels of an output.
func (f *function) classify(name string, labels []string) error {
	t, err := f.typeOf(output, name)
	if err != nil {
		return err
	}
	probabilities := name
	ops := slices.Clone(f.block.GetOperations())
	if t.DType != tensor.Float32 {
		t.DType = tensor.Float32
		probabilities = f.fresh(name + "_to_fp32")
		ops = append(ops, f.cast(name, probabilities, t)...)
	}
	for _, name := range []string{LabelName, ProbabilitiesName} {
		if f.taken[name] {
			free := f.fresh(name)
			eachName(f.ProtoReflect(), func(n string) string {
				if n == name {
					return free
				}
				return n
			})
		}
	}
	c := &mlprogram.Classifier{Strings: labels, LabelName: LabelName, ProbabilitiesName: ProbabilitiesName}
	f.block.SetOperations(append(ops, mlprogram.ClassifyOperation(f.fresh("classify_0"), probabilities, c)))
	outs := []string{LabelName, ProbabilitiesName}
	for _, o := range f.block.GetOutputs() {
		if o != name {
			outs = append(outs, o)
		}
	}
	f.block.SetOutputs(outs)
	return nil
}
