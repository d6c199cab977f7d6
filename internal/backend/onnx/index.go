package onnx

import (
	"math"
	"slices"

	"github.com/smelt-ml/smelt/tensor"
)

// indexing are the operators that take or replace elements at places, and
// those that find places.
var indexing = map[string]rule{
	"argsort":            argsort,
	"gather":             gather,
	"gather_along_axis":  gatherAlongAxis,
	"gather_nd":          gatherNd,
	"network_slice":      sliceByIndex,
	"non_zero":           nonZero,
	"one_hot":            oneHot,
	"reverse_sequence":   reverseSequence,
	"scatter":            scatter,
	"scatter_along_axis": scatterAlongAxis,
	"scatter_nd":         scatterNd,
	"slice_by_index":     sliceByIndex,
	"slice_by_size":      sliceBySize,
	"slice_update":       sliceUpdate,
	"topk":               topk,
}

// toEnd is a place beyond all others.
const toEnd = math.MaxInt64

// indices returns places as int32 or int64.
func (c *call) indices(name string) *val {
	v := c.in(name)
	if v.dtype != tensor.Int32 && v.dtype != tensor.Int64 {
		v = c.w.cast(v, tensor.Int32)
	}
	return v
}

// gather goes along shared leading dimensions with GatherND: the axis comes
// right behind them, and its place is taken by what the indices have more.
func gather(w *writer, c *call) []*val {
	x, at := c.in("x"), c.indices("indices")
	if c.Input("indices") != nil && c.Input("indices").Type.AnyRank {
		return one(w.gather(x, at, c.int("axis")))
	}
	rank, ri := c.rank("x"), c.rank("indices")
	axis, batch := c.axis(c.int("axis"), rank), c.int("batch_dims")
	if batch < 0 {
		batch += ri
	}
	if batch == 0 {
		return one(w.gather(x, at, axis))
	}
	if batch > axis || batch > ri || batch < 0 {
		return w.fail("batch_dims %d", batch)
	}
	perm := iota(rank)
	copy(perm[batch+1:], iota(rank)[batch:axis])
	perm[batch] = axis
	y := w.add("GatherND", []*val{w.transpose(x, perm...), w.unsqueeze(w.cast(at, tensor.Int64), -1)}, attr{"batch_dims", batch})
	// Now [batch, indices, between, after]; what is between comes first.
	more, between := ri-batch, axis-batch
	back := iota(rank - 1 + more)
	for i := range between {
		back[batch+i] = batch + more + i
	}
	for i := range more {
		back[batch+between+i] = batch + i
	}
	return one(w.transpose(y, back...))
}

func gatherAlongAxis(w *writer, c *call) []*val {
	return one(w.add("GatherElements", []*val{c.in("x"), c.indices("indices")}, attr{"axis", c.int("axis")}))
}

func gatherNd(w *writer, c *call) []*val {
	return one(w.add("GatherND", []*val{c.in("x"), w.cast(c.in("indices"), tensor.Int64)}, attr{"batch_dims", c.int("batch_dims")}))
}

// combined prepares the updates of a scatter for one of the ways in which ONNX
// combines: of a difference it is the sum with what is negated.
func (w *writer) combined(c *call, updates *val) (*val, []attr) {
	switch mode := c.text("mode"); mode {
	case "update":
		return updates, nil
	case "sub":
		return w.add("Neg", []*val{updates}), []attr{{"reduction", "add"}}
	case "div":
		if !updates.dtype.IsFloat() {
			w.fail("division by integers")
		}
		return w.add("Reciprocal", []*val{updates}), []attr{{"reduction", "mul"}}
	case "max", "min":
		w.need(18)
		return updates, []attr{{"reduction", mode}}
	default:
		return updates, []attr{{"reduction", mode}}
	}
}

// scatter replaces slices along an axis, which comes first for ScatterND.
func scatter(w *writer, c *call) []*val {
	rank, ri := c.rank("data"), c.rank("indices")
	if rank == 0 {
		return w.fail("into a scalar")
	}
	axis := c.axis(c.int("axis"), rank)
	data, updates := c.in("data"), c.in("updates")
	perm, moved, back := front(axis, 1, rank), front(axis, ri, rank-1+ri), make([]int, rank)
	for i, p := range perm {
		back[p] = i
	}
	updates, attrs := w.combined(c, w.transpose(updates, moved...))
	at := w.unsqueeze(w.cast(c.in("indices"), tensor.Int64), -1)
	y := w.add("ScatterND", []*val{w.transpose(data, perm...), at, updates}, attrs...)
	return one(w.transpose(y, back...))
}

