package neuralnetwork

import (
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

var sliceRules = map[string]rule{
	"slice_by_index": sliceByIndex,
	"network_slice": func(w *writer, a args) {
		var in []*blob
		for _, name := range []string{"x", "begin", "end", "stride", "begin_mask", "end_mask", "squeeze_mask"} {
			in = append(in, w.blob(a.Input(name)))
		}
		w.give(a, w.atLeastOne(a, w.emit(layer{SliceDynamic: new(spec.SliceDynamicLayerParams)}, w.shape(a.Outputs[0]), in...)))
	},
	"crop": func(w *writer, a args) {
		x := a.Input("x")
		b := w.read(x)
		amounts := slices.Concat(a.ints("crop_height"), a.ints("crop_width"))
		w.give(a, w.emit(layer{Crop: spec.CropLayerParams_builder{CropAmounts: edges(amounts)}.Build()}, w.shape(a.Outputs[0]), b))
	},
}

// masks returns n flags, all false where an argument is absent.
func (a args) masks(name string, n int) []bool {
	out := make([]bool, n)
	copy(out, a.bools(name))
	return out
}

// sliceByIndex cuts a part out of a blob. The layer for places that are known
// came with no way of dropping dimensions: that is done behind it.
func sliceByIndex(w *writer, a args) {
	x, begin, end := a.Input("x"), a.Input("begin"), a.Input("end")
	rank := x.Type.Rank()
	strides := orOnes(a.ints("stride"), rank)
	from, to, drop := a.masks("begin_mask", rank), a.masks("end_mask", rank), a.masks("squeeze_mask", rank)
	out := w.shape(a.Outputs[0])
	if begin.Const == nil || end.Const == nil && !all(to, drop) {
		w.sliceDynamic(a, strides, from, to, drop)
		return
	}
	begins := a.ints("begin")
	ends := slices.Clone(begins) // where there is a mask in any case
	if end.Const != nil {
		ends = a.ints("end")
	}
	if len(begins) != rank || len(ends) != rank {
		w.fail("%d and %d places for %d dimensions", len(begins), len(ends), rank)
		return
	}
	var dropped, shape []int
	strides = slices.Clone(strides)
	for i, d := range drop {
		if d {
			if from[i] {
				begins[i] = 0
			}
			from[i], to[i], strides[i] = false, begins[i] == -1, 1
			ends[i] = begins[i] + 1
			dropped, shape = append(dropped, i), append(shape, 1)
		} else if kept := i - len(dropped); kept < a.out().Rank() {
			shape = append(shape, a.out().Shape[kept])
		}
	}
	if w.rank5 {
		w.give(a, w.sliced(x, begins, ends, strides, from, to))
		return
	}
	y := w.emit(layer{SliceStatic: spec.SliceStaticLayerParams_builder{
		BeginIds: wide(begins), BeginMasks: from, EndIds: wide(ends), EndMasks: to, Strides: wide(strides),
	}.Build()}, shape, w.blob(x))
	switch {
	case len(dropped) == 0:
	case a.out().IsStatic():
		y = w.as(y, out)
	default:
		y = w.squeeze(y, dropped, out)
	}
	w.give(a, y)
}

// all tells whether each dimension has one of the flags.
func all(a, b []bool) bool {
	for i := range a {
		if !a[i] && !b[i] {
			return false
		}
	}
	return true
}

// atLeastOne makes sure that a result without dimensions is a vector of one,
// whatever the layer leaves.
func (w *writer) atLeastOne(a args, b *blob) *blob {
	if a.out().Rank() > 0 {
		return b
	}
	return w.emit(layer{ReshapeStatic: spec.ReshapeStaticLayerParams_builder{TargetShape: []int64{1}}.Build()}, []int{1}, b)
}

// sliceDynamic cuts at places that are data.
func (w *writer) sliceDynamic(a args, strides []int, from, to, drop []bool) {
	l := spec.SliceDynamicLayerParams_builder{Strides: wide(strides), BeginMasks: from, EndMasks: to}
	if slices.Contains(drop, true) {
		l.SqueezeMasks = drop
	}
	in := []*blob{w.blob(a.Input("x")), w.blob(a.Input("begin")), w.blob(a.Input("end"))}
	w.give(a, w.atLeastOne(a, w.emit(layer{SliceDynamic: l.Build()}, w.shape(a.Outputs[0]), in...)))
}

// sliced cuts the picture of an old network, axis by axis.
func (w *writer) sliced(x *mil.Value, begins, ends, strides []int, from, to []bool) *blob {
	b := w.read(x)
	rank := x.Type.Rank()
	for i, n := range x.Type.Shape {
		begin, end := begins[i], ends[i]
		if from[i] {
			begin = 0
		}
		if to[i] {
			end = n
		}
		if n < 0 || w.failure != nil {
			return w.fail("%w", errNone)
		}
		begin, end = min(max(axis(begin, n), 0), n), min(max(axis(end, n), 0), n)
		if begin == 0 && end == n && strides[i] == 1 {
			continue
		}
		place := pictureAxis(i, rank)
		if place < 2 || strides[i] < 1 || end <= begin {
			return w.fail("%w", errNone)
		}
		shape := slices.Clone(b.shape)
		shape[place] = (end - begin + strides[i] - 1) / strides[i]
		b = w.emit(layer{Slice: spec.SliceLayerParams_builder{
			StartIndex: int64(begin), EndIndex: int64(end), Stride: uint64(strides[i]), Axis: spec.SliceLayerParams_SliceAxis(place - 2),
		}.Build()}, shape, b)
	}
	return b
}

var sliceCompositions = map[string]composition{
	// slice_by_size is slice_by_index up to begin + size.
	"slice_by_size": func(w *writer, b *mil.Builder, a args) []*mil.Value {
		begin, size := whole32(b, a.Input("begin")), whole32(b, a.Input("size"))
		rank := a.Input("x").Type.Rank()
		whole := op.Shape.Add(b, op.Unary{X: a.Input("x")})
		begin = op.Mod.Add(b, op.Binary{X: begin, Y: whole}) // which may be counted from the end
		s := op.SliceByIndexArgs{X: a.Input("x"), Begin: begin, EndMask: make([]bool, rank)}
		for i, n := range a.ints("size") {
			s.EndMask[i] = n == -1
		}
		if begin.Const == nil && size.Const != nil {
			sizes := a.ints("size")
			for i, n := range sizes {
				sizes[i] = max(n, 0)
			}
			size = ints(sizes...)
		}
		s.End = op.Add.Add(b, op.Binary{X: begin, Y: size})
		if size.Const == nil { // -1 means all that follows here, too
			rest := op.Less.Add(b, op.Binary{X: size, Y: mil.NewConst("", tensor.Scalar[int32](tensor.Int32, 0))})
			s.End = op.Select.Add(b, op.SelectArgs{Cond: rest, A: whole, B: s.End})
		}
		return one(op.SliceByIndexIOS17.Add(b, s))
	},
	// slice_update writes the elements of x, all in a row, at places that are
	// found dimension by dimension.
	"slice_update": func(w *writer, b *mil.Builder, a args) []*mil.Value {
		x, update := a.Input("x"), a.Input("update")
		shape := x.Type.Shape
		rank := len(shape)
		if !x.Type.IsStatic() || !update.Type.IsStatic() || rank == 0 {
			w.fail("its sizes are only known when it is run")
			return nil
		}
		begin := whole32(b, a.Input("begin"))
		strides, from, drop := orOnes(a.ints("stride"), rank), a.masks("begin_mask", rank), a.masks("squeeze_mask", rank)
		var at *mil.Value
		kept := 0
		for i, n := range shape {
			size := 1
			if !drop[i] {
				if kept == update.Type.Rank() {
					w.fail("the update is %s", update.Type)
					return nil
				}
				size = update.Type.Shape[kept]
				kept++
			}
			steps, first := make([]int32, size), int32(0)
			if from[i] && strides[i] < 0 && !drop[i] {
				first = int32(n - 1)
			}
			step := int32(tensor.Size(shape[i+1:]))
			for k := range steps {
				steps[k] = (first + int32(k*strides[i])) * step
			}
			line := slices.Repeat([]int{1}, rank)
			line[i] = size
			places := mil.NewConst("", tensor.Ints(line, steps))
			if !from[i] {
				start := op.SliceBySizeIOS17.Add(b, op.SliceBySizeArgs{X: begin, Begin: ints(i), Size: ints(1)})
				start = op.Mod.Add(b, op.Binary{X: start, Y: ints(n)}) // which may be counted from the end
				start = op.Mul.Add(b, op.Binary{X: start, Y: ints(int(step))})
				places = op.Add.Add(b, op.Binary{X: places, Y: start})
			}
			if at != nil {
				places = op.Add.Add(b, op.Binary{X: at, Y: places})
			}
			at = places
		}
		y := op.ScatterIOS17.Add(b, op.ScatterIOS17Args{
			Data: flat(b, x), Indices: flat(b, at), Updates: flat(b, update), Mode: "update", Axis: 0,
		})
		return one(op.ReshapeIOS17.Add(b, op.ReshapeArgs{X: y, Shape: ints(shape...)}))
	},
}

// flat is a value as a vector.
func flat(b *mil.Builder, v *mil.Value) *mil.Value {
	return op.ReshapeIOS17.Add(b, op.ReshapeArgs{X: v, Shape: ints(-1)})
}

// whole32 is a value of any integer type as int32, which arithmetic wants.
func whole32(b *mil.Builder, v *mil.Value) *mil.Value {
	if v.Type.DType == tensor.Int32 {
		return v
	}
	return op.CastIOS17.Add(b, op.CastIOS17Args{X: v, DType: "int32"})
}
