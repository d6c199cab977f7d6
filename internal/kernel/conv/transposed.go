package conv

import (
	"fmt"
	"sync"

	"github.com/smelt-ml/smelt/internal/kernel/cpu"
	"github.com/smelt-ml/smelt/internal/kernel/gemm"
	"github.com/smelt-ml/smelt/internal/kernel/par"
	"github.com/smelt-ml/smelt/internal/kernel/vec"
	"github.com/smelt-ml/smelt/internal/kernel/window"
)

// Transposed is a transposed convolution with constant weights: each input
// value adds its window of weights to the output, Stride apart. Pad crops the
// output. It may be used by any number of goroutines, with a pool each.
type Transposed struct {
	shape   Shape
	out     [3]int
	bias    []float32
	act     gemm.Act
	kernel  *gemm.Kernel
	vec     *vec.Funcs
	weights []*gemm.PackedA // by filter: [window]×[Channels/Groups]
	jobs    sync.Pool       // of *transposedJob
}

// NewTransposed prepares a transposed convolution: weights are
// [Channels][Filters/Groups][window], bias has a value for each filter or is
// nil. s.In is the input; s.Out the output, by default (In-1)·Stride +
// (Kernel-1)·Dilation + 1 - Pad; a larger one gets no values beyond that.
func NewTransposed(l cpu.Level, s Shape, weights, bias []float32, act gemm.Act) *Transposed {
	if err := s.Check(); err != nil {
		panic("conv: transposed: " + err.Error())
	}
	taps := window.Size(s.Kernel)
	per, m := s.Channels/s.Groups, s.Filters/s.Groups
	if len(weights) < s.Channels*m*taps || bias != nil && len(bias) < s.Filters {
		panic(fmt.Sprintf("conv: transposed: %d weights and %d biases for %d filters of %d", len(weights), len(bias), s.Filters, per*taps))
	}
	t := &Transposed{shape: s, out: s.Out, bias: bias, act: act, kernel: gemm.For(l), vec: vec.For(l)}
	for d := range t.out {
		if t.out[d] == 0 && s.In[d] > 0 {
			t.out[d] = max(0, (s.In[d]-1)*s.Stride[d]+(s.Kernel[d]-1)*s.Dilation[d]+1-s.Pad[d][0]-s.Pad[d][1])
		}
	}
	for f := range s.Filters {
		a := gemm.Matrix{Data: weights[(f/m*per*m+f%m)*taps:], RowStride: 1, ColStride: m * taps}
		t.weights = append(t.weights, t.kernel.PackA(taps, per, a))
	}
	return t
}

// Out is the extents of an output channel: depth, height, width.
func (t *Transposed) Out() [3]int { return t.out }

type transposedJob struct {
	*Transposed
	alone    []*par.Pool // a pool of one thread for each worker
	product  []gemm.Product
	dst, src []float32
}

// Run computes dst = act(transposed(src) + bias) for a batch of images.
func (t *Transposed) Run(p *par.Pool, batch int, dst, src []float32) {
	s := &t.shape
	in, out := s.Channels*window.Size(s.In), s.Filters*window.Size(t.out)
	if len(src) < batch*in || len(dst) < batch*out {
		panic(fmt.Sprintf("conv: transposed: batch of %d: %d inputs, %d outputs; want %d, %d", batch, len(src), len(dst), batch*in, batch*out))
	}
	if batch*out == 0 {
		return
	}
	j, _ := t.jobs.Get().(*transposedJob)
	if j == nil {
		j = &transposedJob{Transposed: t}
	}
	for len(j.alone) < p.Threads() {
		j.alone = append(j.alone, par.New(1))
		j.product = append(j.product, gemm.Product{})
	}
	j.dst, j.src = dst, src
	p.Run(batch*s.Filters, j)
	j.dst, j.src = nil, nil
	clear(j.product)
	t.jobs.Put(j)
}

// Run computes some output channels, counted through the batch: first what
// each input value has for each element of the window, then their sums.
func (j *transposedJob) Run(worker, lo, hi int) {
	s := &j.shape
	per, m := s.Channels/s.Groups, s.Filters/s.Groups
	in, out, taps := window.Size(s.In), window.Size(j.out), window.Size(s.Kernel)
	p := j.alone[worker]
	for i := lo; i < hi; i++ {
		f := i % s.Filters
		first := i/s.Filters*s.Channels + f/m*per // channel, counted through the batch
		parts := p.Shared(taps * in)
		q := &j.product[worker]
		*q = gemm.Product{
			M: taps, N: in, K: per, PackedA: j.weights[f],
			B: gemm.RowMajor(j.src[first*in:], in), C: parts, LDC: in,
		}
		j.kernel.Mul(p, q)
		dst := j.dst[i*out : (i+1)*out]
		clear(dst)
		if j.bias != nil {
			for x := range dst {
				dst[x] = j.bias[f]
			}
		}
		j.scatter(dst, parts)
		j.act.Apply(j.vec, dst, f)
	}
}

// scatter adds the parts, [window][input], to where they belong in dst.
func (j *transposedJob) scatter(dst, parts []float32) {
	s := &j.shape
	var tap, at [3]int
	for tap[0] = range s.Kernel[0] {
		for tap[1] = range s.Kernel[1] {
			for tap[2] = range s.Kernel[2] {
				for at[0] = range s.In[0] {
					for at[1] = range s.In[1] {
						row := parts[:s.In[2]]
						parts = parts[s.In[2]:]
						z := at[0]*s.Stride[0] + tap[0]*s.Dilation[0] - s.Pad[0][0]
						y := at[1]*s.Stride[1] + tap[1]*s.Dilation[1] - s.Pad[1][0]
						if z >= 0 && z < j.out[0] && y >= 0 && y < j.out[1] {
							to := dst[(z*j.out[1]+y)*j.out[2]:][:j.out[2]]
							addSpread(to, row, tap[2]*s.Dilation[2]-s.Pad[2][0], s.Stride[2])
						}
					}
				}
			}
		}
	}
}

// addSpread adds x[i] to dst[i*step+off], where that exists.
func addSpread(dst, x []float32, off, step int) {
	lo := 0
	if off < 0 {
		lo = (-off + step - 1) / step
	}
	hi := min(len(x), (len(dst)-off+step-1)/step)
	for i := lo; i < hi; i++ {
		dst[i*step+off] += x[i]
	}
}