// front is the permutation that brings n axes from one on to the front.
func front(from, n, rank int) []int {
	perm := iota(rank)
	copy(perm[n:], iota(from))
	for i := range n {
		perm[i] = from + i
	}
	return perm
}

func scatterAlongAxis(w *writer, c *call) []*val {
	updates, attrs := w.combined(c, c.in("updates"))
	return one(w.add("ScatterElements", []*val{c.in("data"), c.indices("indices"), updates}, append(attrs, attr{"axis", c.int("axis")})...))
}

func scatterNd(w *writer, c *call) []*val {
	updates, attrs := w.combined(c, c.in("updates"))
	return one(w.add("ScatterND", []*val{c.in("data"), w.cast(c.in("indices"), tensor.Int64), updates}, attrs...))
}

// nonZero has a row for each element, ONNX a column.
func nonZero(w *writer, c *call) []*val {
	return one(w.transpose(w.add("NonZero", []*val{c.in("x")}), 1, 0))
}

// oneHot compares with all places: ONNX's operator counts negative indices
// from the end, where nothing is on here.
func oneHot(w *writer, c *call) []*val {
	rank := c.rank("indices")
	axis := c.axis(c.int("axis"), rank+1)
	n := c.Input("one_hot_vector_size")
	if n == nil {
		return w.fail("its argument one_hot_vector_size is missing")
	}
	at, spread := w.cast(c.in("indices"), tensor.Int64), repeat(1, rank+1)
	var all *val
	if n.Const != nil {
		size := c.int("one_hot_vector_size")
		if _, err := tensor.CheckShape([]int{size}); err != nil || size > 1<<24 {
			return w.fail("vectors of %d", size)
		}
		places := make([]int64, size)
		for i := range places {
			places[i] = int64(i)
		}
		spread[axis] = size
		all = w.initializer(tensor.New(tensor.Int64, spread, places), tensor.Int64)
	} else {
		spread[axis] = -1
		all = w.reshape(w.add("Range", []*val{w.int(0), w.reshape(w.cast(c.in("one_hot_vector_size"), tensor.Int64)), w.int(1)}), spread...)
	}
	value := func(name string, absent int32) *val {
		t := c.tensor(name)
		if t == nil {
			t = tensor.Scalar(tensor.Int32, absent)
			if other := c.tensor(map[string]string{"on_value": "off_value", "off_value": "on_value"}[name]); other != nil {
				t = scalar(float64(absent), other.DType())
			}
		}
		if t.Len() != 1 {
			w.fail("its argument %s is no number", name)
			return all
		}
		return w.initializer(t.Reshape(nil), w.dtype(t.DType()))
	}
	return one(w.where(w.add("Equal", []*val{w.unsqueeze(at, axis), all}), value("on_value", 1), value("off_value", 0)))
}

// reverseSequence wants batch and sequence in the first two axes.
func reverseSequence(w *writer, c *call) []*val {
	rank := c.rank("x")
	seq, batch := c.axis(c.int("seq_axis"), rank), c.axis(c.int("batch_axis"), rank)
	if seq == batch || rank < 2 {
		return w.fail("axis %d is both sequence and batch", seq)
	}
	perm := []int{batch, seq}
	for i := range rank {
		if i != batch && i != seq {
			perm = append(perm, i)
		}
	}
	back := make([]int, rank)
	for i, p := range perm {
		back[p] = i
	}
	y := w.add("ReverseSequence", []*val{w.transpose(c.in("x"), perm...), w.cast(c.in("lengths"), tensor.Int64)}, attr{"batch_axis", 0}, attr{"time_axis", 1})
	return one(w.transpose(y, back...))
}

// top returns the first k elements along an axis in order, and their places.
func (w *writer) top(x, k *val, axis int, ascending bool) []*val {
	attrs := []attr{{"axis", axis}}
	if x.dtype.IsInt() && x.dtype != tensor.Int64 {
		x = w.cast(x, tensor.Int32)
	}
	if ascending {
		attrs = append(attrs, attr{"largest", 0})
	}
	out := w.addN("TopK", 2, []*val{x, k}, attrs...)
	out[1].dtype = tensor.Int64
	return out
}

