package convert

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/internal/backend/mlprogram"
	write "github.com/smelt-ml/smelt/internal/backend/onnx"
	read "github.com/smelt-ml/smelt/internal/frontend/onnx"
	"github.com/smelt-ml/smelt/internal/media"
	"github.com/smelt-ml/smelt/internal/predict"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/tensor"
)

// writeONNX makes an ONNX model of the default function.
func writeONNX(_ context.Context, s *source, out string, o Options, r *Report) (_ *result, err error) {
	if o.Target != 0 {
		return nil, fault.New(fault.BadValue, "", "a target is for Core ML: ONNX models have no opset of ML Programs")
	}
	p := s.program
	f := p.Funcs[0]
	for _, other := range p.Funcs[1:] {
		r.Notes = append(r.Notes, fmt.Sprintf("an ONNX model has one function: %s is left out", other.Name))
	}
	if o.Labels != nil {
		if err := s.label(o.Labels); err != nil {
			return nil, err
		}
	}
	face := described(p, o)
	random := randomOp(f)
	about, notes, err := aboutCoreML(p, o, face, merged(s.meta, o.Metadata))
	if err != nil {
		return nil, err
	}
	r.Notes = append(r.Notes, notes...)
	if c := p.Classifier; c != nil && f.Body.Outputs[c.Probabilities].Name != c.ProbabilitiesName {
		identity(f, c.Probabilities, c.ProbabilitiesName)
	}
	r.Precision = tensor.Float32.String()
	if o.Float == tensor.Float16 {
		r.Precision = o.Float.String()
		keep, check := keeper(o.Keep)
		mlprogram.Compute(f, o.Float, keep)
		if err := check(); err != nil {
			return nil, err
		}
	} else if len(o.Keep) > 0 {
		return nil, fault.New(fault.BadValue, "", "keep %s in float32: everything is, unless the precision is float16", strings.Join(o.Keep, ", "))
	}
	docs := map[string]string{}
	for _, feature := range append(slices.Clone(face.Inputs), face.Outputs...) {
		docs[feature.Name] = feature.Description
	}
	model, err := write.Make(f, write.Options{
		Float: o.Float, Types: s.types, Dims: s.dims, Docs: docs, Doc: about.doc, Metadata: about.props, External: o.ExternalData,
	})
	if err != nil {
		return nil, err
	}
	for _, v := range f.Inputs {
		if v.Type.Kind == mil.State {
			r.Notes = append(r.Notes, fmt.Sprintf("state %q is an input, and its new value the output %q", v.Name, v.Name+write.StateSuffix))
		}
	}
	r.Ops, r.System = model.Ops(), fmt.Sprintf("opset %d", model.Opset())
	file, err := model.Create(out)
	if err != nil {
		return nil, err
	}
	result := &result{
		face: face, random: random, save: file.Commit,
		close: func() { _ = file.Discard() }, // what was written is of no use any more
	}
	result.run = func(ctx context.Context, in predict.Features) (predict.Features, error) {
		return answer(ctx, file.Path(), face, p.Classifier, in)
	}
	return result, nil
}

// label makes a classifier of a program, by the only output with as many
// elements as there are labels, or replaces the labels of one.
func (s *source) label(labels []string) error {
	p := s.program
	if c := p.Classifier; c != nil {
		if n := max(len(c.Strings), len(c.Ints)); n != len(labels) {
			return fault.New(fault.BadValue, "", "%d labels, the model has %d", len(labels), n)
		}
		c.Strings, c.Ints = labels, nil
		s.classes = c
		return nil
	}
	var fit []int
	for i, v := range p.Funcs[0].Body.Outputs {
		if v.Type.IsStatic() && v.Type.DType.IsFloat() && tensor.Size(v.Type.Shape) == len(labels) {
			fit = append(fit, i)
		}
	}
	if len(fit) != 1 {
		return fault.New(fault.BadValue, "", "%d labels: %d outputs have so many elements, want one", len(labels), len(fit))
	}
	s.labeled = p.Funcs[0].Body.Outputs[fit[0]].Name
	p.Classifier = &mlprogram.Classifier{Strings: labels, Probabilities: fit[0], LabelName: "classLabel", ProbabilitiesName: s.labeled}
	s.classes = p.Classifier
	return nil
}

