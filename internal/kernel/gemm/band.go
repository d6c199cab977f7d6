package gemm

import "fmt"

// Bands is a right operand k×n for products of a few rows that are computed a
// band of columns at a time, by whoever owns the band: so are the units of a
// recurrent layer, step after step. A band is vecs·Lanes columns.
type Bands struct {
	k, vecs int
	width   int // columns of a band
	data    []float32
}

// maxBandVecs is the most vectors of a band.
const maxBandVecs = 4

// bandFunc computes rows of a band: c = x·b + add, where x has a row every ldx
// values, b is k rows of vecs vectors, and add may be nil. It has no more rows
// than the level's largest.
type bandFunc func(rows, vecs, k int, x []float32, ldx int, b, c []float32, ldc int, add []float32, ldadd int)

// Lanes is the number of floats in a vector.
func (kn *Kernel) Lanes() int { return kn.lanes }

// PackBands packs a k×n right operand in bands of vecs vectors, at most 4; the
// last band's missing columns are zeros.
func (kn *Kernel) PackBands(k, n, vecs int, b Matrix) *Bands {
	b.check("B", k, n)
	if vecs < 1 || vecs > maxBandVecs {
		panic(fmt.Sprintf("gemm: bands of %d vectors", vecs))
	}
	p := &Bands{k: k, vecs: vecs, width: vecs * kn.lanes}
	p.data = aligned(ceilDiv(n, p.width) * p.width * k)
	for j := range n {
		to := j/p.width*p.width*k + j%p.width
		for i := range k {
			p.data[to+i*p.width] = b.Data[i*b.RowStride+j*b.ColStride]
		}
	}
	return p
}

// MulBand computes the columns of band number i: c = x·B + add, where x has m
// rows of k values, and add, which may be nil or c itself, and c have as many
// of the band's width. Rows are ldx, ldadd and ldc values apart.
func (kn *Kernel) MulBand(p *Bands, i, m int, x []float32, ldx int, c []float32, ldc int, add []float32, ldadd int) {
	if m == 0 {
		return
	}
	Matrix{Data: x, RowStride: ldx, ColStride: 1}.check("x", m, p.k)
	Matrix{Data: c, RowStride: ldc, ColStride: 1}.check("c", m, p.width)
	if add != nil {
		Matrix{Data: add, RowStride: ldadd, ColStride: 1}.check("add", m, p.width)
	}
	b := p.data[i*p.width*p.k:][:p.width*p.k]
	for row := 0; row < m; row += kn.bandRows {
		from := add
		if add != nil {
			from = add[row*ldadd:]
		}
		kn.band(min(kn.bandRows, m-row), p.vecs, p.k, at(x, row*ldx), ldx, b, at(c, row*ldc), ldc, from, ldadd)
	}
}

func bandGeneric(rows, vecs, k int, x []float32, ldx int, b, c []float32, ldc int, add []float32, ldadd int) {
	width := vecs * genericCols
	for i := range rows {
		for v := 0; v < width; v += genericCols {
			var c0, c1, c2, c3 float32
			for j, x := range x[i*ldx:][:k] {
				b := b[j*width+v:][:4]
				c0 += x * b[0]
				c1 += x * b[1]
				c2 += x * b[2]
				c3 += x * b[3]
			}
			to := c[i*ldc+v:][:4]
			if add != nil {
				from := add[i*ldadd+v:][:4]
				c0, c1, c2, c3 = c0+from[0], c1+from[1], c2+from[2], c3+from[3]
			}
			to[0], to[1], to[2], to[3] = c0, c1, c2, c3
		}
	}
}
