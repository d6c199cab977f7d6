package conversion

import (
	"fmt"
	"maps"
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// convert does what a file says of an operator; it is a Func.
func (r *rule) convert(n *Node, b *Builder) error {
	if len(r.defaults) > 0 {
		merged := maps.Clone(r.defaults)
		maps.Copy(merged, n.Attributes)
		m := *n
		m.Attributes = merged
		n = &m
		b.node = n
	}
	values := map[string]*mil.Value{}
	for i, v := range n.Inputs {
		if v != nil {
			values[r.input(i)] = v
		}
	}
	switch {
	case r.as != "":
		return b.Output(b.Builtin(r.as)...)
	case r.text != nil:
		return b.Output(b.Text(r.text, values)...)
	}
	l, err := r.layer(n, values)
	if err != nil {
		return err
	}
	return b.Output(b.CustomLayer(*l)...)
}

// input is the name of an input.
func (r *rule) input(i int) string {
	if i < len(r.inputs) {
		return r.inputs[i]
	}
	return fmt.Sprint("input", i)
}

func (r *rule) layer(n *Node, values map[string]*mil.Value) (*CustomLayer, error) {
	c := r.custom
	l := &CustomLayer{Class: c.class, Description: c.description, Parameters: map[string]any{}}
	for _, name := range c.weights {
		v := values[name]
		if v == nil {
			return nil, fmt.Errorf("weights: the node has no input %q", name)
		}
		if v.Const == nil {
			return nil, fmt.Errorf("weights: input %q is only known when the model runs", name)
		}
		l.Weights, l.WeightNames = append(l.Weights, v), append(l.WeightNames, name)
	}
	inputs := c.inputs
	if !c.given { // all others
		for i := range n.Inputs {
			if name := r.input(i); values[name] != nil && !slices.Contains(c.weights, name) {
				inputs = append(inputs, name)
			}
		}
	}
	l.InputNames = []string{}
	for _, name := range inputs {
		v := values[name]
		if v == nil {
			return nil, fmt.Errorf("inputs: the node has no input %q", name)
		}
		l.Inputs, l.InputNames = append(l.Inputs, v), append(l.InputNames, name)
	}
	for name, v := range c.parameters {
		if from, ok := v.(reference); ok {
			given, err := n.attribute(string(from))
			if err != nil {
				return nil, fmt.Errorf("parameter %q: %w", name, err)
			}
			v = given
		}
		l.Parameters[name] = v
	}
	for i, o := range r.outputs {
		t, err := o.of(n, values)
		if err != nil {
			return nil, fmt.Errorf("output %d: %w", i, err)
		}
		l.Outputs = append(l.Outputs, t)
	}
	return l, nil
}

// outputType says what an output of a custom layer is: like an input, with another
// element type or shape where these are given.
type outputType struct {
	like  string
	dtype tensor.DType // Invalid: that of like, or fp32
	shape []expression // nil: that of like
}

func (o outputType) of(n *Node, values map[string]*mil.Value) (mil.Type, error) {
	t := mil.Type{DType: tensor.Float32}
	if o.like != "" {
		v := values[o.like]
		if v == nil {
			return t, fmt.Errorf("the node has no input %q", o.like)
		}
		t = v.Type
	}
	if o.dtype != tensor.Invalid {
		t.DType = o.dtype
	}
	if o.shape == nil {
		return t, nil
	}
	t.AnyRank, t.Shape = false, make([]int, len(o.shape))
	for i, e := range o.shape {
		size, err := e.size(n, values)
		if err != nil {
			return t, fmt.Errorf("dimension %d, %s: %w", i, e.text, err)
		}
		t.Shape[i] = size
	}
	if !t.IsStatic() {
		return t, nil
	}
	_, err := tensor.CheckShape(t.Shape)
	return t, err
}
