package onnx

import "math"

// activations are the operators with parameters that work element by element,
// and softmax.
var activations = map[string]rule{
	"clamped_relu":        clampedRelu,
	"elu":                 alpha("Elu"),
	"gelu":                gelu,
	"leaky_relu":          alpha("LeakyRelu"),
	"linear_activation":   linearActivation,
	"prelu":               prelu,
	"relu6":               relu6,
	"scaled_tanh":         scaledTanh,
	"sigmoid_hard":        sigmoidHard,
	"silu":                silu,
	"softmax":             softmax,
	"softplus_parametric": softplusParametric,
	"thresholded_relu":    thresholdedRelu,
}

func alpha(op string) rule {
	return func(w *writer, c *call) []*val {
		return one(w.add(op, []*val{c.in("x")}, attr{"alpha", c.float("alpha")}))
	}
}

func clampedRelu(w *writer, c *call) []*val {
	x := c.in("x")
	leaky := w.add("LeakyRelu", []*val{x}, attr{"alpha", c.float("alpha")})
	return one(w.add("Min", []*val{leaky, c.alike(c.float("beta"), x)}))
}

// gelu is an operator since opset 20; before, it is what that one stands for.
func gelu(w *writer, c *call) []*val {
	x := c.in("x")
	number := func(v float64) *val { return c.alike(v, x) }
	mode := c.text("mode")
	if w.opset >= 20 && mode != "SIGMOID_APPROXIMATION" {
		how := "none"
		if mode == "TANH_APPROXIMATION" {
			how = "tanh"
		}
		return one(w.add("Gelu", []*val{x}, attr{"approximate", how}))
	}
	var part *val
	switch mode {
	case "SIGMOID_APPROXIMATION":
		return one(w.mul(x, w.add("Sigmoid", []*val{w.mul(x, number(1.702))})))
	case "TANH_APPROXIMATION":
		cube := w.mul(w.mul(w.mul(x, x), x), number(0.044715))
		part = w.add("Tanh", []*val{w.mul(w.sum(x, cube), number(math.Sqrt(2/math.Pi)))})
	default:
		part = w.add("Erf", []*val{w.div(x, number(math.Sqrt2))})
	}
	return one(w.mul(w.mul(x, w.sum(part, number(1))), number(0.5)))
}

func linearActivation(w *writer, c *call) []*val {
	x := c.in("x")
	y := w.mul(x, c.alike(c.float("alpha"), x))
	if b := c.float("beta"); b != 0 {
		y = w.sum(y, c.alike(b, x))
	}
	return one(y)
}

// channels is a vector with one number for each channel of x, such that it
// broadcasts against x.
func channels(w *writer, c *call, name string, x *val) *val {
	t := c.tensor(name)
	if t == nil {
		w.fail("its argument %s is missing", name)
		return x
	}
	shape := append([]int{t.Len()}, repeat(1, max(c.rank("x")-2, 0))...)
	return w.initializer(t.Reshape(shape), x.dtype)
}

func prelu(w *writer, c *call) []*val {
	x := c.in("x")
	return one(w.add("PRelu", []*val{x, channels(w, c, "alpha", x)}))
}

func relu6(w *writer, c *call) []*val {
	x := c.in("x")
	return one(w.add("Clip", []*val{x, c.alike(0, x), c.alike(6, x)}))
}

func scaledTanh(w *writer, c *call) []*val {
	x := c.in("x")
	return one(w.mul(w.add("Tanh", []*val{w.mul(x, c.alike(c.float("beta"), x))}), c.alike(c.float("alpha"), x)))
}

func sigmoidHard(w *writer, c *call) []*val {
	return one(w.add("HardSigmoid", []*val{c.in("x")}, attr{"alpha", c.float("alpha")}, attr{"beta", c.float("beta")}))
}

func silu(w *writer, c *call) []*val {
	x := c.in("x")
	return one(w.mul(x, w.add("Sigmoid", []*val{x})))
}

func softmax(w *writer, c *call) []*val {
	return one(w.add("Softmax", []*val{c.in("x")}, attr{"axis", c.int("axis")}))
}

func softplusParametric(w *writer, c *call) []*val {
	x := c.in("x")
	soft := w.add("Softplus", []*val{w.mul(x, channels(w, c, "beta", x))})
	return one(w.mul(soft, channels(w, c, "alpha", x)))
}

// thresholdedRelu keeps what equals the threshold, which ONNX's operator of
// that name does not.
func thresholdedRelu(w *writer, c *call) []*val {
	x := c.in("x")
	return one(w.where(w.add("Less", []*val{x, c.alike(c.float("alpha"), x)}), c.alike(0, x), x))
}
