package mlprogram

import (
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// The functions of this file write single operations, for whoever adds some to
// a program that stands in a file.

// ConstOperation is a constant that stands in the program itself.
func ConstOperation(name string, t *tensor.Tensor) *spec.Operation {
	return constOperation(name, name, mil.TypeOf(t), immediate(t))
}

func constOperation(op, name string, t mil.Type, val *spec.Value) *spec.Operation {
	return spec.Operation_builder{
		Type:       "const",
		Attributes: map[string]*spec.Value{"name": str(op), "val": val},
		Outputs:    []*spec.NamedValueType{spec.NamedValueType_builder{Name: name, Type: typeOf(t)}.Build()},
	}.Build()
}

// Operation is one that takes values by their names and gives one value, of
// the operation's name.
func Operation(op, name string, inputs map[string]string, t mil.Type) *spec.Operation {
	args := map[string]*spec.Argument{}
	for param, value := range inputs {
		args[param] = argument(value)
	}
	return spec.Operation_builder{
		Type: op, Inputs: args,
		Attributes: map[string]*spec.Value{"name": str(name)},
		Outputs:    []*spec.NamedValueType{spec.NamedValueType_builder{Name: name, Type: typeOf(t)}.Build()},
	}.Build()
}

func argument(value string) *spec.Argument {
	b := new(spec.Argument_Binding)
	b.SetName(value)
	return spec.Argument_builder{Arguments: []*spec.Argument_Binding{b}}.Build()
}

// ClassifyOperation makes a label of the value that is named, and a dictionary
// with the probability of each.
func ClassifyOperation(op, probabilities string, c *Classifier) *spec.Operation {
	prob := mil.TensorType(tensor.Float64)
	key := c.key()
	dict := mil.Type{Kind: mil.Dict, Key: &key, Elem: &prob}
	return spec.Operation_builder{
		Type:       "classify",
		Attributes: map[string]*spec.Value{"name": str(op)},
		Inputs:     map[string]*spec.Argument{"classes": c.classes(), "probabilities": argument(probabilities)},
		Outputs: []*spec.NamedValueType{
			spec.NamedValueType_builder{Name: c.LabelName, Type: typeOf(key)}.Build(),
			spec.NamedValueType_builder{Name: c.ProbabilitiesName, Type: typeOf(dict)}.Build(),
		},
	}.Build()
}

// Relabel replaces the labels of a classify operation.
func Relabel(o *spec.Operation, c *Classifier) {
	o.GetInputs()["classes"] = c.classes()
	if outs := o.GetOutputs(); len(outs) == 2 {
		prob, key := mil.TensorType(tensor.Float64), c.key()
		outs[0].SetType(typeOf(key))
		outs[1].SetType(typeOf(mil.Type{Kind: mil.Dict, Key: &key, Elem: &prob}))
	}
}

func (c *Classifier) key() mil.Type {
	if c.Strings == nil {
		return mil.TensorType(tensor.Int64)
	}
	return mil.TensorType(tensor.String)
}

func (c *Classifier) classes() *spec.Argument {
	labels := tensor.New(tensor.String, []int{len(c.Strings)}, c.Strings)
	if c.Strings == nil {
		labels = tensor.New(tensor.Int64, []int{len(c.Ints)}, c.Ints)
	}
	b := new(spec.Argument_Binding)
	b.SetValue(list(labels))
	return spec.Argument_builder{Arguments: []*spec.Argument_Binding{b}}.Build()
}

// TypeOf writes a type as files have it.
func TypeOf(t mil.Type) *spec.ValueType { return typeOf(t) }
