package coreml

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// ReadProgram reads one function of an ML Program. Constants are kept packed,
// as the file has them.
func ReadProgram(p *spec.Program, function string, blobs Blobs) (*Network, error) {
	f := p.GetFunctions()[function]
	if f == nil {
		names := slices.Sorted(maps.Keys(p.GetFunctions()))
		return nil, fault.New(fault.BadValue, "", "there is no function %q, only %q", function, names)
	}
	opset, err := mil.ParseOpset(f.GetOpset())
	if err != nil {
		return nil, fault.New(fault.Unsupported, fmt.Sprintf("function %q", function), "%w", err)
	}
	block := f.GetBlockSpecializations()[f.GetOpset()]
	if block == nil {
		return nil, fault.New(fault.Corrupt, fmt.Sprintf("function %q", function), "no block for opset %s", f.GetOpset())
	}
	r := &programReader{opset: opset, blobs: blobs, constants: map[string]*tensor.Tensor{}}
	names := scope{}
	inputs, err := r.declare(f.GetInputs(), names)
	if err != nil {
		return nil, err
	}
	body, err := r.block(block, names, 0)
	if err != nil {
		return nil, err
	}
	net := &Network{Func: &mil.Func{Name: function, Opset: opset, Inputs: inputs, Body: body}}
	if err := net.takeClassify(); err != nil {
		return nil, err
	}
	return net, nil
}

// scope maps the names visible in a block to their values.
type scope map[string]*mil.Value

type programReader struct {
	opset     mil.Opset
	blobs     Blobs
	constants map[string]*tensor.Tensor // blob constants, by file, offset and shape
}

func (r *programReader) declare(vs []*spec.NamedValueType, names scope) ([]*mil.Value, error) {
	var out []*mil.Value
	for _, v := range vs {
		t, err := readType(v.GetType(), 0)
		if err != nil {
			return nil, fault.New(fault.Corrupt, fmt.Sprintf("value %q", v.GetName()), "%w", err)
		}
		val := &mil.Value{Name: v.GetName(), Type: t}
		names[v.GetName()] = val
		out = append(out, val)
	}
	return out, nil
}

func (r *programReader) block(b *spec.Block, outer scope, depth int) (*mil.Block, error) {
	if depth > maxNesting {
		return nil, fault.New(fault.Limit, "", "blocks are nested more than %d deep", maxNesting)
	}
	names := maps.Clone(outer)
	out := &mil.Block{}
	var err error
	if out.Inputs, err = r.declare(b.GetInputs(), names); err != nil {
		return nil, err
	}
	for _, o := range b.GetOperations() {
		name := operationName(o)
		if err := r.operation(o, name, out, names, depth); err != nil {
			var f *fault.Error
			if errors.As(err, &f) {
				return nil, err
			}
			return nil, fault.New(fault.Corrupt, fmt.Sprintf("%s %q", o.GetType(), name), "%w", err)
		}
	}
	for _, name := range b.GetOutputs() {
		v := names[name]
		if v == nil {
			return nil, fault.New(fault.Corrupt, "", "the block's output %q is made nowhere", name)
		}
		out.Outputs = append(out.Outputs, v)
	}
	return out, nil
}

// operationName returns the attribute name, or the name of the first output.
func operationName(o *spec.Operation) string {
	if s := o.GetAttributes()["name"].GetImmediateValue().GetTensor().GetStrings().GetValues(); len(s) == 1 {
		return s[0]
	}
	if len(o.GetOutputs()) > 0 {
		return o.GetOutputs()[0].GetName()
	}
	return ""
}

