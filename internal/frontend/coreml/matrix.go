package coreml

import (
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

// matrixKinds keep a part of each matrix in the last two dimensions and set
// the rest to zero.
var matrixKinds = map[string]layerFunc{
	"matrixBandPart": func(l *lowering, in []*mil.Value) []*mil.Value {
		p := l.layer.GetMatrixBandPart()
		return []*mil.Value{op.BandPart.Add(l.Builder, op.BandPartArgs{
			X: l.one(in), Lower: integer(p.GetNumLower()), Upper: integer(p.GetNumUpper()),
		})}
	},
	"lowerTriangular": func(l *lowering, in []*mil.Value) []*mil.Value {
		k := integer(l.layer.GetLowerTriangular().GetK())
		if k < 0 {
			return []*mil.Value{l.without(l.one(in), -k-1, -1)}
		}
		return []*mil.Value{op.BandPart.Add(l.Builder, op.BandPartArgs{X: l.one(in), Lower: -1, Upper: k})}
	},
	"upperTriangular": func(l *lowering, in []*mil.Value) []*mil.Value {
		k := integer(l.layer.GetUpperTriangular().GetK())
		if k > 0 {
			return []*mil.Value{l.without(l.one(in), -1, k-1)}
		}
		return []*mil.Value{op.BandPart.Add(l.Builder, op.BandPartArgs{X: l.one(in), Lower: -k, Upper: -1})}
	},
}

// without keeps what is outside a band around the main diagonal.
func (l *lowering) without(x *mil.Value, lower, upper int) *mil.Value {
	if !l.atLeast(x, 2) {
		return x
	}
	s := l.sizes(x)
	band := op.Fill.Add(l.Builder, op.FillArgs{Shape: l.shapeOf(s[len(s)-2:]), Value: tensor.Scalar(tensor.Bool, true)})
	band = op.BandPart.Add(l.Builder, op.BandPartArgs{X: band, Lower: lower, Upper: upper})
	return op.Select.Add(l.Builder, op.SelectArgs{Cond: band, A: l.scalar(0), B: x})
}
