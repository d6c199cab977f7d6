package onnx

import (
	"slices"

	"github.com/smelt-ml/smelt/tensor"
)

// normalizations bring values to a mean, a variance or a length.
var normalizations = map[string]rule{
	"batch_norm":          batchNorm,
	"instance_norm":       instanceNorm,
	"l2_norm":             l2Norm,
	"layer_norm":          layerNorm,
	"local_response_norm": localResponseNorm,
}

// perChannel is a vector argument with a number for each channel, n times a
// default where it is absent.
func (c *call) perChannel(name string, n int, absent float32, d tensor.DType) *val {
	if t := c.tensor(name); t != nil {
		return c.w.initializer(t, d)
	}
	if n < 0 {
		c.w.fail("the number of channels is only known when it is run")
		return nil
	}
	return c.w.floats(slices.Repeat([]float32{absent}, n), d, n)
}

func batchNorm(w *writer, c *call) []*val {
	x, mean := c.in("x"), c.tensor("mean")
	if mean == nil {
		return w.fail("its argument mean is missing")
	}
	n := mean.Len()
	return one(w.add("BatchNormalization", []*val{
		x, c.perChannel("gamma", n, 1, x.dtype), c.perChannel("beta", n, 0, x.dtype),
		w.initializer(mean, x.dtype), c.perChannel("variance", n, 1, x.dtype),
	}, attr{"epsilon", c.float("epsilon")}))
}

func instanceNorm(w *writer, c *call) []*val {
	x, shape := c.in("x"), c.dims("x")
	if len(shape) < 2 {
		return w.fail("x of rank %d", len(shape))
	}
	return one(w.add("InstanceNormalization", []*val{
		x, c.perChannel("gamma", shape[1], 1, x.dtype), c.perChannel("beta", shape[1], 0, x.dtype),
	}, attr{"epsilon", c.float("epsilon")}))
}

// l2Norm divides by the length of the last three dimensions together.
func l2Norm(w *writer, c *call) []*val {
	x := c.in("x")
	length := w.reduce("ReduceSumSquare", x, true, -3, -2, -1)
	return one(w.div(x, w.add("Sqrt", []*val{w.sum(length, c.alike(c.float("epsilon"), x))})))
}

// layerNorm is an operator where the axes are the last ones.
func layerNorm(w *writer, c *call) []*val {
	x, shape := c.in("x"), c.dims("x")
	axes := c.axes(len(shape))
	if len(axes) == 0 {
		return w.fail("without axes")
	}
	gamma, beta := c.tensor("gamma"), c.tensor("beta")
	epsilon := c.float("epsilon")
	inner := make([]int, len(axes))
	for i, a := range axes {
		inner[i] = shape[a]
	}
	last := axes[0] == len(shape)-len(axes)
	if last && (gamma != nil || slices.Min(inner) >= 0) {
		scale := gamma
		if scale == nil {
			n, err := tensor.CheckShape(inner)
			if err != nil {
				return w.fail("%w", err)
			}
			scale = tensor.Floats(inner, slices.Repeat([]float32{1}, n))
		}
		in := []*val{x, w.initializer(scale, x.dtype)}
		if beta != nil {
			in = append(in, w.initializer(beta, x.dtype))
		}
		return one(w.add("LayerNormalization", in, attr{"axis", axes[0] - len(shape)}, attr{"epsilon", epsilon}))
	}
	centred := w.less(x, w.reduce("ReduceMean", x, true, axes...))
	variance := w.reduce("ReduceMean", w.mul(centred, centred), true, axes...)
	y := w.div(centred, w.add("Sqrt", []*val{w.sum(variance, c.alike(epsilon, x))}))
	spread := func(t *tensor.Tensor) *val { // over the axes
		to := repeat(1, len(shape))
		if t.Rank() != len(axes) {
			w.fail("gamma or beta of shape %s", tensor.FormatShape(t.Shape()))
			return y
		}
		for i, a := range axes {
			to[a] = t.Shape()[i]
		}
		return w.initializer(t.Reshape(to), x.dtype)
	}
	if gamma != nil {
		y = w.mul(y, spread(gamma))
	}
	if beta != nil {
		y = w.sum(y, spread(beta))
	}
	return one(y)
}

// localResponseNorm has its channels in the third dimension from the end, and
// of an even number of them takes one more before than after: all of which only
// the mean over windows along that dimension says.
func localResponseNorm(w *writer, c *call) []*val {
	x, rank, size := c.in("x"), c.rank("x"), c.int("size")
	alpha, beta, k := c.float("alpha"), c.float("beta"), c.float("k")
	if rank < 3 || size < 1 {
		return w.fail("%d channels of rank %d", size, rank)
	}
	if rank == 4 && size%2 == 1 {
		return one(w.add("LRN", []*val{x}, attr{"size", size}, attr{"alpha", alpha}, attr{"beta", beta}, attr{"bias", k}))
	}
	squares := w.mul(x, x)
	var flat *val // [N, 1, C, H, W]
	switch rank {
	case 3:
		flat = w.unsqueeze(squares, 0, 1)
	case 4:
		flat = w.unsqueeze(squares, 1)
	default:
		s := c.static("x")
		if s == nil {
			return nil
		}
		flat = w.reshape(squares, append([]int{tensor.Size(s[:rank-3]), 1}, s[rank-3:]...)...)
	}
	before := size / 2
	mean := w.add("AveragePool", []*val{flat}, attr{"kernel_shape", []int{size, 1, 1}}, attr{"pads", []int{before, 0, 0, size - 1 - before, 0, 0}}, attr{"count_include_pad", 1})
	switch rank {
	case 3:
		mean = w.squeeze(mean, 0, 1)
	case 4:
		mean = w.squeeze(mean, 1)
	default:
		mean = w.reshape(mean, c.dims("x")...)
	}
	scale := w.sum(w.mul(mean, c.alike(alpha, x)), c.alike(k, x))
	return one(w.div(x, w.add("Pow", []*val{scale, c.alike(beta, x)})))
}
