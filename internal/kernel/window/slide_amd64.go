//go:build !noasm

package window

import "github.com/smelt-ml/smelt/internal/kernel/cpu"

//go:generate sh -c "cd _asm && go run . -out ../slide_amd64.s -table ../table_amd64.go"

// slideFunc computes groups of rows, in each of them blocks of vectors, the
// last of which has cols columns.
type slideFunc func(q *Rows, dst, src *float32, groups, blocks, cols int)

var funcs = [cpu.Levels]*Funcs{
	cpu.Generic: {sum: sumGeneric, max: maxGeneric, all: allGeneric, evens: evensGeneric, zip: zipGeneric},
	cpu.AVX2: {
		sum:   func(q *Rows) { slide(q, &sumAVX2, 8) },
		max:   func(q *Rows) { slide(q, &maxAVX2, 8) },
		all:   rowsOf(allAVX2, 1),
		evens: rowsOf(evensAVX2, 2),
		zip:   func(dst, a, b []float32) { zip(dst, a, b, zipAVX2, 8) },
		max3:  max3AVX2,
	},
	cpu.AVX512: {
		sum:   func(q *Rows) { slide(q, &sumAVX512, 16) },
		max:   func(q *Rows) { slide(q, &maxAVX512, 16) },
		all:   rowsOf(allAVX512, 1),
		evens: rowsOf(evensAVX512, 2),
		zip:   func(dst, a, b []float32) { zip(dst, a, b, zipAVX512, 16) },
		max3:  max3AVX512,
	},
}

var filters = [cpu.Levels][]filterFunc{cpu.AVX2: filtersAVX2, cpu.AVX512: filtersAVX512}

// slide cuts outputs into tiles of four vectors in a row, then single vectors
// in four rows, then single ones.
func slide(q *Rows, by *[3]slideFunc, lanes int) {
	wide := q.Cols / (4 * lanes)
	if wide > 0 {
		by[0](q, &q.Dst[0], &q.Src[0], q.Rows, wide, lanes)
	}
	four := q.Rows / 4
	for x := 4 * wide * lanes; x < q.Cols; x += lanes {
		cols := min(lanes, q.Cols-x)
		if four > 0 {
			by[1](q, &q.Dst[x], &q.Src[x], four, 1, cols)
		}
		if r := 4 * four; r < q.Rows {
			by[2](q, &q.Dst[r*q.DstStep+x], &q.Src[r*q.SrcStep+x], q.Rows-r, 1, cols)
		}
	}
}

type copyFunc func(dst *float32, dstStep int, src *float32, srcStep, rows, n int)

// rowsOf makes copying of rows of values that are apart by step from a function
// that trusts its arguments.
func rowsOf(by copyFunc, step int) func(dst []float32, dstStep int, src []float32, srcStep, rows, n int) {
	return func(dst []float32, dstStep int, src []float32, srcStep, rows, n int) {
		if rows <= 0 || n <= 0 {
			return
		}
		_, _ = dst[(rows-1)*dstStep+n-1], src[(rows-1)*srcStep+(n-1)*step]
		by(&dst[0], dstStep, &src[0], srcStep, rows, n)
	}
}

// zip does blocks of two vectors of dst while there are such.
func zip(dst, a, b []float32, by func(dst, a, b *float32, blocks int), lanes int) {
	n := len(b) / lanes
	if n > 0 {
		by(&dst[0], &a[0], &b[0], n)
	}
	zipGeneric(dst[2*n*lanes:], a[n*lanes:], b[n*lanes:])
}
