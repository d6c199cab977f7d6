package onnx

import (
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

// kept is the number of elements from which on weights stay compressed in the
// program.
const kept = 1 << 10

// compressed keeps known weights as they are stored, nil where these are not
// of that kind.
func (b *Builder) compressed(x, scale, zero *mil.Value, axis, block int) *mil.Value {
	if b.Err() != nil || x.Const == nil || scale.Const == nil || x.Const.Len() < kept || zero != nil && zero.Const == nil {
		return nil
	}
	d := x.Const.DType()
	if d != tensor.Int8 && d != tensor.Uint8 && d != tensor.Int4 && d != tensor.Uint4 {
		return nil
	}
	shape := repeat(1, x.Const.Rank())
	switch n := scale.Const.Len(); {
	case block > 0:
		shape = scale.Const.Shape()
		if len(shape) != x.Const.Rank() {
			return nil
		}
		for i, s := range shape {
			if s == 0 || x.Const.Shape()[i]%s != 0 || i != axis && s != x.Const.Shape()[i] || i == axis && x.Const.Shape()[i]/s != block {
				return nil
			}
		}
	case n > 1:
		shape[axis] = n
	}
	if tensor.Size(shape) != scale.Const.Len() || zero != nil && (zero.Const.Len() != scale.Const.Len() || zero.Const.DType() != d) {
		return nil
	}
	a := op.ConstexprBlockwiseShiftScaleArgs{Data: x.Const, Scale: scale.Const.Reshape(shape)}
	if zero != nil {
		a.Offset = zero.Const.Reshape(shape)
	}
	fold := b.Fold
	b.Builder.Fold = nil
	v := op.ConstexprBlockwiseShiftScale.Add(b.Builder, a)
	b.Builder.Fold = fold
	return v
}

// integers returns quantized numbers less their zero point, which may be nil, as
// floats. Known weights stay as they are stored; zero points of several are those
// along an axis.
func (b *Builder) integers(x, zero *mil.Value, axis int) *mil.Value {
	if b.Err() == nil && x.Const != nil && (zero == nil || zero.Const != nil) && axis >= 0 && axis < x.Const.Rank() {
		scale := tensor.Scalar(tensor.Float32, float32(1))
		if zero != nil && zero.Const.Len() > 1 {
			ones := make([]float32, zero.Const.Len())
			for i := range ones {
				ones[i] = 1
			}
			scale = tensor.Floats([]int{len(ones)}, ones)
		}
		if v := b.compressed(x, mil.NewConst(b.Place(), scale), zero, axis, 0); v != nil {
			return v
		}
	}
	x, zero = b.l.widened(x), b.l.widened(zero)
	return b.cast(b.minus(x, b.along(zero, x, axis, 0)), tensor.Float32)
}

// scaled is integers, scaled: of known weights in the operator that expands them.
func (b *Builder) scaled(x, scale, zero *mil.Value, axis int) *mil.Value {
	if v := b.compressed(x, scale, zero, axis, 0); v != nil {
		return v
	}
	x, zero = b.l.widened(x), b.l.widened(zero)
	return b.dequantized(x, b.along(scale, x, axis, 0), b.along(zero, x, axis, 0))
}

// widen gives a rule that takes some inputs as the file has them the others as
// programs hold them.
func (b *Builder) widen(n *Node, but ...int) {
	for i, v := range n.In {
		raw := false
		for _, j := range but {
			raw = raw || i == j
		}
		if !raw {
			n.In[i] = b.l.widened(v)
		}
	}
}

// matmulBy multiplies by weights, transposed perhaps.
func (b *Builder) matmulBy(x, w *mil.Value, transposed bool) *mil.Value {
	return op.Matmul.Add(b.Builder, op.MatmulArgs{X: x, Y: w, TransposeY: transposed})
}

// blockwise is cols×k weights of 4 bits, two in a byte and the lower half first,
// with a scale and perhaps a zero point for each block of a row: as they are
// stored, nil where a program cannot have them so.
func (b *Builder) blockwise(w, scale, zero *mil.Value, cols, k, block int) *mil.Value {
	blocks := k / block
	if k%block != 0 || w.Const.DType() != tensor.Uint8 || scale.Const.DType() != tensor.Float32 {
		return nil
	}
	data, err := tensor.FromPacked(tensor.Uint4, []int{cols, k}, w.Const.Packed())
	if err != nil {
		return nil
	}
	shape := []int{cols, blocks}
	eight := make([]int32, cols*blocks) // the middle of the range, where nothing is said
	for i := range eight {
		eight[i] = 8
	}
	offset := tensor.New(tensor.Uint4, shape, eight)
	if zero != nil {
		if zero.Const.DType() != tensor.Uint8 || blocks%2 != 0 {
			return nil
		}
		if offset, err = tensor.FromPacked(tensor.Uint4, shape, zero.Const.Packed()); err != nil {
			return nil
		}
	}
	return b.compressed(mil.NewConst(b.Place(), data), mil.NewConst(b.Place(), scale.Const.Reshape(shape)), mil.NewConst(b.Place(), offset), 1, block)
}

// matMulNBits multiplies with weights of 4 bits in blocks along their rows,
// two in a byte, the lower half first.
func matMulNBits(b *Builder, n *Node) []*mil.Value {
	if len(n.In) < 3 {
		return b.fail("want weights and scales")
	}
	x, w, scale, zero := n.In[0], n.In[1], n.In[2], n.input(3)
	k, cols, block := n.Int("K", 0), n.Int("N", 0), n.Int("block_size", 0)
	if n.Int("bits", 4) != 4 || n.input(4) != nil || w.Const == nil || scale.Const == nil || zero != nil && zero.Const == nil {
		return b.refuse("such weights")
	}
	if k < 1 || cols < 1 || block < 1 || k > 1<<24 || cols > 1<<24 {
		return b.fail("%d×%d weights in blocks of %d", cols, k, block)
	}
	blocks := (k + block - 1) / block
	bytes, scales := w.Const.I32(), scale.Const.Float64s()
	if len(bytes) != cols*blocks*block/2 || len(scales) != cols*blocks {
		return b.fail("%d bytes and %d scales of %d×%d weights", len(bytes), len(scales), cols, k)
	}
	if v := b.blockwise(w, scale, zero, cols, k, block); v != nil {
		y := b.matmulBy(b.float(x), v, true)
		if bias := n.input(5); bias != nil {
			y = b.add(y, b.cast(bias, y.Type.DType))
		}
		return one(b.as(b.cast(y, x.Type.DType), x))
	}
	zero = b.l.widened(zero)
	var zeros []float64
	packed := false
	if zero != nil {
		zeros = zero.Const.Float64s()
		packed = b.DType(zero).IsInt()
		if want := cols * blocks; !packed && len(zeros) != want || packed && len(zeros) != cols*((blocks+1)/2) {
			return b.fail("%d zero points of %d blocks", len(zeros), want)
		}
	}
	out := make([]float32, cols*k)
	for c := range cols {
		for i := range k {
			g := i / block
			q := bytes[(c*blocks*block+i)/2] >> (4 * (i % 2)) & 15
			z := 8.
			switch {
			case packed:
				z = float64(int(zeros[c*((blocks+1)/2)+g/2]) >> (4 * (g % 2)) & 15)
			case zeros != nil:
				z = zeros[c*blocks+g]
			}
			out[c*k+i] = float32((float64(q) - z) * scales[c*blocks+g])
		}
	}
	return one(b.linear(x, b.cast(b.floats(out, cols, k), x.Type.DType), n.input(5)))
}
