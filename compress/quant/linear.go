package quant

import (
	"fmt"
	"math"
)

// Coded holds the codes of a weight in a NeuralNetwork document, one a byte,
// with a scale and a bias for each channel: w = code*scale + bias.
type Coded struct {
	Codes       []uint8
	Scale, Bias []float32
}

// tinyScale is the scale up to which coremltools gives up on a channel.
const tinyScale = 1e-6

// Linear quantizes to codes 0 … 2^bits-1, for each channel c with
//
//	bias = min(w), scale = (max(w)-min(w)) / (2^bits-1),
//	code = round((w-bias) * (1/scale)), halves to even.
//
// A channel whose scale is at most 1e-6 gets codes 0, that is, its minimum
// everywhere. For other channels the error is at most scale/2. Computation is
// in float64 and scales are rounded to float32 at the end. The result equals
// that of coremltools' quantize_weights(nbits, "linear") bit for bit, provided
// that its protobuf runtime hands out weights as float64; some newer runtimes
// hand out float32, which moves the last bit of scales and a rare code.
func Linear(w []float32, l Layout, bits int) (Coded, error) {
	ranges, err := channelRanges(w, l, bits)
	if err != nil {
		return Coded{}, err
	}
	out := newCoded(len(w), l.Channels)
	inverse := make([]float64, l.Channels)
	for c, r := range ranges {
		scale := (float64(r.hi) - float64(r.lo)) / float64(int(1)<<bits-1)
		if scale > math.MaxFloat32 {
			return Coded{}, fmt.Errorf("channel %d: the range %g to %g gives a scale beyond float32", c, r.lo, r.hi)
		}
		if scale > tinyScale {
			inverse[c] = 1 / scale
		}
		out.Scale[c], out.Bias[c] = float32(scale), r.lo
	}
	l.runs(func(start, end, c int) {
		lo, inv := float64(ranges[c].lo), inverse[c]
		codes := out.Codes[start:end]
		for i, x := range w[start:end] {
			codes[i] = uint8(math.RoundToEven((float64(x) - lo) * inv))
		}
	})
	return out, nil
}

// LinearSymmetric quantizes to codes whose middle, 2^(bits-1), stands for
// zero, for each channel with r = max|w|:
//
//	scale = r / (2^(bits-1)-1), bias = -2^(bits-1) * scale,
//	code = round((w-bias)/scale), halves to even: 1 … 2^bits-1.
//
// This is coremltools' "linear_symmetric", which has 8 bits only, for 2 to 8
// bits. One difference is meant: where scale is at most 1e-6, coremltools
// writes code 0, the value -r*2^(bits-1)/(2^(bits-1)-1), and this function the
// code of zero.
func LinearSymmetric(w []float32, l Layout, bits int) (Coded, error) {
	if bits == 1 {
		return Coded{}, fmt.Errorf("symmetric codes want 2 to 8 bits, have 1")
	}
	ranges, err := channelRanges(w, l, bits)
	if err != nil {
		return Coded{}, err
	}
	out := newCoded(len(w), l.Channels)
	half := float64(int(1) << (bits - 1))
	l.runs(func(start, end, c int) {
		scale := float64(ranges[c].abs()) / (half - 1)
		bias := -half * scale
		if bias < -math.MaxFloat32 {
			err = fmt.Errorf("channel %d: the magnitude %g gives a bias beyond float32", c, ranges[c].abs())
			return
		}
		out.Scale[c], out.Bias[c] = float32(scale), float32(bias)
		codes := out.Codes[start:end]
		for i, x := range w[start:end] {
			if scale > tinyScale {
				codes[i] = uint8(math.RoundToEven((float64(x) - bias) / scale))
			} else {
				codes[i] = uint8(half)
			}
		}
	})
	if err != nil {
		return Coded{}, err
	}
	return out, nil
}

// DequantizeLinear returns code*scale + bias, rounded to float32 once. There
// is one scale, or one for each channel; bias is empty or as long as scale.
func DequantizeLinear(codes []uint8, l Layout, scale, bias []float32) ([]float32, error) {
	if err := l.check(len(codes)); err != nil {
		return nil, err
	}
	if len(scale) != 1 && len(scale) != l.Channels {
		return nil, fmt.Errorf("want 1 or %d scales, have %d", l.Channels, len(scale))
	}
	if len(bias) != 0 && len(bias) != len(scale) {
		return nil, fmt.Errorf("want no bias or %d, have %d", len(scale), len(bias))
	}
	out := make([]float32, len(codes))
	l.runs(func(start, end, c int) {
		if len(scale) == 1 {
			c = 0
		}
		s, b := float64(scale[c]), 0.0
		if len(bias) != 0 {
			b = float64(bias[c])
		}
		for i := start; i < end; i++ {
			// The product is exact in float64: fused or not is the same.
			out[i] = float32(float64(codes[i])*s + b)
		}
	})
	return out, nil
}

// Int8Dynamic quantizes the weights of a layer that multiplies in int8
// (int8DynamicQuantize): scale = max|w|/127, code = 127*(w/max|w|) with the
// fraction cut off, as coremltools' activate_int8_int8_matrix_multiplications
// computes it; w = code*scale within one scale.
func Int8Dynamic(w []float32) (codes []int8, scale float32, err error) {
	if err := checkFinite(w); err != nil {
		return nil, 0, err
	}
	codes = make([]int8, len(w))
	r := float64(empty.widen(w).abs())
	if r == 0 {
		return codes, 0, nil
	}
	for i, x := range w {
		codes[i] = int8(127 * (float64(x) / r))
	}
	return codes, float32(r / 127), nil
}

// DequantizeInt8Dynamic returns code*scale.
func DequantizeInt8Dynamic(codes []int8, scale float32) []float32 {
	out := make([]float32, len(codes))
	for i, q := range codes {
		out[i] = float32(q) * scale
	}
	return out
}

func newCoded(n, channels int) Coded {
	return Coded{make([]uint8, n), make([]float32, channels), make([]float32, channels)}
}

// channelRanges checks the arguments of both quantizers and returns the least
// and the greatest value of each channel.
func channelRanges(w []float32, l Layout, bits int) ([]span, error) {
	if err := checkBits(bits); err != nil {
		return nil, err
	}
	if err := l.check(len(w)); err != nil {
		return nil, err
	}
	if err := checkFinite(w); err != nil {
		return nil, err
	}
	ranges := make([]span, l.Channels)
	for c := range ranges {
		ranges[c] = empty
	}
	l.runs(func(start, end, c int) { ranges[c] = ranges[c].widen(w[start:end]) })
	return ranges, nil
}
