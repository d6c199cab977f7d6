package conv

import (
	"sync"

	"github.com/smelt-ml/smelt/internal/kernel/cpu"
	"github.com/smelt-ml/smelt/internal/kernel/gemm"
	"github.com/smelt-ml/smelt/internal/kernel/par"
	"github.com/smelt-ml/smelt/internal/kernel/window"
)

// plan is a convolution as matrix products: one for each phase of the output,
// which are all elements with the same remainders of their places modulo step.
// A plain convolution has one phase, a transposed one as many as its strides
// make; within a phase, windows lie next to each other in either.
//
// The columns of the products' right operands are windows of a copy of the
// image (package window). Large images are copied in bands of rows, each of
// which stays in the cache of the worker that computes it.
type plan struct {
	Shape
	in, out  [3]int         // extents of input and output channels
	layout   *window.Layout // of a band
	height   int            // rows of windows
	rows     int            // of a band
	table    bool           // products take their columns from tables, not from the image
	step     [3]int
	products []product // by phase
	bias     []float32
	act      gemm.Act
	kernel   *gemm.Kernel
	window   *window.Funcs
	jobs     sync.Pool // of *job
}

// product is the weights of one phase, and where its columns are.
type product struct {
	packed *gemm.PackedA
	table  *gemm.Table
	inner  int
}

// bandFloats is how much of an image a band may copy: a part of the second-level
// cache, which weights and packed columns need, too.
const bandFloats = 1 << 17

// init sets what a plan copies: windows of the given geometry over the image.
func (p *plan) init(l cpu.Level, s window.Shape) {
	p.kernel, p.window = gemm.For(l), window.For(l)
	p.layout = window.NewLayout(l, s)
	p.height = p.layout.Out[1]
	p.rows = p.height
	size := p.Channels * p.layout.Plane
	if p.layout.Direct || p.layout.Out[0] > 1 || size <= bandFloats {
		return
	}
	// At least as many rows as two bands share, and enough for some panels.
	shared := (s.Kernel[1]-1)*s.Dilation[1]/s.Stride[1] + 1
	least := max(shared, (256+p.layout.Out[2]-1)/p.layout.Out[2])
	count := min(size/bandFloats+1, p.height/least)
	count = count / 2 * 2 // for two workers
	if count < 2 {
		return
	}
	p.rows = (p.height + count - 1) / count
	p.layout = window.NewBand(l, s, p.rows)
}

// bands is how many bands an image has.
func (p *plan) bands() int { return (p.height + p.rows - 1) / p.rows }

// job is a run under way.
type job struct {
	*plan
	pool          *par.Pool
	dst, src, add []float32
	tasks         []task // by worker
}

// task is a band of one image under way.
type task struct {
	*plan
	pool          *par.Pool
	dst, src, add []float32 // of one image
	first, rows   int
	image         []float32 // the copy, or src
	parts         []float32 // by phase, if there are several
	product       gemm.Product
	columns       gemm.Indirect
	join          bool // this loop joins phases
}

// run computes a batch of images: in parallel if the bands are many, else with
// all workers on each.
func (p *plan) run(pool *par.Pool, batch int, dst, src, add []float32) {
	j, _ := p.jobs.Get().(*job)
	if j == nil {
		j = &job{plan: p}
	}
	threads := pool.Threads()
	if len(j.tasks) < threads {
		j.tasks = make([]task, threads)
	}
	j.pool, j.dst, j.src, j.add = pool, dst, src, add
	units := batch * p.bands()
	if rounds := (units + threads - 1) / threads; units >= threads && 8*rounds*threads <= 9*units {
		pool.Run(units, j)
	} else {
		for i := range units {
			j.unit(&j.tasks[0], pool, i)
		}
	}
	j.pool, j.dst, j.src, j.add = nil, nil, nil, nil
	clear(j.tasks)
	p.jobs.Put(j)
}

// Run computes some bands, counted through the batch, each alone.
func (j *job) Run(worker, lo, hi int) {
	for i := lo; i < hi; i++ {
		j.unit(&j.tasks[worker], j.pool.Alone(worker), i)
	}
}

