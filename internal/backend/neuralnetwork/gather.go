package neuralnetwork

import (
	"slices"
	"strings"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

var gatherRules = map[string]rule{
	"gather": gather,
	"gather_nd": func(w *writer, a args) {
		in := []*blob{w.blob(a.Input("x")), w.blob(a.Input("indices"))}
		w.give(a, w.atLeastOne(a, w.emit(layer{GatherND: new(spec.GatherNDLayerParams)}, w.shape(a.Outputs[0]), in...)))
	},
	"gather_along_axis": func(w *writer, a args) {
		x := a.Input("x")
		w.give(a, w.emit(layer{GatherAlongAxis: spec.GatherAlongAxisLayerParams_builder{
			Axis: int64(axis(a.int("axis"), x.Type.Rank())),
		}.Build()}, w.shape(a.Outputs[0]), w.blob(x), w.blob(a.Input("indices"))))
	},
	"scatter": func(w *writer, a args) {
		data, indices, updates := a.Input("data"), a.Input("indices"), w.blob(a.Input("updates"))
		at := axis(a.int("axis"), data.Type.Rank())
		if s := updates.shape; indices.Type.Rank() == 0 { // a vector of one here
			if updates.rank() < data.Type.Rank() {
				updates = w.as(updates, inserted(s, at))
			}
		}
		w.give(a, w.emit(layer{Scatter: spec.ScatterLayerParams_builder{Axis: int64(at), Mode: scatterMode(a)}.Build()},
			w.shape(a.Outputs[0]), w.blob(data), w.blob(indices), updates))
	},
	"scatter_nd": func(w *writer, a args) {
		w.give(a, w.emit(layer{ScatterND: spec.ScatterNDLayerParams_builder{Mode: scatterMode(a)}.Build()},
			w.shape(a.Outputs[0]), w.blob(a.Input("data")), w.blob(a.Input("indices")), w.blob(a.Input("updates"))))
	},
	"scatter_along_axis": func(w *writer, a args) {
		data := a.Input("data")
		w.give(a, w.emit(layer{ScatterAlongAxis: spec.ScatterAlongAxisLayerParams_builder{
			Axis: int64(axis(a.int("axis"), data.Type.Rank())), Mode: scatterMode(a),
		}.Build()}, w.shape(a.Outputs[0]), w.blob(data), w.blob(a.Input("indices")), w.blob(a.Input("updates"))))
	},
	"non_zero": func(w *writer, a args) {
		w.give(a, w.emit(layer{WhereNonZero: new(spec.WhereNonZeroLayerParams)}, w.shape(a.Outputs[0]), w.blob(a.Input("x"))))
	},
	"one_hot":                 oneHot,
	"non_maximum_suppression": suppress,
	"network_nms":             suppress,
}

func scatterMode(a args) spec.ScatterMode {
	return spec.ScatterMode(spec.ScatterMode_value["SCATTER_"+strings.ToUpper(a.string("mode"))])
}

// gather takes slices along an axis. One index is a vector of one here.
func gather(w *writer, a args) {
	x, indices := a.Input("x"), a.Input("indices")
	at := axis(a.int("axis"), x.Type.Rank())
	out := w.shape(a.Outputs[0])
	shape := out
	if indices.Type.Rank() == 0 {
		shape = slices.Clone(w.shape(x))
		shape[at] = 1
	}
	y := w.emit(layer{Gather: spec.GatherLayerParams_builder{Axis: int64(at)}.Build()}, shape, w.blob(x), w.blob(indices))
	if indices.Type.Rank() == 0 && x.Type.Rank() > 1 {
		if y.rank() == len(out)+1 && !a.out().IsStatic() {
			y = w.squeeze(y, []int{at}, out)
		} else {
			y = w.as(y, out)
		}
	}
	w.give(a, y)
}

// oneHot makes a vector of each index.
func oneHot(w *writer, a args) {
	indices, size := a.Input("indices"), a.Input("one_hot_vector_size")
	on, off := float32(1), float32(0)
	if t := a.tensor("on_value"); t != nil {
		on = single(t)[0]
	}
	if t := a.tensor("off_value"); t != nil {
		off = single(t)[0]
	}
	l := spec.OneHotLayerParams_builder{Axis: int64(a.int("axis")), OnValue: on, OffValue: off}
	in := []*blob{w.blob(indices)}
	if size.Const != nil {
		l.OneHotVectorSize = uint64(a.int("one_hot_vector_size"))
	} else {
		in = append(in, w.blob(size))
	}
	out := w.shape(a.Outputs[0])
	if indices.Type.Rank() > 0 {
		w.give(a, w.emit(layer{OneHot: l.Build()}, out, in...))
		return
	}
	l.Axis = -1
	w.give(a, w.as(w.emit(layer{OneHot: l.Build()}, append([]int{1}, out...), in...), out))
}

// suppress selects boxes; thresholds may be data.
func suppress(w *writer, a args) {
	in := []*blob{w.blob(a.Input("boxes")), w.blob(a.Input("scores"))}
	l := spec.NonMaximumSuppressionLayerParams_builder{
		IouThreshold: a.float("iou_threshold"), ScoreThreshold: a.float("score_threshold"), MaxBoxes: uint64(max(a.int("max_boxes"), 0)),
		PerClassSuppression: a.bool("per_class_suppression"),
	}
	last := 0
	names := []string{"iou_threshold", "score_threshold", "max_boxes"}
	for i, name := range names {
		if v := a.Input(name); v != nil && v.Const == nil {
			last = i + 1
		}
	}
	for _, name := range names[:last] {
		in = append(in, w.blob(a.Input(name)))
	}
	shapes := make([][]int, 4)
	for i := range shapes {
		if i < len(a.Outputs) {
			shapes[i] = w.shape(a.Outputs[i])
		}
	}
	w.give(a, w.emitN(layer{NonMaximumSuppression: l.Build()}, shapes, in...)...)
}

var gatherCompositions = map[string]composition{
	// Since iOS 17 boxes and scores lie along the last axis.
	"non_maximum_suppression": func(w *writer, b *mil.Builder, a args) []*mil.Value {
		if a.def.Since < mil.IOS17 {
			return nil
		}
		swap := func(v *mil.Value) *mil.Value {
			return op.TransposeIOS17.Add(b, op.TransposeArgs{X: v, Perm: []int{0, 2, 1}})
		}
		out := op.NetworkNMS.AddN(b, op.NetworkNMSArgs{
			Boxes: swap(a.Input("boxes")), Scores: swap(a.Input("scores")), IOUThreshold: number(a.Input("boxes"), a.float("iou_threshold")),
			ScoreThreshold: number(a.Input("boxes"), -3e38), MaxBoxes: mil.NewConst("", tensor.Scalar(tensor.Int32, int32(a.int("max_boxes")))),
			PerClassSuppression: a.bool("per_class_suppression"),
		})
		if len(out) != 4 {
			return nil
		}
		return []*mil.Value{swap(out[0]), swap(out[1]), out[2], out[3]}
	},
	// Batches are gathered from by indices into all of them, one after another.
	"gather": func(w *writer, b *mil.Builder, a args) []*mil.Value {
		n := a.int("batch_dims")
		if n == 0 {
			if y := w.byCodes(b, a); y != nil {
				return one(y)
			}
			return nil
		}
		x, indices := a.Input("x"), a.Input("indices")
		rank := x.Type.Rank()
		at := axis(a.int("axis"), rank)
		if !x.Type.IsStatic() || !indices.Type.IsStatic() || !a.out().IsStatic() {
			w.fail("batches whose sizes are only known when it is run")
			return nil
		}
		// The axis is brought behind the batches, and the result's back.
		perm := []int{}
		for i := range n {
			perm = append(perm, i)
		}
		perm = append(perm, at)
		for i := n; i < rank; i++ {
			if i != at {
				perm = append(perm, i)
			}
		}
		x = op.TransposeIOS17.Add(b, op.TransposeArgs{X: x, Perm: perm})
		if b.Err() != nil {
			return nil
		}
		s := x.Type.Shape
		batches := tensor.Size(s[:n])
		flat := op.ReshapeIOS17.Add(b, op.ReshapeArgs{X: x, Shape: ints(append([]int{batches * s[n]}, s[n+1:]...)...)})
		y := op.GatherIOS17.Add(b, op.GatherIOS17Args{X: flat, Indices: w.offset(b, indices, n, s[n]), Axis: 0})
		// [batches, indices, rest before the axis, rest after it]
		k := indices.Type.Rank() - n
		back := []int{}
		for i := range n {
			back = append(back, i)
		}
		for i := range at - n {
			back = append(back, n+k+i)
		}
		for i := range k {
			back = append(back, n+i)
		}
		for i := at - n; i < rank-n-1; i++ {
			back = append(back, n+k+i)
		}
		return one(op.TransposeIOS17.Add(b, op.TransposeArgs{X: y, Perm: back}))
	},
	"gather_nd": func(w *writer, b *mil.Builder, a args) []*mil.Value {
		n := a.int("batch_dims")
		if n == 0 {
			return nil
		}
		x, indices := a.Input("x"), a.Input("indices")
		if !x.Type.IsStatic() || !indices.Type.IsStatic() || indices.Type.Rank() <= n {
			w.fail("batches whose sizes are only known when it is run")
			return nil
		}
		// The places of the batches are put before the indices.
		s := indices.Type.Shape
		parts := []*mil.Value{}
		for i := range n {
			shape := slices.Clone(s)
			shape[len(shape)-1] = 1
			data := make([]int32, tensor.Size(shape))
			inner := tensor.Size(shape[i+1:])
			for j := range data {
				data[j] = int32(j / inner % shape[i])
			}
			parts = append(parts, mil.NewConst("", tensor.Ints(shape, data)))
		}
		all := op.Concat.Add(b, op.ConcatArgs{Values: append(parts, whole32(b, indices)), Axis: -1})
		return one(op.GatherNdIOS17.Add(b, op.GatherNdIOS17Args{X: x, Indices: all}))
	},
}

// byCodes gathers from a constant of codes of 8 bits that have a scale for each
// slice: codes are loaded and gathered as such, and scaled behind. That is nil for
// any other constant.
func (w *writer) byCodes(b *mil.Builder, a args) *mil.Value {
	x, indices := a.Input("x"), a.Input("indices")
	n := w.expanded[x]
	if n == nil || indices.Const != nil {
		return nil
	}
	at := axis(a.int("axis"), x.Type.Rank())
	var data, offset *tensor.Tensor
	scale := n.Input("scale")
	switch n.Op {
	case "constexpr_affine_dequantize":
		data, offset = n.Input("quantized_data").Const, n.Input("zero_point").Const
		if axis(integers(n.Input("axis").Const)[0], x.Type.Rank()) != at {
			return nil
		}
	case "constexpr_blockwise_shift_scale":
		data = n.Input("data").Const
		if v := n.Input("offset"); v != nil {
			offset = v.Const
		}
		if scale.Type.Shape[at] != scale.Const.Len() {
			return nil
		}
	default:
		return nil
	}
	size := x.Type.Shape[at]
	if d := data.DType(); d != tensor.Int8 && d != tensor.Uint8 || scale.Const.Len() != size || size < 2 || offset != nil && offset.Len() != 1 && offset.Len() != size {
		return nil
	}
	codes := mil.NewConst(x.Name, tensor.Floats(x.Type.Shape, single(data)))
	w.expanded[codes] = op.ConstexprAffineDequantize.Node(a.Name, &op.ConstexprAffineDequantizeArgs{
		QuantizedData: data, ZeroPoint: tensor.Zeros(data.DType(), nil), Scale: tensor.Floats(nil, []float32{1}),
	})
	gathered := func(v *mil.Value) *mil.Value {
		return op.GatherIOS17.Add(b, op.GatherIOS17Args{X: v, Indices: indices, Axis: at})
	}
	each := func(t *tensor.Tensor) *mil.Value {
		if t.Len() == 1 {
			return mil.NewConst("", tensor.Floats(nil, single(t)))
		}
		shape := slices.Repeat([]int{1}, x.Type.Rank())
		shape[at] = size
		return gathered(mil.NewConst("", tensor.Floats(shape, single(t))))
	}
	y := gathered(codes)
	if offset != nil && slices.ContainsFunc(single(offset), func(z float32) bool { return z != 0 }) {
		y = op.Sub.Add(b, op.Binary{X: y, Y: each(offset)})
	}
	return op.Mul.Add(b, op.Binary{X: y, Y: each(scale.Const)})
}

// offset makes indices into batches such into all of them: plus size times the
// number of the batch. Negative ones are counted from the end of theirs.
func (w *writer) offset(b *mil.Builder, indices *mil.Value, n, size int) *mil.Value {
	indices = op.Mod.Add(b, op.Binary{X: whole32(b, indices), Y: mil.NewConst("", tensor.Scalar(tensor.Int32, int32(size)))})
	if b.Err() != nil {
		return indices
	}
	shape := slices.Repeat([]int{1}, indices.Type.Rank())
	copy(shape, indices.Type.Shape[:n])
	data := make([]int32, tensor.Size(shape))
	for i := range data {
		data[i] = int32(i * size)
	}
	return op.Add.Add(b, op.Binary{X: indices, Y: mil.NewConst("", tensor.Ints(shape, data))})
}
