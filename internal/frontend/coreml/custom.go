package coreml

import (
	"fmt"
	"maps"
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// customLayer brings a custom layer, whose inputs have been read by their names,
// to the form that programs have: one list of values with a list of names, those
// that it computes from first. The attributes say what is what.
func (r *programReader) customLayer(o *spec.Operation, n *mil.Node) error {
	attributes := o.GetAttributes()
	given := map[string]*mil.Value{}
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		if name == "name" {
			continue
		}
		p := slices.IndexFunc(op.CustomLayer.Params, func(p op.Param) bool { return p.Name == name && p.Const && p.Name != "names" })
		if p < 0 {
			return fmt.Errorf("there is no attribute %q", name)
		}
		v, err := r.value(attributes[name], n.Name+"."+name)
		if err != nil {
			return fmt.Errorf("attribute %q: %w", name, err)
		}
		given[name] = v
	}
	inputs := n.Inputs // sorted by name
	if order := given["input_order"]; order != nil && order.Const.DType() == tensor.String {
		place := map[string]int{}
		for i, name := range order.Const.Strings() {
			place[name] = i - order.Const.Len()
		}
		slices.SortStableFunc(inputs, func(a, b mil.Input) int { return place[a.Name] - place[b.Name] })
	}
	var values []*mil.Value
	var names []string
	for _, in := range inputs {
		values = append(values, in.Values...)
		names = append(names, slices.Repeat([]string{in.Name}, len(in.Values))...)
	}
	n.Inputs = []mil.Input{
		{Name: "inputs", Values: values},
		{Name: "names", Values: []*mil.Value{mil.NewConst(n.Name+".names", tensor.New(tensor.String, []int{len(names)}, names))}},
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		n.Inputs = append(n.Inputs, mil.Input{Name: name, Values: []*mil.Value{given[name]}})
	}
	return nil
}
