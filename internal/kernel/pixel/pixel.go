// Package pixel is arithmetic on the bytes of pictures: weighted sums of rows,
// which resizing consists of, and the colours of JPEG files. It is exact in
// integers: every level gives the same bytes. It knows slices and strides, not
// pictures, files or filters.
//
// Functions panic if a slice is too short. Results must not overlap operands.
package pixel

import (
	"fmt"

	"github.com/smelt-ml/smelt/internal/kernel/cpu"
)

// Funcs are the functions of one CPU level. Those that are nil are done by
// portable code.
type Funcs struct {
	vector int  // bytes that weigh makes at a time
	single bool // whether weigh takes weights one by one, not in pairs

	weigh     func(dst, src *uint8, step int, weights *int32, taps, vectors int)
	transpose func(dst *uint8, dstStep int, src *uint8, srcStep, blocks int)
	ycc       func(dst, luma, cb, cr *uint8, blocks int)
	double    func(dst, near, far *uint8, even, odd uint32, blocks int)
	planes    func(first, second, third *float32, src *uint8, blocks int)
}

// For returns the functions of a level.
func For(l cpu.Level) *Funcs { return funcs[l] }

// WeightBits are the fraction bits of a weight. They leave 8 bits of a 32-bit
// sum for the sample and 2 for the sign and the overshoot of a filter with
// negative lobes.
const WeightBits = 32 - 8 - 2

// Weights are the weights of a sum, in fixed point.
type Weights struct {
	taps []int32
	// pairs are the weights of each two taps, 16 bits for each: their lower 15
	// bits, and what is above. An odd last one is paired with 0.
	pairs []int32
}

// NewWeights prepares weights whose absolute values sum to less than 2. They are
// kept.
func NewWeights(taps []int32) Weights {
	w := Weights{taps: taps, pairs: make([]int32, 0, len(taps)+1)}
	for i := 0; i < len(taps); i += 2 {
		a, b := taps[i], int32(0)
		if i+1 < len(taps) {
			b = taps[i+1]
		}
		w.pairs = append(w.pairs, a&0x7fff|(b&0x7fff)<<16, a>>15&0xffff|b>>15<<16)
	}
	return w
}

// check panics if one of the lengths is below n.
func check(n int, lengths ...int) {
	for _, have := range lengths {
		if have < n {
			panic(fmt.Sprintf("pixel: operands of %d and %d", n, have))
		}
	}
}

// Taps are the weights one by one.
func (w Weights) Taps() []int32 { return w.taps }

// Weigh writes to each byte of dst the weighted sum of those of src at the same
// place of rows which are step bytes apart, rounded to nearest and clipped to
// 0…255.
func (f *Funcs) Weigh(dst, src []uint8, step int, w Weights) {
	n := len(dst)
	if n == 0 {
		return
	}
	if step < 0 || len(w.taps) > 0 && len(src) < (len(w.taps)-1)*step+n {
		panic(fmt.Sprintf("pixel: %d rows of %d bytes, %d apart, in %d bytes", len(w.taps), n, step, len(src)))
	}
	if f.weigh == nil || n < f.vector || len(w.taps) == 0 {
		weigh(dst, src, step, w.taps)
		return
	}
	weights := w.pairs
	if f.single {
		weights = w.taps
	}
	f.weigh(&dst[0], &src[0], step, &weights[0], len(w.taps), n/f.vector)
	if at := n - f.vector; n%f.vector != 0 { // the rest, and some again
		f.weigh(&dst[at], &src[at], step, &weights[0], len(w.taps), 1)
	}
}

// Transpose writes rows×cols bytes, whose rows are srcStep apart, as cols×rows,
// whose rows are dstStep apart.
func (f *Funcs) Transpose(dst []uint8, dstStep int, src []uint8, srcStep, rows, cols int) {
	if rows < 0 || cols < 0 || dstStep < rows && cols > 1 || srcStep < cols && rows > 1 {
		panic(fmt.Sprintf("pixel: transpose of %d×%d with rows %d apart, to rows %d apart", rows, cols, srcStep, dstStep))
	}
	if rows == 0 || cols == 0 {
		return
	}
	_, _ = dst[(cols-1)*dstStep+rows-1], src[(rows-1)*srcStep+cols-1]
	const high, wide, reach = 32, 8, 16 // reach is how many columns are read
	if f.transpose == nil || rows < high {
		transpose(dst, dstStep, src, srcStep, rows, cols)
		return
	}
	for i := 0; i < rows; i += high {
		i = min(i, rows-high) // the last ones include some again
		room := len(src) - (i+high-1)*srcStep
		blocks := max(0, min(cols/wide, (room-reach)/wide+1))
		if room < reach {
			blocks = 0
		}
		if blocks > 0 {
			f.transpose(&dst[i], dstStep, &src[i*srcStep], srcStep, blocks)
		}
		if done := blocks * wide; done < cols {
			transpose(dst[done*dstStep+i:], dstStep, src[i*srcStep+done:], srcStep, high, cols-done)
		}
	}
}

// YCC writes the red, green and blue of pixels, three bytes each, by the JFIF
// conversion as libjpeg computes it.
func (f *Funcs) YCC(dst, luma, cb, cr []uint8) {
	n := len(luma)
	check(n, len(dst)/3, len(cb), len(cr))
	const block = 16
	if f.ycc == nil || n < block {
		ycc(dst, luma, cb, cr)
		return
	}
	f.ycc(&dst[0], &luma[0], &cb[0], &cr[0], n/block)
	if at := n - block; n%block != 0 {
		f.ycc(&dst[3*at], &luma[at], &cb[at], &cr[at], 1)
	}
}

// Double writes two bytes for each of near, a row of two or more: a byte and its
// neighbour weigh 3 and 1 along the row, and a row and its neighbour far as much
// across. The biases even and odd, below 16, are added to the first and the second
// of two sums before they are divided by 16. At the ends, a byte is its own neighbour.
func (f *Funcs) Double(dst, near, far []uint8, even, odd int) {
	n := len(near)
	check(n, len(dst)/2, len(far))
	const block = 16
	inner := n - 2 // have two neighbours
	if f.double == nil || inner < block {
		double(dst, near, far, even, odd, 0, n)
		return
	}
	double(dst, near, far, even, odd, 0, 1)
	f.double(&dst[2], &near[1], &far[1], uint32(even), uint32(odd), inner/block)
	if at := n - 1 - block; inner%block != 0 {
		f.double(&dst[2*at], &near[at], &far[at], uint32(even), uint32(odd), 1)
	}
	double(dst, near, far, even, odd, n-1, n)
}

// Planes takes pixels of three bytes apart.
func (f *Funcs) Planes(first, second, third []float32, src []uint8) {
	n := len(first)
	check(n, len(second), len(third), len(src)/3)
	const block = 8
	if f.planes == nil || n < block {
		planes(first, second, third, src)
		return
	}
	f.planes(&first[0], &second[0], &third[0], &src[0], n/block)
	if at := n - block; n%block != 0 {
		f.planes(&first[at], &second[at], &third[at], &src[3*at], 1)
	}
}
