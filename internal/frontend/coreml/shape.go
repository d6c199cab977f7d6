package coreml

import (
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

var shapeKinds = map[string]layerFunc{
	"concat":        concat,
	"flatten":       flatten,
	"reshapeStatic": reshapeStatic,
	"transpose":     transpose,
}

// concat joins blobs along the channels, or along the sequence.
func concat(l *lowering, in []*mil.Value) []*mil.Value {
	for _, v := range in {
		if v.Type.Rank() < 3 {
			return l.fail("want inputs of rank 3 or more, have %s", v.Type)
		}
	}
	axis := -3
	if l.layer.GetConcat().GetSequenceConcat() {
		axis = -5
	}
	return []*mil.Value{op.Concat.Add(l.Builder, op.ConcatArgs{Values: in, Axis: axis})}
}

// flatten makes each picture one vector of channels.
func flatten(l *lowering, in []*mil.Value) []*mil.Value {
	if len(in) != 1 || in[0].Type.Rank() < 3 {
		return l.fail("want one input of rank 3 or more")
	}
	v := in[0]
	n := v.Type.Rank()
	if l.layer.GetFlatten().GetMode() == spec.FlattenLayerParams_CHANNEL_LAST {
		perm := make([]int, n)
		for i := range perm {
			perm[i] = i
		}
		perm[n-3], perm[n-2], perm[n-1] = n-2, n-1, n-3
		v = op.Transpose.Add(l.Builder, op.TransposeArgs{X: v, Perm: perm})
	}
	if l.Err() != nil {
		return nil
	}
	s := in[0].Type.Shape
	shape := append([]int{}, s[:n-3]...)
	return []*mil.Value{l.reshape(v, append(shape, tensor.Size(s[n-3:]), 1, 1)...)}
}

func reshapeStatic(l *lowering, in []*mil.Value) []*mil.Value {
	if len(in) != 1 {
		return l.fail("want one input, have %d", len(in))
	}
	return []*mil.Value{l.reshape(in[0], integers(l.layer.GetReshapeStatic().GetTargetShape())...)}
}

func transpose(l *lowering, in []*mil.Value) []*mil.Value {
	if len(in) != 1 {
		return l.fail("want one input, have %d", len(in))
	}
	return []*mil.Value{op.Transpose.Add(l.Builder, op.TransposeArgs{X: in[0], Perm: integers(l.layer.GetTranspose().GetAxes())})}
}

// integers reads a list of sizes or axes. Numbers beyond 31 bits are beyond
// every size, and saturate.
func integers[T int64 | uint64 | int32 | uint32](in []T) []int {
	out := make([]int, len(in))
	for i, v := range in {
		switch {
		case v > 0 && uint64(v) > 1<<31-1:
			out[i] = 1<<31 - 1
		case int64(v) < -1<<31:
			out[i] = -1 << 31
		default:
			out[i] = int(v)
		}
	}
	return out
}