// length is the size of an axis as a vector of one.
func (c *call) length(name string, axis int) *val {
	s := c.dims(name)
	if axis < len(s) && s[axis] >= 0 {
		return c.w.ints(s[axis])
	}
	return c.w.gather(c.w.shape(c.in(name)), c.w.ints(axis), 0)
}

func topk(w *writer, c *call) []*val {
	axis, k := c.axis(c.int("axis"), c.rank("x")), c.int("k")
	n := w.ints(k)
	if k < 0 {
		n = c.length("x", axis)
	}
	out := w.top(c.in("x"), n, axis, c.flag("ascending"))
	return out[:len(c.Outputs)]
}

func argsort(w *writer, c *call) []*val {
	axis := c.axis(c.int("axis"), c.rank("x"))
	return w.top(c.in("x"), c.length("x", axis), axis, c.flag("ascending"))[1:]
}

// cut is a block: begin, end and stride have an element for every axis.
type cut struct {
	begin, end, stride *val
	squeezed           []int
	open               []bool // axes that are taken whole
	known              []int  // where the block begins, nil if only known when it is run
}

// cuts reads the arguments that slice_by_index and slice_update have.
func (c *call) cuts() cut {
	w, rank := c.w, c.rank("x")
	var k cut
	squeeze := c.flags("squeeze_mask", rank)
	for i, s := range squeeze {
		if s {
			k.squeezed = append(k.squeezed, i)
		}
	}
	fixed := func(name string) bool {
		v := c.Input(name)
		return v == nil || v.Const != nil
	}
	if !fixed("stride") || !fixed("begin_mask") || !fixed("end_mask") {
		return c.freeCuts(k, squeeze)
	}
	stride, first, last := c.numbers("stride"), c.flags("begin_mask", rank), c.flags("end_mask", rank)
	if len(stride) == 0 {
		stride = repeat(1, rank)
	}
	if len(stride) != rank {
		w.fail("%d strides for rank %d", len(stride), rank)
		return k
	}
	k.open = make([]bool, rank)
	from, to := make([]int, rank), make([]int, rank) // where a mask says so
	begin, end := c.bound("begin", rank), c.bound("end", rank)
	for i := range rank {
		to[i] = toEnd
		if stride[i] < 0 {
			from[i], to[i] = toEnd, -toEnd
		}
		if squeeze[i] {
			stride[i], from[i] = 1, 0
		}
		k.open[i] = first[i] && last[i] && stride[i] == 1 && !squeeze[i]
	}
	k.stride = w.ints(stride...)
	if begin != nil {
		k.known = make([]int, rank)
		for i := range rank {
			if k.known[i] = begin[i]; first[i] {
				k.known[i] = from[i]
			}
		}
		k.begin = w.ints(k.known...)
	} else {
		k.begin = w.masked(first, from, w.vector(w.cast(c.in("begin"), tensor.Int64), c.Input("begin")))
	}
	if end != nil && (begin != nil || len(k.squeezed) == 0) {
		for i := range rank {
			switch {
			case squeeze[i]:
				if end[i] = k.known[i] + 1; end[i] == 0 {
					end[i] = toEnd
				}
			case last[i]:
				end[i] = to[i]
			}
		}
		k.end = w.ints(end...)
		return k
	}
	k.end = w.masked(last, to, c.sizes("end"))
	if len(k.squeezed) > 0 {
		k.end = w.where(w.truths(squeeze), w.after(k.begin), k.end)
	}
	return k
}

// after is the place behind one; behind -1 is the end.
func (w *writer) after(begin *val) *val {
	next := w.sum(begin, w.int(1))
	return w.where(w.add("Equal", []*val{next, w.int(0)}), w.int(toEnd), next)
}

func (w *writer) truths(v []bool) *val {
	return w.initializer(tensor.New(tensor.Bool, []int{len(v)}, v), tensor.Bool)
}

// masked takes numbers that are known in place of some others.
func (w *writer) masked(mask []bool, known []int, v *val) *val {
	if !slices.Contains(mask, true) {
		return v
	}
	return w.where(w.truths(mask), w.ints(known...), v)
}

// bound returns begin or end where it is known, else nil.
func (c *call) bound(name string, rank int) []int {
	v := c.Input(name)
	if v == nil || v.Const == nil {
		return nil
	}
	out := c.numbers(name)
	if len(out) != rank {
		c.w.fail("its argument %s has %d elements for rank %d", name, len(out), rank)
		return nil
	}
	return out
}

