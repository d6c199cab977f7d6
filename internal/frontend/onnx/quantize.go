package onnx

import (
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

// Quantized numbers are held in int32; arithmetic on them is that of floats,
// exact as long as sums stay within 24 bits, but for products of integer
// matrices, which are computed in integers where they could leave them.
var quantizeRules = table{
	"QuantizeLinear":        always(quantizeLinear),
	"DequantizeLinear":      {{since: 1, lower: dequantizeLinear, narrow: true}},
	"DynamicQuantizeLinear": always(dynamicQuantize),
	"MatMulInteger":         {{since: 1, lower: matMulInteger, narrow: true}},
	"ConvInteger":           {{since: 1, lower: convInteger, narrow: true}},
	"QLinearMatMul":         {{since: 1, lower: qLinearMatMul, narrow: true}},
	"QLinearConv":           {{since: 1, lower: qLinearConv, narrow: true}},
}

// along brings a scale or zero point to the shape that it broadcasts in: one
// number, a vector along an axis, or blocks along it.
func (b *Builder) along(v, x *mil.Value, axis, block int) *mil.Value {
	if v == nil || b.Err() != nil {
		return v
	}
	r := b.rank(x)
	switch n := v.Type.Rank(); {
	case n == 0:
		return v
	case n == 1 && v.Type.Shape[0] == 1:
		return b.reshape(v)
	case n == 1 && block > 0 && r == 1: // blocks of a vector
	case n == 1 && (axis < 0 || axis >= r):
		b.fail("a vector of %s along axis %d of %s", v.Type, axis, x.Type)
	case n == 1:
		shape := repeat(1, r)
		shape[axis] = -1
		return b.reshape(v, shape...)
	}
	if n := v.Type.Rank(); n == r && block > 0 && axis >= 0 && axis < r {
		size := x.Type.Shape[axis]
		if size < 0 {
			b.refuse("blocks along an axis whose size is only known when it is run")
			return v
		}
		if !b.room(size) {
			return v
		}
		at := make([]int, size)
		for i := range at {
			at[i] = i / block
		}
		g := op.GatherIOS17.Defaults()
		g.X, g.Indices, g.Axis = v, b.ints(at...), axis
		return b.gather(g)
	}
	return v
}

// quantized is round(x / scale) + zero within the range of a type; zero may be
// nil.
func (b *Builder) quantized(x, scale, zero *mil.Value, d tensor.DType) *mil.Value {
	if !d.IsInt() || d.Bits() > 16 {
		b.refuse("a quantization to %s", d)
		return x
	}
	lo, hi := d.IntRange()
	v := op.Round.Add(b.Builder, op.Unary{X: b.div(x, scale)})
	if zero != nil {
		v = b.add(v, b.cast(zero, v.Type.DType))
	}
	v = op.ClipIOS17.Add(b.Builder, op.AlphaBeta{X: v, Alpha: float32(lo), Beta: float32(hi)})
	return b.SetDType(b.cast(v, tensor.Int32), d)
}

func quantizeLinear(b *Builder, n *Node) []*mil.Value {
	if len(n.In) < 2 {
		return b.fail("want a scale")
	}
	x, scale, zero := b.float(n.In[0]), n.In[1], n.input(2)
	d := tensor.Uint8
	if zero != nil {
		d = b.DType(zero)
	} else if n.Int("output_dtype", 0) != 0 {
		var err error
		if d, err = dtype(int32(n.Int("output_dtype", 0))); err != nil {
			return b.refuse("%v", err)
		}
	}
	axis := 0
	if r := b.rank(x); r > 0 {
		if axis = n.Int("axis", 1); axis >= -r && axis < r {
			axis = b.axis(axis, r)
		} else if scale.Type.Rank() > 0 && scale.Type.Shape[0] != 1 {
			return b.fail("axis %d of %s", axis, x.Type)
		}
	}
	block := n.Int("block_size", 0)
	scale = b.cast(scale, x.Type.DType)
	return one(b.quantized(x, b.along(scale, x, axis, block), b.along(zero, x, axis, block), d))
}

func (b *Builder) dequantized(x, scale, zero *mil.Value) *mil.Value {
	if zero != nil {
		x = b.sub(x, zero)
	}
	return b.mul(b.cast(x, scale.Type.DType), scale)
}

func dequantizeLinear(b *Builder, n *Node) []*mil.Value {
	if len(n.In) < 2 {
		return b.fail("want a scale")
	}
	x, scale, zero := n.In[0], n.In[1], n.input(2)
	r := b.rank(x)
	axis, block := 0, n.Int("block_size", 0)
	if axis = n.Int("axis", 1); axis >= -r && axis < r {
		axis = b.axis(axis, r)
	} else if scale.Type.Rank() > 0 && scale.Type.Shape[0] != 1 {
		return b.fail("axis %d of %s", axis, x.Type)
	}
	if v := b.compressed(x, scale, zero, axis, block); v != nil {
		return one(v)
	}
	x, zero = b.l.widened(x), b.l.widened(zero)
	if x.Type.DType != tensor.Int32 {
		return b.refuse("a dequantization of %s", x.Type)
	}
	return one(b.dequantized(x, b.along(scale, x, axis, block), b.along(zero, x, axis, block)))
}

// dynamicQuantize takes the range of its input, 0 included, as that of uint8.
func dynamicQuantize(b *Builder, n *Node) []*mil.Value {
	x := n.In[0]
	zero := b.number(0, x)
	axes := iota(b.rank(x))
	hi := op.Maximum.Add(b.Builder, op.Binary{X: b.reduce(op.ReduceMax, x, axes, false), Y: zero})
	lo := op.Minimum.Add(b.Builder, op.Binary{X: b.reduce(op.ReduceMin, x, axes, false), Y: zero})
	scale := b.div(b.sub(hi, lo), b.number(255, x))
	none := op.Equal.Add(b.Builder, op.Binary{X: scale, Y: zero})
	divisor := b.sel(none, b.number(1, x), scale)
	point := op.Round.Add(b.Builder, op.Unary{X: b.div(b.sub(zero, lo), divisor)})
	point = op.ClipIOS17.Add(b.Builder, op.AlphaBeta{X: point, Alpha: 0, Beta: 255})
	return []*mil.Value{
		b.quantized(x, divisor, point, tensor.Uint8), b.SetDType(scale, tensor.Float32), b.SetDType(b.cast(point, tensor.Int32), tensor.Uint8),
	}
}

// row brings the zero point of a left factor, one for each row perhaps, to a
// column.
func (b *Builder) row(v *mil.Value) *mil.Value {
	if v != nil && v.Type.Rank() == 1 && v.Type.Shape[0] != 1 {
		return b.expandDims(v, -1)
	}
	return v
}

// minus subtracts a zero point, which may be nil.
func (b *Builder) minus(x, zero *mil.Value) *mil.Value {
	if zero == nil {
		return x
	}
	return b.sub(x, zero)
}

// exact is the number of products of bytes whose sum a float holds exactly.
const exact = 1 << 24 / (255 * 255)

// small tells known matrices whose products with bytes are so small that a float
// holds the sum of any of them exactly.
func (b *Builder) small(y, zero *mil.Value) bool {
	if y.Const == nil || y.Const.Rank() != 2 || !y.Const.DType().IsInt() || y.Const.DType().Bits() > 8 || zero != nil && zero.Const == nil {
		return false
	}
	rows, cols := y.Const.Shape()[0], y.Const.Shape()[1]
	zeros := make([]int32, 1)
	if zero != nil {
		zeros = zero.Const.I32()
	}
	if len(zeros) != 1 && len(zeros) != cols {
		return false
	}
	sums, data := make([]int, cols), y.Const.I32()
	for i := range rows {
		for j, v := range data[i*cols : (i+1)*cols] {
			d := int(v - zeros[j%len(zeros)])
			sums[j] += max(d, -d)
		}
	}
	return cols == 0 || slices.Max(sums)*255 < 1<<24
}

// integerProduct multiplies quantized matrices, the first less its zero point.
func (b *Builder) integerProduct(x, y, zero *mil.Value) *mil.Value {
	r := b.rank(y)
	if k := y.Type.Shape; len(k) > 1 && k[len(k)-2] >= 0 && (k[len(k)-2] <= exact || b.small(y, zero)) {
		return b.cast(b.matmul(b.cast(x, tensor.Float32), b.integers(y, zero, r-1)), tensor.Int32)
	}
	y, zero = b.l.widened(y), b.l.widened(zero)
	return b.matmul(x, b.minus(y, zero))
}

func matMulInteger(b *Builder, n *Node) []*mil.Value {
	if len(n.In) < 2 || b.rank(n.In[1]) == 0 {
		return b.fail("want two matrices")
	}
	b.widen(n, 1, 3)
	x := b.minus(n.In[0], b.row(n.input(2)))
	return one(b.SetDType(b.integerProduct(x, n.In[1], n.input(3)), tensor.Int32))
}

func convInteger(b *Builder, n *Node) []*mil.Value {
	if len(n.In) < 2 {
		return b.fail("want a weight")
	}
	w := n.In[1]
	if b.rank(w) < 3 {
		return b.fail("want spatial axes, have %s", w.Type)
	}
	b.widen(n, 1, 3)
	x := b.minus(n.In[0], n.input(2))
	v := b.conv(n, b.cast(x, tensor.Float32), b.integers(w, n.input(3), 0), nil)
	return one(b.SetDType(b.cast(v, tensor.Int32), tensor.Int32))
}

func qLinearMatMul(b *Builder, n *Node) []*mil.Value {
	if len(n.In) != 8 || b.rank(n.In[3]) == 0 {
		return b.fail("want eight inputs")
	}
	b.widen(n, 3, 5)
	x := b.minus(n.In[0], b.row(n.In[2]))
	scale := func(i int) *mil.Value { return b.cast(n.In[i], tensor.Float32) }
	v := b.cast(b.integerProduct(x, n.In[3], n.In[5]), tensor.Float32)
	v = b.mul(v, b.mul(b.row(scale(1)), scale(4)))
	return one(b.quantized(v, b.row(scale(6)), b.row(n.In[7]), b.DType(n.In[7])))
}

func qLinearConv(b *Builder, n *Node) []*mil.Value {
	if len(n.In) < 8 {
		return b.fail("want eight inputs")
	}
	for i, v := range n.In[:8] {
		if v == nil {
			return b.fail("input %d is missing", i)
		}
	}
	r := b.rank(n.In[3])
	channels := func(v *mil.Value, shape []int) *mil.Value {
		if v.Type.Rank() == 1 && v.Type.Shape[0] != 1 {
			return b.reshape(v, shape...)
		}
		return b.reshape(v)
	}
	out := append([]int{-1}, repeat(1, max(r-2, 0))...)
	b.widen(n, 3, 5)
	x := b.sub(n.In[0], b.reshape(n.In[2]))
	w := b.integers(n.In[3], n.In[5], 0)
	var bias *mil.Value
	if n.input(8) != nil {
		bias = b.cast(n.In[8], tensor.Float32)
	}
	v := b.conv(n, b.cast(x, tensor.Float32), w, bias)
	v = b.mul(v, b.mul(b.reshape(n.In[1]), channels(n.In[4], out)))
	return one(b.quantized(v, b.reshape(n.In[6]), b.reshape(n.In[7]), b.DType(n.In[7])))
}