func (r *programReader) operation(o *spec.Operation, name string, b *mil.Block, names scope, depth int) error {
	if o.GetType() == "const" {
		if len(o.GetOutputs()) != 1 {
			return fmt.Errorf("want one output, have %d", len(o.GetOutputs()))
		}
		v, err := r.value(o.GetAttributes()["val"], o.GetOutputs()[0].GetName())
		if err != nil {
			return err
		}
		names[v.Name] = v
		return nil
	}
	n := &mil.Node{Op: o.GetType(), Name: name}
	for _, param := range slices.Sorted(maps.Keys(o.GetInputs())) {
		in := mil.Input{Name: param}
		for i, arg := range o.GetInputs()[param].GetArguments() {
			var v *mil.Value
			if arg.WhichBinding() == spec.Argument_Binding_Value_case {
				var err error
				if v, err = r.value(arg.GetValue(), fmt.Sprintf("%s.%s", name, param)); err != nil {
					return fmt.Errorf("argument %q: %w", param, err)
				}
			} else if v = names[arg.GetName()]; v == nil {
				return fmt.Errorf("argument %q, number %d: there is no value %q", param, i, arg.GetName())
			}
			in.Values = append(in.Values, v)
		}
		n.Inputs = append(n.Inputs, in)
	}
	// The constexpr operators of iOS16 keep their arguments as attributes.
	if def, err := op.For(o.GetType(), r.opset); err == nil && def.Attributes {
		for _, param := range slices.Sorted(maps.Keys(o.GetAttributes())) {
			if param == "name" {
				continue
			}
			v, err := r.value(o.GetAttributes()[param], fmt.Sprintf("%s.%s", name, param))
			if err != nil {
				return fmt.Errorf("attribute %q: %w", param, err)
			}
			n.Inputs = append(n.Inputs, mil.Input{Name: param, Values: []*mil.Value{v}})
		}
	}
	if n.Op == op.CustomLayer.Name {
		if err := r.customLayer(o, n); err != nil {
			return err
		}
	}
	for _, nested := range o.GetBlocks() {
		nb, err := r.block(nested, names, depth+1)
		if err != nil {
			return err
		}
		n.Blocks = append(n.Blocks, nb)
	}
	var err error
	if n.Outputs, err = r.declare(o.GetOutputs(), names); err != nil {
		return err
	}
	for _, v := range n.Outputs {
		v.Node = n
	}
	b.Nodes = append(b.Nodes, n)
	return nil
}

// takeClassify takes the operator classify out of the body and notes what it
// says; the probabilities take its outputs' place.
func (net *Network) takeClassify() error {
	body := net.Func.Body
	i := slices.IndexFunc(body.Nodes, func(n *mil.Node) bool { return n.Op == "classify" })
	if i < 0 {
		return nil
	}
	n := body.Nodes[i]
	probs, classes := n.Input("probabilities"), n.Input("classes")
	if probs == nil || classes == nil || classes.Const == nil || len(n.Outputs) != 2 {
		return fault.New(fault.Corrupt, n.String(), "want probabilities, constant classes and two outputs")
	}
	c := &Classifier{}
	switch d := classes.Const.DType(); {
	case d == tensor.String:
		c.Strings = classes.Const.Strings()
	case d.IsInt():
		for _, v := range classes.Const.Float64s() {
			c.Ints = append(c.Ints, int64(v))
		}
	default:
		return fault.New(fault.Corrupt, n.String(), "classes are of type %s", d)
	}
	var outputs []*mil.Value
	for _, v := range body.Outputs {
		switch v {
		case n.Outputs[0]:
			c.LabelName = v.Name
		case n.Outputs[1]:
			c.ProbabilitiesName = v.Name
		default:
			outputs = append(outputs, v)
		}
	}
	c.Probabilities = len(outputs)
	body.Outputs = append(outputs, probs)
	body.Nodes = slices.Delete(body.Nodes, i, i+1)
	for _, m := range body.Nodes {
		if slices.ContainsFunc(m.Values(), func(v *mil.Value) bool { return v.Node == n }) {
			return fault.New(fault.Unsupported, m.String(), "computes with the results of classify")
		}
	}
	net.Classifier = c
	return nil
}
