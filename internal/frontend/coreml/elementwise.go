package coreml

import (
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/mlmodel/spec"
)

var elementwiseKinds = map[string]layerFunc{
	"add": func(l *lowering, in []*mil.Value) []*mil.Value {
		return l.chainOr(in, op.Add, l.layer.GetAdd().GetAlpha())
	},
	"multiply": func(l *lowering, in []*mil.Value) []*mil.Value {
		return l.chainOr(in, op.Mul, l.layer.GetMultiply().GetAlpha())
	},
	"average": average,
	"max":     func(l *lowering, in []*mil.Value) []*mil.Value { return []*mil.Value{l.chain(in, op.Maximum)} },
	"min":     func(l *lowering, in []*mil.Value) []*mil.Value { return []*mil.Value{l.chain(in, op.Minimum)} },
	"dot":     dot,
	"bias":    bias,
	"scale":   scale,
	"clip":    clip,
	"unary":   unary,

	"acos":  pointwise(op.Acos),
	"acosh": pointwise(op.Acosh),
	"asin":  pointwise(op.Asin),
	"asinh": pointwise(op.Asinh),
	"atan":  pointwise(op.Atan),
	"atanh": pointwise(op.Atanh),
	"ceil":  pointwise(op.Ceil),
	"cos":   pointwise(op.Cos),
	"cosh":  pointwise(op.Cosh),
	"erf":   pointwise(op.Erf),
	"exp2":  pointwise(op.Exp2),
	"floor": pointwise(op.Floor),
	"round": pointwise(op.Round),
	"sign":  pointwise(op.Sign),
	"sin":   pointwise(op.Sin),
	"sinh":  pointwise(op.Sinh),
	"tan":   pointwise(op.Tan),
	"tanh":  pointwise(op.Tanh),

	"addBroadcastable":      pairwise(op.Add),
	"divideBroadcastable":   pairwise(op.RealDiv),
	"floorDivBroadcastable": pairwise(op.FloorDiv),
	"maxBroadcastable":      pairwise(op.Maximum),
	"minBroadcastable":      pairwise(op.Minimum),
	"modBroadcastable":      pairwise(op.Mod),
	"multiplyBroadcastable": pairwise(op.Mul),
	"powBroadcastable":      pairwise(op.Pow),
	"subtractBroadcastable": pairwise(op.Sub),
}

// pointwise lowers a layer without parameters to one operator.
func pointwise(f *op.Def[op.Unary]) layerFunc {
	return func(l *lowering, in []*mil.Value) []*mil.Value {
		return []*mil.Value{f.Add(l.Builder, op.Unary{X: l.one(in)})}
	}
}

// pairwise lowers a layer of two inputs that broadcast against each other.
func pairwise(f *op.Def[op.Binary]) layerFunc {
	return func(l *lowering, in []*mil.Value) []*mil.Value {
		x, y := l.two(in)
		return []*mil.Value{f.Add(l.Builder, op.Binary{X: x, Y: y})}
	}
}

// two returns a layer's only two inputs.
func (l *lowering) two(in []*mil.Value) (x, y *mil.Value) {
	if len(in) != 2 {
		l.fail("want two inputs, have %d", len(in))
		return l.scalar(0), l.scalar(0)
	}
	return in[0], in[1]
}

// chain combines all inputs by one operator. What the layers say of the shapes
// that go together is less than broadcasting does.
func (l *lowering) chain(in []*mil.Value, combine *op.Def[op.Binary]) *mil.Value {
	if len(in) == 0 {
		l.fail("has no input")
		return l.scalar(0)
	}
	out := in[0]
	for _, v := range in[1:] {
		out = combine.Add(l.Builder, op.Binary{X: out, Y: v})
	}
	return out
}

// chainOr is chain, but combines a single input with the layer's number.
func (l *lowering) chainOr(in []*mil.Value, combine *op.Def[op.Binary], alpha float32) []*mil.Value {
	if len(in) == 1 {
		in = []*mil.Value{in[0], l.scalar(alpha)}
	}
	return []*mil.Value{l.chain(in, combine)}
}

func average(l *lowering, in []*mil.Value) []*mil.Value {
	sum := l.chain(in, op.Add)
	return []*mil.Value{op.RealDiv.Add(l.Builder, op.Binary{X: sum, Y: l.scalar(float32(len(in)))})}
}

// dot is the product of vectors of channels, or the cosine of their angle.
func dot(l *lowering, in []*mil.Value) []*mil.Value {
	x, y := l.two(in)
	if !l.atLeast(x, 3) || !l.atLeast(y, 3) {
		return nil
	}
	b := l.Builder
	channels := func(v *mil.Value) op.Reduction { return op.Reduction{X: v, Axes: []int{-3}, KeepDims: true} }
	product := op.ReduceSum.Add(b, channels(l.mul(x, y)))
	if l.layer.GetDot().GetCosineSimilarity() {
		lengths := l.mul(op.ReduceL2Norm.Add(b, channels(x)), op.ReduceL2Norm.Add(b, channels(y)))
		product = op.RealDiv.Add(b, op.Binary{X: product, Y: lengths})
	}
	return []*mil.Value{product}
}

