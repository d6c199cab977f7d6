package onnx

import (
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

var padRules = table{
	"Pad":           always(pad),
	"CenterCropPad": always(centerCropPad),
}

func pad(b *Builder, n *Node) []*mil.Value {
	x := n.In[0]
	r := b.rank(x)
	mode := n.Text("mode", "constant")
	value := float64(n.Float("value", 0))
	name := "pads"
	if n.Version < 2 {
		name = "paddings"
	}
	if v := n.input(2); v != nil {
		if vs := b.knownFloats("the value", v); len(vs) == 1 {
			value = vs[0]
		}
	}
	axes := iota(r)
	if v := n.input(3); v != nil {
		axes = b.axes(b.knownInts("axes", v), r)
	}
	if v := n.input(1); v != nil && v.Const == nil && mode == "constant" && len(axes) == r && slices.IsSorted(axes) && x.Type.DType.IsFloat() {
		pairs := b.reshape(b.transpose(b.reshape(v, 2, r), 1, 0), 2*r)
		a := op.Pad.Defaults()
		a.X, a.Pad, a.ConstantVal = x, pairs, float32(value)
		return one(op.Pad.Add(b.Builder, a))
	}
	pads := b.attrOrInput(n, name, 1)
	if b.Err() != nil || len(pads) != 2*len(axes) {
		return b.fail("%d pads of %d axes", len(pads), len(axes))
	}
	before, after := make([]int, r), make([]int, r)
	for i, a := range axes {
		before[a], after[a] = pads[i], pads[i+len(axes)]
	}
	return one(b.as(b.pad(x, before, after, mode, value), x))
}

// pad adds elements at the ends of axes, and cuts off where a number is
// negative.
func (b *Builder) pad(x *mil.Value, before, after []int, mode string, value float64) *mil.Value {
	if b.Err() != nil {
		return x
	}
	before, after = slices.Clone(before), slices.Clone(after)
	var pairs []int
	any, outer := false, false
	r := len(before)
	for i := range before {
		if before[i] < 0 || after[i] < 0 {
			end := 1<<31 - 1
			if after[i] < 0 {
				end = after[i]
			}
			x = b.slice(x, i, max(0, -before[i]), end)
			before[i], after[i] = max(before[i], 0), max(after[i], 0)
		}
		pairs = append(pairs, before[i], after[i])
		if before[i] > 0 || after[i] > 0 {
			any = true
			outer = outer || i < r-2
		}
	}
	if !any {
		return x
	}
	if x.Type.DType.IsFloat() && r <= 5 && (mode == "constant" || !outer && (mode == "reflect" && b.fits(x, before, after) || mode == "edge")) {
		a := op.Pad.Defaults()
		first := 0
		for first < r-1 && before[first] == 0 && after[first] == 0 {
			first++
		}
		a.X, a.Pad, a.ConstantVal = x, b.ints(pairs[2*first:]...), float32(value)
		a.Mode = map[string]string{"constant": "constant", "reflect": "reflect", "edge": "replicate"}[mode]
		return op.Pad.Add(b.Builder, a)
	}
	for i := range before {
		if before[i] == 0 && after[i] == 0 {
			continue
		}
		if mode == "constant" {
			x = b.padConstant(x, i, before[i], after[i], value)
			continue
		}
		size := x.Type.Shape[i]
		if size <= 0 {
			b.refuse("padding an axis of nothing, or whose size is only known when it is run")
			return x
		}
		if !b.room(before[i] + size + after[i]) {
			return x
		}
		var at []int
		for j := -before[i]; j < size+after[i]; j++ {
			at = append(at, mirrored(j, size, mode))
		}
		g := op.GatherIOS17.Defaults()
		g.X, g.Indices, g.Axis = x, b.ints(at...), i
		x = b.gather(g)
	}
	return x
}

// fits tells whether a reflection has enough elements.
func (b *Builder) fits(x *mil.Value, before, after []int) bool {
	for i, d := range x.Type.Shape {
		if before[i]+after[i] > 0 && (d < 0 || before[i] >= d || after[i] >= d) {
			return false
		}
	}
	return true
}

// mirrored is the element of an axis that a place outside of it stands for.
func mirrored(j, size int, mode string) int {
	switch {
	case mode == "edge" || size == 1:
		return min(max(j, 0), size-1)
	case mode == "wrap":
		return ((j % size) + size) % size
	}
	period := 2 * (size - 1)
	j = ((j % period) + period) % period
	if j >= size {
		j = period - j
	}
	return j
}

// padConstant is for types that the operator does not take.
func (b *Builder) padConstant(x *mil.Value, axis, before, after int, value float64) *mil.Value {
	block := func(size int) *mil.Value {
		shape := slices.Clone(x.Type.Shape)
		shape[axis] = size
		if slices.ContainsFunc(shape, func(d int) bool { return d < 0 }) {
			b.refuse("padding of %s, whose shape is only known when it is run", x.Type)
			return x
		}
		return op.Fill.Add(b.Builder, op.FillArgs{Shape: b.ints(shape...), Value: scalarOf(value, x.Type.DType)})
	}
	var parts []*mil.Value
	if before > 0 {
		parts = append(parts, block(before))
	}
	parts = append(parts, x)
	if after > 0 {
		parts = append(parts, block(after))
	}
	return b.concat(axis, parts...)
}

// gather gathers; of truth values, which the operator does not take, as
// integers.
func (b *Builder) gather(a op.GatherIOS17Args) *mil.Value {
	x := a.X
	if x.Type.DType == tensor.Bool {
		a.X = b.cast(x, tensor.Int32)
		return b.cast(op.GatherIOS17.Add(b.Builder, a), tensor.Bool)
	}
	return b.as(op.GatherIOS17.Add(b.Builder, a), x)
}

func centerCropPad(b *Builder, n *Node) []*mil.Value {
	x := n.In[0]
	have := b.static(x)
	want := b.knownInts("the shape", n.input(1))
	axes := iota(len(have))
	if n.Has("axes") {
		axes = b.axes(n.Ints("axes"), len(have))
	}
	if b.Err() != nil || len(want) != len(axes) {
		return b.fail("%d sizes of %d axes", len(want), len(axes))
	}
	before, after := make([]int, len(have)), make([]int, len(have))
	for i, a := range axes {
		switch d := want[i] - have[a]; {
		case d >= 0:
			before[a] = d / 2
			after[a] = d - d/2
		default:
			before[a] = -(-d / 2)
			after[a] = d - before[a]
		}
	}
	return one(b.as(b.pad(x, before, after, "constant", 0), x))
}
