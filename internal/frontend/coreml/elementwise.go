package coreml

import (
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/mlmodel/spec"
)

var elementwiseKinds = map[string]layerFunc{
	"add": func(l *lowering, in []*mil.Value) []*mil.Value {
		return l.chain(in, op.Add, l.layer.GetAdd().GetAlpha(), false)
	},
	"multiply": func(l *lowering, in []*mil.Value) []*mil.Value {
		return l.chain(in, op.Mul, l.layer.GetMultiply().GetAlpha(), true)
	},
	"unary": unary,
}

// chain combines all inputs by one operator; a single input is combined with
// the layer's number alpha.
func (l *lowering) chain(in []*mil.Value, combine *op.Def[op.Binary], alpha float32, always bool) []*mil.Value {
	if len(in) == 0 {
		return l.fail("has no input")
	}
	if len(in) == 1 {
		return []*mil.Value{combine.Add(l.Builder, op.Binary{X: in[0], Y: l.scalar(alpha)})}
	}
	out := in[0]
	for _, v := range in[1:] {
		out = combine.Add(l.Builder, op.Binary{X: out, Y: v})
	}
	return []*mil.Value{out}
}

// unary lowers f(scale·x + shift).
func unary(l *lowering, in []*mil.Value) []*mil.Value {
	if len(in) != 1 {
		return l.fail("want one input, have %d", len(in))
	}
	p, b := l.layer.GetUnary(), l.Builder
	x := l.affine(in[0], p.GetScale(), p.GetShift())
	var y *mil.Value
	switch p.GetType() {
	case spec.UnaryFunctionLayerParams_SQRT:
		y = op.Sqrt.Add(b, op.Unary{X: x})
	case spec.UnaryFunctionLayerParams_RSQRT:
		y = op.Rsqrt.Add(b, op.Epsilon{X: x, Epsilon: p.GetEpsilon()})
	case spec.UnaryFunctionLayerParams_INVERSE:
		y = op.Inverse.Add(b, op.Epsilon{X: x, Epsilon: p.GetEpsilon()})
	case spec.UnaryFunctionLayerParams_POWER:
		y = op.Pow.Add(b, op.Binary{X: x, Y: l.scalar(p.GetAlpha())})
	case spec.UnaryFunctionLayerParams_EXP:
		y = op.Exp.Add(b, op.Unary{X: x})
	case spec.UnaryFunctionLayerParams_LOG:
		y = op.Log.Add(b, op.Epsilon{X: x, Epsilon: p.GetEpsilon()})
	case spec.UnaryFunctionLayerParams_ABS:
		y = op.Abs.Add(b, op.Unary{X: x})
	case spec.UnaryFunctionLayerParams_THRESHOLD:
		y = op.Maximum.Add(b, op.Binary{X: x, Y: l.scalar(p.GetAlpha())})
	default:
		return l.fail("unknown function %s", p.GetType())
	}
	return []*mil.Value{y}
}
