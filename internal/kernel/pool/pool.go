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
	layout *window.Layout
	slide  *window.Funcs
	vec    *vec.Funcs
	max    bool
	whole  bool      // the only window is the plane
	ones   []float32 // by tap
	scale  []float32 // by window, of an average
	jobs   sync.Pool // of *job
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
	if len(p.scale) != window.Size(p.layout.Out) {
		panic("pool: counts do not fit the windows")
	}
	return p
}

func prepare(l cpu.Level, s window.Shape, isMax bool) *Pooling {
	p := &Pooling{layout: window.NewLayout(s), slide: window.For(l), vec: vec.For(l), max: isMax}
	p.whole = window.Size(p.layout.Out) == 1 && s.In == s.Kernel && s.Pad == [3][2]int{}
	for range p.layout.Taps {
		p.ones = append(p.ones, 1)
	}
	p.jobs.New = func() any { return &job{Pooling: p} }
	return p
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
	j.pool, j.dst, j.src = pool, dst[:planes*window.Size(p.layout.Out)], src[:planes*window.Size(p.layout.In)]
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
	l := j.layout
	in, out := window.Size(l.In), window.Size(l.Out)
	fill := float32(0)
	if j.max {
		fill = float32(math.Inf(-1))
	}
	for i := lo; i < hi; i++ {
		src, dst := j.src[i*in:(i+1)*in], j.dst[i*out:(i+1)*out]
		if j.whole {
			if j.max {
				dst[0] = j.vec.MaxOf(src)
			} else {
				dst[0] = j.vec.Sum(src) * j.scale[0]
			}
			continue
		}
		if !l.Direct {
			copied := j.pool.Scratch(worker, l.Plane)
			l.Copy(copied, src, fill)
			src = copied
		}
		r := &j.rows[worker]
		for z := range l.Out[0] {
			*r = window.Rows{
				Dst: dst[z*l.Out[1]*l.Out[2]:], DstStep: l.Out[2], Src: src[z*l.Slice:], SrcStep: l.Row,
				Rows: l.Out[1], Cols: l.Out[2], Taps: l.Taps, Weights: j.ones,
			}
			if j.max {
				j.slide.Max(r)
			} else {
				j.slide.Sum(r)
			}
		}
		if !j.max {
			j.vec.Mul(dst, dst, j.scale)
		}
	}
}
