// Package conversion is how users say what becomes of the operators of a source:
// by a Go function that sees a Node and has a Builder, or by a file that maps
// operators to custom layers, to compositions in MIL text, or to other operators
// (File). It knows the table of operators and no format: frontends make nodes of
// what they read.
package conversion

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

// Func says what a node becomes: it builds operations and names their results the
// node's outputs, by Builder.Output.
type Func func(n *Node, b *Builder) error

// Node is an operation of the source that is being converted.
type Node struct {
	Op     string // the operator: "Swirl"
	Domain string // whose it is: "com.acme"; "" for the format's own
	Name   string // the node's own, or that of its first output
	// Inputs are the values that it takes, in their order; nil where one is
	// absent. Those that are known have Const.
	Inputs []*mil.Value
	// Outputs are the values that it gives.
	Outputs []Output
	// Attributes are int64, float32, string, a slice of one of these, or a
	// *tensor.Tensor.
	Attributes map[string]any
}

// Output is a value that a node gives. Its name is "" where nobody wants it.
type Output struct {
	Name string
	Type *mil.Type // nil where the source does not say
}

// Input returns an input, nil where it is absent.
func (n *Node) Input(i int) *mil.Value {
	if i < 0 || i >= len(n.Inputs) {
		return nil
	}
	return n.Inputs[i]
}

// attribute returns an attribute of a type, or otherwise.
func attribute[T any](n *Node, name string, otherwise T) T {
	if v, ok := n.Attributes[name].(T); ok {
		return v
	}
	return otherwise
}

// Has tells whether an attribute is given.
func (n *Node) Has(name string) bool { return n.Attributes[name] != nil }

// Int returns an integer attribute, or otherwise where it is not given as one.
func (n *Node) Int(name string, otherwise int) int {
	return int(attribute(n, name, int64(otherwise)))
}

// Float returns a number.
func (n *Node) Float(name string, otherwise float32) float32 { return attribute(n, name, otherwise) }

// Text returns a string.
func (n *Node) Text(name, otherwise string) string { return attribute(n, name, otherwise) }

// Ints returns a list of integers, nil where it is not given.
func (n *Node) Ints(name string) []int64 { return attribute(n, name, []int64(nil)) }

// Floats returns a list of numbers, nil where it is not given.
func (n *Node) Floats(name string) []float32 { return attribute(n, name, []float32(nil)) }

// Texts returns a list of strings, nil where it is not given.
func (n *Node) Texts(name string) []string { return attribute(n, name, []string(nil)) }

// Tensor returns a tensor, nil where it is not given.
func (n *Node) Tensor(name string) *tensor.Tensor { return attribute(n, name, (*tensor.Tensor)(nil)) }

// Builder makes what a node becomes. Its first error sticks: later calls do
// nothing, and Output and Err return it, so that a conversion can be written
// without a check after every operation.
type Builder struct {
	b       *mil.Builder
	node    *Node
	builtin func(as string) ([]*mil.Value, error)
	outputs []*mil.Value
	done    bool
}

// Err returns the first error.
func (b *Builder) Err() error { return b.b.Err() }

// Op appends an operator of MIL and returns its result, the first if there are
// several. The arguments are held against the table of operators.
func (b *Builder) Op(name string, args op.Args) *mil.Value {
	if out := op.Call(b.b, name, args); len(out) > 0 {
		return out[0]
	}
	return &mil.Value{Name: "?"} // after an error
}

// Ops is Op for an operator with several results; it returns none after an error.
func (b *Builder) Ops(name string, args op.Args) []*mil.Value { return op.Call(b.b, name, args) }

// Constant returns a known value: a *tensor.Tensor, or what op.Args take for one.
func (b *Builder) Constant(v any) *mil.Value {
	t, err := op.Constant(v)
	if err != nil {
		b.b.Fail(fmt.Errorf("constant: %w", err))
		return &mil.Value{Name: "?"}
	}
	return mil.NewConst(b.b.Place(), t)
}

// Builtin converts the node as if there were no conversion of the user's: as its
// own operator, or with as as another one, "Gelu" or "com.microsoft::Gelu", that
// has the same inputs and attributes. It returns the outputs.
func (b *Builder) Builtin(as string) []*mil.Value {
	if b.Err() != nil {
		return nil
	}
	out, err := b.builtin(as)
	b.b.Fail(err)
	return out
}

// Text appends the operations of a MIL text, which refers to values by %name and
// to the node's attributes by $name, and returns what it gives.
func (b *Builder) Text(t *mil.Text, values map[string]*mil.Value) []*mil.Value {
	if b.Err() != nil {
		return nil
	}
	out, err := op.Expand(b.b, t, values, func(name string) (any, error) { return b.node.attribute(name) })
	b.b.Fail(err)
	return out
}

func (n *Node) attribute(name string) (any, error) {
	if v := n.Attributes[name]; v != nil {
		return v, nil
	}
	have := slices.Sorted(maps.Keys(n.Attributes))
	return nil, fmt.Errorf("the node has no attribute %q, only %q", name, have)
}

// Output says what the node's outputs are, in their order. It returns the first
// error, so that a conversion can end with it.
func (b *Builder) Output(values ...*mil.Value) error {
	b.outputs, b.done = values, true
	return b.Err()
}

