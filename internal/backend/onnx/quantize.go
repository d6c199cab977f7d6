package onnx

import (
	"errors"
	"math"
	"slices"

	"github.com/smelt-ml/smelt/tensor"
)

// quantization are the operators between numbers and codes, and those that
// expand compressed constants. Codes stay in the file as far as ONNX has an
// operator for them.
var quantization = map[string]rule{
	"constexpr_affine_dequantize":            affineDequantize,
	"constexpr_blockwise_shift_scale":        blockwise,
	"constexpr_cast":                         expand,
	"constexpr_lut_to_dense":                 lookUp,
	"constexpr_lut_to_sparse":                lazily,
	"constexpr_sparse_blockwise_shift_scale": lazily,
	"constexpr_sparse_to_dense":              expand,
	"dequantize":                             dequantize,
	"quantize":                               quantize,
}

// expand computes constants.
func expand(w *writer, c *call) []*val {
	var outs []*val
	for _, v := range c.Outputs {
		t, err := w.known(v)
		if err != nil {
			return w.fail("%w", err)
		}
		outs = append(outs, w.constant(t))
	}
	return outs
}

// lazily leaves constants to whoever reads them.
func lazily(_ *writer, c *call) []*val { return make([]*val, len(c.Outputs)) }

// quantizedTypes are those of codes that DequantizeLinear takes, from the first
// opset on.
var quantizedTypes = map[tensor.DType]int{tensor.Int8: minOpset, tensor.Uint8: minOpset, tensor.Int4: 21, tensor.Uint4: 21}

// zeroPoint returns the offsets of codes as such, nil if they are no codes.
func zeroPoint(t *tensor.Tensor, d tensor.DType) *tensor.Tensor {
	if t.DType() == d {
		return t
	}
	low, high := d.IntRange()
	out := make([]int32, t.Len())
	for i, v := range numbersOf(t) {
		if v != math.Trunc(v) || v < float64(low) || v > float64(high) {
			return nil
		}
		out[i] = int32(v)
	}
	return tensor.New(d, t.Shape(), out)
}

func affineDequantize(w *writer, c *call) []*val {
	data, scale, zero := c.tensor("quantized_data"), c.tensor("scale"), c.tensor("zero_point")
	if data == nil || scale == nil || zero == nil {
		return w.fail("its arguments are missing")
	}
	axis := c.axis(c.int("axis"), data.Rank())
	if w.err != nil {
		return nil
	}
	if z := zeroPoint(zero, data.DType()); z != nil {
		return one(w.dequantized(data, scale, z, axis))
	}
	if data.Rank() == 0 {
		return expand(w, c)
	}
	along := func(t *tensor.Tensor) *tensor.Tensor {
		shape := repeat(1, data.Rank())
		shape[axis] = t.Len()
		return t.Reshape(shape)
	}
	return one(w.grouped(data, along(scale), along(zero)))
}

// grouped is scale·(data - zero), which have the rank of the data and a number
// for each block of it; zero need not be a code.
func (w *writer) grouped(data, scale, zero *tensor.Tensor) *val {
	d := w.dtype(scale.DType())
	var groups []int
	spread := func(t *tensor.Tensor) *val { // over blocks
		var shape []int
		for _, n := range t.Shape() {
			shape = append(shape, n, 1)
		}
		v, err := converted(t.Reshape(shape), d)
		if err != nil {
			w.fail("%w", err)
			return &val{name: "?", dtype: d}
		}
		return w.initializer(v, d)
	}
	for i, n := range data.Shape() {
		blocks := max(scale.Shape()[i], zero.Shape()[i])
		if blocks < 1 || n%blocks != 0 {
			w.fail("%d blocks of %d", blocks, n)
			return &val{name: "?", dtype: d}
		}
		groups = append(groups, blocks, n/blocks)
	}
	x := w.reshape(w.cast(w.initializer(data, data.DType()), d), groups...)
	if !isZero(zero) {
		x = w.less(x, spread(zero))
	}
	return w.reshape(w.mul(x, spread(scale)), data.Shape()...)
}

// dequantized is scale·(data - zero), with one scale or one for each index of
// an axis.
func (w *writer) dequantized(data, scale, zero *tensor.Tensor, axis int) *val {
	n := max(scale.Len(), zero.Len())
	vector := func(t *tensor.Tensor) *tensor.Tensor {
		switch {
		case n == 1:
			return t.Reshape(nil)
		case t.Len() == n:
			return t.Reshape([]int{n})
		case t.DType().IsFloat():
			return tensor.New(t.DType(), []int{n}, slices.Repeat(t.F32(), n))
		}
		return tensor.New(t.DType(), []int{n}, slices.Repeat(t.I32(), n))
	}
	d := w.dtype(scale.DType())
	in := []*val{w.initializer(data, data.DType()), w.initializer(vector(scale), d)}
	if !isZero(zero) || n > 1 && !isZero(zero) {
		in = append(in, w.initializer(vector(zero), data.DType()))
	}
	var attrs []attr
	if n > 1 {
		attrs = []attr{{"axis", axis}}
	}
	if d == tensor.Float16 && !w.need(19) {
		return in[1]
	}
	return w.add("DequantizeLinear", in, attrs...)
}

func isZero(t *tensor.Tensor) bool {
	return !slices.ContainsFunc(numbersOf(t), func(v float64) bool { return v != 0 })
}

