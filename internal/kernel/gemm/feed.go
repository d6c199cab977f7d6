package gemm

import "github.com/smelt-ml/smelt/internal/kernel/par"

func aligned(n int) []float32 { return par.Aligned(n) }

// strip says where one vector's columns of a panel of B come from: the lanes
// of run i are the consecutive values from src[rows[k]+off[i]], for lanes
// from[i] up to from[i+1]. With more than maxRuns runs every lane has its own
// offset, in idx. Lanes from count on are zero.
type strip struct {
	src   []float32
	rows  []int
	runs  int
	count int
	off   [maxRuns]int
	from  [maxRuns + 1]int
	idx   [16]int32
}

const (
	maxRuns = 4
	maxRows = 8 // of a panel of A
	vectors = 3 // of a panel of B, at most

	// blockPanels is how many panels of B are packed at a time. Their rows are
	// longer than one panel's, which memory likes.
	blockPanels = 4
	// chunkRows is how many rows are packed before the next strip's.
	chunkRows = 32
)

// packGeneric writes one vector's columns of a panel, len(s.rows) rows of them
// at step elements, with lanes floats each.
func packGeneric(lanes int) func(dst []float32, step int, s *strip) {
	return func(dst []float32, step int, s *strip) {
		for k, row := range s.rows {
			d := dst[k*step:][:lanes]
			if s.runs > maxRuns {
				for j := range s.count {
					d[j] = s.src[row+int(s.idx[j])]
				}
			} else {
				for r := range s.runs {
					copy(d[s.from[r]:s.from[r+1]], s.src[row+s.off[r]:])
				}
			}
			clear(d[s.count:])
		}
	}
}

// feeder packs blocks of B; it is kept to keep its tables.
type feeder struct {
	strips [blockPanels * vectors]strip
	count  int
	rows   [kc]int
	cols   [blockPanels * vectors * 16]int32
	copied []float32              // vectors, for dots
	sums   [maxNarrow * 4]float32 // of dots
}

// packRows writes rows i..i+rows-1 of a, indices k0..k0+n-1, index by index
// with mr places each.
func (kn *Kernel) packRows(dst []float32, a Matrix, i, rows, k0, n int) {
	if n == 0 {
		return
	}
	src := a.Data[i*a.RowStride+k0*a.ColStride:]
	if a.ColStride == 1 && (rows == 1 || a.RowStride >= n) {
		kn.vec.TransposeStrided(dst, kn.mr, src, a.RowStride, rows, n)
		return
	}
	for k := range n {
		d := dst[k*kn.mr:][:rows]
		at := k * a.ColStride
		for r := range d {
			d[r] = src[at]
			at += a.RowStride
		}
	}
}

// matrix packs rows k0.. and columns j.. of a strided matrix.
func (f *feeder) matrix(kn *Kernel, dst []float32, b Matrix, k0, rows, j, cols int) {
	if rows == 0 {
		return
	}
	if b.RowStride == 1 && b.ColStride >= rows {
		for c := 0; c < cols; c += kn.nr {
			kn.vec.TransposeStrided(dst[c*rows:], kn.nr, b.Data[k0+(j+c)*b.ColStride:], b.ColStride, min(kn.nr, cols-c), rows)
		}
		return
	}
	for c := range cols {
		f.cols[c] = int32(c * b.ColStride)
	}
	f.columns(kn, at(b.Data, j*b.ColStride), f.cols[:cols])
	f.fill(kn, dst, f.matrixRows(b, k0, rows))
}

func (f *feeder) matrixRows(b Matrix, k0, rows int) []int {
	for k := range rows {
		f.rows[k] = (k0 + k) * b.RowStride
	}
	return f.rows[:rows]
}

// columns prepares the strips for the given columns of src.
func (f *feeder) columns(kn *Kernel, src []float32, cols []int32) {
	f.count = 0
	for j := 0; j < len(cols); j += kn.lanes {
		s := &f.strips[f.count]
		f.count++
		s.src = src
		s.cut(cols[j:min(j+kn.lanes, len(cols))])
	}
}

// fill packs the values src[rows[k]+cols[j]], into one panel after the other.
// Vectors of the last panel without a column are left as they are.
func (f *feeder) fill(kn *Kernel, dst []float32, rows []int) {
	perPanel := kn.nr / kn.lanes
	for k := 0; k < len(rows); k += chunkRows {
		part := rows[k:min(k+chunkRows, len(rows))]
		for i := range f.strips[:f.count] {
			s := &f.strips[i]
			s.rows = part
			kn.pack(dst[i/perPanel*len(rows)*kn.nr+k*kn.nr+i%perPanel*kn.lanes:], kn.nr, s)
		}
	}
}

// forget lets go of the operands.
func (f *feeder) forget() {
	for i := range f.strips {
		f.strips[i].src, f.strips[i].rows = nil, nil
	}
}

// cut finds the runs of consecutive offsets.
func (s *strip) cut(cols []int32) {
	s.count, s.runs = len(cols), 0
	for j := 0; j < len(cols); {
		if s.runs == maxRuns {
			s.runs++
			copy(s.idx[:], cols)
			return
		}
		s.off[s.runs], s.from[s.runs] = int(cols[j]), j
		j += run(cols[j:])
		s.runs++
		s.from[s.runs] = j
	}
}

// run is how many of the columns, at least one, are consecutive from the first.
// Columns increase, so that the last of a run tells for all.
func run(cols []int32) int {
	if last := len(cols) - 1; cols[last]-cols[0] == int32(last) {
		return len(cols)
	}
	lo, hi := 1, len(cols) // a run of lo for sure, of hi not
	for hi-lo > 1 {
		if mid := (lo + hi) / 2; cols[mid-1]-cols[0] == int32(mid-1) {
			lo = mid
		} else {
			hi = mid
		}
	}
	return lo
}
