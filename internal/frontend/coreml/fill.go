package coreml

import (
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

// fillKinds make blobs of a given shape: of one value, of a range, of another
// blob's elements.
var fillKinds = map[string]layerFunc{
	"fillLike": func(l *lowering, in []*mil.Value) []*mil.Value {
		return []*mil.Value{l.filled(l.layer.GetFillLike().GetValue(), l.shapeOf(l.sizes(l.one(in))))}
	},
	"fillStatic": func(l *lowering, in []*mil.Value) []*mil.Value {
		p := l.layer.GetFillStatic()
		return []*mil.Value{l.filled(p.GetValue(), l.staticShape(in, p.GetTargetShape()))}
	},
	"fillDynamic": func(l *lowering, in []*mil.Value) []*mil.Value {
		return []*mil.Value{l.filled(l.layer.GetFillDynamic().GetValue(), l.list(l.one(in)))}
	},
	"broadcastToLike": func(l *lowering, in []*mil.Value) []*mil.Value {
		x, like := l.two(in)
		return []*mil.Value{l.broadcastTo(x, l.shapeOf(l.sizes(like)))}
	},
	"broadcastToStatic": func(l *lowering, in []*mil.Value) []*mil.Value {
		shape := l.ints(integers(l.layer.GetBroadcastToStatic().GetTargetShape())...)
		return []*mil.Value{l.broadcastTo(l.one(in), shape)}
	},
	"broadcastToDynamic": func(l *lowering, in []*mil.Value) []*mil.Value {
		x, shape := l.two(in)
		return []*mil.Value{l.broadcastTo(x, l.list(shape))}
	},
	"rangeStatic":  rangeStatic,
	"rangeDynamic": rangeDynamic,
}

// staticShape returns the shape of a blob that is made of nothing.
func (l *lowering) staticShape(in []*mil.Value, shape []uint64) *mil.Value {
	if len(in) != 0 {
		l.fail("want no input, have %d", len(in))
	}
	if len(shape) == 0 {
		shape = []uint64{1}
	}
	return l.ints(integers(shape)...)
}

func (l *lowering) filled(value float32, shape *mil.Value) *mil.Value {
	return op.Fill.Add(l.Builder, op.FillArgs{Shape: shape, Value: number(value)})
}

// broadcastTo repeats a blob along dimensions that it lacks or has as 1.
func (l *lowering) broadcastTo(x, shape *mil.Value) *mil.Value {
	yes := op.Fill.Add(l.Builder, op.FillArgs{Shape: shape, Value: tensor.Scalar(tensor.Bool, true)})
	y := op.Select.Add(l.Builder, op.SelectArgs{Cond: yes, A: x, B: x})
	if to, have := yes.Type, y.Type; l.Err() == nil && to.IsStatic() && have.IsStatic() && !to.Equal(mil.TensorType(to.DType, have.Shape...)) {
		l.fail("%s does not broadcast to %s", x.Type, mil.FormatDims(to.Shape))
	}
	return y
}

func rangeStatic(l *lowering, in []*mil.Value) []*mil.Value {
	p := l.layer.GetRangeStatic()
	if len(in) != 0 {
		return l.fail("want no input, have %d", len(in))
	}
	return l.ranged(l.scalar(p.GetEndValue()), l.scalar(p.GetStartValue()), l.scalar(p.GetStepSizeValue()))
}

// rangeDynamic takes the end, and if they are given the start and the step,
// from its inputs.
func rangeDynamic(l *lowering, in []*mil.Value) []*mil.Value {
	p := l.layer.GetRangeDynamic()
	if len(in) < 1 || len(in) > 3 {
		return l.fail("want one to three inputs, have %d", len(in))
	}
	all := append(in[:len(in):len(in)], l.scalar(p.GetStartValue()), l.scalar(p.GetStepSizeValue()))
	if len(in) == 2 {
		all[2] = all[3] // the step, since the start is given
	}
	return l.ranged(all[0], all[1], all[2])
}

func (l *lowering) ranged(end, start, step *mil.Value) []*mil.Value {
	return []*mil.Value{op.Range1d.Add(l.Builder, op.Range1dArgs{End: end, Start: start, Step: step})}
}
