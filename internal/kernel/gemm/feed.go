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

const maxRuns = 4

// maxRows bounds the rows of a panel of A.
const maxRows = 8

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

// feeder packs panels of B; it is kept to keep its tables.
type feeder struct {
	strip strip
	rows  [kc]int
	cols  [48]int32
}

// matrix packs rows k0.. and columns j.. of a strided matrix.
func (f *feeder) matrix(kn *Kernel, dst []float32, b Matrix, k0, rows, j, cols int) {
	for k := range rows {
		f.rows[k] = k * b.RowStride
	}
	for c := range cols {
		f.cols[c] = int32(c * b.ColStride)
	}
	if rows == 0 || cols == 0 {
		return
	}
	f.panel(kn, dst, b.Data[k0*b.RowStride+j*b.ColStride:], f.rows[:rows], f.cols[:cols])
}

// panel packs the values src[rows[k]+cols[j]], vector by vector. Vectors
// without a column are left as they are.
func (f *feeder) panel(kn *Kernel, dst []float32, src []float32, rows []int, cols []int32) {
	s := &f.strip
	s.src, s.rows = src, rows
	for j := 0; j < len(cols); j += kn.lanes {
		s.cut(cols[j:min(j+kn.lanes, len(cols))])
		kn.pack(dst[j:], kn.nr, s)
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
		first := cols[j] - int32(j)
		for j++; j < len(cols) && cols[j]-int32(j) == first; j++ {
		}
		s.runs++
		s.from[s.runs] = j
	}
}
