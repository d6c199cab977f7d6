package compress

import (
	"context"
	"fmt"

	"github.com/smelt-ml/smelt/compress/quant"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// programEncoding is a constant in its new form: a constexpr operation.
type programEncoding struct {
	encoding
	op     string
	params []programParam
	kept   string // why it stays as it was, "" if it does not
}

type programParam struct {
	name  string
	value *tensor.Tensor
	// argument marks what is no weight and stands in the program itself.
	argument bool
	// Of a tensor that is in the weight file no value is left but its type.
	offset uint64
	typed  *spec.Value
}

// form is how a program can hold what Options ask for.
type form struct {
	bits  int
	mode  Mode
	codes tensor.DType // of Linear and LinearSymmetric, and of LUT indices
	note  string
}

// indexTypes are the types of indices since iOS 18.
var indexTypes = map[int]tensor.DType{
	1: tensor.Uint1, 2: tensor.Uint2, 3: tensor.Uint3, 4: tensor.Uint4, 6: tensor.Uint6, 8: tensor.Uint8,
}

// formFor finds the form that an opset has for 8 bits or less. Linear codes have 8 bits, and 4
// since iOS 18; where there are none of the size wanted, a table of evenly
// spaced values has the same levels, though for the whole weight. Indices have
// 1, 2, 4, 6 or 8 bits, and 3 since iOS 18; the next size is taken.
func (o *Options) formFor(opset mil.Opset) form {
	f := form{bits: o.Bits, mode: o.Mode}
	ios18 := opset >= mil.IOS18
	if f.mode == Linear || f.mode == LinearSymmetric {
		switch {
		case o.Bits >= 7:
			f.bits, f.codes = 8, tensor.Int8
		case o.Bits == 4 && ios18:
			f.codes = tensor.Int4
		default:
			f.mode = LinearLUT
			f.note = fmt.Sprintf("%s programs have no linear codes of %d bits: a table of evenly spaced values", opset, o.Bits)
		}
	}
	if f.codes == tensor.Invalid {
		for indexTypes[f.bits] == tensor.Invalid || f.bits == 3 && !ios18 {
			f.bits++
		}
		f.codes = indexTypes[f.bits]
	}
	if f.bits != o.Bits {
		if f.note != "" {
			f.note += "; "
		}
		f.note += fmt.Sprintf("%d bits in place of %d", f.bits, o.Bits)
	}
	return f
}

func (p *programs) encode(ctx context.Context, j *programJob) (programEncoding, error) {
	c := j.constants[0]
	t, err := p.value(c)
	if err != nil {
		return programEncoding{}, err
	}
	values := t.F32()
	if ok, err := finite(values); err != nil {
		return programEncoding{}, err
	} else if !ok {
		return programEncoding{kept: "it has infinite values"}, nil
	}
	var e programEncoding
	var got []float32
	switch {
	case p.o.Bits == 16 && c.dtype == tensor.Float16:
		e, got = programUncompressed(c, values), values
	case p.o.Bits == 16:
		e, got, err = programHalf(c, values)
	default:
		e, got, err = p.codes(ctx, j, values)
	}
	if err != nil || e.kept != "" {
		return e, err
	}
	for _, param := range e.params {
		if !param.argument {
			e.size += int64(param.value.DType().PackedSize(param.value.Len()))
		}
	}
	e.stats, err = quant.Measure(values, got)
	return e, err
}

// programUncompressed is a constant of type float16, made from codes.
func programUncompressed(c *constant, values []float32) programEncoding {
	return programEncoding{
		encoding: encoding{bits: 16, mode: Float16}, op: "const",
		params: []programParam{{name: "val", value: tensor.New(tensor.Float16, c.shape, values)}},
	}
}

func programHalf(c *constant, values []float32) (programEncoding, []float32, error) {
	b, overflowed := quant.Float16(values)
	if overflowed > 0 {
		return programEncoding{kept: fmt.Sprintf("%d of its values are beyond float16", overflowed)}, nil, nil
	}
	t, err := tensor.FromPacked(tensor.Float16, c.shape, b)
	if err != nil {
		return programEncoding{}, nil, err
	}
	return programEncoding{
		encoding: encoding{bits: 16, mode: Float16}, op: "constexpr_cast",
		params: []programParam{
			{name: "source_val", value: t},
			{name: "output_dtype", value: tensor.Scalar(tensor.String, "fp32"), argument: true},
		},
	}, t.F32(), nil
}

// codes quantizes to 8 bits or less and returns the values that result.
func (p *programs) codes(ctx context.Context, j *programJob, values []float32) (programEncoding, []float32, error) {
	c := j.constants[0]
	f := p.o.formFor(c.fn.opset)
	if f.mode == Linear || f.mode == LinearSymmetric {
		return programLinear(c, values, j.axis, f)
	}
	return p.lut(ctx, j, values, f)
}

// programLinear makes codes with a scale, and but for LinearSymmetric an
// offset, for each channel.
func programLinear(c *constant, values []float32, axis int, f form) (programEncoding, []float32, error) {
	grid, err := quant.OneBlock(len(values))
	if len(c.shape) > 1 {
		grid, err = quant.PerChannel(c.shape, axis)
	}
	if err != nil {
		return programEncoding{}, nil, err
	}
	q, err := quant.Affine(values, grid, quant.AffineSpec{DType: f.codes, Symmetric: f.mode == LinearSymmetric, Scale: c.dtype})
	if err != nil {
		return programEncoding{}, nil, err
	}
	got, err := quant.Dequantize(q.Codes, grid, q.Scale, q.Offset)
	if err != nil {
		return programEncoding{}, nil, err
	}
	tensor.RoundTo(c.dtype, got)
	e := programEncoding{encoding: encoding{bits: f.bits, mode: f.mode, note: f.note}}
	if c.fn.opset >= mil.IOS18 {
		counts := make([]int, len(c.shape))
		for i := range counts {
			counts[i] = 1
		}
		if len(c.shape) > 1 {
			counts = grid.Counts()
		}
		e.op = "constexpr_blockwise_shift_scale"
		e.params = []programParam{
			{name: "data", value: packed(f.codes, c.shape, q.Codes)},
			{name: "scale", value: packed(c.dtype, counts, q.Scale)},
		}
		if q.Offset != nil {
			e.params = append(e.params, programParam{name: "offset", value: packed(f.codes, counts, q.Offset)})
		}
		return e, got, nil
	}
	channels := []int{len(q.Scale)}
	if len(q.Scale) == 1 {
		channels, axis = nil, 0
	}
	if q.Offset == nil {
		q.Offset = make([]int32, len(q.Scale))
	}
	e.op = "constexpr_affine_dequantize"
	e.params = []programParam{
		{name: "quantized_data", value: packed(f.codes, c.shape, q.Codes)},
		{name: "zero_point", value: packed(f.codes, channels, q.Offset)},
		{name: "scale", value: packed(c.dtype, channels, q.Scale)},
		{name: "axis", value: tensor.Scalar(tensor.Int32, int32(axis)), argument: true},
	}
	return e, got, nil
}

// packed returns a tensor that holds its elements as a file does, and so in
// the least memory.
func packed[T tensor.Element](d tensor.DType, shape []int, v []T) *tensor.Tensor {
	b := tensor.New(d, shape, v).Packed()
	t, err := tensor.FromPacked(d, shape, b)
	if err != nil {
		panic(err) // these bytes are of that type and shape
	}
	return t
}

// lut makes indices into one table.
func (p *programs) lut(ctx context.Context, j *programJob, values []float32, f form) (programEncoding, []float32, error) {
	c := j.constants[0]
	e := programEncoding{encoding: encoding{bits: f.bits, mode: f.mode, note: f.note}, op: "constexpr_lut_to_dense"}
	pal, err := p.table(ctx, j, values, f)
	if err != nil {
		return e, nil, err
	}
	got, err := quant.DequantizeLUT(pal.Codes, pal.Table)
	if err != nil {
		return e, nil, err
	}
	b := quant.PackLSB(pal.Codes, f.bits)
	if c.fn.opset >= mil.IOS18 {
		indices, err := tensor.FromPacked(f.codes, c.shape, b)
		if err != nil {
			return e, nil, err
		}
		shape := make([]int, len(c.shape)+2)
		for i := range shape {
			shape[i] = 1
		}
		shape[len(c.shape)] = len(pal.Table)
		e.params = []programParam{
			{name: "indices", value: indices},
			{name: "lut", value: packed(c.dtype, shape, pal.Table)},
		}
		return e, got, nil
	}
	indices, err := tensor.FromPacked(tensor.Uint8, []int{len(b)}, b)
	if err != nil {
		return e, nil, err
	}
	shape := make([]int32, len(c.shape))
	for i, n := range c.shape {
		shape[i] = int32(n)
	}
	dims, err := tensor.Ints([]int{len(shape)}, shape).ConvertTo(tensor.Uint32)
	if err != nil {
		return e, nil, err
	}
	e.params = []programParam{
		{name: "indices", value: indices},
		{name: "lut", value: packed(c.dtype, []int{len(pal.Table)}, pal.Table)},
		{name: "shape", value: dims, argument: true},
	}
	return e, got, nil
}

// table makes a palette of 2^f.bits values of the constant's type.
func (p *programs) table(ctx context.Context, j *programJob, values []float32, f form) (quant.Palette, error) {
	d := j.constants[0].dtype
	switch {
	case p.o.Mode == KMeans:
		return p.o.palette(ctx, j.Weight, values, f.bits, d)
	case p.o.Mode == CustomLUT:
		pal, err := p.o.palette(ctx, j.Weight, values, p.o.Bits, d)
		for err == nil && len(pal.Table) < 1<<f.bits {
			pal.Table = append(pal.Table, pal.Table[len(pal.Table)-1])
		}
		return pal, err
	case p.o.Mode == LinearSymmetric:
		l := quant.Whole(len(values))
		q, err := quant.LinearSymmetric(values, l, f.bits)
		if err != nil {
			return quant.Palette{}, err
		}
		levels := make([]uint8, 1<<f.bits)
		for i := range levels {
			levels[i] = uint8(i)
		}
		table, err := quant.DequantizeLinear(levels, quant.Whole(len(levels)), q.Scale, q.Bias)
		tensor.RoundTo(d, table)
		return quant.Palette{Table: table, Codes: q.Codes}, err
	}
	pal, err := quant.Uniform(values, f.bits)
	tensor.RoundTo(d, pal.Table)
	return pal, err
}
