package conv

import (
	"fmt"

	"github.com/smelt-ml/smelt/internal/kernel/cpu"
	"github.com/smelt-ml/smelt/internal/kernel/gemm"
	"github.com/smelt-ml/smelt/internal/kernel/par"
	"github.com/smelt-ml/smelt/internal/kernel/window"
)

// Transposed is a transposed convolution with constant weights: each input
// value adds its window of weights to the output, Stride apart. Pad crops the
// output. It may be used by any number of goroutines, with a pool each.
type Transposed struct{ plan *plan }

// NewTransposed prepares a transposed convolution: weights are
// [Channels][Filters/Groups][window], bias has a value for each filter or is
// nil. s.In is the input; s.Out the output, by default (In-1)·Stride +
// (Kernel-1)·Dilation + 1 - Pad; a larger one gets no values beyond that.
//
// Output o = q·Stride + phase gets the element k of windows for which o + Pad -
// k·Dilation is a multiple of the stride, from input q + (phase + Pad -
// k·Dilation)/Stride: within a phase that is a convolution with some of the
// elements, whose windows are next to each other.
func NewTransposed(l cpu.Level, s Shape, weights, bias []float32, act gemm.Act) *Transposed {
	if err := s.Check(); err != nil {
		panic("conv: transposed: " + err.Error())
	}
	taps := window.Size(s.Kernel)
	per, m := s.Channels/s.Groups, s.Filters/s.Groups
	if len(weights) < s.Channels*m*taps || bias != nil && len(bias) < s.Filters {
		panic(fmt.Sprintf("conv: transposed: %d weights and %d biases for %d filters of %d", len(weights), len(bias), s.Filters, per*taps))
	}
	p := &plan{Shape: s, in: s.In, out: s.Out, step: s.Stride, bias: bias, act: act, table: true}
	// The windows that hold the elements of all phases.
	all := window.Shape{In: s.In, Stride: [3]int{1, 1, 1}, Dilation: [3]int{1, 1, 1}}
	for d := range p.out {
		if p.out[d] == 0 && s.In[d] > 0 {
			p.out[d] = max(0, (s.In[d]-1)*s.Stride[d]+(s.Kernel[d]-1)*s.Dilation[d]+1-s.Pad[d][0]-s.Pad[d][1])
		}
		p.step[d] = max(1, min(p.step[d], p.out[d])) // no phases without output
		first, last := 0, 0
		for phase := range p.step[d] {
			for k := range s.Kernel[d] {
				if from, ok := source(&s, d, phase, k); ok {
					first, last = min(first, from), max(last, from)
				}
			}
		}
		all.Kernel[d], all.Pad[d][0] = last-first+1, -first
		all.Out[d] = (p.out[d] + p.step[d] - 1) / p.step[d]
	}
	t := &Transposed{plan: p}
	if window.Size(p.out) == 0 {
		return t
	}
	p.init(l, all)
	for i := range window.Size(p.step) {
		phase := [3]int{i / p.step[2] / p.step[1], i / p.step[2] % p.step[1], i % p.step[2]}
		p.products = append(p.products, p.phase(phase, &all, weights))
	}
	return t
}

// source is which input an output of a phase gets through element k of a
// window, counted from the output's quotient, in dimension d.
func source(s *Shape, d, phase, k int) (from int, ok bool) {
	at := phase + s.Pad[d][0] - k*s.Dilation[d]
	return at / s.Stride[d], at%s.Stride[d] == 0
}

// phase packs the weights of one phase: [Groups] times [filters of a group] by
// [channels of a group][elements of the phase].
func (p *plan) phase(phase [3]int, all *window.Shape, weights []float32) product {
	s := &p.Shape
	var elements, places []int
	var k, from [3]int
	for i := range window.Size(s.Kernel) {
		k = [3]int{i / s.Kernel[2] / s.Kernel[1], i / s.Kernel[2] % s.Kernel[1], i % s.Kernel[2]}
		reaches := true
		for d := range k {
			at, ok := source(s, d, phase[d], k[d])
			from[d] = at + all.Pad[d][0]
			reaches = reaches && ok
		}
		if reaches {
			elements = append(elements, i)
			places = append(places, p.layout.Taps[(from[0]*all.Kernel[1]+from[1])*all.Kernel[2]+from[2]])
		}
	}
	per, m, taps := s.Channels/s.Groups, s.Filters/s.Groups, window.Size(s.Kernel)
	inner := per * len(elements)
	a := make([]float32, 0, s.Filters*inner)
	for f := range s.Filters {
		for c := range per {
			at := ((f/m*per+c)*m + f%m) * taps
			for _, e := range elements {
				a = append(a, weights[at+e])
			}
		}
	}
	return product{
		packed: p.kernel.PackBatch(s.Groups, m*inner, m, inner, gemm.RowMajor(a, inner)),
		table:  p.newTable(places),
		inner:  inner,
	}
}

// Out is the extents of an output channel: depth, height, width.
func (t *Transposed) Out() [3]int { return t.plan.out }

// Run computes dst = act(transposed(src) + bias) for a batch of images.
func (t *Transposed) Run(p *par.Pool, batch int, dst, src []float32) {
	s := &t.plan.Shape
	in, out := s.Channels*window.Size(s.In), s.Filters*window.Size(t.plan.out)
	if len(src) < batch*in || len(dst) < batch*out {
		panic(fmt.Sprintf("conv: transposed: batch of %d: %d inputs, %d outputs; want %d, %d", batch, len(src), len(dst), batch*in, batch*out))
	}
	if batch*out > 0 {
		t.plan.run(p, batch, dst, src, nil)
	}
}
