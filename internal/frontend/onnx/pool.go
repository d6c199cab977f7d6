package onnx

import (
	"math"
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

var poolRules = table{
	"MaxPool":           always(maxPool),
	"AveragePool":       always(averagePool),
	"LpPool":            always(lpPool),
	"GlobalMaxPool":     always(global(op.ReduceMax)),
	"GlobalAveragePool": always(global(op.ReduceMean)),
	"GlobalLpPool":      always(globalLp),
	"MaxUnpool":         always(maxUnpool),
}

func global(o *op.Def[op.Reduction]) lowerFunc {
	return func(b *Builder, n *Node) []*mil.Value {
		r := b.rank(n.In[0])
		if r < 2 {
			return b.fail("want spatial axes, have %s", n.In[0].Type)
		}
		if r == 2 {
			return one(n.In[0])
		}
		return one(b.reduce(o, n.In[0], iota(r)[2:], true))
	}
}

// power is |x| to a small whole power.
func (b *Builder) power(x *mil.Value, p float64) *mil.Value {
	abs := op.Abs.Add(b.Builder, op.Unary{X: x})
	switch p {
	case 1:
		return abs
	case 2:
		return b.mul(x, x)
	}
	return op.Pow.Add(b.Builder, op.Binary{X: abs, Y: b.number(p, x)})
}

func (b *Builder) root(x *mil.Value, p float64) *mil.Value {
	switch p {
	case 1:
		return x
	case 2:
		return op.Sqrt.Add(b.Builder, op.Unary{X: x})
	}
	return op.Pow.Add(b.Builder, op.Binary{X: x, Y: b.number(1/p, x)})
}

// exponent reads p, a float in the first version of the pooling operators.
func exponent(n *Node) float64 {
	if n.Version < 2 {
		return float64(n.Float("p", 2))
	}
	return float64(n.Int("p", 2))
}

func globalLp(b *Builder, n *Node) []*mil.Value {
	x, p := n.In[0], exponent(n)
	r := b.rank(x)
	if r < 3 {
		return b.fail("want spatial axes, have %s", x.Type)
	}
	return one(b.root(b.reduce(op.ReduceSum, b.power(x, p), iota(r)[2:], true), p))
}

// pooling reads the attributes of a pooling operator. With known sizes the
// padding after is made to hold every window that ceil_mode asks for; extra
// tells how much of it is that. With others out is nil, and ceil_mode is left to
// the operator.
func (b *Builder) pooling(n *Node, x *mil.Value) (s sliding, out, extra []int) {
	r := b.rank(x)
	if b.Err() != nil || r < 3 {
		b.fail("want spatial axes, have %s", x.Type)
		return sliding{}, nil, nil
	}
	spatial := x.Type.Shape[2:]
	kernel := n.Ints("kernel_shape")
	s = b.sliding(n, spatial, kernel)
	if b.Err() != nil {
		return s, nil, nil
	}
	ceil := n.Bool("ceil_mode")
	extra = repeat(0, len(spatial))
	if slices.ContainsFunc(spatial, func(d int) bool { return d < 0 }) {
		if s.ceil = ceil && slices.ContainsFunc(s.strides, func(d int) bool { return d != 1 }); s.ceil && (!slices.Equal(s.before, s.after) || !s.simple() || len(spatial) > 2 || s.skips()) {
			b.refuse("ceil_mode for sizes that are only known when it is run, with windows of %v, padded with %v and %v", s.kernel, s.before, s.after)
		}
		return s, nil, extra
	}
	s.after = slices.Clone(s.after)
	for i, d := range spatial {
		room := d + s.before[i] + s.after[i] - s.extent(i)
		if room < 0 {
			if !ceil || room <= -s.strides[i] {
				b.fail("a window of %d on %d elements", s.extent(i), d+s.before[i]+s.after[i])
				return s, nil, nil
			}
		}
		count := floorDiv(room, s.strides[i]) + 1
		if ceil {
			count = floorDiv(room+s.strides[i]-1, s.strides[i]) + 1
			if (count-1)*s.strides[i] >= d+s.before[i] { // one that would begin beyond
				count--
			}
			if more := (count-1)*s.strides[i] - room; more > 0 {
				extra[i] = more
				s.after[i] += more
			}
		}
		out = append(out, count)
	}
	return s, out, extra
}

func floorDiv(a, b int) int {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}

// skips tells windows with gaps between them, the last of which may begin beyond
// the elements: ONNX does not count that one, the operators do unless it begins in
// the padding.
func (s sliding) skips() bool {
	for i, k := range s.kernel {
		if s.before[i] == 0 && s.strides[i] > k {
			return true
		}
	}
	return false
}

// simple tells windows that the pooling operators take: without gaps.
func (s sliding) simple() bool {
	return !slices.ContainsFunc(s.dilations, func(d int) bool { return d != 1 }) && len(s.kernel) <= 3
}

// shifted returns, for each element of the window, the elements of x it lies on
// in all windows.
func (b *Builder) shifted(x *mil.Value, s sliding, out []int, value float64) []*mil.Value {
	if out == nil {
		b.refuse("such windows on sizes that are only known when it is run")
		return nil
	}
	if known(s.kernel) > maxTaps {
		b.refuse("windows of %v", s.kernel)
		return nil
	}
	parts := one(b.pad(x, append([]int{0, 0}, s.before...), append([]int{0, 0}, s.after...), "constant", value))
	for a := range s.kernel {
		var next []*mil.Value
		for _, p := range parts {
			next = append(next, b.shiftedAlong(p, s, out, a)...)
		}
		parts = next
	}
	return parts
}

// maxTaps bounds the elements of a window that are taken one by one.
const maxTaps = 1 << 10

// shiftedAlong does so along one axis.
func (b *Builder) shiftedAlong(x *mil.Value, s sliding, out []int, axis int) []*mil.Value {
	r := len(s.kernel) + 2
	var parts []*mil.Value
	for k := range min(s.kernel[axis], maxTaps) {
		begin, end, stride := repeat(0, r), repeat(0, r), repeat(1, r)
		mask := slices.Repeat([]bool{true}, r)
		at := k * s.dilations[axis]
		begin[axis+2], end[axis+2], mask[axis+2] = at, at+(out[axis]-1)*s.strides[axis]+1, false
		stride[axis+2] = s.strides[axis]
		parts = append(parts, op.SliceByIndexIOS17.Add(b.Builder, op.SliceByIndexArgs{
			X: x, Begin: b.ints(begin...), End: b.ints(end...), Stride: stride, BeginMask: mask, EndMask: slices.Clone(mask),
		}))
	}
	return parts
}

// overWindows combines the elements of each window, axis by axis.
func (b *Builder) overWindows(x *mil.Value, s sliding, out []int, value float64, f func(x, y *mil.Value) *mil.Value) *mil.Value {
	if out == nil || slices.Max(s.kernel) > maxTaps {
		b.refuse("windows of %v on sizes that are only known when it is run, or too large", s.kernel)
		return x
	}
	x = b.pad(x, append([]int{0, 0}, s.before...), append([]int{0, 0}, s.after...), "constant", value)
	for a := range s.kernel {
		parts := b.shiftedAlong(x, s, out, a)
		x = parts[0]
		for _, p := range parts[1:] {
			x = f(x, p)
		}
	}
	return x
}

func maxPool(b *Builder, n *Node) []*mil.Value {
	in := n.In[0]
	x := b.float(in)
	s, out, _ := b.pooling(n, x)
	if b.Err() != nil {
		return nil
	}
	if n.wants(1) {
		return maxPoolIndices(b, n, in, x, s, out)
	}
	var v *mil.Value
	if s.simple() {
		a := op.MaxPool.Defaults()
		a.X, a.KernelSizes, a.Strides, a.PadType, a.CeilMode = x, s.kernel, s.strides, s.padType(), s.ceil
		if a.PadType == "custom" {
			a.Pad = s.pairs()
		}
		v = op.MaxPool.Add(b.Builder, a)
	} else {
		v = b.overWindows(x, s, out, math.Inf(-1), func(x, y *mil.Value) *mil.Value {
			return op.Maximum.Add(b.Builder, op.Binary{X: x, Y: y})
		})
	}
	if b.Err() != nil {
		return nil
	}
	return one(b.as(b.cast(v, in.Type.DType), in))
}

// maxPoolIndices finds the place of each greatest element: the one in its
// window, and from that the one in the whole tensor.
func maxPoolIndices(b *Builder, n *Node, in, x *mil.Value, s sliding, out []int) []*mil.Value {
	shape := b.static(x)
	parts := b.shifted(x, s, out, math.Inf(-1))
	if b.Err() != nil {
		return nil
	}
	all := op.Stack.Add(b.Builder, op.StackArgs{Values: parts, Axis: 0})
	m := op.ReduceArgmaxIOS17.Defaults()
	m.X, m.Axis = all, 0
	at := op.ReduceArgmaxIOS17.Add(b.Builder, m)
	v := b.reduce(op.ReduceMax, all, []int{0}, false)
	k := len(s.kernel)
	strides := repeat(1, k)
	if n.Bool("storage_order") {
		for i := 1; i < k; i++ {
			strides[i] = strides[i-1] * shape[i+1]
		}
	} else {
		for i := k - 2; i >= 0; i-- {
			strides[i] = strides[i+1] * shape[i+3]
		}
	}
	inWindow := make([]int, known(s.kernel))
	for i := range inWindow {
		rest := i
		for a := k - 1; a >= 0; a-- {
			inWindow[i] += rest % s.kernel[a] * s.dilations[a] * strides[a]
			rest /= s.kernel[a]
		}
	}
	if !b.room(known(out) + shape[0]*shape[1]) {
		return nil
	}
	first := make([]int, known(out))
	for i := range first {
		rest := i
		for a := k - 1; a >= 0; a-- {
			first[i] += (rest%out[a]*s.strides[a] - s.before[a]) * strides[a]
			rest /= out[a]
		}
	}
	planes := make([]int, shape[0]*shape[1])
	for i := range planes {
		planes[i] = i * known(shape[2:])
	}
	g := op.GatherIOS17.Defaults()
	g.X, g.Indices = b.ints(inWindow...), at
	index := op.GatherIOS17.Add(b.Builder, g)
	index = b.add(index, b.reshape(b.ints(first...), append([]int{1, 1}, out...)...))
	index = b.add(index, b.reshape(b.ints(planes...), append([]int{shape[0], shape[1]}, repeat(1, k)...)...))
	return []*mil.Value{b.as(b.cast(v, in.Type.DType), in), b.SetDType(index, tensor.Int64)}
}

func averagePool(b *Builder, n *Node) []*mil.Value {
	x := n.In[0]
	s, out, extra := b.pooling(n, x)
	if b.Err() != nil {
		return nil
	}
	include := n.Bool("count_include_pad")
	plain := !s.ceil && !slices.ContainsFunc(extra, func(e int) bool { return e > 0 })
	if s.simple() && (plain || !include) {
		a := op.AvgPool.Defaults()
		a.X, a.KernelSizes, a.Strides, a.PadType, a.ExcludePadding, a.CeilMode = x, s.kernel, s.strides, s.padType(), !include, s.ceil
		if a.PadType == "custom" {
			a.Pad = s.pairs()
		}
		return one(op.AvgPool.Add(b.Builder, a))
	}
	if out == nil {
		return b.refuse("padding that counts, for sizes that are only known when it is run")
	}
	sum := b.windowSum(x, s, out)
	if b.Err() != nil {
		return nil
	}
	// How many elements count in each window is known.
	k := len(s.kernel)
	if !b.room(known(out)) {
		return nil
	}
	counts := make([]float32, known(out))
	for i := range counts {
		counts[i] = 1
		rest := i
		for a := k - 1; a >= 0; a-- {
			lo, hi := 0, x.Type.Shape[a+2]
			if include {
				lo, hi = -s.before[a], hi+s.after[a]-extra[a]
			}
			first := rest%out[a]*s.strides[a] - s.before[a]
			rest /= out[a]
			c := 0
			for j := range s.kernel[a] {
				if p := first + j*s.dilations[a]; p >= lo && p < hi {
					c++
				}
			}
			counts[i] *= float32(c)
		}
	}
	return one(b.div(sum, b.cast(b.floats(counts, append([]int{1, 1}, out...)...), x.Type.DType)))
}

// windowSum adds up the elements of each window.
func (b *Builder) windowSum(x *mil.Value, s sliding, out []int) *mil.Value {
	if s.simple() {
		a := op.AvgPool.Defaults()
		a.X, a.KernelSizes, a.Strides, a.PadType = x, s.kernel, s.strides, s.padType()
		if a.PadType == "custom" {
			a.Pad = s.pairs()
		}
		v := op.AvgPool.Add(b.Builder, a)
		return b.mul(v, b.number(float64(known(s.kernel)), v))
	}
	return b.overWindows(x, s, out, 0, b.add)
}

func lpPool(b *Builder, n *Node) []*mil.Value {
	x, p := n.In[0], exponent(n)
	s, out, _ := b.pooling(n, x)
	if b.Err() != nil {
		return nil
	}
	return one(b.root(b.windowSum(b.power(x, p), s, out), p))
}

// maxUnpool puts elements back where MaxPool found them.
func maxUnpool(b *Builder, n *Node) []*mil.Value {
	x, at := n.In[0], n.In[1]
	shape := b.static(x)
	if b.Err() != nil || len(shape) < 3 {
		return b.fail("want spatial axes, have %s", x.Type)
	}
	s := b.sliding(n, shape[2:], n.Ints("kernel_shape"))
	if b.Err() != nil {
		return nil
	}
	out := slices.Clone(shape)
	for i, d := range shape[2:] {
		out[i+2] = (d-1)*s.strides[i] + s.kernel[i] - s.before[i] - s.after[i]
	}
	if known(out) < 0 || known(out) > tensor.MaxElements {
		return b.fail("a result of %v", out)
	}
	a := op.ScatterIOS17.Defaults()
	a.Data = op.Fill.Add(b.Builder, op.FillArgs{Shape: b.ints(known(out)), Value: scalarOf(0, x.Type.DType)})
	a.Indices, a.Updates, a.Mode = b.reshape(at, -1), b.reshape(x, -1), "update"
	v := b.reshape(op.ScatterIOS17.Add(b.Builder, a), out...)
	if n.input(2) != nil {
		want := b.knownInts("output_shape", n.In[2])
		if b.Err() != nil || len(want) != len(out) {
			return b.fail("an output shape of %v", want)
		}
		after := make([]int, len(out))
		for i := range out {
			after[i] = want[i] - out[i]
		}
		v = b.pad(v, repeat(0, len(out)), after, "constant", 0)
	}
	return one(v)
}
