package main

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/internal/engine"
	"github.com/smelt-ml/smelt/internal/predict"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/mlmodel/spec"
)

// operators returns the operators that an ML Program can hold, by name, each
// with its versions, oldest first.
func operators() [][]*op.Op {
	var rows [][]*op.Op
	for _, o := range op.All() {
		switch {
		case o.Internal:
		case len(rows) > 0 && rows[len(rows)-1][0].Name == o.Name:
			rows[len(rows)-1] = append(rows[len(rows)-1], o)
		default:
			rows = append(rows, []*op.Op{o})
		}
	}
	return rows
}

// since names the opsets of an operator's versions by their systems.
func since(versions []*op.Op) string {
	names := make([]string, len(versions))
	for i, o := range versions {
		names[i] = fmt.Sprintf("iOS%d", 15+o.Since-mil.IOS15)
	}
	return strings.Join(names, ", ")
}

// types names the element types of the first argument that has a choice of
// them, or of the first argument where none has.
func types(o *op.Op) string {
	for _, p := range o.Params {
		if set, ok := o.Types[p.Type]; ok {
			names := make([]string, len(set))
			for i, d := range set {
				names[i] = d.String()
			}
			return strings.Join(names, " ")
		}
	}
	return o.Params[0].Type
}

// engineOf says what computes an operator.
func engineOf(o *op.Op) string {
	switch {
	case slices.Contains(engine.Kernels(), o.Name):
		return "kernel"
	case o.HasEval:
		return "reference"
	}
	return "interpreter"
}

// oneof returns the fields of which a message holds one.
func oneof(m protoreflect.Message, name protoreflect.Name) protoreflect.FieldDescriptors {
	return m.Descriptor().Oneofs().ByName(name).Fields()
}

// layerVersion names the first systems that read a layer of a kind.
func layerVersion(kind string) string {
	l := &spec.NeuralNetworkLayer{}
	m := l.ProtoReflect()
	f := oneof(m, "layer").ByName(protoreflect.Name(kind))
	m.Set(f, m.NewField(f))
	nn := &spec.NeuralNetwork{}
	nn.SetLayers([]*spec.NeuralNetworkLayer{l})
	s := &spec.Model{}
	s.SetNeuralNetwork(nn)
	v := mlmodel.New(s).RequiredVersion()
	return fmt.Sprintf("%d: %s", v, mlmodel.SystemOf(v))
}

// modelTypes returns the names of the types of models that are neither a
// neural network nor an ML Program, in the order of the format.
func modelTypes() []string {
	var names []string
	fields := oneof((&spec.Model{}).ProtoReflect(), "Type")
	for i := range fields.Len() {
		if name := string(fields.Get(i).Name()); name != "mlProgram" && !strings.HasPrefix(name, "neuralNetwork") {
			names = append(names, name)
		}
	}
	return names
}

// runs tells whether models of a type can be run. It asks with a model that
// says nothing but its type, and its variant where there are several: what is
// wrong with it is told otherwise than that it is not supported.
func runs(name string) string {
	s := &spec.Model{}
	m := s.ProtoReflect()
	f := oneof(m, "Type").ByName(protoreflect.Name(name))
	m.Set(f, m.NewField(f))
	inner := m.Get(f).Message()
	for i := range inner.Descriptor().Oneofs().Len() {
		variant := inner.Descriptor().Oneofs().Get(i).Fields().Get(0)
		inner.Set(variant, inner.NewField(variant))
	}
	model, err := predict.Load(mlmodel.New(s), predict.Options{})
	if fault.KindOf(err) == fault.Unsupported {
		return "no"
	}
	if err == nil {
		model.Close()
	}
	return "yes"
}
