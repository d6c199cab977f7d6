//go:build !noasm

package winograd

import "github.com/smelt-ml/smelt/internal/kernel/cpu"

const (
	neonLanes = 4
	neonPanel = 3
)

// The assembly counts on this: an index other than 0 does not compile.
var _ = [1]int{}[neonPanel*neonLanes-12]

// powers is what the assembly multiplies by.
//
//nolint:unused // but there
var powers = [8]float32{a, b, a * a, b * b, a*a + b*b, a * a * b * b, a * a * a, b * b * b}

var funcs = [cpu.Levels]*Funcs{
	cpu.Generic: &generic,
	cpu.NEON: {
		lanes: neonLanes, panel: neonPanel,
		rows: rowsNEON,
		cols: func(dst []float32, dstStep int, half []float32, halfStep, across, vecs int) {
			for j := range Size {
				colsNEON(&dst[j*dstStep], Size*dstStep, &half[j*halfStep], Size*halfStep, across, vecs)
			}
		},
		outputs: func(dst []float32, dstStep int, src []float32, vecs int, bias float32) {
			outputsNEON(&dst[0], dstStep, &src[0], vecs, bias)
		},
		finish: finishRows,
		peak: func(x []float32) uint32 {
			const block = 4 * neonLanes
			n := len(x) / block
			most := peakGeneric(x[n*block:])
			if n > 0 {
				most = max(most, peakNEON(&x[0], n))
			}
			return most
		},
	},
}

// rowsNEON takes the tiles whose inputs all lie in the image four at a time, and
// others one by one.
func rowsNEON(q *Channel) {
	left := q.start / 4 // the first tile's first column
	from := min(max(0, (-left+Tile-1)/Tile), q.across)
	to := max(from, min((q.Width-left-Size+Tile)/Tile, q.across))
	if to-from < neonLanes {
		to = from
	}
	for r := range q.Rows {
		half := q.Half[r%Tile*Size*q.Step+r/Tile*q.across:]
		var row []float32
		if y := q.Top + r; y >= 0 && y < q.Height {
			row = q.Src[y*q.Width:][:q.Width]
		}
		tilesGeneric(q, half, row, 0, from)
		if from < to {
			if row != nil {
				rowNEON(&half[from], q.Step, &row[left+from*Tile], to-from)
			} else {
				for i := range Size {
					clear(half[i*q.Step+from : i*q.Step+to])
				}
			}
		}
		tilesGeneric(q, half, row, to, q.across)
	}
}

// finishRows finishes whole vectors of the rows, and then what is left of them.
func finishRows(dst []float32, dstStep int, src []float32, srcStep int, add []float32, rows, n int, lo, hi float32) {
	whole := n / neonLanes * neonLanes
	if whole > 0 {
		for r := range rows {
			var from *float32
			if add != nil {
				from = &add[r*dstStep]
			}
			finishNEON(&dst[r*dstStep], &src[r*srcStep], from, whole/neonLanes, lo, hi)
		}
	}
	if whole < n {
		if add != nil {
			add = add[whole:]
		}
		finishGeneric(dst[whole:], dstStep, src[whole:], srcStep, add, rows, n-whole, lo, hi)
	}
}

// rowNEON transforms at least four neighbouring tiles of a row.
//
//go:noescape
func rowNEON(half *float32, step int, row *float32, tiles int)

// colsNEON transforms a column of points.
//
//go:noescape
func colsNEON(dst *float32, dstStep int, half *float32, halfStep, across, vecs int)

//go:noescape
func outputsNEON(dst *float32, dstStep int, src *float32, vecs int, bias float32)

//go:noescape
func finishNEON(dst, src, add *float32, vecs int, lo, hi float32)

//go:noescape
func peakNEON(x *float32, blocks int) uint32
