package gemm

import (
	"fmt"
	"slices"
)

// Coded is a matrix of numbers, row by row, that follow from codes: Table[code]
// where there is a table, else Scale[g]·(code − Zero[g]), g being the group of
// neighbours in a row that the element lies in.
type Coded struct {
	Codes []byte    // one for each element, below 1<<Bits
	Bits  int       // 4 or 8: what a code is kept in
	Table []float32 // 1<<Bits entries, or nil
	Scale []float32 // of each row's groups
	Zero  []float32 // like Scale, or nil for zeros
	Group int       // elements of a row that share a scale; groups are as many as that takes
}

func (c *Coded) check(rows, cols int) {
	groups := 0
	if c.Table == nil && c.Group > 0 {
		groups = rows * ceilDiv(cols, c.Group)
	}
	if c.Bits != 4 && c.Bits != 8 || len(c.Codes) < rows*cols || c.Table != nil && len(c.Table) < 1<<c.Bits ||
		c.Table == nil && (c.Group < 1 || len(c.Scale) < groups || c.Zero != nil && len(c.Zero) < groups) {
		panic(fmt.Sprintf("gemm: %d×%d of %d codes of %d bits, %d entries, %d scales and %d zeros of groups of %d",
			rows, cols, len(c.Codes), c.Bits, len(c.Table), len(c.Scale), len(c.Zero), c.Group))
	}
}

// row makes the numbers of row i.
func (c *Coded) row(out []float32, i int) {
	codes := c.Codes[i*len(out):][:len(out)]
	if c.Table != nil {
		for j, v := range codes {
			out[j] = c.Table[v]
		}
		return
	}
	g := i * ceilDiv(len(out), c.Group)
	for j := 0; j < len(out); j += c.Group {
		scale, zero := c.Scale[g], c.zero(g)
		for k, v := range codes[j:min(j+c.Group, len(out))] {
			out[j+k] = scale * (float32(v) - zero)
		}
		g++
	}
}

func (c *Coded) zero(g int) float32 {
	if c.Zero == nil {
		return 0
	}
	return c.Zero[g]
}

// expand makes all of the numbers.
func (c *Coded) expand(rows, cols int) []float32 {
	out := make([]float32, rows*cols)
	for i := range rows {
		c.row(out[i*cols:][:cols], i)
	}
	return out
}

// chunk is how many numbers are expanded at once. Those of 4 bits are expanded
// two chunks at once, whose codes are the halves of the same bytes.
const chunk = 8

// codes is a packed operand as codes, in the order of its panels. A panel has
// width numbers for each inner index; for each block of inner indices, each
// panel's codes are whole chunks, and an even number of them.
type codes struct {
	data   []byte
	bits   int
	table  []float32 // or
	scale  []float32 // of each panel's groups: a period of chunks
	zero   []float32
	period int // chunks until the same rows, or columns, come again
	group  int // inner indices
	groups int
	panels int
	width  int
	k      int
}

// expanders make numbers of chunks of codes.
type expanders struct {
	// shift is by scales and zeros, which come again after a period of chunks.
	shift func(dst []float32, codes []byte, bits, chunks, period int, scale, zero []float32)
	table func(dst []float32, codes []byte, bits, chunks int, table []float32)
}

// keeps says whether the kernel expands such codes itself: parameters must
// change between pairs of chunks, which are up to 4 inner indices.
func (kn *Kernel) keeps(c *Coded, k int) bool {
	return kn.expand != nil && (c.Table != nil || c.Group >= k || c.Group%4 == 0 && blockLen(k)%4 == 0)
}

// newCodes packs rows of codes in panels of width rows.
func newCodes(rows, k, width int, c *Coded) codes {
	p := codes{bits: c.Bits, width: width, k: k, panels: ceilDiv(rows, width), group: max(k, 1), groups: 1, period: 1}
	for p.period*chunk%width != 0 {
		p.period++
	}
	if c.Table != nil {
		p.table = slices.Clone(c.Table[:1<<c.Bits])
	} else {
		p.group, p.groups = min(c.Group, max(k, 1)), ceilDiv(k, c.Group)
		n := p.period * chunk
		p.scale = aligned(p.panels * p.groups * n)
		p.zero = aligned(len(p.scale))
		for panel := range p.panels {
			for g := range p.groups {
				for j := range n {
					if row := panel*width + j%width; row < rows {
						to, from := (panel*p.groups+g)*n+j, row*p.groups+g
						p.scale[to], p.zero[to] = c.Scale[from], c.zero(from)
					}
				}
			}
		}
	}
	step := blockLen(k)
	p.data = make([]byte, p.block(k))
	for k0 := 0; k0 < k; k0 += step {
		n := min(step, k-k0)
		for panel := range p.panels {
			to := p.at(panel, k0, n)
			for row := panel * width; row < min((panel+1)*width, rows); row++ {
				for i, v := range c.Codes[row*k+k0:][:n] {
					at := i*width + row - panel*width
					if c.Bits == 8 {
						to[at] = v
						continue
					}
					v &= 15
					if at/chunk%2 == 1 {
						v <<= 4
					}
					to[at/(2*chunk)*chunk+at%chunk] |= v
				}
			}
		}
	}
	return p
}

// bytes is what a panel's codes of n inner indices take.
func (p *codes) bytes(n int) int { return ceilDiv(n*p.width, 2*chunk) * 2 * chunk * p.bits / 8 }

