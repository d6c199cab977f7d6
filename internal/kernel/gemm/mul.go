package gemm

import "github.com/smelt-ml/smelt/internal/kernel/par"

// tile is one call of a micro-kernel: c[rows×cols] = act(a·b + add + bias),
// where a has mr values, or at least rows, and b has nr values for each of k
// inner indices. The assembly knows this layout.
type tile struct {
	k       int
	a       []float32
	astep   int // from the values of one inner index to the next's
	b       []float32
	c       []float32 // from the tile's first element on
	ldc     int
	add     []float32 // nil for none
	ldadd   int
	rowBias []float32 // at least rows values, or nil
	colBias []float32 // at least cols values, or nil
	slope   []float32 // for negative results, at least rows values, or nil
	cols    int
	clamp   int // 1 to clamp to lo..hi
	lo, hi  float32
	brows   []int // if direct, where in b the values of each inner index are
	rows    int
	ahead   []float32 // what a later tile reads, to be fetched into the cache; b for nothing
	edge    []float32 // of b, the k values of one column more; or nil
}

// job is a Product under way: a grid of rectangles of C for each member of a
// batch.
type job struct {
	Product
	kn     *Kernel
	pool   *par.Pool
	batch  int
	stride Strides
	parts  [2]int // the grid: over rows, over columns
	work   []work
	packA  bool // this pass packs A
	own    bool // each worker packs what it needs of A
	dots   bool // no packing: each element is a product of vectors
	packed PackedA
}

// work is what one worker keeps while it computes a rectangle.
type work struct {
	Product
	left     PackedA
	indirect Indirect
	feed     feeder
	tile     tile
	slopes   [maxRows]float32 // of the same value, for Leaky
	next     []float32        // the panel of B after this one, where it is packed
	edge     [kc]float32      // of the tile
	expanded []float32        // where the rows of A become numbers, if they are codes
	block    []float32        // those of the block of inner indices
}

// Strides are the distances in elements between the members of a batch of
// products; 0 shares an operand. B counts for an Indirect too, and RowBias for
// the slopes of PRelu.
type Strides struct{ A, B, C, Add, RowBias int }

// Mul computes one product.
func (kn *Kernel) Mul(p *par.Pool, q *Product) { kn.MulBatch(p, 1, Strides{}, q) }

// MulBatch computes batch products of one form, whose operands are s apart.
// A PackedB and the ColBias are shared by all; so is a PackedA, unless it was
// packed for as many.
func (kn *Kernel) MulBatch(p *par.Pool, batch int, s Strides, q *Product) {
	if batch <= 0 || q.M == 0 || q.N == 0 {
		return
	}
	q.check(kn)
	j, _ := kn.jobs.Get().(*job)
	if j == nil {
		j = new(job)
	}
	j.Product, j.kn, j.pool, j.batch, j.stride = *q, kn, p, batch, s
	if n := p.Threads(); len(j.work) < n {
		j.work = make([]work, n)
	}
	if batch > 1 {
		j.member(&j.work[0], batch-1)
		j.work[0].check(kn)
	}
	j.dots = j.isDots()
	j.own = false
	switch {
	case j.PackedA != nil || j.M == 1 || j.dots: // a single row is read where it is
	case batch == 1 && p.Threads() > 1 && j.M*j.K <= packOwn:
		j.own = true
	default:
		j.packLeft()
		j.PackedA = &j.packed
	}
	j.parts = j.grid(ceilDiv(p.Threads(), batch))
	if j.M*j.N*(j.K+8)*batch < 1<<13 { // not worth waking anybody
		j.Run(0, 0, batch*j.parts[0]*j.parts[1])
	} else {
		p.Run(batch*j.parts[0]*j.parts[1], j)
	}
	j.Product, j.pool, j.packed = Product{}, nil, PackedA{}
	for i := range j.work {
		w := &j.work[i]
		w.Product, w.left, w.indirect, w.expanded, w.block = Product{}, PackedA{}, Indirect{}, nil, nil
		w.tile = tile{}
		w.feed.forget()
	}
	kn.jobs.Put(j)
}

