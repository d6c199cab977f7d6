package convert

import (
	"context"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/internal/backend/mlprogram"
	"github.com/smelt-ml/smelt/internal/edit"
	"github.com/smelt-ml/smelt/internal/frontend/coreml"
	"github.com/smelt-ml/smelt/internal/predict"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/pass"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// openCoreML reads an ML Program or a neural network.
func openCoreML(path string, o Options) (*source, error) {
	doc, err := mlmodel.Open(path)
	if err != nil {
		return nil, err
	}
	s, err := fromClassical(doc, o)
	if s == nil && err == nil {
		s, err = fromDocument(doc, o)
	}
	if err != nil {
		doc.Close()
		return nil, fault.InFile(err, path)
	}
	s.close = func() { doc.Close() }
	return s, nil
}

func fromDocument(doc *mlmodel.Model, o Options) (*source, error) {
	size, err := doc.Size()
	if err != nil {
		return nil, err
	}
	m := doc.Spec()
	if err := stretch(doc, o.Shapes); err != nil {
		return nil, err
	}
	s := &source{
		kind: doc.Kind(), size: size, meta: doc.Metadata(), close: func() {},
		program: &mlprogram.Program{Description: proto.CloneOf(m.GetDescription())},
		run: func(ctx context.Context, in predict.Features) (predict.Features, error) {
			p, err := predict.Load(doc, predict.Options{Frugal: true, WithoutCustom: true})
			if err != nil {
				return nil, err
			}
			defer p.Close()
			return p.Predict(ctx, in, nil)
		},
	}
	switch m.WhichType() {
	case spec.Model_MlProgram_case:
		return s, s.readProgram(doc)
	case spec.Model_NeuralNetwork_case, spec.Model_NeuralNetworkClassifier_case, spec.Model_NeuralNetworkRegressor_case:
		return s, s.lowerNetwork(doc, o)
	}
	return nil, fault.New(fault.Unsupported, "", "a model of type %s does not become an ML Program: only networks do", doc.Kind())
}

// stretch gives the inputs of a neural network the shapes that are asked for, so
// that it answers at all of them.
func stretch(doc *mlmodel.Model, asked map[string]mlmodel.Shapes) error {
	if doc.Spec().WhichType() == spec.Model_MlProgram_case {
		return nil
	}
	want := map[string]mlmodel.Shapes{}
	for _, d := range doc.Spec().GetDescription().GetInput() {
		if shapes, ok := asked[d.GetName()]; ok && !ranked(d, shapes) {
			want[d.GetName()] = shapes
		}
	}
	return edit.Stretch(doc, want)
}

// ranked tells a shape of another rank than that of the array described, which old
// networks take, too: with a sequence and a batch in front.
func ranked(d *spec.FeatureDescription, asked mlmodel.Shapes) bool {
	return d.GetType().GetMultiArrayType() != nil && !asked.Flexible() && len(asked.Default) != len(mlmodel.ShapesOf(d).Default)
}

// readProgram reads every function, the default one first.
func (s *source) readProgram(doc *mlmodel.Model) error {
	m := doc.Spec()
	first := m.GetDescription().GetDefaultFunctionName()
	var names []string
	for _, f := range m.GetDescription().GetFunctions() {
		if f.GetName() == first {
			names = append([]string{first}, names...)
		} else {
			names = append(names, f.GetName())
		}
	}
	if len(names) == 0 {
		names = []string{"main"}
	}
	for _, name := range names {
		net, err := coreml.ReadProgram(m.GetMlProgram(), name, doc.Blob)
		if err != nil {
			return err
		}
		s.least = max(s.least, net.Func.Opset)
		s.program.Funcs = append(s.program.Funcs, net.Func)
		if net.Classifier != nil {
			if len(names) > 1 {
				return fault.New(fault.Unsupported, "", "a classifier with several functions")
			}
			s.program.Classifier = (*mlprogram.Classifier)(net.Classifier)
		}
	}
	return nil
}

// lowerNetwork lowers a neural network for the shapes that are asked for, or
// declared.
func (s *source) lowerNetwork(doc *mlmodel.Model, o Options) error {
	s.float = tensor.Float16
	m := doc.Spec()
	if err := custom(m, o.Target); err != nil {
		return err
	}
	net, err := s.lowered(doc, o)
	if err != nil {
		return err
	}
	s.program.Funcs = []*mil.Func{net.Func}
	if c := net.Classifier; c != nil {
		s.program.Classifier = (*mlprogram.Classifier)(c)
	}
	// Numbers that the source gives as integers stay such.
	for _, d := range m.GetDescription().GetOutput() {
		if d.GetType().GetMultiArrayType().GetDataType() != spec.ArrayFeatureType_INT32 {
			continue
		}
		for i, v := range net.Func.Body.Outputs {
			if v.Name == d.GetName() && v.Type.DType != tensor.Int32 {
				net.Func.Body.Outputs[i] = cast(net.Func, v, tensor.Int32)
			}
		}
	}
	return nil
}

// custom reports all layers that are code beside the model, unless the file says
// the shapes of what they give.
func custom(m *spec.Model, target mil.Opset) error {
	e := &mlprogram.UnsupportedError{Opset: max(target, mil.IOS15)}
	for l := range mlmodel.Layers(m) {
		if !coreml.Shapeless(m, l.NeuralNetworkLayer) {
			continue
		}
		reason := fmt.Sprintf("the code of class %q is not in the model, nor does it say the shape of what that gives", l.GetCustom().GetClassName())
		i := slices.IndexFunc(e.Problems, func(p mlprogram.Problem) bool { return p.Reason == reason })
		if i < 0 {
			i = len(e.Problems)
			e.Problems = append(e.Problems, mlprogram.Problem{
				Op: l.Kind, Where: l.Path, Reason: reason, WayOut: "the layer's outputTensor in the source says its shape",
			})
		}
		e.Problems[i].Count++
		e.Problems[i].Names = append(e.Problems[i].Names, l.Path)
	}
	if len(e.Problems) == 0 {
		return nil
	}
	return e
}

// lowered lowers a neural network for the shapes that its inputs may have: for
// one, or for several at once if one program says what it is at all of them.
func (s *source) lowered(doc *mlmodel.Model, o Options) (*coreml.Network, error) {
	var inputs []mlmodel.Feature
	asked := false // for several shapes
	for _, d := range s.program.Description.GetInput() {
		inputs = append(inputs, mlmodel.DescribeFeature(d))
		asked = asked || o.Shapes[d.GetName()].Default != nil && o.Shapes[d.GetName()].Flexible()
	}
	lower := func(at edit.Shapes) (*coreml.Network, error) {
		var all []coreml.Input
		for _, d := range s.program.Description.GetInput() {
			shape := at[d.GetName()]
			if given, ok := o.Shapes[d.GetName()]; ok && ranked(d, given) {
				shape = given.Default
			}
			in, err := coreml.InputOf(d, shape)
			if err != nil {
				return nil, fault.New(fault.BadShape, fmt.Sprintf("input %q", d.GetName()), "%w", err)
			}
			all = append(all, in)
		}
		return coreml.LowerCodes(doc.Spec(), all, doc.Weights)
	}
	points := edit.Points(inputs)
	if len(points) > 1 {
		net, err := s.lowerFlexible(points, lower)
		if err == nil || asked {
			return net, err
		}
		for _, d := range s.program.Description.GetInput() {
			if shapes := mlmodel.ShapesOf(d); shapes.Flexible() {
				mlmodel.SetShapes(d, mlmodel.Shapes{Default: shapes.Default})
				s.notes = append(s.notes, fmt.Sprintf("input %q had flexible shapes and has %s now: %v", d.GetName(), tensor.FormatShape(shapes.Default), err))
			}
		}
	}
	return lower(points[0].At)
}

// lowerFlexible lowers a network for many shapes and makes one program of all.
func (s *source) lowerFlexible(points []edit.Point, lower func(edit.Shapes) (*coreml.Network, error)) (*coreml.Network, error) {
	var first *coreml.Network
	var all []*mil.Func
	for _, p := range append(points, edit.Steps(points)...) {
		net, err := lower(p.At)
		if err != nil {
			return nil, err
		}
		if first == nil {
			first = net
		}
		pass.Simplify(net.Func)
		all = append(all, net.Func)
	}
	var err error
	if first.Func, err = unify(all); err != nil {
		return nil, fmt.Errorf("one program for all its shapes: %w", err)
	}
	s.flexible = true
	for _, d := range s.program.Description.GetOutput() {
		i := slices.IndexFunc(first.Func.Body.Outputs, func(v *mil.Value) bool { return v.Name == d.GetName() })
		if i < 0 || first.Func.Body.Outputs[i].Type.IsStatic() || mlmodel.ShapesOf(d).Flexible() {
			continue
		}
		// What is described is one shape of several.
		if a := d.GetType().GetMultiArrayType(); a != nil {
			a.SetShape(nil)
		}
	}
	return first, nil
}
