package mlprogram

import (
	"errors"
	"fmt"
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// A custom layer is written in a form of its own: its values are inputs under
// their own names, and attributes say which of them are what.

// outputs checks the types of a custom layer's results, which nobody infers.
func outputs(n *mil.Node) error {
	if len(n.Outputs) == 0 {
		return errors.New("has no outputs")
	}
	for _, v := range n.Outputs {
		if _, ok := dataTypes[v.Type.DType]; v.Type.Kind == mil.Tensor && !ok {
			return fmt.Errorf("the type of output %q is not known", v.Name)
		}
	}
	return nil
}

// Customized makes a custom layer of an operation: its class is the operator, its
// parameters are the arguments that must be known, its weights other constants.
func Customized(n *mil.Node) (*mil.Node, error) {
	def, err := op.For(n.Op, mil.IOS26)
	if err != nil {
		return nil, err
	}
	if len(n.Blocks) > 0 || slices.ContainsFunc(append(n.Values(), n.Outputs...), func(v *mil.Value) bool { return v.Type.Kind != mil.Tensor }) {
		return nil, errors.New("is more than a function of tensors")
	}
	a := op.CustomLayerArgs{ClassName: n.Op, Description: "operator " + n.Op + " of MIL"}
	for _, in := range n.Inputs {
		known := !slices.ContainsFunc(in.Values, func(v *mil.Value) bool { return v.Const == nil })
		for _, v := range in.Values {
			a.Inputs, a.Names = append(a.Inputs, v), append(a.Names, in.Name)
		}
		switch p := param(def, in.Name); {
		case len(in.Values) == 0:
		case !known:
			a.InputOrder = append(a.InputOrder, in.Name)
		case p != nil && p.Const:
			a.Parameters = append(a.Parameters, in.Name)
		default:
			a.Weights = append(a.Weights, in.Name)
		}
	}
	c := op.CustomLayer.Node(n.Name, &a)
	c.Outputs = n.Outputs
	for _, v := range c.Outputs {
		v.Node = c
	}
	return c, a.Check()
}

func (w *blockWriter) customLayer(n *mil.Node) error {
	bound, err := op.CustomLayer.Bind(n, nil)
	if err != nil {
		return err
	}
	a := bound.(*op.CustomLayerArgs)
	name := w.names.op(n.Name)
	o := spec.Operation_builder{
		Type: n.Op, Inputs: map[string]*spec.Argument{},
		Attributes: map[string]*spec.Value{
			"name": str(name), "class_name": str(a.ClassName), "description": str(a.Description),
			"input_order": texts(a.InputOrder), "parameters": texts(a.Parameters), "weights": texts(a.Weights),
		},
	}
	for i := 0; i < len(a.Inputs); {
		end := i + 1
		for end < len(a.Inputs) && a.Names[end] == a.Names[i] {
			end++
		}
		in := mil.Input{Name: a.Names[i], Values: a.Inputs[i:end]}
		if o.Inputs[in.Name], err = w.argument(n, name, in, false); err != nil {
			return err
		}
		i = end
	}
	o.Outputs = w.declare(n.Outputs)
	w.operations = append(w.operations, o.Build())
	return nil
}

// texts writes a list of names; an empty one has a type and no value.
func texts(names []string) *spec.Value {
	v := list(tensor.New(tensor.String, []int{len(names)}, slices.Clone(names)))
	if len(names) == 0 {
		v.ClearImmediateValue()
	}
	return v
}
