// Package gemm multiplies float32 matrices: C = act(A·B + bias + add), with
// packed or strided operands, a batch dimension, and several threads.
//
// The loops follow Goto and van de Geijn ("Anatomy of high-performance matrix
// multiplication", 2008): A is cut into panels of mr rows, B into panels of nr
// columns, both into blocks of at most kc inner indices, and a micro-kernel
// multiplies two panels with the tile of C in registers. B may be indirect, so
// that a convolution packs its image columns here without forming them.
package gemm

import (
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/smelt-ml/smelt/internal/kernel/cpu"
	"github.com/smelt-ml/smelt/internal/kernel/vec"
)

// Matrix is a strided view: element (i, j) is Data[i*RowStride+j*ColStride].
type Matrix struct {
	Data                 []float32
	RowStride, ColStride int
}

// RowMajor views data as rows of stride elements each.
func RowMajor(data []float32, stride int) Matrix {
	return Matrix{Data: data, RowStride: stride, ColStride: 1}
}

// T is the transposed view.
func (m Matrix) T() Matrix {
	return Matrix{Data: m.Data, RowStride: m.ColStride, ColStride: m.RowStride}
}

// Indirect is a right operand whose elements lie where a table says.
type Indirect struct {
	Data  []float32
	Table *Table
}

// Table is the places of a matrix's elements: element (k, n) at rows[k]+cols[n].
// A product may have less columns than its table.
type Table struct {
	rows []int
	cols []int32
	end  int // beyond the last place
	runs int // of consecutive columns
}

// NewTable returns a table, which keeps its slices. Columns must increase, and
// no place may be negative.
func NewTable(rows []int, cols []int32) *Table {
	t := &Table{rows: rows, cols: cols, runs: 1}
	for i, c := range cols {
		if i > 0 && c <= cols[i-1] {
			panic(fmt.Sprintf("gemm: columns at %d, then %d", cols[i-1], c))
		}
		if i > 0 && c > cols[i-1]+1 {
			t.runs++
		}
	}
	if len(rows) > 0 && len(cols) > 0 {
		t.end = slices.Max(rows) + int(cols[len(cols)-1]) + 1
		if first := slices.Min(rows) + int(cols[0]); first < 0 {
			panic(fmt.Sprintf("gemm: an element at %d", first))
		}
	}
	return t
}

// Act is the function applied to each result. The zero value is the identity.
type Act struct {
	kind   actKind
	lo, hi float32 // clamp bounds; lo is the slope of leaky
	apply  func(dst, src []float32)
	slopes []float32
}

type actKind uint8

const (
	actNone actKind = iota
	actClamp
	actLeaky
	actPRelu
	actFunc
)

var inf = float32(math.Inf(1))

// Relu is max(x, 0). NaN stays NaN, as in all of these.
var Relu = Act{kind: actClamp, lo: 0, hi: inf}

// Clamp is min(max(x, lo), hi).
func Clamp(lo, hi float32) Act { return Act{kind: actClamp, lo: lo, hi: hi} }

// Leaky is x for x ≥ 0 and slope·x below.
func Leaky(slope float32) Act { return Act{kind: actLeaky, lo: slope} }

// PRelu is Leaky with a slope for each row, which a convolution's channel is.
func PRelu(slopes []float32) Act { return Act{kind: actPRelu, slopes: slopes} }

// Func is any element-wise function, such as vec.Funcs.Silu. It is called with
// dst and src the same slice, from several goroutines.
func Func(apply func(dst, src []float32)) Act { return Act{kind: actFunc, apply: apply} }

// Bounds says what the function clamps to, if it does nothing else.
func (a *Act) Bounds() (lo, hi float32, ok bool) {
	switch a.kind {
	case actNone:
		return -inf, inf, true
	case actClamp:
		return a.lo, a.hi, true
	}
	return 0, 0, false
}

