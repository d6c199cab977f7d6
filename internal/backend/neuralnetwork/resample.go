package neuralnetwork

import (
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

var resampleCompositions = map[string]composition{"resample": resample, "affine": transformed}

// transformed reads pictures at the places of a grid times a matrix.
func transformed(w *writer, b *mil.Builder, a args) []*mil.Value {
	x, m := a.Input("x"), a.Input("transform_matrix")
	if !x.Type.IsStatic() || !m.Type.IsStatic() || !a.out().IsStatic() || m.Type.Rank() != 2 {
		w.fail("its sizes are only known when it is run")
		return nil
	}
	h, v := a.out().Shape[2], a.out().Shape[3]
	if h*v > maxFold {
		w.fail("a result of %d×%d", h, v)
		return nil
	}
	grid := make([]float32, 3*h*v) // columns, rows, ones
	for i := range h * v {
		grid[i], grid[h*v+i], grid[2*h*v+i] = fromMinusOne(i%v, v), fromMinusOne(i/v, h), 1
	}
	n := m.Type.Shape[0]
	matrix := op.ReshapeIOS17.Add(b, op.ReshapeArgs{X: m, Shape: ints(n, 2, 3)})
	at := op.Matmul.Add(b, op.MatmulArgs{X: matrix, Y: mil.NewConst("", tensor.Floats([]int{1, 3, h * v}, grid))})
	at = op.TransposeIOS17.Add(b, op.TransposeArgs{X: at, Perm: []int{0, 2, 1}})
	at = op.ReshapeIOS17.Add(b, op.ReshapeArgs{X: at, Shape: ints(n, h, v, 2)})
	if n != x.Type.Shape[0] {
		at = op.Tile.Add(b, op.TileArgs{X: at, Reps: ints(x.Type.Shape[0], 1, 1, 1)})
	}
	return one(op.ResampleIOS17.Add(b, op.ResampleArgs{
		X: x, Coordinates: at, SamplingMode: "bilinear", PaddingMode: a.string("padding_mode"), PaddingValue: a.float("padding_value"),
		CoordinatesMode: a.string("coordinates_mode"), AlignCorners: true,
	}))
}

// fromMinusOne is the place of element i of n from -1 to 1; a single one is in
// the middle.
func fromMinusOne(i, n int) float32 {
	if n == 1 {
		return 0
	}
	return float32(2*i)/float32(n-1) - 1
}

// sampler reads pictures at places that are data: rows of [N·H·W, C] are gathered
// by their numbers, which are computed in floats.
type sampler struct {
	*mil.Builder
	rows          *mil.Value // [N·H·W, C]
	first         *mil.Value // the number of each picture's first row, [N, 1, 1]
	h, w          int
	padding       string
	pad           float32
	normalization string
	align         bool
}

func resample(w *writer, b *mil.Builder, a args) []*mil.Value {
	x, at := a.Input("x"), a.Input("coordinates")
	if !x.Type.IsStatic() || !at.Type.IsStatic() || x.Type.Rank() != 4 || at.Type.Rank() != 4 {
		w.fail("its sizes are only known when it is run")
		return nil
	}
	s := x.Type.Shape
	if tensor.Size(s) == 0 || tensor.Size(s) > 1<<24 {
		w.fail("pictures of %d numbers", tensor.Size(s))
		return nil
	}
	rows := op.TransposeIOS17.Add(b, op.TransposeArgs{X: x, Perm: []int{0, 2, 3, 1}})
	first := make([]float32, s[0])
	for i := range first {
		first[i] = float32(i * s[2] * s[3])
	}
	r := sampler{
		Builder: b, h: s[2], w: s[3], padding: a.string("padding_mode"), pad: a.float("padding_value"),
		normalization: a.string("coordinates_mode"), align: a.bool("align_corners"),
		rows:  op.ReshapeIOS17.Add(b, op.ReshapeArgs{X: rows, Shape: ints(s[0]*s[2]*s[3], s[1])}),
		first: mil.NewConst("", tensor.Floats([]int{s[0], 1, 1}, first)),
	}
	if at.Type.DType != tensor.Float32 {
		at = op.CastIOS17.Add(b, op.CastIOS17Args{X: at, DType: "fp32"})
	}
	px, py := r.place(at, 0, r.w), r.place(at, 1, r.h)
	var y *mil.Value
	if a.string("sampling_mode") == "nearest" {
		y = r.row(op.Round.Add(b, op.Unary{X: py}), op.Round.Add(b, op.Unary{X: px}))
	} else {
		x0, y0 := op.Floor.Add(b, op.Unary{X: px}), op.Floor.Add(b, op.Unary{X: py})
		x1, y1 := r.add(x0, 1), r.add(y0, 1)
		wx, wy := r.between(px, x0), r.between(py, y0)
		y = r.mix(r.mix(r.row(y0, x0), r.row(y0, x1), wx), r.mix(r.row(y1, x0), r.row(y1, x1), wx), wy)
	}
	return one(op.TransposeIOS17.Add(b, op.TransposeArgs{X: y, Perm: []int{0, 3, 1, 2}}))
}

func (r *sampler) add(x *mil.Value, c float32) *mil.Value {
	return op.Add.Add(r.Builder, op.Binary{X: x, Y: number(x, c)})
}

func (r *sampler) mul(x *mil.Value, c float32) *mil.Value {
	return op.Mul.Add(r.Builder, op.Binary{X: x, Y: number(x, c)})
}

// place returns the points along an axis of n elements, brought onto it where
// what lies outside is no constant.
func (r *sampler) place(at *mil.Value, i, n int) *mil.Value {
	b := r.Builder
	whole := []bool{true, true, true, false}
	p := op.SliceByIndexIOS17.Add(b, op.SliceByIndexArgs{
		X: at, Begin: ints(0, 0, 0, i), End: ints(0, 0, 0, i+1), BeginMask: whole, EndMask: whole, SqueezeMask: []bool{false, false, false, true},
	})
	scale, shift := float32(1), float32(0)
	switch r.normalization {
	case "normalized_minus_one_to_one":
		scale, shift = 0.5, 0.5
		fallthrough
	case "normalized_zero_to_one":
		if r.align {
			scale, shift = scale*float32(n-1), shift*float32(n-1)
		} else {
			scale, shift = scale*float32(n), shift*float32(n)-0.5
		}
		p = r.add(r.mul(p, scale), shift)
	}
	last := float32(n - 1)
	switch r.padding {
	case "constant":
		return p
	case "reflection":
		p = r.mirror(p, 0, last)
	case "symmetric":
		p = r.mirror(p, -0.5, last+0.5)
	}
	if last == 0 {
		return r.mul(p, 0)
	}
	return op.ClipIOS17.Add(b, op.AlphaBeta{X: p, Alpha: 0, Beta: last})
}

// mirror reflects points at two mirrors until they are between them.
func (r *sampler) mirror(p *mil.Value, lo, hi float32) *mil.Value {
	if hi == lo {
		return r.add(r.mul(p, 0), lo)
	}
	b, span := r.Builder, hi-lo
	p = op.Abs.Add(b, op.Unary{X: r.add(p, -lo)})
	p = op.Mod.Add(b, op.Binary{X: p, Y: number(p, 2*span)})
	p = op.Abs.Add(b, op.Unary{X: r.add(p, -span)})
	return r.add(r.mul(p, -1), span+lo)
}

// between is how far a point is from the element before it, for each channel.
func (r *sampler) between(p, before *mil.Value) *mil.Value {
	d := op.Sub.Add(r.Builder, op.Binary{X: p, Y: before})
	return op.ExpandDimsIOS17.Add(r.Builder, op.ExpandDimsArgs{X: d, Axes: []int{3}})
}

// row returns the elements at whole rows and columns, [N, *, *, C].
func (r *sampler) row(y, x *mil.Value) *mil.Value {
	b := r.Builder
	inside := func(v *mil.Value, n int) *mil.Value {
		if n == 1 {
			return r.mul(v, 0)
		}
		return op.ClipIOS17.Add(b, op.AlphaBeta{X: v, Alpha: 0, Beta: float32(n - 1)})
	}
	cy, cx := inside(y, r.h), inside(x, r.w)
	at := op.Add.Add(b, op.Binary{X: op.Add.Add(b, op.Binary{X: r.mul(cy, float32(r.w)), Y: cx}), Y: r.first})
	v := op.GatherIOS17.Add(b, op.GatherIOS17Args{X: r.rows, Indices: op.CastIOS17.Add(b, op.CastIOS17Args{X: at, DType: "int32"}), Axis: 0})
	if r.padding != "constant" {
		return v
	}
	in := op.LogicalAnd.Add(b, op.Binary{X: op.Equal.Add(b, op.Binary{X: y, Y: cy}), Y: op.Equal.Add(b, op.Binary{X: x, Y: cx})})
	in = op.ExpandDimsIOS17.Add(b, op.ExpandDimsArgs{X: in, Axes: []int{3}})
	return op.Select.Add(b, op.SelectArgs{Cond: in, A: v, B: number(v, r.pad)})
}

// mix is lo·(1 - w) + hi·w.
func (r *sampler) mix(lo, hi, w *mil.Value) *mil.Value {
	b := r.Builder
	rest := r.add(r.mul(w, -1), 1)
	return op.Add.Add(b, op.Binary{X: op.Mul.Add(b, op.Binary{X: lo, Y: rest}), Y: op.Mul.Add(b, op.Binary{X: hi, Y: w})})
}
