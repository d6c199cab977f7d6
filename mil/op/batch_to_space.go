package op

import (
	"fmt"
	"math/rand/v2"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// BatchToSpaceArgs are the arguments of batch_to_space. Crops is a matrix of
// 2×2: what to cut off before and after the rows, and before and after the
// columns, of the result.
type BatchToSpaceArgs struct {
	X          *mil.Value     `mil:"x,T"`
	BlockShape []int          `mil:"block_shape,int32,const"`
	Crops      *tensor.Tensor `mil:"crops,int32,const"`
}

// BatchToSpace is the inverse of SpaceToBatch.
var BatchToSpace = Define(Spec[BatchToSpaceArgs]{
	Name: "batch_to_space", Since: mil.IOS15, Types: Types{"T": Float},
	Infer: inferBatchToSpace,
	Eval: func(a *BatchToSpaceArgs) ([]*tensor.Tensor, error) {
		out, err := staticShape(inferBatchToSpace, a)
		if err != nil {
			return nil, err
		}
		x, bh, bw := a.X.Const, a.BlockShape[0], a.BlockShape[1]
		s, crop := x.Shape(), a.Crops.I32()
		whole := []int{out[0], s[1], s[2] * bh, s[3] * bw}
		full, err := regrouped(x, []int{bh, bw, out[0], s[1], s[2], s[3]}, []int{2, 3, 4, 0, 5, 1}, whole)
		if err != nil {
			return nil, err
		}
		from := strides(whole)
		t, err := rearranged(full[0], out, move{shape: out, from: from, fromAt: int(crop[0])*from[2] + int(crop[2])*from[3]})
		return []*tensor.Tensor{t}, err
	},
	Sample: func(r *rand.Rand) BatchToSpaceArgs {
		b := []int{1 + r.IntN(3), 1 + r.IntN(3)}
		crops := []int32{int32(r.IntN(2)), int32(r.IntN(2)), int32(r.IntN(2)), int32(r.IntN(2))}
		x := sampleFloats(r, b[0]*b[1]*(1+r.IntN(2)), 1+r.IntN(3), 2+r.IntN(3), 2+r.IntN(3))
		return BatchToSpaceArgs{x, b, tensor.Ints([]int{2, 2}, crops)}
	},
})

func inferBatchToSpace(a *BatchToSpaceArgs) ([]mil.Type, error) {
	n, c, h, w, err := pictures(a.X)
	if err != nil {
		return nil, err
	}
	crop, err := blockMargins(a.BlockShape, a.Crops)
	if err != nil {
		return nil, err
	}
	if n, err = over(n, a.BlockShape[0]*a.BlockShape[1]); err != nil {
		return nil, fmt.Errorf("batch: %w", err)
	}
	if h = times(h, a.BlockShape[0]); h >= 0 {
		if h -= crop[0] + crop[1]; h < 0 {
			return nil, fmt.Errorf("crops of %d and %d are more than the height", crop[0], crop[1])
		}
	}
	if w = times(w, a.BlockShape[1]); w >= 0 {
		if w -= crop[2] + crop[3]; w < 0 {
			return nil, fmt.Errorf("crops of %d and %d are more than the width", crop[2], crop[3])
		}
	}
	// The crops may make a small tensor of one that is too large to hold.
	if _, err := result(a.X.Type.DType, n, c, times(dims(a.X)[2], a.BlockShape[0]), times(dims(a.X)[3], a.BlockShape[1])); err != nil {
		return nil, err
	}
	return result(a.X.Type.DType, n, c, h, w)
}
