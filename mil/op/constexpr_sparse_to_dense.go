package op

import (
	"fmt"
	"math/bits"
	"math/rand/v2"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// ConstexprSparseToDenseArgs are the arguments of ConstexprSparseToDense. Mask
// has a bit for each element of a tensor of that shape, in row-major order,
// least significant bit first; NonzeroData has the elements whose bit is set.
type ConstexprSparseToDenseArgs struct {
	NonzeroData *tensor.Tensor `mil:"nonzero_data,T,const"`
	Mask        *tensor.Tensor `mil:"mask,uint8,const"`
	Shape       []int          `mil:"shape,uint32,const"`
}

// ConstexprSparseToDenseIOS18Args are ConstexprSparseToDenseArgs with a mask
// that has the shape of the result.
type ConstexprSparseToDenseIOS18Args struct {
	NonzeroData *tensor.Tensor `mil:"nonzero_data,T,const"`
	Mask        *tensor.Tensor `mil:"mask,uint1,const"`
}

// ConstexprSparseToDense is a tensor given by its nonzero elements.
var ConstexprSparseToDense = Define(Spec[ConstexprSparseToDenseArgs]{
	Name: "constexpr_sparse_to_dense", Since: mil.IOS16, Attributes: true,
	Types: Types{"T": lutTypes},
	Infer: func(a *ConstexprSparseToDenseArgs) ([]mil.Type, error) {
		n, err := tensor.CheckShape(a.Shape)
		if err != nil {
			return nil, err
		}
		if want := (n + 7) / 8; a.Mask.Len() != want {
			return nil, fmt.Errorf("mask has %d bytes, %s elements take %d", a.Mask.Len(), tensor.FormatShape(a.Shape), want)
		}
		if err := checkSparse("nonzero_data", a.NonzeroData, maskOf(a.Mask.Packed(), n)); err != nil {
			return nil, err
		}
		return []mil.Type{mil.TensorType(a.NonzeroData.DType(), a.Shape...)}, nil
	},
	Eval: func(a *ConstexprSparseToDenseArgs) ([]*tensor.Tensor, error) {
		return one(sparseToDense(a.NonzeroData, maskOf(a.Mask.Packed(), tensor.Size(a.Shape)), a.Shape))
	},
	Sample: func(r *rand.Rand) ConstexprSparseToDenseArgs {
		shape := sampleShape(r)
		n := tensor.Size(shape)
		b := sampleMask(r, n)
		bytes, err := tensor.FromPacked(tensor.Uint8, []int{len(b)}, b)
		if err != nil {
			panic(err)
		}
		return ConstexprSparseToDenseArgs{sampleSet(r, b, n), bytes, shape}
	},
})

// ConstexprSparseToDenseIOS18 is a tensor given by its nonzero elements.
var ConstexprSparseToDenseIOS18 = Define(Spec[ConstexprSparseToDenseIOS18Args]{
	Name: "constexpr_sparse_to_dense", Since: mil.IOS18,
	Types: Types{"T": quantized},
	Infer: func(a *ConstexprSparseToDenseIOS18Args) ([]mil.Type, error) {
		if err := checkSparse("nonzero_data", a.NonzeroData, maskOf(a.Mask.Packed(), a.Mask.Len())); err != nil {
			return nil, err
		}
		return []mil.Type{mil.TensorType(a.NonzeroData.DType(), a.Mask.Shape()...)}, nil
	},
	Eval: func(a *ConstexprSparseToDenseIOS18Args) ([]*tensor.Tensor, error) {
		return one(sparseToDense(a.NonzeroData, maskOf(a.Mask.Packed(), a.Mask.Len()), a.Mask.Shape()))
	},
	Sample: func(r *rand.Rand) ConstexprSparseToDenseIOS18Args {
		shape := sampleShape(r)
		mask := sampleCodes(r, tensor.Uint1, shape...)
		return ConstexprSparseToDenseIOS18Args{sampleSet(r, mask.Packed(), mask.Len()), mask}
	},
})

// mask tells which elements of a sparse tensor are stored: one bit each, least
// significant bit first. Bits past the last element are clear.
type mask []byte

// maskOf returns the first n bits of b as a mask.
func maskOf(b []byte, n int) mask {
	if rest := n % 8; rest != 0 && b[n/8]>>rest != 0 {
		b = append(mask(nil), b...)
		b[n/8] &= 1<<rest - 1
	}
	return b
}

// count returns the number of elements that are stored.
func (m mask) count() int {
	n := 0
	for _, b := range m {
		n += bits.OnesCount8(b)
	}
	return n
}

// each calls f with the linear position of each stored element, in order.
func (m mask) each(f func(i int)) {
	for i, b := range m {
		for ; b != 0; b &= b - 1 {
			f(8*i + bits.TrailingZeros8(b))
		}
	}
}

// checkSparse checks that the stored elements are as many as the mask says.
func checkSparse(name string, stored *tensor.Tensor, m mask) error {
	if n := m.count(); stored.Rank() != 1 || stored.Len() != n {
		return fmt.Errorf("%s has shape %s, the mask has %d elements set", name, tensor.FormatShape(stored.Shape()), n)
	}
	return nil
}

// sparseToDense returns the tensor of which the stored elements are set and the
// others 0.
func sparseToDense(stored *tensor.Tensor, m mask, shape []int) *tensor.Tensor {
	if stored.DType().IsFloat() {
		return tensor.New(stored.DType(), shape, scattered(stored.F32(), m, tensor.Size(shape)))
	}
	return tensor.New(stored.DType(), shape, scattered(stored.I32(), m, tensor.Size(shape)))
}

// scattered returns n elements, those that are set taken from stored in order.
func scattered[T any](stored []T, m mask, n int) []T {
	out := make([]T, n)
	next := 0
	m.each(func(i int) { out[i], next = stored[next], next+1 })
	return out
}

// gathered returns the elements that are set: the inverse of scattered.
func gathered[T any](dense []T, m mask) []T {
	out := make([]T, 0, m.count())
	m.each(func(i int) { out = append(out, dense[i]) })
	return out
}

// sampleMask returns n random bits.
func sampleMask(r *rand.Rand, n int) []byte {
	b := make([]byte, (n+7)/8)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return maskOf(b, n)
}

// sampleSet returns random stored elements for a mask.
func sampleSet(r *rand.Rand, b []byte, n int) *tensor.Tensor {
	k := maskOf(b, n).count()
	return tensor.Floats([]int{k}, sampleVector(r, k, -0.5))
}
