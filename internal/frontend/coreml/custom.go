package coreml

import (
	"fmt"
	"maps"
	"slices"

	"github.com/smelt-ml/smelt/fault"
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

// custom is a layer whose meaning is code beside the model. Only the file can say
// the shapes of what it gives.
func custom(l *lowering, in []*mil.Value) []*mil.Value {
	p := l.layer.GetCustom()
	var types []mil.Type
	for i, name := range l.layer.GetOutput() {
		shape := customShape(l.layer, i, l.described)
		if shape == nil {
			l.Fail(fault.New(fault.Unsupported, "", "custom layer of class %q: nothing says the shape of its output %q", p.GetClassName(), name))
			return nil
		}
		if l.rank5 {
			shape = five(shape)
		}
		if _, err := tensor.CheckShape(shape); err != nil {
			l.Fail(fault.New(fault.BadShape, "", "output %q: %w", name, err))
			return nil
		}
		types = append(types, mil.TensorType(tensor.Float32, shape...))
	}
	a := op.CustomLayerArgs{ClassName: p.GetClassName(), Description: p.GetDescription()}
	add := func(name string, v *mil.Value) string {
		a.Names, a.Inputs = append(a.Names, name), append(a.Inputs, v)
		return name
	}
	for i, v := range in {
		a.InputOrder = append(a.InputOrder, add(fmt.Sprint("input", i), v))
	}
	for i, w := range p.GetWeights() {
		n := 0
		if data, err := l.read(w); err == nil {
			n = int(data.Len(int(min(w.GetQuantization().GetNumberOfBits(), 9))))
		}
		name := fmt.Sprint("weight", i)
		a.Weights = append(a.Weights, add(name, l.weights(name, w, -1, n)))
	}
	for _, name := range slices.Sorted(maps.Keys(p.GetParameters())) {
		v := p.GetParameters()[name]
		var t *tensor.Tensor
		switch v.WhichValue() {
		case spec.CustomLayerParams_CustomLayerParamValue_DoubleValue_case:
			x := v.GetDoubleValue()
			if t = tensor.Scalar(tensor.Float32, float32(x)); float64(float32(x)) != x {
				t = tensor.Scalar(tensor.Float64, x)
			}
		case spec.CustomLayerParams_CustomLayerParamValue_StringValue_case:
			t = tensor.Scalar(tensor.String, v.GetStringValue())
		case spec.CustomLayerParams_CustomLayerParamValue_IntValue_case:
			t = tensor.Scalar(tensor.Int32, v.GetIntValue())
		case spec.CustomLayerParams_CustomLayerParamValue_LongValue_case:
			t = tensor.Scalar(tensor.Int64, v.GetLongValue())
		case spec.CustomLayerParams_CustomLayerParamValue_BoolValue_case:
			t = tensor.Scalar(tensor.Bool, v.GetBoolValue())
		default:
			l.Fail(fault.New(fault.Corrupt, "", "parameter %q has no value", name))
			return nil
		}
		for slices.Contains(a.Names, name) {
			name += "_"
		}
		a.Parameters = append(a.Parameters, add(name, mil.NewConst(l.Unique(l.Place()+"_"+name), t)))
	}
	return op.AddCustomLayer(l.Builder, a, types)
}

// five is the shape of a blob [S, B, C, H, W] that the model calls [C], [S, C],
// [C, H, W] or [B, C, H, W].
func five(shape []int) []int {
	switch len(shape) {
	case 1:
		return []int{1, 1, shape[0], 1, 1}
	case 2:
		return []int{shape[0], 1, shape[1], 1, 1}
	case 3, 4:
		return append(slices.Repeat([]int{1}, 5-len(shape)), shape...)
	}
	return shape
}

// customShape is the shape that a file says of an output of a custom layer: as a
// part of the layer, or of the model if that gives it. It is nil if none is said.
func customShape(l *spec.NeuralNetworkLayer, i int, described map[string]*spec.FeatureType) []int {
	var shape []int
	if ts := l.GetOutputTensor(); i < len(ts) {
		for _, d := range ts[i].GetDimValue() {
			shape = append(shape, int(d))
		}
		if len(shape) > 0 && len(shape) == int(ts[i].GetRank()) && !slices.ContainsFunc(shape, func(d int) bool { return d <= 0 }) {
			return shape
		}
	}
	shape = nil
	switch t := described[l.GetOutput()[i]]; {
	case t.GetImageType() != nil:
		c := 3
		if s := t.GetImageType().GetColorSpace(); s == spec.ImageFeatureType_GRAYSCALE || s == spec.ImageFeatureType_GRAYSCALE_FLOAT16 {
			c = 1
		}
		shape = []int{1, c, int(t.GetImageType().GetHeight()), int(t.GetImageType().GetWidth())}
	case t.GetMultiArrayType() != nil:
		for _, d := range t.GetMultiArrayType().GetShape() {
			shape = append(shape, int(d))
		}
	}
	if slices.ContainsFunc(shape, func(d int) bool { return d <= 0 }) {
		return nil
	}
	return shape
}

// describedOutputs are the types of a model's outputs by name.
func describedOutputs(m *spec.Model) map[string]*spec.FeatureType {
	out := map[string]*spec.FeatureType{}
	for _, d := range m.GetDescription().GetOutput() {
		out[d.GetName()] = d.GetType()
	}
	return out
}

// Shapeless tells a custom layer of a network of which nothing says the shape of
// some output.
func Shapeless(m *spec.Model, l *spec.NeuralNetworkLayer) bool {
	described := describedOutputs(m)
	for i := range l.GetOutput() {
		if l.HasCustom() && customShape(l, i, described) == nil {
			return true
		}
	}
	return false
}
