package coreml

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/smelt-ml/smelt/compress/quant"
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
	data, err := l.decode(p, shape, n, axis)
	if err != nil {
		l.Fail(fmt.Errorf("%s: %w", what, err))
		return l.scalar(0)
	}
	return mil.NewConst(l.Unique(l.Place()+"_"+what), tensor.Floats(shape, data))
}

// vector returns weights that are one vector, such as a bias.
func (l *lowering) vector(what string, p *spec.WeightParams, n int) *mil.Value {
	return l.weights(what, p, -1, n)
}

func (l *lowering) decode(p *spec.WeightParams, shape []int, n, axis int) ([]float32, error) {
	if p == nil {
		return nil, errNoWeights
	}
	w, err := l.read(p)
	if err != nil {
		return nil, err
	}
	q := p.GetQuantization()
	bits := int(q.GetNumberOfBits())
	switch w.Kind() {
	case 0:
		if n == 0 {
			return nil, nil
		}
		return nil, fault.New(fault.Corrupt, "", "%w", errNoWeights)
	case mlmodel.Raw:
		if bits < 1 || bits > 8 {
			return nil, fault.New(fault.Corrupt, "", "codes of %d bits, want 1 to 8", bits)
		}
		if have := w.Len(bits); have < int64(n) {
			return nil, fault.New(fault.BadShape, "", "want %s = %d values, have at most %d", tensor.FormatShape(shape), n, have)
		}
	default:
		if have := w.Len(8); have != int64(n) {
			return nil, fault.New(fault.BadShape, "", "want %s = %d values, have %d", tensor.FormatShape(shape), n, have)
		}
	}
	b, err := w.Bytes()
	if err != nil {
		return nil, err
	}
	switch w.Kind() {
	case mlmodel.Float32:
		out := make([]float32, n)
		for i := range out {
			out[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
		}
		return out, nil
	case mlmodel.Float16:
		return quant.DequantizeFloat16(b)
	}
	layout := quant.Whole(n)
	scales := len(q.GetLinearQuantization().GetScale())
	if scales > 1 {
		if axis < 0 {
			return nil, fault.New(fault.Corrupt, "", "%d scales for weights without a channel axis", scales)
		}
		if layout, err = quant.Along(shape, axis); err != nil {
			return nil, err
		}
	}
	if w.Kind() == mlmodel.Int8Raw {
		if scales != 1 {
			return nil, fault.New(fault.Corrupt, "", "int8 codes want one scale, have %d", scales)
		}
		codes := make([]int8, n)
		for i := range codes {
			codes[i] = int8(b[i])
		}
		return quant.DequantizeInt8Dynamic(codes, q.GetLinearQuantization().GetScale()[0]), nil
	}
	codes, err := quant.UnpackMSB(b, n, bits)
	if err != nil {
		return nil, err
	}
	if q.WhichQuantizationType() == spec.QuantizationParams_LookupTableQuantization_case {
		table := q.GetLookupTableQuantization().GetFloatValue()
		if len(table) != 1<<bits {
			return nil, fault.New(fault.Corrupt, "", "a lookup table of %d values for codes of %d bits, want %d", len(table), bits, 1<<bits)
		}
		return quant.DequantizeLUT(codes, table)
	}
	return quant.DequantizeLinear(codes, layout, q.GetLinearQuantization().GetScale(), q.GetLinearQuantization().GetBias())
}