// Apply applies the function to x in place, all of it in the given row.
func (a *Act) Apply(v *vec.Funcs, x []float32, row int) {
	switch a.kind {
	case actClamp:
		v.Clamp(x, x, a.lo, a.hi)
	case actLeaky:
		v.Leaky(x, x, a.lo)
	case actPRelu:
		v.Leaky(x, x, a.slopes[row])
	case actFunc:
		a.apply(x, x)
	}
}

func clamp(v, lo, hi float32) float32 {
	if v < lo {
		v = lo
	}
	if v > hi {
		v = hi
	}
	return v
}

// Product describes C[M×N] = act(A[M×K]·B[K×N] + RowBias + ColBias + Add).
type Product struct {
	M, N, K int

	A       Matrix
	PackedA *PackedA // instead of A

	B        Matrix
	Indirect *Indirect // instead of B
	PackedB  *PackedB  // instead of B

	C   []float32 // row-major; must not overlap the operands
	LDC int       // elements from one row of C to the next

	RowBias []float32 // M values, or nil
	ColBias []float32 // N values, or nil
	Add     []float32 // M×N like C, or nil; may be C itself, which accumulates
	LDAdd   int
	Act     Act
}

// PackedA is a left operand in the order its kernel reads it.
type PackedA struct {
	m, k  int
	mr    int
	batch int // how many matrices, one after the other
	data  []float32
	codes []codes // by matrix, instead of data
}

// PackedB is a right operand in the order its kernel reads it.
type PackedB struct {
	k, n  int
	nr    int
	data  []float32
	codes *codes // instead of data
}

// Kernel multiplies with the instructions of one CPU level.
type Kernel struct {
	mr    int // rows of a panel of A, at most maxRows
	lanes int // floats in a vector
	nr    int // columns of a panel of B, three vectors
	micro func(t *tile)
	// direct is micro for columns that are consecutive where they are; or nil.
	direct func(t *tile)
	// plus is micro for whole panels with the column that the tile has as its
	// edge; or nil. Images of 7×7 are one panel of 48 and one more.
	plus func(t *tile)
	pack func(dst []float32, step int, s *strip)
	vec  *vec.Funcs

	expand   *expanders // of codes
	band     bandFunc
	bandRows int                   // the most that band computes at once
	narrow   [maxNarrow]narrowDots // by vectors, less one

	jobs sync.Pool // of *job
}

// kc bounds the inner indices of a block: a panel of B with kc of them
// (nr·kc floats) stays in the first-level cache.
const kc = 256

// For returns the kernel of a level. Operands packed by it may be used with
// kernels of the same level only.
func For(l cpu.Level) *Kernel { return kernels[l] }

// blocks is the number of blocks that k inner indices are cut into, at least
// one, and blockLen the length of all of them but the last.
func blocks(k int) int { return max(1, ceilDiv(k, kc)) }

func blockLen(k int) int {
	return max(1, ceilDiv(k, blocks(k)))
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }

// PackA packs an m×k left operand.
func (kn *Kernel) PackA(m, k int, a Matrix) *PackedA { return kn.PackBatch(1, 0, m, k, a) }

// PackBatch packs batch left operands of m×k, which are stride apart, for MulBatch.
func (kn *Kernel) PackBatch(batch, stride, m, k int, a Matrix) *PackedA {
	size := ceilDiv(m, kn.mr) * kn.mr * k
	all := &PackedA{m: m, k: k, mr: kn.mr, batch: batch, data: aligned(batch * size)}
	step := blockLen(k)
	for b := range batch {
		one := a
		one.Data = at(a.Data, b*stride)
		one.check("A", m, k)
		p := *all
		p.data = all.data[b*size:]
		for k0 := 0; k0 < k; k0 += step {
			n := min(step, k-k0)
			for i := 0; i < m; i += kn.mr {
				kn.packRows(p.panel(i, k0, n), one, i, min(kn.mr, m-i), k0, n)
			}
		}
	}
	return all
}

// panel is the packed panel that starts at row i, in the block of n inner
// indices that starts at k0.
func (p *PackedA) panel(i, k0, n int) []float32 {
	rows := ceilDiv(p.m, p.mr) * p.mr
	at := k0*rows + i*n
	return p.data[at : at+n*p.mr]
}

