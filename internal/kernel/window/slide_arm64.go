//go:build !noasm

package window

import "github.com/smelt-ml/smelt/internal/kernel/cpu"

const neonLanes = 4

var funcs = [cpu.Levels]*Funcs{
	cpu.Generic: {sum: sumGeneric, max: maxGeneric, all: allGeneric, evens: evensGeneric, zip: zipGeneric},
	cpu.NEON: {
		sum: func(q *Rows) {
			if q.Cols < neonLanes {
				sumGeneric(q)
				return
			}
			slide(q, sumNEON)
		},
		max: func(q *Rows) {
			if q.Cols < neonLanes {
				maxGeneric(q)
				return
			}
			slide(q, maxNEON)
		},
		all: allGeneric, // the runtime copies by vectors
		evens: func(dst []float32, dstStep int, src []float32, srcStep, rows, n int) {
			for r := range rows {
				evens(dst[r*dstStep:][:n], src[r*srcStep:])
			}
		},
		zip: func(dst, a, b []float32) {
			n := len(b) / neonLanes
			if n > 0 {
				zipNEON(&dst[0], &a[0], &b[0], n)
			}
			n *= neonLanes
			zipGeneric(dst[2*n:], a[n:], b[n:])
		},
	},
}

var filters = [cpu.Levels][]filterFunc{cpu.NEON: {
	{3, 1, filter3stride1NEON},
	{3, 2, filter3stride2NEON},
	{5, 1, filter5stride1NEON},
	{5, 2, filter5stride2NEON},
}}

// slideFunc computes n times four vectors that are dstD and srcD bytes apart,
// going on by dstNext and srcNext.
type slideFunc func(q *Rows, dst, src *float32, dstD, srcD, n, dstNext, srcNext int)

// slide cuts outputs, at least a vector in a row, into tiles of four vectors in
// a row, then vectors in four rows. The last ones overlap others.
func slide(q *Rows, by slideFunc) {
	const wide = 4 * neonLanes
	cols := q.Cols / wide * wide
	if cols > 0 {
		for r := range q.Rows {
			by(q, &q.Dst[r*q.DstStep], &q.Src[r*q.SrcStep], 4*neonLanes, 4*neonLanes, cols/wide, 4*wide, 4*wide)
		}
	}
	for x := cols; x < q.Cols; x += neonLanes {
		x := min(x, q.Cols-neonLanes)
		if q.Rows < 4 { // each row four times
			by(q, &q.Dst[x], &q.Src[x], 0, 0, q.Rows, 4*q.DstStep, 4*q.SrcStep)
			continue
		}
		by(q, &q.Dst[x], &q.Src[x], 4*q.DstStep, 4*q.SrcStep, q.Rows/4, 16*q.DstStep, 16*q.SrcStep)
		if q.Rows%4 > 0 {
			r := q.Rows - 4
			by(q, &q.Dst[r*q.DstStep+x], &q.Src[r*q.SrcStep+x], 4*q.DstStep, 4*q.SrcStep, 1, 0, 0)
		}
	}
}

// evens copies every second value. Blocks of eight may go beyond the last.
func evens(dst, src []float32) {
	blocks := (len(dst) - 1) / neonLanes
	if blocks > 0 {
		_ = src[2*(len(dst)-1)]
		evensNEON(&dst[0], &src[0], blocks)
		dst, src = dst[blocks*neonLanes:], src[2*blocks*neonLanes:]
	}
	everyNth(dst, src, 2)
}

//go:noescape
func sumNEON(q *Rows, dst, src *float32, dstD, srcD, n, dstNext, srcNext int)

//go:noescape
func maxNEON(q *Rows, dst, src *float32, dstD, srcD, n, dstNext, srcNext int)

//go:noescape
func evensNEON(dst, src *float32, blocks int)

//go:noescape
func zipNEON(dst, a, b *float32, blocks int)

//go:noescape
func filter3stride1NEON(q *filterCall)

//go:noescape
func filter3stride2NEON(q *filterCall)

//go:noescape
func filter5stride1NEON(q *filterCall)

//go:noescape
func filter5stride2NEON(q *filterCall)
