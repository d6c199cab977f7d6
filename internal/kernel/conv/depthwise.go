package conv

import (
	"math"
	"sync"

	"github.com/smelt-ml/smelt/internal/kernel/cpu"
	"github.com/smelt-ml/smelt/internal/kernel/gemm"
	"github.com/smelt-ml/smelt/internal/kernel/par"
	"github.com/smelt-ml/smelt/internal/kernel/vec"
	"github.com/smelt-ml/smelt/internal/kernel/window"
)

// depthwise is a convolution of each channel by itself, with one filter or
// several, which slide over a copy of the channel.
type depthwise struct {
	Shape
	layout  *window.Layout
	out     int // values of an output channel
	weights []float32
	bias    []float32
	act     gemm.Act
	slide   *window.Funcs
	vec     *vec.Funcs
	jobs    sync.Pool // of *depthwiseJob
}

func newDepthwise(l cpu.Level, s Shape, weights, bias []float32, act gemm.Act) *depthwise {
	d := &depthwise{
		Shape: s, layout: window.NewLayout(l, s.Shape), weights: weights, bias: bias, act: act,
		slide: window.For(l), vec: vec.For(l),
	}
	d.out = window.Size(d.layout.Out)
	return d
}

type depthwiseJob struct {
	*depthwise
	pool          *par.Pool
	dst, src, add []float32
	slides        []window.Rows // by worker
}

func (d *depthwise) run(pool *par.Pool, batch int, dst, src, add []float32) {
	j, _ := d.jobs.Get().(*depthwiseJob)
	if j == nil {
		j = &depthwiseJob{depthwise: d}
	}
	if n := pool.Threads(); len(j.slides) < n {
		j.slides = make([]window.Rows, n)
	}
	j.pool, j.dst, j.src, j.add = pool, dst, src, add
	pool.Run(batch*d.Filters, j)
	j.pool, j.dst, j.src, j.add = nil, nil, nil, nil
	clear(j.slides)
	d.jobs.Put(j)
}

// Run slides over the channels of some filters, counted through the batch.
func (j *depthwiseJob) Run(worker, lo, hi int) {
	l := j.layout
	in := window.Size(l.In)
	scratch := j.pool.Scratch(worker, l.Plane+j.out)
	var plane []float32
	last := -1
	for f := lo; f < hi; f++ {
		filter := f % j.Filters
		if ch := f / (j.Filters / j.Channels); ch != last { // counted through the batch, too
			last = ch
			plane = j.src[ch*in : (ch+1)*in]
			if !l.Direct {
				plane = scratch[:l.Plane]
				l.Copy(plane, j.src[ch*in:], 0)
			}
		}
		dst := j.dst[f*j.out : (f+1)*j.out]
		var add []float32
		if j.add != nil {
			add = j.add[f*j.out : (f+1)*j.out]
			if &add[0] == &dst[0] {
				add = scratch[l.Plane:]
				copy(add, dst)
			}
		}
		lo, hi, clamps := j.act.Bounds()
		if clamps = clamps && add == nil; !clamps {
			lo, hi = float32(math.Inf(-1)), float32(math.Inf(1))
		}
		r := &j.slides[worker]
		*r = window.Rows{
			DstStep: l.Out[2], SrcStep: l.Row, Rows: l.Out[1], Cols: l.Out[2],
			Taps: l.Taps, Weights: j.weights[filter*len(l.Taps):], Lo: lo, Hi: hi,
		}
		if j.bias != nil {
			r.Bias = j.bias[filter]
		}
		for z := range l.Out[0] {
			r.Dst, r.Src = dst[z*l.Out[1]*l.Out[2]:], plane[z*l.Slice:]
			j.slide.Sum(r)
		}
		if add != nil {
			j.vec.Add(dst, dst, add)
		}
		if !clamps {
			j.act.Apply(j.vec, dst, filter)
		}
	}
}
