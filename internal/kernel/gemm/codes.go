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

// chunk is how many numbers are expanded at once. Those of 4 bits are expanded
// two chunks at once, whose codes are the halves of the same bytes.
const chunk = 8

// codes is a packed operand as codes, in the order of its panels. A panel has
// width numbers for each inner index. For each block of inner indices, each
// panel has its runs, which are the parts of the block whose parameters do not
// change: whole chunks, and an even number of them.
type codes struct {
	data   []byte
	starts []int // of the blocks in data, and its end
	bits   int
	table  []float32 // or
	scale  []float32 // of each panel's groups: a period of chunks
	zero   []float32 // like scale, or one period for all
	period int       // chunks until the same rows, or columns, come again
	group  int       // inner indices
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
		p.setParameters(rows, c)
	}
	step := blockLen(k)
	size := 0
	p.starts = append(p.starts, size)
	for k0 := 0; k0 < k; k0 += step {
		size += p.panels * p.bytes(k0, min(step, k-k0))
		p.starts = append(p.starts, size)
	}
	p.data = make([]byte, size)
	for k0 := 0; k0 < k; k0 += step {
		n := min(step, k-k0)
		for panel := range p.panels {
			to := p.at(panel, k0)
			for from := k0; from < k0+n; {
				end := p.end(from, k0+n)
				for row := panel * width; row < min((panel+1)*width, rows); row++ {
					p.pack(to, c.Codes[row*k+from:row*k+end], row-panel*width)
				}
				to, from = to[p.numbers(end-from)*p.bits/8:], end
			}
		}
	}
	return p
}

// setParameters lays scales and zeros out as the chunks of a panel need them.
// Zeros that are all the same are kept once.
func (p *codes) setParameters(rows int, c *Coded) {
	n := p.period * chunk
	p.scale = aligned(p.panels * p.groups * n)
	differ := false
	if len(p.scale) > 0 && c.Zero != nil {
		differ = slices.ContainsFunc(c.Zero[:rows*p.groups], func(v float32) bool { return v != c.Zero[0] })
	}
	switch {
	case differ:
		p.zero = aligned(len(p.scale))
	case len(p.scale) > 0 && c.Zero != nil:
		p.zero = slices.Repeat(c.Zero[:1], n)
	default:
		p.zero = make([]float32, n)
	}
	for panel := range p.panels {
		for g := range p.groups {
			for j := range n {
				if row := panel*p.width + j%p.width; row < rows {
					to, from := (panel*p.groups+g)*n+j, row*p.groups+g
					p.scale[to] = c.Scale[from]
					if differ {
						p.zero[to] = c.Zero[from]
					}
				}
			}
		}
	}
}

// pack writes the codes that a row of a panel has in a run.
func (p *codes) pack(to, codes []byte, row int) {
	for i, v := range codes {
		at := i*p.width + row
		if p.bits == 8 {
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

// end is where a run from inner index k on ends, in a block that ends at last.
func (p *codes) end(k, last int) int { return min((k/p.group+1)*p.group, last) }

// numbers is how many numbers a run of n inner indices is expanded to.
func (p *codes) numbers(n int) int { return ceilDiv(n*p.width, 2*chunk) * 2 * chunk }

// bytes is what a panel's codes of the block of n inner indices from k0 on take.
func (p *codes) bytes(k0, n int) int {
	size := 0
	for k := k0; k < k0+n; {
		end := p.end(k, k0+n)
		size += p.numbers(end-k) * p.bits / 8
		k = end
	}
	return size
}

// at is the codes of a panel for the block of inner indices from k0 on.
func (p *codes) at(panel, k0 int) []byte {
	block := k0 / blockLen(p.k)
	from, to := p.starts[block], p.starts[block+1]
	size := (to - from) / p.panels
	return p.data[from+panel*size:][:size]
}

// expandPanel makes the numbers of a panel for the block of n inner indices from
// k0 on. It writes whole pairs of chunks, the last one of a run beyond it.
func (p *codes) expandPanel(by *expanders, dst []float32, panel, k0, n int) {
	if n == 0 {
		return
	}
	codes := p.at(panel, k0)
	if p.table != nil {
		by.table(dst[:p.numbers(n)], codes, p.bits, p.numbers(n)/chunk, p.table)
		return
	}
	params := p.period * chunk
	for k := k0; k < k0+n; {
		end := p.end(k, k0+n)
		size := p.numbers(end - k)
		at := (panel*p.groups + k/p.group) * params
		scale, zero := p.scale[at:at+params], p.zero
		if len(zero) > params {
			zero = zero[at : at+params]
		}
		by.shift(dst[(k-k0)*p.width:][:size], codes[:size*p.bits/8], p.bits, size/chunk, p.period, scale, zero)
		codes, k = codes[size*p.bits/8:], end
	}
}

// PackCodesA packs an m×k left operand that stays codes.
func (kn *Kernel) PackCodesA(m, k int, c *Coded) *PackedA { return kn.PackCodesBatch(1, m, k, c) }

// PackCodesBatch packs batch left operands of m×k, one after the other in c.
func (kn *Kernel) PackCodesBatch(batch, m, k int, c *Coded) *PackedA {
	c.check(batch*m, k)
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

// expandGeneric is the portable expansion.
var expandGeneric = expanders{shift: shiftGeneric, table: tableGeneric}

func shiftGeneric(dst []float32, codes []byte, bits, chunks, period int, scale, zero []float32) {
	at, params := 0, period*chunk
	var pair [2 * chunk]byte
	for ; chunks > 0; chunks -= 2 {
		codes = unpack(&pair, codes, bits)
		for half := 0; half < len(pair); half += chunk {
			v, s, z, to := pair[half:][:chunk], scale[at:][:chunk], zero[at:][:chunk], dst[half:][:chunk]
			for j := range to {
				to[j] = s[j] * (float32(v[j]) - z[j])
			}
			if at += chunk; at == params {
				at = 0
			}
		}
		dst = dst[2*chunk:]
	}
}

func tableGeneric(dst []float32, codes []byte, bits, chunks int, table []float32) {
	var pair [2 * chunk]byte
	for ; chunks > 0; chunks -= 2 {
		codes = unpack(&pair, codes, bits)
		for j, v := range pair {
			dst[j] = table[v]
		}
		dst = dst[2*chunk:]
	}
}

// unpack makes a pair of chunks' codes bytes, and returns the codes after them.
func unpack(pair *[2 * chunk]byte, codes []byte, bits int) []byte {
	if bits == 8 {
		copy(pair[:], codes[:2*chunk])
		return codes[2*chunk:]
	}
	for j, v := range codes[:chunk] {
		pair[j], pair[j+chunk] = v&15, v>>4
	}
	return codes[chunk:]
}
