package op

import (
	"math/rand/v2"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// ConstexprSparseBlockwiseShiftScaleArgs are the arguments of
// ConstexprSparseBlockwiseShiftScale: those of ConstexprBlockwiseShiftScale
// with data that are given by a mask and the elements that it sets.
type ConstexprSparseBlockwiseShiftScaleArgs struct {
	DataMask    *tensor.Tensor `mil:"data_mask,uint1,const"`
	NonzeroData *tensor.Tensor `mil:"nonzero_data,SrcT,const"`
	Scale       *tensor.Tensor `mil:"scale,DstT,const"`
	Offset      *tensor.Tensor `mil:"offset,OffsetT,const,optional"`
}

// ConstexprSparseBlockwiseShiftScale gives the mask and scale · (data - offset)
// of the stored elements, with the parameters of the block of the dense tensor
// that an element lies in.
var ConstexprSparseBlockwiseShiftScale = Define(Spec[ConstexprSparseBlockwiseShiftScaleArgs]{
	Name: "constexpr_sparse_blockwise_shift_scale", Since: mil.IOS18,
	Types: Types{"SrcT": quantized, "DstT": Float, "OffsetT": quantized},
	Infer: func(a *ConstexprSparseBlockwiseShiftScaleArgs) ([]mil.Type, error) {
		shape := a.DataMask.Shape()
		if err := checkSparse("nonzero_data", a.NonzeroData, maskOf(a.DataMask.Packed(), a.DataMask.Len())); err != nil {
			return nil, err
		}
		if err := checkBlocks(shape, a.NonzeroData.DType(), a.Scale, a.Offset); err != nil {
			return nil, err
		}
		return []mil.Type{
			mil.TensorType(tensor.Uint1, shape...),
			mil.TensorType(a.Scale.DType(), a.NonzeroData.Len()),
		}, nil
	},
	Eval: func(a *ConstexprSparseBlockwiseShiftScaleArgs) ([]*tensor.Tensor, error) {
		shape := a.DataMask.Shape()
		m := maskOf(a.DataMask.Packed(), a.DataMask.Len())
		scale, offset := a.Scale.F32(), offsets(a.Offset, a.Scale.Len())
		in, out, next := offsets(a.NonzeroData, a.NonzeroData.Len()), make([]float32, a.NonzeroData.Len()), 0
		bits := codes{m, 1}
		blocks(shape, a.Scale.Shape(), func(first, n, i int) {
			for j := first; j < first+n; j++ {
				if bits.at(j) == 1 {
					out[next] = scale[i] * (in[next] - offset[i])
					next++
				}
			}
		})
		return []*tensor.Tensor{a.DataMask, tensor.New(a.Scale.DType(), []int{len(out)}, out)}, nil
	},
	Sample: func(r *rand.Rand) ConstexprSparseBlockwiseShiftScaleArgs {
		d := quantized[r.IntN(4)]
		shape, scale, offset := sampleBlocks(r, d)
		m := sampleCodes(r, tensor.Uint1, shape...)
		n := maskOf(m.Packed(), m.Len()).count()
		return ConstexprSparseBlockwiseShiftScaleArgs{m, sampleCodes(r, d, n), scale, offset}
	},
})
