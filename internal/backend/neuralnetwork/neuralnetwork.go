// Package neuralnetwork writes programs as Core ML's NeuralNetwork models: it
// is the inverse of the lowering in internal/frontend/coreml. One table says
// which layers stand for an operator; what has no layer is said in operators
// that have one. A network that old systems can express, pictures through
// convolutions for the most part, is written in their form, where every blob is
// [sequence, batch, channels, height, width]; any other in the newer one, where
// blobs have the shapes of the program. Networks know floats only: integers and
// truth values are floats there. The package knows the document and the program;
// it runs nothing, and where a program comes from is not its business.
package neuralnetwork

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/internal/backend/mlprogram"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/pass"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// Options chooses how a program is written.
type Options struct {
	// Float is the type that weights, but no vectors, are stored in: Float32 or
	// Float16; Invalid is Float32, but those of float16 programs stay as they are.
	// What is computed is the same.
	Float tensor.DType

	// Partial makes custom layers of operations that no layer says.
	Partial bool
	// Pictures are array inputs [1, C, H, W] that become pictures.
	Pictures map[string]Picture
	Shapes   map[string]mlmodel.Shapes // of inputs with unknown dimensions
}

// Picture says what the program sees of a picture: pixel·Scale + Bias[channel],
// for pixels from 0 to 255, channels in the order of Color.
type Picture struct {
	Color spec.ImageFeatureType_ColorSpace
	Scale float32   // 0 is 1
	Bias  []float32 // one for all channels or one for each; nil is 0
}

// UnsupportedError lists everything that keeps a program from being written.
type UnsupportedError struct{ Problems []mlprogram.Problem }

// Error puts all problems on one line.
func (e *UnsupportedError) Error() string {
	parts := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		parts[i] = fmt.Sprintf("%d × %s (first %q): %s", p.Count, p.Op, p.Where, p.Reason)
	}
	return "cannot be written as a NeuralNetwork: " + strings.Join(parts, "; ")
}

// Unwrap makes it an error of the project's kind.
func (e *UnsupportedError) Unwrap() error { return &fault.Error{Kind: fault.Unsupported} }

// Write makes a model of a program, which it leaves as it is, and notes where
// that differs. What keeps it from being written is an *UnsupportedError that
// lists everything.
func Write(p *mlprogram.Program, o Options) (m *mlmodel.Model, notes []string, err error) {
	if len(p.Funcs) == 0 {
		return nil, nil, fault.New(fault.BadValue, "", "there is no function")
	}
	if len(p.Funcs) > 1 {
		return nil, nil, fault.New(fault.Unsupported, "", "a NeuralNetwork has one function, the program has %d: "+wayOut+" keeps them", len(p.Funcs))
	}
	q := &mlprogram.Program{Funcs: []*mil.Func{p.Funcs[0].Clone()}, Classifier: p.Classifier, Description: pictured(p.Description, o.Pictures)}
	f := q.Funcs[0]
	if q.Classifier != nil {
		if err := q.Classifier.Check(f); err != nil {
			return nil, nil, err
		}
	}
	pass.Sweep(f)
	desc, notes, err := describe(q, o)
	if err != nil {
		return nil, nil, err
	}
	store := o.Float
	if store == tensor.Invalid && !hasHalf(f.Body) {
		store = tensor.Float32
	}
	widen(f.Body, map[*tensor.Tensor]*tensor.Tensor{})
	pre, err := preprocessing(f, desc, o)
	if err != nil {
		return nil, nil, err
	}
	var w *writer
	if oldInterface(desc) {
		w = newWriter(f, true, store)
		if w.function(f); w.err() != nil {
			w = nil
		}
	}
	if w == nil {
		w = newWriter(f, false, store)
		w.partial = o.Partial
		w.function(f)
	}
	if err := w.err(); err != nil {
		return nil, nil, err
	}
	layers, err := w.finish()
	if err != nil {
		return nil, nil, err
	}
	model := spec.Model_builder{Description: desc}
	array, image := spec.NeuralNetworkMultiArrayShapeMapping_EXACT_ARRAY_MAPPING, spec.NeuralNetworkImageShapeMapping_RANK4_IMAGE_MAPPING
	if w.rank5 {
		array, image = spec.NeuralNetworkMultiArrayShapeMapping_RANK5_ARRAY_MAPPING, spec.NeuralNetworkImageShapeMapping_RANK5_IMAGE_MAPPING
	}
	if c := q.Classifier; c != nil {
		nn := spec.NeuralNetworkClassifier_builder{
			Layers: layers, Preprocessing: pre, ArrayInputShapeMapping: array, ImageInputShapeMapping: image,
			LabelProbabilityLayerName: w.blobs[f.Body.Outputs[c.Probabilities]].name,
		}
		if c.Strings != nil {
			nn.StringClassLabels = spec.StringVector_builder{Vector: c.Strings}.Build()
		} else {
			nn.Int64ClassLabels = spec.Int64Vector_builder{Vector: c.Ints}.Build()
		}
		model.NeuralNetworkClassifier = nn.Build()
	} else {
		model.NeuralNetwork = spec.NeuralNetwork_builder{
			Layers: layers, Preprocessing: pre, ArrayInputShapeMapping: array, ImageInputShapeMapping: image,
		}.Build()
	}
	m = mlmodel.New(model.Build())
	m.Spec().SetSpecificationVersion(m.RequiredVersion())
	return m, append(notes, w.noted()...), nil
}

