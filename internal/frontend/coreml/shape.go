package coreml

import (
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/mlmodel/spec"
)

var shapeKinds = map[string]layerFunc{
	"expandDims":            expandDims,
	"flatten":               flatten,
	"flattenTo2D":           flattenTo2D,
	"getShape":              getShape,
	"permute":               permute,
	"rankPreservingReshape": rankPreservingReshape,
	"reshape":               reshape,
	"reshapeDynamic":        reshapeDynamic,
	"reshapeLike":           reshapeLike,
	"reshapeStatic":         reshapeStatic,
	"squeeze":               squeeze,
	"transpose":             transpose,
}

// one returns a layer's only input.
func (l *lowering) one(in []*mil.Value) *mil.Value {
	if len(in) != 1 {
		l.fail("want one input, have %d", len(in))
		return l.scalar(0)
	}
	return in[0]
}

// atLeast checks the rank of a blob.
func (l *lowering) atLeast(v *mil.Value, rank int) bool {
	if v.Type.Rank() < rank {
		l.fail("want an input of rank %d or more, have %s", rank, v.Type)
	}
	return l.Err() == nil
}

// permuted permutes the last dimensions of a blob: dimension first+i of the
// result is first+perm[i].
func (l *lowering) permuted(v *mil.Value, perm ...int) *mil.Value {
	n := v.Type.Rank()
	all := make([]int, n)
	for i := range all {
		if all[i] = i; i >= n-len(perm) {
			all[i] = n - len(perm) + perm[i-(n-len(perm))]
		}
	}
	return op.TransposeIOS17.Add(l.Builder, op.TransposeArgs{X: v, Perm: all})
}

// flatten makes each picture one vector of channels.
func flatten(l *lowering, in []*mil.Value) []*mil.Value {
	v := l.one(in)
	if !l.atLeast(v, 3) {
		return nil
	}
	s := l.sizes(v)
	lead, picture := s[:len(s)-3], s[len(s)-3:]
	to := append(slices.Clone(lead), l.product(picture), size{n: 1}, size{n: 1})
	if l.layer.GetFlatten().GetMode() == spec.FlattenLayerParams_CHANNEL_LAST {
		v = l.permuted(v, 1, 2, 0)
	}
	return []*mil.Value{l.reshapeTo(v, to)}
}

// reshape gives pictures [C, H, W] another shape. Channels last means that
// elements keep their order as they stand in [H, W, C].
func reshape(l *lowering, in []*mil.Value) []*mil.Value {
	v := l.one(in)
	p := l.layer.GetReshape()
	target := integers(p.GetTargetShape())
	if len(target) != 3 && len(target) != 4 {
		return l.fail("want a shape of 3 or 4 sizes, have %d", len(target))
	}
	if !l.atLeast(v, max(3, len(target)+1)) {
		return nil
	}
	s := l.sizes(v)
	lead := slices.Clone(s[:len(s)-3])
	sequence := len(target) == 4 && (lead[len(lead)-2].n != target[0] || target[0] < 0)
	if len(target) == 4 {
		lead[len(lead)-2] = size{n: target[0]}
		target = target[1:]
	}
	last := p.GetMode() == spec.ReshapeLayerParams_CHANNEL_LAST
	if last {
		v = l.permuted(v, 1, 2, 0)
		target = []int{target[1], target[2], target[0]}
	}
	to := append(lead, fixed(target...)...)
	// A sequence of another length goes across the pictures of one batch item.
	if sequence && s[len(s)-4].n != 1 {
		n := len(to)
		to[n-5], to[n-4] = to[n-4], to[n-5]
		v = l.permuted(l.reshapeTo(l.permuted(v, 1, 0, 2, 3, 4), to), 1, 0, 2, 3, 4)
	} else {
		v = l.reshapeTo(v, to)
	}
	if last {
		v = l.permuted(v, 2, 0, 1)
	}
	return []*mil.Value{v}
}

func reshapeStatic(l *lowering, in []*mil.Value) []*mil.Value {
	return []*mil.Value{l.reshape(l.one(in), integers(l.layer.GetReshapeStatic().GetTargetShape())...)}
}

// rankPreservingReshape keeps the dimensions whose new size is 0.
func rankPreservingReshape(l *lowering, in []*mil.Value) []*mil.Value {
	v := l.one(in)
	target := integers(l.layer.GetRankPreservingReshape().GetTargetShape())
	if len(target) != v.Type.Rank() {
		return l.fail("%d sizes for %s", len(target), v.Type)
	}
	return []*mil.Value{op.ReshapeIOS17.Add(l.Builder, op.ReshapeArgs{X: v, Shape: l.ints(target...)})}
}

