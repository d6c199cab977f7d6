package window

import "github.com/smelt-ml/smelt/internal/kernel/cpu"

// Rows is one call of a sliding kernel: for each of rows×cols outputs
// dst[r*DstStep+x], the values src[r*SrcStep+x+Taps[t]] for all t.
type Rows struct {
	Dst     []float32
	DstStep int
	Src     []float32
	SrcStep int
	Rows    int
	Cols    int
	Taps    []int
	Weights []float32 // by tap, for Sum
	Bias    float32   // what Sum starts from
	Lo, Hi  float32   // what Sum clamps to; -Inf and Inf for nothing
}

// Funcs are the sliding kernels of one CPU level.
type Funcs struct {
	sum, max func(q *Rows)

	zip func(dst, a, b []float32)

	// Of n values in each of the rows: all, or every second one.
	all, evens func(dst []float32, dstStep int, src []float32, srcStep, rows, n int)

	// Of windows 3×3, two apart; nil for none. See Thirds.
	max3 func(dst *float32, dstStep int, a, b, c *float32, step, rows, n, cols, lead int)
}

// For returns the kernels of a level.
func For(l cpu.Level) *Funcs { return funcs[l] }

// Sum sets each output to the weighted sum of its values, plus the bias,
// clamped; NaN stays NaN.
func (f *Funcs) Sum(q *Rows) {
	if q.check(); len(q.Weights) < len(q.Taps) {
		panic("window: less weights than taps")
	}
	switch {
	case q.Rows <= 0 || q.Cols <= 0:
	case len(q.Taps) == 0:
		sumGeneric(q)
	default:
		f.sum(q)
	}
}

// Max sets each output to the largest of its values, or NaN if there is one
// among them.
func (f *Funcs) Max(q *Rows) {
	q.check()
	switch {
	case q.Rows <= 0 || q.Cols <= 0:
	case len(q.Taps) == 0:
		maxGeneric(q)
	default:
		f.max(q)
	}
}

// check panics unless all of the values lie in their slices.
func (q *Rows) check() {
	if q.Rows <= 0 || q.Cols <= 0 {
		return
	}
	if q.DstStep < 0 || (q.Rows-1)*q.DstStep+q.Cols > len(q.Dst) {
		panic("window: outputs beyond their slice")
	}
	for _, t := range q.Taps {
		if t < 0 || q.SrcStep < 0 || t+(q.Rows-1)*q.SrcStep+q.Cols > len(q.Src) {
			panic("window: windows beyond their slice")
		}
	}
}

// Zip sets dst to a[0], b[0], a[1], b[1] and so on.
func (f *Funcs) Zip(dst, a, b []float32) {
	a, b = a[:(len(dst)+1)/2], b[:len(dst)/2]
	f.zip(dst, a, b)
}