// blockwise has a scale for each block. One axis of blocks that are smaller
// than it is, and of the size of one along all others, is what DequantizeLinear
// has; else codes are grouped by blocks and multiplied.
func blockwise(w *writer, c *call) []*val {
	data, scale, offset := c.tensor("data"), c.tensor("scale"), c.tensor("offset")
	if data == nil || scale == nil || scale.Rank() != data.Rank() || data.Rank() == 0 || data.Len() == 0 {
		return expand(w, c)
	}
	first, ok := quantizedTypes[data.DType()]
	if !ok {
		return expand(w, c)
	}
	zero := tensor.Zeros(data.DType(), scale.Shape())
	if offset != nil {
		if offset.Len() != scale.Len() {
			return expand(w, c)
		}
		if zero = zeroPoint(offset, data.DType()); zero == nil {
			if !w.need(first) {
				return one(w.constant(scale))
			}
			return one(w.grouped(data, scale, offset))
		}
	}
	if !w.need(first) {
		return one(w.constant(scale))
	}
	var many, blocked []int // axes with several scales; of these, with blocks of several elements
	for i, n := range scale.Shape() {
		size := data.Shape()[i]
		if n < 1 || size%n != 0 {
			return expand(w, c)
		}
		if n > 1 {
			many = append(many, i)
			if n < size {
				blocked = append(blocked, i)
			}
		}
	}
	if len(blocked) == 0 && len(many) <= 1 {
		axis := 0
		if len(many) == 1 {
			axis = many[0]
		}
		return one(w.dequantized(data, scale, zero, axis))
	}
	full := func(at int) bool { // along every axis but one
		for i, n := range scale.Shape() {
			if i != at && n != data.Shape()[i] {
				return false
			}
		}
		return true
	}
	d := w.dtype(scale.DType())
	if len(blocked) == 1 && full(blocked[0]) {
		if !w.need(21) {
			return one(w.constant(scale))
		}
		at := blocked[0]
		in := []*val{w.initializer(data, data.DType()), w.initializer(scale, d)}
		if !isZero(zero) {
			in = append(in, w.initializer(zero, data.DType()))
		}
		return one(w.add("DequantizeLinear", in, attr{"axis", at}, attr{"block_size", data.Shape()[at] / scale.Shape()[at]}))
	}
	return one(w.grouped(data, scale, zero))
}

// lookUp gathers from one table; constants with several are expanded.
func lookUp(w *writer, c *call) []*val {
	indices, lut := c.tensor("indices"), c.tensor("lut")
	codes, err := flatCodes(c, indices, lut)
	if err != nil || codes.Len() < 4*fewer {
		return expand(w, c)
	}
	table := w.initializer(lut.Reshape([]int{lut.Len()}), w.dtype(lut.DType()))
	at := w.cast(w.initializer(codes, tensor.Uint8), tensor.Int32)
	return one(w.gather(table, at, 0).as(table.dtype))
}

var errTables = errors.New("several tables")

// flatCodes returns the indices into one table as bytes.
func flatCodes(c *call, indices, lut *tensor.Tensor) (*tensor.Tensor, error) {
	if indices == nil || lut == nil {
		return nil, errTables
	}
	d, shape := indices.DType(), indices.Shape()
	if c.Input("shape") != nil { // before iOS 18: packed bits
		shape = c.numbers("shape")
		d = map[int]tensor.DType{2: tensor.Uint1, 4: tensor.Uint2, 16: tensor.Uint4, 64: tensor.Uint6, 256: tensor.Uint8}[lut.Len()]
		n, err := tensor.CheckShape(shape)
		if err != nil || d == tensor.Invalid || d.PackedSize(n) != indices.Len() {
			return nil, errTables
		}
		if indices, err = tensor.FromPacked(d, shape, indices.Packed()); err != nil {
			return nil, err
		}
	} else if tables := lut.Shape(); len(tables) != len(shape)+2 || tensor.Size(tables[:len(shape)]) != 1 || tables[len(shape)+1] != 1 {
		return nil, errTables
	}
	if d == tensor.Uint8 {
		return indices, nil
	}
	out := make([]byte, indices.Len())
	for i, v := range indices.I32() {
		out[i] = byte(v)
	}
	return tensor.FromPacked(tensor.Uint8, shape, out)
}

// params returns scale and zero point of an operator on values.
func (c *call) params(d tensor.DType) (in []*val, attrs []attr) {
	w, scale := c.w, c.tensor("scale")
	if scale == nil {
		w.fail("its argument scale is missing")
		return nil, nil
	}
	zero := c.tensor("zero_point")
	if zero == nil {
		zero = tensor.Zeros(d, scale.Shape())
	}
	if scale.Len() == 1 && zero.Len() == 1 {
		scale, zero = scale.Reshape(nil), zero.Reshape(nil)
	} else {
		attrs = []attr{{"axis", c.int("axis")}}
	}
	return []*val{w.initializer(scale, w.dtype(scale.DType())), w.initializer(zero, zero.DType())}, attrs
}

func dequantize(w *writer, c *call) []*val {
	x := c.in("input")
	in, attrs := c.params(x.dtype)
	if w.err != nil {
		return nil
	}
	if in[0].dtype == tensor.Float16 && !w.need(19) {
		return one(in[0])
	}
	return one(w.add("DequantizeLinear", append([]*val{x}, in...), attrs...))
}

func quantize(w *writer, c *call) []*val {
	d, err := tensor.ParseDType(c.text("output_dtype"))
	if err != nil {
		return w.fail("%w", err)
	}
	x := c.in("input")
	in, attrs := c.params(d)
	if w.err != nil || x.dtype == tensor.Float16 && !w.need(19) {
		return one(x)
	}
	return one(w.add("QuantizeLinear", append([]*val{x}, in...), attrs...).as(d))
}