func (j *job) unit(t *task, pool *par.Pool, i int) {
	image, band := i/j.bands(), i%j.bands()
	in, out := j.Channels*window.Size(j.in), j.Filters*window.Size(j.plan.out)
	t.plan, t.pool = j.plan, pool
	t.dst, t.src = j.dst[image*out:(image+1)*out], j.src[image*in:(image+1)*in]
	if j.add != nil {
		t.add = j.add[image*out : (image+1)*out]
	}
	t.first = band * j.plan.rows
	t.rows = min(j.plan.rows, j.height-t.first)
	t.run()
}

// run computes one band.
func (t *task) run() {
	l := t.layout
	copied, part := 0, t.Filters*window.Size(l.Out)
	if t.table && !l.Direct {
		copied = t.Channels * l.Plane
	}
	parts := 0
	if len(t.products) > 1 {
		parts = len(t.products) * part
	}
	scratch := t.pool.Shared(copied + parts)
	t.image, t.parts = t.src, scratch[copied:]
	if copied > 0 {
		t.image = scratch[:copied]
		t.join = false
		t.pool.Run(t.Channels, t)
	}
	for i := range t.products {
		t.multiply(i, part)
	}
	if parts > 0 {
		t.join = true
		t.pool.Run(t.Filters, t)
	}
}

// multiply computes a phase: a product for each group.
func (t *task) multiply(phase, part int) {
	l, p := t.layout, &t.products[phase]
	per, m := t.Channels/t.Groups, t.Filters/t.Groups
	windows := window.Size(t.plan.out)
	q := &t.product
	*q = gemm.Product{
		M: m, N: t.rows * l.Out[2], K: p.inner, PackedA: p.packed, RowBias: t.bias, Act: t.act,
		C: t.dst[t.first*l.Out[2]:], LDC: windows,
	}
	if l.Out[0] > 1 { // there are no bands
		q.N = window.Size(l.Out)
	}
	if len(t.products) > 1 {
		windows = window.Size(l.Out)
		q.C, q.LDC = t.parts[phase*part:(phase+1)*part], windows
	} else if t.add != nil {
		q.Add, q.LDAdd = t.add[t.first*l.Out[2]:], windows
	}
	s := gemm.Strides{B: per * l.Plane, C: m * windows, Add: m * windows, RowBias: m}
	if t.table {
		t.columns = gemm.Indirect{Data: t.image, Table: p.table}
		q.Indirect = &t.columns
	} else {
		q.B = gemm.RowMajor(t.image, windows)
	}
	t.kernel.MulBatch(t.pool, t.Groups, s, q)
}

// Run copies the band of some channels, or joins the phases of some filters.
func (t *task) Run(_, lo, hi int) {
	l := t.layout
	if t.join {
		for f := lo; f < hi; f++ {
			t.joinPhases(f)
		}
		return
	}
	in := window.Size(t.in)
	for ch := lo; ch < hi; ch++ {
		l.CopyBand(t.image[ch*l.Plane:], t.src[ch*in:], 0, t.first, t.rows)
	}
}

// joinPhases puts the phases of a filter where they belong.
func (t *task) joinPhases(f int) {
	l, out := t.layout, t.plan.out
	size := window.Size(l.Out)
	dst := t.dst[f*window.Size(out):]
	for i := 0; i < len(t.products); i += t.step[2] {
		z0, y0 := i/t.step[2]/t.step[1], i/t.step[2]%t.step[1]
		for z := range l.Out[0] {
			for y := range t.rows {
				toZ, toY := z*t.step[0]+z0, (t.first+y)*t.step[1]+y0
				if toZ >= out[0] || toY >= out[1] {
					continue
				}
				row := dst[(toZ*out[1]+toY)*out[2]:][:out[2]]
				at := (z*l.Out[1] + y) * l.Out[2]
				part := func(x int) []float32 { return t.parts[((i+x)*t.Filters+f)*size+at:][:l.Out[2]] }
				if t.step[2] == 2 {
					t.window.Zip(row, part(0), part(1))
					continue
				}
				for x := range min(t.step[2], len(row)) {
					for j, v := range part(x)[:(len(row)-x+t.step[2]-1)/t.step[2]] {
						row[j*t.step[2]+x] = v
					}
				}
			}
		}
	}
}
