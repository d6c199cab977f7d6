package op

import (
	"fmt"
	"math/rand/v2"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// SpaceToBatchArgs are the arguments of space_to_batch. Paddings is a matrix of
// 2×2: the zeros before and after the rows, and before and after the columns.
type SpaceToBatchArgs struct {
	X          *mil.Value     `mil:"x,T"`
	BlockShape []int          `mil:"block_shape,int32,const"`
	Paddings   *tensor.Tensor `mil:"paddings,int32,const"`
}

// SpaceToBatch makes an image of the batch of every place in a block: row i
// and column j of the blocks of image n give image (i·width + j)·N + n.
var SpaceToBatch = Define(Spec[SpaceToBatchArgs]{
	Name: "space_to_batch", Since: mil.IOS15, Types: Types{"T": Float},
	Infer: inferSpaceToBatch,
	Eval: func(a *SpaceToBatchArgs) ([]*tensor.Tensor, error) {
		out, err := staticShape(inferSpaceToBatch, a)
		if err != nil {
			return nil, err
		}
		x, bh, bw := a.X.Const, a.BlockShape[0], a.BlockShape[1]
		s, p := x.Shape(), a.Paddings.I32()
		padded, err := zeros(x.DType(), []int{s[0], s[1], out[2] * bh, out[3] * bw})
		if err != nil {
			return nil, err
		}
		to := strides(padded.Shape())
		move{shape: s, from: strides(s), to: to, toAt: int(p[0])*to[2] + int(p[2])*to[3]}.apply(padded, x)
		return regrouped(padded, []int{s[0], s[1], out[2], bh, out[3], bw}, []int{3, 5, 0, 1, 2, 4}, out)
	},
	Sample: func(r *rand.Rand) SpaceToBatchArgs {
		b := []int{1 + r.IntN(3), 1 + r.IntN(3)}
		p := []int32{int32(r.IntN(b[0])), int32(r.IntN(2)), int32(r.IntN(b[1])), int32(r.IntN(2))}
		h := b[0]*4 - int(p[0]+p[1])
		w := b[1]*4 - int(p[2]+p[3])
		return SpaceToBatchArgs{sampleFloats(r, 1+r.IntN(2), 1+r.IntN(3), h, w), b, tensor.Ints([]int{2, 2}, p)}
	},
})

func inferSpaceToBatch(a *SpaceToBatchArgs) ([]mil.Type, error) {
	n, c, h, w, err := pictures(a.X)
	if err != nil {
		return nil, err
	}
	p, err := blockMargins(a.BlockShape, a.Paddings)
	if err != nil {
		return nil, err
	}
	if h >= 0 {
		h += p[0] + p[1]
	}
	if w >= 0 {
		w += p[2] + p[3]
	}
	if h, err = over(h, a.BlockShape[0]); err != nil {
		return nil, fmt.Errorf("padded height: %w", err)
	}
	if w, err = over(w, a.BlockShape[1]); err != nil {
		return nil, fmt.Errorf("padded width: %w", err)
	}
	return result(a.X.Type.DType, times(n, a.BlockShape[0]*a.BlockShape[1]), c, h, w)
}

// blockMargins checks the shape of a block and returns the four margins.
func blockMargins(block []int, margins *tensor.Tensor) ([4]int, error) {
	var out [4]int
	if len(block) != 2 {
		return out, fmt.Errorf("block_shape: want 2 elements, have %d", len(block))
	}
	for _, side := range block {
		if err := checkBlock(side); err != nil {
			return out, err
		}
	}
	if s := margins.Shape(); len(s) != 2 || s[0] != 2 || s[1] != 2 || margins.DType() != tensor.Int32 {
		return out, fmt.Errorf("want margins of 2×2 int32, have %s", margins)
	}
	for i, m := range margins.I32() {
		if m < 0 {
			return out, fmt.Errorf("a margin of %d", m)
		}
		out[i] = int(m)
	}
	return out, nil
}
