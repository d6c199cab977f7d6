package engine

import (
	"github.com/smelt-ml/smelt/internal/kernel/pool"
	"github.com/smelt-ml/smelt/internal/kernel/window"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

var poolKernels = map[string]kernel{"max_pool": maxPool, "avg_pool": avgPool}

// manyTaps is the size of windows from which on the reference is no slower.
const manyTaps = 1 << 12

func maxPool(c *compiler, n *mil.Node, args any) (stepFunc, bool) {
	a := args.(*op.Pooling)
	w, err := a.Window()
	if err != nil || !poolable(window.Shape(w)) || !compact(window.Shape(w), 1, 1) {
		return nil, false
	}
	return c.pooling(pool.NewMax(c.opts.Level, window.Shape(w)), a.X, n.Outputs[0]), true
}

func avgPool(c *compiler, n *mil.Node, args any) (stepFunc, bool) {
	a := args.(*op.AvgPoolArgs)
	w, err := a.Window()
	if err != nil || !poolable(window.Shape(w)) || !compact(window.Shape(w), 1, 1) {
		return nil, false
	}
	counts, err := a.Counts()
	if err != nil {
		return nil, false
	}
	return c.pooling(pool.NewAverage(c.opts.Level, window.Shape(w), counts), a.X, n.Outputs[0]), true
}

func poolable(s window.Shape) bool {
	return s.Check() == nil && window.Size(s.Out) > 0 && window.Size(s.In) > 0 &&
		(window.Size(s.Kernel) < manyTaps || s.Kernel == s.In)
}

// compact tells windows over planes that can be copied with their padding. A
// file can ask for so much padding, which the strides then pass over, that a
// copy would be out of proportion to what goes in and comes out; the reference
// makes none.
func compact(s window.Shape, channels, filters int) bool {
	out := s.Windows()
	plane := 1.0
	for d := range out {
		plane *= float64(out[d])*float64(s.Stride[d]) + float64(s.Kernel[d]-1)*float64(s.Dilation[d])
	}
	return float64(channels)*plane <= float64(max(1<<20, 16*(channels*window.Size(s.In)+filters*window.Size(out))))
}

func (c *compiler) pooling(p *pool.Pooling, xv, yv *mil.Value) stepFunc {
	planes := tensor.Size(xv.Type.Shape[:2])
	x := c.in(xv)
	y := c.out(yv)
	return func(r *Run) error {
		p.Run(r.pool, planes, r.at(y), r.at(x))
		return nil
	}
}
