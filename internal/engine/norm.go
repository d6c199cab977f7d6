package engine

import (
	"math"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

var normKernels = map[string]kernel{
	"batch_norm": batchNorm, "instance_norm": instanceNorm, "layer_norm": layerNorm, "softmax": softmax,
}

// around returns the sizes before, of and after an axis.
func around(shape []int, axis int) (outer, n, inner int) {
	if axis < 0 {
		axis += len(shape)
	}
	return tensor.Size(shape[:axis]), shape[axis], tensor.Size(shape[axis+1:])
}

func softmax(c *compiler, n *mil.Node, args any) (stepFunc, bool) {
	a := args.(*op.SoftmaxArgs)
	if a.X.Type.Rank() == 0 || tensor.Size(a.X.Type.Shape) == 0 {
		return nil, false
	}
	outer, size, inner := around(a.X.Type.Shape, a.Axis)
	x := c.in(a.X)
	y := c.out(n.Outputs[0], a.X)
	return overRows(outer, size*inner, func(r *Run, lo, hi int) {
		dst, src := r.at(y), r.at(x)
		d, s := dst[lo*size*inner:hi*size*inner], src[lo*size*inner:hi*size*inner]
		if inner == 1 {
			c.vec.Softmax(d, s, hi-lo, size)
		} else {
			c.vec.SoftmaxStrided(d, s, hi-lo, size, inner)
		}
	}), true
}

// layerNorm serves the usual case: normalization over the last axes.
func layerNorm(c *compiler, n *mil.Node, args any) (stepFunc, bool) {
	var a op.LayerNormArgs
	switch args := args.(type) {
	case *op.LayerNormArgs:
		a = *args
	case *op.LayerNormIOS17Args:
		a = op.LayerNormArgs(*args)
	}
	shape := a.X.Type.Shape
	first := len(shape)
	seen := map[int]bool{}
	for _, axis := range a.Axes {
		if axis < 0 {
			axis += len(shape)
		}
		seen[axis] = true
		first = min(first, axis)
	}
	if len(a.Axes) == 0 {
		first = 0
	} else if len(seen) != len(shape)-first {
		return nil, false
	}
	size := tensor.Size(shape[first:])
	if size == 0 {
		return nil, false
	}
	rows := tensor.Size(shape) / size
	gamma, beta := floats(a.Gamma), floats(a.Beta)
	x := c.in(a.X)
	y := c.out(n.Outputs[0], a.X)
	return overRows(rows, size, func(r *Run, lo, hi int) {
		dst, src := r.at(y), r.at(x)
		for i := lo; i < hi; i++ {
			c.vec.Normalize(dst[i*size:(i+1)*size], src[i*size:(i+1)*size], gamma, beta, a.Epsilon)
		}
	}), true
}

// batchNorm is a scale and a shift for each channel.
func batchNorm(c *compiler, n *mil.Node, args any) (stepFunc, bool) {
	var a op.BatchNormArgs
	switch args := args.(type) {
	case *op.BatchNormArgs:
		a = *args
	case *op.BatchNormIOS17Args:
		a = op.BatchNormArgs(*args)
	}
	shape := a.X.Type.Shape
	channels, size := shape[1], tensor.Size(shape[2:])
	scale, shift := make([]float32, channels), make([]float32, channels)
	for i := range scale {
		s := 1 / math.Sqrt(float64(a.Variance[i])+float64(a.Epsilon))
		if a.Gamma != nil {
			s *= float64(a.Gamma[i])
		}
		b := -float64(a.Mean[i]) * s
		if a.Beta != nil {
			b += float64(a.Beta[i])
		}
		scale[i], shift[i] = float32(s), float32(b)
	}
	x := c.in(a.X)
	y := c.out(n.Outputs[0], a.X)
	return overRows(shape[0]*channels, size, func(r *Run, lo, hi int) {
		dst, src := r.at(y), r.at(x)
		for i := lo; i < hi; i++ {
			c.vec.Affine(dst[i*size:(i+1)*size], src[i*size:(i+1)*size], scale[i%channels], shift[i%channels])
		}
	}), true
}

// instanceNorm normalizes each channel of each picture, merged with a ReLU
// that follows.
func instanceNorm(c *compiler, n *mil.Node, args any) (stepFunc, bool) {
	var a op.InstanceNormArgs
	switch args := args.(type) {
	case *op.InstanceNormArgs:
		a = *args
	case *op.InstanceNormIOS17Args:
		a = op.InstanceNormArgs(*args)
	}
	shape := a.X.Type.Shape
	channels, size := shape[1], tensor.Size(shape[2:])
	at := func(v []float32, i int, absent float32) float32 {
		if v == nil {
			return absent
		}
		return v[i]
	}
	out := n.Outputs[0]
	relu := c.next(out, "relu")
	if relu != nil {
		c.merge(relu)
		out = relu.Outputs[0]
	}
	x := c.in(a.X)
	y := c.out(out, a.X)
	return overRows(shape[0]*channels, size, func(r *Run, lo, hi int) {
		dst, src := r.at(y), r.at(x)
		for i := lo; i < hi; i++ {
			d := dst[i*size : (i+1)*size]
			c.vec.NormalizeChannel(d, src[i*size:(i+1)*size], at(a.Gamma, i%channels, 1), at(a.Beta, i%channels, 0), a.Epsilon)
			if relu != nil {
				c.vec.Relu(d, d)
			}
		}
	}), true
}