// freeCuts is cuts where strides or masks are only known when it is run.
func (c *call) freeCuts(k cut, squeeze []bool) cut {
	w := c.w
	rank := len(squeeze)
	flags := func(name string) *val {
		if c.Input(name) == nil {
			return w.truths(make([]bool, rank))
		}
		return c.in(name)
	}
	k.stride = w.ints(repeat(1, rank)...)
	if c.Input("stride") != nil {
		k.stride = c.sizes("stride")
	}
	k.open = make([]bool, rank)
	back := w.add("Less", []*val{k.stride, w.int(0)})
	k.begin = w.where(flags("begin_mask"), w.where(back, w.int(toEnd), w.int(0)), c.sizes("begin"))
	k.end = w.where(flags("end_mask"), w.where(back, w.int(-toEnd), w.int(toEnd)), c.sizes("end"))
	if len(k.squeezed) > 0 {
		mask := w.truths(squeeze)
		k.begin = w.where(mask, w.where(flags("begin_mask"), w.int(0), c.sizes("begin")), k.begin)
		k.end = w.where(mask, w.after(k.begin), k.end)
		k.stride = w.where(mask, w.int(1), k.stride)
	}
	return k
}

// of takes the block out of a value.
func (k cut) of(w *writer, x *val) *val {
	y := w.add("Slice", []*val{x, k.begin, k.end, w.ints(iota(len(k.open))...), k.stride})
	return w.squeeze(y, k.squeezed...)
}

func sliceByIndex(w *writer, c *call) []*val {
	k := c.cuts()
	if w.err != nil || len(k.open) == 0 {
		return one(c.in("x"))
	}
	return one(k.of(w, c.in("x")))
}

// sliceBySize ends a size behind where it begins; a size of -1 is all that
// follows.
func sliceBySize(w *writer, c *call) []*val {
	x, rank := c.in("x"), c.rank("x")
	axes := w.ints(iota(rank)...)
	begin, size := c.bound("begin", rank), c.bound("size", rank)
	if begin != nil && size != nil {
		end := make([]int, rank)
		for i := range end {
			if end[i] = begin[i] + size[i]; size[i] < 0 || begin[i] < 0 && end[i] >= 0 {
				end[i] = toEnd
			}
		}
		return one(w.add("Slice", []*val{x, w.ints(begin...), w.ints(end...), axes}))
	}
	from, count, whole := c.sizes("begin"), c.sizes("size"), w.shape(x)
	from = w.where(w.add("Less", []*val{from, w.int(0)}), w.sum(from, whole), from)
	to := w.where(w.add("Less", []*val{count, w.int(0)}), whole, w.sum(from, count))
	return one(w.add("Slice", []*val{x, from, to, axes}))
}

// sliceUpdate joins what is before and after a block that is whole along all
// axes but one; of another block it numbers all elements, cuts the numbers out,
// and replaces these elements.
func sliceUpdate(w *writer, c *call) []*val {
	x, update := c.in("x"), c.in("update")
	k := c.cuts()
	if w.err != nil || len(k.open) == 0 {
		return nil
	}
	partial := -1
	for i, open := range k.open {
		if !open {
			if partial >= 0 {
				partial = -2
				break
			}
			partial = i
		}
	}
	switch {
	case partial == -1:
		return one(update)
	case partial >= 0 && k.known != nil && k.known[partial] >= 0 && k.plain(c, partial):
		a := partial
		if len(k.squeezed) > 0 {
			update = w.unsqueeze(update, a)
		}
		begin := w.ints(k.known[a])
		length := w.gather(w.shape(update), w.ints(a), 0)
		before := w.slice(x, a, 0, k.known[a])
		after := w.add("Slice", []*val{x, w.sum(begin, length), w.ints(toEnd), w.ints(a)})
		return one(w.concat(a, before, update, after))
	}
	shape := w.shape(x)
	count := w.add("ReduceProd", []*val{shape}, attr{"keepdims", 0})
	places := w.add("Reshape", []*val{w.add("Range", []*val{w.int(0), count, w.int(1)}), shape})
	at := w.reshape(k.of(w, places), -1)
	flat := w.add("ScatterElements", []*val{w.reshape(x, -1), at, w.reshape(update, -1)})
	return one(w.add("Reshape", []*val{flat, shape}))
}

// plain tells a stride of one along an axis.
func (k cut) plain(c *call, axis int) bool {
	stride := c.numbers("stride")
	return len(stride) == 0 || stride[axis] == 1
}
