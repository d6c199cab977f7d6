package op

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// SliceByIndexArgs are the arguments of slice_by_index, each with one element
// for every dimension of X. They mean what NumPy's x[begin:end:stride] does:
// negative places count from the end, and what lies outside is cut off.
type SliceByIndexArgs struct {
	X           *mil.Value `mil:"x,T"`
	Begin       *mil.Value `mil:"begin,U"`
	End         *mil.Value `mil:"end,U"`
	Stride      []int      `mil:"stride,U,const,optional"`
	BeginMask   []bool     `mil:"begin_mask,bool,const,optional"`   // true: from the first element, the last for a negative stride
	EndMask     []bool     `mil:"end_mask,bool,const,optional"`     // true: to the end
	SqueezeMask []bool     `mil:"squeeze_mask,bool,const,optional"` // true: only begin, without the dimension
}

// SliceByIndex cuts a block out of a tensor, given by its corners.
var SliceByIndex = Define(Spec[SliceByIndexArgs]{
	Name: "slice_by_index", Since: mil.IOS15, Types: Types{"T": Any, "U": onlyInt32},
	Infer: inferSliceByIndex, Eval: evalSliceByIndex, Sample: sampleSliceByIndex,
})

// SliceByIndexIOS17 is SliceByIndex for more element types.
var SliceByIndexIOS17 = Define(Spec[SliceByIndexArgs]{
	Name: "slice_by_index", Since: mil.IOS17, Types: Types{"T": AnyIOS17, "U": SignedInt},
	Infer: inferSliceByIndex, Eval: evalSliceByIndex, Sample: sampleSliceByIndex,
})

// cut is the part of one dimension that a slice takes: size elements, stride
// apart, from begin on.
type cut struct {
	begin, size, stride int
	squeeze             bool
}

// cuts reads the corners of a slice of a tensor of that shape. A size is
// unknown where it depends on what is not known yet.
func cuts(a *SliceByIndexArgs, shape []int) ([]cut, error) {
	if err := lengthOf("begin", a.Begin, len(shape)); err != nil {
		return nil, err
	}
	if err := lengthOf("end", a.End, len(shape)); err != nil {
		return nil, err
	}
	if n := len(a.Stride); a.Stride != nil && n != len(shape) {
		return nil, fmt.Errorf("stride: want %d elements, have %d", len(shape), n)
	}
	for _, m := range [][]bool{a.BeginMask, a.EndMask, a.SqueezeMask} {
		if m != nil && len(m) != len(shape) {
			return nil, fmt.Errorf("a mask: want %d elements, have %d", len(shape), len(m))
		}
	}
	begins, beginKnown := knownInts(a.Begin)
	ends, endKnown := knownInts(a.End)
	out := make([]cut, len(shape))
	for i, n := range shape {
		c := cut{stride: 1, squeeze: a.SqueezeMask != nil && a.SqueezeMask[i]}
		if a.Stride != nil {
			c.stride = a.Stride[i]
		}
		if c.stride == 0 {
			return nil, fmt.Errorf("stride of 0 along axis %d", i)
		}
		fromStart := a.BeginMask != nil && a.BeginMask[i]
		toEnd := a.EndMask != nil && a.EndMask[i]
		switch {
		case c.squeeze:
			c.size = 1
			if !fromStart && beginKnown {
				c.begin = begins[i]
			}
			if n >= 0 && (c.begin < -n || c.begin >= n) {
				return nil, fmt.Errorf("index %d of a dimension of %d", c.begin, n)
			}
			if c.begin < 0 && n >= 0 {
				c.begin += n
			}
		case fromStart && toEnd && n < 0 && (c.stride == 1 || c.stride == -1):
			c.size = n // a symbol passes through
		case n < 0 || !fromStart && !beginKnown || !toEnd && !endKnown:
			c.size = mil.Unknown
		default:
			// The ends of the dimension in the direction of the stride.
			lo, hi := 0, n
			first, last := 0, n
			if c.stride < 0 {
				lo, hi = -1, n-1
				first, last = n-1, -1
			}
			place := func(p int) int {
				if p < 0 {
					p += n
				}
				return min(max(p, lo), hi)
			}
			if !fromStart {
				first = place(begins[i])
			}
			if !toEnd {
				last = place(ends[i])
			}
			c.begin = first
			if c.stride > 0 && last > first {
				c.size = (last-first-1)/c.stride + 1
			} else if c.stride < 0 && last < first {
				c.size = (first-last-1)/-c.stride + 1
			}
		}
		out[i] = c
	}
	return out, nil
}

