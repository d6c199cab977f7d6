// Package quant is the numerics of weight compression: from float32 values to
// codes with scales, offsets or lookup tables, and back. It works on plain
// slices. It knows no model document and no file format beyond the order of
// the bits in packed codes, and decides nothing about which weights get which
// encoding; that belongs to package compress.
//
// Two families of encodings have slightly different arithmetic, each that of
// coremltools, so that results can be compared code by code:
//
//   - NeuralNetwork (.mlmodel WeightParams): [Linear], [LinearSymmetric],
//     [Int8Dynamic], [LinearLUT], [KMeans], [Float16];
//   - ML Program (constexpr operators): [Affine], [Uniform], [Unique],
//     [KMeans], each over the blocks of a [Grid].
package quant

import (
	"errors"
	"fmt"
	"math"

	"github.com/smelt-ml/smelt/tensor"
)

// Layout says where the channels of a weight lie: value i of channel c in
// slab o has index (o*Channels+c)*Inner + i.
type Layout struct{ Outer, Channels, Inner int }

// Whole is the layout of n values that make up one channel.
func Whole(n int) Layout { return Layout{1, 1, n} }

// Along is the layout of a row-major array whose channels are the indices of
// one axis: 0 for most weights, 1 for those of a deconvolution.
func Along(shape []int, axis int) (Layout, error) {
	if _, err := tensor.CheckShape(shape); err != nil {
		return Layout{}, err
	}
	if axis < 0 || axis >= len(shape) {
		return Layout{}, fmt.Errorf("shape %s has no axis %d", tensor.FormatShape(shape), axis)
	}
	return Layout{tensor.Size(shape[:axis]), shape[axis], tensor.Size(shape[axis+1:])}, nil
}

// check returns an error unless l describes n ≥ 1 values.
func (l Layout) check(n int) error {
	size, err := tensor.CheckShape([]int{l.Outer, l.Channels, l.Inner})
	switch {
	case err != nil:
		return err
	case size != n:
		return fmt.Errorf("want %d×%d×%d = %d values, have %d", l.Outer, l.Channels, l.Inner, size, n)
	case n == 0:
		return errEmpty
	}
	return nil
}

// runs calls f for each stretch [start, end) of values in one channel.
func (l Layout) runs(f func(start, end, channel int)) {
	for start := 0; start < l.Outer*l.Channels*l.Inner; start += l.Inner {
		f(start, start+l.Inner, start/l.Inner%l.Channels)
	}
}

var errEmpty = errors.New("there are no values")

// checkBits refuses sizes of codes that do not fit a byte.
func checkBits(bits int) error {
	if bits < 1 || bits > 8 {
		return fmt.Errorf("want 1 to 8 bits, have %d", bits)
	}
	return nil
}

// checkFinite names the first value that is NaN or infinite.
func checkFinite(w []float32) error {
	if len(w) == 0 {
		return errEmpty
	}
	for i, x := range w {
		if !finite(x) {
			return fmt.Errorf("value %d is %v", i, x)
		}
	}
	return nil
}

func finite(x float32) bool { return math.Float32bits(x)&0x7f800000 != 0x7f800000 }

// span is a range of values; widen starts best from empty.
type span struct{ lo, hi float32 }

var empty = span{float32(math.Inf(1)), float32(math.Inf(-1))}

func (s span) widen(w []float32) span {
	for _, x := range w {
		if x < s.lo {
			s.lo = x
		}
		if x > s.hi {
			s.hi = x
		}
	}
	return s
}

// abs is the largest magnitude in the range.
func (s span) abs() float32 { return max(-s.lo, s.hi) }
