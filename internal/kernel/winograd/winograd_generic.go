package winograd

import "math"

// The portable transforms take tiles one by one; panels are as wide as those of
// the portable product.
const genericLanes = 4

var generic = Funcs{
	lanes: genericLanes, panel: 1,
	rows: rowsGeneric, cols: colsGeneric, outputs: outputsGeneric, finish: finishGeneric, peak: peakGeneric,
}

// forward is the values at the points of the transform of six inputs.
func forward(d0, d1, d2, d3, d4, d5 float32) (p0, p1, p2, p3, p4, p5 float32) {
	const sum, product = a*a + b*b, a * a * b * b
	evenA, oddA := d4-b*b*d2, a*(d3-b*b*d1)
	evenB, oddB := d4-a*a*d2, b*(d3-a*a*d1)
	return d4 - sum*d2 + product*d0, evenA + oddA, evenA - oddA, evenB + oddB, evenB - oddB, d5 - sum*d3 + product*d1
}

// backward is the four outputs of six points.
func backward(m0, m1, m2, m3, m4, m5 float32) (y0, y1, y2, y3 float32) {
	sumA, diffA, sumB, diffB := m1+m2, m1-m2, m3+m4, m3-m4
	return m0 + sumA + sumB, a*diffA + b*diffB, a*a*sumA + b*b*sumB, a*a*a*diffA + b*b*b*diffB + m5
}

func rowsGeneric(q *Channel) {
	for r := range q.Rows {
		var row []float32
		if y := q.Top + r; y >= 0 && y < q.Height {
			row = q.Src[y*q.Width:][:q.Width]
		}
		tilesGeneric(q, q.Half[r%Tile*Size*q.Step+r/Tile*q.across:], row, 0, q.across)
	}
}

// tilesGeneric transforms some tiles of a row, which is zeros beyond its ends.
func tilesGeneric(q *Channel, half, row []float32, from, to int) {
	for t := from; t < to; t++ {
		var d [Size]float32
		for i := range d {
			if x := t*Tile + q.start/4 + i; x >= 0 && x < len(row) {
				d[i] = row[x]
			}
		}
		p0, p1, p2, p3, p4, p5 := forward(d[0], d[1], d[2], d[3], d[4], d[5])
		for i, v := range [Size]float32{p0, p1, p2, p3, p4, p5} {
			half[i*q.Step+t] = v
		}
	}
}

func colsGeneric(dst []float32, dstStep int, half []float32, halfStep, across, vecs int) {
	for j := range Size {
		for t := range vecs * genericLanes {
			at := func(i int) float32 { return half[(i%Tile*Size+j)*halfStep+i/Tile*across+t] }
			p0, p1, p2, p3, p4, p5 := forward(at(0), at(1), at(2), at(3), at(4), at(5))
			for i, v := range [Size]float32{p0, p1, p2, p3, p4, p5} {
				dst[(i*Size+j)*dstStep+t] = v
			}
		}
	}
}

func outputsGeneric(dst []float32, dstStep int, src []float32, vecs int, bias float32) {
	for t := range vecs * genericLanes {
		var half [Tile][Size]float32
		for j := range Size {
			at := func(i int) float32 { return src[(i*Size+j)*genericLanes+t] }
			half[0][j], half[1][j], half[2][j], half[3][j] = backward(at(0), at(1), at(2), at(3), at(4), at(5))
		}
		for r := range half {
			h := &half[r]
			y0, y1, y2, y3 := backward(h[0], h[1], h[2], h[3], h[4], h[5])
			d := dst[r*dstStep+t*Tile:][:Tile]
			d[0], d[1], d[2], d[3] = y0+bias, y1+bias, y2+bias, y3+bias
		}
	}
}

func finishGeneric(dst []float32, dstStep int, src []float32, srcStep int, add []float32, rows, n int, lo, hi float32) {
	for r := range rows {
		d, s := dst[r*dstStep:][:n], src[r*srcStep:][:n]
		if add == nil {
			copy(d, s)
		} else {
			for i, v := range add[r*dstStep:][:n] {
				d[i] = s[i] + v
			}
		}
		for i, v := range d {
			if v < lo {
				d[i] = lo
			}
			if v > hi {
				d[i] = hi
			}
		}
	}
}

func peakGeneric(x []float32) uint32 {
	var m uint32
	for _, v := range x {
		m = max(m, math.Float32bits(v)&^(1<<31))
	}
	return m
}
