package neuralnetwork

import (
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

var resizeRules = map[string]rule{
	"upsample_nearest_neighbor": func(w *writer, a args) {
		w.upsample(a, []float32{a.float("scale_factor_height"), a.float("scale_factor_width")}, spec.UpsampleLayerParams_builder{Mode: spec.UpsampleLayerParams_NN})
	},
	"upsample_bilinear": func(w *writer, a args) {
		l := spec.UpsampleLayerParams_builder{Mode: spec.UpsampleLayerParams_BILINEAR}
		half := a.tensor("half_pixel_centers")
		switch {
		case a.bool("align_corners"):
			l.LinearUpsampleMode = spec.UpsampleLayerParams_ALIGN_CORNERS_TRUE
		case half == nil || half.Bools()[0]:
			l.LinearUpsampleMode = spec.UpsampleLayerParams_ALIGN_CORNERS_FALSE
		}
		if l.LinearUpsampleMode == spec.UpsampleLayerParams_ALIGN_CORNERS_TRUE && a.out().IsStatic() {
			w.resized(a, spec.SamplingMode_STRICT_ALIGN_ENDPOINTS_MODE) // which older systems have
			return
		}
		w.upsample(a, []float32{a.float("scale_factor_height"), a.float("scale_factor_width")}, l)
	},
	"resize_bilinear": func(w *writer, a args) {
		if mode, ok := sampling[a.string("sampling_mode")]; ok {
			w.resized(a, mode)
			return
		}
		in, out := a.Input("x").Type.Shape, a.out().Shape
		n := len(out)
		w.upsample(a, []float32{float32(out[n-2]) / float32(in[n-2]), float32(out[n-1]) / float32(in[n-1])},
			spec.UpsampleLayerParams_builder{Mode: spec.UpsampleLayerParams_BILINEAR, LinearUpsampleMode: spec.UpsampleLayerParams_ALIGN_CORNERS_FALSE})
	},
	"resize_nearest_neighbor": func(w *writer, a args) {
		in, out := a.Input("x").Type.Shape, a.out().Shape
		n := len(out)
		w.upsample(a, []float32{float32(out[n-2] / in[n-2]), float32(out[n-1] / in[n-1])}, spec.UpsampleLayerParams_builder{Mode: spec.UpsampleLayerParams_NN})
	},
	"crop_resize": cropResize,
}

// sampling names the modes of sampling as layers do.
var sampling = map[string]spec.SamplingMode_Method{
	"STRICT_ALIGN_CORNERS": spec.SamplingMode_STRICT_ALIGN_ENDPOINTS_MODE,
	"ALIGN_CORNERS":        spec.SamplingMode_ALIGN_ENDPOINTS_MODE,
	"DEFAULT":              spec.SamplingMode_UPSAMPLE_MODE,
	"OFFSET_CORNERS":       spec.SamplingMode_ROI_ALIGN_MODE,
}

// whole returns factors as integers, if they are such.
func whole(scale []float32) ([]int, bool) {
	out := make([]int, len(scale))
	for i, s := range scale {
		if out[i] = int(s); float32(out[i]) != s || s < 1 {
			return nil, false
		}
	}
	return out, true
}

// upsample scales pictures; by whole numbers on older systems, too.
func (w *writer) upsample(a args, scale []float32, l spec.UpsampleLayerParams_builder) {
	x := a.Input("x")
	if x.Type.Rank() < 3 {
		w.fail("an input of %d dimensions, want at least 3", x.Type.Rank())
		return
	}
	b := w.read(x)
	if ns, ok := whole(scale); ok {
		l.ScalingFactor = counts(ns...)
	} else if l.FractionalScalingFactor = scale; w.rank5 {
		w.fail("%w", errNone)
		return
	}
	if w.rank5 && l.LinearUpsampleMode != spec.UpsampleLayerParams_DEFAULT {
		w.fail("%w", errNone)
		return
	}
	w.give(a, w.emit(layer{Upsample: l.Build()}, w.shape(a.Outputs[0]), b))
}

// resized gives pictures a fixed size.
func (w *writer) resized(a args, mode spec.SamplingMode_Method) {
	x := a.Input("x")
	out := a.out().Shape
	n := len(out)
	if n < 3 || out[n-2] < 0 || out[n-1] < 0 {
		w.fail("the size of its output is only known when it is run")
		return
	}
	b := w.read(x)
	w.give(a, w.emit(layer{ResizeBilinear: spec.ResizeBilinearLayerParams_builder{
		TargetSize: counts(out[n-2:]...), Mode: spec.SamplingMode_builder{SamplingMethod: mode}.Build(),
	}.Build()}, w.shape(a.Outputs[0]), b))
}

var resizeCompositions = map[string]composition{
	"resize": func(w *writer, b *mil.Builder, a args) []*mil.Value { return w.resampled(b, a) },
	"resize_bilinear": func(w *writer, b *mil.Builder, a args) []*mil.Value {
		if _, ok := sampling[a.string("sampling_mode")]; ok && a.out().Rank() > 2 || w.multiple(a) {
			return nil
		}
		return w.resampled(b, a)
	},
	"resize_nearest_neighbor": func(w *writer, b *mil.Builder, a args) []*mil.Value {
		if w.multiple(a) {
			return nil
		}
		return w.resampled(b, a)
	},
	"upsample_bilinear": func(w *writer, b *mil.Builder, a args) []*mil.Value {
		scale := []float32{a.float("scale_factor_height"), a.float("scale_factor_width")}
		if _, ok := whole(scale); ok && a.out().Rank() > 2 || !a.out().IsStatic() || a.bool("align_corners") && a.out().Rank() > 2 {
			return nil
		}
		return w.resampled(b, a)
	},
	"upsample_nearest_neighbor": func(w *writer, b *mil.Builder, a args) []*mil.Value {
		scale := []float32{a.float("scale_factor_height"), a.float("scale_factor_width")}
		if _, ok := whole(scale); ok && a.out().Rank() > 2 || !a.out().IsStatic() {
			return nil
		}
		return w.resampled(b, a)
	},
}

// multiple tells sizes that are multiples of those before.
func (w *writer) multiple(a args) bool {
	in, out := a.Input("x").Type.Shape, a.out().Shape
	n := len(out)
	if n < 3 || len(in) != n {
		return false
	}
	for i := n - 2; i < n; i++ {
		if in[i] < 1 || out[i] < 1 || out[i]%in[i] != 0 {
			return false
		}
	}
	return true
}

// resampled resizes by what makes each row and each column: an element of x, or
// a mean of two, which is a product with a matrix of weights.
func (w *writer) resampled(b *mil.Builder, a args) []*mil.Value {
	bound, err := a.def.Bind(a.Node, nil)
	if err != nil {
		w.fail("%w", err)
		return nil
	}
	r, ok := bound.(op.Resizer)
	x := a.Input("x")
	if !ok || !x.Type.IsStatic() || !a.out().IsStatic() || x.Type.Rank() < 2 || tensor.Size(x.Type.Shape) == 0 {
		w.fail("its sizes are only known when it is run")
		return nil
	}
	rows, cols, ok := r.Taps(a.out().Shape)
	if !ok {
		w.fail("it resizes more than the last two dimensions")
		return nil
	}
	n := x.Type.Rank()
	x = w.along(b, x, n-2, rows)
	return one(w.along(b, x, n-1, cols))
}

func (w *writer) along(b *mil.Builder, x *mil.Value, at int, t op.Taps) *mil.Value {
	if b.Err() != nil || w.failure != nil {
		return x
	}
	in := x.Type.Shape[at]
	if t.Hi == nil {
		identity := len(t.Lo) == in
		for i, n := range t.Lo {
			identity = identity && i == n
		}
		if identity {
			return x
		}
		return op.GatherIOS17.Add(b, op.GatherIOS17Args{X: x, Indices: ints(t.Lo...), Axis: at})
	}
	out := len(t.Lo)
	if in*out > maxFold {
		w.fail("the matrix that resizes %d elements to %d is too large", in, out)
		return x
	}
	m := make([]float32, in*out) // [in, out]
	for i := range out {
		m[t.Lo[i]*out+i] += float32(1 - t.W[i])
		m[t.Hi[i]*out+i] += float32(t.W[i])
	}
	weights := mil.NewConst("", tensor.New(x.Type.DType, []int{in, out}, m))
	last := x.Type.Rank() - 1
	perm := make([]int, last+1)
	for i := range perm {
		perm[i] = i
	}
	if at == last {
		return op.Matmul.Add(b, op.MatmulArgs{X: x, Y: weights})
	}
	perm[at], perm[last] = last, at
	x = op.TransposeIOS17.Add(b, op.TransposeArgs{X: x, Perm: perm})
	x = op.Matmul.Add(b, op.MatmulArgs{X: x, Y: weights})
	return op.TransposeIOS17.Add(b, op.TransposeArgs{X: x, Perm: perm})
}

// cropResize cuts boxes out of pictures and gives them one size. The layer has
// the pictures as [1, N, C, H, W] and the boxes, behind the numbers of their
// pictures, as [B, 1, 5, 1, 1].
func cropResize(w *writer, a args) {
	x := a.Input("x")
	mode, ok := sampling[a.string("sampling_mode")]
	switch {
	case !ok:
		w.fail("no layer samples by %s", a.string("sampling_mode"))
		return
	case a.number("pad_value", 0) != 0:
		w.fail("no layer has a pad_value")
		return
	case !x.Type.IsStatic() || w.rank5:
		w.fail("the size of its pictures is only known when it is run")
		return
	}
	var boxes *blob
	var n int
	if roi := a.Input("roi"); roi != nil { // [B, 4 or 5, …]
		if !roi.Type.IsStatic() {
			w.fail("the number of its boxes is only known when it is run")
			return
		}
		n = roi.Type.Shape[0]
		boxes = w.as(w.blob(roi), []int{n, 1, tensor.Size(roi.Type.Shape) / max(n, 1), 1, 1})
	} else {
		v, which := a.Input("boxes"), a.Input("box_indices")
		if !v.Type.IsStatic() {
			w.fail("the number of its boxes is only known when it is run")
			return
		}
		n = v.Type.Shape[0]
		if which == nil {
			each := make([]int32, n) // box i is one of picture i
			for i := range each {
				each[i] = int32(i)
			}
			which = mil.NewConst("", tensor.Ints([]int{n}, each))
		}
		at := w.as(w.blob(which), []int{n, 1, 1, 1, 1})
		boxes = w.as(w.blob(v), []int{n, 1, 4, 1, 1})
		boxes = w.emit(layer{ConcatND: spec.ConcatNDLayerParams_builder{Axis: 2}.Build()}, []int{n, 1, 5, 1, 1}, at, boxes)
	}
	s := x.Type.Shape
	corners := spec.BoxCoordinatesMode_Coordinates(spec.BoxCoordinatesMode_Coordinates_value[a.string("box_coordinate_mode")])
	h, v := a.int("target_height"), a.int("target_width")
	images := 1
	if boxes.rank() == 5 && boxes.shape[2] == 4 {
		images = s[0]
	}
	y := w.emit(layer{CropResize: spec.CropResizeLayerParams_builder{
		TargetSize: counts(h, v), NormalizedCoordinates: a.bool("normalized_coordinates"), SpatialScale: a.float("spatial_scale"),
		BoxIndicesMode: spec.BoxCoordinatesMode_builder{BoxMode: corners}.Build(),
		Mode:           spec.SamplingMode_builder{SamplingMethod: mode}.Build(),
	}.Build()}, []int{n, images, s[1], h, v}, w.as(w.blob(x), append([]int{1}, s...)), boxes)
	w.give(a, w.as(y, w.shape(a.Outputs[0])))
}