// describe writes what the network takes and gives: floats are float32.
func describe(p *mlprogram.Program, o Options) (*spec.ModelDescription, []string, error) {
	f := p.Funcs[0]
	var notes []string
	single := func(what string, v *mil.Value) {
		if v.Type.Kind == mil.Tensor && v.Type.DType == tensor.Float16 {
			notes = append(notes, fmt.Sprintf("%s %q is float32, not float16", what, v.Name))
			v.Type.DType = tensor.Float32
		}
	}
	for _, v := range f.Inputs {
		if v.Type.Kind == mil.State {
			return nil, nil, &UnsupportedError{[]mlprogram.Problem{{
				Op: "state", Count: 1, Where: v.Name, Names: []string{v.Name}, Reason: "networks have no states", WayOut: wayOut + ", or inputs and outputs in their place",
			}}}
		}
		if v.Type.AnyRank {
			return nil, nil, fault.New(fault.Unsupported, fmt.Sprintf("input %q", v.Name), "its rank is not known: --shape gives it one")
		}
		single("input", v)
	}
	outputs := make([]mil.Type, len(f.Body.Outputs))
	for i, v := range f.Body.Outputs {
		outputs[i] = v.Type
		single("output", v)
		if v.Type.DType == tensor.Bool {
			v.Type.DType = tensor.Int32
		}
	}
	if len(f.Body.Outputs) == 0 {
		return nil, nil, fault.New(fault.BadValue, "", "the program has no outputs")
	}
	desc, err := mlprogram.Describe(p, mlprogram.Options{Shapes: o.Shapes})
	for i, v := range f.Body.Outputs {
		if outputs[i].DType == tensor.Bool {
			v.Type = outputs[i]
		}
	}
	return desc, notes, err
}

// pictured describes inputs as pictures.
func pictured(d *spec.ModelDescription, pictures map[string]Picture) *spec.ModelDescription {
	if len(pictures) == 0 {
		return d
	}
	out := new(spec.ModelDescription)
	if d != nil {
		out = proto.CloneOf(d)
	}
	for _, name := range slices.Sorted(maps.Keys(pictures)) {
		in := out.GetInput()
		i := slices.IndexFunc(in, func(f *spec.FeatureDescription) bool { return f.GetName() == name })
		if i < 0 {
			i = len(in)
			in = append(in, spec.FeatureDescription_builder{Name: name}.Build())
			out.SetInput(in)
		}
		image := spec.ImageFeatureType_builder{ColorSpace: pictures[name].Color}.Build()
		in[i].SetType(spec.FeatureType_builder{ImageType: image, IsOptional: in[i].GetType().GetIsOptional()}.Build())
	}
	return out
}

// oldInterface tells whether the networks of old systems can have these inputs:
// pictures, vectors and [C, H, W].
func oldInterface(d *spec.ModelDescription) bool {
	return !slices.ContainsFunc(d.GetInput(), func(in *spec.FeatureDescription) bool {
		a := in.GetType().GetMultiArrayType()
		if a == nil {
			return in.GetType().GetImageType() == nil
		}
		n := len(a.GetShape())
		return n != 1 && n != 3 || a.WhichShapeFlexibility() != spec.ArrayFeatureType_ShapeFlexibility_not_set_case && n != 3
	})
}

var errNone = errors.New("no layer says this")
