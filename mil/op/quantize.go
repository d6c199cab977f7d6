package op

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// QuantizeArgs are the arguments of Quantize. Scale and ZeroPoint, which may
// be nil, are scalars or vectors along Axis, a scalar that may be nil where
// they are scalars.
type QuantizeArgs struct {
	Input       *mil.Value     `mil:"input,SrcT"`
	ZeroPoint   *tensor.Tensor `mil:"zero_point,DstT,const,optional"`
	Scale       *tensor.Tensor `mil:"scale,SrcT,const"`
	Axis        *tensor.Tensor `mil:"axis,int32,const,optional"`
	OutputDType string         `mil:"output_dtype,string,const" values:"int8|uint8"`
}

// The element types of Quantize's results.
var bytesTypes = []tensor.DType{tensor.Uint8, tensor.Int8}

// Quantize is round(input / scale) + zero_point within the range of the result;
// the rounding is to nearest even. NaN gives 0.
var Quantize = Define(Spec[QuantizeArgs]{
	Name: "quantize", Since: mil.IOS17, Types: Types{"SrcT": Float, "DstT": bytesTypes},
	Infer: func(a *QuantizeArgs) ([]mil.Type, error) {
		d, err := tensor.ParseDType(a.OutputDType)
		if err != nil {
			return nil, err
		}
		if a.ZeroPoint != nil && a.ZeroPoint.DType() != d {
			return nil, fmt.Errorf("zero_point is of type %s, output_dtype is %s", a.ZeroPoint.DType(), d)
		}
		if slices.Contains(a.Scale.F32(), 0) {
			return nil, fmt.Errorf("scale is 0")
		}
		if _, err := quantizedAxis(a.Input.Type.Shape, a.Scale, a.ZeroPoint, a.Axis); err != nil {
			return nil, err
		}
		return []mil.Type{mil.TensorType(d, a.Input.Type.Shape...)}, nil
	},
	Eval: func(a *QuantizeArgs) ([]*tensor.Tensor, error) {
		x := a.Input.Const
		d, err := tensor.ParseDType(a.OutputDType)
		if err != nil {
			return nil, err
		}
		at, err := quantizedAxis(x.Shape(), a.Scale, a.ZeroPoint, a.Axis)
		if err != nil {
			return nil, err
		}
		in, out := x.F32(), make([]int32, x.Len())
		lo, hi := d.IntRange()
		alongBlocks(x.Shape(), at, a.Scale, a.ZeroPoint, func(first, n int, scale, zero float32) {
			for i := first; i < first+n; i++ {
				q := math.RoundToEven(float64(in[i]/scale)) + float64(zero)
				out[i] = truncate(min(max(q, float64(lo)), float64(hi)))
			}
		})
		return one(tensor.New(d, x.Shape(), out))
	},
	Sample: func(r *rand.Rand) QuantizeArgs {
		x := sampleFloats(r)
		d := bytesTypes[r.IntN(2)]
		scale, zero, at := sampleQuantization(r, x.Type.Shape, d)
		return QuantizeArgs{x, zero, scale, at, d.String()}
	},
})

// quantizedAxis checks that the parameters fit data of a shape and returns the
// axis along which they lie.
func quantizedAxis(shape []int, scale, zeroPoint, axisArg *tensor.Tensor) (int, error) {
	params := []struct {
		name string
		t    *tensor.Tensor
	}{{"scale", scale}, {"zero_point", zeroPoint}}
	at := 0
	switch {
	case axisArg == nil:
		for _, p := range params {
			if p.t != nil && p.t.Len() != 1 {
				return 0, fmt.Errorf("%s is %s, a vector needs an axis", p.name, p.t)
			}
		}
		return 0, nil
	case axisArg.Len() != 1:
		return 0, fmt.Errorf("axis is %s, want a scalar", axisArg)
	default:
		var err error
		if at, err = axis(int(axisArg.Float64s()[0]), len(shape)); err != nil {
			return 0, err
		}
	}
	for _, p := range params {
		if p.t == nil {
			continue
		}
		if err := alongAxis(p.name, p.t.Shape(), shape, at); err != nil {
			return 0, err
		}
	}
	return at, nil
}

// alongBlocks calls f for each run of elements with one scale and zero point,
// which are scalars or vectors along an axis; a nil zero point is 0.
func alongBlocks(shape []int, axis int, scale, zeroPoint *tensor.Tensor, f func(first, n int, scale, zero float32)) {
	grid := make([]int, len(shape))
	for i := range grid {
		grid[i] = 1
	}
	scales, zeros := scale.F32(), offsets(zeroPoint, 1)
	if len(scales)*len(zeros) > 1 {
		grid[axis] = shape[axis]
	}
	blocks(shape, grid, func(first, n, i int) {
		f(first, n, scales[min(i, len(scales)-1)], zeros[min(i, len(zeros)-1)])
	})
}

func sampleQuantization(r *rand.Rand, shape []int, d tensor.DType) (scale, zeroPoint, axis *tensor.Tensor) {
	var params []int
	if r.IntN(2) == 0 {
		at := r.IntN(len(shape))
		params = []int{shape[at]}
		axis = tensor.Scalar(tensor.Int32, int32(at-len(shape)*r.IntN(2)))
	}
	scale = tensor.Floats(params, sampleVector(r, tensor.Size(params), 0.01))
	if r.IntN(2) == 0 {
		zeroPoint = sampleCodes(r, d, params...)
	}
	return scale, zeroPoint, axis
}
