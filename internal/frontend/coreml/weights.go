package coreml

import (
	"fmt"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// weights returns a layer's weights as a constant of that shape. Codes become
// numbers here; axis is the shape's axis along which a linear quantization has
// its scales.
func (l *lowering) weights(what string, p *spec.WeightParams, axis int, shape ...int) *mil.Value {
	n, err := tensor.CheckShape(shape)
	if err != nil {
		l.Fail(fault.New(fault.BadShape, "", "%s: %w", what, err))
		return l.scalar(0)
	}
	t, err := l.tensor(p, shape, n, axis)
	if err != nil {
		l.Fail(fmt.Errorf("%s: %w", what, err))
		return l.scalar(0)
	}
	return mil.NewConst(l.Unique(l.Place()+"_"+what), t)
}

// tensor reads weights. Quantized ones stay codes.
func (l *lowering) tensor(p *spec.WeightParams, shape []int, n, axis int) (*tensor.Tensor, error) {
	if p.HasQuantization() && n > 0 {
		w, err := l.read(p)
		if err != nil {
			return nil, err
		}
		if k := w.Kind(); k == mlmodel.Raw || k == mlmodel.Int8Raw {
			return w.Coded(p.GetQuantization(), shape, axis)
		}
	}
	data, err := l.decode(p, shape, n, axis)
	if err != nil {
		return nil, err
	}
	return tensor.Floats(shape, data), nil
}

// vector returns weights that are one vector, such as a bias.
func (l *lowering) vector(what string, p *spec.WeightParams, n int) *mil.Value {
	return l.weights(what, p, -1, n)
}

// decode reads weights as numbers.
func (l *lowering) decode(p *spec.WeightParams, shape []int, n, axis int) ([]float32, error) {
	if p == nil {
		return nil, errNoWeights
	}
	w, err := l.read(p)
	if err != nil {
		return nil, err
	}
	if w.Kind() == 0 && n > 0 {
		return nil, fault.New(fault.Corrupt, "", "%w", errNoWeights)
	}
	return w.Values(p.GetQuantization(), shape, axis)
}
