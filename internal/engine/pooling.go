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
	if err != nil || !poolable(window.Shape(w)) {
		return nil, false
	}
	return c.pooling(pool.NewMax(c.opts.Level, window.Shape(w)), a.X, n.Outputs[0]), true
}

func avgPool(c *compiler, n *mil.Node, args any) (stepFunc, bool) {
	a := args.(*op.AvgPoolArgs)
	w, err := a.Window()
	if err != nil || !poolable(window.Shape(w)) {
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

func (c *compiler) pooling(p *pool.Pooling, xv, yv *mil.Value) stepFunc {
	planes := tensor.Size(xv.Type.Shape[:2])
	x := c.in(xv)
	y := c.out(yv)
	return func(r *Run) error {
		p.Run(r.pool, planes, r.at(y), r.at(x))
		return nil
	}
}