// identity lets an output be a value of its own with a name of its own.
func identity(f *mil.Func, i int, name string) {
	v := f.Body.Outputs[i]
	out := &mil.Value{Name: name, Type: v.Type}
	out.Node = &mil.Node{
		Op: op.Identity.Name, Name: name, Outputs: []*mil.Value{out},
		Inputs: []mil.Input{{Name: "x", Values: []*mil.Value{v}}},
	}
	f.Body.Nodes = append(f.Body.Nodes, out.Node)
	f.Body.Outputs[i] = out
}

// randomOp is an operator of a function that draws numbers, "" for none.
func randomOp(f *mil.Func) (name string) {
	f.Body.Walk(func(n *mil.Node) {
		if strings.HasPrefix(n.Op, "random_") {
			name = n.Op
		}
	})
	return name
}

// described is what the ONNX model takes: arrays, of which the source's
// description knows more, and pictures, which the check makes arrays of.
func described(p *mlprogram.Program, o Options) mlmodel.Interface {
	var face mlmodel.Interface
	if p.Description != nil {
		face = mlmodel.Describe(p.Description)[0]
	}
	find := func(fs []mlmodel.Feature, name string) mlmodel.Feature {
		if i := slices.IndexFunc(fs, func(f mlmodel.Feature) bool { return f.Name == name }); i >= 0 {
			return fs[i]
		}
		return mlmodel.Feature{Name: name}
	}
	known := face.Inputs
	face.Inputs = nil
	for _, v := range p.Funcs[0].Inputs {
		if v.Type.Kind != mil.Tensor {
			continue
		}
		f := find(known, v.Name)
		if f.Kind != mlmodel.Image && f.Array == nil {
			f.Kind, f.Array = mlmodel.MultiArray, &mlmodel.ArrayType{DType: v.Type.DType, Shape: defaultShape(v.Type, o.Shapes[v.Name])}
		}
		if image, ok := o.ImageInputs[v.Name]; ok && len(v.Type.Shape) == 4 {
			s := defaultShape(v.Type, o.Shapes[v.Name])
			f.Kind, f.Array = mlmodel.Image, nil
			f.Image = &mlmodel.ImageType{ImageSize: mlmodel.ImageSize{Width: s[3], Height: s[2]}, ColorSpace: image.Color.String()}
		}
		face.Inputs = append(face.Inputs, f)
	}
	known = face.Outputs
	face.Outputs = nil
	for i, v := range p.Funcs[0].Body.Outputs {
		name := v.Name
		if c := p.Classifier; c != nil && i == c.Probabilities {
			name = c.ProbabilitiesName
		}
		f := find(known, name)
		if color, ok := o.ImageOutputs[name]; ok {
			f.Kind, f.Image = mlmodel.Image, &mlmodel.ImageType{ColorSpace: color.String()}
		}
		face.Outputs = append(face.Outputs, f)
	}
	if c := p.Classifier; c != nil {
		face.PredictedFeature, face.PredictedProbabilities = c.LabelName, c.ProbabilitiesName
	}
	return face
}

// defaultShape is a shape with sizes for unknown dimensions.
func defaultShape(t mil.Type, given mlmodel.Shapes) []int64 {
	out := make([]int64, len(t.Shape))
	for i, d := range t.Shape {
		out[i] = int64(d)
		if d < 0 {
			if out[i] = 1; i < len(given.Default) {
				out[i] = int64(given.Default[i])
			}
		}
	}
	return out
}

func orderOf(color string) media.Order {
	switch color {
	case "BGR":
		return media.BGR
	case "GRAYSCALE", "GRAYSCALE_FLOAT16":
		return media.Gray
	}
	return media.RGB
}