func reshapeDynamic(l *lowering, in []*mil.Value) []*mil.Value {
	if len(in) != 2 {
		return l.fail("want two inputs, have %d", len(in))
	}
	return []*mil.Value{op.ReshapeIOS17.Add(l.Builder, op.ReshapeArgs{X: in[0], Shape: l.list(in[1])})}
}

func reshapeLike(l *lowering, in []*mil.Value) []*mil.Value {
	if len(in) != 2 {
		return l.fail("want two inputs, have %d", len(in))
	}
	return []*mil.Value{l.reshapeTo(in[0], l.sizes(in[1]))}
}

// flattenTo2D makes a matrix: the dimensions before an axis, and those from it
// on.
func flattenTo2D(l *lowering, in []*mil.Value) []*mil.Value {
	v := l.one(in)
	rank := v.Type.Rank()
	axis := int(min(max(l.layer.GetFlattenTo2D().GetAxis(), -1<<31), 1<<31))
	if axis < 0 {
		axis += rank
	}
	if axis < 0 || axis > rank {
		return l.fail("axis %d for %s", l.layer.GetFlattenTo2D().GetAxis(), v.Type)
	}
	s := l.sizes(v)
	return []*mil.Value{l.reshapeTo(v, []size{l.product(s[:axis]), l.product(s[axis:])})}
}

func getShape(l *lowering, in []*mil.Value) []*mil.Value {
	return []*mil.Value{l.floats(l.shapeOf(l.sizes(l.one(in))))}
}

// squeeze removes dimensions of 1.
func squeeze(l *lowering, in []*mil.Value) []*mil.Value {
	v := l.one(in)
	p := l.layer.GetSqueeze()
	s := l.sizes(v)
	for _, a := range p.GetAxes() {
		if a < -int64(len(s)) || a >= int64(len(s)) {
			return l.fail("axis %d of %s", a, v.Type)
		}
	}
	var to []size
	for i, d := range s {
		given := slices.ContainsFunc(p.GetAxes(), func(a int64) bool { return a == int64(i) || a == int64(i-len(s)) })
		if !given && !p.GetSqueezeAll() || d.n > 1 || d.n == 0 || d.n < 0 && p.GetSqueezeAll() {
			to = append(to, d)
		}
	}
	return []*mil.Value{l.reshapeTo(v, to)}
}

func expandDims(l *lowering, in []*mil.Value) []*mil.Value {
	return []*mil.Value{op.ExpandDimsIOS17.Add(l.Builder, op.ExpandDimsArgs{X: l.one(in), Axes: integers(l.layer.GetExpandDims().GetAxes())})}
}

// permute permutes the sequence, the channels, the height and the width.
func permute(l *lowering, in []*mil.Value) []*mil.Value {
	v := l.one(in)
	axes := integers(l.layer.GetPermute().GetAxis())
	switch n := v.Type.Rank(); {
	case len(axes) == 0:
		return in
	case len(axes) != 4:
		return l.fail("want 4 axes, have %d", len(axes))
	case n != 5:
		return l.fail("want an input of rank 5, have %s", v.Type)
	}
	perm := []int{0, 1, 0, 0, 0}
	for i, a := range axes {
		if a > 0 {
			a++
		}
		if i > 0 {
			i++
		}
		perm[i] = a
	}
	return []*mil.Value{op.TransposeIOS17.Add(l.Builder, op.TransposeArgs{X: v, Perm: perm})}
}

// transpose permutes the axes. A list for fewer axes than there are is one for
// the last: it was made for a picture without the dimension of the batch.
func transpose(l *lowering, in []*mil.Value) []*mil.Value {
	v, perm := l.one(in), integers(l.layer.GetTranspose().GetAxes())
	lead := v.Type.Rank() - len(perm)
	if lead < 0 {
		return l.fail("%d axes of %s", len(perm), v.Type)
	}
	for _, d := range v.Type.Shape[:lead] {
		if d != 1 {
			return l.fail("%d axes of %s", len(perm), v.Type)
		}
	}
	return []*mil.Value{l.permuted(v, perm...)}
}

// integers reads a list of sizes or axes. Numbers beyond 31 bits are beyond
// every size, and saturate.
func integers[T int64 | uint64 | int32 | uint32](in []T) []int {
	out := make([]int, len(in))
	for i, v := range in {
		out[i] = integer(v)
	}
	return out
}

// integer is one of integers.
func integer[T int64 | uint64 | int32 | uint32](v T) int {
	switch {
	case v > 0 && uint64(v) > 1<<31-1:
		return 1<<31 - 1
	case int64(v) < -1<<31:
		return -1 << 31
	}
	return int(v)
}
