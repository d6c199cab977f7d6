package onnx

import (
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

var lossRules = table{
	"NegativeLogLikelihoodLoss": always(func(b *Builder, n *Node) []*mil.Value {
		return one(b.likelihoodLoss(n, n.In[0]))
	}),
	"SoftmaxCrossEntropyLoss": always(func(b *Builder, n *Node) []*mil.Value {
		x := n.In[0]
		if b.rank(x) < 2 {
			return b.fail("want classes, have %s", x.Type)
		}
		logs := b.sub(x, b.reduce(op.ReduceLogSumExp, x, []int{1}, true))
		return []*mil.Value{b.likelihoodLoss(n, logs), b.as(logs, x)}
	}),
}

// likelihoodLoss is the negative logarithm of the probability of the right
// class, weighted by class.
func (b *Builder) likelihoodLoss(n *Node, logs *mil.Value) *mil.Value {
	if len(n.In) < 2 || b.rank(logs) < 2 {
		b.fail("want classes and targets")
		return logs
	}
	target, weight := n.In[1], n.input(2)
	var ignored *mil.Value
	if n.Has("ignore_index") {
		ignored = op.Equal.Add(b.Builder, op.Binary{X: target, Y: b.int(n.Int("ignore_index", 0))})
		target = b.sel(ignored, b.int(0), target)
	}
	g := op.GatherAlongAxisIOS17.Defaults()
	g.X, g.Indices, g.Axis = logs, b.expandDims(target, 1), 1
	loss := b.mul(b.squeeze(op.GatherAlongAxisIOS17.Add(b.Builder, g), 1), b.number(-1, logs))
	var w *mil.Value
	if weight != nil {
		t := op.GatherIOS17.Defaults()
		t.X, t.Indices = weight, target
		w = op.GatherIOS17.Add(b.Builder, t)
	}
	if ignored != nil {
		if w == nil {
			w = b.cast(op.LogicalNot.Add(b.Builder, op.LogicalNotArgs{X: ignored}), tensor.Float32)
			w = b.cast(w, logs.Type.DType)
		} else {
			w = b.sel(ignored, b.number(0, w), w)
		}
	}
	if w != nil {
		loss = b.mul(loss, w)
	}
	all := iota(b.rank(loss))
	switch n.Text("reduction", "mean") {
	case "sum":
		loss = b.reduce(op.ReduceSum, loss, all, false)
	case "mean":
		if w != nil {
			loss = b.div(b.reduce(op.ReduceSum, loss, all, false), b.reduce(op.ReduceSum, w, all, false))
		} else {
			loss = b.reduce(op.ReduceMean, loss, all, false)
		}
	}
	return b.as(loss, n.In[0])
}
