package quant

import (
	"fmt"
	"math"

	"github.com/smelt-ml/smelt/tensor"
)

// AffineSpec names an integer encoding of an ML Program weight.
type AffineSpec struct {
	DType     tensor.DType // Int4, Uint4, Int8 or Uint8
	Symmetric bool         // the range of codes is symmetric around the one of zero
	Scale     tensor.DType // Float32 or Float16, to which scales are rounded; Invalid is Float32
}

// Quantized is a weight as w = Scale[block] * (Codes[i] - Offset[block]).
// Offset (the iOS16 operator's zero_point) is nil where it is zero.
type Quantized struct {
	Codes  []int32
	Scale  []float32
	Offset []int32
}

// Affine quantizes each block of the grid, with qmin … qmax the range of the
// integer type of b bits:
//
//	symmetric:  scale = max|w| / (2^(b-1)-1)
//	            signed:   codes ±(2^(b-1)-1), no offset
//	            unsigned: codes 0 … 2^b-2, offset 2^(b-1)-1
//	otherwise:  lo = min(w, 0), hi = max(w, 0), scale = (hi-lo) / (2^b-1),
//	            offset = clip(round((qmin*hi - qmax*lo) / (hi-lo)), qmin, qmax)
//	code = clip(round(w/scale) + offset), halves to even.
//
// Computation is in float32, as in coremltools' linear_quantize_weights, and
// equal to it for float32 weights. A float16 scale is rounded before codes are
// made from it; coremltools does all of the arithmetic on float16 weights in
// float16, which gives some codes in a hundred a neighbouring value and errors
// that are on the whole a little greater. A block whose scale is zero gets the
// code of zero. The error is at most scale/2, more only by the rounding of a
// float16 scale.
func Affine(w []float32, g Grid, spec AffineSpec) (Quantized, error) {
	switch spec.DType {
	case tensor.Int4, tensor.Uint4, tensor.Int8, tensor.Uint8:
	default:
		return Quantized{}, fmt.Errorf("affine codes are int4, uint4, int8 or uint8, not %s", spec.DType)
	}
	switch spec.Scale {
	case tensor.Invalid, tensor.Float32, tensor.Float16:
	default:
		return Quantized{}, fmt.Errorf("scales are fp32 or fp16, not %s", spec.Scale)
	}
	if err := g.check(len(w)); err != nil {
		return Quantized{}, err
	}
	if err := checkFinite(w); err != nil {
		return Quantized{}, err
	}
	ranges := make([]span, g.Blocks())
	for b := range ranges {
		ranges[b] = empty
	}
	g.runs(func(start, end, b int) { ranges[b] = ranges[b].widen(w[start:end]) })

	qlo, qhi := spec.DType.IntRange()
	if spec.Symmetric {
		if spec.DType.IsSigned() {
			qlo++
		} else {
			qhi--
		}
	}
	qmin, qmax := float32(qlo), float32(qhi)
	q := Quantized{Codes: make([]int32, len(w)), Scale: make([]float32, len(ranges))}
	if !spec.Symmetric || !spec.DType.IsSigned() {
		q.Offset = make([]int32, len(ranges))
	}
	for b, r := range ranges {
		if spec.Symmetric {
			q.Scale[b] = r.abs() / ((qmax - qmin) / 2)
			if q.Offset != nil {
				q.Offset[b] = int32(qhi / 2)
			}
		} else {
			q.Scale[b], q.Offset[b] = affineBlock(min(r.lo, 0), max(r.hi, 0), qmin, qmax)
		}
	}
	tensor.RoundTo(spec.Scale, q.Scale)
	if err := checkFinite(q.Scale); err != nil {
		return Quantized{}, fmt.Errorf("scales as %s: %w", spec.Scale, err)
	}
	g.runs(func(start, end, b int) {
		scale, offset := q.Scale[b], float32(0)
		if q.Offset != nil {
			offset = float32(q.Offset[b])
		}
		codes := q.Codes[start:end]
		for i, x := range w[start:end] {
			v := offset
			if scale > 0 {
				v = float32(math.RoundToEven(float64(x/scale))) + offset
			}
			codes[i] = int32(max(qmin, min(qmax, v)))
		}
	})
	return q, nil
}

// affineBlock returns scale and offset of a range that includes zero. The
// conversions keep products from being fused into sums: every machine computes
// the same.
func affineBlock(lo, hi, qmin, qmax float32) (scale float32, offset int32) {
	width := hi - lo
	if width == 0 {
		return 0, int32(max(qmin, 0))
	}
	zero := (float32(qmin*hi) - float32(qmax*lo)) / width
	scale = width / (qmax - qmin)
	if m := max(-lo, hi); m > math.MaxFloat32/512 { // a product may have overflowed
		lo, hi, qmin, qmax := float64(lo), float64(hi), float64(qmin), float64(qmax)
		zero = float32((float64(qmin*hi) - float64(qmax*lo)) / (hi - lo))
		scale = float32((hi - lo) / (qmax - qmin))
	}
	zero = float32(math.RoundToEven(float64(zero)))
	return scale, int32(max(qmin, min(qmax, zero)))
}

// Dequantize returns scale[block] * (data - offset[block]) in float32: the
// meaning of constexpr_blockwise_shift_scale, and of
// constexpr_affine_dequantize with a grid of one block or one per channel.
// Integers are those of up to 16 bits; a nil offset is zero.
func Dequantize[T int32 | float32](data []T, g Grid, scale []float32, offset []T) ([]float32, error) {
	if err := g.check(len(data)); err != nil {
		return nil, err
	}
	if len(scale) != g.Blocks() {
		return nil, fmt.Errorf("want %d scales, have %d", g.Blocks(), len(scale))
	}
	if offset != nil && len(offset) != len(scale) {
		return nil, fmt.Errorf("want no offset or %d, have %d", len(scale), len(offset))
	}
	out := make([]float32, len(data))
	g.runs(func(start, end, b int) {
		s, z := scale[b], float32(0)
		if offset != nil {
			z = float32(offset[b])
		}
		for i := start; i < end; i++ {
			out[i] = s * (float32(data[i]) - z)
		}
	})
	return out, nil
}
