package coreml

import (
	"strings"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/mlmodel/spec"
)

// gatherKinds read and write the elements that indices point at, and turn
// sequences around.
var gatherKinds = map[string]layerFunc{
	"gather": func(l *lowering, in []*mil.Value) []*mil.Value {
		return l.gathered(in, func(b *mil.Builder, x, at *mil.Value) *mil.Value {
			return op.GatherIOS17.Add(b, op.GatherIOS17Args{X: x, Indices: at, Axis: integer(l.layer.GetGather().GetAxis())})
		})
	},
	"gatherND": func(l *lowering, in []*mil.Value) []*mil.Value {
		return l.gathered(in, func(b *mil.Builder, x, at *mil.Value) *mil.Value {
			return op.GatherNdIOS17.Add(b, op.GatherNdIOS17Args{X: x, Indices: at})
		})
	},
	"gatherAlongAxis": func(l *lowering, in []*mil.Value) []*mil.Value {
		return l.gathered(in, func(b *mil.Builder, x, at *mil.Value) *mil.Value {
			return op.GatherAlongAxisIOS17.Add(b, op.GatherAlongAxisIOS17Args{
				X: x, Indices: at, Axis: integer(l.layer.GetGatherAlongAxis().GetAxis()),
			})
		})
	},
	"scatter": func(l *lowering, in []*mil.Value) []*mil.Value {
		p := l.layer.GetScatter()
		return l.scattered(in, p.GetMode(), func(b *mil.Builder, x, at, updates *mil.Value, mode string) *mil.Value {
			return op.ScatterIOS17.Add(b, op.ScatterIOS17Args{Data: x, Indices: at, Updates: updates, Axis: integer(p.GetAxis()), Mode: mode})
		})
	},
	"scatterND": func(l *lowering, in []*mil.Value) []*mil.Value {
		return l.scattered(in, l.layer.GetScatterND().GetMode(), func(b *mil.Builder, x, at, updates *mil.Value, mode string) *mil.Value {
			return op.ScatterNdIOS17.Add(b, op.ScatterNdIOS17Args{Data: x, Indices: at, Updates: updates, Mode: mode})
		})
	},
	"scatterAlongAxis": func(l *lowering, in []*mil.Value) []*mil.Value {
		p := l.layer.GetScatterAlongAxis()
		return l.scattered(in, p.GetMode(), func(b *mil.Builder, x, at, updates *mil.Value, mode string) *mil.Value {
			return op.ScatterAlongAxisIOS17.Add(b, op.ScatterIOS17Args{Data: x, Indices: at, Updates: updates, Axis: integer(p.GetAxis()), Mode: mode})
		})
	},
	"reverse":    reverse,
	"reverseSeq": reverseSeq,
}

// gathered lowers a layer that reads a blob at indices, its second input.
func (l *lowering) gathered(in []*mil.Value, gather func(b *mil.Builder, x, at *mil.Value) *mil.Value) []*mil.Value {
	if len(in) != 2 {
		return l.fail("want two inputs, have %d", len(in))
	}
	return []*mil.Value{gather(l.Builder, in[0], l.indices(in[1]))}
}

// scattered lowers a layer that changes a blob at indices.
func (l *lowering) scattered(in []*mil.Value, mode spec.ScatterMode,
	scatter func(b *mil.Builder, x, at, updates *mil.Value, mode string) *mil.Value,
) []*mil.Value {
	if len(in) != 3 {
		return l.fail("want three inputs, have %d", len(in))
	}
	name, ok := strings.CutPrefix(mode.String(), "SCATTER_")
	if !ok {
		return l.fail("unknown mode %s", mode)
	}
	return []*mil.Value{scatter(l.Builder, in[0], l.indices(in[1]), in[2], strings.ToLower(name))}
}

// reverse turns the order along the flagged axes around.
func reverse(l *lowering, in []*mil.Value) []*mil.Value {
	v, flags := l.one(in), l.layer.GetReverse().GetReverseDim()
	if len(flags) != v.Type.Rank() {
		return l.fail("%d flags for %s", len(flags), v.Type)
	}
	var axes []int
	for i, f := range flags {
		if f {
			axes = append(axes, i)
		}
	}
	if axes == nil {
		return in
	}
	return []*mil.Value{op.ReverseIOS17.Add(l.Builder, op.ReverseArgs{X: v, Axes: axes})}
}

func reverseSeq(l *lowering, in []*mil.Value) []*mil.Value {
	if len(in) != 2 {
		return l.fail("want two inputs, have %d", len(in))
	}
	p := l.layer.GetReverseSeq()
	return []*mil.Value{op.ReverseSequenceIOS17.Add(l.Builder, op.ReverseSequenceArgs{
		X: in[0], Lengths: l.indices(in[1]), SeqAxis: integer(p.GetSequenceAxis()), BatchAxis: integer(p.GetBatchAxis()),
	})}
}
