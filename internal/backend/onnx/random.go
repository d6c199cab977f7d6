package onnx

import (
	"github.com/smelt-ml/smelt/tensor"
)

// randoms are the operators that draw numbers.
var randoms = map[string]rule{
	"random_bernoulli":   bernoulli,
	"random_categorical": categorical,
	"random_normal":      random("RandomNormalLike", [2]string{"mean", "mean"}, [2]string{"stddev", "scale"}),
	"random_uniform":     random("RandomUniformLike", [2]string{"low", "low"}, [2]string{"high", "high"}),
}

// seed is the attribute of a seed that was given.
func (c *call) seed(attrs ...attr) []attr {
	if s := c.int("seed"); s >= 0 {
		attrs = append(attrs, attr{"seed", float64(s)})
	}
	return attrs
}

// scalarOf is a parameter with a tensor as its default.
func (c *call) scalarOf(name string) float64 {
	if c.tensor(name) == nil {
		if t, ok := c.fallback(name).(*tensor.Tensor); ok && t != nil && t.Len() == 1 {
			return numbersOf(t)[0]
		}
	}
	return c.float(name)
}

// random draws as many numbers as a tensor of the shape asked for has.
func random(op string, params ...[2]string) rule {
	return func(w *writer, c *call) []*val {
		var attrs []attr
		for _, p := range params {
			attrs = append(attrs, attr{p[1], c.scalarOf(p[0])})
		}
		d := w.dtype(c.out(0).DType)
		if op == "RandomNormalLike" && attrs[1].value == 0.0 { // which ONNX Runtime does not survive
			return one(w.filled(c.sizes("shape"), scalar(c.scalarOf("mean"), d)))
		}
		like := w.filled(c.sizes("shape"), scalar(0, d))
		return one(w.add(op, []*val{like}, c.seed(append(attrs, attr{"dtype", int(elemTypes[d])})...)...))
	}
}

func bernoulli(w *writer, c *call) []*val {
	d := w.dtype(c.out(0).DType)
	return one(w.add("Bernoulli", []*val{w.filled(c.sizes("shape"), scalar(c.scalarOf("prob"), d))}, c.seed()...))
}

// categorical draws from the rows of a matrix of logarithms.
func categorical(w *writer, c *call) []*val {
	x, s, size := c.in("x"), c.dims("x"), c.int("size")
	if len(s) == 0 {
		return w.fail("x of rank 0")
	}
	if c.text("mode") == "probs" {
		x = w.add("Log", []*val{x})
	}
	if len(s) != 2 {
		x = w.add("Reshape", []*val{x, w.ints(-1, max(s[len(s)-1], 0))})
	}
	y := w.add("Multinomial", []*val{x}, c.seed(attr{"sample_size", size})...).as(tensor.Int32)
	if len(s) != 2 {
		y = w.reshape(y, append(append([]int{}, s[:len(s)-1]...), size)...)
	}
	return one(y)
}
