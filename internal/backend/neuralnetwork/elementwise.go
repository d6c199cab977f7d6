package neuralnetwork

import (
	"math"
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

var elementwiseRules = map[string]rule{
	"abs":     function(spec.UnaryFunctionLayerParams_ABS),
	"exp":     function(spec.UnaryFunctionLayerParams_EXP),
	"sqrt":    function(spec.UnaryFunctionLayerParams_SQRT),
	"log":     epsilon(spec.UnaryFunctionLayerParams_LOG),
	"rsqrt":   epsilon(spec.UnaryFunctionLayerParams_RSQRT),
	"inverse": epsilon(spec.UnaryFunctionLayerParams_INVERSE),
	"square": func(w *writer, a args) {
		x := w.blob(a.Input("x"))
		w.give(a, w.emit(layer{Multiply: new(spec.MultiplyLayerParams)}, x.shape, x, x))
	},
	"threshold": func(w *writer, a args) {
		x := w.blob(a.Input("x"))
		w.give(a, w.unary(spec.UnaryFunctionLayerParams_THRESHOLD, x, a.float("alpha"), 0))
	},

	"acos":  pointwise(func() layer { return layer{Acos: new(spec.AcosLayerParams)} }),
	"acosh": pointwise(func() layer { return layer{Acosh: new(spec.AcoshLayerParams)} }),
	"asin":  pointwise(func() layer { return layer{Asin: new(spec.AsinLayerParams)} }),
	"asinh": pointwise(func() layer { return layer{Asinh: new(spec.AsinhLayerParams)} }),
	"atan":  pointwise(func() layer { return layer{Atan: new(spec.AtanLayerParams)} }),
	"atanh": pointwise(func() layer { return layer{Atanh: new(spec.AtanhLayerParams)} }),
	"ceil":  pointwise(func() layer { return layer{Ceil: new(spec.CeilLayerParams)} }),
	"cos":   pointwise(func() layer { return layer{Cos: new(spec.CosLayerParams)} }),
	"cosh":  pointwise(func() layer { return layer{Cosh: new(spec.CoshLayerParams)} }),
	"erf":   pointwise(func() layer { return layer{Erf: new(spec.ErfLayerParams)} }),
	"exp2":  pointwise(func() layer { return layer{Exp2: new(spec.Exp2LayerParams)} }),
	"floor": pointwise(func() layer { return layer{Floor: new(spec.FloorLayerParams)} }),
	"round": pointwise(func() layer { return layer{Round: new(spec.RoundLayerParams)} }),
	"sign":  pointwise(func() layer { return layer{Sign: new(spec.SignLayerParams)} }),
	"sin":   pointwise(func() layer { return layer{Sin: new(spec.SinLayerParams)} }),
	"sinh":  pointwise(func() layer { return layer{Sinh: new(spec.SinhLayerParams)} }),
	"tan":   pointwise(func() layer { return layer{Tan: new(spec.TanLayerParams)} }),

	"logical_not": pointwise(func() layer { return layer{LogicalNot: new(spec.LogicalNotLayerParams)} }),

	"clip": func(w *writer, a args) { w.give(a, w.clip(w.blob(a.Input("x")), a.float("alpha"), a.float("beta"))) },
	"cast": cast,

	"add":         arithmetic(func() layer { return layer{AddBroadcastable: new(spec.AddBroadcastableLayerParams)} }),
	"sub":         arithmetic(func() layer { return layer{SubtractBroadcastable: new(spec.SubtractBroadcastableLayerParams)} }),
	"mul":         arithmetic(func() layer { return layer{MultiplyBroadcastable: new(spec.MultiplyBroadcastableLayerParams)} }),
	"real_div":    arithmetic(func() layer { return layer{DivideBroadcastable: new(spec.DivideBroadcastableLayerParams)} }),
	"maximum":     arithmetic(func() layer { return layer{MaxBroadcastable: new(spec.MaxBroadcastableLayerParams)} }),
	"minimum":     arithmetic(func() layer { return layer{MinBroadcastable: new(spec.MinBroadcastableLayerParams)} }),
	"pow":         arithmetic(func() layer { return layer{PowBroadcastable: new(spec.PowBroadcastableLayerParams)} }),
	"floor_div":   arithmetic(func() layer { return layer{FloorDivBroadcastable: new(spec.FloorDivBroadcastableLayerParams)} }),
	"mod":         arithmetic(func() layer { return layer{ModBroadcastable: new(spec.ModBroadcastableLayerParams)} }),
	"logical_and": arithmetic(func() layer { return layer{LogicalAnd: new(spec.LogicalAndLayerParams)} }),
	"logical_or":  arithmetic(func() layer { return layer{LogicalOr: new(spec.LogicalOrLayerParams)} }),
	"logical_xor": arithmetic(func() layer { return layer{LogicalXor: new(spec.LogicalXorLayerParams)} }),

	"equal":         comparison("equal", "equal"),
	"not_equal":     comparison("not_equal", "not_equal"),
	"greater":       comparison("greater", "less"),
	"greater_equal": comparison("greater_equal", "less_equal"),
	"less":          comparison("less", "greater"),
	"less_equal":    comparison("less_equal", "greater_equal"),

	"select": func(w *writer, a args) {
		in := []*blob{w.blob(a.Input("cond")), w.blob(a.Input("a")), w.blob(a.Input("b"))}
		w.give(a, w.emit(layer{WhereBroadcastable: new(spec.WhereBroadcastableLayerParams)}, w.shape(a.Outputs[0]), in...))
	},
	"identity": func(w *writer, a args) { w.give(a, w.blob(a.Input("x"))) },
}

// tiny is what stands for an epsilon of 0, which would mean the default.
const tiny = math.SmallestNonzeroFloat32

// unary adds a layer of one function.
func (w *writer) unary(f spec.UnaryFunctionLayerParams_Operation, x *blob, alpha, epsilon float32) *blob {
	return w.emit(layer{Unary: spec.UnaryFunctionLayerParams_builder{Type: f, Alpha: alpha, Epsilon: epsilon, Scale: 1}.Build()}, x.shape, x)
}

// linear is alpha·x + beta.
func (w *writer) linear(x *blob, alpha, beta float32) *blob {
	return w.activate(x, spec.ActivationParams_builder{Linear: spec.ActivationLinear_builder{Alpha: alpha, Beta: beta}.Build()})
}

func (w *writer) activate(x *blob, p spec.ActivationParams_builder) *blob {
	return w.emit(layer{Activation: p.Build()}, x.shape, x)
}

func function(f spec.UnaryFunctionLayerParams_Operation) rule {
	return func(w *writer, a args) { w.give(a, w.unary(f, w.blob(a.Input("x")), 0, 0)) }
}

func epsilon(f spec.UnaryFunctionLayerParams_Operation) rule {
	return func(w *writer, a args) {
		e := a.float("epsilon")
		if e == 0 {
			e = tiny
		}
		w.give(a, w.unary(f, w.blob(a.Input("x")), 0, e))
	}
}

// pointwise is a layer without parameters.
func pointwise(l func() layer) rule {
	return func(w *writer, a args) {
		x := w.blob(a.Input("x"))
		w.give(a, w.emit(l(), x.shape, x))
	}
}

// clip bounds x on both sides.
func (w *writer) clip(x *blob, least, greatest float32) *blob {
	if !w.rank5 {
		return w.emit(layer{Clip: spec.ClipLayerParams_builder{MinVal: least, MaxVal: greatest}.Build()}, x.shape, x)
	}
	return w.atMost(w.unary(spec.UnaryFunctionLayerParams_THRESHOLD, x, least, 0), greatest)
}

// atMost is the minimum of x and a number in layers of old networks: the
// negative of the maximum of the negatives.
func (w *writer) atMost(x *blob, most float32) *blob {
	y := w.emit(layer{Unary: spec.UnaryFunctionLayerParams_builder{
		Type: spec.UnaryFunctionLayerParams_THRESHOLD, Alpha: -most, Scale: -1,
	}.Build()}, x.shape, x)
	return w.linear(y, -1, 0)
}

// ranges are those of the narrow integer types.
var ranges = map[tensor.DType][2]float32{
	tensor.Int8: {-128, 127}, tensor.Uint8: {0, 255}, tensor.Int16: {-32768, 32767}, tensor.Uint16: {0, 65535},
}

// cast makes integers by cutting off, and truth values. All else is as it was.
func cast(w *writer, a args) {
	x := w.blob(a.Input("x"))
	from, to := a.Input("x").Type.DType, a.out().DType
	switch {
	case to == tensor.Bool && from != tensor.Bool:
		x = w.emit(layer{NotEqual: new(spec.NotEqualLayerParams)}, x.shape, x)
	case to.IsInt() && from.IsFloat():
		x = w.truncate(x)
		fallthrough
	case to.IsInt() && from.IsInt() && from.Bits() >= to.Bits() && from != to:
		if r, ok := ranges[to]; ok {
			x = w.clip(x, r[0], r[1])
		}
	}
	w.give(a, x)
}

// truncate cuts off what is behind the point: sign(x)·⌊|x|⌋.
func (w *writer) truncate(x *blob) *blob {
	whole := w.emit(layer{Floor: new(spec.FloorLayerParams)}, x.shape, w.unary(spec.UnaryFunctionLayerParams_ABS, x, 0, 0))
	sign := w.emit(layer{Sign: new(spec.SignLayerParams)}, x.shape, x)
	return w.emit(layer{Multiply: new(spec.MultiplyLayerParams)}, x.shape, sign, whole)
}

// scalar returns the number that a constant is, if it does not make a result of
// more dimensions than the other operand has.
func scalar(v, other *mil.Value) (float32, bool) {
	if v.Const == nil || v.Const.Len() != 1 || v.Type.Rank() > other.Type.Rank() {
		return 0, false
	}
	return single(v.Const)[0], true
}

// arithmetic is an operator on two tensors, one of which is a number more often
// than not.
func arithmetic(l func() layer) rule {
	return func(w *writer, a args) {
		x, y := a.Input("x"), a.Input("y")
		var out *blob
		if c, ok := scalar(y, x); ok {
			w.exact(y.Const)
			out = w.withNumber(a.Op, w.blob(x), c)
		} else if c, ok := scalar(x, y); ok {
			w.exact(x.Const)
			out = w.numberWith(a.Op, c, w.blob(y))
		}
		switch {
		case out != nil:
		case w.rank5:
			out = w.pair(a.Op, x, y)
		default:
			if out = w.perChannel(a.Op, x, y); out == nil {
				out = w.emit(l(), w.shape(a.Outputs[0]), w.blob(x), w.blob(y))
			}
		}
		if a.Op == "real_div" && a.out().DType.IsInt() {
			out = w.truncate(out)
		}
		w.give(a, out)
	}
}

// withNumber is an operator on x and a number, nil if that has no layer.
func (w *writer) withNumber(op string, x *blob, c float32) *blob {
	switch op {
	case "add":
		return w.emit(layer{Add: spec.AddLayerParams_builder{Alpha: c}.Build()}, x.shape, x)
	case "sub":
		return w.emit(layer{Add: spec.AddLayerParams_builder{Alpha: -c}.Build()}, x.shape, x)
	case "mul":
		return w.emit(layer{Multiply: spec.MultiplyLayerParams_builder{Alpha: c}.Build()}, x.shape, x)
	case "real_div":
		if inverse := 1 / c; w.rank5 || inverse*c == 1 && isPowerOfTwo(c) {
			return w.emit(layer{Multiply: spec.MultiplyLayerParams_builder{Alpha: inverse}.Build()}, x.shape, x)
		}
	case "maximum":
		return w.unary(spec.UnaryFunctionLayerParams_THRESHOLD, x, c, 0)
	case "minimum":
		if w.rank5 {
			return w.atMost(x, c)
		}
	case "pow":
		return w.unary(spec.UnaryFunctionLayerParams_POWER, x, c, 0)
	}
	return nil
}

func isPowerOfTwo(c float32) bool {
	f, _ := math.Frexp(math.Abs(float64(c)))
	return f == 0.5
}

// numberWith is an operator on a number and x.
func (w *writer) numberWith(op string, c float32, x *blob) *blob {
	switch op {
	case "add", "mul", "maximum", "minimum":
		return w.withNumber(op, x, c)
	case "sub":
		return w.linear(x, -1, c)
	case "real_div":
		if w.rank5 {
			return w.withNumber("mul", w.unary(spec.UnaryFunctionLayerParams_INVERSE, x, 0, tiny), c)
		}
	}
	return nil
}

// perChannel adds or multiplies by one number for each channel, [C, 1, 1] from
// the end, in the layers that are made for this; nil where it is something
// else.
func (w *writer) perChannel(op string, x, y *mil.Value) *blob {
	if op == "add" || op == "mul" {
		if x.Const != nil {
			x, y = y, x
		}
	} else if op != "sub" {
		return nil
	}
	rank, n := x.Type.Rank(), y.Type.Rank()
	if y.Const == nil || n < 3 || n > rank || y.Const.Len() != y.Type.Shape[n-3] || x.Type.Shape[rank-3] != y.Type.Shape[n-3] {
		return nil
	}
	return w.weighted(op, w.blob(x), single(y.Const), y.Type.Shape[n-3])
}

// weighted combines a blob with constants of that shape, [C], [1, H, W] or
// [C, H, W].
func (w *writer) weighted(op string, x *blob, data []float32, shape ...int) *blob {
	switch op {
	case "mul":
		return w.emit(layer{Scale: spec.ScaleLayerParams_builder{ShapeScale: counts(shape...), Scale: w.vector(data)}.Build()}, x.shape, x)
	case "sub":
		data = slices.Clone(data)
		for i := range data {
			data[i] = -data[i]
		}
	}
	return w.emit(layer{Bias: spec.BiasLayerParams_builder{Shape: counts(shape...), Bias: w.vector(data)}.Build()}, x.shape, x)
}

// pair is an operator on two tensors in layers of old networks.
func (w *writer) pair(op string, x, y *mil.Value) *blob {
	rank := max(x.Type.Rank(), y.Type.Rank())
	if x.Const != nil && (op == "add" || op == "mul") {
		x, y = y, x
	}
	if x.Const != nil {
		return w.fail("%w", errNone)
	}
	a := w.as(w.blob(x), w.padded(x, rank))
	if y.Const != nil {
		s := w.padded(y, rank)
		data := single(y.Const)
		if op == "real_div" {
			data, op = slices.Clone(data), "mul"
			for i, v := range data {
				data[i] = 1 / v
			}
		}
		if op != "add" && op != "sub" && op != "mul" || w.failure != nil {
			return w.fail("%w", errNone)
		}
		switch {
		case s[0] != 1 || s[1] != 1:
		case s[2] == a.shape[2] && s[3] == 1 && s[4] == 1:
			return w.weighted(op, a, data, s[2])
		case (s[2] == 1 || s[2] == a.shape[2]) && s[3] == a.shape[3] && s[4] == a.shape[4]:
			return w.weighted(op, a, data, s[2:]...)
		}
		return w.fail("%w", errNone)
	}
	b := w.as(w.blob(y), w.padded(y, rank))
	switch op {
	case "sub":
		b, op = w.linear(b, -1, 0), "add"
	case "real_div":
		b, op = w.unary(spec.UnaryFunctionLayerParams_INVERSE, b, 0, tiny), "mul"
	}
	if w.failure != nil {
		return b
	}
	switch {
	case slices.Equal(a.shape, b.shape), within(b.shape, a.shape):
	case within(a.shape, b.shape):
		a, b = b, a // the first gives the shape
	default:
		return w.fail("%w", errNone)
	}
	shape := a.shape
	switch op {
	case "add":
		return w.emit(layer{Add: new(spec.AddLayerParams)}, shape, a, b)
	case "mul":
		return w.emit(layer{Multiply: new(spec.MultiplyLayerParams)}, shape, a, b)
	case "maximum":
		return w.emit(layer{Max: new(spec.MaxLayerParams)}, shape, a, b)
	case "minimum":
		return w.emit(layer{Min: new(spec.MinLayerParams)}, shape, a, b)
	}
	return w.fail("%w", errNone)
}

// within tells a shape that layers of old networks repeat along another:
// [1], [C], [1, H, W].
func within(s, of []int) bool {
	if slices.ContainsFunc(of, negative) || !slices.Equal(s[:2], of[:2]) {
		return false
	}
	return s[3] == 1 && s[4] == 1 && (s[2] == 1 || s[2] == of[2]) || s[2] == 1 && s[3] == of[3] && s[4] == of[4]
}

// padded is the usual shape of a value that got leading dimensions of 1.
func (w *writer) padded(v *mil.Value, rank int) []int {
	return w.usual(append(slices.Repeat([]int{1}, rank-v.Type.Rank()), v.Type.Shape...))
}

// comparison compares two tensors or one with a number; swapped is the operator
// that says the same with the operands in the other order.
func comparison(op, swapped string) rule {
	return func(w *writer, a args) {
		x, y := a.Input("x"), a.Input("y")
		name := op
		in := []*blob{}
		alpha := float32(0)
		if c, ok := scalar(y, x); ok {
			w.exact(y.Const)
			alpha, in = c, append(in, w.blob(x))
		} else if c, ok := scalar(x, y); ok {
			w.exact(x.Const)
			name, alpha, in = swapped, c, append(in, w.blob(y))
		} else {
			in = append(in, w.blob(x), w.blob(y))
		}
		var l layer
		switch name {
		case "equal":
			l.Equal = spec.EqualLayerParams_builder{Alpha: alpha}.Build()
		case "not_equal":
			l.NotEqual = spec.NotEqualLayerParams_builder{Alpha: alpha}.Build()
		case "greater":
			l.GreaterThan = spec.GreaterThanLayerParams_builder{Alpha: alpha}.Build()
		case "greater_equal":
			l.GreaterEqual = spec.GreaterEqualLayerParams_builder{Alpha: alpha}.Build()
		case "less":
			l.LessThan = spec.LessThanLayerParams_builder{Alpha: alpha}.Build()
		default:
			l.LessEqual = spec.LessEqualLayerParams_builder{Alpha: alpha}.Build()
		}
		w.give(a, w.emit(l, w.shape(a.Outputs[0]), in...))
	}
}
