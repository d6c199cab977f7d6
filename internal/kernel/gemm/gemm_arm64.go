//go:build !noasm

package gemm

import (
	"github.com/smelt-ml/smelt/internal/kernel/cpu"
	"github.com/smelt-ml/smelt/internal/kernel/vec"
)

const (
	neonLanes = 4
	neonRows  = 8
	neonCols  = vectors * neonLanes
)

// The assembly counts on this: an index other than 0 does not compile.
var (
	_ = [1]int{}[neonRows-8]
	_ = [1]int{}[neonCols-12]
)

var kernels = [cpu.Levels]*Kernel{
	cpu.Generic: newGeneric(),
	cpu.NEON: {
		mr: neonRows, lanes: neonLanes, nr: neonCols,
		micro:  func(t *tile) { tileNEON(t, false) },
		direct: func(t *tile) { tileNEON(t, true) },
		pack:   packNEON,
		vec:    vec.For(cpu.NEON),
		band:   mulBandNEON, bandRows: len(bandNEON[0]),
		expand: &expandNEON,
	},
}

// tileNEON computes a tile with the kernels that read 8, 4 or 1 values of A for
// each inner index. A panel has as many as the largest reads; elsewhere there
// may be no more than the tile's rows, and it is cut into what kernels read.
func tileNEON(t *tile, direct bool) {
	if t.rows == 8 || t.rows == 4 || t.rows == 1 || t.astep == neonRows && len(t.a) >= t.k*neonRows {
		rowsNEON(t, direct)
		return
	}
	whole := *t
	for i := 0; i < whole.rows; i += t.rows {
		t.rows = 1
		if whole.rows-i >= 4 {
			t.rows = 4
		}
		t.a, t.c = at(whole.a, i), whole.c[i*t.ldc:]
		if t.add != nil {
			t.add = whole.add[i*t.ldadd:]
		}
		if t.rowBias != nil {
			t.rowBias = whole.rowBias[i:]
		}
		if t.slope != nil {
			t.slope = whole.slope[i:]
		}
		rowsNEON(t, direct)
	}
	*t = whole
}

// microNEON is the kernels for tiles of packed panels and then direct, by their
// vectors, less one, and for 1, 4 or 8 rows.
var microNEON = [2][vectors][3]func(t *tile, sums *neonSums){
	{{micro1x1, micro4x1, micro8x1}, {micro1x2, micro4x2, micro8x2}, {micro1x3, micro4x3, micro8x3}},
	{{direct1x1, direct4x1, direct8x1}, {direct1x2, direct4x2, direct8x2}, {direct1x3, direct4x3, direct8x3}},
}

// rowsNEON calls the kernel of a tile. Less than a vector of columns is finished
// here, since the kernels load and store vectors.
func rowsNEON(t *tile, direct bool) {
	how, rows := 0, 0
	if direct {
		how = 1
	}
	switch {
	case t.rows > 4:
		rows = 2
	case t.rows > 1:
		rows = 1
	}
	if t.cols >= neonLanes {
		microNEON[how][(t.cols-1)/neonLanes][rows](t, nil)
		return
	}
	if !direct && t.cols <= 2 && t.isNarrow(neonRows) {
		lanesNEON(t)
		return
	}
	var sums neonSums
	switch 3*how + rows { // not by the table, for the sums to stay on the stack
	case 0:
		micro1x1(t, &sums)
	case 1:
		micro4x1(t, &sums)
	case 2:
		micro8x1(t, &sums)
	case 3:
		narrow1(t, &sums)
	case 4:
		narrow4(t, &sums)
	case 5:
		narrow8(t, &sums)
	}
	for i := range t.rows {
		for j, v := range sums[i*neonLanes:][:t.cols] {
			t.finish(i, j, v)
		}
	}
}

// lanesNEON computes a narrow tile of one or two columns, whose lanes are the rows.
func lanesNEON(t *tile) {
	var sums neonSums
	if t.cols == 1 {
		lanes1(t.k, &t.a[0], &t.b[0], &sums)
	} else {
		lanes2(t.k, &t.a[0], &t.b[0], &sums)
	}
	for j := range t.cols {
		for i, v := range sums[j*neonRows:][:t.rows] {
			t.finish(i, j, v)
		}
	}
}

// neonSums is the sums of a tile of one vector's columns, row by row.
type neonSums [neonRows * neonLanes]float32

// Each computes a tile of at most that many rows and vectors. Those of one vector
// store only the sums, if there is a place for them.

//go:noescape
func micro8x3(t *tile, sums *neonSums)

//go:noescape
func micro8x2(t *tile, sums *neonSums)

//go:noescape
func micro8x1(t *tile, sums *neonSums)

//go:noescape
func micro4x3(t *tile, sums *neonSums)

//go:noescape
func micro4x2(t *tile, sums *neonSums)

//go:noescape
func micro4x1(t *tile, sums *neonSums)

//go:noescape
func micro1x3(t *tile, sums *neonSums)

//go:noescape
func micro1x2(t *tile, sums *neonSums)

//go:noescape
func micro1x1(t *tile, sums *neonSums)

//go:noescape
func direct8x3(t *tile, sums *neonSums)

//go:noescape
func direct8x2(t *tile, sums *neonSums)

//go:noescape
func direct8x1(t *tile, sums *neonSums)

//go:noescape
func direct4x3(t *tile, sums *neonSums)

//go:noescape
func direct4x2(t *tile, sums *neonSums)

//go:noescape
func direct4x1(t *tile, sums *neonSums)

//go:noescape
func direct1x3(t *tile, sums *neonSums)

//go:noescape
func direct1x2(t *tile, sums *neonSums)

//go:noescape
func direct1x1(t *tile, sums *neonSums)

// narrow8, narrow4 and narrow1 are direct kernels for less columns than a vector
// has, of which they store the sums.
//
//go:noescape
func narrow8(t *tile, sums *neonSums)

//go:noescape
func narrow4(t *tile, sums *neonSums)

//go:noescape
func narrow1(t *tile, sums *neonSums)

// lanes1 and lanes2 store the sums of 8 rows of one or two columns, column by
// column.
//
//go:noescape
func lanes1(k int, a, b *float32, sums *neonSums)

//go:noescape
func lanes2(k int, a, b *float32, sums *neonSums)

// packNEON packs a strip: columns that are all one run by vectors, others one by
// one.
func packNEON(dst []float32, step int, s *strip) {
	n := len(s.rows)
	if n == 0 {
		return
	}
	_ = dst[(n-1)*step+neonLanes-1]
	if s.runs == 1 && s.count == neonLanes {
		packRunNEON(&dst[0], step, &s.src[s.off[0]:][0], &s.rows[0], n)
		return
	}
	var lanes [neonLanes]int // a vector's columns are no more than maxRuns runs
	var mask [neonLanes]uint32
	for r := range s.runs {
		for j := s.from[r]; j < s.from[r+1]; j++ {
			lanes[j], mask[j] = s.off[r]+j-s.from[r], ^uint32(0)
		}
	}
	for j := s.count; j < neonLanes; j++ {
		lanes[j] = lanes[0]
	}
	packLanesNEON(&dst[0], step, &s.src[0], &s.rows[0], n, &lanes, &mask)
}

// packRunNEON packs n rows of four consecutive values.
//
//go:noescape
func packRunNEON(dst *float32, step int, src *float32, rows *int, n int)

// packLanesNEON packs n rows of four values, which are where lanes says; those
// without a mask become zeros.
//
//go:noescape
func packLanesNEON(dst *float32, step int, src *float32, rows *int, n int, lanes *[neonLanes]int, mask *[neonLanes]uint32)
