package coreml

import (
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
)

// sliceKinds cut parts out of a blob.
var sliceKinds = map[string]layerFunc{
	"crop":           crop,
	"slice":          slice,
	"sliceBySize":    sliceBySize,
	"sliceDynamic":   sliceDynamic,
	"sliceStatic":    sliceStatic,
	"slidingWindows": slidingWindows,
}

// cut takes the elements from begin to end of one axis, counted from the end
// of the axes.
func (l *lowering) cut(v *mil.Value, axis, begin, end, stride int) *mil.Value {
	n := v.Type.Rank()
	if !l.atLeast(v, -axis) {
		return v
	}
	a := op.SliceByIndexArgs{X: v}
	begins, ends := make([]int, n), make([]int, n)
	for i := range n {
		here := i == n+axis
		a.Stride = append(a.Stride, 1)
		a.BeginMask, a.EndMask = append(a.BeginMask, !here), append(a.EndMask, !here)
	}
	begins[n+axis], ends[n+axis], a.Stride[n+axis] = begin, end, stride
	a.Begin, a.End = l.ints(begins...), l.ints(ends...)
	return op.SliceByIndexIOS17.Add(l.Builder, a)
}

// slice takes every so many-th of the channels, rows or columns.
func slice(l *lowering, in []*mil.Value) []*mil.Value {
	v, p := l.one(in), l.layer.GetSlice()
	axis := int(p.GetAxis()) - 3
	if axis < -3 || axis > -1 {
		return l.fail("unknown axis %s", p.GetAxis())
	}
	if !l.atLeast(v, -axis) {
		return nil
	}
	return []*mil.Value{l.cut(v, axis, integer(p.GetStartIndex()), integer(p.GetEndIndex()), max(integer(p.GetStride()), 1))}
}

// mask returns a list of flags, one for each axis; an absent list means none.
func mask(m []bool) []bool {
	if len(m) == 0 {
		return nil
	}
	return m
}

func sliceStatic(l *lowering, in []*mil.Value) []*mil.Value {
	p := l.layer.GetSliceStatic()
	return []*mil.Value{op.SliceByIndexIOS17.Add(l.Builder, op.SliceByIndexArgs{
		X: l.one(in), Begin: l.ints(integers(p.GetBeginIds())...), End: l.ints(integers(p.GetEndIds())...), Stride: integers(p.GetStrides()),
		BeginMask: mask(p.GetBeginMasks()), EndMask: mask(p.GetEndMasks()), SqueezeMask: mask(p.GetSqueezeMasks()),
	})}
}

// sliceDynamic takes what describes the slice from its inputs, as far as there
// are any. The lists of the layer itself may go on for more axes than there
// are: some writers make them all for five.
func sliceDynamic(l *lowering, in []*mil.Value) []*mil.Value {
	if len(in) < 2 || len(in) > 7 {
		return l.fail("want two to seven inputs, have %d", len(in))
	}
	p, rank := l.layer.GetSliceDynamic(), in[0].Type.Rank()
	flags := func(i int, m []bool) *mil.Value {
		if i < len(in) {
			return op.CastIOS17.Add(l.Builder, op.CastIOS17Args{X: in[i], DType: "bool"})
		}
		if len(m) == 0 {
			m = make([]bool, rank)
		}
		return l.flags(m[:min(rank, len(m))]...)
	}
	numbers := func(i int, n []int64, def int) *mil.Value {
		switch {
		case i < len(in):
			return l.list(in[i])
		case len(n) == 0:
			return l.ints(slices.Repeat([]int{def}, rank)...)
		}
		return l.ints(integers(n[:min(rank, len(n))])...)
	}
	end, stride := numbers(2, p.GetEndIds(), 0), numbers(3, p.GetStrides(), 1)
	a := op.NetworkSliceArgs{
		X: in[0], Begin: l.list(in[1]), End: end, Stride: stride,
		BeginMask: flags(4, p.GetBeginMasks()), EndMask: flags(5, p.GetEndMasks()), SqueezeMask: flags(6, p.GetSqueezeMasks()),
	}
	if l.Err() != nil {
		return nil
	}
	strides, ok := known(a.Stride)
	if !ok || a.BeginMask.Const == nil || a.EndMask.Const == nil || a.SqueezeMask.Const == nil {
		return []*mil.Value{op.NetworkSlice.Add(l.Builder, a)}
	}
	return []*mil.Value{op.SliceByIndexIOS17.Add(l.Builder, op.SliceByIndexArgs{
		X: a.X, Begin: a.Begin, End: a.End, Stride: strides,
		BeginMask: a.BeginMask.Const.Bools(), EndMask: a.EndMask.Const.Bools(), SqueezeMask: a.SqueezeMask.Const.Bools(),
	})}
}

// sliceBySize takes some elements along an axis, from the one that the second
// input says.
func sliceBySize(l *lowering, in []*mil.Value) []*mil.Value {
	if len(in) != 2 {
		return l.fail("want two inputs, have %d", len(in))
	}
	v, p := in[0], l.layer.GetSliceBySize()
	rank := v.Type.Rank()
	axis := integer(p.GetAxis())
	if axis < -rank || axis >= rank {
		return l.fail("axis %d of %s", axis, v.Type)
	}
	axis = (axis + rank) % rank
	begin := l.reshape(l.indices(in[1]), 1)
	begins := []*mil.Value{l.ints(make([]int, axis)...), begin, l.ints(make([]int, rank-axis-1)...)}
	sizes := slices.Repeat([]int{-1}, rank)
	sizes[axis] = integer(p.GetSize())
	return []*mil.Value{op.SliceBySizeIOS17.Add(l.Builder, op.SliceBySizeArgs{
		X: v, Begin: op.Concat.Add(l.Builder, op.ConcatArgs{Values: begins}), Size: l.ints(sizes...),
	})}
}

func slidingWindows(l *lowering, in []*mil.Value) []*mil.Value {
	p := l.layer.GetSlidingWindows()
	return []*mil.Value{op.SlidingWindowsIOS17.Add(l.Builder, op.SlidingWindowsArgs{
		X: l.one(in), Axis: integer(p.GetAxis()), Size: integer(p.GetWindowSize()), Stride: integer(p.GetStep()),
	})}
}

// crop cuts borders off pictures; with a second input, to the size of that.
func crop(l *lowering, in []*mil.Value) []*mil.Value {
	if len(in) < 1 || len(in) > 2 {
		return l.fail("want one or two inputs, have %d", len(in))
	}
	p, v := l.layer.GetCrop(), in[0]
	for _, x := range in {
		if !l.atLeast(x, 3) {
			return nil
		}
	}
	if len(in) == 1 {
		amounts, ok := l.borders(p.GetCropAmounts())
		if !ok {
			return nil
		}
		return []*mil.Value{op.Crop.Add(l.Builder, op.CropArgs{X: v, CropHeight: amounts[:2], CropWidth: amounts[2:]})}
	}
	offset := integers(p.GetOffset())
	if len(offset) == 0 {
		offset = []int{0, 0}
	}
	if len(offset) != 2 {
		return l.fail("want 2 offsets, have %d", len(offset))
	}
	n := v.Type.Rank()
	begin := append(make([]int, n-2), offset...)
	sizes := l.sizes(in[1])
	size := append(fixed(slices.Repeat([]int{-1}, n-2)...), sizes[len(sizes)-2:]...)
	return []*mil.Value{op.SliceBySizeIOS17.Add(l.Builder, op.SliceBySizeArgs{X: v, Begin: l.ints(begin...), Size: l.shapeOf(size)})}
}
