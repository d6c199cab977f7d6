package onnx

import (
	"math"
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

var reduceRules = table{
	"ReduceSum":       always(reduction(op.ReduceSum, 13)),
	"ReduceMean":      always(reduction(op.ReduceMean, 18)),
	"ReduceMax":       always(reduction(op.ReduceMax, 18)),
	"ReduceMin":       always(reduction(op.ReduceMin, 18)),
	"ReduceProd":      always(reduction(op.ReduceProd, 18)),
	"ReduceL1":        always(reduction(op.ReduceL1Norm, 18)),
	"ReduceL2":        always(reduction(op.ReduceL2Norm, 18)),
	"ReduceLogSum":    always(reduction(op.ReduceLogSum, 18)),
	"ReduceLogSumExp": always(reduction(op.ReduceLogSumExp, 18)),
	"ReduceSumSquare": always(reduction(op.ReduceSumSquare, 18)),
	"ArgMax":          always(argument(op.ReduceArgmaxIOS17)),
	"ArgMin":          always(argument(op.ReduceArgminIOS17)),
	"Softmax":         always(softmax),
	"LogSoftmax":      always(logSoftmax),
	"Hardmax":         always(hardmax),
	"CumSum":          always(cumSum),
	"CumProd":         always(cumProd),
	"LpNormalization": always(lpNormalization),
}

// empty is the value of a reduction of nothing, where it has one.
var empty = map[string]float64{"reduce_sum": 0, "reduce_prod": 1, "reduce_sum_square": 0, "reduce_l1_norm": 0, "reduce_l2_norm": 0}

// reduction lowers an operator whose axes are an input from a version on.
func reduction(o *op.Def[op.Reduction], since int) lowerFunc {
	return func(b *Builder, n *Node) []*mil.Value {
		x := n.In[0]
		r := b.rank(x)
		axes := n.Ints("axes")
		if n.Version >= since {
			axes = nil
			if v := n.input(1); v != nil {
				axes = b.knownInts("axes", v)
			}
		}
		if b.Err() != nil {
			return nil
		}
		if len(axes) == 0 {
			if n.Bool("noop_with_empty_axes") {
				if o == op.ReduceSum || o == op.ReduceMean || o == op.ReduceMax || o == op.ReduceMin || o == op.ReduceProd {
					return one(x)
				}
				v := o.Add(b.Builder, op.Reduction{X: b.expandDims(x, -1), Axes: []int{-1}})
				return one(b.as(v, x))
			}
			axes = iota(r)
		}
		keep := n.Int("keepdims", 1) != 0
		in := x
		if x.Type.DType == tensor.Bool {
			x = b.cast(x, tensor.Float32)
		}
		if r == 0 {
			x, axes, keep = b.expandDims(x, 0), []int{0}, false
		}
		axes = b.axes(axes, max(r, 1))
		v := b.reduce(o, x, axes, keep)
		if in.Type.DType == tensor.Bool && v.Type.DType.IsFloat() {
			return one(b.as(op.Greater.Add(b.Builder, op.Binary{X: v, Y: b.number(0, v)}), in))
		}
		return one(b.as(b.cast(v, in.Type.DType), in))
	}
}

func (b *Builder) reduce(o *op.Def[op.Reduction], x *mil.Value, axes []int, keep bool) *mil.Value {
	r := b.rank(x)
	if b.Err() == nil && slices.ContainsFunc(axes, func(a int) bool { return a < 0 || a >= r }) {
		b.fail("axes %v of %s", axes, x.Type)
	}
	if b.Err() != nil {
		return x
	}
	if d := x.Type.Shape; x.Type.IsStatic() && slices.Contains(pick(d, axes), 0) {
		if value, ok := b.emptyReduction(o, x); ok {
			var shape []int
			for i, s := range d {
				switch {
				case !slices.Contains(axes, i):
					shape = append(shape, s)
				case keep:
					shape = append(shape, 1)
				}
			}
			return op.Fill.Add(b.Builder, op.FillArgs{Shape: b.ints(shape...), Value: value})
		}
	}
	return o.Add(b.Builder, op.Reduction{X: x, Axes: axes, KeepDims: keep})
}

// argument lowers ArgMax and ArgMin.
func argument(o *op.Def[op.ArgReductionIOS17]) lowerFunc {
	return func(b *Builder, n *Node) []*mil.Value {
		x := n.In[0]
		axis := b.axis(n.Int("axis", 0), b.rank(x))
		last := n.Bool("select_last_index")
		if last {
			x = op.ReverseIOS17.Add(b.Builder, op.ReverseArgs{X: x, Axes: []int{axis}})
		}
		a := o.Defaults()
		a.X, a.Axis, a.KeepDims = x, axis, n.Int("keepdims", 1) != 0
		v := o.Add(b.Builder, a)
		if last && b.Err() == nil {
			d := b.dims(n.In[0], axis)
			v = b.sub(b.sub(b.squeeze(d, 0), b.int(1)), v)
		}
		return one(b.SetDType(v, tensor.Int64))
	}
}

// lastAxis brings a value to the form in which old versions of the softmax
// operators normalize, a matrix, and returns the axis to normalize along and
// the way back.
func lastAxis(b *Builder, n *Node) (x *mil.Value, axis int, back func(*mil.Value) *mil.Value) {
	x = n.In[0]
	r := b.rank(x)
	same := func(v *mil.Value) *mil.Value { return v }
	if b.Err() != nil {
		return x, 0, same
	}
	if n.Version >= 13 {
		return x, b.axis(n.Int("axis", -1), r), same
	}
	axis = b.axis(n.Int("axis", 1), r)
	if b.Err() != nil || axis == r-1 {
		return x, axis, same
	}
	in := x
	others := known(in.Type.Shape[axis+1:])
	if others == 1 { // only one axis has more than one element
		return x, axis, same
	}
	return b.flat(x, axis), 1, func(v *mil.Value) *mil.Value {
		return b.reshapeTo(v, partsOf(in.Type.Shape), b.shapeOf(in), true)
	}
}

func softmax(b *Builder, n *Node) []*mil.Value {
	x, axis, back := lastAxis(b, n)
	return one(back(op.Softmax.Add(b.Builder, op.SoftmaxArgs{X: x, Axis: axis})))
}

func logSoftmax(b *Builder, n *Node) []*mil.Value {
	x, axis, back := lastAxis(b, n)
	return one(back(b.sub(x, b.reduce(op.ReduceLogSumExp, x, []int{axis}, true))))
}

func hardmax(b *Builder, n *Node) []*mil.Value {
	x, axis, back := lastAxis(b, n)
	if b.Err() != nil {
		return nil
	}
	a := op.ReduceArgmaxIOS17.Defaults()
	a.X, a.Axis = x, axis
	h := op.OneHot.Defaults()
	h.Indices, h.Axis = op.ReduceArgmaxIOS17.Add(b.Builder, a), axis
	h.OneHotVectorSize = b.squeeze(b.dims(x, axis), 0)
	h.OnValue, h.OffValue = scalarOf(1, x.Type.DType), scalarOf(0, x.Type.DType)
	return one(back(op.OneHot.Add(b.Builder, h)))
}

func cumSum(b *Builder, n *Node) []*mil.Value {
	x := n.In[0]
	axis := b.knownInts("axis", n.input(1))
	if b.Err() != nil || len(axis) != 1 {
		return b.fail("want one axis")
	}
	return one(b.wrap(op.Cumsum.Add(b.Builder, op.CumsumArgs{
		X: x, Axis: b.axis(axis[0], b.rank(x)), Exclusive: n.Bool("exclusive"), Reverse: n.Bool("reverse"),
	}), x))
}

// cumProd multiplies ever larger distances, log2 of the size of the axis times.
func cumProd(b *Builder, n *Node) []*mil.Value {
	x := n.In[0]
	at := b.knownInts("axis", n.input(1))
	shape := b.static(x)
	if b.Err() != nil || len(at) != 1 {
		return b.fail("want one axis")
	}
	axis := b.axis(at[0], len(shape))
	before, after := make([]int, len(shape)), make([]int, len(shape))
	shift := func(v *mil.Value, k int) *mil.Value {
		before[axis], after[axis] = k, -k
		if n.Bool("reverse") {
			before[axis], after[axis] = -k, k
		}
		return b.pad(v, before, after, "constant", 1)
	}
	v := x
	if n.Bool("exclusive") {
		v = shift(v, 1)
	}
	for k := 1; k < shape[axis] && b.Err() == nil; k *= 2 {
		v = b.mul(v, shift(v, k))
	}
	return one(b.wrap(v, x))
}

// lpNormalization divides by the norm along an axis; what has none stays 0.
func lpNormalization(b *Builder, n *Node) []*mil.Value {
	x := n.In[0]
	axis := b.axis(n.Int("axis", -1), b.rank(x))
	o := op.ReduceL2Norm
	if n.Int("p", 2) == 1 {
		o = op.ReduceL1Norm
	}
	norm := b.reduce(o, x, []int{axis}, true)
	none := op.Equal.Add(b.Builder, op.Binary{X: norm, Y: b.number(0, x)})
	return one(b.div(x, b.sel(none, b.number(1, x), norm)))
}

// emptyReduction is the value of a reduction of no elements.
func (b *Builder) emptyReduction(o *op.Def[op.Reduction], x *mil.Value) (*tensor.Tensor, bool) {
	d := x.Type.DType
	switch o {
	case op.ReduceMax, op.ReduceLogSum, op.ReduceLogSumExp:
		return limit(d, -1), true
	case op.ReduceMin:
		return limit(d, 1), true
	}
	v, ok := empty[o.Name]
	return scalarOf(v, d), ok
}

// limit is the least or the greatest value of a type.
func limit(d tensor.DType, sign int) *tensor.Tensor {
	if d == tensor.Int32 {
		lo, hi := d.IntRange()
		if sign > 0 {
			lo = hi
		}
		return tensor.Scalar(d, int32(lo))
	}
	return scalarOf(math.Inf(sign), d)
}
