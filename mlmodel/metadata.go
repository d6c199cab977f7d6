package mlmodel

import (
	"maps"
	"strconv"

	"github.com/smelt-ml/smelt/mlmodel/spec"
)

// Metadata is what a model says about itself.
type Metadata struct {
	ShortDescription string
	Author           string
	License          string
	Version          string            // of the model, not of the format
	UserDefined      map[string]string // anything, by a name of the maker's choice
}

// Metadata returns the model's metadata.
func (m *Model) Metadata() Metadata {
	d := m.spec.GetDescription().GetMetadata()
	return Metadata{
		ShortDescription: d.GetShortDescription(), Author: d.GetAuthor(), License: d.GetLicense(),
		Version: d.GetVersionString(), UserDefined: maps.Clone(d.GetUserDefined()),
	}
}

// SetMetadata replaces the model's metadata.
func (m *Model) SetMetadata(v Metadata) {
	if m.spec.GetDescription() == nil {
		m.spec.SetDescription(new(spec.ModelDescription))
	}
	d := m.spec.GetDescription().GetMetadata()
	if d == nil {
		d = new(spec.Metadata)
		m.spec.GetDescription().SetMetadata(d)
	}
	d.SetShortDescription(v.ShortDescription)
	d.SetAuthor(v.Author)
	d.SetLicense(v.License)
	d.SetVersionString(v.Version)
	d.SetUserDefined(maps.Clone(v.UserDefined))
}

// Labels are the classes of a classifier: strings or integers.
type Labels struct {
	Strings []string
	Ints    []int64
}

// Len is the number of classes, 0 for what is no classifier.
func (l Labels) Len() int { return len(l.Strings) + len(l.Ints) }

// At returns the label of class i as text.
func (l Labels) At(i int) string {
	if l.Strings != nil {
		return l.Strings[i]
	}
	return strconv.FormatInt(l.Ints[i], 10)
}

// labelled is a model of one of the kinds that hold class labels.
type labelled interface {
	GetStringClassLabels() *spec.StringVector
	GetInt64ClassLabels() *spec.Int64Vector
}

// ClassLabels returns the labels of a classifier. That of a pipeline is the
// last of its models that has labels.
func ClassLabels(s *spec.Model) Labels {
	var found Labels
	for _, m := range Models(s) {
		if l := labelsOf(m); l.Len() > 0 {
			found = l
		}
	}
	return found
}

func labelsOf(m *spec.Model) Labels {
	var l labelled
	switch m.WhichType() {
	case spec.Model_NeuralNetworkClassifier_case:
		l = m.GetNeuralNetworkClassifier()
	case spec.Model_TreeEnsembleClassifier_case:
		l = m.GetTreeEnsembleClassifier()
	case spec.Model_SupportVectorClassifier_case:
		l = m.GetSupportVectorClassifier()
	case spec.Model_GlmClassifier_case:
		l = m.GetGlmClassifier()
	case spec.Model_KNearestNeighborsClassifier_case:
		l = m.GetKNearestNeighborsClassifier()
	case spec.Model_NonMaximumSuppression_case:
		l = m.GetNonMaximumSuppression()
	case spec.Model_TextClassifier_case:
		return Labels{Strings: m.GetTextClassifier().GetStringClassLabels().GetVector()}
	case spec.Model_MlProgram_case:
		return programLabels(m)
	default:
		return Labels{}
	}
	return Labels{Strings: l.GetStringClassLabels().GetVector(), Ints: l.GetInt64ClassLabels().GetVector()}
}

// programLabels reads the classes of the operation classify, those of the
// default function or else of any.
func programLabels(m *spec.Model) Labels {
	var found Labels
	main := m.GetDescription().GetDefaultFunctionName()
	if main == "" {
		main = "main"
	}
	for op := range Operations(m) {
		if op.GetType() != "classify" || found.Len() > 0 && op.Path != main {
			continue
		}
		if args := op.GetInputs()["classes"].GetArguments(); len(args) > 0 {
			found = literalLabels(args[0].GetValue().GetImmediateValue())
		}
	}
	return found
}

// literalLabels reads a list of strings or integers, or a tensor of them.
func literalLabels(v *spec.Value_ImmediateValue) Labels {
	var l Labels
	add := func(t *spec.TensorValue) {
		l.Strings = append(l.Strings, t.GetStrings().GetValues()...)
		l.Ints = append(l.Ints, t.GetLongInts().GetValues()...)
		for _, n := range t.GetInts().GetValues() {
			l.Ints = append(l.Ints, int64(n))
		}
	}
	add(v.GetTensor())
	for _, e := range v.GetList().GetValues() {
		add(e.GetImmediateValue().GetTensor())
	}
	if l.Strings != nil {
		l.Ints = nil
	}
	return l
}
