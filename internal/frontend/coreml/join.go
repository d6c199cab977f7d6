package coreml

import (
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
)

// joinKinds put blobs together, take them apart and repeat them.
var joinKinds = map[string]layerFunc{
	"concat":         concat,
	"concatND":       concatND,
	"sequenceRepeat": sequenceRepeat,
	"split":          split,
	"splitND":        splitND,
	"stack":          stack,
	"tile":           tile,
}

// concat joins blobs along the channels, or along the sequence.
func concat(l *lowering, in []*mil.Value) []*mil.Value {
	axis := -3
	if l.layer.GetConcat().GetSequenceConcat() {
		axis = -5
	}
	for _, v := range in {
		if !l.atLeast(v, -axis) {
			return nil
		}
	}
	return []*mil.Value{op.Concat.Add(l.Builder, op.ConcatArgs{Values: in, Axis: axis})}
}

// concatND joins blobs along any axis. Numbers that were squeezed out of lists
// make lists again.
func concatND(l *lowering, in []*mil.Value) []*mil.Value {
	p := l.layer.GetConcatND()
	in = slices.Clone(in)
	for i, v := range in {
		if v.Type.Rank() == 0 && l.Err() == nil {
			in[i] = l.reshape(v, 1)
		}
	}
	return []*mil.Value{op.Concat.Add(l.Builder, op.ConcatArgs{Values: in, Axis: integer(p.GetAxis()), Interleave: p.GetInterleave()})}
}

func stack(l *lowering, in []*mil.Value) []*mil.Value {
	return []*mil.Value{op.Stack.Add(l.Builder, op.StackArgs{Values: in, Axis: integer(l.layer.GetStack().GetAxis())})}
}

// split cuts the channels into equal parts.
func split(l *lowering, in []*mil.Value) []*mil.Value {
	v, n := l.one(in), integer(l.layer.GetSplit().GetNOutputs())
	if !l.atLeast(v, 3) {
		return nil
	}
	if n != len(l.layer.GetOutput()) {
		return l.fail("%d parts for %d outputs", n, len(l.layer.GetOutput()))
	}
	return op.Split.AddN(l.Builder, op.SplitArgs{X: v, NumSplits: n, Axis: -3})
}

// splitND cuts a blob into parts of given sizes, or else of sizes as equal as
// can be, the larger ones first.
func splitND(l *lowering, in []*mil.Value) []*mil.Value {
	v, p := l.one(in), l.layer.GetSplitND()
	a := op.SplitArgs{X: v, Axis: integer(p.GetAxis()), SplitSizes: integers(p.GetSplitSizes())}
	n := len(a.SplitSizes)
	if n == 0 {
		n = integer(p.GetNumSplits())
	}
	if n != len(l.layer.GetOutput()) || n == 0 {
		return l.fail("%d parts for %d outputs", n, len(l.layer.GetOutput()))
	}
	if len(a.SplitSizes) > 0 {
		return op.Split.AddN(l.Builder, a)
	}
	rank := v.Type.Rank()
	if a.Axis < -rank || a.Axis >= rank {
		return l.fail("axis %d of %s", a.Axis, v.Type)
	}
	whole := l.sizes(v)[(a.Axis+rank)%rank]
	if whole.v != nil {
		return l.parts(v, a.Axis, whole.v, n)
	}
	a.SplitSizes = nil
	for i := range n {
		part := whole.n / n
		if i < whole.n%n {
			part++
		}
		a.SplitSizes = append(a.SplitSizes, part)
	}
	return op.Split.AddN(l.Builder, a)
}

// parts cuts a dimension whose size is only known when it is run: part i
// starts at i·⌊size/n⌋ + min(i, size mod n).
func (l *lowering) parts(v *mil.Value, axis int, whole *mil.Value, n int) []*mil.Value {
	each := op.FloorDiv.Add(l.Builder, op.Binary{X: whole, Y: l.ints(n)})
	larger := op.Mod.Add(l.Builder, op.Binary{X: whole, Y: l.ints(n)})
	rank := v.Type.Rank()
	axis = (axis + rank) % rank
	corner := func(i int) *mil.Value {
		start := op.Add.Add(l.Builder, op.Binary{
			X: op.Mul.Add(l.Builder, op.Binary{X: each, Y: l.ints(i)}),
			Y: op.Minimum.Add(l.Builder, op.Binary{X: larger, Y: l.ints(i)}),
		})
		before, after := l.ints(make([]int, axis)...), l.ints(make([]int, rank-axis-1)...)
		return op.Concat.Add(l.Builder, op.ConcatArgs{Values: []*mil.Value{before, start, after}})
	}
	all := slices.Repeat([]bool{true}, rank)
	all[axis] = false
	var out []*mil.Value
	begin := corner(0)
	for i := range n {
		end := corner(i + 1)
		out = append(out, op.SliceByIndexIOS17.Add(l.Builder, op.SliceByIndexArgs{X: v, Begin: begin, End: end, BeginMask: all, EndMask: all}))
		begin = end
	}
	return out
}

// sequenceRepeat repeats the sequence as a whole.
func sequenceRepeat(l *lowering, in []*mil.Value) []*mil.Value {
	v := l.one(in)
	if !l.atLeast(v, 5) {
		return nil
	}
	reps := make([]int, v.Type.Rank())
	for i := range reps {
		reps[i] = 1
	}
	reps[len(reps)-5] = max(integer(l.layer.GetSequenceRepeat().GetNRepetitions()), 1)
	return []*mil.Value{op.Tile.Add(l.Builder, op.TileArgs{X: v, Reps: l.ints(reps...)})}
}

// tile repeats the last dimensions.
func tile(l *lowering, in []*mil.Value) []*mil.Value {
	if len(in) < 1 || len(in) > 2 {
		return l.fail("want one or two inputs, have %d", len(in))
	}
	v := in[0]
	reps := l.ints(integers(l.layer.GetTile().GetReps())...)
	if len(in) == 2 {
		reps = l.list(in[1])
	}
	if reps.Type.Rank() != 1 || reps.Type.Shape[0] > v.Type.Rank() {
		return l.fail("repetitions %s of %s", reps.Type, v.Type)
	}
	if n := reps.Type.Shape[0]; n >= 0 && n < v.Type.Rank() {
		ones := make([]int, v.Type.Rank()-n)
		for i := range ones {
			ones[i] = 1
		}
		reps = op.Concat.Add(l.Builder, op.ConcatArgs{Values: []*mil.Value{l.ints(ones...), reps}})
	}
	return []*mil.Value{op.Tile.Add(l.Builder, op.TileArgs{X: v, Reps: reps})}
}
