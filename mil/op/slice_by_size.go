package op

import (
	"fmt"
	"math/rand/v2"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// SliceBySizeArgs are the arguments of slice_by_size, each with one element
// for every dimension of X. A negative begin counts from the end; a size of -1
// means all that follows.
type SliceBySizeArgs struct {
	X     *mil.Value `mil:"x,T"`
	Begin *mil.Value `mil:"begin,U"`
	Size  *mil.Value `mil:"size,U"`
}

// SliceBySize cuts a block out of a tensor, given by a corner and its sizes.
var SliceBySize = Define(Spec[SliceBySizeArgs]{
	Name: "slice_by_size", Since: mil.IOS15, Types: Types{"T": Any, "U": onlyInt32},
	Infer: inferSliceBySize, Eval: evalSliceBySize, Sample: sampleSliceBySize,
})

// SliceBySizeIOS17 is SliceBySize for more element types.
var SliceBySizeIOS17 = Define(Spec[SliceBySizeArgs]{
	Name: "slice_by_size", Since: mil.IOS17, Types: Types{"T": AnyIOS17, "U": SignedInt},
	Infer: inferSliceBySize, Eval: evalSliceBySize, Sample: sampleSliceBySize,
})

// sizeCuts reads the block: each dimension's begin, counted from the front,
// and its size, unknown where it depends on what is not known yet.
func sizeCuts(a *SliceBySizeArgs) ([]cut, error) {
	shape := dims(a.X)
	if err := lengthOf("begin", a.Begin, len(shape)); err != nil {
		return nil, err
	}
	if err := lengthOf("size", a.Size, len(shape)); err != nil {
		return nil, err
	}
	begins, beginKnown := knownInts(a.Begin)
	sizes, sizeKnown := knownInts(a.Size)
	out := make([]cut, len(shape))
	for i, n := range shape {
		c := cut{stride: 1, size: mil.Unknown}
		if sizeKnown {
			c.size = sizes[i]
		}
		if c.size < -1 {
			return nil, fmt.Errorf("a size of %d along axis %d", c.size, i)
		}
		if beginKnown && n >= 0 {
			if c.begin = begins[i]; c.begin < 0 {
				c.begin += n
			}
			if c.begin < 0 || c.begin > n || c.size > n-c.begin {
				return nil, fmt.Errorf("%d elements from %d on along axis %d of %d", c.size, begins[i], i, n)
			}
			if sizeKnown && c.size < 0 {
				c.size = n - c.begin
			}
		} else if n >= 0 && c.size > n {
			return nil, fmt.Errorf("%d elements along axis %d of %d", c.size, i, n)
		} else if sizeKnown && c.size < 0 && beginKnown && begins[i] == 0 {
			c.size = n // a symbol passes through
		}
		out[i] = c
	}
	return out, nil
}

// lengthOf checks that a value is a vector of n elements.
func lengthOf(name string, v *mil.Value, n int) error {
	have, err := vector(name, v)
	if err == nil && have >= 0 && have != n {
		err = fmt.Errorf("%s: want %d elements, have %d", name, n, have)
	}
	return err
}

func inferSliceBySize(a *SliceBySizeArgs) ([]mil.Type, error) {
	cs, err := sizeCuts(a)
	if err != nil {
		return nil, err
	}
	return result(a.X.Type.DType, sliceShape(cs)...)
}

func evalSliceBySize(a *SliceBySizeArgs) ([]*tensor.Tensor, error) {
	cs, err := sizeCuts(a)
	if err != nil {
		return nil, err
	}
	t, err := rearranged(a.X.Const, sliceShape(cs), sliceMove(cs, a.X.Const.Shape()))
	return []*tensor.Tensor{t}, err
}

func sampleSliceBySize(r *rand.Rand) SliceBySizeArgs {
	x := sampleFloats(r)
	var begin, size []int
	for _, n := range x.Type.Shape {
		b := r.IntN(n)
		s := r.IntN(n-b+2) - 1
		begin, size = append(begin, b-n*r.IntN(2)), append(size, s)
	}
	return SliceBySizeArgs{X: x, Begin: vectorOf(begin...), Size: vectorOf(size...)}
}
