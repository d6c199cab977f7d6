package onnx

import (
	"fmt"
	"math"
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

// Operators that read pictures at points that are computed.
var samplingRules = table{
	"GridSample":        always(gridSample),
	"AffineGrid":        always(affineGrid),
	"RoiAlign":          always(roiAlign),
	"DeformConv":        always(deformConv),
	"Col2Im":            always(col2Im),
	"NonMaxSuppression": always(nonMaxSuppression),
}

// points are places in pictures: for each axis the coordinate, [N, P].
type points struct {
	dims    []int
	at      []*mil.Value
	mode    string // linear, nearest or cubic
	padding string // zeros, border or reflection
	aligned bool   // for reflection: in the middle of the outer elements
}

// corners calls f with each element that points are made of, [N, C, P], and its
// weight, [N, 1, P]. x is [N, C, elements].
func (b *Builder) corners(x *mil.Value, p points, f func(v, weight *mil.Value)) {
	channels := x.Type.Shape[1]
	type tap struct{ index, weight, inside *mil.Value }
	axes := make([][]tap, len(p.dims))
	for i, at := range p.at {
		size := p.dims[i]
		var places []*mil.Value // as floats
		var weights []*mil.Value
		switch p.mode {
		case "nearest":
			places, weights = one(op.Round.Add(b.Builder, op.Unary{X: at})), []*mil.Value{nil}
		case "cubic":
			first := op.Floor.Add(b.Builder, op.Unary{X: at})
			t := b.sub(at, first)
			for k := -1; k <= 2; k++ {
				places = append(places, b.add(first, b.number(float64(k), first)))
				weights = append(weights, b.cubicWeight(b.sub(t, b.number(float64(k), t)), k == 0 || k == 1))
			}
		default:
			first := op.Floor.Add(b.Builder, op.Unary{X: at})
			t := b.sub(at, first)
			places = []*mil.Value{first, b.add(first, b.number(1, first))}
			weights = []*mil.Value{b.sub(b.number(1, t), t), t}
		}
		for k, place := range places {
			var inside *mil.Value
			switch p.padding {
			case "zeros":
				lo := op.GreaterEqual.Add(b.Builder, op.Binary{X: place, Y: b.number(0, place)})
				hi := op.LessEqual.Add(b.Builder, op.Binary{X: place, Y: b.number(float64(size-1), place)})
				inside = op.LogicalAnd.Add(b.Builder, op.Binary{X: lo, Y: hi})
			case "reflection":
				place = b.reflected(place, size, p.aligned)
			}
			place = b.within(place, size)
			axes[i] = append(axes[i], tap{b.cast(place, tensor.Int32), weights[k], inside})
		}
	}
	var walk func(axis int, index, weight *mil.Value)
	walk = func(axis int, index, weight *mil.Value) {
		if b.Err() != nil {
			return
		}
		if axis == len(axes) {
			g := op.GatherAlongAxisIOS17.Defaults()
			at := op.Tile.Add(b.Builder, op.TileArgs{X: b.expandDims(index, 1), Reps: b.ints(1, channels, 1)})
			g.X, g.Indices, g.Axis = x, at, 2
			v := op.GatherAlongAxisIOS17.Add(b.Builder, g)
			if weight != nil {
				weight = b.expandDims(weight, 1)
			}
			f(v, weight)
			return
		}
		for _, t := range axes[axis] {
			i, w := t.index, weight
			if index != nil {
				i = b.add(b.mul(index, b.int(p.dims[axis])), i)
			}
			if t.inside != nil {
				in := b.cast(b.cast(t.inside, tensor.Float32), x.Type.DType)
				w = times(b, w, in)
			}
			walk(axis+1, i, times(b, w, t.weight))
		}
	}
	walk(0, nil, nil)
}

// times multiplies weights, of which nil is 1.
func times(b *Builder, x, y *mil.Value) *mil.Value {
	switch {
	case x == nil:
		return y
	case y == nil:
		return x
	}
	return b.mul(x, y)
}

// cubicWeight is the weight at a distance within 1, or between 1 and 2.
func (b *Builder) cubicWeight(d *mil.Value, near bool) *mil.Value {
	const a = -0.75
	d = op.Abs.Add(b.Builder, op.Unary{X: d})
	c := func(x float64) *mil.Value { return b.number(x, d) }
	if near {
		return b.add(b.mul(b.mul(b.sub(b.mul(d, c(a+2)), c(a+3)), d), d), c(1))
	}
	return b.sub(b.mul(b.add(b.mul(b.sub(b.mul(d, c(a)), c(5*a)), d), c(8*a)), d), c(4*a))
}

// reflected mirrors whole places at the edges, or in the middle of the outer
// elements.
func (b *Builder) reflected(place *mil.Value, size int, aligned bool) *mil.Value {
	lo, span := 0., float64(size-1)
	if !aligned {
		lo, span = -0.5, float64(size)
	}
	if span == 0 {
		return b.mul(place, b.number(0, place))
	}
	v := b.sub(place, b.number(lo, place))
	v = op.Mod.Add(b.Builder, op.Binary{X: v, Y: b.number(2*span, place)})
	back := b.sub(b.number(2*span, place), v)
	return b.add(op.Minimum.Add(b.Builder, op.Binary{X: v, Y: back}), b.number(lo, place))
}

// sampled reads [N, C, elements] at points: [N, C, P].
func (b *Builder) sampled(x *mil.Value, p points) *mil.Value {
	var sum *mil.Value
	b.corners(x, p, func(v, w *mil.Value) {
		v = times(b, v, w)
		if sum == nil {
			sum = v
		} else {
			sum = b.add(sum, v)
		}
	})
	if sum == nil {
		return x
	}
	return sum
}

func gridSample(b *Builder, n *Node) []*mil.Value {
	if len(n.In) != 2 {
		return b.fail("want an input and a grid")
	}
	x, grid := n.In[0], n.In[1]
	if !x.Type.DType.IsFloat() {
		return b.refuse("pictures of %s", b.DType(x))
	}
	mode := map[string]string{"bilinear": "linear", "linear": "linear", "nearest": "nearest", "bicubic": "cubic", "cubic": "cubic"}[n.Text("mode", "bilinear")]
	padding, aligned := n.Text("padding_mode", "zeros"), n.Bool("align_corners")
	if b.rank(x) == 4 && mode == "linear" && padding != "reflection" {
		a := op.ResampleArgs{
			X: x, Coordinates: grid, SamplingMode: "bilinear", CoordinatesMode: "normalized_minus_one_to_one", AlignCorners: aligned,
			PaddingMode: map[string]string{"zeros": "constant", "border": "border"}[padding],
		}
		return one(op.ResampleIOS17.Add(b.Builder, a))
	}
	shape, gs := b.static(x), b.static(grid)
	r := len(shape)
	if b.Err() != nil || r < 3 || len(gs) != r || gs[r-1] != r-2 || mode == "" {
		return b.fail("a grid %s for %s in mode %q", grid.Type, x.Type, n.Text("mode", ""))
	}
	p := points{dims: shape[2:], mode: mode, padding: padding, aligned: aligned}
	flat := b.reshape(grid, gs[0], -1, r-2)
	for i, size := range p.dims { // the first coordinate is that of the last axis
		c := r - 3 - i
		at := b.squeeze(b.slice(flat, 2, c, c+1), 2)
		at = b.add(at, b.number(1, at))
		if aligned {
			at = b.mul(at, b.number(float64(size-1)/2, at))
		} else {
			at = b.sub(b.mul(at, b.number(float64(size)/2, at)), b.number(0.5, at))
		}
		p.at = append(p.at, at)
	}
	v := b.sampled(b.reshape(x, shape[0], shape[1], known(shape[2:])), p)
	return one(b.as(b.reshape(v, append([]int{shape[0], shape[1]}, gs[1:r-1]...)...), x))
}

// within brings places to the elements of an axis of that size.
func (b *Builder) within(at *mil.Value, size int) *mil.Value {
	if size <= 1 {
		return b.mul(at, b.number(0, at))
	}
	return op.ClipIOS17.Add(b.Builder, op.AlphaBeta{X: at, Alpha: 0, Beta: float32(size - 1)})
}

// affineGrid maps the points of a grid from -1 to 1 by matrices.
func affineGrid(b *Builder, n *Node) []*mil.Value {
	theta := n.In[0]
	size := b.knownInts("the size", n.input(1))
	if b.Err() != nil || len(size) < 3 || len(size) > 5 || b.rank(theta) != 3 || slices.Min(size) < 1 || !b.room(len(size)*known(size[2:])) {
		return b.fail("a size of %v", size)
	}
	dims := size[2:]
	k := len(dims)
	count := known(dims)
	coords := make([]float32, (k+1)*count) // [k+1, count]
	for i := range count {
		rest := i
		for a := k - 1; a >= 0; a-- {
			d := dims[a]
			j := rest % d
			rest /= d
			v := (2*float64(j)+1)/float64(d) - 1
			if n.Bool("align_corners") {
				v = 0
				if d > 1 {
					v = 2*float64(j)/float64(d-1) - 1
				}
			}
			coords[(k-1-a)*count+i] = float32(v)
		}
		coords[k*count+i] = 1
	}
	v := b.matmul(theta, b.cast(b.floats(coords, k+1, count), theta.Type.DType)) // [N, k, count]
	v = b.transpose(v, 0, 2, 1)
	return one(b.as(b.reshape(v, append(append([]int{size[0]}, dims...), k)...), theta))
}

// roiAlign averages samples in the cells of regions.
func roiAlign(b *Builder, n *Node) []*mil.Value {
	if len(n.In) != 3 {
		return b.fail("want three inputs")
	}
	x, rois := n.In[0], n.In[1]
	shape, rs := b.static(x), b.static(rois)
	oh, ow, ratio := n.Int("output_height", 1), n.Int("output_width", 1), n.Int("sampling_ratio", 0)
	if b.Err() != nil || len(shape) != 4 || len(rs) != 2 || rs[1] != 4 || oh < 1 || ow < 1 || oh > 1<<12 || ow > 1<<12 || ratio < 0 || ratio > 1<<8 {
		return b.fail("regions %s of %s", rois.Type, x.Type)
	}
	if ratio == 0 {
		return b.refuse("a number of samples that depends on the region")
	}
	scale := float64(n.Float("spatial_scale", 1))
	half := n.Version >= 16 && n.Text("coordinate_transformation_mode", "half_pixel") == "half_pixel"
	corner := func(i int) *mil.Value {
		v := b.mul(b.slice(rois, 1, i, i+1), b.number(scale, rois)) // [R, 1]
		if half {
			v = b.sub(v, b.number(0.5, v))
		}
		return v
	}
	axis := func(lo, hi *mil.Value, out int) *mil.Value { // [R, out·ratio]
		span := b.sub(hi, lo)
		if !half {
			span = op.Maximum.Add(b.Builder, op.Binary{X: span, Y: b.number(1, span)})
		}
		steps := make([]float32, out*ratio)
		for i := range steps {
			steps[i] = float32((float64(i) + 0.5) / float64(out*ratio))
		}
		return b.add(lo, b.mul(span, b.cast(b.floats(steps, 1, len(steps)), rois.Type.DType)))
	}
	ys, xs := axis(corner(1), corner(3), oh), axis(corner(0), corner(2), ow)
	h, w := oh*ratio, ow*ratio
	ys = b.reshape(op.Tile.Add(b.Builder, op.TileArgs{X: b.expandDims(ys, 2), Reps: b.ints(1, 1, w)}), rs[0], h*w)
	xs = b.reshape(op.Tile.Add(b.Builder, op.TileArgs{X: b.expandDims(xs, 1), Reps: b.ints(1, h, 1)}), rs[0], h*w)
	g := op.GatherIOS17.Defaults()
	g.X, g.Indices = b.reshape(x, shape[0], shape[1], shape[2]*shape[3]), n.In[2]
	picture := op.GatherIOS17.Add(b.Builder, g)
	p := points{dims: shape[2:], mode: "linear", padding: "border"}
	var inside *mil.Value
	for i, at := range []*mil.Value{ys, xs} {
		size := float64(shape[2+i])
		lo := op.GreaterEqual.Add(b.Builder, op.Binary{X: at, Y: b.number(-1, at)})
		hi := op.LessEqual.Add(b.Builder, op.Binary{X: at, Y: b.number(size, at)})
		in := op.LogicalAnd.Add(b.Builder, op.Binary{X: lo, Y: hi})
		if inside == nil {
			inside = in
		} else {
			inside = op.LogicalAnd.Add(b.Builder, op.Binary{X: inside, Y: in})
		}
		p.at = append(p.at, b.within(at, shape[2+i]))
	}
	mask := b.expandDims(inside, 1)
	cells := func(v *mil.Value, o *op.Def[op.Reduction]) *mil.Value {
		v = b.reshape(v, rs[0], shape[1], oh, ratio, ow, ratio)
		return b.reduce(o, v, []int{3, 5}, false)
	}
	if n.Text("mode", "avg") == "max" {
		var best *mil.Value
		b.corners(picture, p, func(v, w *mil.Value) {
			v = times(b, v, w)
			if best == nil {
				best = v
			} else {
				best = op.Maximum.Add(b.Builder, op.Binary{X: best, Y: v})
			}
		})
		if b.Err() != nil {
			return nil
		}
		return one(b.as(cells(b.sel(mask, best, b.number(0, best)), op.ReduceMax), x))
	}
	v := b.sampled(picture, p)
	return one(b.as(cells(b.sel(mask, v, b.number(0, v)), op.ReduceMean), x))
}

// deformConv samples where offsets say, and multiplies with the weights.
func deformConv(b *Builder, n *Node) []*mil.Value {
	if len(n.In) < 3 {
		return b.fail("want an input, a weight and offsets")
	}
	x, w, offset, bias, mask := n.In[0], n.In[1], n.In[2], n.input(3), n.input(4)
	shape, ws, os := b.static(x), b.static(w), b.static(offset)
	if b.Err() != nil || len(shape) != 4 || len(ws) != 4 || len(os) != 4 {
		return b.refuse("pictures of %s", x.Type)
	}
	s := b.sliding(n, shape[2:], ws[2:])
	groups, og := n.Int("group", 1), n.Int("offset_group", 1)
	oh, ow := os[2], os[3]
	kernel := known(ws[2:])
	if b.Err() != nil || groups < 1 || og < 1 || shape[1]%og != 0 || shape[1]%groups != 0 || ws[0]%groups != 0 || os[1] != og*kernel*2 || kernel > 1<<10 {
		return b.fail("offsets %s for %s", offset.Type, w.Type)
	}
	if !b.room(2 * og * kernel * oh * ow) {
		return nil
	}
	each := shape[1] / og
	var columns []*mil.Value // of each offset group and each element of the window, [N, each, P]
	offsets := b.reshape(offset, os[0], og, kernel, 2, oh*ow)
	for g := range og {
		picture := b.reshape(b.slice(x, 1, g*each, (g+1)*each), shape[0], each, shape[2]*shape[3])
		group := b.squeeze(b.slice(offsets, 1, g, g+1), 1)
		for k := range kernel {
			p := points{dims: shape[2:], mode: "linear", padding: "zeros"}
			for a, tap := range []int{k / ws[3], k % ws[3]} {
				base := make([]float32, oh*ow)
				for i := range base {
					o := []int{i / ow, i % ow}[a]
					base[i] = float32(o*s.strides[a] - s.before[a] + tap*s.dilations[a])
				}
				at := b.squeeze(b.slice(b.squeeze(b.slice(group, 1, k, k+1), 1), 1, a, a+1), 1)
				p.at = append(p.at, b.add(at, b.cast(b.floats(base, 1, oh*ow), x.Type.DType)))
			}
			v := b.sampled(picture, p)
			if mask != nil {
				v = b.mul(v, b.reshape(b.slice(mask, 1, g*kernel+k, g*kernel+k+1), os[0], 1, oh*ow))
			}
			columns = append(columns, b.expandDims(v, 2))
		}
	}
	// [N, C, kernel, P], a matrix for each group.
	var parts []*mil.Value
	for g := range og {
		parts = append(parts, b.concat(2, columns[g*kernel:(g+1)*kernel]...))
	}
	all := b.reshape(b.concat(1, parts...), shape[0], groups, shape[1]/groups*kernel, oh*ow)
	v := b.matmul(b.reshape(w, 1, groups, ws[0]/groups, ws[1]*kernel), all)
	v = b.reshape(v, shape[0], ws[0], oh, ow)
	if bias != nil {
		v = b.add(v, b.reshape(bias, 1, -1, 1, 1))
	}
	return one(b.as(v, x))
}

// col2Im adds columns up where their windows lie.
func col2Im(b *Builder, n *Node) []*mil.Value {
	if len(n.In) != 3 {
		return b.fail("want three inputs")
	}
	x := n.In[0]
	image, kernel := b.knownInts("the image's shape", n.In[1]), b.knownInts("the block's shape", n.In[2])
	shape := b.static(x)
	k := len(image)
	s := b.sliding(n, image, kernel)
	if b.Err() != nil || len(shape) != 3 || k == 0 || known(kernel) == 0 || shape[1]%known(kernel) != 0 {
		return b.fail("columns %s", x.Type)
	}
	padded := slices.Clone(image)
	count := 1
	out := make([]int, k)
	for i := range image {
		padded[i] += s.before[i] + s.after[i]
		out[i] = (padded[i]-s.extent(i))/s.strides[i] + 1
		count *= out[i]
	}
	if count != shape[2] || count < 1 || !b.room(known(kernel)*count) {
		return b.fail("%d columns, want %d", shape[2], count)
	}
	channels := shape[1] / known(kernel)
	at := make([]int, known(kernel)*count)
	for i := range at {
		window, place := i/count, i%count
		stride := 1
		for a := k - 1; a >= 0; a-- {
			at[i] += (place%out[a]*s.strides[a] + window%kernel[a]*s.dilations[a]) * stride
			place, window, stride = place/out[a], window/kernel[a], stride*padded[a]
		}
	}
	a := op.ScatterIOS17.Defaults()
	a.Data = op.Fill.Add(b.Builder, op.FillArgs{Shape: b.ints(shape[0]*channels, known(padded)), Value: scalarOf(0, x.Type.DType)})
	a.Indices, a.Updates, a.Axis, a.Mode = b.ints(at...), b.reshape(x, shape[0]*channels, len(at)), 1, "add"
	v := b.reshape(op.ScatterIOS17.Add(b.Builder, a), append([]int{shape[0], channels}, padded...)...)
	for i := range image {
		v = b.slice(v, i+2, s.before[i], s.before[i]+image[i])
	}
	return one(b.as(v, x))
}

// maxOpenBoxes is the most boxes selected of an unknown number: the operator
// makes room for all of them.
const maxOpenBoxes = 1 << 14

// nonMaxSuppression selects boxes of each picture and class. A box must also
// have more than the threshold, which the operator leaves to its caller.
func nonMaxSuppression(b *Builder, n *Node) []*mil.Value {
	if len(n.In) < 2 {
		return b.fail("want boxes and scores")
	}
	boxes, scores := n.In[0], n.In[1]
	if b.rank(boxes) != 3 || b.rank(scores) != 3 {
		return b.fail("boxes %s and scores %s", boxes.Type, scores.Type)
	}
	bs, ss := boxes.Type.Shape, scores.Type.Shape
	if bs[1] < 0 && bs[0] >= 0 && ss[1] >= 0 { // the number of boxes may be open
		bs, ss = []int{bs[0], bs[1], 4}, []int{bs[0], ss[1], bs[1]}
	} else {
		bs, ss = b.static(boxes), b.static(scores)
	}
	if b.Err() != nil || len(bs) != 3 || len(ss) != 3 || bs[2] != 4 || ss[0] != bs[0] || ss[2] != bs[1] {
		return b.fail("boxes %s and scores %s", boxes.Type, scores.Type)
	}
	most, iou, least := 0, 0., math.Inf(-1)
	number := func(i int, name string) (float64, bool) {
		if n.input(i) == nil {
			return 0, false
		}
		f := b.knownFloats(name, n.In[i])
		return append(f, 0)[0], true
	}
	if v, ok := number(2, "the number of boxes"); ok {
		if bs[1] < 0 && v > maxOpenBoxes {
			b.l.notes[fmt.Sprintf("NonMaxSuppression keeps at most %d boxes of a class, as their number is open", maxOpenBoxes)] = true
			v = maxOpenBoxes
		}
		if most = int(min(max(v, 0), tensor.MaxElements)); bs[1] >= 0 {
			most = min(most, bs[1])
		}
	}
	if v, ok := number(3, "the threshold"); ok {
		iou = v
	}
	if v, ok := number(4, "the score"); ok {
		least = v
	}
	if b.Err() != nil {
		return nil
	}
	if most == 0 {
		return one(b.SetDType(op.Fill.Add(b.Builder, op.FillArgs{Shape: b.ints(0, 3), Value: scalarOf(0, tensor.Int32)}), tensor.Int64))
	}
	at := b.transpose(boxes, 0, 2, 1) // [B, 4, N]
	if !n.Bool("center_point_box") {
		y1, x1, y2, x2 := b.slice(at, 1, 0, 1), b.slice(at, 1, 1, 2), b.slice(at, 1, 2, 3), b.slice(at, 1, 3, 4)
		middle := func(p, q *mil.Value) *mil.Value { return b.mul(b.add(p, q), b.number(0.5, p)) }
		size := func(p, q *mil.Value) *mil.Value { return op.Abs.Add(b.Builder, op.Unary{X: b.sub(q, p)}) }
		at = b.concat(1, middle(x1, x2), middle(y1, y2), size(x1, x2), size(y1, y2))
	}
	classes := ss[1]
	// Each class of each picture on its own.
	at = op.Tile.Add(b.Builder, op.TileArgs{X: b.expandDims(at, 1), Reps: b.ints(1, classes, 1, 1)})
	a := op.NonMaximumSuppressionIOS17.Defaults()
	a.Boxes, a.Scores = b.reshape(at, bs[0]*classes, 4, max(bs[1], -1)), b.reshape(scores, bs[0]*classes, 1, max(bs[1], -1))
	a.IOUThreshold, a.MaxBoxes = float32(iou), most
	out := op.NonMaximumSuppressionIOS17.AddN(b.Builder, a)
	if len(out) != 3 {
		return nil
	}
	places := out[2] // [B·C, most], -1 where there is none
	found := op.GreaterEqual.Add(b.Builder, op.Binary{X: places, Y: b.int(0)})
	if !math.IsInf(least, -1) {
		above := op.Greater.Add(b.Builder, op.Binary{X: b.squeeze(out[1], 1), Y: b.number(least, scores)})
		found = op.LogicalAnd.Add(b.Builder, op.Binary{X: found, Y: above})
	}
	rows := op.NonZero.Add(b.Builder, op.Unary{X: found}) // [M, 2]
	g := op.GatherNdIOS17.Defaults()
	g.X, g.Indices = places, rows
	box := b.expandDims(op.GatherNdIOS17.Add(b.Builder, g), 1)
	row := b.slice(rows, 1, 0, 1)
	picture := op.FloorDiv.Add(b.Builder, op.Binary{X: row, Y: b.int(classes)})
	class := op.Mod.Add(b.Builder, op.Binary{X: row, Y: b.int(classes)})
	return one(b.SetDType(b.concat(1, picture, class, box), tensor.Int64))
}
