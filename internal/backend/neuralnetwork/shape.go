package neuralnetwork

import (
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/mlmodel/spec"
)

var shapeRules = map[string]rule{
	"reshape":      reshape,
	"reshape_like": func(w *writer, a args) { w.give(a, w.formed(a)) },
	"expand_dims": func(w *writer, a args) {
		if x := w.blob(a.Input("x")); w.rank5 || a.out().IsStatic() || a.Input("x").Type.Rank() == 0 {
			w.give(a, w.formed(a))
		} else {
			w.give(a, w.emit(layer{ExpandDims: spec.ExpandDimsLayerParams_builder{Axes: wide(a.ints("axes"))}.Build()}, w.shape(a.Outputs[0]), x))
		}
	},
	"squeeze": func(w *writer, a args) {
		if x := w.blob(a.Input("x")); w.rank5 || a.out().IsStatic() {
			w.give(a, w.formed(a))
		} else {
			w.give(a, w.squeeze(x, a.ints("axes"), w.shape(a.Outputs[0])))
		}
	},
	"flatten2d": func(w *writer, a args) {
		if x := w.blob(a.Input("x")); w.rank5 || a.out().IsStatic() {
			w.give(a, w.formed(a))
		} else {
			w.give(a, w.emit(layer{FlattenTo2D: spec.FlattenTo2DLayerParams_builder{Axis: int64(a.int("axis"))}.Build()}, w.shape(a.Outputs[0]), x))
		}
	},
	"shape": func(w *writer, a args) {
		x := w.blob(a.Input("x"))
		w.give(a, w.emit(layer{GetShape: new(spec.GetShapeLayerParams)}, w.shape(a.Outputs[0]), x))
	},
	"transpose":      transpose,
	"space_to_depth": reorganize(spec.ReorganizeDataLayerParams_SPACE_TO_DEPTH, "block_size"),
	"depth_to_space": reorganize(spec.ReorganizeDataLayerParams_DEPTH_TO_SPACE, "block_size"),
	"pixel_shuffle":  reorganize(spec.ReorganizeDataLayerParams_PIXEL_SHUFFLE, "upscale_factor"),
	"reverse":        reverse,
	"reverse_sequence": func(w *writer, a args) {
		x := a.Input("x")
		rank := x.Type.Rank()
		b := w.blob(x)
		w.give(a, w.emit(layer{ReverseSeq: spec.ReverseSeqLayerParams_builder{
			BatchAxis: int64(axis(a.int("batch_axis"), rank)), SequenceAxis: int64(axis(a.int("seq_axis"), rank)),
		}.Build()}, b.shape, b, w.blob(a.Input("lengths"))))
	},
	"sliding_windows": func(w *writer, a args) {
		x := a.Input("x")
		w.give(a, w.emit(layer{SlidingWindows: spec.SlidingWindowsLayerParams_builder{
			Axis: int64(axis(a.int("axis"), x.Type.Rank())), WindowSize: uint64(a.int("size")), Step: uint64(a.int("stride")),
		}.Build()}, w.shape(a.Outputs[0]), w.blob(x)))
	},
	"band_part": func(w *writer, a args) {
		x := w.blob(a.Input("x"))
		w.give(a, w.emit(layer{MatrixBandPart: spec.MatrixBandPartLayerParams_builder{
			NumLower: int64(a.int("lower")), NumUpper: int64(a.int("upper")),
		}.Build()}, x.shape, x))
	},
}

// formed is x in the shape of the result. In the old form a blob is brought to
// another shape when it is read: often it has that already.
func (w *writer) formed(a args) *blob {
	x := w.blob(a.Input("x"))
	if w.rank5 {
		return x
	}
	return w.as(x, w.shape(a.Outputs[0]))
}

func (w *writer) squeeze(x *blob, axes []int, shape []int) *blob {
	return w.emit(layer{Squeeze: spec.SqueezeLayerParams_builder{Axes: wide(axes), SqueezeAll: axes == nil}.Build()}, shape, x)
}

