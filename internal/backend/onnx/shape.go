package onnx

import (
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// shapes are the operators that move, repeat or make elements.
var shapes = map[string]rule{
	"band_part":       bandPart,
	"batch_to_space":  batchToSpace,
	"concat":          concat,
	"crop":            crop,
	"depth_to_space":  depthToSpace,
	"expand_dims":     expandDims,
	"fill":            fill,
	"fill_like":       fillLike,
	"flatten2d":       flatten2d,
	"pad":             pad,
	"pixel_shuffle":   pixelShuffle,
	"pixel_unshuffle": pixelUnshuffle,
	"range_1d":        range1d,
	"reshape":         reshape,
	"reshape_like":    reshapeLike,
	"reverse":         reverse,
	"shape":           shapeOf,
	"sliding_windows": slidingWindows,
	"space_to_batch":  spaceToBatch,
	"space_to_depth":  spaceToDepth,
	"split":           split,
	"squeeze":         squeeze,
	"stack":           stack,
	"tile":            tile,
	"transpose":       transpose,
}

// bandPart keeps a lower and an upper triangle. ONNX Runtime has these of few
// types.
func bandPart(w *writer, c *call) []*val {
	x := c.in("x")
	y := x
	if x.dtype == tensor.Int32 {
		y = w.cast(x, tensor.Int64)
	}
	if n := c.int("lower"); n >= 0 {
		y = w.add("Trilu", []*val{y, w.int(-n)}, attr{"upper", 1})
	}
	if n := c.int("upper"); n >= 0 {
		y = w.add("Trilu", []*val{y, w.int(n)}, attr{"upper", 0})
	}
	return one(w.cast(y, x.dtype))
}

// blocks returns the sides of a block and the margins around an image.
func (c *call) blocks(margins string) (bh, bw int, m []int) {
	b := c.numbers("block_shape")
	m = c.numbers(margins)
	if len(b) != 2 || len(m) != 4 || slices.Min(b) < 1 {
		c.w.fail("blocks %v with margins %v", b, m)
		return 1, 1, make([]int, 4)
	}
	return b[0], b[1], m
}

// sized is one size of a value as a vector.
func (w *writer) sized(v *val, axis int) *val { return w.slice(w.shape(v), 0, axis, axis+1) }

func spaceToBatch(w *writer, c *call) []*val {
	x, s := c.in("x"), c.dims("x")
	bh, bw, p := c.blocks("paddings")
	out := c.out(0).Shape
	if len(s) != 4 || len(out) != 4 {
		return w.fail("x of rank %d", len(s))
	}
	if slices.Max(p) > 0 {
		x = w.add("Pad", []*val{x, w.ints(0, 0, p[0], p[2], 0, 0, p[1], p[3])})
	}
	if slices.Min(s) < 0 {
		n, h, v := w.sized(x, 0), w.div(w.sized(x, 2), w.int(bh)), w.div(w.sized(x, 3), w.int(bw))
		x = w.add("Reshape", []*val{x, w.concat(0, n, w.sized(x, 1), h, w.ints(bh), v, w.ints(bw))})
		sizes := w.concat(0, w.mul(n, w.int(bh*bw)), w.ints(-1), h, v)
		return one(w.add("Reshape", []*val{w.transpose(x, 3, 5, 0, 1, 2, 4), sizes}))
	}
	x = w.reshape(x, s[0], s[1], out[2], bh, out[3], bw)
	return one(w.reshape(w.transpose(x, 3, 5, 0, 1, 2, 4), out...))
}

func batchToSpace(w *writer, c *call) []*val {
	x, s := c.in("x"), c.dims("x")
	bh, bw, m := c.blocks("crops")
	out := c.out(0).Shape
	if len(s) != 4 || len(out) != 4 {
		return w.fail("x of rank %d", len(s))
	}
	if slices.Min(s) < 0 {
		n, h, v := w.sized(x, 0), w.sized(x, 2), w.sized(x, 3)
		n = w.div(n, w.int(bh*bw))
		x = w.add("Reshape", []*val{x, w.concat(0, w.ints(bh, bw), n, w.sized(x, 1), h, v)})
		sizes := w.concat(0, n, w.ints(-1), w.mul(h, w.int(bh)), w.mul(v, w.int(bw)))
		x = w.add("Reshape", []*val{w.transpose(x, 2, 3, 4, 0, 5, 1), sizes})
		return one(w.cropped(x, 2, m[:2], m[2:]))
	}
	x = w.transpose(w.reshape(x, bh, bw, out[0], s[1], s[2], s[3]), 2, 3, 4, 0, 5, 1)
	return one(w.cropped(w.reshape(x, out[0], s[1], s[2]*bh, s[3]*bw), 2, m[:2], m[2:]))
}

func depthToSpace(w *writer, c *call) []*val {
	return one(w.add("DepthToSpace", []*val{c.in("x")}, attr{"blocksize", c.int("block_size")}, attr{"mode", "DCR"}))
}

func pixelShuffle(w *writer, c *call) []*val {
	return one(w.add("DepthToSpace", []*val{c.in("x")}, attr{"blocksize", c.int("upscale_factor")}, attr{"mode", "CRD"}))
}

func spaceToDepth(w *writer, c *call) []*val {
	return one(w.add("SpaceToDepth", []*val{c.in("x")}, attr{"blocksize", c.int("block_size")}))
}

func pixelUnshuffle(w *writer, c *call) []*val {
	x, s, f := c.in("x"), c.dims("x"), c.int("downscale_factor")
	if len(s) != 4 || f < 1 || slices.Min(s[1:]) < 0 {
		return w.fail("the shape of x is only known when it is run")
	}
	x = w.transpose(w.reshape(x, s[0], s[1], s[2]/f, f, s[3]/f, f), 0, 1, 3, 5, 2, 4)
	return one(w.reshape(x, s[0], s[1]*f*f, s[2]/f, s[3]/f))
}

// concat joins scalars to a vector. Interleaved, it joins along a new axis
// after the given one, which is then flattened into it.
func concat(w *writer, c *call) []*val {
	values := c.list("values")
	if len(values) == 0 {
		return w.fail("without values")
	}
	rank := -1
	for _, in := range c.Inputs {
		if in.Name != "values" {
			continue
		}
		for _, v := range in.Values {
			if v.Type.AnyRank {
				return w.fail("the rank of a value is only known when it is run")
			}
			rank = v.Type.Rank()
		}
	}
	if rank == 0 {
		for i, v := range values {
			values[i] = w.unsqueeze(v, 0)
		}
		return one(w.concat(0, values...))
	}
	axis := c.axis(c.int("axis"), rank)
	if !c.flag("interleave") {
		return one(w.concat(axis, values...))
	}
	out := c.out(0).Shape
	for i, v := range values {
		values[i] = w.unsqueeze(v, axis+1)
	}
	return one(w.reshape(w.concat(axis+1, values...), out...))
}

func stack(w *writer, c *call) []*val {
	values, rank := c.list("values"), 0
	for _, in := range c.Inputs {
		if in.Name == "values" && len(in.Values) > 0 {
			rank = in.Values[0].Type.Rank()
		}
	}
	axis := c.axis(c.int("axis"), rank+1)
	for i, v := range values {
		values[i] = w.unsqueeze(v, axis)
	}
	if len(values) == 0 {
		return w.fail("without values")
	}
	return one(w.concat(axis, values...))
}

func crop(w *writer, c *call) []*val {
	h, v := c.numbers("crop_height"), c.numbers("crop_width")
	s := c.dims("x")
	if len(h) != 2 || len(v) != 2 || len(s) < 2 {
		return w.fail("crop %v and %v", h, v)
	}
	return one(w.cropped(c.in("x"), len(s)-2, h, v))
}

// cropped cuts borders off axes, from one on: before and after each.
func (w *writer) cropped(x *val, axis int, cuts ...[]int) *val {
	var from, to, axes []int
	for i, k := range cuts {
		if k[0] == 0 && k[1] == 0 {
			continue
		}
		end := -k[1]
		if end == 0 {
			end = toEnd
		}
		from, to, axes = append(from, k[0]), append(to, end), append(axes, axis+i)
	}
	if len(axes) == 0 {
		return x
	}
	return w.add("Slice", []*val{x, w.ints(from...), w.ints(to...), w.ints(axes...)})
}

func expandDims(w *writer, c *call) []*val { return one(w.unsqueeze(c.in("x"), c.numbers("axes")...)) }

// squeeze leaves axes alone that have another size than 1.
func squeeze(w *writer, c *call) []*val {
	x, s := c.in("x"), c.dims("x")
	given := c.numbers("axes")
	var axes []int
	if given == nil {
		for i, d := range s {
			if d < 0 { // ONNX finds them when it is run
				return one(w.add("Squeeze", []*val{x}))
			}
			if d == 1 {
				axes = append(axes, i)
			}
		}
	}
	for _, a := range given {
		if a = c.axis(a, len(s)); len(s) > 0 && (s[a] == 1 || s[a] < 0) {
			axes = append(axes, a)
		}
	}
	return one(w.squeeze(x, axes...))
}

// filled makes a tensor of one value.
func (w *writer) filled(shape *val, value *tensor.Tensor) *val {
	if value.Len() != 1 {
		w.fail("want one value to fill with, have %s", value)
		return shape
	}
	d := w.dtype(value.DType())
	t, err := converted(value.Reshape([]int{1}), d)
	if err != nil {
		w.fail("%w", err)
		return shape
	}
	return w.add("ConstantOfShape", []*val{shape}, attr{"value", t}).as(d)
}

func (c *call) fillValue() *tensor.Tensor {
	if t := c.tensor("value"); t != nil {
		return t
	}
	return tensor.Scalar(tensor.Float32, float32(0))
}

func fill(w *writer, c *call) []*val { return one(w.filled(c.sizes("shape"), c.fillValue())) }

func fillLike(w *writer, c *call) []*val {
	return one(w.filled(w.shape(c.in("ref_tensor")), c.fillValue()))
}

func flatten2d(w *writer, c *call) []*val {
	axis := c.int("axis")
	if axis != c.rank("x") {
		axis = c.axis(axis, c.rank("x"))
	}
	return one(w.add("Flatten", []*val{c.in("x")}, attr{"axis", axis}))
}

// pad has the elements before and after each of the last dimensions.
func pad(w *writer, c *call) []*val {
	x, rank := c.in("x"), c.rank("x")
	var pads *val
	if v := c.Input("pad"); v != nil && v.Const != nil {
		given := c.numbers("pad")
		n := len(given) / 2
		if len(given)%2 != 0 || n > rank {
			return w.fail("%d numbers for rank %d", len(given), rank)
		}
		all := make([]int, 2*rank)
		for i := range n {
			all[rank-n+i], all[2*rank-n+i] = given[2*i], given[2*i+1]
		}
		pads = w.ints(all...)
	} else {
		s := c.dims("pad")
		if len(s) != 1 || s[0] < 0 || s[0]%2 != 0 || s[0] > 2*rank {
			return w.fail("the number of its pads is only known when it is run")
		}
		n := s[0] / 2
		pairs := w.transpose(w.reshape(w.cast(c.in("pad"), tensor.Int64), n, 2), 1, 0)
		if n < rank {
			zeros := w.initializer(tensor.New(tensor.Int64, []int{2, rank - n}, make([]int64, 2*(rank-n))), tensor.Int64)
			pairs = w.concat(1, zeros, pairs)
		}
		pads = w.reshape(pairs, -1)
	}
	mode := c.text("mode")
	switch mode {
	case "constant":
		return one(w.add("Pad", []*val{x, pads, c.alike(c.float("constant_val"), x)}))
	case "replicate":
		mode = "edge"
	}
	return one(w.add("Pad", []*val{x, pads}, attr{"mode", mode}))
}

// range1d takes scalars, which a program may have as vectors of one.
func range1d(w *writer, c *call) []*val {
	at := func(name string) *val {
		v := c.in(name)
		if t := c.Input(name); t != nil && t.Type.Rank() > 0 {
			v = w.reshape(v)
		}
		return v
	}
	return one(w.add("Range", []*val{at("start"), at("end"), at("step")}))
}

// reshape writes the result's own shape where it is known. Else zeros take
// dimensions over: of the same place before iOS 17, counted from the end since.
func reshape(w *writer, c *call) []*val {
	x, out := c.in("x"), c.out(0)
	if out.IsStatic() {
		return one(w.reshape(x, out.Shape...))
	}
	v := c.Input("shape")
	if v == nil || v.Const == nil {
		return one(w.add("Reshape", []*val{x, c.sizes("shape")}))
	}
	want := c.numbers("shape")
	from := c.dims("x")
	for i, d := range want {
		if d != 0 {
			continue
		}
		j := i
		if c.def.Since >= mil.IOS17 {
			j = len(from) - len(want) + i
		}
		switch {
		case j < 0 || j >= len(from):
			want[i] = 1
		case from[j] > 0:
			want[i] = from[j]
		case j != i || from[j] == 0:
			return w.fail("a size that is only known when it is run")
		}
	}
	return one(w.add("Reshape", []*val{x, w.ints(want...)}))
}

// reshapeLike joins ranges of the sizes of other tensors.
func reshapeLike(w *writer, c *call) []*val {
	x := c.in("x")
	if out := c.out(0); out.IsStatic() {
		return one(w.reshape(x, out.Shape...))
	}
	values := func(name string) (out []int) {
		for _, in := range c.Inputs {
			if in.Name == name {
				for _, v := range in.Values {
					if t, err := w.known(v); err == nil && t.DType() == tensor.Bool && t.Len() == 1 {
						out = append(out, map[bool]int{true: 1}[t.Bools()[0]])
					} else if err == nil && t.Len() == 1 && t.DType() != tensor.String {
						out = append(out, int(t.Float64s()[0]))
					}
				}
			}
		}
		return out
	}
	refs, begins, ends, masks := c.list("ref_tensors"), values("begins"), values("ends"), values("end_masks")
	if len(begins) != len(refs) || len(ends) != len(refs) || len(masks) != len(refs) || len(refs) == 0 {
		return w.fail("its arguments do not go together")
	}
	var parts []*val
	for i, r := range refs {
		end := ends[i]
		if masks[i] != 0 {
			end = toEnd
		}
		parts = append(parts, w.slice(w.shape(r), 0, begins[i], end))
	}
	return one(w.add("Reshape", []*val{x, w.concat(0, parts...)}))
}

// turned reverses axes.
func (w *writer) turned(v *val, axes ...int) *val {
	n := len(axes)
	return w.add("Slice", []*val{v, w.ints(repeat(-1, n)...), w.ints(repeat(-toEnd, n)...), w.ints(axes...), w.ints(repeat(-1, n)...)})
}

func reverse(w *writer, c *call) []*val {
	axes := c.axes(c.rank("x"))
	if len(axes) == 0 {
		return one(c.in("x"))
	}
	return one(w.turned(c.in("x"), axes...))
}

func shapeOf(w *writer, c *call) []*val { return one(w.shape(c.in("x"))) }

// slidingWindows gathers the elements of each window.
func slidingWindows(w *writer, c *call) []*val {
	s := c.dims("x")
	axis, size, stride := c.axis(c.int("axis"), len(s)), c.int("size"), c.int("stride")
	if len(s) == 0 || size < 1 || stride < 1 {
		return w.fail("windows of %d, %d apart", size, stride)
	}
	var at *val
	first := w.initializer(tensor.Ints([]int{1, size}, ramp(size, 1)), tensor.Int32)
	if s[axis] >= 0 {
		n := (s[axis]-size)/stride + 1
		if _, err := tensor.CheckShape([]int{n, size}); err != nil || n < 1 {
			return w.fail("windows of %d over %d", size, s[axis])
		}
		at = w.initializer(tensor.Ints([]int{n, 1}, ramp(n, stride)), tensor.Int32)
	} else {
		length := w.gather(w.shape(c.in("x")), w.int(axis), 0)
		at = w.add("Range", []*val{w.int(0), w.less(length, w.int(size-1)), w.int(stride)})
		at = w.cast(w.unsqueeze(at, 1), tensor.Int32)
	}
	return one(w.gather(c.in("x"), w.sum(at, first), axis))
}

// ramp returns 0, step, 2·step, …
func ramp(n, step int) []int32 {
	out := make([]int32, n)
	for i := range out {
		out[i] = int32(i * step)
	}
	return out
}

// split writes the sizes of the parts where they are known; else ONNX cuts
// into equal ones.
func split(w *writer, c *call) []*val {
	rank := c.rank("x")
	axis := c.axis(c.int("axis"), rank)
	in, attrs := []*val{c.in("x")}, []attr{{"axis", axis}}
	sizes := c.numbers("split_sizes")
	if sizes == nil {
		for _, v := range c.Outputs {
			if v.Type.AnyRank || axis >= v.Type.Rank() || v.Type.Shape[axis] < 0 {
				sizes = nil
				break
			}
			sizes = append(sizes, v.Type.Shape[axis])
		}
	}
	if sizes != nil {
		in = append(in, w.ints(sizes...))
	} else if w.opset >= 18 {
		attrs = append(attrs, attr{"num_outputs", len(c.Outputs)})
	}
	return w.addN("Split", len(c.Outputs), in, attrs...)
}

func tile(w *writer, c *call) []*val { return one(w.add("Tile", []*val{c.in("x"), c.sizes("reps")})) }

func transpose(w *writer, c *call) []*val {
	rank := c.rank("x")
	perm := c.numbers("perm")
	for i, a := range perm {
		perm[i] = c.axis(a, rank)
	}
	return one(w.transpose(c.in("x"), perm...))
}
