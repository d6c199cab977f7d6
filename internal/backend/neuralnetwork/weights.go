package neuralnetwork

import (
	"fmt"
	"math"
	"math/bits"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// constant returns the blob of a constant, which a layer loads once in a
// network.
func (w *writer) constant(v *mil.Value) *blob {
	for _, scope := range w.loaded {
		if b := scope[v.Const]; b != nil {
			return b
		}
	}
	if w.failure != nil {
		return &blob{}
	}
	t := v.Const
	if t.DType() == tensor.String {
		return w.fail("strings are not in networks")
	}
	w.exact(t)
	if t.Len() == 0 {
		return w.fail("a constant %w", errEmpty)
	}
	shape := w.shape(v)
	var l layer
	switch {
	case !w.rank5:
		l.LoadConstantND = spec.LoadConstantNDLayerParams_builder{Shape: counts(shape...), Data: w.weights(v, -1)}.Build()
	case shape[0] != 1 || shape[1] != 1:
		return w.fail("old networks load no constant %s", v.Type)
	default:
		l.LoadConstant = spec.LoadConstantLayerParams_builder{Shape: counts(shape[2:]...), Data: w.weights(v, -1)}.Build()
	}
	place := w.place
	if v.Name != "" {
		w.place = v.Name
	}
	b := w.emit(l, shape)
	w.place = place
	w.loaded[len(w.loaded)-1][t] = b
	return b
}

// exact notes integers that no float32 is.
func (w *writer) exact(t *tensor.Tensor) {
	if !t.DType().IsInt() {
		return
	}
	for _, x := range t.Float64s() {
		if float64(float32(x)) != x {
			w.notes[fmt.Sprintf("integers are floats: %.0f in %q is %.0f", x, w.place, float32(x))] = true
			return
		}
	}
}

// vector returns weights that are one vector, which stay float32.
func (w *writer) vector(data []float32) *spec.WeightParams {
	return spec.WeightParams_builder{FloatValue: data}.Build()
}

// matrix returns weights as floats, of half the size if that is wanted and
// all of them fit.
func (w *writer) matrix(data []float32) *spec.WeightParams {
	if w.store == tensor.Float32 {
		return w.vector(data)
	}
	t, err := tensor.Floats([]int{len(data)}, data).ConvertTo(tensor.Float16)
	if err != nil {
		return w.vector(data)
	}
	for i, x := range t.F32() {
		grown := math.IsInf(float64(x), 0) && !math.IsInf(float64(data[i]), 0)
		if grown || w.store == tensor.Invalid && x != data[i] && data[i] == data[i] {
			return w.vector(data)
		}
	}
	return spec.WeightParams_builder{Float16Value: t.Packed()}.Build()
}

// weights returns a constant, whose scales, if it is quantized and has several,
// run along an axis.
func (w *writer) weights(v *mil.Value, axis int) *spec.WeightParams {
	if q := w.quantized(v, axis); q != nil {
		return q
	}
	if v.Const.DType().IsFloat() && v.Const.Rank() > 1 {
		return w.matrix(single(v.Const))
	}
	return w.vector(single(v.Const))
}

// quantized returns codes for a constant that is expanded from such, nil
// where they cannot stay: those of networks have one scale, or one for each
// index of the axis, or one table of numbers.
func (w *writer) quantized(v *mil.Value, along int) *spec.WeightParams {
	n := w.expanded[v]
	if n == nil {
		return nil
	}
	def, err := op.For(n.Op, w.opset)
	if err != nil {
		return nil
	}
	a := args{n, def}
	switch n.Op {
	case "constexpr_affine_dequantize":
		scale := a.tensor("scale")
		if scale.Len() > 1 && axis(a.int("axis"), v.Type.Rank()) != along {
			return nil
		}
		return linear(a.tensor("quantized_data"), single(scale), a.floats("zero_point"))
	case "constexpr_blockwise_shift_scale":
		scale := a.tensor("scale")
		for i, d := range scale.Shape() {
			if d != 1 && (i != along || d != v.Type.Shape[i]) {
				return nil
			}
		}
		return linear(a.tensor("data"), single(scale), a.floats("offset"))
	case "constexpr_lut_to_dense":
		return palette(a, v)
	}
	return nil
}

// codeBits are the types of codes with their numbers of bits.
var codeBits = map[tensor.DType]int{
	tensor.Uint1: 1, tensor.Uint2: 2, tensor.Uint3: 3, tensor.Uint4: 4, tensor.Uint6: 6, tensor.Uint8: 8, tensor.Int4: 4, tensor.Int8: 8,
}

// linear returns codes that stand for scale·(code - offset). Those of networks
// begin at 0.
func linear(data *tensor.Tensor, scale, offset []float32) *spec.WeightParams {
	width := codeBits[data.DType()]
	if width == 0 || len(offset) > 1 && len(offset) != len(scale) {
		return nil
	}
	least := 0
	if data.DType() == tensor.Int8 || data.DType() == tensor.Int4 {
		least = -1 << (width - 1)
	}
	codes := make([]int, data.Len())
	for i, x := range data.Float64s() {
		codes[i] = int(x) - least
	}
	bias := make([]float32, len(scale))
	for i := range bias {
		zero := float32(0)
		if len(offset) > 0 {
			zero = offset[min(i, len(offset)-1)]
		}
		bias[i] = (float32(least) - zero) * scale[i]
	}
	return spec.WeightParams_builder{RawValue: pack(codes, width), Quantization: spec.QuantizationParams_builder{
		NumberOfBits:       uint64(width),
		LinearQuantization: spec.LinearQuantizationParams_builder{Scale: scale, Bias: bias}.Build(),
	}.Build()}.Build()
}

// palette returns codes that point into one table.
func palette(a args, v *mil.Value) *spec.WeightParams {
	indices, lut := a.tensor("indices"), a.tensor("lut")
	width := codeBits[indices.DType()]
	if a.Input("shape") != nil { // the older form: bits in bytes
		width = bits.Len(uint(lut.Len() - 1))
		types := map[int]tensor.DType{1: tensor.Uint1, 2: tensor.Uint2, 4: tensor.Uint4, 6: tensor.Uint6, 8: tensor.Uint8}
		t, err := tensor.FromPacked(types[width], v.Type.Shape, indices.Packed())
		if types[width] == tensor.Invalid || err != nil {
			return nil
		}
		indices = t
	}
	if width == 0 || lut.Len() != 1<<width || indices.Len() != v.Const.Len() {
		return nil
	}
	return spec.WeightParams_builder{RawValue: pack(integers(indices), width), Quantization: spec.QuantizationParams_builder{
		NumberOfBits:            uint64(width),
		LookupTableQuantization: spec.LookUpTableQuantizationParams_builder{FloatValue: single(lut)}.Build(),
	}.Build()}.Build()
}

// pack lays codes of so many bits one after the other, most significant bit
// first.
func pack(codes []int, width int) []byte {
	out := make([]byte, 0, (len(codes)*width+7)/8)
	acc, have := 0, 0
	for _, c := range codes {
		acc = acc<<width | c&(1<<width-1)
		for have += width; have >= 8; {
			have -= 8
			out = append(out, byte(acc>>have))
		}
		acc &= 1<<have - 1
	}
	if have > 0 {
		out = append(out, byte(acc<<(8-have)))
	}
	return out
}
