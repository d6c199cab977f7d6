package onnx

import (
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

var normalizationRules = table{
	"BatchNormalization":        always(batchNormalization),
	"InstanceNormalization":     always(instanceNormalization),
	"LayerNormalization":        always(layerNormalization),
	"RMSNormalization":          always(rmsNormalization),
	"GroupNormalization":        always(groupNormalization),
	"MeanVarianceNormalization": always(meanVariance),
	"LRN":                       always(localResponse),
	"Dropout":                   always(dropout),
}

// vector returns the elements of a known float vector.
func vector(v *mil.Value) ([]float32, bool) {
	if v == nil || v.Const == nil || !v.Const.DType().IsFloat() {
		return nil, false
	}
	return v.Const.F32(), true
}

// perChannel brings a vector to [C, 1, …], which broadcasts along channels.
func (b *Builder) perChannel(v *mil.Value, rank int) *mil.Value {
	return b.reshape(v, append([]int{-1}, repeat(1, max(rank-2, 0))...)...)
}

// invRoot is 1 / sqrt(v + epsilon).
func (b *Builder) invRoot(v *mil.Value, epsilon float32) *mil.Value {
	return op.RsqrtIOS17.Add(b.Builder, op.EpsilonIOS17{X: v, Epsilon: epsilon})
}

// moments returns x without its mean along axes, and the variance there.
func (b *Builder) moments(x *mil.Value, axes []int) (centred, mean, variance *mil.Value) {
	mean = b.reduce(op.ReduceMean, x, axes, true)
	centred = b.sub(x, mean)
	return centred, mean, b.reduce(op.ReduceMean, b.mul(centred, centred), axes, true)
}

func batchNormalization(b *Builder, n *Node) []*mil.Value {
	if len(n.In) != 5 {
		return b.fail("want five inputs")
	}
	x, scale, bias, mean, variance := n.In[0], n.In[1], n.In[2], n.In[3], n.In[4]
	r := b.rank(x)
	epsilon := n.Float("epsilon", 1e-5)
	if b.Err() != nil || r < 2 {
		return b.fail("want channels, have %s", x.Type)
	}
	if n.Version >= 14 && n.Bool("training_mode") {
		axes := slices.Delete(iota(r), 1, 2)
		centred, m, v := b.moments(x, axes)
		y := b.add(b.mul(b.mul(centred, b.invRoot(v, epsilon)), b.perChannel(scale, r)), b.perChannel(bias, r))
		momentum := float64(n.Float("momentum", 0.9))
		running := func(old, now *mil.Value) *mil.Value {
			now = b.reshape(now, -1)
			return b.add(b.mul(old, b.number(momentum, old)), b.mul(now, b.number(1-momentum, now)))
		}
		return []*mil.Value{b.as(y, x), running(mean, m), running(variance, v)}
	}
	if n.Version < 9 && n.Int("spatial", 1) == 0 {
		return b.refuse("statistics for every element")
	}
	g, ok1 := vector(scale)
	beta, ok2 := vector(bias)
	m, ok3 := vector(mean)
	v, ok4 := vector(variance)
	if ok1 && ok2 && ok3 && ok4 && r >= 3 && r <= 5 {
		return one(op.BatchNormIOS17.Add(b.Builder, op.BatchNormIOS17Args{X: x, Mean: m, Variance: v, Gamma: g, Beta: beta, Epsilon: epsilon}))
	}
	f := b.mul(scale, b.invRoot(variance, epsilon))
	y := b.add(b.mul(x, b.perChannel(f, r)), b.perChannel(b.sub(bias, b.mul(mean, f)), r))
	return one(b.as(y, x))
}

func instanceNormalization(b *Builder, n *Node) []*mil.Value {
	if len(n.In) != 3 {
		return b.fail("want three inputs")
	}
	x := n.In[0]
	r := b.rank(x)
	epsilon := n.Float("epsilon", 1e-5)
	g, ok1 := vector(n.In[1])
	beta, ok2 := vector(n.In[2])
	if ok1 && ok2 && (r == 3 || r == 4) {
		return one(op.InstanceNormIOS17.Add(b.Builder, op.InstanceNormIOS17Args{X: x, Gamma: g, Beta: beta, Epsilon: epsilon}))
	}
	if r < 3 {
		return b.fail("want spatial axes, have %s", x.Type)
	}
	centred, _, v := b.moments(x, iota(r)[2:])
	y := b.mul(centred, b.invRoot(v, epsilon))
	return one(b.as(b.add(b.mul(y, b.perChannel(n.In[1], r)), b.perChannel(n.In[2], r)), x))
}

func layerNormalization(b *Builder, n *Node) []*mil.Value {
	x := n.In[0]
	r := b.rank(x)
	axis := b.axis(n.Int("axis", -1), r)
	if b.Err() != nil {
		return nil
	}
	y, mean, inv := b.layerNorm(x, n.input(1), n.input(2), iota(r)[axis:], n.Float("epsilon", 1e-5), n.wants(1) || n.wants(2))
	return []*mil.Value{b.as(y, x), mean, inv}
}

// layerNorm normalizes along trailing axes. The mean and the inverse deviation
// are only made where they are wanted.
func (b *Builder) layerNorm(x, scale, bias *mil.Value, axes []int, epsilon float32, stats bool) (y, mean, inv *mil.Value) {
	if r := b.rank(x); b.Err() != nil || slices.Max(axes) >= r {
		b.fail("axes %v of %s", axes, x.Type)
		return x, nil, nil
	}
	known := func(v *mil.Value) (*tensor.Tensor, bool) {
		if v == nil {
			return nil, true
		}
		if v.Const == nil || v.Const.Len() != tensorSize(pick(x.Type.Shape, axes)) {
			return nil, false
		}
		return v.Const.Reshape(pick(x.Type.Shape, axes)), true
	}
	g, ok1 := known(scale)
	beta, ok2 := known(bias)
	if ok1 && ok2 && !stats {
		return op.LayerNormIOS17.Add(b.Builder, op.LayerNormIOS17Args{X: x, Axes: axes, Gamma: g, Beta: beta, Epsilon: epsilon}), nil, nil
	}
	centred, mean, v := b.moments(x, axes)
	inv = b.invRoot(v, epsilon)
	y = b.mul(centred, inv)
	if scale != nil {
		y = b.mul(y, scale)
	}
	if bias != nil {
		y = b.add(y, bias)
	}
	return y, mean, inv
}

// tensorSize is the number of elements, -1 where it is not known.
func tensorSize(shape []int) int { return known(shape) }

func rmsNormalization(b *Builder, n *Node) []*mil.Value {
	x := n.In[0]
	r := b.rank(x)
	axis := b.axis(n.Int("axis", -1), r)
	if b.Err() != nil {
		return nil
	}
	return one(b.as(b.rmsNorm(x, n.input(1), iota(r)[axis:], n.Float("epsilon", 1e-5)), x))
}

func (b *Builder) rmsNorm(x, scale *mil.Value, axes []int, epsilon float32) *mil.Value {
	y := b.mul(x, b.invRoot(b.reduce(op.ReduceMean, b.mul(x, x), axes, true), epsilon))
	if scale != nil {
		y = b.mul(y, scale)
	}
	return y
}

// groupNormalization has a scale for each group before version 21, for each
// channel since.
func groupNormalization(b *Builder, n *Node) []*mil.Value {
	if len(n.In) != 3 {
		return b.fail("want three inputs")
	}
	x := n.In[0]
	r, groups := b.rank(x), n.Int("num_groups", 0)
	if b.Err() != nil || r < 2 || groups < 1 || x.Type.Shape[1] < 1 || x.Type.Shape[1]%groups != 0 {
		return b.fail("%d groups of %s", groups, x.Type)
	}
	channels := x.Type.Shape[1]
	v := b.reshapeTo(x, []part{{}, {n: groups}, {n: -1}}, b.ints(0, groups, -1), false)
	centred, _, variance := b.moments(v, []int{2})
	v = b.mul(centred, b.invRoot(variance, n.Float("epsilon", 1e-5)))
	perGroup := n.Version < 21 && n.In[1].Type.Rank() == 1 && n.In[1].Type.Shape[0] == groups && groups != channels
	if perGroup {
		v = b.add(b.mul(v, b.reshape(n.In[1], groups, 1)), b.reshape(n.In[2], groups, 1))
	}
	v = b.reshapeTo(v, partsOf(x.Type.Shape), b.shapeOf(x), true)
	if !perGroup {
		v = b.add(b.mul(v, b.perChannel(n.In[1], r)), b.perChannel(n.In[2], r))
	}
	return one(b.as(v, x))
}

func meanVariance(b *Builder, n *Node) []*mil.Value {
	x := n.In[0]
	axes := n.Ints("axes")
	if axes == nil {
		axes = []int{0, 2, 3}
	}
	centred, _, v := b.moments(x, b.axes(axes, b.rank(x)))
	return one(b.div(centred, b.add(op.Sqrt.Add(b.Builder, op.Unary{X: v}), b.number(1e-9, x))))
}

// localResponse sums the squares of neighbouring channels.
func localResponse(b *Builder, n *Node) []*mil.Value {
	x, size := n.In[0], n.Int("size", 0)
	r := b.rank(x)
	if b.Err() != nil || r < 3 || size < 1 || size > 1<<12 {
		return b.fail("a size of %d for %s", size, x.Type)
	}
	alpha, beta, bias := n.Float("alpha", 1e-4), n.Float("beta", 0.75), n.Float("bias", 1)
	if r <= 4 && size%2 == 1 {
		return one(op.LocalResponseNormIOS17.Add(b.Builder, op.LocalResponseNormIOS17Args{X: x, Size: size, Alpha: alpha, Beta: beta, K: bias}))
	}
	before, after := make([]int, r), make([]int, r)
	before[1], after[1] = (size-1)/2, size/2
	channels := x.Type.Shape[1]
	if channels < 0 {
		return b.refuse("channels whose number is only known when it is run")
	}
	squares := b.pad(b.mul(x, x), before, after, "constant", 0)
	var sum *mil.Value
	for i := range size {
		part := b.slice(squares, 1, i, i+channels)
		if sum == nil {
			sum = part
		} else {
			sum = b.add(sum, part)
		}
	}
	d := b.add(b.mul(sum, b.number(float64(alpha)/float64(size), x)), b.number(float64(bias), x))
	return one(b.div(x, op.Pow.Add(b.Builder, op.Binary{X: d, Y: b.number(float64(beta), x)})))
}

// dropout passes its input on: programs are for inference.
func dropout(b *Builder, n *Node) []*mil.Value {
	x := n.In[0]
	if v := n.input(2); v != nil && n.Version >= 12 {
		ratio := 0.5
		if r := n.input(1); r != nil {
			if f := b.knownFloats("the ratio", r); len(f) == 1 {
				ratio = f[0]
			}
		}
		if v.Const == nil {
			return b.refuse("training_mode is only known when it is run")
		}
		if v.Const.Len() == 1 && v.Const.DType() == tensor.Bool && v.Const.Bools()[0] && ratio != 0 {
			return b.refuse("a dropout in training")
		}
	}
	outs := one(x)
	if n.wants(1) {
		shape := b.static(x)
		if b.Err() != nil {
			return nil
		}
		outs = append(outs, op.Fill.Add(b.Builder, op.FillArgs{Shape: b.ints(shape...), Value: tensor.Scalar(tensor.Bool, true)}))
	}
	return outs
}
