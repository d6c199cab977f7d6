package onnx

import (
	"math"

	"github.com/smelt-ml/smelt/tensor"
)

// elementwise are the operators that work element by element, and casts.
var elementwise = map[string]rule{
	"abs": unary("Abs"), "acos": unary("Acos"), "acosh": unary("Acosh"), "asin": unary("Asin"), "asinh": unary("Asinh"), "atan": unary("Atan"),
	"atanh": unary("Atanh"), "ceil": unary("Ceil"), "cos": unary("Cos"), "cosh": unary("Cosh"), "erf": unary("Erf"), "exp": unary("Exp"),
	"floor": unary("Floor"), "logical_not": unary("Not"), "round": unary("Round"), "sign": unary("Sign"), "sin": unary("Sin"),
	"sinh": unary("Sinh"), "sqrt": unary("Sqrt"), "tan": unary("Tan"), "tanh": unary("Tanh"), "sigmoid": unary("Sigmoid"),
	"softplus": unary("Softplus"), "softsign": unary("Softsign"), "relu": unary("Relu"), "identity": identity,

	"add": binary("Add"), "sub": binary("Sub"), "mul": binary("Mul"), "real_div": binary("Div"), "pow": binary("Pow"),
	"maximum": binary("Max"), "minimum": binary("Min"), "equal": binary("Equal"), "not_equal": notEqual, "less": binary("Less"),
	"less_equal": binary("LessOrEqual"), "greater": binary("Greater"), "greater_equal": binary("GreaterOrEqual"),
	"logical_and": binary("And"), "logical_or": binary("Or"), "logical_xor": binary("Xor"), "floor_div": floorDiv, "mod": mod,

	"cast": cast, "clip": clip, "exp2": exp2, "inverse": inverse, "log": log, "rsqrt": rsqrt, "square": square, "threshold": threshold,
	"select": choose,
}

func unary(op string) rule {
	return func(w *writer, c *call) []*val { return one(w.add(op, []*val{c.in("x")})) }
}

func binary(op string) rule {
	return func(w *writer, c *call) []*val { return one(w.add(op, []*val{c.in("x"), c.in("y")})) }
}

func identity(_ *writer, c *call) []*val { return one(c.in("x")) }

func notEqual(w *writer, c *call) []*val {
	return one(w.add("Not", []*val{w.add("Equal", []*val{c.in("x"), c.in("y")})}))
}

// floorDiv rounds down: of floats the quotient; of integers, whose quotient
// ONNX rounds toward zero, what is left without the remainder.
func floorDiv(w *writer, c *call) []*val {
	x, y := c.in("x"), c.in("y")
	if x.dtype.IsFloat() {
		return one(w.add("Floor", []*val{w.div(x, y)}))
	}
	return one(w.div(w.less(x, w.add("Mod", []*val{x, y})), y))
}

// mod has the sign of the divisor, as ONNX has it for integers only.
func mod(w *writer, c *call) []*val {
	x, y := c.in("x"), c.in("y")
	if !x.dtype.IsFloat() {
		return one(w.add("Mod", []*val{x, y}))
	}
	r, zero := w.add("Mod", []*val{x, y}, attr{"fmod", 1}), c.alike(0, x)
	below := func(v *val) *val { return w.add("Less", []*val{v, zero}) }
	other := w.add("Xor", []*val{below(r), below(y)})
	some := w.add("Not", []*val{w.add("Equal", []*val{r, zero})})
	return one(w.where(w.add("And", []*val{other, some}), w.sum(r, y), r))
}

func cast(w *writer, c *call) []*val {
	x := c.in("x")
	d, err := tensor.ParseDType(c.text("dtype"))
	if err != nil {
		return w.fail("%w", err)
	}
	if d = w.dtype(d); x.dtype == d {
		return one(x)
	}
	if x.dtype != tensor.Bool && d.IsInt() && d.Bits() < 32 { // what does not fit ends at the range's ends
		if x.dtype.IsInt() {
			x = w.cast(x, tensor.Int32)
		}
		low, high := d.IntRange()
		x = w.add("Clip", []*val{x, c.alike(float64(low), x), c.alike(float64(high), x)})
	}
	return one(w.cast(x, d))
}

func clip(w *writer, c *call) []*val {
	x := c.in("x")
	low, high := c.float("alpha"), c.float("beta")
	if low > high { // of which ONNX does not say what it gives
		return one(w.add("Max", []*val{w.add("Min", []*val{x, c.alike(high, x)}), c.alike(low, x)}))
	}
	return one(w.add("Clip", []*val{x, c.alike(low, x), c.alike(high, x)}))
}

func exp2(w *writer, c *call) []*val {
	x := c.in("x")
	return one(w.add("Pow", []*val{c.alike(2, x), x}))
}

// shifted is x + epsilon.
func shifted(w *writer, c *call) *val {
	x := c.in("x")
	e := c.float("epsilon")
	if e == 0 || float64(float32(e)) < math.SmallestNonzeroFloat32*2 {
		return x // by which nothing changes but the logarithm of zero
	}
	return w.sum(x, c.alike(e, x))
}

func inverse(w *writer, c *call) []*val { return one(w.add("Reciprocal", []*val{shifted(w, c)})) }
func rsqrt(w *writer, c *call) []*val {
	return one(w.add("Reciprocal", []*val{w.add("Sqrt", []*val{shifted(w, c)})}))
}

func log(w *writer, c *call) []*val {
	x := c.in("x")
	if e := c.float("epsilon"); e != 0 {
		x = w.sum(x, c.alike(e, x))
	}
	return one(w.add("Log", []*val{x}))
}

func square(w *writer, c *call) []*val {
	x := c.in("x")
	return one(w.mul(x, x))
}

func threshold(w *writer, c *call) []*val {
	x := c.in("x")
	return one(w.add("Max", []*val{x, c.alike(c.float("alpha"), x)}))
}

func choose(w *writer, c *call) []*val { return one(w.where(c.in("cond"), c.in("a"), c.in("b"))) }