// reshape has a layer for sizes that are known but for one, one for sizes that
// stay, and one for a shape that is data.
func reshape(w *writer, a args) {
	x, shape := a.Input("x"), a.Input("shape")
	if w.rank5 || a.out().IsStatic() {
		w.give(a, w.formed(a))
		return
	}
	b, out := w.blob(x), w.shape(a.Outputs[0])
	if shape.Const == nil {
		w.give(a, w.emit(layer{ReshapeDynamic: new(spec.ReshapeDynamicLayerParams)}, out, b, w.blob(shape)))
		return
	}
	if to, ok := oneUnknown(out); ok {
		w.give(a, w.emit(layer{ReshapeStatic: spec.ReshapeStaticLayerParams_builder{TargetShape: wide(to)}.Build()}, out, b))
		return
	}
	to := a.ints("shape")
	if len(to) != x.Type.Rank() {
		w.fail("more than one of its sizes is only known when it is run")
		return
	}
	w.give(a, w.emit(layer{RankPreservingReshape: spec.RankPreservingReshapeLayerParams_builder{TargetShape: wide(to)}.Build()}, out, b))
}

// transpose permutes axes. Old networks permute the sequence and the picture.
func transpose(w *writer, a args) {
	x := a.Input("x")
	rank := x.Type.Rank()
	perm := make([]int, rank)
	for i, n := range a.ints("perm") {
		perm[i] = axis(n, rank)
	}
	b := w.blob(x)
	if !w.rank5 {
		if rank == 0 || slices.IsSorted(perm) {
			w.give(a, b)
			return
		}
		w.give(a, w.emit(layer{Transpose: spec.TransposeLayerParams_builder{Axes: counts(perm...)}.Build()}, w.shape(a.Outputs[0]), b))
		return
	}
	// The axes of [C, H, W] or [N, C, H, W], among those of five.
	lead := 5 - rank
	five := []int{0, 1, 2, 3, 4}
	for i, p := range perm {
		five[i+lead] = p + lead
	}
	b = w.as(b, w.shape(x))
	if rank < 3 || five[1] != 1 || w.failure != nil {
		w.fail("%w", errNone)
		return
	}
	four := make([]int, 0, 4)
	shape := make([]int, 5)
	for i, p := range five {
		shape[i] = b.shape[p]
		if i == 1 {
			continue
		}
		if p > 0 {
			p--
		}
		four = append(four, p)
	}
	w.give(a, w.emit(layer{Permute: spec.PermuteLayerParams_builder{Axis: counts(four...)}.Build()}, shape, b))
}

// reorganize moves elements between the channels and blocks of pixels.
func reorganize(mode spec.ReorganizeDataLayerParams_ReorganizationType, size string) rule {
	return func(w *writer, a args) {
		x := w.images(a.Input("x"))
		if w.rank5 && mode == spec.ReorganizeDataLayerParams_PIXEL_SHUFFLE {
			w.fail("%w", errNone)
		}
		w.give(a, w.emit(layer{ReorganizeData: spec.ReorganizeDataLayerParams_builder{
			Mode: mode, BlockSize: uint64(a.int(size)),
		}.Build()}, w.shape(a.Outputs[0]), x))
	}
}

func reverse(w *writer, a args) {
	x := a.Input("x")
	rank := x.Type.Rank()
	flags := make([]bool, max(rank, 1))
	axes := a.ints("axes")
	for i := range flags {
		flags[i] = axes == nil
	}
	for _, n := range axes {
		flags[axis(n, rank)] = true
	}
	b := w.blob(x)
	w.give(a, w.emit(layer{Reverse: spec.ReverseLayerParams_builder{ReverseDim: flags}.Build()}, b.shape, b))
}

