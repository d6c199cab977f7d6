package onnxml

import (
	"fmt"

	"github.com/smelt-ml/smelt/internal/frontend/onnx/classical"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// pipeline collects models in the order in which they run.
type pipeline struct {
	stages []*stage
	made   map[string]*feature // by the key of the row
	names  map[string]bool
}

// stage is one model. It is made when all features have their names.
type stage struct {
	in, out []*feature
	build   func() *spec.Model_builder
	// predicted is what a regressor or classifier gives, probabilities a
	// classifier's dictionary, which may be nil.
	predicted, probabilities *feature
	classifies               bool
	whole                    *spec.Model // a model with a description of its own
}

func (p *pipeline) add(s *stage) *stage {
	p.stages = append(p.stages, s)
	return s
}

// fresh makes a feature with a name of its own.
func (p *pipeline) fresh(base string, k kind, size int) *feature {
	name := base
	for i := 2; p.names[name]; i++ {
		name = fmt.Sprintf("%s_%d", base, i)
	}
	p.names[name] = true
	return &feature{name: name, kind: k, size: size, dtype: tensor.Float64}
}

// transform adds a model from one feature to one feature.
func (p *pipeline) transform(in []*feature, out *feature, build func() *spec.Model_builder) *feature {
	p.add(&stage{in: in, out: []*feature{out}, build: build})
	return out
}

func (p *pipeline) scaler(f *feature, shift, scale []float64) *feature {
	return p.transform([]*feature{f}, p.fresh("scaled", array, f.size), func() *spec.Model_builder {
		return &spec.Model_builder{Scaler: spec.Scaler_builder{ShiftValue: shift, ScaleValue: scale}.Build()}
	})
}

func (p *pipeline) extract(f *feature, at []uint64) *feature {
	return p.transform([]*feature{f}, p.fresh("part", array, len(at)), func() *spec.Model_builder {
		return extractor(at)
	})
}

// element takes one element of an array as an integer.
func (p *pipeline) element(f *feature, at int) *feature {
	return p.transform([]*feature{f}, p.fresh("element", integer, 0), func() *spec.Model_builder {
		return extractor([]uint64{uint64(at)})
	})
}

func extractor(at []uint64) *spec.Model_builder {
	return &spec.Model_builder{ArrayFeatureExtractor: spec.ArrayFeatureExtractor_builder{ExtractIndex: at}.Build()}
}

func (p *pipeline) vectorize(parts []*feature) *feature {
	size := 0
	for _, f := range parts {
		size += f.width()
	}
	return p.transform(parts, p.fresh("vector", array, size), func() *spec.Model_builder {
		var list []*spec.FeatureVectorizer_InputColumn
		for _, f := range parts {
			list = append(list, spec.FeatureVectorizer_InputColumn_builder{InputColumn: f.name, InputDimensions: uint64(f.width())}.Build())
		}
		return &spec.Model_builder{FeatureVectorizer: spec.FeatureVectorizer_builder{InputList: list}.Build()}
	})
}

// width is the number of values that a feature is in a row.
func (f *feature) width() int {
	if f.kind == array {
		return f.size
	}
	return 1
}

// copied gives a feature another name.
func (p *pipeline) copied(f *feature) *feature {
	out := *f
	g := p.fresh("copy", f.kind, f.size)
	out.name = g.name
	return p.transform([]*feature{f}, &out, func() *spec.Model_builder {
		return &spec.Model_builder{Identity: spec.Identity_builder{}.Build()}
	})
}

// regress adds a regressor with n values: one is a number.
func (p *pipeline) regress(in *feature, n int, build func() *spec.Model_builder) *feature {
	k := array
	if n == 1 {
		k = number
	}
	out := p.fresh("value", k, n)
	p.add(&stage{in: []*feature{in}, out: []*feature{out}, build: build, predicted: out})
	return out
}

// linear is Wx + b.
func (p *pipeline) linear(in *feature, rows [][]float64, offsets []float64) *feature {
	return p.glm(in, rows, offsets, spec.GLMRegressor_NoTransform)
}

func (p *pipeline) glm(in *feature, rows [][]float64, offsets []float64, t spec.GLMRegressor_PostEvaluationTransform) *feature {
	return p.regress(in, len(rows), func() *spec.Model_builder {
		b := spec.GLMRegressor_builder{Offset: offsets, PostEvaluationTransform: t}
		for _, r := range rows {
			b.Weights = append(b.Weights, spec.GLMRegressor_DoubleArray_builder{Value: r}.Build())
		}
		return &spec.Model_builder{GlmRegressor: b.Build()}
	})
}

func (p *pipeline) trees(in *feature, params *spec.TreeEnsembleParameters, t spec.TreeEnsemblePostEvaluationTransform) *feature {
	return p.regress(in, int(params.GetNumPredictionDimensions()), func() *spec.Model_builder {
		return &spec.Model_builder{TreeEnsembleRegressor: spec.TreeEnsembleRegressor_builder{TreeEnsemble: params, PostEvaluationTransform: t}.Build()}
	})
}

// classify adds a classifier.
func (p *pipeline) classify(in *feature, l classical.Labels, probabilities bool, build func() *spec.Model_builder) *stage {
	s := &stage{in: []*feature{in}, build: build, classifies: true}
	s.predicted = p.fresh("label", integer, 0)
	if l.Texts != nil {
		s.predicted.kind = text
	}
	s.out = []*feature{s.predicted}
	if probabilities {
		s.probabilities = p.fresh("probabilities", dictionary, 0)
		s.probabilities.texts = l.Texts != nil
		s.out = append(s.out, s.probabilities)
	}
	return p.add(s)
}

// identity is a network that gives an array as the probabilities of labels, and
// the label of the largest one: the only model that makes a dictionary of an array.
func (p *pipeline) identity(in *feature, l classical.Labels, probabilities bool) *stage {
	var s *stage
	s = p.classify(in, l, probabilities, func() *spec.Model_builder {
		name := "probabilities"
		if s.probabilities != nil {
			name = s.probabilities.name
		}
		layer := spec.NeuralNetworkLayer_builder{
			Name: "as_they_are", Input: []string{in.name}, Output: []string{name},
			Activation: spec.ActivationParams_builder{Linear: spec.ActivationLinear_builder{Alpha: 1}.Build()}.Build(),
		}.Build()
		b := spec.NeuralNetworkClassifier_builder{Layers: []*spec.NeuralNetworkLayer{layer}, LabelProbabilityLayerName: name}
		b.StringClassLabels, b.Int64ClassLabels = labelVectors(l)
		return &spec.Model_builder{NeuralNetworkClassifier: b.Build()}
	})
	return s
}

// labelVectors are labels as the specification has them; one of both is nil.
func labelVectors(l classical.Labels) (*spec.StringVector, *spec.Int64Vector) {
	if l.Texts != nil {
		return spec.StringVector_builder{Vector: l.Texts}.Build(), nil
	}
	return nil, spec.Int64Vector_builder{Vector: l.Ints}.Build()
}

// describe is the feature in a description.
func (f *feature) describe() *spec.FeatureDescription {
	var t spec.FeatureType_builder
	switch f.kind {
	case number:
		t.DoubleType = spec.DoubleFeatureType_builder{}.Build()
	case integer:
		t.Int64Type = spec.Int64FeatureType_builder{}.Build()
	case text:
		t.StringType = spec.StringFeatureType_builder{}.Build()
	case array:
		d := spec.ArrayFeatureType_DOUBLE
		switch f.dtype {
		case tensor.Float32:
			d = spec.ArrayFeatureType_FLOAT32
		case tensor.Int32:
			d = spec.ArrayFeatureType_INT32
		}
		t.MultiArrayType = spec.ArrayFeatureType_builder{Shape: []int64{int64(f.size)}, DataType: d}.Build()
	case dictionary:
		var b spec.DictionaryFeatureType_builder
		if f.texts {
			b.StringKeyType = spec.StringFeatureType_builder{}.Build()
		} else {
			b.Int64KeyType = spec.Int64FeatureType_builder{}.Build()
		}
		t.DictionaryType = b.Build()
	}
	return spec.FeatureDescription_builder{Name: f.name, Type: t.Build()}.Build()
}

func describeAll(list []*feature) []*spec.FeatureDescription {
	var out []*spec.FeatureDescription
	for _, f := range list {
		out = append(out, f.describe())
	}
	return out
}

// model makes a stage's model.
func (s *stage) model() *spec.Model {
	if s.whole != nil {
		return s.whole
	}
	b := s.build()
	b.SpecificationVersion = 1
	d := spec.ModelDescription_builder{Input: describeAll(s.in), Output: describeAll(s.out)}
	if s.predicted != nil {
		d.PredictedFeatureName = s.predicted.name
	}
	if s.probabilities != nil {
		d.PredictedProbabilitiesName = s.probabilities.name
	}
	b.Description = d.Build()
	return b.Build()
}

// model makes the model of all stages: the one that there is, or a pipeline, which
// is a classifier or a regressor if its last model is one whose result it gives.
func (p *pipeline) model(in, out []*feature) *spec.Model {
	if len(p.stages) == 1 && len(p.stages[0].in) == len(in) && len(p.stages[0].out) == len(out) {
		return p.stages[0].model()
	}
	var inner spec.Pipeline_builder
	for _, s := range p.stages {
		inner.Models = append(inner.Models, s.model())
	}
	d := spec.ModelDescription_builder{Input: describeAll(in), Output: describeAll(out)}
	b := &spec.Model_builder{SpecificationVersion: 1}
	var last *stage
	if n := len(p.stages); n > 0 && p.stages[n-1].predicted != nil {
		for _, f := range out {
			if f == p.stages[n-1].predicted {
				last = p.stages[n-1]
			}
		}
	}
	switch {
	case last == nil:
		b.Pipeline = inner.Build()
	case last.classifies:
		d.PredictedFeatureName = last.predicted.name
		for _, f := range out {
			if f.kind == dictionary {
				d.PredictedProbabilitiesName = f.name
			}
		}
		b.PipelineClassifier = spec.PipelineClassifier_builder{Pipeline: inner.Build()}.Build()
	default:
		d.PredictedFeatureName = last.predicted.name
		b.PipelineRegressor = spec.PipelineRegressor_builder{Pipeline: inner.Build()}.Build()
	}
	b.Description = d.Build()
	return b.Build()
}