// answer runs an ONNX file as the Core ML model it was made of would answer:
// with pictures, labels and probabilities. States that are not given are zeros.
func answer(ctx context.Context, path string, face mlmodel.Interface, c *mlprogram.Classifier, in predict.Features) (predict.Features, error) {
	m, err := read.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = m.Close() }() // it was only read
	given, err := arrays(face, in)
	if err != nil {
		return nil, err
	}
	ports, err := m.Inputs()
	if err != nil {
		return nil, err
	}
	shapes := map[string][]int{}
	for _, p := range ports {
		if given[p.Name] == nil {
			shape := make([]int, len(p.Dims))
			for i, d := range p.Dims {
				shape[i] = max(d.Size, 0)
			}
			if _, err := tensor.CheckShape(shape); err != nil {
				return nil, err
			}
			given[p.Name] = tensor.Zeros(tensor.Float32, shape)
		}
		t, ok := given[p.Name].(*tensor.Tensor)
		switch {
		case !ok:
		case len(p.Dims) == 0 && t.Len() == 1:
			given[p.Name] = t.Reshape(nil)
		case len(p.Dims) == t.Rank():
			shapes[p.Name] = t.Shape()
		}
	}
	program, err := m.Program(read.Options{Shapes: shapes})
	if err != nil {
		return nil, err
	}
	out, err := answering(program.Func, true)(ctx, given)
	if err != nil {
		return nil, err
	}
	return dressed(out, face, c)
}

// arrays are features as an ONNX model takes them.
func arrays(face mlmodel.Interface, in predict.Features) (predict.Features, error) {
	given := maps.Clone(in)
	for _, f := range face.Inputs {
		switch v := given[f.Name].(type) {
		case *media.Image:
			if f.Image == nil {
				return nil, fmt.Errorf("input %q: a picture for an array", f.Name)
			}
			order := orderOf(f.Image.ColorSpace)
			data := make([]float32, order.Channels()*v.W*v.H)
			if err := media.ToPlanar(v, order, data); err != nil {
				return nil, err
			}
			given[f.Name] = tensor.Floats([]int{1, order.Channels(), v.H, v.W}, data)
		case float64:
			given[f.Name] = tensor.Floats([]int{1}, []float32{float32(v)})
		case int64:
			given[f.Name] = tensor.Floats([]int{1}, []float32{float32(v)})
		}
	}
	return given, nil
}

// dressed are an ONNX model's arrays as the features that they stand for.
func dressed(out predict.Features, face mlmodel.Interface, c *mlprogram.Classifier) (predict.Features, error) {
	for name, v := range out { // arrays of features have at least one dimension
		if t, ok := v.(*tensor.Tensor); ok && t.Rank() == 0 {
			out[name] = t.Reshape([]int{1})
		}
	}
	for _, f := range face.Outputs {
		t, ok := out[f.Name].(*tensor.Tensor)
		if !ok || f.Kind != mlmodel.Image || f.Image == nil {
			continue
		}
		m, err := painted(t, f.Image.ColorSpace)
		if err != nil {
			return nil, fmt.Errorf("output %q: %w", f.Name, err)
		}
		out[f.Name] = m
	}
	if c != nil {
		return labelled(out, c)
	}
	return out, nil
}

// labelled adds the most probable label, and makes a dictionary of the
// probabilities.
func labelled(out predict.Features, c *mlprogram.Classifier) (predict.Features, error) {
	t, ok := out[c.ProbabilitiesName].(*tensor.Tensor)
	if !ok || t.Len() != max(len(c.Strings), len(c.Ints)) {
		return nil, fmt.Errorf("%d labels for the probabilities %v", max(len(c.Strings), len(c.Ints)), t)
	}
	p := t.Float64s()
	best := 0
	for i, v := range p {
		if v > p[best] {
			best = i
		}
	}
	all, _ := byLabel(t, c)
	out[c.ProbabilitiesName] = all
	if c.Strings != nil {
		out[c.LabelName] = c.Strings[best]
	} else {
		out[c.LabelName] = c.Ints[best]
	}
	return out, nil
}