// picture returns weights for pictures: one number, one for each channel, or
// those of [1, H, W] or [C, H, W].
func (l *lowering) picture(what string, p *spec.WeightParams, shape []uint64) *mil.Value {
	dims := integers(shape)
	switch len(dims) {
	case 0:
		dims = []int{1}
	case 1:
		dims = append(dims, 1, 1)
	}
	return l.weights(what, p, 0, dims...)
}

// onto combines a blob with weights that do not change its shape.
func (l *lowering) onto(x, w *mil.Value, combine *op.Def[op.Binary]) *mil.Value {
	y := combine.Add(l.Builder, op.Binary{X: x, Y: w})
	if l.Err() != nil {
		return x
	}
	for i, d := range y.Type.Shape {
		if y.Type.Rank() != x.Type.Rank() || d >= 0 && x.Type.Shape[i] >= 0 && d != x.Type.Shape[i] {
			l.fail("weights of shape %s for an input %s", mil.FormatDims(w.Type.Shape), x.Type)
			break
		}
	}
	return y
}

func bias(l *lowering, in []*mil.Value) []*mil.Value {
	x, p := l.one(in), l.layer.GetBias()
	if !l.atLeast(x, 3) {
		return nil
	}
	return []*mil.Value{l.onto(x, l.picture("bias", p.GetBias(), p.GetShape()), op.Add)}
}

func scale(l *lowering, in []*mil.Value) []*mil.Value {
	x, p := l.one(in), l.layer.GetScale()
	if !l.atLeast(x, 3) {
		return nil
	}
	x = l.onto(x, l.picture("scale", p.GetScale(), p.GetShapeScale()), op.Mul)
	if p.GetHasBias() {
		x = l.onto(x, l.picture("bias", p.GetBias(), p.GetShapeBias()), op.Add)
	}
	return []*mil.Value{x}
}

// clip computes min(max(x, least), greatest); the operator of that name asks
// for an interval that is not empty.
func clip(l *lowering, in []*mil.Value) []*mil.Value {
	x, p, b := l.one(in), l.layer.GetClip(), l.Builder
	if lo, hi := p.GetMinVal(), p.GetMaxVal(); lo < hi {
		return []*mil.Value{op.ClipIOS17.Add(b, op.AlphaBeta{X: x, Alpha: lo, Beta: hi})}
	}
	x = op.Maximum.Add(b, op.Binary{X: x, Y: l.scalar(p.GetMinVal())})
	return []*mil.Value{op.Minimum.Add(b, op.Binary{X: x, Y: l.scalar(p.GetMaxVal())})}
}

// orDefault returns a parameter, or what it means when it is 0.
func orDefault(v, def float32) float32 {
	if v == 0 {
		return def
	}
	return v
}

// unary lowers f(scale·x + shift).
func unary(l *lowering, in []*mil.Value) []*mil.Value {
	p, b := l.layer.GetUnary(), l.Builder
	x := l.affine(l.one(in), orDefault(p.GetScale(), 1), p.GetShift())
	epsilon := op.EpsilonIOS17{X: x, Epsilon: orDefault(p.GetEpsilon(), 1e-6)}
	var y *mil.Value
	switch p.GetType() {
	case spec.UnaryFunctionLayerParams_SQRT:
		y = op.Sqrt.Add(b, op.Unary{X: x})
	case spec.UnaryFunctionLayerParams_RSQRT:
		y = op.RsqrtIOS17.Add(b, epsilon)
	case spec.UnaryFunctionLayerParams_INVERSE:
		y = op.InverseIOS17.Add(b, epsilon)
	case spec.UnaryFunctionLayerParams_POWER:
		y = op.Pow.Add(b, op.Binary{X: x, Y: l.scalar(p.GetAlpha())})
	case spec.UnaryFunctionLayerParams_EXP:
		y = op.Exp.Add(b, op.Unary{X: x})
	case spec.UnaryFunctionLayerParams_LOG:
		y = op.LogIOS17.Add(b, epsilon)
	case spec.UnaryFunctionLayerParams_ABS:
		y = op.Abs.Add(b, op.Unary{X: x})
	case spec.UnaryFunctionLayerParams_THRESHOLD:
		y = op.Maximum.Add(b, op.Binary{X: x, Y: l.scalar(p.GetAlpha())})
	default:
		return l.fail("unknown function %s", p.GetType())
	}
	return []*mil.Value{y}
}
