package onnx

import (
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

var shapeRules = table{
	"Shape":        always(shape),
	"Size":         always(size),
	"Reshape":      always(reshape),
	"Flatten":      always(flatten),
	"Transpose":    always(transpose),
	"Squeeze":      always(squeeze),
	"Unsqueeze":    always(unsqueeze),
	"Concat":       always(concat),
	"Split":        always(split),
	"Slice":        always(slice),
	"Expand":       always(expand),
	"Tile":         always(tile),
	"DepthToSpace": always(depthToSpace),
	"SpaceToDepth": always(spaceToDepth),
	"Trilu":        always(trilu),
	"ReverseSequence": always(func(b *Builder, n *Node) []*mil.Value {
		return one(op.ReverseSequenceIOS17.Add(b.Builder, op.ReverseSequenceArgs{
			X: n.In[0], Lengths: n.In[1], SeqAxis: n.Int("time_axis", 0), BatchAxis: n.Int("batch_axis", 1),
		}))
	}),
}

func shape(b *Builder, n *Node) []*mil.Value {
	x := n.In[0]
	r := b.rank(x)
	place := func(a int) int {
		if a < 0 {
			a += r
		}
		return min(max(a, 0), r)
	}
	from, to := place(n.Int("start", 0)), place(n.Int("end", r))
	if b.Err() != nil {
		return nil
	}
	if from >= to {
		return one(b.SetDType(b.ints(), tensor.Int64))
	}
	return one(b.SetDType(b.dims(x, iota(to)[from:]...), tensor.Int64))
}

func size(b *Builder, n *Node) []*mil.Value {
	x := n.In[0]
	if b.rank(x); b.Err() != nil {
		return nil
	}
	d := b.dims(x, iota(x.Type.Rank())...)
	r := op.ReduceProd.Defaults()
	r.X, r.Axes = d, []int{0}
	if d.Const != nil && d.Const.Len() == 0 {
		return one(b.SetDType(b.int(1), tensor.Int64))
	}
	return one(b.SetDType(op.ReduceProd.Add(b.Builder, r), tensor.Int64))
}

// reshape asks for a shape in which a 0 stands for the dimension of that place
// and -1 for what is left.
func reshape(b *Builder, n *Node) []*mil.Value {
	x := n.In[0]
	if n.Version < 5 {
		return one(b.reshapeTo(x, partsOf(n.Ints("shape")), nil, false))
	}
	if len(n.In) != 2 || n.In[1] == nil {
		return b.fail("want a shape")
	}
	return one(b.reshapeTo(x, b.l.partly(n.In[1]), n.In[1], n.Bool("allowzero")))
}

// reshapeTo gives a value a shape that is known in part; shape is the same as a
// value.
func (b *Builder) reshapeTo(x *mil.Value, want []part, shape *mil.Value, zeros bool) *mil.Value {
	if b.Err() != nil {
		return x
	}
	for i, p := range want {
		if shape == nil && p.sym < 0 { // an attribute: the numbers are what they say
			want[i] = part{n: p.sym}
		}
	}
	if want == nil {
		if shape.Type.AnyRank || shape.Type.Rank() != 1 || shape.Type.Shape[0] < 0 {
			b.refuse("the rank of the result is only known when it is run")
			return x
		}
		if b.rank(x); b.Err() != nil {
			return x
		}
		switch {
		case !zeros:
			shape = b.filled(x, shape)
		case slices.Contains(x.Type.Shape, 0): // else nobody asks for no elements
			b.refuse("the sizes, of which a 0 means no elements, are only known when it is run")
			return x
		}
		return b.as(op.ReshapeIOS17.Add(b.Builder, op.ReshapeArgs{X: x, Shape: shape}), x)
	}
	// The dimensions of the result as far as they are known.
	dims := make([]int, len(want))
	rest, unknown := -1, 0
	for i, p := range want {
		switch {
		case p.sym < 0:
			dims[i] = p.sym
		case p.n == 0 && !zeros:
			if x.Type.AnyRank || i >= x.Type.Rank() {
				b.fail("the shape %v takes dimension %d of %s", want, i, x.Type)
				return x
			}
			dims[i] = x.Type.Shape[i]
		case p.n == -1 && rest < 0:
			rest, dims[i] = i, mil.Unknown
		case p.n < 0:
			b.fail("a shape of %v", want)
			return x
		default:
			dims[i] = p.n
		}
		if dims[i] < 0 {
			unknown++
		}
	}
	static := !x.Type.AnyRank && x.Type.IsStatic()
	if rest >= 0 && static && unknown == 1 {
		have, need := tensor.Size(x.Type.Shape), 1
		for i, d := range dims {
			if i != rest {
				need *= min(d, tensor.MaxElements)
				need = min(need, tensor.MaxElements+1)
			}
		}
		switch {
		case need == 0 && have == 0:
			dims[rest] = 0
		case need == 0 || have%need != 0:
			b.fail("%s cannot take the shape %s", x.Type, mil.FormatDims(dims))
			return x
		default:
			dims[rest] = have / need
		}
		unknown = 0
	}
	if unknown == 0 && static && slices.Contains(dims, 0) {
		return b.as(op.Fill.Add(b.Builder, op.FillArgs{Shape: b.ints(dims...), Value: scalarOf(0, x.Type.DType)}), x)
	}
	if unknown <= 1 {
		to := slices.Clone(dims)
		for i, d := range to {
			if d < 0 {
				to[i] = -1
			}
		}
		v := op.ReshapeIOS17.Add(b.Builder, op.ReshapeArgs{X: x, Shape: b.ints(to...)})
		return b.as(b.refine(v, dims), x)
	}
	// More than one dimension is known only by its symbol: those of x are
	// taken from its shape.
	if shape == nil {
		b.refuse("the shape is only known when it is run")
		return x
	}
	v := op.ReshapeIOS17.Add(b.Builder, op.ReshapeArgs{X: x, Shape: b.filled(x, shape)})
	return b.as(b.refine(v, dims), x)
}

// refine notes dimensions that are known of a value.
func (b *Builder) refine(v *mil.Value, dims []int) *mil.Value {
	if b.Err() != nil || v.Const != nil || v.Type.AnyRank || v.Type.Rank() != len(dims) {
		return v
	}
	shape := slices.Clone(v.Type.Shape)
	for i, d := range dims {
		if shape[i] == mil.Unknown {
			shape[i] = d
		}
	}
	v.Type.Shape = shape
	return v
}

// filled returns a shape with its zeros replaced by the dimensions of x at
// their places.
func (b *Builder) filled(x, shape *mil.Value) *mil.Value {
	if ps := b.l.partly(shape); ps != nil && !slices.ContainsFunc(ps, func(p part) bool { return p == part{} || p == anything }) {
		return shape
	}
	n, r := shape.Type.Shape[0], x.Type.Rank()
	have := b.dims(x, iota(min(n, r))...)
	if n > r {
		have = b.concat(0, have, b.ints(repeat(1, n-r)...))
	}
	zero := op.Equal.Add(b.Builder, op.Binary{X: shape, Y: b.int(0)})
	return b.sel(zero, have, shape)
}

func flatten(b *Builder, n *Node) []*mil.Value {
	x := n.In[0]
	r := b.rank(x)
	axis := n.Int("axis", 1)
	if axis < 0 {
		axis += r
	}
	if b.Err() != nil || axis < 0 || axis > r {
		return b.fail("axis %d of a tensor of rank %d", n.Int("axis", 1), r)
	}
	return one(b.flat(x, axis))
}

// flat makes a matrix of the dimensions before an axis and those from it on.
func (b *Builder) flat(x *mil.Value, axis int) *mil.Value {
	lead, rest := known(x.Type.Shape[:axis]), known(x.Type.Shape[axis:])
	switch {
	case lead >= 0 && rest >= 0:
		return b.reshapeTo(x, []part{{n: lead}, {n: rest}}, b.ints(lead, rest), true)
	case lead >= 0:
		return b.reshape(x, max(lead, 1), -1)
	case rest > 0:
		v := b.reshape(x, -1, rest)
		if axis == 1 {
			b.refine(v, []int{x.Type.Shape[0], rest})
		}
		return v
	}
	if axis == 1 {
		return b.reshapeTo(x, nil, b.concat(0, b.dims(x, 0), b.ints(-1)), true)
	}
	r := op.ReduceProd.Defaults()
	r.X, r.Axes, r.KeepDims = b.dims(x, iota(axis)...), []int{0}, true
	return b.reshapeTo(x, nil, b.concat(0, op.ReduceProd.Add(b.Builder, r), b.ints(-1)), true)
}

// known is the product of dimensions, -1 where one is not known.
func known(dims []int) int {
	n := 1
	for _, d := range dims {
		if d < 0 {
			return -1
		}
		n = min(n*min(d, tensor.MaxElements), tensor.MaxElements+1)
	}
	return n
}

func transpose(b *Builder, n *Node) []*mil.Value {
	x := n.In[0]
	r := b.rank(x)
	perm := n.Ints("perm")
	if perm == nil {
		perm = iota(r)
		slices.Reverse(perm)
	}
	return one(b.transpose(x, b.axes(perm, r)...))
}

func squeeze(b *Builder, n *Node) []*mil.Value {
	x := n.In[0]
	r := b.rank(x)
	axes := b.attrOrInput(n, "axes", 1)
	if axes == nil && b.Err() == nil {
		for i, d := range x.Type.Shape {
			if d == 1 {
				axes = append(axes, i)
			}
		}
	}
	return one(b.squeeze(x, b.axes(axes, r)...))
}

func unsqueeze(b *Builder, n *Node) []*mil.Value {
	x := n.In[0]
	axes := b.attrOrInput(n, "axes", 1)
	axes = b.axes(axes, b.rank(x)+len(axes))
	slices.Sort(axes)
	return one(b.expandDims(x, axes...))
}

func concat(b *Builder, n *Node) []*mil.Value {
	def := 0
	if n.Version < 4 {
		def = 1
	}
	var parts []*mil.Value
	for _, v := range n.In {
		if v == nil {
			return b.fail("an input is missing")
		}
		if v.Type.DType == tensor.String {
			return b.refuse("strings")
		}
		parts = append(parts, v)
	}
	if len(parts) == 0 {
		return b.fail("no inputs")
	}
	return one(b.concat(b.axis(n.Int("axis", def), b.rank(parts[0])), parts...))
}

func split(b *Builder, n *Node) []*mil.Value {
	x := n.In[0]
	axis := b.axis(n.Int("axis", 0), b.rank(x))
	sizes := b.attrOrInput(n, "split", 1)
	if b.Err() != nil {
		return nil
	}
	parts := len(n.Out)
	if sizes == nil {
		total := x.Type.Shape[axis]
		if k := n.Int("num_outputs", parts); k != parts {
			return b.fail("%d outputs, num_outputs says %d", parts, k)
		}
		if total < 0 {
			return b.split(x, axis, parts)
		}
		each := (total + parts - 1) / parts
		if n.Version < 18 && total%parts != 0 {
			return b.fail("%d in %d equal parts", total, parts)
		}
		for range parts {
			sizes = append(sizes, min(each, total))
			total -= min(each, total)
		}
	}
	if len(sizes) != parts {
		return b.fail("%d outputs of %d sizes", parts, len(sizes))
	}
	if slices.Contains(sizes, 0) || parts == 1 {
		var out []*mil.Value
		at := 0
		for _, s := range sizes {
			out = append(out, b.slice(x, axis, at, at+s))
			at += s
		}
		return out
	}
	out := op.Split.AddN(b.Builder, op.SplitArgs{X: x, SplitSizes: sizes, Axis: axis})
	for _, v := range out {
		b.as(v, x)
	}
	return out
}

// sliceArgs reads the arguments of Slice, known ones only, axes and steps
// filled in.
func sliceArgs(b *Builder, n *Node) (starts, ends, axes, steps []int, ok bool) {
	if n.Version < 10 {
		starts, ends, axes = n.Ints("starts"), n.Ints("ends"), n.Ints("axes")
	} else {
		var ok1, ok2 bool
		starts, ok1 = b.known(n.input(1))
		ends, ok2 = b.known(n.input(2))
		if !ok1 || !ok2 {
			return nil, nil, nil, nil, false
		}
		if v := n.input(3); v != nil {
			if axes, ok1 = b.known(v); !ok1 {
				return nil, nil, nil, nil, false
			}
		}
		if v := n.input(4); v != nil {
			if steps, ok1 = b.known(v); !ok1 {
				return nil, nil, nil, nil, false
			}
		}
	}
	if axes == nil {
		axes = iota(len(starts))
	}
	if steps == nil {
		steps = repeat(1, len(starts))
	}
	return starts, ends, axes, steps, len(starts) == len(ends) && len(axes) == len(starts) && len(steps) == len(starts)
}

func slice(b *Builder, n *Node) []*mil.Value {
	x := n.In[0]
	r := b.rank(x)
	if b.Err() != nil {
		return nil
	}
	starts, ends, axes, steps, ok := sliceArgs(b, n)
	if !ok {
		return b.sliceAt(n, x, r)
	}
	begin, end, stride := make([]int, r), make([]int, r), repeat(1, r)
	fromStart, toEnd := slices.Repeat([]bool{true}, r), slices.Repeat([]bool{true}, r)
	for i, a := range b.axes(axes, r) {
		d := x.Type.Shape[a]
		begin[a], end[a], stride[a] = starts[i], ends[i], steps[i]
		if steps[i] == 0 {
			return b.fail("a step of 0")
		}
		// Beyond the ends of the axis, or at them, is all of it.
		if steps[i] > 0 {
			fromStart[a] = starts[i] == 0 || d >= 0 && starts[i] <= -d
			toEnd[a] = ends[i] >= 1<<31-1 || d >= 0 && ends[i] >= d
			if d >= 0 { // an end before the first element is no element, not one counted from the end
				begin[a], end[a] = min(begin[a], d), max(end[a], -d)
			}
			continue
		}
		fromStart[a] = starts[i] >= 1<<31-1 || starts[i] == -1 || d >= 0 && starts[i] >= d-1
		toEnd[a] = ends[i] <= -(1<<31-1) || d >= 0 && ends[i] < -d
	}
	return one(b.as(op.SliceByIndexIOS17.Add(b.Builder, op.SliceByIndexArgs{
		X: x, Begin: b.ints(begin...), End: b.ints(end...), Stride: stride, BeginMask: fromStart, EndMask: toEnd,
	}), x))
}

// sliceAt slices at places that are only known when it is run; axes and steps
// must be known.
func (b *Builder) sliceAt(n *Node, x *mil.Value, r int) []*mil.Value {
	if n.Version < 10 || n.input(1) == nil || n.input(2) == nil {
		return b.fail("want starts and ends")
	}
	starts, ends := n.In[1], n.In[2]
	count := starts.Type.Shape
	if starts.Type.AnyRank || len(count) != 1 || count[0] < 0 {
		return b.refuse("the number of axes is only known when it is run")
	}
	axes, steps := iota(count[0]), repeat(1, count[0])
	if v := n.input(3); v != nil {
		axes = b.knownInts("axes", v)
	}
	if v := n.input(4); v != nil {
		steps = b.knownInts("steps", v)
	}
	if b.Err() != nil || len(axes) != count[0] || len(steps) != count[0] {
		return b.fail("%d starts, %d axes, %d steps", count[0], len(axes), len(steps))
	}
	axes = b.axes(axes, r)
	stride := repeat(1, r)
	mask := slices.Repeat([]bool{true}, r)
	spread := repeat(count[0], r) // places in a vector of the values given and a zero
	for i, a := range axes {
		stride[a], mask[a], spread[a] = steps[i], false, i
		if steps[i] <= 0 {
			return b.refuse("negative steps from places that are only known when it is run")
		}
	}
	at := func(v *mil.Value) *mil.Value {
		g := op.GatherIOS17.Defaults()
		g.X, g.Indices = b.concat(0, v, b.ints(0)), b.ints(spread...)
		return op.GatherIOS17.Add(b.Builder, g)
	}
	toEnd := slices.Clone(mask)
	if es, ok := b.known(ends); ok && len(es) == len(axes) {
		for i, a := range axes {
			toEnd[a] = es[i] >= 1<<31-1
		}
	}
	return one(b.as(op.SliceByIndexIOS17.Add(b.Builder, op.SliceByIndexArgs{
		X: x, Begin: at(starts), End: at(ends), Stride: stride, BeginMask: mask, EndMask: toEnd,
	}), x))
}

// expand broadcasts to a shape, which may itself be smaller.
func expand(b *Builder, n *Node) []*mil.Value {
	if len(n.In) != 2 || n.In[1] == nil {
		return b.fail("want a shape")
	}
	x := n.In[0]
	r := b.rank(x)
	if b.Err() != nil {
		return nil
	}
	want := b.l.partly(n.In[1])
	if want == nil {
		if n.In[1].Type.AnyRank || n.In[1].Type.Rank() != 1 || n.In[1].Type.Shape[0] < 0 {
			return b.refuse("the rank of the result is only known when it is run")
		}
		want = slices.Repeat([]part{anything}, n.In[1].Type.Shape[0])
	}
	if len(want) < r {
		want = append(slices.Repeat([]part{{n: 1}}, r-len(want)), want...)
	}
	lead := len(want) - r
	same, tiled := true, true
	reps, dims := make([]int, len(want)), make([]int, len(want))
	for i, p := range want {
		d := 1
		if i >= lead {
			d = x.Type.Shape[i-lead]
		}
		if dims[i] = d; d == 1 { // of others a part says no more
			if dims[i] = p.n; p.sym < 0 {
				dims[i] = p.sym
			}
		}
		switch {
		case p.sym == 0 && (p.n == 1 || p.n == d), p.sym < mil.Unknown && p.sym == d:
			reps[i] = 1
		case p.sym == 0 && d == 1:
			reps[i], same = p.n, false
		default:
			same, tiled = false, false
		}
	}
	v := x
	if lead > 0 {
		v = b.expandDims(x, iota(lead)...)
	}
	switch {
	case same:
		return one(v)
	case tiled && !slices.Contains(reps, 0):
		return one(b.as(op.Tile.Add(b.Builder, op.TileArgs{X: v, Reps: b.ints(reps...)}), x))
	}
	// An operator that broadcasts does it.
	if x.Type.DType == tensor.Bool {
		no := op.Fill.Add(b.Builder, op.FillArgs{Shape: n.In[1], Value: tensor.Scalar(tensor.Bool, false)})
		return one(b.refine(op.LogicalOr.Add(b.Builder, op.Binary{X: x, Y: no}), dims))
	}
	ones := op.Fill.Add(b.Builder, op.FillArgs{Shape: n.In[1], Value: scalarOf(1, x.Type.DType)})
	return one(b.as(b.refine(b.mul(x, ones), dims), x))
}

func tile(b *Builder, n *Node) []*mil.Value {
	if len(n.In) < 2 || n.In[1] == nil {
		return b.fail("want repeats")
	}
	x, reps := n.In[0], n.In[1]
	if n.Version < 6 {
		return b.refuse("version 1")
	}
	if rs, ok := b.known(reps); ok && slices.Contains(rs, 0) {
		shape := b.static(x)
		if b.Err() != nil || len(rs) != len(shape) {
			return b.fail("%d repeats of %s", len(rs), x.Type)
		}
		for i, r := range rs {
			rs[i] = r * shape[i]
		}
		return one(b.as(op.Fill.Add(b.Builder, op.FillArgs{Shape: b.ints(rs...), Value: scalarOf(0, x.Type.DType)}), x))
	}
	return one(b.as(op.Tile.Add(b.Builder, op.TileArgs{X: x, Reps: reps}), x))
}

// blocks reads the size of the blocks of [N, C, H, W].
func (b *Builder) blocks(n *Node) int {
	size := n.Int("blocksize", 0)
	if b.rank(n.In[0]) != 4 || size < 1 || size > 1<<15 {
		b.fail("blocks of %d in %s", size, n.In[0].Type)
		return 1
	}
	return size
}

func depthToSpace(b *Builder, n *Node) []*mil.Value {
	k := b.blocks(n)
	if b.Err() != nil {
		return nil
	}
	x := n.In[0]
	if x.Type.DType.IsFloat() && n.Text("mode", "DCR") == "CRD" {
		return one(op.PixelShuffle.Add(b.Builder, op.PixelShuffleArgs{X: x, UpscaleFactor: k}))
	}
	if x.Type.DType.IsFloat() {
		return one(op.DepthToSpace.Add(b.Builder, op.BlockArgs{X: x, BlockSize: k}))
	}
	d := b.static(x)
	if b.Err() != nil || d[1]%(k*k) != 0 {
		return b.fail("%s in blocks of %d", x.Type, k)
	}
	c := d[1] / (k * k)
	if n.Text("mode", "DCR") == "CRD" {
		v := b.transpose(b.reshape(x, d[0], c, k, k, d[2], d[3]), 0, 1, 4, 2, 5, 3)
		return one(b.reshape(v, d[0], c, d[2]*k, d[3]*k))
	}
	v := b.transpose(b.reshape(x, d[0], k, k, c, d[2], d[3]), 0, 3, 4, 1, 5, 2)
	return one(b.reshape(v, d[0], c, d[2]*k, d[3]*k))
}

func spaceToDepth(b *Builder, n *Node) []*mil.Value {
	k := b.blocks(n)
	x := n.In[0]
	if b.Err() != nil {
		return nil
	}
	crd := n.Text("mode", "DCR") == "CRD"
	if x.Type.DType.IsFloat() && !crd {
		return one(op.SpaceToDepth.Add(b.Builder, op.BlockArgs{X: x, BlockSize: k}))
	}
	d := b.static(x)
	if b.Err() != nil || d[2]%k != 0 || d[3]%k != 0 {
		return b.fail("%s in blocks of %d", x.Type, k)
	}
	perm := []int{0, 3, 5, 1, 2, 4}
	if crd {
		perm = []int{0, 1, 3, 5, 2, 4}
	}
	v := b.transpose(b.reshape(x, d[0], d[1], d[2]/k, k, d[3]/k, k), perm...)
	return one(b.reshape(v, d[0], d[1]*k*k, d[2]/k, d[3]/k))
}

func trilu(b *Builder, n *Node) []*mil.Value {
	x := n.In[0]
	k := 0
	if v := n.input(1); v != nil {
		if ks := b.knownInts("k", v); len(ks) == 1 {
			k = ks[0]
		}
	}
	if b.rank(x) < 2 {
		return b.fail("want a matrix, have %s", x.Type)
	}
	s := x.Type.Shape
	rows, cols := s[len(s)-2], s[len(s)-1]
	if b.Err() != nil {
		return nil
	}
	if rows < 0 || cols < 0 {
		return b.refuse("a size that is only known when it is run")
	}
	if !b.room(rows * cols) {
		return nil
	}
	keep := make([]bool, rows*cols)
	for i := range rows {
		for j := range cols {
			if n.Int("upper", 1) != 0 {
				keep[i*cols+j] = j-i >= k
			} else {
				keep[i*cols+j] = j-i <= k
			}
		}
	}
	mask := mil.NewConst(b.Place(), tensor.New(tensor.Bool, []int{rows, cols}, keep))
	if x.Type.DType == tensor.Bool {
		return one(op.LogicalAnd.Add(b.Builder, op.Binary{X: x, Y: mask}))
	}
	return one(b.as(b.sel(mask, x, b.number(0, x)), x))
}
