package coreml

import (
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/mlmodel/spec"
)

var productKinds = map[string]layerFunc{
	"batchedMatmul": batchedMatmul,
	"innerProduct":  innerProduct,
}

// dense adds x·Wᵀ + bias along the last axis, the weights being stored as
// [out, in]. Layers that may round their input to 8 bits do without here.
func (l *lowering) dense(x *mil.Value, out, in uint64, weights, bias *spec.WeightParams) *mil.Value {
	size := integers([]uint64{out, in})
	a := op.LinearIOS17Args{X: x, Weight: l.weights("weights", weights, 0, size...).Const}
	if bias != nil {
		a.Bias = l.vector("bias", bias, size[0]).Const
	}
	if l.Err() != nil {
		return x
	}
	return op.LinearIOS17.Add(l.Builder, a)
}

// innerProduct lowers a product of vectors with a matrix. From rank 4 on, the
// last three axes make up a vector.
func innerProduct(l *lowering, in []*mil.Value) []*mil.Value {
	p := l.layer.GetInnerProduct()
	if len(in) != 1 || in[0].Type.Rank() < 1 || in[0].Type.Rank() > 5 {
		return l.fail("want one input of rank 1 to 5")
	}
	var bias *spec.WeightParams
	if p.GetHasBias() {
		bias = p.GetBias()
		if bias == nil {
			bias = &spec.WeightParams{} // missing
		}
	}
	x := in[0]
	rank := x.Type.Rank()
	if rank <= 3 {
		return []*mil.Value{l.dense(x, p.GetOutputChannels(), p.GetInputChannels(), p.GetWeights(), bias)}
	}
	s := l.sizes(x)
	x = l.reshapeTo(x, append(slices.Clone(s[:rank-3]), l.product(s[rank-3:])))
	y := l.dense(x, p.GetOutputChannels(), p.GetInputChannels(), p.GetWeights(), bias)
	return []*mil.Value{op.ExpandDimsIOS17.Add(l.Builder, op.ExpandDimsArgs{X: y, Axes: []int{rank - 2, rank - 1}})}
}

// batchedMatmul lowers a product of matrices; a single input is multiplied by
// the layer's own one. A vector is a matrix here, in the result as well.
func batchedMatmul(l *lowering, in []*mil.Value) []*mil.Value {
	p := l.layer.GetBatchedMatmul()
	switch len(in) {
	case 1:
		var bias *spec.WeightParams
		if p.GetHasBias() {
			bias = p.GetBias()
			if bias == nil {
				bias = &spec.WeightParams{}
			}
		}
		return []*mil.Value{l.dense(in[0], p.GetWeightMatrixSecondDimension(), p.GetWeightMatrixFirstDimension(), p.GetWeights(), bias)}
	case 2:
		x, y := in[0], in[1]
		if x.Type.Rank() == 1 {
			x = op.ExpandDimsIOS17.Add(l.Builder, op.ExpandDimsArgs{X: x, Axes: []int{0}})
		}
		if y.Type.Rank() == 1 {
			y = op.ExpandDimsIOS17.Add(l.Builder, op.ExpandDimsArgs{X: y, Axes: []int{1}})
		}
		return []*mil.Value{op.Matmul.Add(l.Builder, op.MatmulArgs{
			X: x, Y: y, TransposeX: p.GetTransposeA(), TransposeY: p.GetTransposeB(),
		})}
	}
	return l.fail("want one or two inputs, have %d", len(in))
}