// member sets w to the product of member i of the batch.
func (j *job) member(w *work, i int) {
	w.Product = j.Product
	q := &w.Product
	if q.PackedA == nil {
		q.A.Data = at(q.A.Data, i*j.stride.A)
	} else if n := q.PackedA.batch; n > 1 {
		w.left = *q.PackedA
		if w.left.codes != nil {
			w.left.codes = w.left.codes[i : i+1]
		}
		size := len(w.left.data) / n
		w.left.data = w.left.data[i*size : (i+1)*size]
		q.PackedA = &w.left
	}
	if q.Indirect != nil {
		w.indirect = *q.Indirect
		w.indirect.Data = at(w.indirect.Data, i*j.stride.B)
		q.Indirect = &w.indirect
	} else if q.PackedB == nil {
		q.B.Data = at(q.B.Data, i*j.stride.B)
	}
	q.C = at(q.C, i*j.stride.C)
	if q.Add != nil {
		q.Add = at(q.Add, i*j.stride.Add)
	}
	if q.RowBias != nil {
		q.RowBias = at(q.RowBias, i*j.stride.RowBias)
	}
	if q.Act.kind == actPRelu {
		q.Act.slopes = at(q.Act.slopes, i*j.stride.RowBias)
	}
}

// at is x[i:], and empty beyond its end, which check will report.
func at(x []float32, i int) []float32 { return x[min(i, len(x)):] }

// packOwn is the most floats of A that each worker packs for itself. It would
// take longer to share them out, to wait for all, and to fetch what the others
// have packed from their caches.
const packOwn = 1 << 18

// packLeft packs A, of all members if they differ, into the shared scratch.
func (j *job) packLeft() {
	mr := j.kn.mr
	rows := ceilDiv(j.M, mr) * mr
	members := j.batch
	if j.stride.A == 0 {
		members = 1
	}
	j.packed = PackedA{m: j.M, k: j.K, mr: mr, batch: members, data: j.pool.Shared(members * rows * j.K)}
	j.packA = true
	j.pool.Run(members*(rows/mr), j)
	j.packA = false
}

// Wide is the columns from which on a convolution's work had better be shared
// out along them, as what a worker reads is in its own cache where it has made
// it: parts of large images have little to do with each other. Smaller ones are
// better shared out by channels, where a product makes more than it reads.
const Wide = 1 << 11

// grid cuts C into about n rectangles, evenly in panels, along the columns
// rather than the rows where that is no worse: each part of the rows packs
// all of B for itself. A constant A belongs to a convolution, see Wide.
func (j *job) grid(n int) [2]int {
	rows, cols := ceilDiv(j.M, j.kn.mr), ceilDiv(j.N, j.kn.nr)
	vecs, perPanel := ceilDiv(j.N, j.kn.lanes), j.kn.nr/j.kn.lanes
	best, cost := [2]int{1, 1}, 20*rows*vecs
	for r := 1; r <= min(n, rows); r++ {
		c := min(n/r, cols)
		widest := 0 // in vectors, of which the last panel may have less than others
		for i := range c {
			widest = max(widest, min(cols*(i+1)/c*perPanel, vecs)-cols*i/c*perPanel)
		}
		t := 20 * ceilDiv(rows, r) * widest
		if byRows := j.M > j.K && j.N < Wide; j.A.Data == nil && byRows != (c == 1) {
			t += t / 10
		}
		if t < cost {
			best, cost = [2]int{r, c}, t
		}
	}
	return best
}

