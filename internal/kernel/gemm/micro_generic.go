package gemm

import (
	"github.com/smelt-ml/smelt/internal/kernel/cpu"
	"github.com/smelt-ml/smelt/internal/kernel/vec"
)

// The portable kernel: tiles of 4×4 in scalar variables.
const (
	genericRows = 4
	genericCols = 4
)

func newGeneric() *Kernel {
	return &Kernel{
		mr: genericRows, lanes: genericCols, nr: genericCols, micro: microGeneric, pack: packGeneric(genericCols), vec: vec.For(cpu.Generic),
		band: bandGeneric, bandRows: genericRows, expand: &expandGeneric,
	}
}

func microGeneric(t *tile) {
	var sums [genericRows][genericCols]float32
	if t.rows == genericRows && t.astep == genericRows {
		multiply(&sums, t.a[:t.k*genericRows], t.b[:t.k*genericCols])
	} else {
		for i := range t.rows {
			multiplyRow(&sums[i], t.a[min(i, len(t.a)):], t.astep, t.b[:t.k*genericCols])
		}
	}
	for i := range t.rows {
		for j, v := range sums[i][:t.cols] {
			t.finish(i, j, v)
		}
	}
}

func multiply(sums *[genericRows][genericCols]float32, a, b []float32) {
	var c00, c01, c02, c03, c10, c11, c12, c13, c20, c21, c22, c23, c30, c31, c32, c33 float32
	for len(a) >= 4 && len(b) >= 4 {
		b0, b1, b2, b3 := b[0], b[1], b[2], b[3]
		x := a[0]
		c00 += x * b0
		c01 += x * b1
		c02 += x * b2
		c03 += x * b3
		x = a[1]
		c10 += x * b0
		c11 += x * b1
		c12 += x * b2
		c13 += x * b3
		x = a[2]
		c20 += x * b0
		c21 += x * b1
		c22 += x * b2
		c23 += x * b3
		x = a[3]
		c30 += x * b0
		c31 += x * b1
		c32 += x * b2
		c33 += x * b3
		a, b = a[4:], b[4:]
	}
	*sums = [genericRows][genericCols]float32{
		{c00, c01, c02, c03}, {c10, c11, c12, c13}, {c20, c21, c22, c23}, {c30, c31, c32, c33},
	}
}

// multiplyRow is multiply for one row, whose values are step apart.
func multiplyRow(sums *[genericCols]float32, a []float32, step int, b []float32) {
	var c0, c1, c2, c3 float32
	at := 0
	for len(b) >= 4 {
		x := a[at]
		c0 += x * b[0]
		c1 += x * b[1]
		c2 += x * b[2]
		c3 += x * b[3]
		at += step
		b = b[4:]
	}
	*sums = [genericCols]float32{c0, c1, c2, c3}
}
