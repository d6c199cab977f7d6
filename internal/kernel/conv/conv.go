// Package conv is convolution and transposed convolution of float32 images in
// one, two and three dimensions: tensors are [batch][channels][depth][height]
// [width], with depth 1 for images and also height 1 for sequences.
//
// A convolution is a matrix product, weights times image columns, of which the
// columns are packed straight from a padded copy of the image (package window),
// or read there, and never formed. Convolutions of one channel each slide over
// it directly. Where it is faster, 3×3 windows next to each other are computed by
// tiles of 4×4 outputs (package winograd), whose results differ from the exact
// ones by less than 1e-5 of an image's largest output before bias and activation
// (3e-6 was measured, with 1 to 1024 channels). Images with inputs that are not
// finite, or so large that sums may overflow, go by windows.
package conv

import (
	"fmt"
	"slices"

	"github.com/smelt-ml/smelt/internal/kernel/cpu"
	"github.com/smelt-ml/smelt/internal/kernel/gemm"
	"github.com/smelt-ml/smelt/internal/kernel/par"
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
	shape     Shape
	out       [3]int
	plan      *plan      // as matrix products, or
	depthwise *depthwise // channel by channel, or
	dense     *dense     // as one product of the images and the weights, or
	winograd  *winograd  // by tiles
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
	c := &Conv{shape: s, out: s.Windows()}
	if s.Groups == s.Channels && s.Channels > 1 {
		c.depthwise = newDepthwise(l, s, weights, bias, act)
		return c
	}
	if isDense(&s) {
		c.dense = newDense(l, &s, gemm.For(l).PackB(inner, s.Filters, gemm.RowMajor(weights, inner).T()), bias, act)
		return c
	}
	if favorsWinograd(l, &s) {
		// Its own, since the caller's may be part of a whole file in memory.
		weights = slices.Clone(weights[:s.Filters*inner])
		c.winograd = newWinograd(l, s, weights, bias, act, func() *plan { return newPlan(l, s, weights, bias, act) })
	} else {
		c.plan = newPlan(l, s, weights, bias, act)
	}
	return c
}

// NewCoded is New for weights that follow from codes, [Filters] rows of them. They
// stay codes in convolutions that are matrix products; expand makes numbers of
// them for the others.
func NewCoded(l cpu.Level, s Shape, c *gemm.Coded, expand func() []float32, bias []float32, act gemm.Act) *Conv {
	if err := s.Check(); err != nil {
		panic("conv: " + err.Error())
	}
	if s.Groups == s.Channels && s.Channels > 1 {
		return New(l, s, expand(), bias, act)
	}
	k := &Conv{shape: s, out: s.Windows()}
	inner := s.Channels / s.Groups * window.Size(s.Kernel)
	switch {
	case isDense(&s):
		k.dense = newDense(l, &s, gemm.For(l).PackCodesB(inner, s.Filters, c), bias, act)
	case favorsWinogradOfCodes(l, &s):
		k.winograd = newWinograd(l, s, expand(), bias, act, func() *plan { return newCodedPlan(l, s, c, bias, act) })
	default:
		k.plan = newCodedPlan(l, s, c, bias, act)
	}
	return k
}

// newPlan prepares a convolution as a matrix product.
func newPlan(l cpu.Level, s Shape, weights, bias []float32, act gemm.Act) *plan {
	m, inner := s.Filters/s.Groups, s.Channels/s.Groups*window.Size(s.Kernel)
	return newPackedPlan(l, s, gemm.For(l).PackBatch(s.Groups, m*inner, m, inner, gemm.RowMajor(weights, inner)), bias, act)
}

// newCodedPlan is newPlan for weights that stay codes.
func newCodedPlan(l cpu.Level, s Shape, c *gemm.Coded, bias []float32, act gemm.Act) *plan {
	m, inner := s.Filters/s.Groups, s.Channels/s.Groups*window.Size(s.Kernel)
	return newPackedPlan(l, s, gemm.For(l).PackCodesBatch(s.Groups, m, inner, c), bias, act)
}

func newPackedPlan(l cpu.Level, s Shape, packed *gemm.PackedA, bias []float32, act gemm.Act) *plan {
	p := &plan{Shape: s, in: s.In, out: s.Windows(), step: [3]int{1, 1, 1}, bias: bias, act: act}
	p.init(l, s.Shape)
	taps := window.Size(s.Kernel)
	one := product{packed: packed, inner: s.Channels / s.Groups * taps}
	if p.table = !p.layout.Direct || taps > 1 || p.out != s.In; p.table {
		one.table = p.newTable(p.layout.Taps)
	}
	p.products = []product{one}
	return p
}

// newTable makes the table of the windows' elements at the given places.
func (p *plan) newTable(taps []int) *gemm.Table {
	var rows []int
	for ch := range p.Channels / p.Groups {
		for _, t := range taps {
			rows = append(rows, ch*p.layout.Plane+t)
		}
	}
	return gemm.NewTable(rows, p.layout.Cols())
}

// Out is the extents of an output channel: depth, height, width.
func (c *Conv) Out() [3]int { return c.out }

// Run computes dst = act(conv(src) + bias + add) for a batch of images. add has
// the shape of dst and may be dst, or is nil.
func (c *Conv) Run(p *par.Pool, batch int, dst, src, add []float32) {
	s := &c.shape
	in, out := s.Channels*window.Size(s.In), s.Filters*window.Size(c.out)
	if len(src) < batch*in || len(dst) < batch*out || add != nil && len(add) < batch*out {
		panic(fmt.Sprintf("conv: batch of %d: %d inputs, %d outputs, %d added; want %d, %d", batch, len(src), len(dst), len(add), batch*in, batch*out))
	}
	switch {
	case batch*out == 0:
	case c.plan != nil:
		c.plan.run(p, batch, dst, src, add)
	case c.dense != nil:
		c.dense.run(p, batch, dst, src, add)
	case c.winograd != nil:
		c.winograd.run(p, batch, dst, src, add)
	default:
		c.depthwise.run(p, batch, dst, src, add)
	}
}