// Run computes some rectangles, or packs some panels of A.
func (j *job) Run(worker, lo, hi int) {
	if j.packA {
		j.runPackA(lo, hi)
		return
	}
	mr, nr := j.kn.mr, j.kn.nr
	rows, cols := ceilDiv(j.M, mr), ceilDiv(j.N, nr)
	parts := j.parts[0] * j.parts[1]
	for i := lo; i < hi; i++ {
		member := i / parts
		r, c := i%parts/j.parts[1], i%parts%j.parts[1]
		w := &j.work[worker]
		j.member(w, member)
		part := rect{
			m0: rows * r / j.parts[0] * mr, m1: min(rows*(r+1)/j.parts[0]*mr, j.M),
			n0: cols * c / j.parts[1] * nr, n1: min(cols*(c+1)/j.parts[1]*nr, j.N),
		}
		if j.dots {
			j.kn.rectDots(w, part)
			continue
		}
		size, left := kc*nr*blockPanels+2*chunk, 0
		switch {
		case j.own:
			left = rows * mr * j.K
		case j.PackedA != nil && j.PackedA.codes != nil:
			left = expandedSize(part.m1-part.m0, j.K, mr)
		}
		scratch := j.pool.Scratch(worker, size+left)
		w.expanded = scratch[size:]
		if j.own {
			w.left = PackedA{m: j.M, k: j.K, mr: mr, batch: 1, data: scratch[size:]}
			for row := part.m0; row < part.m1; row += mr {
				j.kn.packPanel(&w.left, w.A, row)
			}
			w.PackedA = &w.left
		}
		j.kn.rect(w, part, scratch[:size])
	}
}

func (j *job) runPackA(lo, hi int) {
	mr := j.kn.mr
	panels := ceilDiv(j.M, mr)
	for i := lo; i < hi; i++ {
		member, row := i/panels, i%panels*mr
		src := j.A
		src.Data = src.Data[member*j.stride.A:]
		dst := j.packed
		dst.data = dst.data[member*panels*mr*j.K:]
		j.kn.packPanel(&dst, src, row)
	}
}

// packPanel packs the rows of a that the panel from this row on has.
func (kn *Kernel) packPanel(dst *PackedA, a Matrix, row int) {
	step := blockLen(dst.k)
	for k0 := 0; k0 < dst.k; k0 += step {
		n := min(step, dst.k-k0)
		kn.packRows(dst.panel(row, k0, n), a, row, min(dst.mr, dst.m-row), k0, n)
	}
}

type rect struct{ m0, m1, n0, n1 int }

// Limits of the blocks that a rectangle is computed in: floats of A, which
// shall stay in the second-level cache while the panels of B pass; and where B
// is not packed, how many panels of C that may be high and how many panels'
// columns are computed before the next inner indices.
const (
	blockA       = 1 << 18
	directHigh   = 8
	directPanels = 16
)

// isDirect says whether B is better read where it is than packed, for a
// rectangle of that many rows. Packing costs about as much as multiplying 7
// rows; but there are partial vectors at the end of each run of columns, and
// narrow tiles take longer than their share.
func (kn *Kernel) isDirect(q *Product, rows int) bool {
	if kn.direct == nil || q.PackedB != nil || rows > directHigh*kn.mr || q.Indirect == nil && q.B.ColStride != 1 {
		return false
	}
	run := q.N
	if q.Indirect != nil {
		run = min(q.N, max(1, len(q.Indirect.Table.cols)/q.Indirect.Table.runs))
	}
	narrow := [vectors]float64{0, 1.3, 2.1}
	vecs := ceilDiv(run, kn.lanes)
	cost := float64(vecs/vectors*vectors) + narrow[vecs%vectors]
	return float64(rows)*(cost*float64(kn.lanes)/float64(run)-1) < 7
}

// blockRows is how many rows of A a block has.
func blockRows(k, mr int) int { return max(1, blockA/blockLen(k)/mr) * mr }

// rect computes one rectangle of C, whose m0 and n0 are where panels start.
func (kn *Kernel) rect(q *work, r rect, scratch []float32) {
	rows := blockRows(q.K, kn.mr)
	for i := r.m0; i < r.m1; i += rows {
		part := rect{i, min(i+rows, r.m1), r.n0, r.n1}
		if kn.isDirect(&q.Product, part.m1-part.m0) {
			kn.rectDirect(q, part)
		} else {
			kn.rectPacked(q, part, scratch)
		}
	}
}

