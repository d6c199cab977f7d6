package conv

import (
	"math"
	"slices"
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
	filter  *window.Filter // instead of the layout, if there is one
	slide   *window.Funcs
	vec     *vec.Funcs
	jobs    sync.Pool // of *depthwiseJob
}

func newDepthwise(l cpu.Level, s Shape, weights, bias []float32, act gemm.Act) *depthwise {
	d := &depthwise{
		Shape: s, layout: window.NewLayout(l, s.Shape), bias: bias, act: act,
		slide: window.For(l), vec: vec.For(l),
	}
	// Its own, since the caller's may be part of a whole file in memory.
	d.weights = slices.Clone(weights[:s.Filters*window.Size(s.Kernel)])
	d.filter = window.NewFilter(l, s.Shape)
	d.out = window.Size(d.layout.Out)
	if d.filter != nil && bias == nil {
		d.bias = make([]float32, s.Filters)
	}
	return d
}

type depthwiseJob struct {
	*depthwise
	pool          *par.Pool
	dst, src, add []float32
	work          []depthwiseWork // by worker
	byRows        bool            // items are groups of rows
}

type depthwiseWork struct {
	slide  window.Rows
	filter window.FilterScratch
}

func (d *depthwise) run(pool *par.Pool, batch int, dst, src, add []float32) {
	j, _ := d.jobs.Get().(*depthwiseJob)
	if j == nil {
		j = &depthwiseJob{depthwise: d}
	}
	if n := pool.Threads(); len(j.work) < n {
		j.work = make([]depthwiseWork, n)
	}
	j.pool, j.dst, j.src, j.add = pool, dst, src, add
	if d.filter != nil {
		j.byRows = d.filter.Groups() >= 2*pool.Threads() && window.Size(d.In) >= gemm.Wide
		if j.byRows {
			pool.Run(batch*d.filter.Groups(), j)
		} else {
			pool.Run(batch*d.Channels, j)
		}
	} else {
		pool.Run(batch*d.Filters, j)
	}
	j.pool, j.dst, j.src, j.add = nil, nil, nil, nil
	for i := range j.work {
		j.work[i].slide = window.Rows{}
	}
	d.jobs.Put(j)
}

// Run computes some filters, counted through the batch; with a window.Filter
// all filters of some channels, or some groups of rows of all, as the products
// before and after share their work, too.
func (j *depthwiseJob) Run(worker, lo, hi int) {
	if j.filter != nil {
		per := j.Channels
		if j.byRows {
			per = j.filter.Groups()
		}
		for lo < hi {
			image, first := lo/per, lo%per
			last := min(first+hi-lo, per)
			if j.byRows {
				j.filterChannels(worker, image, 0, j.Channels, first, last)
			} else {
				j.filterChannels(worker, image, first, last, 0, j.filter.Groups())
			}
			lo += last - first
		}
		return
	}
	l := j.layout
	in := window.Size(l.In)
	scratch := j.pool.Scratch(worker, l.Plane+j.out)
	var plane []float32 // what to slide over
	last := -1
	for f := lo; f < hi; f++ {
		filter := f % j.Filters
		ch := f / (j.Filters / j.Channels) // counted through the batch, too
		src, dst := j.src[ch*in:(ch+1)*in], j.dst[f*j.out:(f+1)*j.out]
		var add []float32
		if j.add != nil {
			add = j.add[f*j.out : (f+1)*j.out]
			if &add[0] == &dst[0] {
				add = scratch[l.Plane:]
				copy(add, dst)
			}
		}
		low, high, clamps := j.bounds(add)
		weights, bias := j.weights[filter*len(l.Taps):], float32(0)
		if j.bias != nil {
			bias = j.bias[filter]
		}
		if ch != last {
			last = ch
			if plane = src; !l.Direct {
				plane = scratch[:l.Plane]
				l.Copy(plane, src, 0)
			}
		}
		j.slideOver(&j.work[worker].slide, dst, plane, weights, bias, low, high)
		if add != nil {
			j.vec.Add(dst, dst, add)
		}
		if !clamps {
			j.act.Apply(j.vec, dst, filter)
		}
	}
}

// bounds is what the sums are clamped to, and whether that is all that is to be
// done with them.
func (j *depthwiseJob) bounds(add []float32) (low, high float32, ok bool) {
	if low, high, ok = j.act.Bounds(); ok && add == nil {
		return low, high, true
	}
	return float32(math.Inf(-1)), float32(math.Inf(1)), false
}

// chunk is how many outputs of a filter wait in the first-level cache for what
// is to be done with them.
const chunk = 1 << 12

// filterChannels computes some groups of rows of all filters of the channels
// from lo to hi of an image.
func (j *depthwiseJob) filterChannels(worker, image, lo, hi, first, last int) {
	in, taps, per := window.Size(j.In), len(j.layout.Taps), j.Filters/j.Channels
	low, high, done := j.bounds(j.add)
	from, to := j.filter.Rows(first, last)
	width := j.layout.Out[2]
	for n := 0; lo < hi; lo += n {
		n = hi - lo
		step := in
		if per > 1 { // one channel to several filters
			n, step = 1, 0
		}
		if !done {
			n = min(n, max(1, chunk/max(1, (to-from)*width)))
		}
		filter, filters := lo*per, n*per
		at := (image*j.Filters + filter) * j.out
		dst := j.dst[at : at+filters*j.out]
		var add []float32
		if j.add != nil {
			add = j.add[at : at+filters*j.out]
			if &add[0] == &dst[0] {
				add = j.pool.Scratch(worker, len(dst))
				copy(add, dst)
			}
		}
		src := j.src[(image*j.Channels+lo)*in:][:n*in]
		j.filter.Run(&j.work[worker].filter, first, last, filters, dst, src, step, j.weights[filter*taps:], j.bias[filter:], low, high)
		if done {
			continue
		}
		for f := range filters {
			rows := dst[f*j.out:][from*width : to*width]
			if add != nil {
				j.vec.Add(rows, rows, add[f*j.out:][from*width:to*width])
			}
			if to-from < j.layout.Out[1] {
				j.act.Apply(j.vec, rows, filter+f)
			}
		}
		if to-from == j.layout.Out[1] {
			j.act.ApplyRows(j.vec, dst, filter, j.out)
		}
	}
}

func (j *depthwiseJob) slideOver(r *window.Rows, dst, plane, weights []float32, bias, low, high float32) {
	l := j.layout
	*r = window.Rows{
		DstStep: l.Out[2], SrcStep: l.Row, Rows: l.Out[1], Cols: l.Out[2],
		Taps: l.Taps, Weights: weights, Bias: bias, Lo: low, Hi: high,
	}
	for z := range l.Out[0] {
		r.Dst, r.Src = dst[z*l.Out[1]*l.Out[2]:], plane[z*l.Slice:]
		j.slide.Sum(r)
	}
}
