package onnx

import (
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

var indexRules = table{
	"Gather":          always(gather),
	"GatherElements":  always(gatherElements),
	"GatherND":        always(gatherND),
	"Scatter":         always(scatterElements),
	"ScatterElements": always(scatterElements),
	"ScatterND":       always(scatterND),
	"TensorScatter":   always(tensorScatter),
	"TopK":            always(topK),
	"NonZero":         always(nonZero),
	"Compress":        always(compress),
	"Unique":          always(unique),
}

func gather(b *Builder, n *Node) []*mil.Value {
	x, at := n.In[0], n.In[1]
	g := op.GatherIOS17.Defaults()
	g.X, g.Indices, g.Axis = x, at, b.axis(n.Int("axis", 0), b.rank(x))
	return one(b.gather(g))
}

// unboolean lets an operator that takes no truth values work on integers.
func (b *Builder) unboolean(x *mil.Value, f func(*mil.Value) *mil.Value) *mil.Value {
	if x.Type.DType != tensor.Bool {
		return b.as(f(x), x)
	}
	return b.cast(f(b.cast(x, tensor.Int32)), tensor.Bool)
}

// gatherElements takes indices that may be fewer than x has elements along the
// other axes, too.
func gatherElements(b *Builder, n *Node) []*mil.Value {
	x, at := n.In[0], n.In[1]
	r := b.rank(x)
	axis := b.axis(n.Int("axis", 0), r)
	if b.rank(at) != r {
		return b.fail("indices of rank %d for a tensor of rank %d", b.rank(at), r)
	}
	for i := range r {
		if p, q := x.Type.Shape[i], at.Type.Shape[i]; b.Err() == nil && i != axis && p >= 0 && q >= 0 && q < p {
			x = b.slice(x, i, 0, q)
		}
	}
	return one(b.unboolean(x, func(x *mil.Value) *mil.Value {
		a := op.GatherAlongAxisIOS17.Defaults()
		a.X, a.Indices, a.Axis = x, at, axis
		return op.GatherAlongAxisIOS17.Add(b.Builder, a)
	}))
}

func gatherND(b *Builder, n *Node) []*mil.Value {
	return one(b.unboolean(n.In[0], func(x *mil.Value) *mil.Value {
		a := op.GatherNdIOS17.Defaults()
		a.X, a.Indices, a.BatchDims = x, n.In[1], n.Int("batch_dims", 0)
		return op.GatherNdIOS17.Add(b.Builder, a)
	}))
}

// scatterModes are the names of reductions.
var scatterModes = map[string]string{"none": "update", "add": "add", "mul": "mul", "max": "max", "min": "min"}

func (b *Builder) scatterMode(n *Node) string {
	m := scatterModes[n.Text("reduction", "none")]
	if m == "" {
		b.fail("a reduction %q", n.Text("reduction", ""))
		return "update"
	}
	return m
}

func scatterElements(b *Builder, n *Node) []*mil.Value {
	if len(n.In) != 3 {
		return b.fail("want three inputs")
	}
	at, updates := n.In[1], n.In[2]
	mode := b.scatterMode(n)
	r := b.rank(n.In[0])
	axis := b.axis(n.Int("axis", 0), r)
	if b.rank(at) != r || b.rank(updates) != r {
		return b.fail("ranks of %d, %d and %d", r, b.rank(at), b.rank(updates))
	}
	whole := true
	for i := range r {
		whole = whole && (i == axis || n.In[0].Type.Shape[i] == at.Type.Shape[i])
	}
	x := n.In[0]
	if x.Type.DType == tensor.Bool {
		x, updates = b.cast(x, tensor.Int32), b.cast(updates, tensor.Int32)
	}
	if whole {
		a := op.ScatterAlongAxisIOS17.Defaults()
		a.Data, a.Indices, a.Updates, a.Axis, a.Mode = x, at, updates, axis, mode
		return one(b.as(b.cast(op.ScatterAlongAxisIOS17.Add(b.Builder, a), n.In[0].Type.DType), n.In[0]))
	}
	// The places of the updates in the tensor as one vector.
	shape, given := b.static(x), b.static(at)
	if b.Err() != nil {
		return nil
	}
	strides := repeat(1, r)
	for i := r - 2; i >= 0; i-- {
		strides[i] = strides[i+1] * shape[i+1]
	}
	if !b.room(tensor.Size(given)) {
		return nil
	}
	offsets := make([]int, tensor.Size(given))
	for i := range offsets {
		rest := i
		for a := r - 1; a >= 0; a-- {
			if a != axis {
				offsets[i] += rest % given[a] * strides[a]
			}
			rest /= given[a]
		}
	}
	places := b.add(b.mul(b.wrapped(at, shape[axis]), b.int(strides[axis])), b.reshape(b.ints(offsets...), given...))
	a := op.ScatterIOS17.Defaults()
	a.Data, a.Indices, a.Updates, a.Mode = b.reshape(x, -1), b.reshape(places, -1), b.reshape(updates, -1), mode
	return one(b.as(b.cast(b.reshape(op.ScatterIOS17.Add(b.Builder, a), shape...), n.In[0].Type.DType), n.In[0]))
}

// wrapped counts negative indices from the end.
func (b *Builder) wrapped(at *mil.Value, size int) *mil.Value {
	return op.Mod.Add(b.Builder, op.Binary{X: at, Y: b.int(max(size, 1))})
}

func scatterND(b *Builder, n *Node) []*mil.Value {
	if len(n.In) != 3 {
		return b.fail("want three inputs")
	}
	x, updates := n.In[0], n.In[2]
	if x.Type.DType == tensor.Bool {
		x, updates = b.cast(x, tensor.Int32), b.cast(updates, tensor.Int32)
	}
	a := op.ScatterNdIOS17.Defaults()
	a.Data, a.Indices, a.Updates, a.Mode = x, n.In[1], updates, b.scatterMode(n)
	return one(b.as(b.cast(op.ScatterNdIOS17.Add(b.Builder, a), n.In[0].Type.DType), n.In[0]))
}

// tensorScatter writes a run of elements into each sample of a cache.
func tensorScatter(b *Builder, n *Node) []*mil.Value {
	x, update := n.In[0], n.In[1]
	shape, given := b.static(x), b.static(update)
	r := len(shape)
	axis := b.axis(n.Int("axis", -2), r)
	if b.Err() != nil || axis == 0 || len(given) != r {
		return b.fail("axis %d of %s", axis, x.Type)
	}
	if !b.room(shape[0] + given[axis]) {
		return nil
	}
	start := n.input(2)
	if start == nil {
		start = b.ints(repeat(0, shape[0])...)
	}
	column := repeat(1, r)
	column[0] = shape[0]
	row := repeat(1, r)
	row[axis] = given[axis]
	at := b.add(b.reshape(start, column...), b.reshape(b.ints(iota(given[axis])...), row...))
	if n.Text("mode", "linear") == "circular" {
		at = op.Mod.Add(b.Builder, op.Binary{X: at, Y: b.int(shape[axis])})
	}
	reps := slices.Clone(given)
	reps[0], reps[axis] = 1, 1
	at = op.Tile.Add(b.Builder, op.TileArgs{X: at, Reps: b.ints(reps...)})
	a := op.ScatterAlongAxisIOS17.Defaults()
	a.Data, a.Indices, a.Updates, a.Axis, a.Mode = x, at, update, axis, "update"
	return one(op.ScatterAlongAxisIOS17.Add(b.Builder, a))
}

func topK(b *Builder, n *Node) []*mil.Value {
	x := n.In[0]
	a := op.TopkIOS17.Defaults()
	a.X, a.Axis = x, b.axis(n.Int("axis", -1), b.rank(x))
	a.Ascending = n.Int("largest", 1) == 0
	var count *mil.Value // k where it is only known when it is run
	if k := []int{n.Int("k", 0)}; n.Version >= 10 {
		var ok bool
		if k, ok = b.known(n.input(1)); !ok {
			count = n.input(1)
			k = []int{-1} // all, sorted
		}
		a.K = append(k, -1)[0]
		if ok && (len(k) != 1 || a.K < 0) {
			return b.fail("k is %v", k)
		}
	} else if a.K = k[0]; a.K < 0 {
		return b.fail("k is %v", k)
	}
	if b.Err() != nil || count == nil && n.Version >= 10 && n.input(1) == nil {
		return b.fail("want k")
	}
	out := op.TopkIOS17.AddN(b.Builder, a)
	if len(out) != 2 {
		return nil
	}
	if count != nil {
		out = slices.Clone(out) // which is the node's own
		for i, v := range out {
			out[i] = b.first(v, a.Axis, count)
		}
	}
	return []*mil.Value{b.as(out[0], x), b.SetDType(out[1], tensor.Int64)}
}

// first takes as many elements along an axis as a value of one element says.
func (b *Builder) first(v *mil.Value, axis int, count *mil.Value) *mil.Value {
	r := b.rank(v)
	begin, mask := repeat(0, r), slices.Repeat([]bool{true}, r)
	if r == 0 {
		b.fail("want an axis, have %s", v.Type)
		return v
	}
	mask[axis] = false
	end := []*mil.Value{b.reshape(b.cast(count, tensor.Int32), 1)}
	if axis > 0 {
		end = append([]*mil.Value{b.ints(repeat(0, axis)...)}, end...)
	}
	if axis < r-1 {
		end = append(end, b.ints(repeat(0, r-1-axis)...))
	}
	return op.SliceByIndexIOS17.Add(b.Builder, op.SliceByIndexArgs{
		X: v, Begin: b.ints(begin...), End: b.concat(0, end...), BeginMask: slices.Repeat([]bool{true}, r), EndMask: mask,
	})
}

func nonZero(b *Builder, n *Node) []*mil.Value {
	return one(b.SetDType(b.transpose(op.NonZero.Add(b.Builder, op.Unary{X: n.In[0]}), 1, 0), tensor.Int64))
}

// compress takes the elements along an axis, or of all, where a condition
// holds.
func compress(b *Builder, n *Node) []*mil.Value {
	x := n.In[0]
	axis := 0
	if n.Has("axis") {
		axis = b.axis(n.Int("axis", 0), b.rank(x))
	} else {
		x = b.reshape(x, -1)
	}
	at := op.NonZero.Add(b.Builder, op.Unary{X: n.In[1]})
	g := op.GatherIOS17.Defaults()
	g.X, g.Indices, g.Axis = x, b.squeeze(at, 1), axis
	return one(b.gather(g))
}

// unique finds the different elements of a tensor: sorted, an element is new
// where it differs from the one before.
func unique(b *Builder, n *Node) []*mil.Value {
	in := n.In[0]
	if n.Has("axis") && b.rank(in) != 1 {
		return b.refuse("the different slices along an axis")
	}
	size := known(b.static(in))
	if b.Err() != nil || size == 0 {
		return b.refuse("the different elements of nothing")
	}
	x := b.reshape(in, -1)
	a := op.TopkIOS17.Defaults()
	a.X, a.K, a.Ascending = x, size, true
	out := op.TopkIOS17.AddN(b.Builder, a)
	if len(out) != 2 {
		return nil
	}
	sorted, from := out[0], out[1]
	isNew := b.concat(0, mil.NewConst(b.Place(), tensor.New(tensor.Bool, []int{1}, []bool{true})),
		op.NotEqual.Add(b.Builder, op.Binary{X: b.slice(sorted, 0, 1, size), Y: b.slice(sorted, 0, 0, size-1)}))
	first := b.squeeze(op.NonZero.Add(b.Builder, op.Unary{X: isNew}), 1)
	take := func(x, at *mil.Value) *mil.Value {
		g := op.GatherIOS17.Defaults()
		g.X, g.Indices = x, at
		return op.GatherIOS17.Add(b.Builder, g)
	}
	values, places := take(sorted, first), take(from, first)
	counts := b.sub(b.concat(0, b.slice(first, 0, 1, 1<<31-1), b.ints(size)), first)
	group := b.sub(op.Cumsum.Add(b.Builder, op.CumsumArgs{X: b.cast(isNew, tensor.Int32)}), b.int(1))
	put := func(at, v *mil.Value, like *mil.Value) *mil.Value {
		s := op.ScatterIOS17.Defaults()
		s.Data, s.Indices, s.Updates, s.Mode = b.mul(like, b.int(0)), at, v, "update"
		return op.ScatterIOS17.Add(b.Builder, s)
	}
	inverse := put(from, group, from)
	if n.Int("sorted", 1) == 0 { // in the order of their first places
		order := op.Argsort.Defaults()
		order.X, order.Ascending = places, true
		by := op.Argsort.Add(b.Builder, order)
		values, counts = take(values, by), take(counts, by)
		rank := op.Argsort.Defaults()
		rank.X, rank.Ascending = by, true
		inverse = take(op.Argsort.Add(b.Builder, rank), inverse)
		places = take(places, by)
	}
	outs := []*mil.Value{b.as(values, in), places, inverse, counts}
	for _, v := range outs[1:] {
		b.SetDType(v, tensor.Int64)
	}
	return outs
}
