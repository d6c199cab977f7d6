package op

import (
	"fmt"
	"math/bits"
	"math/rand/v2"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// ConstexprLutToDenseArgs are the arguments of ConstexprLutToDense. Indices
// are codes for the elements of a tensor of that shape, in row-major order,
// packed least significant bit first; the table has 2, 4, 16, 64 or 256
// entries, which gives the bits of a code.
type ConstexprLutToDenseArgs struct {
	Indices *tensor.Tensor `mil:"indices,uint8,const"`
	Lut     *tensor.Tensor `mil:"lut,T,const"`
	Shape   []int          `mil:"shape,uint32,const"`
}

// The element types of a lookup table.
var lutTypes = []tensor.DType{tensor.Int8, tensor.Uint8, tensor.Float16, tensor.Float32}

// The types of the indices into a lookup table.
var indexTypes = []tensor.DType{tensor.Uint1, tensor.Uint2, tensor.Uint3, tensor.Uint4, tensor.Uint6, tensor.Uint8}

// ConstexprLutToDense is lut[indices].
var ConstexprLutToDense = Define(Spec[ConstexprLutToDenseArgs]{
	Name: "constexpr_lut_to_dense", Since: mil.IOS16, Attributes: true,
	Types: Types{"T": lutTypes},
	Infer: func(a *ConstexprLutToDenseArgs) ([]mil.Type, error) {
		n, err := tensor.CheckShape(a.Shape)
		if err != nil {
			return nil, err
		}
		entries := a.Lut.Len()
		switch entries {
		case 2, 4, 16, 64, 256:
		default:
			return nil, fmt.Errorf("lut has %d entries, want 2, 4, 16, 64 or 256", entries)
		}
		b := bits.Len(uint(entries - 1))
		if want := (n*b + 7) / 8; a.Indices.Len() != want {
			return nil, fmt.Errorf("indices have %d bytes, %s elements of %d bits take %d", a.Indices.Len(), tensor.FormatShape(a.Shape), b, want)
		}
		return []mil.Type{mil.TensorType(a.Lut.DType(), a.Shape...)}, nil
	},
	Eval: func(a *ConstexprLutToDenseArgs) ([]*tensor.Tensor, error) {
		c := codes{a.Indices.Packed(), bits.Len(uint(a.Lut.Len() - 1))}
		if t := codedByTable(c, a.Shape, a.Lut); t != nil {
			return one(t)
		}
		if a.Lut.DType().IsFloat() {
			return one(lookUpAll(c, a.Lut, a.Shape, a.Lut.F32()))
		}
		return one(lookUpAll(c, a.Lut, a.Shape, a.Lut.I32()))
	},
	Sample: func(r *rand.Rand) ConstexprLutToDenseArgs {
		shape := sampleShape(r)
		d := []tensor.DType{tensor.Uint1, tensor.Uint2, tensor.Uint4, tensor.Uint6, tensor.Uint8}[r.IntN(5)]
		n := 1 << d.Bits()
		return ConstexprLutToDenseArgs{
			Indices: sampleCodes(r, tensor.Uint8, d.PackedSize(tensor.Size(shape))),
			Lut:     tensor.Floats([]int{n}, sampleVector(r, n, -0.5)),
			Shape:   shape,
		}
	},
})

// lookUpAll returns a tensor of one table's entries.
func lookUpAll[T tensor.Element](c codes, lut *tensor.Tensor, shape []int, table []T) *tensor.Tensor {
	out := make([]T, tensor.Size(shape))
	lookUp(out, c, 0, table)
	return tensor.New(lut.DType(), shape, out)
}

// ConstexprLutToDenseIOS18Args are the arguments of ConstexprLutToDenseIOS18.
// Lut is [*G, 2^B, V] for indices of B bits and shape D: there is a table of
// vectors of V elements for each of G blocks of the indices. VectorAxis, which
// may be nil where V is 1, is the dimension along which the elements of a
// vector lie.
type ConstexprLutToDenseIOS18Args struct {
	Indices    *tensor.Tensor `mil:"indices,IndicesT,const"`
	Lut        *tensor.Tensor `mil:"lut,T,const"`
	VectorAxis *tensor.Tensor `mil:"vector_axis,int32,const,optional"`
}

// ConstexprLutToDenseIOS18 is lut[block][indices]: each index becomes a vector.
var ConstexprLutToDenseIOS18 = Define(Spec[ConstexprLutToDenseIOS18Args]{
	Name: "constexpr_lut_to_dense", Since: mil.IOS18,
	Types: Types{"IndicesT": indexTypes, "T": lutTypes},
	Infer: func(a *ConstexprLutToDenseIOS18Args) ([]mil.Type, error) {
		l, err := lutOf(a.Lut, a.VectorAxis, a.Indices.Shape(), a.Indices.DType())
		if err != nil {
			return nil, err
		}
		return []mil.Type{mil.TensorType(a.Lut.DType(), l.shape...)}, nil
	},
	Eval: func(a *ConstexprLutToDenseIOS18Args) ([]*tensor.Tensor, error) {
		l, err := lutOf(a.Lut, a.VectorAxis, a.Indices.Shape(), a.Indices.DType())
		if err != nil {
			return nil, err
		}
		c := codes{a.Indices.Packed(), a.Indices.DType().Bits()}
		if l.vector == 1 && tensor.Size(l.grid) == 1 {
			if t := codedByTable(c, l.shape, a.Lut); t != nil {
				return one(t)
			}
		}
		if a.Lut.DType().IsFloat() {
			return one(tensor.New(a.Lut.DType(), l.shape, expandLut(l, c, a.Lut.F32())))
		}
		return one(tensor.New(a.Lut.DType(), l.shape, expandLut(l, c, a.Lut.I32())))
	},
	Sample: func(r *rand.Rand) ConstexprLutToDenseIOS18Args {
		d := indexTypes[r.IntN(len(indexTypes))]
		shape, lut, at := sampleLut(r, d)
		return ConstexprLutToDenseIOS18Args{sampleCodes(r, d, shape...), lut, at}
	},
})

// lut is a checked set of lookup tables.
type lut struct {
	indices []int // the shape of the indices
	grid    []int // the number of tables along each dimension
	vector  int   // the length of an entry
	axis    int   // the dimension of the result along which an entry lies
	shape   []int // the shape of the result
}

// lutOf checks that tables fit indices of a shape and a type.
func lutOf(t, vectorAxis *tensor.Tensor, indices []int, d tensor.DType) (lut, error) {
	rank := len(indices)
	if rank < 1 || t.Rank() != rank+2 {
		return lut{}, fmt.Errorf("lut has rank %d, indices %d: want two more than 1 or more", t.Rank(), rank)
	}
	s := t.Shape()
	l := lut{indices: indices, grid: s[:rank], vector: s[rank+1]}
	if err := divides("lut", l.grid, indices); err != nil {
		return lut{}, err
	}
	if s[rank] != 1<<d.Bits() {
		return lut{}, fmt.Errorf("lut has tables of %d entries for indices of type %s", s[rank], d)
	}
	switch {
	case vectorAxis != nil && vectorAxis.Len() == 1:
		var err error
		if l.axis, err = axis(int(vectorAxis.Float64s()[0]), rank); err != nil {
			return lut{}, fmt.Errorf("vector_axis: %w", err)
		}
	case vectorAxis != nil:
		return lut{}, fmt.Errorf("vector_axis is %s, want a scalar", vectorAxis)
	case l.vector != 1:
		return lut{}, fmt.Errorf("entries of %d elements need a vector_axis", l.vector)
	}
	if l.vector < 1 || l.vector > tensor.MaxElements/max(1, indices[l.axis]) {
		return lut{}, fmt.Errorf("lut has entries of %d elements", l.vector)
	}
	l.shape = append([]int(nil), indices...)
	l.shape[l.axis] *= l.vector
	_, err := tensor.CheckShape(l.shape)
	return l, err
}

// expandLut returns the elements that the indices stand for.
func expandLut[T tensor.Element](l lut, c codes, tables []T) []T {
	out := make([]T, tensor.Size(l.shape))
	entries := l.vector << c.bits
	inner := tensor.Size(l.indices[l.axis+1:])
	blocks(l.indices, l.grid, func(first, n, i int) {
		table := tables[i*entries : (i+1)*entries]
		if l.vector == 1 {
			lookUp(out[first:first+n], c, first, table)
			return
		}
		// Index (o, k) of rows of inner elements becomes rows o·V to o·V + V-1.
		o, k := first/inner, first%inner
		for j := range n {
			entry := table[c.at(first+j)*l.vector:][:l.vector]
			for v, x := range entry {
				out[(o*l.vector+v)*inner+k] = x
			}
			if k++; k == inner {
				o, k = o+1, 0
			}
		}
	})
	return out
}

// sampleLut returns a shape of indices, tables for them and a vector axis.
func sampleLut(r *rand.Rand, d tensor.DType) (shape []int, tables, vectorAxis *tensor.Tensor) {
	shape, scale, _ := sampleBlocks(r, d)
	v := 1
	if r.IntN(2) == 0 {
		v = 1 + r.IntN(3)
		vectorAxis = tensor.Scalar(tensor.Int32, int32(r.IntN(2*len(shape))-len(shape)))
	}
	s := append(append([]int(nil), scale.Shape()...), 1<<d.Bits(), v)
	return shape, tensor.Floats(s, sampleVector(r, tensor.Size(s), -0.5)), vectorAxis
}
