package predict

import (
	"fmt"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/internal/frontend/coreml"
	"github.com/smelt-ml/smelt/internal/media"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// dress turns the program's results into features as the model describes them.
func (n *network) dress(net *coreml.Network, outs []*tensor.Tensor) (Features, error) {
	result := Features{}
	if c := net.Classifier; c != nil {
		if err := classify(c, outs[c.Probabilities], result); err != nil {
			return nil, err
		}
	}
	values := map[string]*tensor.Tensor{}
	for i, v := range net.Func.Body.Outputs {
		if net.Classifier == nil || i != net.Classifier.Probabilities {
			values[v.Name] = outs[i]
		}
	}
	for _, f := range n.outputs {
		name := f.GetName()
		if _, done := result[name]; done {
			continue
		}
		t := values[name]
		if t == nil && n.opts.WithoutCustom {
			continue
		}
		if t == nil {
			return nil, fault.New(fault.Corrupt, fmt.Sprintf("output %q", name), "is described, but the program does not make it")
		}
		v, err := dressed(f.GetType(), t)
		if err != nil {
			return nil, fault.New(fault.BadShape, fmt.Sprintf("output %q", name), "%w", err)
		}
		result[name] = v
	}
	return result, nil
}

// classify adds the label and the probabilities of all labels.
func classify(c *coreml.Classifier, probs *tensor.Tensor, result Features) error {
	p := probs.F32()
	if n := max(len(c.Strings), len(c.Ints)); n != len(p) || n == 0 {
		return fault.New(fault.BadShape, "", "the model has %d class labels and %d probabilities", n, len(p))
	}
	best := 0
	for i, v := range p {
		if v > p[best] {
			best = i
		}
	}
	if c.Strings != nil {
		all := make(map[string]float64, len(p))
		for i, label := range c.Strings {
			all[label] = float64(p[i])
		}
		result[c.LabelName] = c.Strings[best]
		if c.ProbabilitiesName != "" {
			result[c.ProbabilitiesName] = all
		}
		return nil
	}
	all := make(map[int64]float64, len(p))
	for i, label := range c.Ints {
		all[label] = float64(p[i])
	}
	result[c.LabelName] = c.Ints[best]
	if c.ProbabilitiesName != "" {
		result[c.ProbabilitiesName] = all
	}
	return nil
}

// dressed gives one result the type that its description asks for.
func dressed(t *spec.FeatureType, v *tensor.Tensor) (any, error) {
	switch t.WhichType() {
	case spec.FeatureType_ImageType_case:
		return picture(t.GetImageType(), v)
	case spec.FeatureType_DoubleType_case:
		if v.Len() != 1 {
			return nil, fmt.Errorf("want one number, have %s", v)
		}
		return v.Float64s()[0], nil
	case spec.FeatureType_Int64Type_case:
		if v.Len() != 1 {
			return nil, fmt.Errorf("want one number, have %s", v)
		}
		return int64(v.Float64s()[0]), nil
	}
	if v.Rank() == 0 { // arrays of features have at least one dimension
		v = v.Reshape([]int{1})
	}
	if d, ok := arrayTypes[t.GetMultiArrayType().GetDataType()]; ok && d != v.DType() && d != tensor.Float64 {
		return v.ConvertTo(d)
	}
	return v, nil
}

// picture makes a picture of [1, C, H, W] or [C, H, W], rounding to 0…255.
func picture(t *spec.ImageFeatureType, v *tensor.Tensor) (*media.Image, error) {
	order, err := orderOf(t)
	if err != nil {
		return nil, err
	}
	shape := v.Shape()
	for len(shape) > 3 && shape[0] == 1 {
		shape = shape[1:]
	}
	if len(shape) == 2 && order.Channels() == 1 {
		shape = append([]int{1}, shape...)
	}
	if len(shape) != 3 || shape[0] != order.Channels() {
		return nil, fmt.Errorf("want a picture %d×H×W, have %s", order.Channels(), v)
	}
	return media.FromPlanar(v.F32(), shape[2], shape[1], order)
}