func inferSliceByIndex(a *SliceByIndexArgs) ([]mil.Type, error) {
	cs, err := cuts(a, dims(a.X))
	if err != nil {
		return nil, err
	}
	return result(a.X.Type.DType, sliceShape(cs)...)
}

func sliceShape(cs []cut) []int {
	var shape []int
	for _, c := range cs {
		if !c.squeeze {
			shape = append(shape, c.size)
		}
	}
	return shape
}

// sliceMove is the move that reads the elements of a slice in order.
func sliceMove(cs []cut, shape []int) move {
	var m move
	for i, s := range strides(shape) {
		m.shape = append(m.shape, cs[i].size)
		m.from = append(m.from, s*cs[i].stride)
		m.fromAt += s * cs[i].begin
	}
	return m
}

// Block says where the elements of a slice lie in X: along dimension i, shape[i]
// of them with that stride, the first at offset. It fails where that is not
// known before the program runs.
func (a *SliceByIndexArgs) Block() (shape, strides []int, offset int, ok bool) {
	if _, known := knownInts(a.Begin); !known && (a.BeginMask == nil || slices.Contains(a.BeginMask, false)) {
		return nil, nil, 0, false
	}
	cs, err := cuts(a, dims(a.X))
	return blockOf(cs, err, a.X)
}

// Block says where the elements of a slice lie in X; see SliceByIndexArgs.Block.
func (a *SliceBySizeArgs) Block() (shape, strides []int, offset int, ok bool) {
	cs, err := sizeCuts(a)
	if _, known := knownInts(a.Begin); !known {
		return nil, nil, 0, false
	}
	return blockOf(cs, err, a.X)
}

func blockOf(cs []cut, err error, x *mil.Value) (shape, strides []int, offset int, ok bool) {
	if err != nil || !x.Type.IsStatic() {
		return nil, nil, 0, false
	}
	for _, c := range cs {
		if c.size < 0 {
			return nil, nil, 0, false
		}
	}
	m := sliceMove(cs, dims(x))
	return m.shape, m.from, m.fromAt, true
}

func evalSliceByIndex(a *SliceByIndexArgs) ([]*tensor.Tensor, error) {
	x := a.X.Const
	cs, err := cuts(a, x.Shape())
	if err != nil {
		return nil, err
	}
	t, err := rearranged(x, sliceShape(cs), sliceMove(cs, x.Shape()))
	return []*tensor.Tensor{t}, err
}

func sampleSliceByIndex(r *rand.Rand) SliceByIndexArgs {
	a := SliceByIndexArgs{X: sampleFloats(r)}
	var begin, end []int
	for _, n := range a.X.Type.Shape {
		squeeze := r.IntN(5) == 0
		b := r.IntN(2*n) - n
		begin = append(begin, b)
		end = append(end, r.IntN(2*n+4)-n-2)
		a.BeginMask = append(a.BeginMask, r.IntN(3) == 0)
		a.EndMask = append(a.EndMask, r.IntN(3) == 0)
		a.SqueezeMask = append(a.SqueezeMask, squeeze)
		a.Stride = append(a.Stride, []int{1, 1, 2, 3, -1, -2}[r.IntN(6)])
	}
	if r.IntN(3) == 0 {
		a.Stride, a.SqueezeMask = nil, nil
	}
	a.Begin, a.End = vectorOf(begin...), vectorOf(end...)
	return a
}
