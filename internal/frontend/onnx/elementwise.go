package onnx

import (
	"math"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

var elementwiseRules = table{
	"Abs":   always(unary(op.Abs)),
	"Acos":  always(unary(op.Acos)),
	"Acosh": always(unary(op.Acosh)),
	"Asin":  always(unary(op.Asin)),
	"Asinh": always(unary(op.Asinh)),
	"Atan":  always(unary(op.Atan)),
	"Atanh": always(unary(op.Atanh)),
	"Ceil":  always(unary(op.Ceil)),
	"Cos":   always(unary(op.Cos)),
	"Cosh":  always(unary(op.Cosh)),
	"Erf":   always(unary(op.Erf)),
	"Exp":   always(unary(op.Exp)),
	"Floor": always(unary(op.Floor)),
	"Identity": always(func(b *Builder, n *Node) []*mil.Value {
		return one(n.In[0])
	}),
	"Neg": always(func(b *Builder, n *Node) []*mil.Value {
		return one(b.wrap(b.mul(n.In[0], b.number(-1, n.In[0])), n.In[0]))
	}),
	"Round":    always(unary(op.Round)),
	"Sign":     always(unary(op.Sign)),
	"Sin":      always(unary(op.Sin)),
	"Sinh":     always(unary(op.Sinh)),
	"Sqrt":     always(unary(op.Sqrt)),
	"Tan":      always(unary(op.Tan)),
	"Tanh":     always(unary(op.Tanh)),
	"Sigmoid":  always(unary(op.Sigmoid)),
	"Softplus": always(unary(op.Softplus)),
	"Softsign": always(unary(op.Softsign)),
	"Relu":     always(relu),
	"Log": always(func(b *Builder, n *Node) []*mil.Value {
		return one(op.LogIOS17.Add(b.Builder, op.EpsilonIOS17{X: n.In[0]}))
	}),
	"Reciprocal": always(func(b *Builder, n *Node) []*mil.Value { return one(b.div(b.number(1, n.In[0]), n.In[0])) }),
	"Add":        always(binary(op.Add)),
	"Sub":        always(binary(op.Sub)),
	"Mul":        always(mul),
	"Div":        always(div),
	"Mod":        always(mod),
	"Pow":        always(pow),
	"Max":        always(variadic(op.Maximum)),
	"Min":        always(variadic(op.Minimum)),
	"Sum":        always(variadic(op.Add)),
	"Mean": always(func(b *Builder, n *Node) []*mil.Value {
		sum := variadic(op.Add)(b, n)
		if b.Err() != nil {
			return nil
		}
		return one(b.div(sum[0], b.number(float64(len(n.In)), sum[0])))
	}),
	"PRelu":           always(prelu),
	"LeakyRelu":       always(func(b *Builder, n *Node) []*mil.Value { return one(b.leaky(n.In[0], n.Float("alpha", 0.01))) }),
	"ThresholdedRelu": always(thresholded),
	"Elu": always(func(b *Builder, n *Node) []*mil.Value {
		return one(op.EluIOS17.Add(b.Builder, op.AlphaIOS17{X: n.In[0], Alpha: n.Float("alpha", 1)}))
	}),
	"Selu": always(func(b *Builder, n *Node) []*mil.Value {
		x := op.EluIOS17.Add(b.Builder, op.AlphaIOS17{X: n.In[0], Alpha: n.Float("alpha", 1.67326319217681884765625)})
		return one(b.mul(x, b.number(float64(n.Float("gamma", 1.05070102214813232421875)), x)))
	}),
	"Celu": always(func(b *Builder, n *Node) []*mil.Value {
		alpha := n.Float("alpha", 1)
		x := n.In[0]
		y := op.EluIOS17.Add(b.Builder, op.AlphaIOS17{X: b.div(x, b.number(float64(alpha), x)), Alpha: 1})
		return one(b.mul(y, b.number(float64(alpha), y)))
	}),
	"HardSigmoid": always(func(b *Builder, n *Node) []*mil.Value {
		return one(op.SigmoidHardIOS17.Add(b.Builder, op.AlphaBetaIOS17{X: n.In[0], Alpha: n.Float("alpha", 0.2), Beta: n.Float("beta", 0.5)}))
	}),
	"HardSwish": always(func(b *Builder, n *Node) []*mil.Value {
		x := n.In[0]
		return one(b.mul(x, op.SigmoidHardIOS17.Add(b.Builder, op.AlphaBetaIOS17{X: x, Alpha: 1. / 6, Beta: 0.5})))
	}),
	"Mish": always(func(b *Builder, n *Node) []*mil.Value {
		x := n.In[0]
		return one(b.mul(x, op.Tanh.Add(b.Builder, op.Unary{X: op.Softplus.Add(b.Builder, op.Unary{X: x})})))
	}),
	"Swish": always(func(b *Builder, n *Node) []*mil.Value { return one(b.swish(n.In[0], n.Float("alpha", 1))) }),
	"SwiGLU": always(func(b *Builder, n *Node) []*mil.Value {
		return one(b.mul(b.swish(n.In[0], n.Float("alpha", 1)), n.In[1]))
	}),
	"Gelu": always(func(b *Builder, n *Node) []*mil.Value {
		mode := "EXACT"
		if n.Text("approximate", "none") == "tanh" {
			mode = "TANH_APPROXIMATION"
		}
		return one(op.Gelu.Add(b.Builder, op.GeluArgs{X: n.In[0], Mode: mode}))
	}),
	"Shrink": always(shrink),
	"Clip":   always(clip),
	"Where": always(func(b *Builder, n *Node) []*mil.Value {
		return one(b.as(b.sel(n.In[0], n.In[1], n.In[2]), n.In[1]))
	}),
	"And": always(logical(op.LogicalAnd)),
	"Or":  always(logical(op.LogicalOr)),
	"Xor": always(logical(op.LogicalXor)),
	"Not": always(func(b *Builder, n *Node) []*mil.Value {
		return one(op.LogicalNot.Add(b.Builder, op.LogicalNotArgs{X: n.In[0]}))
	}),
	"Equal":          always(equal),
	"Greater":        always(comparison(op.Greater)),
	"Less":           always(comparison(op.Less)),
	"GreaterOrEqual": always(comparison(op.GreaterEqual)),
	"LessOrEqual":    always(comparison(op.LessEqual)),
	"IsNaN": always(func(b *Builder, n *Node) []*mil.Value {
		return one(op.NotEqual.Add(b.Builder, op.Binary{X: n.In[0], Y: n.In[0]}))
	}),
	"IsInf":   always(isInf),
	"Cast":    always(cast),
	"BitCast": always(bitCast),
	"CastLike": always(func(b *Builder, n *Node) []*mil.Value {
		return one(b.convert(n.In[0], b.DType(n.In[1])))
	}),
}

func unary(o *op.Def[op.Unary]) lowerFunc {
	return func(b *Builder, n *Node) []*mil.Value {
		return one(b.as(o.Add(b.Builder, op.Unary{X: n.In[0]}), n.In[0]))
	}
}

func relu(b *Builder, n *Node) []*mil.Value {
	if x := n.In[0]; x.Type.DType == tensor.Int32 {
		return one(op.Maximum.Add(b.Builder, op.Binary{X: x, Y: b.number(0, x)}))
	}
	return one(op.Relu.Add(b.Builder, op.Unary{X: n.In[0]}))
}

// operands returns the two inputs of a binary operator. Before version 7 the
// second is brought under an axis of the first by attributes.
func (b *Builder) operands(n *Node) (x, y *mil.Value) {
	if len(n.In) != 2 || n.In[0] == nil || n.In[1] == nil {
		b.fail("want two inputs")
		return b.int(0), b.int(0)
	}
	x, y = n.In[0], n.In[1]
	if n.Version < 7 && n.Bool("broadcast") && n.Has("axis") {
		rx, ry := b.rank(x), b.rank(y)
		at := n.Int("axis", 0)
		if at < 0 {
			at += rx
		}
		if at < 0 || at+ry > rx {
			b.fail("axis %d of a tensor of rank %d, for one of rank %d", at, rx, ry)
			return x, y
		}
		var trailing []int
		for i := at + ry; i < rx; i++ {
			trailing = append(trailing, i-at)
		}
		y = b.expandDims(y, trailing...)
	}
	if x.Type.DType != y.Type.DType && x.Type.DType.IsFloat() && y.Type.DType.IsFloat() {
		x, y = b.cast(x, tensor.Float32), b.cast(y, tensor.Float32)
	}
	return x, y
}

func binary(o *op.Def[op.Binary]) lowerFunc {
	return func(b *Builder, n *Node) []*mil.Value {
		x, y := b.operands(n)
		return one(b.wrap(o.Add(b.Builder, op.Binary{X: x, Y: y}), x))
	}
}

func logical(o *op.Def[op.Binary]) lowerFunc {
	return func(b *Builder, n *Node) []*mil.Value {
		x, y := b.operands(n)
		return one(o.Add(b.Builder, op.Binary{X: x, Y: y}))
	}
}

func comparison(o *op.Def[op.Binary]) lowerFunc { return logical(o) }

func equal(b *Builder, n *Node) []*mil.Value {
	x, y := b.operands(n)
	if x.Type.DType == tensor.Bool {
		return one(op.LogicalNot.Add(b.Builder, op.LogicalNotArgs{X: op.LogicalXor.Add(b.Builder, op.Binary{X: x, Y: y})}))
	}
	if x.Type.DType == tensor.String {
		return b.refuse("compares strings")
	}
	return one(op.Equal.Add(b.Builder, op.Binary{X: x, Y: y}))
}

// wrap brings an int32 result back to the range of the narrower type that ONNX
// computes it in.
func (b *Builder) wrap(v, like *mil.Value) *mil.Value {
	d := b.DType(like)
	if v.Const != nil || b.Err() != nil {
		return b.wrapTo(v, d)
	}
	return b.wrapTo(v, d)
}

func (b *Builder) wrapTo(v *mil.Value, d tensor.DType) *mil.Value {
	if d.IsInt() && d.Bits() < 32 && b.Err() == nil {
		lo, _ := d.IntRange()
		if lo != 0 {
			v = b.sub(v, b.int(int(lo)))
		}
		v = op.Mod.Add(b.Builder, op.Binary{X: v, Y: b.int(1 << d.Bits())})
		if lo != 0 {
			v = b.add(v, b.int(int(lo)))
		}
	}
	return b.SetDType(v, d)
}

// div is a quotient; of integers, cut off toward zero.
func div(b *Builder, n *Node) []*mil.Value {
	x, y := b.operands(n)
	return one(b.as(b.quotient(x, y), x))
}

func (b *Builder) quotient(x, y *mil.Value) *mil.Value {
	if x.Type.DType != tensor.Int32 {
		return b.div(x, y)
	}
	floor := func(x, y *mil.Value) *mil.Value { return op.FloorDiv.Add(b.Builder, op.Binary{X: x, Y: y}) }
	if d := b.DType(x); !d.IsSigned() {
		return floor(x, y)
	}
	abs := func(v *mil.Value) *mil.Value { return op.Abs.Add(b.Builder, op.Unary{X: v}) }
	sign := b.mul(op.Sign.Add(b.Builder, op.Unary{X: x}), op.Sign.Add(b.Builder, op.Unary{X: y}))
	return b.mul(sign, floor(abs(x), abs(y)))
}

func mod(b *Builder, n *Node) []*mil.Value {
	x, y := b.operands(n)
	if !n.Bool("fmod") {
		return one(b.as(op.Mod.Add(b.Builder, op.Binary{X: x, Y: y}), x))
	}
	// The remainder with the sign of x.
	abs := func(v *mil.Value) *mil.Value { return op.Abs.Add(b.Builder, op.Unary{X: v}) }
	m := op.Mod.Add(b.Builder, op.Binary{X: abs(x), Y: abs(y)})
	return one(b.as(b.mul(op.Sign.Add(b.Builder, op.Unary{X: x}), m), x))
}

// pow computes in the type of its base.
func pow(b *Builder, n *Node) []*mil.Value {
	x, y := b.operandsOf(n)
	if x.Type.DType == tensor.Int32 && y.Type.DType.IsFloat() {
		v := op.Pow.Add(b.Builder, op.Binary{X: b.cast(x, tensor.Float32), Y: b.cast(y, tensor.Float32)})
		return one(b.as(b.cast(v, tensor.Int32), x))
	}
	return one(b.wrap(op.Pow.Add(b.Builder, op.Binary{X: x, Y: b.cast(y, x.Type.DType)}), x))
}

func (b *Builder) operandsOf(n *Node) (x, y *mil.Value) {
	if len(n.In) == 2 && n.In[1] != nil && n.In[1].Const != nil && n.In[0] != nil && n.In[0].Type.DType.IsFloat() {
		n.In[1] = b.cast(n.In[1], n.In[0].Type.DType)
	}
	return b.operands(n)
}

func variadic(o *op.Def[op.Binary]) lowerFunc {
	return func(b *Builder, n *Node) []*mil.Value {
		if len(n.In) == 0 || n.In[0] == nil {
			return b.fail("no inputs")
		}
		v := n.In[0]
		for _, x := range n.In[1:] {
			if x == nil {
				return b.fail("an input is missing")
			}
			v = o.Add(b.Builder, op.Binary{X: v, Y: x})
		}
		return one(b.as(v, n.In[0]))
	}
}

func (b *Builder) leaky(x *mil.Value, alpha float32) *mil.Value {
	return op.LeakyReluIOS17.Add(b.Builder, op.AlphaIOS17{X: x, Alpha: alpha})
}

func (b *Builder) swish(x *mil.Value, alpha float32) *mil.Value {
	if alpha == 1 {
		return op.Silu.Add(b.Builder, op.Unary{X: x})
	}
	return b.mul(x, op.Sigmoid.Add(b.Builder, op.Unary{X: b.mul(x, b.number(float64(alpha), x))}))
}

// prelu takes slopes that broadcast; those of channels have an operator.
func prelu(b *Builder, n *Node) []*mil.Value {
	if len(n.In) != 2 {
		return b.fail("want two inputs")
	}
	x, slope := n.In[0], n.In[1]
	r := b.rank(x)
	if b.Err() != nil {
		return nil
	}
	if s := slope.Type; x.Type.DType.IsFloat() && slope.Const != nil && r >= 3 && r <= 5 && x.Type.Shape[1] > 0 && slope.Const.Len() == x.Type.Shape[1] {
		if s.Rank() == r-1 && s.Shape[0] == x.Type.Shape[1] || s.Rank() == r && s.Shape[1] == x.Type.Shape[1] || n.Version < 7 && s.Rank() == 1 {
			return one(op.PreluIOS17.Add(b.Builder, op.PreluIOS17Args{X: x, Alpha: slope.Const.F32()}))
		}
	}
	if n.Version < 7 && slope.Type.Rank() == 1 && r > 2 && slope.Type.Shape[0] != 1 {
		slope = b.reshape(slope, append([]int{-1}, repeat(1, r-2)...)...)
	}
	zero := b.number(0, x)
	over := op.Maximum.Add(b.Builder, op.Binary{X: x, Y: zero})
	under := op.Minimum.Add(b.Builder, op.Binary{X: x, Y: zero})
	return one(b.add(over, b.mul(slope, under)))
}

func thresholded(b *Builder, n *Node) []*mil.Value {
	x := n.In[0]
	on := op.Greater.Add(b.Builder, op.Binary{X: x, Y: b.number(float64(n.Float("alpha", 1)), x)})
	return one(b.sel(on, x, b.number(0, x)))
}

func shrink(b *Builder, n *Node) []*mil.Value {
	x := n.In[0]
	bias, lambd := float64(n.Float("bias", 0)), float64(n.Float("lambd", 0.5))
	in := x
	if x.Type.DType == tensor.Int32 {
		x = b.cast(x, tensor.Float32)
	}
	zero := b.number(0, x)
	low := op.Less.Add(b.Builder, op.Binary{X: x, Y: b.number(-lambd, x)})
	high := op.Greater.Add(b.Builder, op.Binary{X: x, Y: b.number(lambd, x)})
	v := b.sel(low, b.add(x, b.number(bias, x)), b.sel(high, b.sub(x, b.number(bias, x)), zero))
	return one(b.as(b.cast(v, in.Type.DType), in))
}

// clip takes its bounds as attributes before version 11, as inputs since.
func clip(b *Builder, n *Node) []*mil.Value {
	x := n.In[0]
	lo, hi := n.input(1), n.input(2)
	if n.Version < 11 {
		if n.Has("min") {
			lo = b.number(float64(n.Float("min", 0)), x)
		}
		if n.Has("max") {
			hi = b.number(float64(n.Float("max", 0)), x)
		}
	}
	if lo == nil && hi == nil {
		return one(x)
	}
	bound := func(v *mil.Value, otherwise float32) (float32, bool) {
		if v == nil {
			return otherwise, true
		}
		if v.Const == nil || v.Const.Len() != 1 {
			return 0, false
		}
		return float32(v.Const.Float64s()[0]), true
	}
	alpha, ok := bound(lo, float32(math.Inf(-1)))
	beta, ok2 := bound(hi, float32(math.Inf(1)))
	if ok && ok2 && x.Type.DType.IsFloat() && alpha <= beta {
		return one(op.ClipIOS17.Add(b.Builder, op.AlphaBeta{X: x, Alpha: alpha, Beta: beta}))
	}
	v := x
	if lo != nil {
		v = op.Maximum.Add(b.Builder, op.Binary{X: v, Y: lo})
	}
	if hi != nil {
		v = op.Minimum.Add(b.Builder, op.Binary{X: v, Y: hi})
	}
	return one(b.as(v, x))
}

func isInf(b *Builder, n *Node) []*mil.Value {
	x := n.In[0]
	pos, neg := n.Int("detect_positive", 1) != 0, n.Int("detect_negative", 1) != 0
	is := func(sign int) *mil.Value {
		return op.Equal.Add(b.Builder, op.Binary{X: x, Y: b.number(math.Inf(sign), x)})
	}
	switch {
	case pos && neg:
		return one(op.LogicalOr.Add(b.Builder, op.Binary{X: is(1), Y: is(-1)}))
	case pos:
		return one(is(1))
	case neg:
		return one(is(-1))
	}
	return one(op.NotEqual.Add(b.Builder, op.Binary{X: op.Shape.Add(b.Builder, op.Unary{X: x}), Y: op.Shape.Add(b.Builder, op.Unary{X: x})}))
}

func cast(b *Builder, n *Node) []*mil.Value {
	d, err := dtype(int32(n.Int("to", 0)))
	if n.Version < 6 { // the name of the type
		for k, v := range dtypes {
			if k.String() == n.Text("to", "") {
				d, err = v, nil
			}
		}
	}
	if err != nil {
		return b.refuse("a cast to %v", err)
	}
	return one(b.convert(n.In[0], d))
}

// bitCast reads the bits of integers as those of others of their size: of
// floats a program has no bits.
func bitCast(b *Builder, n *Node) []*mil.Value {
	x := n.In[0]
	from := b.DType(x)
	d, err := dtype(int32(n.Int("to", 0)))
	if err != nil {
		return b.refuse("a cast to %v", err)
	}
	if d == from {
		return one(x)
	}
	if !from.IsInt() || !d.IsInt() || d.Bits() != from.Bits() || d.Bits() > 16 {
		return b.refuse("the bits of %s as %s", from, d)
	}
	return one(b.convert(x, d))
}

// convert converts a value to an ONNX type.
func (b *Builder) convert(x *mil.Value, d tensor.DType) *mil.Value {
	from := b.DType(x)
	if b.Err() != nil {
		return x
	}
	if d == tensor.String || from == tensor.String || d == tensor.Float8E4M3FN || d == tensor.Float8E5M2 {
		b.refuse("a cast from %s to %s", from, d)
		return x
	}
	v := x
	switch {
	case d == tensor.BFloat16 && from != tensor.BFloat16 && x.Const != nil:
		t, err := x.Const.ConvertTo(tensor.BFloat16)
		if err == nil {
			t, err = t.ConvertTo(tensor.Float32)
		}
		b.Fail(err)
		if err == nil {
			v = mil.NewConst(b.Place(), t)
		}
	case d == tensor.Bool && x.Type.DType.IsFloat():
		v = op.NotEqual.Add(b.Builder, op.Binary{X: x, Y: b.number(0, x)})
	default:
		if v = b.cast(x, held(d)); v == x && b.DType(x) != d {
			v = b.retyped(x)
		}
	}
	if d.IsInt() && d.Bits() < 32 && (from.Bits() > d.Bits() || from.IsSigned() != d.IsSigned()) && from != tensor.Bool {
		v = b.wrapTo(v, d)
	}
	return b.SetDType(v, d)
}

// retyped returns the same value under another identity, so that it can have
// another ONNX type.
func (b *Builder) retyped(x *mil.Value) *mil.Value {
	if x.Const != nil {
		v := mil.NewConst(x.Name, x.Const)
		if b.l.wide[x] {
			b.l.wide[v] = true
		}
		return v
	}
	v := op.Identity.Add(b.Builder, op.IdentityArgs{X: x})
	if ps := b.l.parts[x]; ps != nil {
		b.l.parts[v] = ps
	}
	return v
}
