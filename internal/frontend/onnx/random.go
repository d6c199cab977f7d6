package onnx

import (
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

var randomRules = table{
	"RandomNormal":      always(random(false, true)),
	"RandomNormalLike":  always(random(true, true)),
	"RandomUniform":     always(random(false, false)),
	"RandomUniformLike": always(random(true, false)),
	"Bernoulli":         always(bernoulli),
	"Multinomial":       always(multinomial),
}

// seed brings the seed, a float, to the integer that the operators take; -1 is
// any.
func seed(n *Node) int {
	if !n.Has("seed") {
		return -1
	}
	return int(min(max(n.Float("seed", 0), 0), 1<<30))
}

func random(like, normal bool) lowerFunc {
	return func(b *Builder, n *Node) []*mil.Value {
		d := tensor.Float32
		var shape *mil.Value
		if like {
			if b.rank(n.input(0)) < 0 || n.input(0) == nil {
				return b.fail("want an input")
			}
			shape = b.shapeOf(n.In[0])
			d = b.DType(n.In[0])
		} else {
			shape = b.ints(n.Ints("shape")...)
		}
		if n.Has("dtype") {
			var err error
			if d, err = dtype(int32(n.Int("dtype", 0))); err != nil {
				return b.refuse("%v", err)
			}
		}
		if h := held(d); !h.IsFloat() {
			return b.refuse("random numbers of %s", d)
		}
		scalar := func(name string, def float32) *tensor.Tensor { return scalarOf(float64(n.Float(name, def)), held(d)) }
		if normal {
			a := op.RandomNormal.Defaults()
			a.Shape, a.Mean, a.StdDev, a.Seed = shape, scalar("mean", 0), scalar("scale", 1), seed(n)
			return one(b.SetDType(op.RandomNormal.Add(b.Builder, a), d))
		}
		a := op.RandomUniform.Defaults()
		a.Shape, a.Low, a.High, a.Seed = shape, scalar("low", 0), scalar("high", 1), seed(n)
		return one(b.SetDType(op.RandomUniform.Add(b.Builder, a), d))
	}
}

func bernoulli(b *Builder, n *Node) []*mil.Value {
	x := n.In[0]
	d := b.DType(x)
	if n.Has("dtype") {
		var err error
		if d, err = dtype(int32(n.Int("dtype", 0))); err != nil {
			return b.refuse("%v", err)
		}
	}
	a := op.RandomUniform.Defaults()
	a.Shape, a.Low, a.High, a.Seed = b.shapeOf(x), scalarOf(0, x.Type.DType), scalarOf(1, x.Type.DType), seed(n)
	hit := op.Less.Add(b.Builder, op.Binary{X: op.RandomUniform.Add(b.Builder, a), Y: x})
	return one(b.SetDType(b.cast(hit, held(d)), d))
}

// multinomial draws from logarithms of probabilities.
func multinomial(b *Builder, n *Node) []*mil.Value {
	a := op.RandomCategorical.Defaults()
	a.X, a.Size, a.Seed = n.In[0], n.Int("sample_size", 1), seed(n)
	d := tensor.Int32
	if n.Has("dtype") {
		var err error
		if d, err = dtype(int32(n.Int("dtype", 0))); err != nil {
			return b.refuse("%v", err)
		}
	}
	return one(b.SetDType(b.cast(op.RandomCategorical.Add(b.Builder, a), held(d)), d))
}