// block is where the codes of the block of inner indices from k0 on start.
func (p *codes) block(k0 int) int {
	step := blockLen(p.k)
	whole := k0 / step
	n := whole * p.panels * p.bytes(step)
	if rest := k0 - whole*step; rest > 0 {
		n += p.panels * p.bytes(rest)
	}
	return n
}

// at is the codes of a panel for the block of n inner indices from k0 on.
func (p *codes) at(panel, k0, n int) []byte {
	size := p.bytes(n)
	return p.data[p.block(k0)+panel*size:][:size]
}

// expandPanel makes the numbers of a panel for the block of n inner indices from
// k0 on. It writes whole pairs of chunks.
func (p *codes) expandPanel(by *expanders, dst []float32, panel, k0, n int) {
	from, size := p.at(panel, k0, n), ceilDiv(n*p.width, 2*chunk)*2*chunk
	dst = dst[:size]
	if p.table != nil {
		by.table(dst, from, p.bits, size/chunk, p.table)
		return
	}
	params := p.period * chunk
	for k := k0; k < k0+n; {
		g := k / p.group
		end := min((g+1)*p.group, k0+n)
		first, last := (k-k0)*p.width, (end-k0)*p.width
		if end == k0+n {
			last = size
		}
		at := (panel*p.groups + g) * params
		by.shift(dst[first:last], from[first*p.bits/8:last*p.bits/8], p.bits, (last-first)/chunk, p.period, p.scale[at:at+params], p.zero[at:at+params])
		k = end
	}
}

// PackCodesA packs an m×k left operand that stays codes, where the level's
// kernels can expand them.
func (kn *Kernel) PackCodesA(m, k int, c *Coded) *PackedA { return kn.PackCodesBatch(1, m, k, c) }

// PackCodesBatch packs batch left operands of m×k, one after the other in c.
func (kn *Kernel) PackCodesBatch(batch, m, k int, c *Coded) *PackedA {
	c.check(batch*m, k)
	if !kn.keeps(c, k) {
		return kn.PackBatch(batch, m*k, m, k, RowMajor(c.expand(batch*m, k), k))
	}
	p := &PackedA{m: m, k: k, mr: kn.mr, batch: batch}
	groups := 0
	if c.Table == nil {
		groups = m * ceilDiv(k, c.Group)
	}
	for b := range batch {
		one := *c
		one.Codes = c.Codes[b*m*k:]
		if c.Table == nil {
			if one.Scale = c.Scale[b*groups:]; c.Zero != nil {
				one.Zero = c.Zero[b*groups:]
			}
		}
		p.codes = append(p.codes, newCodes(m, k, kn.mr, &one))
	}
	return p
}

// PackCodesB packs a k×n right operand that stays codes. It is given by its
// columns: c has n rows of k.
func (kn *Kernel) PackCodesB(k, n int, c *Coded) *PackedB {
	c.check(n, k)
	if !kn.keeps(c, k) {
		return kn.PackB(k, n, RowMajor(c.expand(n, k), k).T())
	}
	p := newCodes(n, k, kn.nr, c)
	return &PackedB{k: k, n: n, nr: kn.nr, codes: &p}
}

// expandedSize is the floats of scratch that a rectangle of so many rows takes:
// all blocks of as many rows as they fit for, or else one.
func expandedSize(m, k, mr int) int {
	return min(ceilDiv(m, mr)*mr*k, blockA) + 2*chunk
}

// expandRows makes the numbers of the rows of a rectangle for the n inner
// indices from k0 on, where A is codes: a block, or all blocks of one panel. They
// are kept for all columns if all blocks fit.
func (kn *Kernel) expandRows(q *work, r rect, first bool, k0, n int) {
	if q.PackedA == nil || q.PackedA.codes == nil {
		return
	}
	to, whole := q.expanded, ceilDiv(r.m1-r.m0, kn.mr)*kn.mr
	if whole*q.K <= blockA {
		if to = to[whole*k0:]; !first {
			q.block = to
			return
		}
	}
	q.block = to
	step := blockLen(q.K)
	for i := r.m0; i < r.m1; i += kn.mr {
		for b := 0; b < n; b += step {
			q.PackedA.codes[0].expandPanel(kn.expand, to[(i-r.m0)*n+b*kn.mr:], i/kn.mr, k0+b, min(step, n-b))
		}
	}
}

// expandColumns makes the numbers of the panels of B for the columns j0 to j1.
func (kn *Kernel) expandColumns(q *work, dst []float32, j0, j1, k0, n int) {
	for j := j0; j < j1; j += kn.nr {
		q.PackedB.codes.expandPanel(kn.expand, dst[(j-j0)*n:], j/kn.nr, k0, n)
	}
}

func shiftGeneric(dst []float32, codes []byte, bits, chunks, period int, scale, zero []float32) {
	for i := range chunks {
		at := i % period * chunk
		s, z := scale[at:at+chunk], zero[at:at+chunk]
		to := dst[i*chunk:][:chunk]
		for j := range to {
			to[j] = s[j] * (float32(codeAt(codes, bits, i, j)) - z[j])
		}
	}
}

func tableGeneric(dst []float32, codes []byte, bits, chunks int, table []float32) {
	for i := range chunks {
		for j := range chunk {
			dst[i*chunk+j] = table[codeAt(codes, bits, i, j)]
		}
	}
}

// codeAt is code j of chunk i.
func codeAt(codes []byte, bits, i, j int) byte {
	if bits == 8 {
		return codes[i*chunk+j]
	}
	return codes[i/2*chunk+j] >> (i % 2 * 4) & 15
}
