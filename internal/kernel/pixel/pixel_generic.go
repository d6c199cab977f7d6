package pixel

import "encoding/binary"

// half rounds a fixed-point sum to nearest.
const half = 1 << (WeightBits - 1)

// weigh handles two samples with one multiplication: a sample and another one
// 32 bits above it, times a weight, summed modulo 2^64. The lower sum is the low
// word taken as signed; what it borrowed from the upper one comes back by
// subtracting it. Neither sum leaves 32 bits, by the choice of WeightBits.
func weigh(dst, src []uint8, step int, taps []int32) {
	const pair, halves = 0x000000ff_000000ff, half | half<<32
	n, x := len(dst), 0
	// Eight neighbouring samples make four pairs.
	for ; x+8 <= n; x += 8 {
		s0, s1, s2, s3 := uint64(halves), uint64(halves), uint64(halves), uint64(halves)
		at := x
		for _, w := range taps {
			v, k := binary.LittleEndian.Uint64(src[at:]), uint64(int64(w))
			s0 += v & pair * k
			s1 += v >> 8 & pair * k
			s2 += v >> 16 & pair * k
			s3 += v >> 24 & pair * k
			at += step
		}
		d := dst[x : x+8 : x+8]
		d[0], d[4] = unpack(s0)
		d[1], d[5] = unpack(s1)
		d[2], d[6] = unpack(s2)
		d[3], d[7] = unpack(s3)
	}
	for ; x < n; x++ {
		s := int32(half)
		at := x
		for _, w := range taps {
			s += int32(src[at]) * w
			at += step
		}
		dst[x] = clip8(s >> WeightBits)
	}
}

// unpack ends a pair of sums.
func unpack(s uint64) (low, high uint8) {
	l := int32(uint32(s))
	h := int32(uint32((s - uint64(int64(l))) >> 32))
	return clip8(l >> WeightBits), clip8(h >> WeightBits)
}

// clip8 clips to 0..255.
func clip8(v int32) uint8 {
	if uint32(v) > 255 {
		return uint8(^v >> 31)
	}
	return uint8(v)
}

func transpose(dst []uint8, dstStep int, src []uint8, srcStep, rows, cols int) {
	for c := range cols {
		d := dst[c*dstStep:][:rows]
		at := c
		for r := range d {
			d[r] = src[at]
			at += srcStep
		}
	}
}

// crToR and the others are the products of the JFIF conversion in 16-bit fixed
// point:
//
//	R = Y + 1.402 Cr, G = Y - 0.34414 Cb - 0.71414 Cr, B = Y + 1.772 Cb
//
// with R's and B's rounded before they are added and G's after.
var crToR, cbToB, crToG, cbToG = func() (rr, bb, rg, bg [256]int32) {
	for i := range rr {
		v := int32(i) - 128
		rr[i] = (91881*v + 1<<15) >> 16
		bb[i] = (116130*v + 1<<15) >> 16
		rg[i] = -46802 * v
		bg[i] = -22554*v + 1<<15
	}
	return
}()

func ycc(dst, luma, cb, cr []uint8) {
	cb, cr = cb[:len(luma)], cr[:len(luma)]
	for x, v := range luma {
		l, b, r := int32(v), cb[x], cr[x]
		d := dst[3*x : 3*x+3 : 3*x+3]
		d[0] = clip8(l + crToR[r])
		d[1] = clip8(l + (cbToG[b]+crToG[r])>>16)
		d[2] = clip8(l + cbToB[b])
	}
}

// double makes the results of the samples from from to to.
func double(dst, near, far []uint8, even, odd, from, to int) {
	last := len(near) - 1
	for x := from; x < to; x++ {
		sum := func(x int) int { return 3*int(near[x]) + int(far[x]) }
		s := 3 * sum(x)
		dst[2*x] = uint8((s + sum(max(x-1, 0)) + even) >> 4)
		dst[2*x+1] = uint8((s + sum(min(x+1, last)) + odd) >> 4)
	}
}

func planes(first, second, third []float32, src []uint8) {
	for i := range first {
		p := src[3*i : 3*i+3]
		first[i], second[i], third[i] = float32(p[0]), float32(p[1]), float32(p[2])
	}
}
