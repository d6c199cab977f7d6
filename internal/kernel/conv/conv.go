// Package conv is convolution and transposed convolution of float32 images in
// one, two and three dimensions: tensors are [batch][channels][depth][height]
// [width], with depth 1 for images and also height 1 for sequences.
//
// A convolution is a matrix product, weights times image columns, of which the
// columns are packed straight from a padded copy of the image (package window)
// and never formed. Convolutions of one channel each slide over it directly.
package conv

import (
	"fmt"
	"math"
	"sync"

	"github.com/smelt-ml/smelt/internal/kernel/cpu"
	"github.com/smelt-ml/smelt/internal/kernel/gemm"
	"github.com/smelt-ml/smelt/internal/kernel/par"
	"github.com/smelt-ml/smelt/internal/kernel/vec"
	"github.com/smelt-ml/smelt/internal/kernel/window"
)

// Shape is a convolution of Channels input channels to Filters output
// channels, both in Groups equal parts.
type Shape struct {
	Channels, Filters, Groups int
	window.Shape
}

// Check reports a shape that makes no sense.
func (s *Shape) Check() error {
	if s.Groups < 1 || s.Channels < 1 || s.Filters < 1 || s.Channels%s.Groups != 0 || s.Filters%s.Groups != 0 {
		return fmt.Errorf("%d channels and %d filters in %d groups", s.Channels, s.Filters, s.Groups)
	}
	return s.Shape.Check()
}

// Conv is a convolution with constant weights. It may be used by any number
// of goroutines, with a pool each.
type Conv struct {
	shape  Shape
	layout *window.Layout
	out    int // values of an output channel
	bias   []float32
	act    gemm.Act

	// As a product.
	kernel *gemm.Kernel
	packed *gemm.PackedA
	table  *gemm.Table // nil where the image is the matrix

	// Channel by channel.
	slide   *window.Funcs
	vec     *vec.Funcs
	weights []float32 // [Filters][window]

	jobs sync.Pool // of *job
}

// New prepares a convolution: weights are [Filters][Channels/Groups][window],
// bias has a value for each filter or is nil. It panics if the shape fails its
// Check or the slices are too short.
func New(l cpu.Level, s Shape, weights, bias []float32, act gemm.Act) *Conv {
	taps := window.Size(s.Kernel)
	if err := s.Check(); err != nil {
		panic("conv: " + err.Error())
	}
	inner := s.Channels / s.Groups * taps
	if len(weights) < s.Filters*inner || bias != nil && len(bias) < s.Filters {
		panic(fmt.Sprintf("conv: %d weights and %d biases for %d filters of %d", len(weights), len(bias), s.Filters, inner))
	}
	c := &Conv{shape: s, layout: window.NewLayout(l, s.Shape), bias: bias, act: act}
	c.out = window.Size(c.layout.Out)
	if s.Groups == s.Channels && s.Channels > 1 {
		c.slide, c.vec, c.weights = window.For(l), vec.For(l), weights
		return c
	}
	m := s.Filters / s.Groups
	c.kernel = gemm.For(l)
	c.packed = c.kernel.PackBatch(s.Groups, m*inner, m, inner, gemm.RowMajor(weights, inner))
	if c.layout.Direct && taps == 1 && c.out == window.Size(s.In) {
		return c
	}
	var rows []int
	for ch := range s.Channels / s.Groups {
		for _, t := range c.layout.Taps {
			rows = append(rows, ch*c.layout.Plane+t)
		}
	}
	c.table = gemm.NewTable(rows, c.layout.Cols())
	return c
}

// Out is the extents of an output channel: depth, height, width.
func (c *Conv) Out() [3]int { return c.layout.Out }

// job is a pass under way: copying planes, or sliding over them.
type job struct {
	*Conv
	pool          *par.Pool
	dst, src, add []float32
	product       gemm.Product
	columns       gemm.Indirect
	slides        []window.Rows // by worker
}

// Run computes dst = act(conv(src) + bias + add) for a batch of images. add has
// the shape of dst and may be dst, or is nil.
func (c *Conv) Run(p *par.Pool, batch int, dst, src, add []float32) {
	s := &c.shape
	in, out := s.Channels*window.Size(s.In), s.Filters*c.out
	if len(src) < batch*in || len(dst) < batch*out || add != nil && len(add) < batch*out {
		panic(fmt.Sprintf("conv: batch of %d: %d inputs, %d outputs, %d added; want %d, %d", batch, len(src), len(dst), len(add), batch*in, batch*out))
	}
	if batch*out == 0 {
		return
	}
	j, _ := c.jobs.Get().(*job)
	if j == nil {
		j = new(job)
	}
	*j = job{Conv: c, pool: p, dst: dst, src: src, add: add, slides: j.slides}
	if c.slide != nil {
		if n := p.Threads(); len(j.slides) < n {
			j.slides = make([]window.Rows, n)
		}
		p.Run(batch*s.Filters, j)
	} else {
		for i := range batch {
			j.dst, j.src = dst[i*out:(i+1)*out], src[i*in:(i+1)*in]
			if add != nil {
				j.add = add[i*out : (i+1)*out]
			}
			j.multiply()
		}
	}
	clear(j.slides)
	*j = job{slides: j.slides}
	c.jobs.Put(j)
}

// multiply computes one image as a product per group.
func (j *job) multiply() {
	s := &j.shape
	per := s.Channels / s.Groups
	m := s.Filters / s.Groups
	q := &j.product
	*q = gemm.Product{
		M: m, N: j.out, K: per * len(j.layout.Taps), PackedA: j.packed,
		C: j.dst, LDC: j.out, RowBias: j.bias, Add: j.add, LDAdd: j.out, Act: j.act,
	}
	strides := gemm.Strides{B: per * j.layout.Plane, C: m * j.out, Add: m * j.out, RowBias: m}
	if j.table == nil {
		q.B = gemm.RowMajor(j.src, j.out)
	} else {
		image := j.src
		if !j.layout.Direct {
			image = j.pool.Shared(s.Channels * j.layout.Plane)
			j.columns.Data = image
			j.pool.Run(s.Channels, (*copyJob)(j))
		}
		j.columns = gemm.Indirect{Data: image, Table: j.table}
		q.Indirect = &j.columns
	}
	j.kernel.MulBatch(j.pool, s.Groups, strides, q)
}

// copyJob copies the planes of one image into columns.Data.
type copyJob job

func (j *copyJob) Run(worker, lo, hi int) {
	l := j.layout
	in := window.Size(l.In)
	for ch := lo; ch < hi; ch++ {
		l.Copy(j.columns.Data[ch*l.Plane:], j.src[ch*in:], 0)
	}
}

// Run slides over the channels of some filters, counted through the batch.
func (j *job) Run(worker, lo, hi int) {
	s, l := &j.shape, j.layout
	in := window.Size(l.In)
	scratch := j.pool.Scratch(worker, l.Plane+j.out)
	var plane []float32
	last := -1
	for f := lo; f < hi; f++ {
		filter := f % s.Filters
		if ch := f / (s.Filters / s.Channels); ch != last { // counted through the batch, too
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
