package gemm

// maxNarrow is the most vectors that a matrix is multiplied with by streaming
// it once, its elements where they are or in packed panels.
const maxNarrow = 4

// dotsFunc computes the products of vectors of k values, ldx apart, with rows of
// as many, ldw apart: those of the first vector, and so on.
type dotsFunc func(k int, x *float32, ldx int, w *float32, ldw int, sums *float32)

// narrowDots is the products of vectors that a level has: with how many rows
// each. The zero value has none.
type narrowDots struct {
	rows int
	dots dotsFunc
}

// isDots says whether the product is one of a few vectors with a matrix that
// has the inner index in consecutive places: then packing is more work than
// multiplying.
func (j *job) isDots() bool {
	if j.PackedA != nil || j.PackedB != nil || j.Indirect != nil {
		return false
	}
	return j.M <= maxNarrow && j.B.RowStride == 1 || j.N <= maxNarrow && j.A.ColStride == 1
}

// rectDots computes a rectangle of C by products of vectors.
func (kn *Kernel) rectDots(q *work, r rect) {
	if q.M <= maxNarrow && q.B.RowStride == 1 { // rows of A with the columns of B
		x := q.feed.vectors(q.A, r.m0, r.m1-r.m0, q.K)
		w := q.B.T()
		for j := r.n0; j < r.n1; {
			n := kn.dots(q, x, r.m1-r.m0, w, j, r.n1-j)
			for i := range r.m1 - r.m0 {
				for col, v := range q.feed.sums[i*n:][:n] {
					q.sum(r.m0+i, j+col, v)
				}
			}
			j += n
		}
	} else {
		x := q.feed.vectors(q.B.T(), r.n0, r.n1-r.n0, q.K)
		for i := r.m0; i < r.m1; {
			n := kn.dots(q, x, r.n1-r.n0, q.A, i, r.m1-i)
			for row := range n {
				for col := range r.n1 - r.n0 {
					q.sum(i+row, r.n0+col, q.feed.sums[col*n+row])
				}
			}
			i += n
		}
	}
	for i := r.m0; i < r.m1; i++ {
		q.Act.Apply(kn.vec, q.C[i*q.LDC+r.n0:i*q.LDC+r.n1], i)
	}
}

// sum stores an element of C, with what is to be added, but not yet activated.
func (q *work) sum(i, j int, v float32) {
	if q.Add != nil {
		v += q.Add[i*q.LDAdd+j]
	}
	if q.RowBias != nil {
		v += q.RowBias[i]
	}
	if q.ColBias != nil {
		v += q.ColBias[j]
	}
	q.C[i*q.LDC+j] = v
}

// vectors returns rows of a matrix with consecutive elements, copied if they are
// not so already.
func (f *feeder) vectors(a Matrix, first, n, k int) Matrix {
	a.Data = at(a.Data, first*a.RowStride)
	if a.ColStride == 1 {
		return a
	}
	if len(f.copied) < n*k {
		f.copied = make([]float32, n*k)
	}
	for i := range n {
		for l := range k {
			f.copied[i*k+l] = a.Data[i*a.RowStride+l*a.ColStride]
		}
	}
	return RowMajor(f.copied, k)
}

// dots multiplies the vectors of x with up to limit rows of w from the given one
// on. It returns how many rows that were; the sums are q's.
func (kn *Kernel) dots(q *work, x Matrix, vectors int, w Matrix, row, limit int) int {
	sums := &q.feed.sums
	by := kn.narrow[vectors-1]
	if q.K > 0 && by.dots != nil && limit >= by.rows {
		rows := w.Data[row*w.RowStride : (row+by.rows-1)*w.RowStride+q.K]
		_ = x.Data[(vectors-1)*x.RowStride+q.K-1]
		by.dots(q.K, &x.Data[0], x.RowStride, &rows[0], w.RowStride, &sums[0])
		return by.rows
	}
	for i := range vectors {
		sums[i] = 0
		if q.K > 0 {
			sums[i] = kn.vec.Dot(x.Data[i*x.RowStride:][:q.K], w.Data[row*w.RowStride:])
		}
	}
	return 1
}
