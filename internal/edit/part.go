package edit

import (
	"fmt"
	"slices"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/mlmodel/spec"
)

// side tells inputs from outputs.
type side uint8

const (
	input side = iota
	output
	state
	training
)

func (s side) String() string { return [...]string{"input", "output", "state", "training input"}[s] }

// face is a list of features by their sides: a model's or a function's.
type face interface {
	GetInput() []*spec.FeatureDescription
	GetOutput() []*spec.FeatureDescription
	GetState() []*spec.FeatureDescription
	SetOutput(v []*spec.FeatureDescription)
	GetPredictedFeatureName() string
	GetPredictedProbabilitiesName() string
	SetPredictedFeatureName(v string)
	SetPredictedProbabilitiesName(v string)
}

func of(f face, s side) []*spec.FeatureDescription {
	switch s {
	case input:
		return f.GetInput()
	case output:
		return f.GetOutput()
	case state:
		return f.GetState()
	case training:
		if d, ok := f.(*spec.ModelDescription); ok {
			return d.GetTrainingInput()
		}
	}
	return nil
}

func find(ds []*spec.FeatureDescription, name string) *spec.FeatureDescription {
	i := slices.IndexFunc(ds, func(d *spec.FeatureDescription) bool { return d.GetName() == name })
	if i < 0 {
		return nil
	}
	return ds[i]
}

// part is where one model, or one function of it, has a feature: what an edit
// of that feature has to change. A pipeline's own description is a part, too.
type part struct {
	model    *spec.Model
	face     face
	function *spec.Function // of an ML Program
	side     side
	feature  *spec.FeatureDescription
}

func (p part) name() string { return p.feature.GetName() }

// fail is an error about the feature.
func (p part) fail(kind fault.Kind, format string, args ...any) error {
	return fault.New(kind, fmt.Sprintf("%s %q", p.side, p.name()), format, args...)
}

// faces are a model's descriptions with the functions that they are of: one,
// or one for each function.
func faces(m *spec.Model) []part {
	d := m.GetDescription()
	functions := m.GetMlProgram().GetFunctions()
	if len(d.GetFunctions()) == 0 {
		return []part{{model: m, face: d, function: functions["main"]}}
	}
	var out []part
	for _, f := range d.GetFunctions() {
		out = append(out, part{model: m, face: f, function: functions[f.GetName()]})
	}
	return out
}

// owners are the parts that a feature of a model has. Features flow through a
// pipeline by name: an input is that of all models up to one that makes another
// value of the name, an output that of the last model that makes it.
func owners(m *spec.Model, s side, name string) []part {
	var out []part
	for _, p := range faces(m) {
		if d := find(of(p.face, s), name); d != nil {
			p.side, p.feature = s, d
			out = append(out, p)
		}
	}
	stages := stagesOf(m).GetModels()
	if s == output {
		for _, stage := range slices.Backward(stages) {
			if made := owners(stage, s, name); len(made) > 0 {
				return append(out, made...)
			}
		}
		return out
	}
	for _, stage := range stages {
		out = append(out, owners(stage, s, name)...)
		if s == input && len(owners(stage, output, name)) > 0 {
			break
		}
	}
	return out
}

func stagesOf(m *spec.Model) *spec.Pipeline {
	switch m.WhichType() {
	case spec.Model_Pipeline_case:
		return m.GetPipeline()
	case spec.Model_PipelineClassifier_case:
		return m.GetPipelineClassifier().GetPipeline()
	case spec.Model_PipelineRegressor_case:
		return m.GetPipelineRegressor().GetPipeline()
	}
	return nil
}

// each edits every part of a feature.
func (e *editor) each(s side, name string, do func(part) error) error {
	for _, p := range owners(e.doc.Spec(), s, name) {
		if err := do(p); err != nil {
			return err
		}
	}
	return nil
}

// sidesOf are the sides on which a model has a feature of that name.
func sidesOf(m *spec.Model, name string) []side {
	var out []side
	for _, s := range []side{input, output, state, training} {
		for _, p := range faces(m) {
			if find(of(p.face, s), name) != nil {
				out = append(out, s)
				break
			}
		}
	}
	if len(m.GetDescription().GetFunctions()) > 0 && find(m.GetDescription().GetTrainingInput(), name) != nil {
		out = append(out, training)
	}
	return out
}

// names are those of the features on some sides, quoted.
func names(m *spec.Model, sides ...side) []string {
	var out []string
	for _, s := range sides {
		for _, p := range faces(m) {
			for _, d := range of(p.face, s) {
				if q := fmt.Sprintf("%q", d.GetName()); !slices.Contains(out, q) {
					out = append(out, q)
				}
			}
		}
	}
	if out == nil {
		return []string{"none"}
	}
	return out
}

// described are the descriptions of a feature of the model itself.
func described(m *spec.Model, name string) []*spec.FeatureDescription {
	var out []*spec.FeatureDescription
	for _, p := range faces(m) {
		for _, s := range []side{input, output, state, training} {
			if d := find(of(p.face, s), name); d != nil {
				out = append(out, d)
			}
		}
	}
	return out
}

// network is what the three kinds of neural networks have in common.
type network interface {
	GetLayers() []*spec.NeuralNetworkLayer
	GetPreprocessing() []*spec.NeuralNetworkPreprocessing
	SetPreprocessing(v []*spec.NeuralNetworkPreprocessing)
	GetArrayInputShapeMapping() spec.NeuralNetworkMultiArrayShapeMapping
	GetImageInputShapeMapping() spec.NeuralNetworkImageShapeMapping
	SetImageInputShapeMapping(v spec.NeuralNetworkImageShapeMapping)
}

// networkOf returns the network that a model is, nil if it is none.
func networkOf(m *spec.Model) network {
	switch m.WhichType() {
	case spec.Model_NeuralNetwork_case:
		return m.GetNeuralNetwork()
	case spec.Model_NeuralNetworkClassifier_case:
		return m.GetNeuralNetworkClassifier()
	case spec.Model_NeuralNetworkRegressor_case:
		return m.GetNeuralNetworkRegressor()
	}
	return nil
}

func kindOf(m *spec.Model) string { return mlmodel.New(m).Kind() }