// activate applies a function that micro-kernels do not know to some columns of
// a rectangle, while these are in a cache.
func (kn *Kernel) activate(q *work, r rect, j0, j1 int) {
	if q.Act.kind == actFunc {
		for i := r.m0; i < r.m1; i++ {
			q.Act.Apply(kn.vec, q.C[i*q.LDC+j0:i*q.LDC+j1], i)
		}
	}
}

// rectPacked goes through packed blocks of B.
func (kn *Kernel) rectPacked(q *work, r rect, scratch []float32) {
	step := blockLen(q.K)
	width := blockPanels * kn.nr
	for j0 := r.n0; j0 < r.n1; j0 += width {
		j1 := min(j0+width, r.n1)
		if q.Indirect != nil && q.PackedB == nil {
			q.feed.columns(kn, q.Indirect.Data, q.Indirect.Table.cols[j0:j1])
		}
		for k0 := 0; k0 == 0 || k0 < q.K; k0 += step {
			n := min(step, q.K-k0)
			kn.expandRows(q, r, j0 == r.n0, k0, n)
			switch {
			case q.PackedB != nil && q.PackedB.codes != nil:
				kn.expandColumns(q, scratch, j0, j1, k0, n)
			case q.PackedB != nil:
			case q.Indirect != nil:
				q.feed.fill(kn, scratch, q.Indirect.Table.rows[k0:k0+n])
			default:
				q.feed.matrix(kn, scratch, q.B, k0, n, j0, j1-j0)
			}
			t := kn.begin(q, k0, n)
			for j := j0; j < j1; j += kn.nr {
				t.cols = min(kn.nr, j1-j)
				if q.PackedB != nil && q.PackedB.codes == nil {
					t.b = q.PackedB.panel(j, k0, n)
					q.next = q.PackedB.after(rect{n0: j0, n1: j1}, j, k0, n)
				} else {
					t.b = scratch[(j-j0)*n:][:kn.nr*n]
				}
				if j1-j == kn.nr+1 && kn.plus != nil && q.PackedA != nil && max(q.LDC, q.LDAdd) < mostStep {
					lone := scratch[(j-j0+kn.nr)*n:]
					if q.PackedB != nil && q.PackedB.codes == nil {
						lone = q.PackedB.panel(j+kn.nr, k0, n)
					}
					t.edge = q.edge[:n]
					for i := range t.edge {
						t.edge[i] = lone[i*kn.nr]
					}
					kn.column(q, kn.micro, r, j, k0)
					break
				}
				kn.column(q, kn.micro, r, j, k0)
			}
		}
		kn.activate(q, r, j0, j1)
	}
}

// rectDirect reads B where it is, in tiles of consecutive columns.
func (kn *Kernel) rectDirect(q *work, r rect) {
	step := blockLen(q.K)
	if q.Indirect != nil && q.M <= kn.mr && kn.mr*q.K <= blockA { // B is read once: no reason for blocks
		step = max(1, q.K)
	}
	width := directPanels * kn.nr
	for j0 := r.n0; j0 < r.n1; j0 += width {
		j1 := min(j0+width, r.n1)
		for k0 := 0; k0 == 0 || k0 < q.K; k0 += step {
			t := kn.begin(q, k0, min(step, q.K-k0))
			kn.expandRows(q, r, j0 == r.n0, k0, t.k)
			if x := q.Indirect; x != nil {
				t.brows = x.Table.rows[k0 : k0+t.k]
				for j := j0; j < j1; j += t.cols {
					t.cols = run(x.Table.cols[j:min(j+kn.nr, j1)])
					t.b = at(x.Data, int(x.Table.cols[j]))
					kn.column(q, kn.direct, r, j, k0)
				}
				continue
			}
			t.brows = q.feed.matrixRows(q.B, k0, t.k)
			for j := j0; j < j1; j += t.cols {
				t.cols = min(kn.nr, j1-j)
				t.b = at(q.B.Data, j)
				kn.column(q, kn.direct, r, j, k0)
			}
		}
		kn.activate(q, r, j0, j1)
	}
}

