package op

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// ConstexprBlockwiseShiftScaleArgs are the arguments of
// ConstexprBlockwiseShiftScale. Scale has the rank of Data and divides its
// dimensions into blocks; Offset has the shape of Scale, nil means 0.
type ConstexprBlockwiseShiftScaleArgs struct {
	Data   *tensor.Tensor `mil:"data,SrcT,const"`
	Scale  *tensor.Tensor `mil:"scale,DstT,const"`
	Offset *tensor.Tensor `mil:"offset,OffsetT,const,optional"`
}

// The element types of quantized data.
var quantized = []tensor.DType{tensor.Int4, tensor.Uint4, tensor.Int8, tensor.Uint8, tensor.Float16, tensor.Float32}

// ConstexprBlockwiseShiftScale is scale · (data - offset), with the parameters
// of the block that an element lies in.
var ConstexprBlockwiseShiftScale = Define(Spec[ConstexprBlockwiseShiftScaleArgs]{
	Name: "constexpr_blockwise_shift_scale", Since: mil.IOS18,
	Types: Types{"SrcT": quantized, "DstT": Float, "OffsetT": quantized},
	Infer: func(a *ConstexprBlockwiseShiftScaleArgs) ([]mil.Type, error) {
		if err := checkBlocks(a.Data.Shape(), a.Data.DType(), a.Scale, a.Offset); err != nil {
			return nil, err
		}
		return []mil.Type{mil.TensorType(a.Scale.DType(), a.Data.Shape()...)}, nil
	},
	Eval: func(a *ConstexprBlockwiseShiftScaleArgs) ([]*tensor.Tensor, error) {
		if t := coded(a.Data, a.Scale.DType(), a.Scale.Shape(), a.Scale.F32(), offsets(a.Offset, a.Scale.Len())); t != nil {
			return one(t)
		}
		out := make([]float32, a.Data.Len())
		scale, offset := a.Scale.F32(), offsets(a.Offset, a.Scale.Len())
		d := a.Data.DType()
		switch {
		case d.IsFloat():
			in := a.Data.F32()
			blocks(a.Data.Shape(), a.Scale.Shape(), func(first, n, i int) {
				for j := first; j < first+n; j++ {
					out[j] = scale[i] * (in[j] - offset[i])
				}
			})
		case d.Bits() == 8:
			in := a.Data.Packed()
			blocks(a.Data.Shape(), a.Scale.Shape(), func(first, n, i int) {
				shiftScale(out[first:first+n], in[first:first+n], d == tensor.Int8, scale[i], offset[i])
			})
		default:
			in, values, table := codes{a.Data.Packed(), d.Bits()}, codeValues(d), make([]float32, 1<<d.Bits())
			blocks(a.Data.Shape(), a.Scale.Shape(), func(first, n, i int) {
				for j, v := range values {
					table[j] = scale[i] * (v - offset[i])
				}
				lookUp(out[first:first+n], in, first, table)
			})
		}
		return one(tensor.New(a.Scale.DType(), a.Data.Shape(), out))
	},
	Sample: func(r *rand.Rand) ConstexprBlockwiseShiftScaleArgs {
		d := quantized[r.IntN(4)]
		shape, scale, offset := sampleBlocks(r, d)
		return ConstexprBlockwiseShiftScaleArgs{sampleCodes(r, d, shape...), scale, offset}
	},
})

// checkBlocks checks that scale divides a shape into blocks and that the
// offset, if there is one, fits it.
func checkBlocks(shape []int, d tensor.DType, scale, offset *tensor.Tensor) error {
	if len(shape) == 0 {
		return fmt.Errorf("the data is a scalar, want rank 1 or more")
	}
	if err := divides("scale", scale.Shape(), shape); err != nil {
		return err
	}
	if offset == nil {
		return nil
	}
	if !slices.Equal(offset.Shape(), scale.Shape()) {
		return fmt.Errorf("offset has shape %s, scale %s", tensor.FormatShape(offset.Shape()), tensor.FormatShape(scale.Shape()))
	}
	if o := offset.DType(); !o.IsFloat() && o != d {
		return fmt.Errorf("offset is of type %s, the data of %s", o, d)
	}
	return nil
}

// divides checks that a grid has the rank of a shape and divides each of its
// dimensions.
func divides(name string, grid, shape []int) error {
	if len(grid) != len(shape) {
		return fmt.Errorf("%s has rank %d, the data %d", name, len(grid), len(shape))
	}
	for i, d := range shape {
		if grid[i] < 1 || d%grid[i] != 0 {
			return fmt.Errorf("%s divides dimension %d of size %d into %d blocks", name, i, d, grid[i])
		}
	}
	return nil
}

// offsets returns the elements of a numeric tensor, n zeros where there is
// none.
func offsets(t *tensor.Tensor, n int) []float32 {
	switch {
	case t == nil:
		return make([]float32, n)
	case t.DType().IsFloat():
		return t.F32()
	}
	out := make([]float32, t.Len())
	for i, v := range t.I32() {
		out[i] = float32(v)
	}
	return out
}

// codeValues returns the value of each code of an integer type of a few bits.
func codeValues(d tensor.DType) []float32 {
	out := make([]float32, 1<<d.Bits())
	_, greatest := d.IntRange()
	for i := range out {
		v := i
		if v > int(greatest) {
			v -= len(out)
		}
		out[i] = float32(v)
	}
	return out
}

// sampleBlocks returns a shape, a scale that divides it and an offset of the
// data's type, or none.
func sampleBlocks(r *rand.Rand, d tensor.DType) (shape []int, scale, offset *tensor.Tensor) {
	grid := sampleShape(r)
	shape = make([]int, len(grid))
	for i := range grid {
		grid[i] = 1 + r.IntN(3)
		shape[i] = grid[i] * (1 + r.IntN(3))
	}
	scale = tensor.Floats(grid, sampleVector(r, tensor.Size(grid), 0))
	if r.IntN(2) == 0 {
		offset = sampleCodes(r, d, grid...)
	}
	return shape, scale, offset
}
