// Package pool is max and average pooling of float32 planes, [depth][height]
// [width]. Windows slide over a padded copy of the plane (package window).
package pool

import (
	"math"
	"sync"

	"github.com/smelt-ml/smelt/internal/kernel/cpu"
	"github.com/smelt-ml/smelt/internal/kernel/par"
	"github.com/smelt-ml/smelt/internal/kernel/vec"
	"github.com/smelt-ml/smelt/internal/kernel/window"
)

// Pooling is a pooling of one geometry. It may be used by any number of
// goroutines, with a pool each.
type Pooling struct {
	in, out int              // floats of a plane
	stages  []*window.Layout // one, or the windows' columns and then their rows
	slide   *window.Funcs
	vec     *vec.Funcs
	max     bool
	whole   bool         // the only window is the plane
	max3    *window.Max3 // does it all, if it is not nil
	ones    []float32    // by tap
	scale   []float32    // by window, of an average
	jobs    sync.Pool    // of *job
}

// NewMax prepares max pooling; padding counts as -Inf, NaN wins.
func NewMax(l cpu.Level, s window.Shape) *Pooling { return prepare(l, s, true) }

// NewAverage prepares average pooling: the sum of each window, of which padding
// is zeros, divided by counts[0][z]·counts[1][y]·counts[2][x].
func NewAverage(l cpu.Level, s window.Shape, counts [3][]int) *Pooling {
	p := prepare(l, s, false)
	for _, z := range counts[0] {
		for _, y := range counts[1] {
			for _, x := range counts[2] {
				s := float32(0) // a window of nothing but padding that does not count
				if n := z * y * x; n > 0 {
					s = 1 / float32(n)
				}
				p.scale = append(p.scale, s)
			}
		}
	}
	if len(p.scale) != p.out {
		panic("pool: counts do not fit the windows")
	}
	return p
}

func prepare(l cpu.Level, s window.Shape, isMax bool) *Pooling {
	s.Out = s.Windows()
	p := &Pooling{in: window.Size(s.In), out: window.Size(s.Out), slide: window.For(l), vec: vec.For(l), max: isMax}
	p.whole = p.out == 1 && s.In == s.Kernel && s.Pad == [3][2]int{}
	if isMax {
		p.max3 = p.slide.NewMax3(s)
	}
	stages := []window.Shape{s}
	if window.Size(s.Kernel) > manyTaps && s.Kernel[2] > 1 && window.Size(s.Kernel) > s.Kernel[2] {
		stages = separate(s)
	}
	for _, s := range stages {
		p.stages = append(p.stages, window.NewLayout(l, s))
	}
	for range p.stages[0].Taps {
		p.ones = append(p.ones, 1)
	}
	for len(p.ones) < len(p.stages[len(p.stages)-1].Taps) {
		p.ones = append(p.ones, 1)
	}
	p.jobs.New = func() any { return &job{Pooling: p} }
	return p
}

// manyTaps is the size from which on windows are pooled in two stages.
const manyTaps = 12

// separate makes two shapes of one: windows one row high, then one column wide
// on their results.
func separate(s window.Shape) []window.Shape {
	row, column := s, s
	for d := range 2 {
		row.Kernel[d], row.Stride[d], row.Dilation[d], row.Pad[d], row.Out[d] = 1, 1, 1, [2]int{}, s.In[d]
	}
	column.In[2] = s.Out[2]
	column.Kernel[2], column.Stride[2], column.Dilation[2], column.Pad[2] = 1, 1, 1, [2]int{}
	return []window.Shape{row, column}
}

// job is one run.
type job struct {
	*Pooling
	pool     *par.Pool
	dst, src []float32
	rows     []window.Rows // by worker
}

// Run pools that many planes of src to as many of dst.
func (p *Pooling) Run(pool *par.Pool, planes int, dst, src []float32) {
	j := p.jobs.Get().(*job)
	j.pool, j.dst, j.src = pool, dst[:planes*p.out], src[:planes*p.in]
	if n := pool.Threads(); len(j.rows) < n {
		j.rows = make([]window.Rows, n)
	}
	pool.Run(planes, j)
	clear(j.rows)
	j.pool, j.dst, j.src = nil, nil, nil
	p.jobs.Put(j)
}

// Run pools the planes from lo to hi.
func (j *job) Run(worker, lo, hi int) {
	for i := lo; i < hi; i++ {
		src, dst := j.src[i*j.in:(i+1)*j.in], j.dst[i*j.out:(i+1)*j.out]
		switch {
		case j.whole && j.max:
			dst[0] = j.vec.MaxOf(src)
		case j.whole:
			dst[0] = j.vec.Sum(src) * j.scale[0]
		case j.max3 != nil:
			j.max3.Plane(dst, src)
		default:
			j.plane(worker, dst, src)
			if !j.max {
				j.vec.Mul(dst, dst, j.scale)
			}
		}
	}
}

// plane computes the maxima or sums of one plane.
func (j *job) plane(worker int, dst, src []float32) {
	fill := float32(0)
	if j.max {
		fill = -inf
	}
	size := 0
	for _, l := range j.stages {
		size += l.Plane + window.Size(l.Out)
	}
	scratch := j.pool.Scratch(worker, size)
	for i, l := range j.stages {
		if !l.Direct {
			copied := scratch[:l.Plane]
			scratch = scratch[l.Plane:]
			l.Copy(copied, src, fill)
			src = copied
		}
		to := dst
		if i < len(j.stages)-1 {
			to = scratch[:window.Size(l.Out)]
			scratch = scratch[len(to):]
		}
		r := &j.rows[worker]
		for z := range l.Out[0] {
			*r = window.Rows{
				Dst: to[z*l.Out[1]*l.Out[2]:], DstStep: l.Out[2], Src: src[z*l.Slice:], SrcStep: l.Row,
				Rows: l.Out[1], Cols: l.Out[2], Taps: l.Taps, Weights: j.ones, Lo: -inf, Hi: inf,
			}
			if j.max {
				j.slide.Max(r)
			} else {
				j.slide.Sum(r)
			}
		}
		src = to
	}
}

var inf = float32(math.Inf(1))