// mostStep is beyond the steps between rows that plus can count.
const mostStep = 1 << 27

// A micro-kernel fetches one line of what a later tile reads for so many inner
// indices: packed weights come from memory, and each panel of them would
// otherwise be waited for by the first tile that needs it.
const (
	aheadStep = 2
	line      = 64 / 4
)

// after is the panel of B that rectPacked multiplies with after the one for the
// columns from j and the n inner indices from k0 on, nil for none in its group
// of columns.
func (p *PackedB) after(group rect, j, k0, n int) []float32 {
	if j += p.nr; j >= group.n1 {
		j, k0 = group.n0, k0+n
		if k0 >= p.k {
			j, k0 = group.n1, 0
		}
	}
	if j >= p.n {
		return nil
	}
	return p.panel(j, k0, min(blockLen(p.k), p.k-k0))
}

// begin sets what the tiles of a block of n inner indices from k0 on share.
func (kn *Kernel) begin(q *work, k0, n int) *tile {
	t := &q.tile
	*t = tile{k: n, astep: kn.mr, ldc: q.LDC}
	if k0+n < q.K {
		return t
	}
	switch q.Act.kind {
	case actClamp:
		t.clamp, t.lo, t.hi = 1, q.Act.lo, q.Act.hi
	case actLeaky:
		for i := range q.slopes {
			q.slopes[i] = q.Act.lo
		}
		t.slope = q.slopes[:]
	}
	return t
}

// column multiplies the panels of A in a rectangle with one panel of B, which
// the tile has, for the columns from j on and the inner indices from k0 on.
func (kn *Kernel) column(q *work, micro func(t *tile), r rect, j, k0 int) {
	t := &q.tile
	next := q.next
	q.next = nil
	first, last := k0 == 0, k0+t.k == q.K
	cols := t.cols
	if t.edge != nil {
		cols++
	}
	if first && q.ColBias != nil {
		t.colBias = q.ColBias[j : j+cols]
	}
	for i := r.m0; i < r.m1; i += kn.mr {
		t.rows = min(kn.mr, r.m1-i)
		switch {
		case q.PackedA == nil:
			t.a, t.astep = at(q.A.Data, k0*q.A.ColStride), q.A.ColStride
		case q.PackedA.codes != nil:
			t.a = q.block[(i-r.m0)*t.k:][:kn.mr*t.k]
		default:
			t.a = q.PackedA.panel(i, k0, t.k)
		}
		if t.ahead = t.b; len(next) > 0 {
			t.ahead = next
			next = next[min(len(next), t.k/aheadStep*line):]
		}
		t.c = q.C[i*q.LDC+j : (i+t.rows-1)*q.LDC+j+cols]
		switch {
		case !first:
			t.add, t.ldadd = t.c, q.LDC
		case q.Add != nil:
			t.add, t.ldadd = q.Add[i*q.LDAdd+j:(i+t.rows-1)*q.LDAdd+j+cols], q.LDAdd
		}
		if first && q.RowBias != nil {
			t.rowBias = q.RowBias[i : i+t.rows]
		}
		if last && q.Act.kind == actPRelu {
			t.slope = q.Act.slopes[i : i+t.rows]
		}
		if t.edge != nil && t.rows == kn.mr {
			kn.plus(t)
			continue
		}
		micro(t)
		if t.edge != nil {
			for row := range t.rows {
				var sum float32
				for k, b := range t.edge {
					sum += t.a[k*t.astep+row] * b
				}
				t.finish(row, t.cols, sum)
			}
		}
	}
}
