package onnx

import (
	"math"
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

var resizeRules = table{
	"Resize":   always(resize),
	"Upsample": always(resize),
}

// resizing is one axis that is given another size.
type resizing struct {
	axis, in, out int
	scale         float64
	roi           [2]float64
}

// sampler is how points between elements are found and weighed.
type sampler struct {
	mode, coordinates, nearest string
	cubic                      float64
	excludeOutside, antialias  bool
	extrapolation              float64
}

func resize(b *Builder, n *Node) []*mil.Value {
	x := n.In[0]
	r := b.rank(x)
	s := sampler{
		mode: n.Text("mode", "nearest"), coordinates: n.Text("coordinate_transformation_mode", "half_pixel"),
		nearest: n.Text("nearest_mode", "round_prefer_floor"), cubic: float64(n.Float("cubic_coeff_a", -0.75)),
		excludeOutside: n.Bool("exclude_outside"), antialias: n.Bool("antialias"), extrapolation: float64(n.Float("extrapolation_value", 0)),
	}
	if n.Op == "Upsample" || n.Version < 11 {
		s.coordinates, s.nearest = "asymmetric", "floor"
	}
	if s.mode == "bilinear" || s.mode == "trilinear" {
		s.mode = "linear"
	}
	if v := n.input(3); n.Version >= 11 && v != nil && v.Const == nil {
		return b.resizeOpen(n, x, s, v)
	}
	roi, scales, sizes := resizeArgs(b, n)
	axes := iota(r)
	if n.Has("axes") {
		axes = b.axes(n.Ints("axes"), r)
	}
	count := max(len(scales), len(sizes))
	if b.Err() != nil || count != len(axes) || len(roi) != 0 && len(roi) != 2*count {
		return b.fail("%d scales and %d sizes of %d axes", len(scales), len(sizes), len(axes))
	}
	if v := b.scaledUp(x, s, axes, scales); v != nil {
		return one(v)
	}
	if sizes != nil && !x.Type.IsStatic() {
		return b.resizeOpen(n, x, s, n.In[3])
	}
	shape := b.static(x)
	if b.Err() != nil {
		return nil
	}
	if sizes != nil {
		sizes = keepRatio(n.Text("keep_aspect_ratio_policy", "stretch"), pick(shape, axes), sizes)
	}
	var todo []resizing
	for i, a := range axes {
		z := resizing{axis: a, in: shape[a], roi: [2]float64{0, 1}}
		if sizes != nil {
			z.out = sizes[i]
			z.scale = float64(z.out) / float64(z.in)
		} else {
			z.scale = scales[i]
			z.out = int(math.Floor(float64(z.in) * z.scale))
		}
		if len(roi) > 0 {
			z.roi = [2]float64{roi[i], roi[i+count]}
		}
		if z.in < 1 || z.out < 1 || z.out > 1<<24 || z.scale <= 0 || math.IsNaN(z.scale) {
			return b.fail("from %d elements to %d, by %g", z.in, z.out, z.scale)
		}
		if z.in != z.out || s.coordinates == "tf_crop_and_resize" || z.scale != 1 {
			todo = append(todo, z)
		}
	}
	in := x
	if s.mode != "nearest" {
		x = b.float(x)
	}
	if v := b.resizeNatively(x, s, todo); v != nil {
		return one(b.as(v, in))
	}
	for _, z := range todo {
		x = b.resizeAxis(x, s, z)
	}
	return one(b.as(b.cast(x, in.Type.DType), in))
}

// resizeArgs reads the region, the scales and the sizes, wherever the version
// has them.
func resizeArgs(b *Builder, n *Node) (roi, scales []float64, sizes []int) {
	floats := func(i int) []float64 {
		v := n.input(i)
		if v == nil || v.Type.IsStatic() && tensorSize(v.Type.Shape) == 0 {
			return nil
		}
		return b.knownFloats("an input", v)
	}
	switch {
	case n.Op == "Upsample" && n.Version < 9:
		for _, f := range n.Floats("scales") {
			scales = append(scales, float64(f))
		}
	case n.Version < 11:
		scales = floats(1)
	default:
		if n.Text("coordinate_transformation_mode", "") == "tf_crop_and_resize" {
			roi = floats(1)
		}
		scales = floats(2)
		if scales == nil && n.input(3) != nil {
			sizes = b.knownInts("the sizes", n.In[3])
		}
	}
	return roi, scales, sizes
}

// resizeOpen gives the last one or two axes sizes, where these or those of x are
// only known when it is run.
func (b *Builder) resizeOpen(n *Node, x *mil.Value, s sampler, sizes *mil.Value) []*mil.Value {
	r := b.rank(x)
	axes := iota(r)
	if n.Has("axes") {
		axes = b.axes(n.Ints("axes"), r)
	}
	want := b.l.partly(sizes)
	if want == nil && b.Err() == nil && sizes.Type.Rank() == 1 && sizes.Type.Shape[0] >= 0 {
		want = slices.Repeat([]part{anything}, min(sizes.Type.Shape[0], maxRank))
	}
	if b.Err() != nil || len(want) != len(axes) {
		return b.fail("%d sizes of %d axes", len(want), len(axes))
	}
	spatial := [2]*mil.Value{} // the sizes of the last two axes as vectors of one
	for i, a := range axes {
		d := x.Type.Shape[a]
		switch p := want[i]; {
		case p.sym == 0 && p.n == d, p.sym < mil.Unknown && p.sym == d:
		case a < r-2 || a < 2 && r > 2:
			return b.refuse("a size of axis %d that is only known when it is run", a)
		default:
			spatial[a-r+2] = b.slice(sizes, 0, i, i+1)
		}
	}
	if p := n.Text("keep_aspect_ratio_policy", "stretch"); p != "stretch" || r < 3 {
		return b.refuse("sizes that are only known when it is run, by the policy %s and of rank %d", p, r)
	}
	mode, nearest := s.native()
	if mode == "" || s.antialias || s.excludeOutside {
		return b.refuse("%s interpolation of %s points, to sizes that are only known when it is run", s.mode, s.coordinates)
	}
	in := x
	if nearest {
		for i, size := range spatial {
			if size != nil {
				x = b.nearestOpen(x, r-2+i, b.squeeze(size, 0))
			}
		}
		return one(b.as(x, in))
	}
	for i := range spatial {
		if spatial[i] == nil {
			spatial[i] = b.dims(x, r-2+i)
		}
	}
	x = b.float(x)
	var v *mil.Value
	if to, ok := b.known(b.concat(0, spatial[:]...)); ok && len(to) == 2 {
		v = op.ResizeBilinear.Add(b.Builder, op.ResizeBilinearArgs{X: x, TargetSizeHeight: to[0], TargetSizeWidth: to[1], SamplingMode: mode})
	} else {
		v = op.Resize.Add(b.Builder, op.ResizeArgs{X: x, Shape: b.concat(0, spatial[:]...), ResizedDims: 2, InterpolationMode: "LINEAR", SamplingMode: mode})
	}
	return one(b.as(b.cast(v, in.Type.DType), in))
}

// native is how the operators call the choice of points, "" where they do not
// have it; nearest tells that it is about elements as they are, for which it is
// only asked whether the point before is meant.
func (s sampler) native() (mode string, nearest bool) {
	switch s.mode {
	case "linear":
		return map[string]string{
			"half_pixel": "UNALIGN_CORNERS", "pytorch_half_pixel": "UNALIGN_CORNERS", "align_corners": "STRICT_ALIGN_CORNERS", "asymmetric": "DEFAULT",
		}[s.coordinates], false
	case "nearest":
		if s.coordinates == "asymmetric" && s.nearest == "floor" {
			return s.coordinates, true
		}
	}
	return "", false
}

// nearestOpen gives an axis another size: element i is that at ⌊i·in/size⌋.
func (b *Builder) nearestOpen(x *mil.Value, axis int, size *mil.Value) *mil.Value {
	each := op.Range1d.Add(b.Builder, op.Range1dArgs{Start: b.int(0), End: size, Step: b.int(1)})
	g := op.GatherIOS17.Defaults()
	g.X, g.Axis = x, axis
	g.Indices = op.FloorDiv.Add(b.Builder, op.Binary{X: b.mul(each, b.dims(x, axis)), Y: size})
	return b.gather(g)
}

func keepRatio(policy string, in, sizes []int) []int {
	if policy == "stretch" {
		return sizes
	}
	scale := float64(sizes[0]) / float64(max(in[0], 1))
	for i, s := range sizes {
		f := float64(s) / float64(max(in[i], 1))
		if policy == "not_larger" {
			scale = min(scale, f)
		} else {
			scale = max(scale, f)
		}
	}
	out := make([]int, len(in))
	for i, d := range in {
		out[i] = int(math.Floor(scale*float64(d) + 0.5))
	}
	return out
}

// scaledUp scales pictures by whole factors whatever their size, nil where the
// operators cannot.
func (b *Builder) scaledUp(x *mil.Value, s sampler, axes []int, scales []float64) *mil.Value {
	r := x.Type.Rank()
	if scales == nil || !x.Type.DType.IsFloat() || r != 4 || s.antialias {
		return nil
	}
	factors := [4]int{1, 1, 1, 1}
	for i, a := range axes {
		if scales[i] != math.Trunc(scales[i]) || scales[i] < 1 || scales[i] > 1<<12 {
			return nil
		}
		factors[a] = int(scales[i])
	}
	if factors[0] != 1 || factors[1] != 1 {
		return nil
	}
	f, g := float32(factors[2]), float32(factors[3])
	switch {
	case s.mode == "nearest" && (s.coordinates == "asymmetric" && s.nearest == "floor" || s.coordinates == "half_pixel"):
		// An odd factor has no ties and an even one never meets them.
		return op.UpsampleNearestNeighbor.Add(b.Builder, op.UpsampleNearestNeighborArgs{X: x, ScaleFactorHeight: f, ScaleFactorWidth: g})
	case s.mode == "linear" && !x.Type.IsStatic() && (s.coordinates == "half_pixel" || s.coordinates == "align_corners"):
		a := op.UpsampleBilinearIOS16.Defaults()
		a.X, a.ScaleFactorHeight, a.ScaleFactorWidth, a.AlignCorners = x, f, g, s.coordinates == "align_corners"
		if !a.AlignCorners {
			a.HalfPixelCenters = tensor.Scalar(tensor.Bool, true)
		}
		return op.UpsampleBilinearIOS16.Add(b.Builder, a)
	}
	return nil
}

// resizeNatively resizes the last two axes by the operator for it, nil where
// that is something else.
func (b *Builder) resizeNatively(x *mil.Value, s sampler, todo []resizing) *mil.Value {
	r := x.Type.Rank()
	if s.mode != "linear" || s.antialias || r < 3 || r > 5 || len(todo) == 0 {
		return nil
	}
	mode, _ := s.native()
	h, w := x.Type.Shape[r-2], x.Type.Shape[r-1]
	for _, z := range todo {
		if z.axis < r-2 || math.Abs(z.scale-float64(z.out)/float64(z.in)) > 1e-7 || s.coordinates == "pytorch_half_pixel" && z.out == 1 {
			return nil
		}
		if z.axis == r-2 {
			h = z.out
		} else {
			w = z.out
		}
	}
	if mode == "" {
		return nil
	}
	return op.ResizeBilinear.Add(b.Builder, op.ResizeBilinearArgs{X: x, TargetSizeHeight: h, TargetSizeWidth: w, SamplingMode: mode})
}

// point is where element i of the result lies in the source; outside tells a
// point that the extrapolation value stands for.
func (s sampler) point(z resizing, i int) (at float64, outside bool) {
	n, whole := float64(z.in), z.scale*float64(z.in)
	x := float64(i)
	switch s.coordinates {
	case "align_corners":
		if whole == 1 {
			return 0, false
		}
		return x * (n - 1) / (whole - 1), false
	case "asymmetric":
		return x / z.scale, false
	case "tf_crop_and_resize":
		span := (z.roi[1] - z.roi[0]) * (n - 1)
		if whole == 1 {
			at = span / 2
		} else {
			at = x * span / (whole - 1)
		}
		at += z.roi[0] * (n - 1)
		return at, at < 0 || at > n-1
	case "pytorch_half_pixel":
		if whole == 1 {
			return -0.5, false
		}
	case "half_pixel_symmetric":
		return n/2*(1-float64(z.out)/whole) + (x+0.5)/z.scale - 0.5, false
	case "tf_half_pixel_for_nn":
		return (x + 0.5) / z.scale, false
	}
	return (x+0.5)/z.scale - 0.5, false
}

// taps returns the elements that a point is made of, and their weights.
func (s sampler) taps(z resizing, at float64) (index []int, weight []float64) {
	first := math.Floor(at)
	ratio := at - first
	if s.mode == "nearest" {
		var i float64
		switch s.nearest {
		case "round_prefer_ceil":
			i = math.Floor(at + 0.5)
		case "floor":
			i = first
		case "ceil":
			i = math.Ceil(at)
		default: // round_prefer_floor
			i = math.Ceil(at - 0.5)
		}
		return []int{min(max(int(i), 0), z.in-1)}, []float64{1}
	}
	f, reach := func(d float64) float64 { return max(0, 1-math.Abs(d)) }, 1.
	if s.mode == "cubic" {
		f, reach = func(d float64) float64 { return cubic(s.cubic, d) }, 2
	}
	shrink := 1.
	if s.antialias {
		shrink = min(z.scale, 1)
	}
	sum := 0.
	lo, hi := int(math.Floor(-reach/shrink))+1, int(math.Ceil(reach/shrink))
	for k := lo; k <= hi; k++ {
		w := f((float64(k) - ratio) * shrink)
		i := int(first) + k
		if w == 0 || s.excludeOutside && (i < 0 || i >= z.in) {
			continue
		}
		sum += w
		index, weight = append(index, min(max(i, 0), z.in-1)), append(weight, w)
	}
	if s.antialias || s.excludeOutside {
		for k := range weight {
			weight[k] /= sum
		}
	}
	return index, weight
}

// cubic is the weight of an element at a distance.
func cubic(a, d float64) float64 {
	d = math.Abs(d)
	switch {
	case d <= 1:
		return ((a+2)*d-(a+3))*d*d + 1
	case d < 2:
		return ((a*d-5*a)*d+8*a)*d - 4*a
	}
	return 0
}

// resizeAxis gathers along an axis what the elements of the result are made of.
func (b *Builder) resizeAxis(x *mil.Value, s sampler, z resizing) *mil.Value {
	var indices [][]int
	var weights [][]float64
	most := 1
	outside := make([]bool, z.out)
	extrapolates := false
	for i := range z.out {
		var at float64
		at, outside[i] = s.point(z, i)
		extrapolates = extrapolates || outside[i]
		if math.IsNaN(at) || math.Abs(at) > 1<<30 {
			at = 0
		}
		index, weight := s.taps(z, at)
		indices, weights, most = append(indices, index), append(weights, weight), max(most, len(index))
	}
	if !b.room(2 * most * z.out) {
		return x
	}
	shape := repeat(1, x.Type.Rank())
	shape[z.axis] = z.out
	var sum *mil.Value
	for k := range most {
		at, w := make([]int, z.out), make([]float32, z.out)
		same := true
		for i := range at {
			if k < len(indices[i]) {
				at[i], w[i] = indices[i][k], float32(weights[i][k])
			}
			same = same && w[i] == 1
		}
		g := op.GatherIOS17.Defaults()
		g.X, g.Indices, g.Axis = x, b.ints(at...), z.axis
		part := b.gather(g)
		if !same {
			part = b.mul(part, b.cast(b.floats(w, shape...), x.Type.DType))
		}
		if sum == nil {
			sum = part
		} else {
			sum = b.add(sum, part)
		}
	}
	if extrapolates {
		mask := b.reshape(mil.NewConst(b.Place(), tensor.New(tensor.Bool, []int{z.out}, slices.Clone(outside))), shape...)
		sum = b.sel(mask, b.number(s.extrapolation, sum), sum)
	}
	return sum
}
