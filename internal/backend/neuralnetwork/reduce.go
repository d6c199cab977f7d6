package neuralnetwork

import (
	"slices"

	"github.com/smelt-ml/smelt/mlmodel/spec"
)

var reduceRules = map[string]rule{
	"reduce_sum": reduction(spec.ReduceLayerParams_SUM, func(axes []int64, keep, all bool) layer {
		return layer{ReduceSum: spec.ReduceSumLayerParams_builder{Axes: axes, KeepDims: keep, ReduceAll: all}.Build()}
	}),
	"reduce_mean": reduction(spec.ReduceLayerParams_AVG, func(axes []int64, keep, all bool) layer {
		return layer{ReduceMean: spec.ReduceMeanLayerParams_builder{Axes: axes, KeepDims: keep, ReduceAll: all}.Build()}
	}),
	"reduce_prod": reduction(spec.ReduceLayerParams_PROD, func(axes []int64, keep, all bool) layer {
		return layer{ReduceProd: spec.ReduceProdLayerParams_builder{Axes: axes, KeepDims: keep, ReduceAll: all}.Build()}
	}),
	"reduce_max": reduction(spec.ReduceLayerParams_MAX, func(axes []int64, keep, all bool) layer {
		return layer{ReduceMax: spec.ReduceMaxLayerParams_builder{Axes: axes, KeepDims: keep, ReduceAll: all}.Build()}
	}),
	"reduce_min": reduction(spec.ReduceLayerParams_MIN, func(axes []int64, keep, all bool) layer {
		return layer{ReduceMin: spec.ReduceMinLayerParams_builder{Axes: axes, KeepDims: keep, ReduceAll: all}.Build()}
	}),
	"reduce_l1_norm": reduction(spec.ReduceLayerParams_L1, func(axes []int64, keep, all bool) layer {
		return layer{ReduceL1: spec.ReduceL1LayerParams_builder{Axes: axes, KeepDims: keep, ReduceAll: all}.Build()}
	}),
	"reduce_l2_norm": reduction(spec.ReduceLayerParams_L2, func(axes []int64, keep, all bool) layer {
		return layer{ReduceL2: spec.ReduceL2LayerParams_builder{Axes: axes, KeepDims: keep, ReduceAll: all}.Build()}
	}),
	"reduce_sum_square": reduction(spec.ReduceLayerParams_SUMSQUARE, func(axes []int64, keep, all bool) layer {
		return layer{ReduceSumSquare: spec.ReduceSumSquareLayerParams_builder{Axes: axes, KeepDims: keep, ReduceAll: all}.Build()}
	}),
	"reduce_log_sum": reduction(-1, func(axes []int64, keep, all bool) layer {
		return layer{ReduceLogSum: spec.ReduceLogSumLayerParams_builder{Axes: axes, KeepDims: keep, ReduceAll: all}.Build()}
	}),
	"reduce_log_sum_exp": reduction(-1, func(axes []int64, keep, all bool) layer {
		return layer{ReduceLogSumExp: spec.ReduceLogSumExpLayerParams_builder{Axes: axes, KeepDims: keep, ReduceAll: all}.Build()}
	}),
	"reduce_argmax": extremum(func(axis int64, remove bool) layer {
		return layer{ArgMax: spec.ArgMaxLayerParams_builder{Axis: axis, RemoveDim: remove}.Build()}
	}),
	"reduce_argmin": extremum(func(axis int64, remove bool) layer {
		return layer{ArgMin: spec.ArgMinLayerParams_builder{Axis: axis, RemoveDim: remove}.Build()}
	}),
	"argsort": func(w *writer, a args) {
		x := w.blob(a.Input("x"))
		w.give(a, w.emit(layer{ArgSort: spec.ArgSortLayerParams_builder{
			Axis: int64(axis(a.int("axis"), x.rank())), Descending: !a.bool("ascending"),
		}.Build()}, x.shape, x))
	},
	"topk": func(w *writer, a args) {
		x := w.blob(a.Input("x"))
		shape := w.shape(a.Outputs[0])
		w.give(a, w.emitN(layer{TopK: spec.TopKLayerParams_builder{
			Axis: int64(axis(a.int("axis"), x.rank())), K: uint64(shape[axis(a.int("axis"), len(shape))]), UseBottomK: a.bool("ascending"),
		}.Build()}, [][]int{shape, shape}, x)...)
	},
	"cumsum": func(w *writer, a args) {
		x := w.blob(a.Input("x"))
		w.give(a, w.emit(layer{CumSum: spec.CumSumLayerParams_builder{
			Axis: int64(axis(a.int("axis"), x.rank())), ExcludeFinalSum: a.bool("exclusive"), Reverse: a.bool("reverse"),
		}.Build()}, x.shape, x))
	},
}

// reduction has a layer for any axes, and one of old networks, unless its mode
// is negative, for those of pictures.
func reduction(mode spec.ReduceLayerParams_ReduceOperation, l func(axes []int64, keep, all bool) layer) rule {
	return func(w *writer, a args) {
		x := a.Input("x")
		rank := x.Type.Rank()
		var axes []int
		for _, n := range a.ints("axes") {
			axes = append(axes, axis(n, rank))
		}
		whole := axes == nil
		if whole {
			for i := range rank {
				axes = append(axes, i)
			}
		}
		if !w.rank5 {
			if b := w.blob(x); a.out().Rank() == 0 && rank > 0 { // which a blob cannot be
				ones := slices.Repeat([]int{1}, rank)
				w.give(a, w.as(w.emit(l(wide(axes), true, whole), ones, b), []int{1}))
			} else {
				w.give(a, w.emit(l(wide(axes), a.bool("keep_dims"), whole), w.shape(a.Outputs[0]), b))
			}
			return
		}
		b := w.read(x)
		if w.failure != nil {
			return
		}
		shape := slices.Clone(b.shape)
		var key [5]bool
		for _, n := range axes {
			place := pictureAxis(n, rank)
			key[place], shape[place] = true, 1
		}
		which, ok := map[[5]bool]spec.ReduceLayerParams_ReduceAxis{
			{2: true, 3: true, 4: true}: spec.ReduceLayerParams_CHW, {3: true, 4: true}: spec.ReduceLayerParams_HW,
			{2: true}: spec.ReduceLayerParams_C, {3: true}: spec.ReduceLayerParams_H, {4: true}: spec.ReduceLayerParams_W,
		}[key]
		if mode < 0 || !ok {
			w.fail("%w", errNone)
			return
		}
		w.give(a, w.emit(layer{Reduce: spec.ReduceLayerParams_builder{Mode: mode, Axis: which}.Build()}, shape, b))
	}
}

// extremum is the place of the greatest or the least element along an axis.
func extremum(l func(axis int64, remove bool) layer) rule {
	return func(w *writer, a args) {
		x := w.blob(a.Input("x"))
		remove := !a.bool("keep_dims") && x.rank() > 1
		w.give(a, w.emit(l(int64(axis(a.int("axis"), x.rank())), remove), w.shape(a.Outputs[0]), x))
	}
}
