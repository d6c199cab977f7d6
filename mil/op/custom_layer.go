package op

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/smelt-ml/smelt/mil"
)

// CustomLayerArgs are the arguments of custom_layer. Its values have names of
// their own: Names has one for each of Inputs, and those of a list have the
// same one. InputOrder names what the implementation computes from, in its
// order; Parameters and Weights name the constants that set it up.
type CustomLayerArgs struct {
	Inputs      []*mil.Value `mil:"inputs,any"`
	Names       []string     `mil:"names,string,const"`
	ClassName   string       `mil:"class_name,string,const"`
	InputOrder  []string     `mil:"input_order,string,const,optional"`
	Parameters  []string     `mil:"parameters,string,const,optional"`
	Weights     []string     `mil:"weights,string,const,optional"`
	Description string       `mil:"description,string,const,optional"`
}

// Value returns the value of a name, nil where there is none.
func (a *CustomLayerArgs) Value(name string) *mil.Value {
	if i := slices.Index(a.Names, name); i >= 0 && i < len(a.Inputs) {
		return a.Inputs[i]
	}
	return nil
}

// expands tells a constant that is stored in a compressed form.
func expands(v *mil.Value) bool {
	return v.Node != nil && strings.HasPrefix(v.Node.Op, "constexpr_")
}

// Describe tells people what the layer needs to be computed.
func (a *CustomLayerArgs) Describe() string {
	var in, parts []string
	for _, name := range a.InputOrder {
		if v := a.Value(name); v != nil {
			in = append(in, fmt.Sprintf("%s %s", name, v.Type))
		}
	}
	parts = append(parts, "inputs "+strings.Join(in, ", "))
	for _, list := range []struct {
		what  string
		names []string
	}{{"parameters ", a.Parameters}, {"weights ", a.Weights}} {
		if len(list.names) > 0 {
			parts = append(parts, list.what+strings.Join(list.names, ", "))
		}
	}
	return fmt.Sprintf("class %q with %s", a.ClassName, strings.Join(parts, "; "))
}

// Check tells whether names and values fit. What is known of the values' ranks
// does not matter.
func (a *CustomLayerArgs) Check() error {
	if a.ClassName == "" {
		return errors.New("class_name is empty")
	}
	if len(a.Names) != len(a.Inputs) {
		return fmt.Errorf("%d names for %d inputs", len(a.Names), len(a.Inputs))
	}
	for i, name := range a.Names {
		if i > 0 && name != a.Names[i-1] && slices.Contains(a.Names[:i], name) {
			return fmt.Errorf("two inputs are named %q", name)
		}
	}
	for _, list := range []struct {
		what  string
		names []string
		known bool
	}{{"input_order", a.InputOrder, false}, {"parameters", a.Parameters, true}, {"weights", a.Weights, true}} {
		for _, name := range list.names {
			v := a.Value(name)
			if v == nil {
				return fmt.Errorf("%s names %q, which is no input", list.what, name)
			}
			if list.known && v.Const == nil && !expands(v) {
				return fmt.Errorf("%s names %q, which is no constant", list.what, name)
			}
		}
	}
	return nil
}

// CustomLayer is computed by code that the user brings. That code also knows
// the types of the outputs: Infer gives none. Internal it is in that backends
// write it in a form of its own.
var CustomLayer = Define(Spec[CustomLayerArgs]{
	Name: "custom_layer", Since: mil.IOS15, Internal: true,
	Infer: func(a *CustomLayerArgs) ([]mil.Type, error) { return nil, a.Check() },
})

// AddCustomLayer appends a custom layer whose outputs have the types given.
func AddCustomLayer(b *mil.Builder, a CustomLayerArgs, types []mil.Type) []*mil.Value {
	if b.Err() != nil {
		return nil
	}
	name := b.Place()
	if name == "" {
		name = CustomLayer.Name
	}
	if slices.Contains(a.Inputs, nil) {
		b.Fail(fmt.Errorf("%s %q: an input is absent", CustomLayer.Name, a.ClassName))
		return nil
	}
	name = b.Unique(name)
	n := CustomLayer.Node(name, &a)
	bound, err := CustomLayer.Bind(n, nil)
	if err == nil {
		err = bound.(*CustomLayerArgs).Check()
	}
	if err == nil && len(types) == 0 {
		err = errors.New("has no outputs")
	}
	if err != nil {
		b.Fail(fmt.Errorf("%s %q: %w", CustomLayer.Name, a.ClassName, err))
		return nil
	}
	for i, t := range types {
		v := &mil.Value{Name: name, Type: t}
		if i > 0 {
			v.Name = fmt.Sprintf("%s.%d", name, i)
		}
		n.Outputs = append(n.Outputs, v)
	}
	b.Append(n)
	return n.Outputs
}
