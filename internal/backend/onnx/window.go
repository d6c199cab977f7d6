package onnx

import (
	"slices"

	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

// windows are the operators that slide windows over spatial dimensions.
var windows = map[string]rule{
	"avg_pool":       avgPool,
	"conv":           conv,
	"conv_quantized": convQuantized,
	"conv_transpose": convTranspose,
	"l2_pool":        pool("LpPool"),
	"max_pool":       pool("MaxPool"),
}

// geometry tells where windows lie, for the spatial dimensions.
type geometry struct {
	kernel, stride, dilation []int
	pad                      [][2]int
	in, out                  []int
	fixed                    bool // pad is known
	known                    bool // and so are in and out
}

// windowed is what the arguments of operators with windows have in common.
type windowed interface{ Window() (op.Window, error) }

// geometry reads the arguments of an operation with windows of that size.
func (c *call) geometry(kernel []int) geometry {
	n := len(kernel)
	g := geometry{kernel: kernel, stride: c.numbers("strides"), dilation: c.numbers("dilations"), pad: make([][2]int, n)}
	if len(g.stride) == 0 {
		g.stride = repeat(1, n)
	}
	if len(g.dilation) == 0 {
		g.dilation = repeat(1, n)
	}
	if pad := c.numbers("pad"); c.text("pad_type") == "custom" && len(pad) > 0 {
		if len(pad) != 2*n {
			c.w.fail("its argument pad: %d numbers for %d dimensions", len(pad), n)
			return g
		}
		for i := range g.pad {
			g.pad[i] = [2]int{pad[2*i], pad[2*i+1]}
		}
	}
	if same := c.text("pad_type"); same == "same" || same == "same_lower" {
		g.fixed = slices.Max(append([]int{1}, g.stride...)) == 1 && c.Op != "conv_transpose"
		for i := range g.pad { // of windows that are one apart; else it depends on the size
			extent := (kernel[i] - 1) * g.dilation[min(i, len(g.dilation)-1)]
			if g.pad[i] = [2]int{extent / 2, extent - extent/2}; same == "same_lower" {
				g.pad[i][0], g.pad[i][1] = g.pad[i][1], g.pad[i][0]
			}
		}
	} else {
		g.fixed = true
	}
	args, err := c.def.Bind(c.Node, nil)
	if err != nil {
		return g
	}
	if a, ok := args.(*op.ConvTransposeArgs); ok {
		args = a.IOS17()
	}
	if a, ok := args.(windowed); ok && n <= 3 {
		if w, err := a.Window(); err == nil {
			g.known, g.fixed, g.pad = true, true, nil
			for d := 3 - n; d < 3; d++ {
				g.pad, g.in, g.out = append(g.pad, w.Pad[d]), append(g.in, w.In[d]), append(g.out, w.Out[d])
			}
		}
	}
	return g
}

// attrs are ONNX's attributes for windows; the padding is one of them unless it
// only shows when sizes are known.
func (g geometry) attrs(padType string) []attr {
	out := []attr{{"kernel_shape", g.kernel}, {"strides", g.stride}}
	if slices.Max(g.dilation) > 1 {
		out = append(out, attr{"dilations", g.dilation})
	}
	switch {
	case g.fixed:
		out = append(out, attr{"pads", g.pads()})
	case padType == "same_lower":
		out = append(out, attr{"auto_pad", "SAME_LOWER"})
	default:
		out = append(out, attr{"auto_pad", "SAME_UPPER"})
	}
	return out
}

// pads are the elements before, then those after the tensor.
func (g geometry) pads() []int {
	var before, after []int
	for _, p := range g.pad {
		before, after = append(before, p[0]), append(after, p[1])
	}
	return append(before, after...)
}

func conv(w *writer, c *call) []*val { return convolve(w, c, c.in("weight"), c.opt("bias")) }

func convolve(w *writer, c *call, weight, bias *val) []*val {
	shape := c.dims("weight")
	if len(shape) < 3 || slices.Min(shape[2:]) < 1 {
		return w.fail("the size of its windows is only known when it is run")
	}
	x := c.in("x")
	attrs := append(c.geometry(shape[2:]).attrs(c.text("pad_type")), attr{"group", max(1, c.int("groups"))})
	return one(w.add("Conv", []*val{x, w.cast(weight, x.dtype), w.castOpt(bias, x.dtype)}, attrs...))
}

// castOpt is cast for what may be absent.
func (w *writer) castOpt(v *val, d tensor.DType) *val {
	if v == nil {
		return nil
	}
	return w.cast(v, d)
}

// convQuantized multiplies codes by a scale and adds a bias, which both have a
// number for each filter or one for all.
func convQuantized(w *writer, c *call) []*val {
	x := c.in("x")
	shape := c.static("weight")
	if c.text("quantization_type") != "linear" {
		return w.fail("its table of weights is not among its arguments")
	}
	of := func(name string) *val {
		t := c.tensor(name)
		if t == nil || len(shape) < 1 || t.Len() != 1 && t.Len() != shape[0] {
			w.fail("its argument %s does not fit the weights", name)
			return x
		}
		return w.initializer(t.Reshape(append([]int{t.Len()}, repeat(1, len(shape)-1)...)), x.dtype)
	}
	weight := w.sum(w.mul(w.cast(c.in("weight"), x.dtype), of("quant_scale")), of("quant_bias"))
	return convolve(w, c, weight, c.opt("bias"))
}

// convTranspose crops what the padding says; where more is asked for than the
// windows reach, zeros and the bias follow.
func convTranspose(w *writer, c *call) []*val {
	shape := c.dims("weight")
	if len(shape) < 3 || slices.Min(shape[2:]) < 1 {
		return w.fail("the size of its windows is only known when it is run")
	}
	x, bias := c.in("x"), c.opt("bias")
	g := c.geometry(shape[2:])
	more := make([]int, len(g.kernel))
	if g.known {
		for i := range more {
			full := (g.in[i]-1)*g.stride[i] + (g.kernel[i]-1)*g.dilation[i] + 1
			g.pad[i][1] = full - g.pad[i][0] - g.out[i]
			if g.pad[i][1] < 0 {
				more[i], g.pad[i][1] = -g.pad[i][1], 0
			}
		}
	} else if c.numbers("output_shape") != nil {
		return w.fail("its output_shape, where the shape of x is only known when it is run")
	}
	attrs := append(g.attrs(c.text("pad_type")), attr{"group", max(1, c.int("groups"))})
	in := []*val{x, w.cast(c.in("weight"), x.dtype), w.castOpt(bias, x.dtype)}
	beyond := false
	for i, m := range more {
		beyond = beyond || m >= max(g.stride[i], g.dilation[i])
	}
	if !beyond {
		if slices.Max(more) > 0 {
			attrs = append(attrs, attr{"output_padding", more})
		}
		return one(w.add("ConvTranspose", in, attrs...))
	}
	in[2] = nil
	n := len(more)
	y := w.add("Pad", []*val{w.add("ConvTranspose", in, attrs...), w.ints(append(make([]int, n+4), more...)...)})
	if bias != nil {
		y = w.sum(y, w.reshape(w.cast(bias, x.dtype), append([]int{1, -1}, repeat(1, n)...)...))
	}
	return one(y)
}

// pool is a pooling in which what lies outside of the tensor does not matter,
// so that a number of windows that is rounded up is but more padding.
func pool(name string) rule {
	return func(w *writer, c *call) []*val {
		x := c.in("x")
		g := c.geometry(c.numbers("kernel_sizes"))
		if len(g.kernel) == 0 {
			return w.fail("its argument kernel_sizes is missing")
		}
		attrs := []attr{}
		if name == "LpPool" {
			attrs = append(attrs, attr{"p", 2})
		}
		if g.known {
			g.reach()
			outside := 0.0
			if name == "MaxPool" {
				outside = -65504
				if x.dtype == tensor.Float32 {
					outside = -3.4028234663852886e38
				}
			}
			x = w.padded(x, &g, outside)
		} else if c.flag("ceil_mode") {
			attrs = append(attrs, attr{"ceil_mode", 1})
			if name == "LpPool" && !w.need(18) {
				return one(x)
			}
		}
		return one(w.add(name, []*val{x}, append(attrs, g.attrs(c.text("pad_type"))...)...))
	}
}

// reach sets the padding after the tensor to what the windows need.
func (g *geometry) reach() {
	for i := range g.pad {
		g.pad[i][1] = max(0, (g.out[i]-1)*g.stride[i]+g.kernel[i]-g.in[i]-g.pad[i][0])
	}
}

// padded lets an operator of its own pad where the padding is as wide as a
// window, which poolings do not take.
func (w *writer) padded(x *val, g *geometry, outside float64) *val {
	wide := false
	for i, p := range g.pad {
		wide = wide || p[0] >= g.kernel[i] || p[1] >= g.kernel[i]
	}
	if !wide {
		return x
	}
	return w.padBy(x, g, outside)
}

func (w *writer) padBy(x *val, g *geometry, outside float64) *val {
	n := len(g.pad)
	pads := append([]int{0, 0}, g.pads()[:n]...)
	pads = append(append(pads, 0, 0), g.pads()[n:]...)
	g.pad = make([][2]int, n)
	return w.add("Pad", []*val{x, w.ints(pads...), w.number(outside, x.dtype)})
}

// avgPool counts padding as elements or not; what a window holds beyond the
// padding never counts.
func avgPool(w *writer, c *call) []*val {
	x := c.in("x")
	g := c.geometry(c.numbers("kernel_sizes"))
	if len(g.kernel) == 0 {
		return w.fail("its argument kernel_sizes is missing")
	}
	include := 1
	if c.flag("exclude_padding_from_average") {
		include = 0
	}
	var attrs []attr
	switch {
	case !g.known:
		if c.flag("ceil_mode") {
			attrs = append(attrs, attr{"ceil_mode", 1})
		}
	case include == 0:
		g.reach()
		for i, p := range g.pad {
			if p[0] >= g.kernel[i] || p[1] >= g.kernel[i] {
				return w.fail("windows of nothing but padding")
			}
		}
	default:
		beyond := false
		for i, p := range g.pad {
			beyond = beyond || (g.in[i]+p[0]+p[1]-g.kernel[i])/g.stride[i]+1 != g.out[i] || p[0] >= g.kernel[i] || p[1] >= g.kernel[i]
		}
		if beyond {
			pad := g.pad
			x = w.padBy(x, &g, 0)
			for i := range pad {
				g.in[i] += pad[i][0] + pad[i][1]
			}
			g.reach()
			include = 0
		}
	}
	attrs = append(attrs, attr{"count_include_pad", include})
	return one(w.add("AveragePool", []*val{x}, append(attrs, g.attrs(c.text("pad_type"))...)...))
}
