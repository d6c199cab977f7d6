package neuralnetwork

import (
	"slices"
	"strconv"
	"strings"

	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

var customRules = map[string]rule{"custom_layer": custom}

// custom is a layer that is computed by code beside the model. Parameters of
// networks are single values: those that are lists are texts, their elements
// parted by commas.
func custom(w *writer, a args) {
	bound, err := op.CustomLayer.Bind(a.Node, nil)
	if err != nil {
		w.fail("%w", err)
		return
	}
	c := bound.(*op.CustomLayerArgs)
	l := spec.CustomLayerParams_builder{
		ClassName: c.ClassName, Description: c.Description, Parameters: map[string]*spec.CustomLayerParams_CustomLayerParamValue{},
	}
	if w.rank5 {
		w.fail("%w", errNone) // its code has no idea of five dimensions
		return
	}
	for _, name := range slices.Concat(c.Parameters, c.Weights) {
		if c.Value(name).Const == nil {
			w.fail("its argument %s is not known", name)
			return
		}
	}
	for _, name := range c.Parameters {
		l.Parameters[name] = parameter(c.Value(name).Const)
	}
	for _, name := range c.Weights {
		if v := c.Value(name); v.Const.DType() == tensor.String {
			l.Parameters[name] = parameter(v.Const)
		} else {
			l.Weights = append(l.Weights, w.weights(v, 0))
		}
	}
	var in []*blob
	for _, name := range c.InputOrder {
		for i, v := range c.Inputs {
			if c.Names[i] == name {
				in = append(in, w.blob(v))
			}
		}
	}
	var shapes [][]int
	var said []*spec.Tensor // nobody infers them
	for _, v := range a.Outputs {
		shape := w.shape(v)
		shapes = append(shapes, shape)
		if t := v.Type; t.IsStatic() {
			dims := make([]int64, len(shape))
			for i, d := range shape {
				dims[i] = int64(d)
			}
			said = append(said, spec.Tensor_builder{Rank: uint32(len(dims)), DimValue: dims}.Build())
		}
	}
	if len(said) < len(shapes) {
		said = nil
	}
	w.give(a, w.emitN(layer{Custom: l.Build(), OutputTensor: said}, shapes, in...)...)
}

// parameter says a constant as a custom layer's parameter.
func parameter(t *tensor.Tensor) *spec.CustomLayerParams_CustomLayerParamValue {
	var v spec.CustomLayerParams_CustomLayerParamValue_builder
	switch {
	case t.DType() == tensor.String:
		s := strings.Join(t.Strings(), ",")
		v.StringValue = &s
	case t.Len() != 1:
		var parts []string
		format := byte('g')
		if t.DType().IsInt() {
			format = 'f'
		}
		for _, x := range t.Float64s() {
			parts = append(parts, strconv.FormatFloat(x, format, -1, 64))
		}
		s := strings.Join(parts, ",")
		v.StringValue = &s
	case t.DType() == tensor.Bool:
		v.BoolValue = &t.Bools()[0]
	case t.DType().IsInt():
		n := int64(t.Float64s()[0])
		if t.DType() == tensor.Int64 { // some of which no float64 is
			n = tensor.Data[int64](t)[0]
		}
		if short := int32(n); int64(short) == n {
			v.IntValue = &short
		} else {
			v.LongValue = &n
		}
	default:
		v.DoubleValue = &t.Float64s()[0]
	}
	return v.Build()
}
