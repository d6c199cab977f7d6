package neuralnetwork

import (
	"slices"

	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

var joinRules = map[string]rule{"concat": concat, "split": split, "stack": stack, "tile": tile}

// pictureAxis is the place, among five, of an axis of a value of a rank.
func pictureAxis(at, rank int) int {
	if rank == 1 || rank == 2 {
		return at + 3 - rank
	}
	return at + 5 - rank
}

// concat joins blobs along an axis; old networks along the channels or the
// sequence.
func concat(w *writer, a args) {
	var in []*blob
	rank := a.out().Rank()
	for _, v := range a.list("values") {
		if v.Const != nil && v.Const.Len() == 0 {
			continue
		}
		in = append(in, w.read(v))
	}
	shape := w.shape(a.Outputs[0])
	at := axis(a.int("axis"), rank)
	switch {
	case len(in) == 0:
		w.fail("its result is empty")
	case len(in) == 1:
		w.give(a, in[0])
	case !w.rank5:
		w.give(a, w.emit(layer{ConcatND: spec.ConcatNDLayerParams_builder{
			Axis: int64(at), Interleave: a.bool("interleave"),
		}.Build()}, shape, in...))
	default:
		place := pictureAxis(at, rank)
		if place != 2 && place != 0 || a.bool("interleave") {
			w.fail("%w", errNone)
			return
		}
		w.give(a, w.emit(layer{Concat: spec.ConcatLayerParams_builder{SequenceConcat: place == 0}.Build()}, shape, in...))
	}
}

// split cuts a blob into parts; old networks the channels into equal ones.
func split(w *writer, a args) {
	x := a.Input("x")
	rank := x.Type.Rank()
	at := axis(a.int("axis"), rank)
	b := w.read(x)
	if len(a.Outputs) == 1 {
		w.give(a, b)
		return
	}
	shapes := make([][]int, len(a.Outputs))
	sizes := make([]int, len(a.Outputs))
	for i, v := range a.Outputs {
		shapes[i], sizes[i] = w.shape(v), v.Type.Shape[at]
	}
	if w.rank5 {
		if pictureAxis(at, rank) != 2 || slices.Max(sizes) != slices.Min(sizes) {
			w.fail("%w", errNone)
			return
		}
		w.give(a, w.emitN(layer{Split: spec.SplitLayerParams_builder{NOutputs: uint64(len(sizes))}.Build()}, shapes, b)...)
		return
	}
	l := spec.SplitNDLayerParams_builder{Axis: int64(at), NumSplits: uint64(len(sizes))}
	if !slices.ContainsFunc(sizes, negative) {
		l.SplitSizes = counts(sizes...)
	}
	w.give(a, w.emitN(layer{SplitND: l.Build()}, shapes, b)...)
}

// stack joins blobs along a new axis; numbers, which are vectors here, along
// the one that they have.
func stack(w *writer, a args) {
	var in []*blob
	for _, v := range a.list("values") {
		in = append(in, w.blob(v))
	}
	shape := w.shape(a.Outputs[0])
	at := axis(a.int("axis"), a.out().Rank())
	switch {
	case len(in) == 1:
		w.give(a, w.as(in[0], shape))
	case a.out().Rank() == 1:
		w.give(a, w.emit(layer{ConcatND: spec.ConcatNDLayerParams_builder{Axis: 0}.Build()}, shape, in...))
	default:
		w.give(a, w.emit(layer{Stack: spec.StackLayerParams_builder{Axis: int64(at)}.Build()}, shape, in...))
	}
}

func tile(w *writer, a args) {
	x, reps := a.Input("x"), a.Input("reps")
	b, shape := w.blob(x), w.shape(a.Outputs[0])
	if reps.Const == nil {
		w.give(a, w.emit(layer{Tile: new(spec.TileLayerParams)}, shape, b, w.blob(reps)))
		return
	}
	ns := a.ints("reps")
	if len(ns) == 0 || tensor.Size(ns) == 1 {
		w.give(a, b)
		return
	}
	w.give(a, w.emit(layer{Tile: spec.TileLayerParams_builder{Reps: counts(ns...)}.Build()}, shape, b))
}