// PackB packs a k×n right operand.
func (kn *Kernel) PackB(k, n int, b Matrix) *PackedB {
	b.check("B", k, n)
	p := &PackedB{k: k, n: n, nr: kn.nr, data: aligned(ceilDiv(n, kn.nr) * kn.nr * k)}
	f := new(feeder)
	step := blockLen(k)
	for k0 := 0; k0 < k; k0 += step {
		rows := min(step, k-k0)
		for j := 0; j < n; j += kn.nr {
			f.matrix(kn, p.panel(j, k0, rows), b, k0, rows, j, min(kn.nr, n-j))
		}
	}
	return p
}

func (p *PackedB) panel(j, k0, n int) []float32 {
	cols := ceilDiv(p.n, p.nr) * p.nr
	at := k0*cols + j*n
	return p.data[at : at+n*p.nr]
}

// check panics unless every element of an m×n matrix lies in its data.
func (a Matrix) check(name string, m, n int) {
	if m < 0 || n < 0 || a.RowStride < 0 || a.ColStride < 0 {
		panic(fmt.Sprintf("gemm: %s: %d×%d with strides %d, %d", name, m, n, a.RowStride, a.ColStride))
	}
	if m == 0 || n == 0 {
		return
	}
	if last := (m-1)*a.RowStride + (n-1)*a.ColStride; last >= len(a.Data) {
		panic(fmt.Sprintf("gemm: %s: %d×%d with strides %d, %d needs %d values, has %d",
			name, m, n, a.RowStride, a.ColStride, last+1, len(a.Data)))
	}
}

// check panics unless there are k×n elements, all of the table's in the data.
func (x *Indirect) check(k, n int) {
	if t := x.Table; len(t.rows) != k || len(t.cols) < n || t.end > len(x.Data) {
		panic(fmt.Sprintf("gemm: B: %d×%d by a table of %d×%d with places up to %d of %d", k, n, len(t.rows), len(t.cols), t.end, len(x.Data)))
	}
}

func (q *Product) check(kn *Kernel) {
	if q.M < 0 || q.N < 0 || q.K < 0 || q.LDC < q.N {
		panic(fmt.Sprintf("gemm: %d×%d×%d with rows of C of %d", q.M, q.N, q.K, q.LDC))
	}
	Matrix{Data: q.C, RowStride: q.LDC, ColStride: 1}.check("C", q.M, q.N)
	if q.Add != nil {
		Matrix{Data: q.Add, RowStride: q.LDAdd, ColStride: 1}.check("Add", q.M, q.N)
	}
	if q.RowBias != nil && len(q.RowBias) < q.M || q.ColBias != nil && len(q.ColBias) < q.N {
		panic(fmt.Sprintf("gemm: %d×%d with %d row and %d column biases", q.M, q.N, len(q.RowBias), len(q.ColBias)))
	}
	if q.Act.kind == actPRelu && len(q.Act.slopes) < q.M {
		panic(fmt.Sprintf("gemm: %d×%d with %d slopes", q.M, q.N, len(q.Act.slopes)))
	}
	if p := q.PackedA; p == nil {
		q.A.check("A", q.M, q.K)
	} else if p.m != q.M || p.k != q.K || p.mr != kn.mr {
		panic(fmt.Sprintf("gemm: A packed as %d×%d in panels of %d, want %d×%d of %d", p.m, p.k, p.mr, q.M, q.K, kn.mr))
	}
	switch p := q.PackedB; {
	case p != nil && (p.k != q.K || p.n != q.N || p.nr != kn.nr):
		panic(fmt.Sprintf("gemm: B packed as %d×%d in panels of %d, want %d×%d of %d", p.k, p.n, p.nr, q.K, q.N, kn.nr))
	case p != nil:
	case q.Indirect != nil:
		q.Indirect.check(q.K, q.N)
	default:
		q.B.check("B", q.K, q.N)
	}
}