// Apply converts a node at the builder's place. builtin is what the format itself
// makes of it; as is another operator or "".
func (f Func) Apply(n *Node, b *mil.Builder, builtin func(as string) ([]*mil.Value, error)) ([]*mil.Value, error) {
	c := &Builder{b: b, node: n, builtin: builtin}
	if err := f(n, c); err != nil {
		return nil, err
	}
	if err := c.Err(); err != nil {
		return nil, err
	}
	if !c.done {
		return nil, fault.New(fault.BadValue, "", "its conversion says nothing of the outputs")
	}
	for i, out := range n.Outputs {
		if out.Name != "" && (i >= len(c.outputs) || c.outputs[i] == nil) {
			return nil, fault.New(fault.BadValue, "", "its conversion gives %d outputs, not output %d, %q", len(c.outputs), i, out.Name)
		}
	}
	return c.outputs, nil
}

// CustomLayer is a layer that is computed by code which the app brings.
type CustomLayer struct {
	Class       string // of the code, as Core ML looks it up
	Description string
	// Inputs are what the layer computes from. InputNames has a name for each in
	// the file; nil names them input0, input1, ….
	Inputs     []*mil.Value
	InputNames []string
	// Parameters set the layer up: bools, strings, numbers, slices of these, or
	// tensors.
	Parameters map[string]any
	// Weights are constants that set it up, WeightNames their names; nil names
	// them weight0, weight1, ….
	Weights     []*mil.Value
	WeightNames []string
	// Outputs are the types of what the layer gives. Without them they are those
	// that the source says of the node's outputs.
	Outputs []mil.Type
}

// CustomLayer appends a custom layer and returns what it gives.
func (b *Builder) CustomLayer(l CustomLayer) []*mil.Value {
	if b.Err() != nil {
		return nil
	}
	args, types, err := l.arguments(b.node)
	if err != nil {
		b.b.Fail(fmt.Errorf("custom layer %q: %w", l.Class, err))
		return nil
	}
	return op.AddCustomLayer(b.b, args, types)
}

func (l *CustomLayer) arguments(n *Node) (op.CustomLayerArgs, []mil.Type, error) {
	a := op.CustomLayerArgs{ClassName: l.Class, Description: l.Description}
	add := func(name string, v *mil.Value) error {
		switch {
		case v == nil:
			return fmt.Errorf("%q is no value", name)
		case name == "":
			return errors.New("a name is empty")
		case slices.Contains(a.Names, name):
			return fmt.Errorf("two of its inputs, parameters and weights are named %q", name)
		}
		a.Names, a.Inputs = append(a.Names, name), append(a.Inputs, v)
		return nil
	}
	list := func(prefix string, vs []*mil.Value, names []string) ([]string, error) {
		if names != nil && len(names) != len(vs) {
			return nil, fmt.Errorf("%d names for %d of its values", len(names), len(vs))
		}
		var out []string
		for i, v := range vs {
			name := fmt.Sprint(prefix, i)
			if names != nil {
				name = names[i]
			}
			if err := add(name, v); err != nil {
				return nil, err
			}
			out = append(out, name)
		}
		return out, nil
	}
	var err error
	if a.InputOrder, err = list("input", l.Inputs, l.InputNames); err != nil {
		return a, nil, err
	}
	if a.Weights, err = list("weight", l.Weights, l.WeightNames); err != nil {
		return a, nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(l.Parameters)) {
		t, err := op.Constant(l.Parameters[name])
		if err != nil {
			return a, nil, fmt.Errorf("parameter %q: %w", name, err)
		}
		if err := add(name, &mil.Value{Type: mil.TypeOf(t), Const: t}); err != nil {
			return a, nil, err
		}
		a.Parameters = append(a.Parameters, name)
	}
	types := slices.Clone(l.Outputs)
	for i, out := range n.Outputs {
		switch {
		case i < len(types):
		case out.Type != nil:
			types = append(types, *out.Type)
		default:
			return a, nil, fault.New(fault.Unsupported, "", "the type of output %q is said nowhere", out.Name)
		}
	}
	return a, types, nil
}

// Partial makes a custom layer of a node: its class is the operator, its
// parameters are the attributes, its weights the known inputs. Where the source
// does not say the type of an output it has the element type of the first input
// and no known rank.
func Partial(n *Node, b *Builder) error {
	l := CustomLayer{
		Class: n.Op, Description: "operator " + name(n), Parameters: maps.Clone(n.Attributes),
		InputNames: []string{}, WeightNames: []string{},
	}
	first := tensor.Float32
	for i := len(n.Inputs) - 1; i >= 0; i-- {
		if v := n.Inputs[i]; v != nil && v.Const == nil {
			first = v.Type.DType
		}
	}
	for i, v := range n.Inputs {
		called := fmt.Sprint("input", i)
		for _, taken := n.Attributes[called]; taken; _, taken = n.Attributes[called] {
			called += "_"
		}
		switch {
		case v == nil:
		case v.Const != nil:
			l.Weights, l.WeightNames = append(l.Weights, v), append(l.WeightNames, called)
		default:
			l.Inputs, l.InputNames = append(l.Inputs, v), append(l.InputNames, called)
		}
	}
	for _, out := range n.Outputs {
		t := mil.Type{DType: first, AnyRank: true}
		if out.Type != nil {
			t = *out.Type
		}
		l.Outputs = append(l.Outputs, t)
	}
	return b.Output(b.CustomLayer(l)...)
}

// name is how the operator of a node is called.
func name(n *Node) string {
	if n.Domain == "" {
		return n.Op
	}
	return n.Domain + "::" + n.Op
}
