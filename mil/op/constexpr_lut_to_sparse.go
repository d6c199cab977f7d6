package op

import (
	"math/rand/v2"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// ConstexprLutToSparseArgs are the arguments of ConstexprLutToSparse: those of
// ConstexprLutToDenseIOS18 with indices that are given by a mask and the
// elements that it sets.
type ConstexprLutToSparseArgs struct {
	IndicesMask        *tensor.Tensor `mil:"indices_mask,uint1,const"`
	IndicesNonzeroData *tensor.Tensor `mil:"indices_nonzero_data,IndicesT,const"`
	Lut                *tensor.Tensor `mil:"lut,T,const"`
	VectorAxis         *tensor.Tensor `mil:"vector_axis,int32,const,optional"`
}

// ConstexprLutToSparse gives the mask of the result, in which each element has
// become a vector, and the stored elements of the result.
var ConstexprLutToSparse = Define(Spec[ConstexprLutToSparseArgs]{
	Name: "constexpr_lut_to_sparse", Since: mil.IOS18,
	Types: Types{"IndicesT": indexTypes, "T": lutTypes},
	Infer: func(a *ConstexprLutToSparseArgs) ([]mil.Type, error) {
		if err := checkSparse("indices_nonzero_data", a.IndicesNonzeroData, maskOf(a.IndicesMask.Packed(), a.IndicesMask.Len())); err != nil {
			return nil, err
		}
		l, err := lutOf(a.Lut, a.VectorAxis, a.IndicesMask.Shape(), a.IndicesNonzeroData.DType())
		if err != nil {
			return nil, err
		}
		return []mil.Type{
			mil.TensorType(tensor.Uint1, l.shape...),
			mil.TensorType(a.Lut.DType(), a.IndicesNonzeroData.Len()*l.vector),
		}, nil
	},
	Eval: func(a *ConstexprLutToSparseArgs) ([]*tensor.Tensor, error) {
		l, err := lutOf(a.Lut, a.VectorAxis, a.IndicesMask.Shape(), a.IndicesNonzeroData.DType())
		if err != nil {
			return nil, err
		}
		in := maskOf(a.IndicesMask.Packed(), a.IndicesMask.Len())
		out := in
		if l.vector > 1 {
			out = l.expandMask(in)
		}
		indices := sparseToDense(a.IndicesNonzeroData, in, a.IndicesMask.Shape())
		c := codes{indices.Packed(), indices.DType().Bits()}
		values := a.IndicesNonzeroData.Len() * l.vector
		m, err := tensor.FromPacked(tensor.Uint1, l.shape, out)
		if err != nil {
			return nil, err
		}
		if a.Lut.DType().IsFloat() {
			return []*tensor.Tensor{m, tensor.New(a.Lut.DType(), []int{values}, gathered(expandLut(l, c, a.Lut.F32()), out))}, nil
		}
		return []*tensor.Tensor{m, tensor.New(a.Lut.DType(), []int{values}, gathered(expandLut(l, c, a.Lut.I32()), out))}, nil
	},
	Sample: func(r *rand.Rand) ConstexprLutToSparseArgs {
		d := indexTypes[r.IntN(len(indexTypes))]
		shape, lut, at := sampleLut(r, d)
		m := sampleCodes(r, tensor.Uint1, shape...)
		n := maskOf(m.Packed(), m.Len()).count()
		return ConstexprLutToSparseArgs{m, sampleCodes(r, d, n), lut, at}
	},
})

// expandMask repeats each bit where the vector of its element comes to lie.
func (l lut) expandMask(m mask) mask {
	out := make(mask, tensor.Uint1.PackedSize(tensor.Size(l.shape)))
	inner := tensor.Size(l.indices[l.axis+1:])
	m.each(func(i int) {
		first := i/inner*l.vector*inner + i%inner
		for v := range l.vector {
			at := first + v*inner
			out[at/8] |= 1 << (at % 8)
		}
	})
	return out
}
