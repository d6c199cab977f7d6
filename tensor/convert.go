package tensor

import (
	"fmt"
	"math"
)

// Float64s returns any numeric or Bool tensor's elements as float64, rounded
// to nearest even where an integer has more than 53 bits.
func (t *Tensor) Float64s() []float64 {
	switch d := t.Decoded().data.(type) {
	case []float32:
		return mapTo(d, func(v float32) float64 { return float64(v) })
	case []float64:
		return append([]float64{}, d...)
	case []int32:
		return mapTo(d, func(v int32) float64 { return float64(v) })
	case []int64:
		if t.dtype == Uint64 {
			return mapTo(d, func(v int64) float64 { return float64(uint64(v)) })
		}
		return mapTo(d, func(v int64) float64 { return float64(v) })
	case []bool:
		return mapTo(d, func(v bool) float64 { return float64(bit(v)) })
	}
	panic("tensor.Float64s: " + t.String())
}

// ConvertTo returns the elements as another numeric type or Bool, as MIL's
// cast does: to an integer type truncating toward zero and saturating (NaN
// gives 0), to Bool by "is not zero", to a narrower float rounding to nearest
// even, once. It returns t itself when the type is the same.
func (t *Tensor) ConvertTo(d DType) (*Tensor, error) {
	if d == t.dtype {
		return t, nil
	}
	if t.dtype == String || d == String || t.dtype.class() == classNone || d.class() == classNone {
		return nil, fmt.Errorf("cannot convert %s to %s", t.dtype, d)
	}
	switch src := t.Decoded().data.(type) {
	case []float32:
		if d == Float32 {
			return New(d, t.shape, src), nil
		}
		return convert(t, d, src, same, truncate), nil
	case []float64:
		return convert(t, d, src, func(v float64) float32 { return narrow(v, d) }, truncate), nil
	case []int32:
		return convert(t, d, src, func(v int32) float32 { return narrow(float64(v), d) }, clamp), nil
	case []int64:
		if t.dtype == Uint64 {
			// Values past the int64 range are seen as what they are.
			u := mapTo(src, func(v int64) uint64 { return uint64(v) })
			return convert(t, d, u, func(v uint64) float32 { return narrow(sticky(v), d) }, clampUint64), nil
		}
		return convert(t, d, src, func(v int64) float32 {
			if v < 0 {
				return narrow(-sticky(-uint64(v)), d)
			}
			return narrow(sticky(uint64(v)), d)
		}, clamp), nil
	case []bool:
		return convert(t, d, mapTo(src, bit), func(v int32) float32 { return float32(v) }, clamp), nil
	}
	panic("tensor.ConvertTo: " + t.String())
}

// convert maps src to type d: toFloat gives the value from which RoundTo(d)
// rounds right, toInt the value of an integer type.
func convert[S int32 | int64 | uint64 | float32 | float64](t *Tensor, d DType, src []S, toFloat func(S) float32, toInt func(S, DType) int64) *Tensor {
	switch d.class() {
	case classFloat32:
		out := mapTo(src, toFloat)
		RoundTo(d, out)
		return New(d, t.shape, out)
	case classFloat64:
		return New(d, t.shape, mapTo(src, func(v S) float64 { return float64(v) }))
	case classBool:
		return New(d, t.shape, mapTo(src, func(v S) bool { return v != 0 }))
	case classInt32:
		return New(d, t.shape, mapTo(src, func(v S) int32 { return int32(toInt(v, d)) }))
	default:
		return New(d, t.shape, mapTo(src, func(v S) int64 { return toInt(v, d) }))
	}
}

func mapTo[S, T any](src []S, f func(S) T) []T {
	out := make([]T, len(src))
	for i, v := range src {
		out[i] = f(v)
	}
	return out
}

func same(v float32) float32 { return v }

func bit(v bool) int32 {
	if v {
		return 1
	}
	return 0
}

// narrow returns v as the float32 from which rounding to d gives what rounding
// v to d would. For float32 itself that is the nearest; for narrower types the
// nearest could fall on a tie that v is not on, and be rounded twice, so v is
// rounded to odd: toward zero, the last bit set when anything was lost.
func narrow(v float64, d DType) float32 {
	f := float32(v)
	if d == Float32 || float64(f) == v || v != v {
		return f
	}
	b := math.Float32bits(f)
	if math.Abs(float64(f)) > math.Abs(v) {
		b--
	}
	return math.Float32frombits(b | 1)
}

// sticky returns v as a float64 that rounds to float32 and narrower types as
// v does: bits past the 53rd are dropped, leaving a trace in the last one kept.
func sticky(v uint64) float64 {
	if v>>53 != 0 {
		if v&0x7ff != 0 {
			v |= 0x800
		}
		v &^= 0x7ff
	}
	return float64(v)
}

func truncate[F float32 | float64](f F, d DType) int64 {
	v := float64(f)
	lo, hi := d.IntRange()
	switch {
	case v != v:
		return 0
	case v <= float64(lo):
		return lo
	case v < float64(hi):
		return int64(v)
	case d != Uint64:
		return hi
	case v < 1<<64:
		return int64(uint64(v))
	}
	return -1 // the bits of the greatest uint64
}

func clamp[I int32 | int64](v I, d DType) int64 {
	lo, hi := d.IntRange()
	return max(lo, min(hi, int64(v)))
}

func clampUint64(v uint64, d DType) int64 {
	_, hi := d.IntRange()
	return int64(min(v, uint64(hi)))
}
