package convert

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/internal/backend/mlprogram"
	"github.com/smelt-ml/smelt/internal/edit"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// aboutKey is the property of ONNX models that holds what ONNX has no words
// for, so that a Core ML model made of one is what it was.
const aboutKey = "coreml"

// onnxAbout is the value of that property, as JSON.
type onnxAbout struct {
	Images     map[string]string `json:"images,omitempty"` // colours of the inputs and outputs that are pictures
	Classifier *onnxClasses      `json:"classifier,omitempty"`
	Author     string            `json:"author,omitempty"`
	License    string            `json:"license,omitempty"`
	Version    string            `json:"version,omitempty"`
}

type onnxClasses struct {
	Labels        []string `json:"labels,omitempty"`
	Numbers       []int64  `json:"numbers,omitempty"`
	Label         string   `json:"label"`         // name of the output with the label
	Probabilities string   `json:"probabilities"` // of the array, and of the dictionary
}

// aboutModel is what an ONNX model says beside its graph.
type aboutModel struct {
	doc   string
	props map[string]string
}

// aboutCoreML gathers what a Core ML model would say of itself.
func aboutCoreML(p *mlprogram.Program, o Options, face mlmodel.Interface, meta mlmodel.Metadata) (*aboutModel, []string, error) {
	a := onnxAbout{Images: map[string]string{}, Author: meta.Author, License: meta.License, Version: meta.Version}
	var notes []string
	for name, image := range o.ImageInputs {
		if image.Scale != 0 && image.Scale != 1 || slices.ContainsFunc(image.Bias, func(b float32) bool { return b != 0 }) {
			return nil, nil, fault.New(fault.BadValue, fmt.Sprintf("input %q", name), "an ONNX model takes arrays: scale and bias are for pictures")
		}
	}
	for _, f := range face.Inputs {
		if f.Kind == mlmodel.Image && f.Image != nil {
			a.Images[f.Name] = f.Image.ColorSpace
			notes = append(notes, fmt.Sprintf("picture %q is an array [1, %d, height, width] of values from 0 to 255 (%s)",
				f.Name, orderOf(f.Image.ColorSpace).Channels(), f.Image.ColorSpace))
		}
	}
	for _, f := range face.Outputs {
		if f.Kind == mlmodel.Image && f.Image != nil {
			a.Images[f.Name] = f.Image.ColorSpace
			notes = append(notes, fmt.Sprintf("picture %q is an array of values from 0 to 255 (%s)", f.Name, f.Image.ColorSpace))
		}
	}
	if c := p.Classifier; c != nil {
		a.Classifier = &onnxClasses{Labels: c.Strings, Numbers: c.Ints, Label: c.LabelName, Probabilities: c.ProbabilitiesName}
		notes = append(notes, fmt.Sprintf("output %q is the array of probabilities; the labels are in the metadata", c.ProbabilitiesName))
	}
	about := &aboutModel{doc: meta.ShortDescription, props: maps.Clone(meta.UserDefined)}
	if about.props == nil {
		about.props = map[string]string{}
	}
	delete(about.props, aboutKey)
	b, err := json.Marshal(a)
	if err != nil {
		return nil, nil, err
	}
	if string(b) != "{}" {
		about.props[aboutKey] = string(b)
	}
	return about, notes, nil
}

// restore takes back what an ONNX model says of the Core ML model that it was
// made of, as far as it still is true.
func (s *source) restore() {
	text, ok := s.meta.UserDefined[aboutKey]
	if !ok {
		return
	}
	delete(s.meta.UserDefined, aboutKey)
	var a onnxAbout
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		s.notes = append(s.notes, fmt.Sprintf("the property %q is not what was written: %v", aboutKey, err))
		return
	}
	s.meta.Author, s.meta.License, s.meta.Version = a.Author, a.License, a.Version
	f := s.program.Funcs[0]
	s.images = map[string]edit.Image{}
	s.imageOutputs = map[string]edit.Color{}
	for name, text := range a.Images {
		n, ok := spec.ImageFeatureType_ColorSpace_value[text]
		if !ok {
			continue
		}
		color, channels := edit.Color(n), orderOf(text).Channels()
		picture := func(v *mil.Value) bool {
			t := v.Type
			return v.Name == name && t.Kind == mil.Tensor && t.DType.IsFloat() && len(t.Shape) == 4 && t.Shape[0] == 1 && t.Shape[1] == channels
		}
		if slices.ContainsFunc(f.Inputs, picture) {
			s.images[name] = edit.Image{Color: color}
		}
		if slices.ContainsFunc(f.Body.Outputs, picture) {
			s.imageOutputs[name] = color
		}
	}
	if c := a.Classifier; c != nil {
		n := max(len(c.Labels), len(c.Numbers))
		i := slices.IndexFunc(f.Body.Outputs, func(v *mil.Value) bool {
			return v.Name == c.Probabilities && v.Type.IsStatic() && v.Type.DType.IsFloat() && tensor.Size(v.Type.Shape) == n
		})
		if i >= 0 && n > 0 && (len(c.Labels) == 0 || len(c.Numbers) == 0) {
			s.program.Classifier = &mlprogram.Classifier{Strings: c.Labels, Ints: c.Numbers, Probabilities: i, LabelName: c.Label, ProbabilitiesName: c.Probabilities}
			s.labeled, s.classes = c.Probabilities, s.program.Classifier
			if v := f.Body.Outputs[i]; v.Type.DType != tensor.Float32 {
				f.Body.Outputs[i] = cast(f, v, tensor.Float32)
			}
		}
	}
}

// adopt gives the options what the source says itself where the user does not.
func (s *source) adopt(o Options) Options {
	if len(s.images) > 0 {
		images := maps.Clone(s.images)
		maps.Copy(images, o.ImageInputs)
		o.ImageInputs = images
	}
	if len(s.imageOutputs) > 0 {
		images := maps.Clone(s.imageOutputs)
		maps.Copy(images, o.ImageOutputs)
		o.ImageOutputs = images
	}
	return o
}
