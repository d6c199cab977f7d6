package coreml

import (
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/mlmodel/spec"
)

var padKinds = map[string]layerFunc{"constantPad": constantPad, "padding": pad}

// borders reads how much is added to, or cut off, pictures at the top, the
// bottom, the left and the right.
func (l *lowering) borders(b *spec.BorderAmounts) ([]int, bool) {
	edges := b.GetBorderAmounts()
	if len(edges) == 0 {
		return make([]int, 4), true
	}
	if len(edges) != 2 {
		l.fail("want the borders of 2 axes, have %d", len(edges))
		return nil, false
	}
	return integers([]uint64{
		edges[0].GetStartEdgeSize(), edges[0].GetEndEdgeSize(), edges[1].GetStartEdgeSize(), edges[1].GetEndEdgeSize(),
	}), true
}

// pad adds a border around pictures.
func pad(l *lowering, in []*mil.Value) []*mil.Value {
	v, p := l.one(in), l.layer.GetPadding()
	amounts, ok := l.borders(p.GetPaddingAmounts())
	if !ok || !l.atLeast(v, 2) {
		return nil
	}
	a := op.PadArgs{X: v, Pad: l.ints(amounts...)}
	switch p.WhichPaddingType() {
	case spec.PaddingLayerParams_Reflection_case:
		a.Mode = "reflect"
	case spec.PaddingLayerParams_Replication_case:
		a.Mode = "replicate"
	default:
		a.ConstantVal = p.GetConstant().GetValue()
	}
	return []*mil.Value{op.Pad.Add(l.Builder, a)}
}

// constantPad adds a border along every axis: of given sizes, or, in the mode
// named for it, as much as the given sizes of the result need.
func constantPad(l *lowering, in []*mil.Value) []*mil.Value {
	if len(in) < 1 || len(in) > 2 {
		return l.fail("want one or two inputs, have %d", len(in))
	}
	v, p := in[0], l.layer.GetConstantPad()
	amounts := l.ints(integers(p.GetPadAmounts())...)
	if len(in) == 2 {
		amounts = l.list(in[1])
	}
	rank := v.Type.Rank()
	if amounts.Type.Rank() != 1 || amounts.Type.Shape[0] >= 0 && amounts.Type.Shape[0] != 2*rank {
		return l.fail("want %d amounts for %s, have %s", 2*rank, v.Type, amounts.Type)
	}
	if p.GetPadToGivenOutputSizeMode() {
		var have []size
		for _, d := range l.sizes(v) {
			have = append(have, d, d)
		}
		missing := op.Sub.Add(l.Builder, op.Binary{X: amounts, Y: l.shapeOf(have)})
		amounts = op.Maximum.Add(l.Builder, op.Binary{X: missing, Y: l.ints(slices.Repeat([]int{0}, 2*rank)...)})
	}
	return []*mil.Value{op.Pad.Add(l.Builder, op.PadArgs{X: v, Pad: amounts, ConstantVal: p.GetValue()})}
}
