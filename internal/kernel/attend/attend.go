// Package attend computes attention: softmax(query·keyᵀ·scale + mask)·value for
// many heads at once. The scores of a few rows at a time stay in the cache;
// the whole matrix of them is never formed.
package attend

import (
	"fmt"
	"sync"

	"github.com/smelt-ml/smelt/internal/kernel/cpu"
	"github.com/smelt-ml/smelt/internal/kernel/gemm"
	"github.com/smelt-ml/smelt/internal/kernel/par"
	"github.com/smelt-ml/smelt/internal/kernel/vec"
)

// Operand holds a matrix for each head of each member of a batch. Row i of head
// h of member b starts at Data[b*Outer+h*Head+i*Row]; what stands in a row is
// consecutive. A stride of 0 repeats.
type Operand struct {
	Data             []float32
	Outer, Head, Row int
}

func (o *Operand) at(b, h, row int) []float32 { return o.Data[b*o.Outer+h*o.Head+row*o.Row:] }

// Attention is the sizes and operands of one attention.
type Attention struct {
	Outer, Heads int // of the batch, and in each of its members
	Rows, Keys   int // queries, and keys or values
	Inner, Width int // elements of a query or a key, and of a value

	Query, Key, Value Operand
	Mask              Operand // Rows×Keys to add to the scores; no Data for none
	Out               Operand // Rows×Width; must not overlap the others
	Scale             float32
}

func (a *Attention) check() {
	for _, o := range []struct {
		name string
		Operand
		rows, width int
	}{
		{"query", a.Query, a.Rows, a.Inner},
		{"key", a.Key, a.Keys, a.Inner},
		{"value", a.Value, a.Keys, a.Width},
		{"mask", a.Mask, a.Rows, a.Keys},
		{"out", a.Out, a.Rows, a.Width},
	} {
		if o.name == "mask" && o.Data == nil {
			continue
		}
		if last := (a.Outer-1)*o.Outer + (a.Heads-1)*o.Head + (o.rows-1)*o.Row + o.width; last > len(o.Data) {
			panic(fmt.Sprintf("attend: %s needs %d values, has %d", o.name, last, len(o.Data)))
		}
	}
}

// Kernel attends with the instructions of one CPU level.
type Kernel struct {
	gemm *gemm.Kernel
	vec  *vec.Funcs
	jobs sync.Pool // of *job
}

var kernels [cpu.Levels]*Kernel

func init() {
	for i := range kernels {
		kernels[i] = &Kernel{gemm: gemm.For(cpu.Level(i)), vec: vec.For(cpu.Level(i))}
	}
}

// For returns the kernel of a level.
func For(l cpu.Level) *Kernel { return kernels[l] }

// job is an Attention under way: blocks of rows of each head.
type job struct {
	Attention
	kn     *Kernel
	pool   *par.Pool
	high   int // rows of a block
	blocks int // of a head
	work   []gemm.Product
}

// scores bounds how many scores are held at a time, so that they and what is
// made of them stay in the second-level cache.
const scores = 1 << 16

// Run computes one attention. All sizes must be positive.
func (kn *Kernel) Run(p *par.Pool, a *Attention) {
	a.check()
	j, _ := kn.jobs.Get().(*job)
	if j == nil {
		j = new(job)
	}
	j.Attention, j.kn, j.pool = *a, kn, p
	if n := p.Threads(); len(j.work) < n {
		j.work = make([]gemm.Product, n)
	}
	const group = 16 // rows that go together
	heads := a.Outer * a.Heads
	most := max(group, scores/a.Keys/group*group)
	parts := (p.Threads() + heads - 1) / heads // of a head, for all to have work
	part := (a.Rows + parts - 1) / parts
	j.high = min(a.Rows, most, (part+group-1)/group*group)
	j.blocks = (a.Rows + j.high - 1) / j.high
	p.Run(heads*j.blocks, j)
	j.Attention, j.pool = Attention{}, nil
	clear(j.work)
	kn.jobs.Put(j)
}

// Run computes some blocks.
func (j *job) Run(worker, lo, hi int) {
	size := j.high * j.Keys
	scratch := j.pool.Scratch(worker, size+j.high*j.Inner)
	s, scaled := scratch[:size], scratch[size:]
	alone, q := j.pool.Alone(worker), &j.work[worker]
	for i := lo; i < hi; i++ {
		head, row := i/j.blocks, i%j.blocks*j.high
		b, h := head/j.Heads, head%j.Heads
		rows := min(j.high, j.Rows-row)
		for r := range rows {
			j.kn.vec.MulScalar(scaled[r*j.Inner:(r+1)*j.Inner], j.Query.at(b, h, row+r), j.Scale)
		}
		*q = gemm.Product{
			M: rows, N: j.Keys, K: j.Inner, A: gemm.RowMajor(scaled, j.Inner),
			B: gemm.RowMajor(j.Key.at(b, h, 0), j.Key.Row).T(), C: s, LDC: j.Keys,
		}
		switch {
		case j.Mask.Data == nil:
		case j.Mask.Row == 0:
			q.ColBias = j.Mask.at(b, h, 0)
		default:
			q.Add, q.LDAdd = j.Mask.at(b, h, row), j.Mask.Row
		}
		j.kn.gemm.Mul(alone, q)
		j.kn.vec.Softmax(s, s, rows, j.Keys)
		*q = gemm.Product{
			M: rows, N: j.Width, K: j.Keys, A: gemm.RowMajor(s, j.Keys),
			B: gemm.RowMajor(j.Value.at(b, h, 0), j.Value.Row), C: j.Out.at(b, h, row), LDC: j.Out.Row,
		}
		j.kn.gemm.Mul(alone, q)
	}
}
