package onnx

import (
	"fmt"
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

// samplings read images at points between their elements.
var samplings = map[string]rule{
	"affine":                    affine,
	"crop_resize":               cropResize,
	"resample":                  resample,
	"resize":                    resize,
	"resize_bilinear":           resizeBilinear,
	"resize_nearest_neighbor":   resizeNearest,
	"upsample_bilinear":         upsampleBilinear,
	"upsample_nearest_neighbor": upsampleNearest,
}

// resized gives dimensions the sizes of the result: by the coordinates of ONNX
// where it has them, else by products with matrices that hold the weights.
func (w *writer) resized(c *call, mode string, nearest, round bool) []*val {
	x, out, in := c.in("x"), c.out(0), c.dims("x")
	rank := len(in)
	transform := map[string]string{"DEFAULT": "asymmetric", "STRICT_ALIGN_CORNERS": "align_corners", "UNALIGN_CORNERS": "half_pixel"}[mode]
	if whole := out.IsStatic() && rank == len(out.Shape) && slices.Min(append([]int{1}, in...)) >= 0; whole {
		single, outer := false, false // a single sample, axes before the last two
		for i, d := range out.Shape {
			single = single || d == 1 && in[i] != 1
			outer = outer || i < rank-2 && d != in[i]
		}
		if mode == "ALIGN_CORNERS" && !single {
			transform = "align_corners"
		}
		if transform == "" || transform == "align_corners" && (nearest || single) || outer || rank != 4 || !x.dtype.IsFloat() {
			return w.interpolated(x, in, out.Shape, mode, nearest, round)
		}
	}
	if transform == "" {
		return w.fail("its sampling_mode %s, where the shape of x is only known when it is run", mode)
	}
	attrs := []attr{{"coordinate_transformation_mode", transform}, {"mode", "linear"}}
	if nearest {
		how := "floor"
		if round {
			how = "round_prefer_ceil"
		}
		attrs[1].value = "nearest"
		attrs = append(attrs, attr{"nearest_mode", how})
	}
	var sizes *val
	switch {
	case out.IsStatic():
		sizes = w.ints(out.Shape...)
	case rank >= 2 && !out.AnyRank && len(out.Shape) == rank && out.Shape[rank-2] >= 0 && out.Shape[rank-1] >= 0:
		sizes = w.concat(0, w.slice(w.shape(x), 0, 0, rank-2), w.ints(out.Shape[rank-2:]...))
	case c.Input("scale_factor_height") != nil || c.Input("scale_factor_width") != nil:
		scales := slices.Repeat([]float32{1}, max(rank, 2))
		scales[len(scales)-2], scales[len(scales)-1] = float32(c.float("scale_factor_height")), float32(c.float("scale_factor_width"))
		return one(w.add("Resize", []*val{x, nil, w.floats(scales, tensor.Float32, len(scales))}, attrs...))
	case c.Op == "resize":
		k := c.int("resized_dims")
		if k < 0 || k > rank {
			return w.fail("resized_dims %d", k)
		}
		whole, last := w.shape(x), w.slice(c.sizes("shape"), 0, -k, toEnd)
		tail := w.slice(whole, 0, rank-k, toEnd)
		last = w.where(w.add("Equal", []*val{last, w.int(0)}), tail, last) // a 0 keeps a size
		sizes = w.concat(0, w.slice(whole, 0, 0, rank-k), last)
	default:
		return w.fail("the shape of its result is only known when it is run")
	}
	return one(w.add("Resize", []*val{x, nil, nil, sizes}, attrs...))
}

// interpolated resizes one axis after the other, by what the operator's
// reference takes for each sample.
func (w *writer) interpolated(x *val, in, out []int, mode string, nearest, round bool) []*val {
	rank := len(in)
	for i := rank - 1; i >= 0; i-- {
		if in[i] == out[i] {
			continue
		}
		t, err := taps(in[i], out[i], mode, nearest, round)
		if err != nil {
			return w.fail("%w", err)
		}
		switch {
		case t.W == nil:
			x = w.gather(x, w.ints(t.Lo...), i)
			continue
		case !x.dtype.IsFloat():
			return w.fail("of %s", x.dtype)
		}
		m, err := matrix(t, in[i], i == rank-1)
		if err != nil {
			return w.fail("%w", err)
		}
		weights := w.initializer(m, x.dtype)
		switch {
		case i == rank-1:
			x = w.matmul(x, weights)
		case i == rank-2:
			x = w.matmul(weights, x)
		default: // the axis comes second to last
			perm := iota(rank)
			perm[i], perm[rank-2] = rank-2, i
			x = w.transpose(w.matmul(weights, w.transpose(x, perm...)), perm...)
		}
	}
	return one(x)
}

// taps says where the samples of an axis come from.
func taps(n, size int, mode string, nearest, round bool) (op.Taps, error) {
	if _, err := tensor.CheckShape([]int{size}); err != nil || n < 1 {
		return op.Taps{}, fmt.Errorf("%d samples of %d elements", size, n)
	}
	x := &mil.Value{Type: mil.TensorType(tensor.Float32, 1, n)}
	var r op.Resizer
	switch {
	case nearest && !round:
		r = &op.UpsampleNearestNeighborArgs{X: x}
	case nearest:
		r = &op.ResizeArgs{X: x, InterpolationMode: "NEAREST_NEIGHBOR", SamplingMode: mode}
	default:
		r = &op.ResizeArgs{X: x, InterpolationMode: "LINEAR", SamplingMode: mode}
	}
	_, cols, ok := r.Taps([]int{1, size})
	if !ok || len(cols.Lo) != size {
		return op.Taps{}, fmt.Errorf("%d samples of %d elements", size, n)
	}
	return cols, nil
}

// matrix holds the weights of the elements of an axis for each sample: a row
// for each, or transposed a column.
func matrix(t op.Taps, n int, transposed bool) (*tensor.Tensor, error) {
	size, err := tensor.CheckShape([]int{len(t.Lo), n})
	if err != nil {
		return nil, err
	}
	out := make([]float32, size)
	put := func(i, at int, v float64) {
		if transposed {
			out[at*len(t.Lo)+i] += float32(v)
		} else {
			out[i*n+at] += float32(v)
		}
	}
	for i, lo := range t.Lo {
		put(i, lo, 1-t.W[i])
		put(i, t.Hi[i], t.W[i])
	}
	if transposed {
		return tensor.Floats([]int{n, len(t.Lo)}, out), nil
	}
	return tensor.Floats([]int{len(t.Lo), n}, out), nil
}

func resizeBilinear(w *writer, c *call) []*val {
	return w.resized(c, c.text("sampling_mode"), false, false)
}

func resizeNearest(w *writer, c *call) []*val { return w.resized(c, "UNALIGN_CORNERS", true, true) }

func upsampleNearest(w *writer, c *call) []*val { return w.resized(c, "DEFAULT", true, false) }

func upsampleBilinear(w *writer, c *call) []*val {
	mode := "UNALIGN_CORNERS"
	switch {
	case c.flag("align_corners"):
		mode = "STRICT_ALIGN_CORNERS"
	case c.Input("half_pixel_centers") != nil && !c.flag("half_pixel_centers"):
		mode = "DEFAULT"
	}
	return w.resized(c, mode, false, false)
}

func resize(w *writer, c *call) []*val {
	mode := c.text("sampling_mode")
	nearest := c.text("interpolation_mode") == "NEAREST_NEIGHBOR"
	if nearest && mode == "DEFAULT" {
		mode = "UNALIGN_CORNERS"
	}
	if in := c.dims("x"); slices.Equal(in, c.out(0).Shape) && c.out(0).IsStatic() {
		return one(c.in("x"))
	}
	return w.resized(c, mode, nearest, true)
}

// grid reads a point from a pair of normalized coordinates, column and row, by
// GridSample, to which a point p of n is (2p + 1)/n - 1, or 2p/(n - 1) - 1 if
// images are mirrored in the middle of their outer elements. points is [B, H,
// W, 2] in elements.
func (w *writer) grid(x, points *val, height, width int, mode, padding string, outside float64) *val {
	attrs := []attr{{"mode", mode}}
	var scale, shift []float32
	n := []int{width, height}
	points = w.cast(points, x.dtype)
	if mode == "nearest" && (padding == "reflection" || padding == "symmetric") {
		// Here a point is mirrored, then rounded; in ONNX Runtime the other way round.
		points, padding = w.mirrored(points, n, padding), "border"
	}
	switch padding {
	case "constant":
		attrs = append(attrs, attr{"padding_mode", "zeros"})
	case "border":
		attrs = append(attrs, attr{"padding_mode", "border"})
	default:
		attrs = append(attrs, attr{"padding_mode", "reflection"})
	}
	if padding == "reflection" {
		attrs = append(attrs, attr{"align_corners", 1})
		for _, d := range n {
			s := float32(0) // of a single element all points are the same
			if d > 1 {
				s = 2 / float32(d-1)
			}
			scale, shift = append(scale, s), append(shift, -1)
		}
	} else {
		for _, d := range n {
			scale, shift = append(scale, 2/float32(d)), append(shift, 1/float32(d)-1)
		}
	}
	g := w.sum(w.mul(points, w.floats(scale, x.dtype, 2)), w.floats(shift, x.dtype, 2))
	if padding == "constant" && outside != 0 {
		y := w.add("GridSample", []*val{w.less(x, w.number(outside, x.dtype)), g}, attrs...)
		return w.sum(y, w.number(outside, x.dtype))
	}
	return w.add("GridSample", []*val{x, g}, attrs...)
}

// mirrored reflects points at the outer elements of axes of n elements, or at
// their edges, and brings them to an element.
func (w *writer) mirrored(points *val, n []int, padding string) *val {
	var low, span, turn []float32
	for _, d := range n {
		l, s := float32(0), float32(d-1)
		if padding == "symmetric" {
			l, s = -0.5, float32(d)
		}
		// Of a single element all points are the same: within any span.
		low, span, turn = append(low, l), append(span, s), append(turn, 2*max(s, 1))
	}
	d := points.dtype
	past := w.add("Mod", []*val{w.add("Abs", []*val{w.less(points, w.floats(low, d, 2))}), w.floats(turn, d, 2)}, attr{"fmod", 1})
	past = w.add("Min", []*val{past, w.less(w.floats(turn, d, 2), past)})
	past = w.add("Min", []*val{past, w.floats(span, d, 2)})
	return w.add("Round", []*val{w.sum(past, w.floats(low, d, 2))})
}

// image returns the sizes of images, which must be known.
func (c *call) image() (height, width int) {
	s := c.dims("x")
	if len(s) != 4 || s[2] < 1 || s[3] < 1 {
		c.w.fail("the size of its images is only known when it is run")
		return 1, 1
	}
	return s[2], s[3]
}

func resample(w *writer, c *call) []*val {
	x, h, v := c.in("x"), 0, 0
	h, v = c.image()
	points := w.cast(c.in("coordinates"), x.dtype)
	size := []float32{float32(v), float32(h)}
	unit := func(scale, shift float64) { // of normalized coordinates that were scaled and shifted
		points = w.sum(w.mul(points, w.number(scale, x.dtype)), w.number(shift, x.dtype))
	}
	mode := c.text("coordinates_mode")
	if mode == "normalized_minus_one_to_one" {
		unit(0.5, 0.5)
	}
	switch {
	case mode == "unnormalized":
	case c.flag("align_corners"):
		points = w.mul(points, w.floats([]float32{size[0] - 1, size[1] - 1}, x.dtype, 2))
	default:
		points = w.less(w.mul(points, w.floats(size, x.dtype, 2)), w.number(0.5, x.dtype))
	}
	return one(w.grid(x, points, h, v, c.text("sampling_mode"), c.text("padding_mode"), c.float("padding_value")))
}

// affine multiplies the points of the result, each with a one, by the matrix.
func affine(w *writer, c *call) []*val {
	x, out := c.in("x"), c.out(0).Shape
	height, width := c.image()
	h, v := c.int("output_height"), c.int("output_width")
	size, err := tensor.CheckShape([]int{h, v, 3})
	if err != nil || size == 0 || len(out) != 4 {
		return w.fail("a result of %d×%d", h, v)
	}
	even := func(i, n int) float32 {
		if n == 1 {
			return 0
		}
		return 2*float32(i)/float32(n-1) - 1
	}
	places := make([]float32, 0, size)
	for i := range h {
		for j := range v {
			places = append(places, even(j, v), even(i, h), 1)
		}
	}
	m := w.reshape(c.in("transform_matrix"), -1, 2, 3)
	points := w.matmul(w.floats(places, x.dtype, 1, h*v, 3), w.transpose(m, 0, 2, 1)) // [1 or B, H·W, 2], from -1 to 1
	half := w.floats([]float32{float32(width-1) / 2, float32(height-1) / 2}, x.dtype, 2)
	points = w.reshape(w.mul(w.sum(points, w.number(1, x.dtype)), half), -1, h, v, 2)
	if m := c.dims("transform_matrix"); len(m) != 2 || m[0] != out[0] {
		points = w.add("Expand", []*val{points, w.concat(0, w.slice(w.shape(x), 0, 0, 1), w.ints(h, v, 2))})
	}
	return one(w.grid(x, points, height, width, "bilinear", c.text("padding_mode"), c.float("padding_value")))
}

// cropResize gathers for every box its image, and reads it at the points of
// gridPoints in mil/op between the corners; what lies outside of the image is a
// constant.
func cropResize(w *writer, c *call) []*val {
	x, s := c.in("x"), c.dims("x")
	height, width := c.image()
	if w.err != nil {
		return nil
	}
	d := x.dtype
	number := func(v float64) *val { return w.number(v, d) }
	var boxes, images *val // [N, 4], and [N] or nil for all
	var times *val         // boxes are cut out of so many images each
	if c.Input("boxes") != nil {
		boxes = w.cast(c.in("boxes"), d)
		switch n := c.dims("boxes"); {
		case c.Input("box_indices") != nil:
			images = w.cast(c.in("box_indices"), tensor.Int64)
		case len(n) == 2 && n[0] >= 0:
			images = w.slice(w.ints(iota(n[0])...), 0, 0, n[0])
		default:
			images = w.add("Range", []*val{w.int(0), w.gather(w.shape(boxes), w.int(0), 0), w.int(1)})
		}
	} else {
		roi := c.dims("roi")
		times = w.ints(1)
		if len(roi) != 5 || roi[2] != 4 && roi[2] != 5 {
			return w.fail("boxes of a shape that is only known when it is run")
		}
		boxes = w.reshape(c.in("roi"), -1, roi[2])
		switch {
		case roi[2] == 5:
			images = w.reshape(w.cast(w.slice(boxes, 1, 0, 1), tensor.Int64), -1)
			boxes = w.slice(boxes, 1, 1, 5)
		case s[0] == 1:
			images = w.filled(w.sized(boxes, 0), scalar(0, tensor.Int64))
		default: // every box for every image
			times = w.sized(x, 0)
			all := w.add("Range", []*val{w.int(0), w.reshape(w.mul(w.sized(boxes, 0), times)), w.int(1)})
			boxes, images = w.gather(boxes, w.div(all, times), 0), w.add("Mod", []*val{all, times})
		}
	}
	corner := func(i int) *val { return w.slice(boxes, 1, i, i+1) }
	a, b, e, f := corner(0), corner(1), corner(2), corner(3)
	mode := c.text("box_coordinate_mode")
	if mode == "CORNERS_WIDTH_FIRST" || mode == "CENTER_SIZE_WIDTH_FIRST" {
		a, b, e, f = b, a, f, e
	}
	top, left, bottom, right := a, b, e, f
	if mode == "CENTER_SIZE_HEIGHT_FIRST" || mode == "CENTER_SIZE_WIDTH_FIRST" {
		hh, hw := w.mul(e, number(0.5)), w.mul(f, number(0.5))
		top, left, bottom, right = w.less(a, hh), w.less(b, hw), w.sum(a, hh), w.sum(b, hw)
	}
	scaled := func(v *val, n int) *val {
		k := c.float("spatial_scale")
		if c.flag("normalized_coordinates") {
			k *= float64(n - 1)
		}
		return w.mul(v, number(k))
	}
	h, v := c.int("target_height"), c.int("target_width")
	rows := w.between(c, scaled(top, height), scaled(bottom, height), height, h)
	cols := w.between(c, scaled(left, width), scaled(right, width), width, v)
	if w.err != nil {
		return nil
	}
	// [N, H, W, 2]: the column, then the row.
	sizes := w.concat(0, w.sized(rows, 0), w.ints(h, v))
	y := w.add("Expand", []*val{w.unsqueeze(rows, 2), sizes})
	z := w.add("Expand", []*val{w.unsqueeze(cols, 1), sizes})
	points := w.concat(3, w.unsqueeze(z, 3), w.unsqueeze(y, 3))
	cut := w.grid(w.gather(x, images, 0), points, height, width, "bilinear", "border", 0)
	in := func(v *val, n int) *val {
		return w.add("And", []*val{w.add("GreaterOrEqual", []*val{v, number(0)}), w.add("LessOrEqual", []*val{v, number(float64(n - 1))})})
	}
	inside := w.unsqueeze(w.add("And", []*val{in(y, height), in(z, width)}), 1)
	outside := 0.0
	if c.Input("pad_value") != nil {
		outside = c.float("pad_value")
	}
	cut = w.where(inside, cut, number(outside))
	if c.Input("boxes") == nil {
		cut = w.add("Reshape", []*val{cut, w.concat(0, w.ints(-1), times, w.sized(x, 1), w.ints(h, v))})
	}
	return one(cut)
}

// between returns out points between two corners, [N, 1] each, along an axis of
// n elements: [N, out].
func (w *writer) between(c *call, first, last *val, n, out int) *val {
	d := first.dtype
	number := func(v float64) *val { return w.number(v, d) }
	if _, err := tensor.CheckShape([]int{out}); err != nil || out < 1 {
		w.fail("a size of %d", out)
		return first
	}
	mode := c.text("sampling_mode")
	if mode == "UNALIGN_CORNERS" { // as the reference has it, for a box the wrong way round beyond the image
		wrong := w.add("And", []*val{w.add("Less", []*val{last, first}), w.add("Greater", []*val{first, number(float64(n - 1))})})
		first, last = w.where(wrong, number(0), first), w.where(wrong, number(float64(n-1)), last)
	}
	span := w.less(last, first)
	parts, start, from := float64(out), 0.0, first
	var step *val
	switch mode {
	case "STRICT_ALIGN_CORNERS", "ALIGN_CORNERS":
		if out == 1 {
			if step = w.mul(span, number(0)); mode == "ALIGN_CORNERS" {
				from = w.sum(first, w.mul(span, number(0.5)))
			}
		} else {
			step = w.mul(span, number(1/(parts-1)))
		}
	case "OFFSET_CORNERS":
		step, start = w.mul(w.add("Max", []*val{number(1), span}), number(1/parts)), 0.5
	case "UNALIGN_CORNERS":
		step, start = w.mul(w.sum(span, number(1)), number(1/parts)), 0.5
		from = w.less(first, number(0.5))
	default:
		step = w.mul(w.sum(span, number(1)), number(1/parts))
	}
	places := make([]float32, out)
	for i := range places {
		places[i] = float32(float64(i) + start)
	}
	points := w.sum(w.mul(step, w.floats(places, d, 1, out)), from)
	low, high := w.add("Min", []*val{first, last}), w.add("Max", []*val{first, last})
	return w.add("Min", []*val{w.add("Max", []*val{points, low}), high})
}