var shapeCompositions = map[string]composition{
	// [N, C, H·r, W·r] to [N, C·r·r, H, W], by way of [N·C, H, r, W, r].
	"pixel_unshuffle": func(w *writer, b *mil.Builder, a args) []*mil.Value {
		x, r := a.Input("x"), a.int("downscale_factor")
		if !x.Type.IsStatic() || r < 1 || !a.out().IsStatic() {
			w.fail("its sizes are only known when it is run")
			return nil
		}
		s := x.Type.Shape
		y := op.ReshapeIOS17.Add(b, op.ReshapeArgs{X: x, Shape: ints(s[0]*s[1], s[2]/r, r, s[3]/r, r)})
		y = op.TransposeIOS17.Add(b, op.TransposeArgs{X: y, Perm: []int{0, 2, 4, 1, 3}})
		return one(op.ReshapeIOS17.Add(b, op.ReshapeArgs{X: y, Shape: ints(a.out().Shape...)}))
	},
	"space_to_batch": func(w *writer, b *mil.Builder, a args) []*mil.Value {
		x, block, pads := a.Input("x"), a.ints("block_shape"), a.ints("paddings")
		if !x.Type.IsStatic() || x.Type.Rank() != len(block)+2 {
			w.fail("its sizes are only known when it is run, or it has other dimensions than blocks")
			return nil
		}
		x = op.Pad.Add(b, op.PadArgs{X: x, Pad: ints(pads...), Mode: "constant"})
		for i := len(block) - 1; i >= 0; i-- {
			x = blocks(b, x, i+2, block[i])
		}
		return one(x)
	},
	"batch_to_space": func(w *writer, b *mil.Builder, a args) []*mil.Value {
		x, block, crops := a.Input("x"), a.ints("block_shape"), a.ints("crops")
		if !x.Type.IsStatic() || x.Type.Rank() != len(block)+2 {
			w.fail("its sizes are only known when it is run, or it has other dimensions than blocks")
			return nil
		}
		for i, n := range block {
			x = unblocks(b, x, i+2, n)
		}
		if b.Err() != nil {
			return nil
		}
		begin, size := make([]int, 2, len(block)+2), slices.Clone(x.Type.Shape[:2])
		for i := range block {
			begin = append(begin, crops[2*i])
			size = append(size, x.Type.Shape[i+2]-crops[2*i]-crops[2*i+1])
		}
		return one(op.SliceBySizeIOS17.Add(b, op.SliceBySizeArgs{X: x, Begin: ints(begin...), Size: ints(size...)}))
	},
}

// blocks moves the place within blocks of an axis of [N, C, H, W] to the front
// of the batch.
func blocks(b *mil.Builder, x *mil.Value, at, n int) *mil.Value {
	if b.Err() != nil {
		return x
	}
	s := x.Type.Shape
	split := slices.Insert(slices.Clone(s), at+1, n)
	split[at] = s[at] / n
	x = op.ReshapeIOS17.Add(b, op.ReshapeArgs{X: x, Shape: ints(split...)})
	perm := []int{at + 1}
	for i := range split {
		if i != at+1 {
			perm = append(perm, i)
		}
	}
	x = op.TransposeIOS17.Add(b, op.TransposeArgs{X: x, Perm: perm})
	to := slices.Clone(s)
	to[0], to[at] = s[0]*n, s[at]/n
	return op.ReshapeIOS17.Add(b, op.ReshapeArgs{X: x, Shape: ints(to...)})
}

// unblocks is the inverse of blocks.
func unblocks(b *mil.Builder, x *mil.Value, at, n int) *mil.Value {
	if b.Err() != nil {
		return x
	}
	s := x.Type.Shape
	x = op.ReshapeIOS17.Add(b, op.ReshapeArgs{X: x, Shape: ints(append([]int{n, s[0] / n}, s[1:]...)...)})
	var perm []int
	for i := range s {
		if perm = append(perm, i+1); i == at {
			perm = append(perm, 0)
		}
	}
	x = op.TransposeIOS17.Add(b, op.TransposeArgs{X: x, Perm: perm})
	to := slices.Clone(s)
	to[0], to[at] = s[0]/n, s[at]*n
	return op.ReshapeIOS17.Add(b, op.ReshapeArgs{X: x, Shape: ints(to...)})
}
