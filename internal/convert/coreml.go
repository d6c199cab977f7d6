package convert

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/internal/backend/mlprogram"
	"github.com/smelt-ml/smelt/internal/frontend/coreml"
	"github.com/smelt-ml/smelt/internal/predict"
	"github.com/smelt-ml/smelt/mil"
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
	var inputs []coreml.Input
	for _, d := range m.GetDescription().GetInput() {
		in, err := s.input(d, o)
		if err != nil {
			return fault.New(fault.BadShape, fmt.Sprintf("input %q", d.GetName()), "%w", err)
		}
		inputs = append(inputs, in)
	}
	net, err := coreml.LowerCodes(m, inputs, doc.Weights)
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

// input is one input of a network at the shape that it is going to have.
func (s *source) input(d *spec.FeatureDescription, o Options) (coreml.Input, error) {
	declared := mlmodel.ShapesOf(d)
	shape := declared.Default
	if given, ok := o.Shapes[d.GetName()]; ok {
		if given.Flexible() {
			return coreml.Input{}, errors.New("a neural network is converted for one shape: give one")
		}
		shape = given.Default
	} else if declared.Flexible() {
		s.notes = append(s.notes, fmt.Sprintf("input %q had flexible shapes and has %s now", d.GetName(), tensor.FormatShape(shape)))
	}
	return coreml.InputOf(d, shape)
}
