package coreml

import (
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
)

// compareKinds give truth values, which networks hold as the numbers 0 and 1,
// or choose by them.
var compareKinds = map[string]layerFunc{
	"equal":        comparison(op.Equal, func(l *lowering) float32 { return l.layer.GetEqual().GetAlpha() }),
	"greaterEqual": comparison(op.GreaterEqual, func(l *lowering) float32 { return l.layer.GetGreaterEqual().GetAlpha() }),
	"greaterThan":  comparison(op.Greater, func(l *lowering) float32 { return l.layer.GetGreaterThan().GetAlpha() }),
	"lessEqual":    comparison(op.LessEqual, func(l *lowering) float32 { return l.layer.GetLessEqual().GetAlpha() }),
	"lessThan":     comparison(op.Less, func(l *lowering) float32 { return l.layer.GetLessThan().GetAlpha() }),
	"notEqual":     comparison(op.NotEqual, func(l *lowering) float32 { return l.layer.GetNotEqual().GetAlpha() }),

	"logicalAnd": logical(op.LogicalAnd),
	"logicalOr":  logical(op.LogicalOr),
	"logicalXor": logical(op.LogicalXor),
	"logicalNot": func(l *lowering, in []*mil.Value) []*mil.Value {
		not := op.LogicalNot.Add(l.Builder, op.LogicalNotArgs{X: l.truths(l.one(in))})
		return []*mil.Value{l.floats(not)}
	},

	"whereBroadcastable": func(l *lowering, in []*mil.Value) []*mil.Value {
		if len(in) != 3 {
			return l.fail("want three inputs, have %d", len(in))
		}
		return []*mil.Value{op.Select.Add(l.Builder, op.SelectArgs{Cond: l.truths(in[0]), A: in[1], B: in[2]})}
	},
	"whereNonZero": func(l *lowering, in []*mil.Value) []*mil.Value {
		return []*mil.Value{l.floats(op.NonZero.Add(l.Builder, op.Unary{X: l.axial(l.one(in))}))}
	},
}

// truths returns which elements of a blob are not zero.
func (l *lowering) truths(v *mil.Value) *mil.Value {
	if l.Err() != nil {
		return v
	}
	return op.CastIOS17.Add(l.Builder, op.CastIOS17Args{X: v, DType: "bool"})
}

// comparison lowers a comparison of two blobs, or of one with a number.
func comparison(f *op.Def[op.Binary], alpha func(*lowering) float32) layerFunc {
	return func(l *lowering, in []*mil.Value) []*mil.Value {
		if len(in) == 1 {
			in = []*mil.Value{in[0], l.scalar(alpha(l))}
		}
		x, y := l.two(in)
		return []*mil.Value{l.floats(f.Add(l.Builder, op.Binary{X: x, Y: y}))}
	}
}

func logical(f *op.Def[op.Binary]) layerFunc {
	return func(l *lowering, in []*mil.Value) []*mil.Value {
		x, y := l.two(in)
		return []*mil.Value{l.floats(f.Add(l.Builder, op.Binary{X: l.truths(x), Y: l.truths(y)}))}
	}
}
