package op

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// ConstexprAffineDequantizeArgs are the arguments of
// ConstexprAffineDequantize. ZeroPoint and Scale are scalars or have one
// element for each index along Axis.
type ConstexprAffineDequantizeArgs struct {
	QuantizedData *tensor.Tensor `mil:"quantized_data,SrcT,const"`
	ZeroPoint     *tensor.Tensor `mil:"zero_point,ZeroPointT,const"`
	Scale         *tensor.Tensor `mil:"scale,DstT,const"`
	Axis          int            `mil:"axis,int32,const"`
}

// ConstexprAffineDequantize is scale · (quantized_data - zero_point).
var ConstexprAffineDequantize = Define(Spec[ConstexprAffineDequantizeArgs]{
	Name: "constexpr_affine_dequantize", Since: mil.IOS16, Attributes: true,
	Types: Types{
		"SrcT":       {tensor.Uint8, tensor.Int8},
		"ZeroPointT": {tensor.Uint8, tensor.Int8, tensor.Float32},
		"DstT":       Float,
	},
	Infer: func(a *ConstexprAffineDequantizeArgs) ([]mil.Type, error) {
		shape := a.QuantizedData.Shape()
		at, err := axis(a.Axis, len(shape))
		if err != nil {
			return nil, err
		}
		if err := alongAxis("scale", a.Scale.Shape(), shape, at); err != nil {
			return nil, err
		}
		if err := alongAxis("zero_point", a.ZeroPoint.Shape(), shape, at); err != nil {
			return nil, err
		}
		return []mil.Type{mil.TensorType(a.Scale.DType(), shape...)}, nil
	},
	Eval: func(a *ConstexprAffineDequantizeArgs) ([]*tensor.Tensor, error) {
		shape := a.QuantizedData.Shape()
		at, err := axis(a.Axis, len(shape))
		if err != nil {
			return nil, err
		}
		scale, zero := a.Scale.F32(), offsets(a.ZeroPoint, 1)
		n := max(len(scale), len(zero))
		grid := slices.Repeat([]int{1}, len(shape))
		grid[at] = n
		if t := coded(a.QuantizedData, a.Scale.DType(), grid, spread(scale, n), spread(zero, n)); t != nil {
			return one(t)
		}
		return one(dequantize(a.QuantizedData, a.Scale, a.ZeroPoint, at))
	},
	Sample: func(r *rand.Rand) ConstexprAffineDequantizeArgs {
		shape := sampleShape(r)
		at := r.IntN(len(shape))
		var params []int
		if r.IntN(2) == 0 {
			params = []int{shape[at]}
		}
		d := []tensor.DType{tensor.Uint8, tensor.Int8}[r.IntN(2)]
		return ConstexprAffineDequantizeArgs{
			QuantizedData: sampleCodes(r, d, shape...),
			ZeroPoint:     sampleCodes(r, d, params...),
			Scale:         tensor.Floats(params, sampleVector(r, tensor.Size(params), 0)),
			Axis:          at - len(shape)*r.IntN(2),
		}
	},
})

// spread repeats a single value n times.
func spread(x []float32, n int) []float32 {
	if len(x) == 1 {
		return slices.Repeat(x, n)
	}
	return x
}

// alongAxis checks that a parameter is a scalar or has one element for each
// index of a shape along an axis. A vector of one element passes as a scalar.
func alongAxis(name string, param, shape []int, axis int) error {
	n := tensor.Size(param)
	if len(param) > 1 || n != 1 && shape[axis] >= 0 && n != shape[axis] {
		return fmt.Errorf("%s has shape %s, dimension %d of the data is %d", name, tensor.FormatShape(param), axis, shape[axis])
	}
	return nil
}

// dequantize returns scale · (q - zeroPoint) for data of 8 bits; the parameters
// are scalars or vectors along the axis, a nil zeroPoint is 0.
func dequantize(q, scale, zeroPoint *tensor.Tensor, axis int) *tensor.Tensor {
	in, out := q.Packed(), make([]float32, q.Len())
	signed := q.DType() == tensor.Int8
	alongBlocks(q.Shape(), axis, scale, zeroPoint, func(first, n int, scale, zero float32) {
		shiftScale(out[first:first+n], in[first:first+n], signed, scale, zero)
	})
	return tensor.New(scale.DType(), q.Shape(), out)
}

// shiftScale sets out to scale · (in - offset) for bytes that are codes.
func shiftScale(out []float32, in []byte, signed bool, scale, offset float32) {
	if signed {
		for i, v := range in {
			out[i] = scale * (float32(int8(v)) - offset)
		}
		return
	}
	for i, v := range in {
		out[i] = scale * (float32(v) - offset)
	}
}

// sampleCodes returns a packed tensor of random integers of a type.
func sampleCodes(r *rand.Rand, d tensor.DType, shape ...int) *tensor.Tensor {
	b := make([]byte, d.PackedSize(tensor.Size(shape)))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	t, err := tensor.FromPacked(d, shape, b)
	if err != nil {
		panic(err)
	}
	return t
}
