package op

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// channelVector is an argument with one element for each channel.
type channelVector struct {
	name string
	data []float32
}

// perChannel is the type rule of an operator that keeps x's type and has
// vectors along x's dimension 1; those not given are nil.
func perChannel(x *mil.Value, vectors ...channelVector) ([]mil.Type, error) {
	if x.Type.Rank() < 2 {
		return nil, fmt.Errorf("x is %s, want a batch and a channel dimension", x.Type)
	}
	channels := x.Type.Shape[1]
	for _, v := range vectors {
		if v.data != nil && channels >= 0 && len(v.data) != channels {
			return nil, fmt.Errorf("%s has %d elements, x has %d channels", v.name, len(v.data), channels)
		}
	}
	return []mil.Type{x.Type}, nil
}

// planes makes a tensor like x, of shape [N, C, *D], by one call of f for each
// of its N·C planes *D.
func planes(x *tensor.Tensor, f func(channel int, out, in []float32)) ([]*tensor.Tensor, error) {
	shape, in, out := x.Shape(), x.F32(), make([]float32, x.Len())
	n := tensor.Size(shape[2:])
	for i := range shape[0] * shape[1] {
		f(i%shape[1], out[i*n:(i+1)*n], in[i*n:(i+1)*n])
	}
	return one(tensor.New(x.DType(), shape, out))
}

// at returns element i of v, or what stands for it where v is not given.
func at(v []float32, i int, otherwise float64) float64 {
	if v == nil {
		return otherwise
	}
	return float64(v[i])
}

// moments returns the mean and the (biased) variance.
func moments(x []float32) (mean, variance float64) {
	for _, v := range x {
		mean += float64(v)
	}
	mean /= float64(len(x))
	for _, v := range x {
		d := float64(v) - mean
		variance += d * d
	}
	return mean, variance / float64(len(x))
}

// standardize sets out to (in - mean) · scale / sqrt(variance + epsilon) + offset.
func standardize(out, in []float32, mean, variance, epsilon, scale, offset float64) {
	scale /= math.Sqrt(variance + epsilon)
	for i, v := range in {
		out[i] = float32((float64(v)-mean)*scale + offset)
	}
}

// sampleChannels returns an x of rank 3 to 5 and its number of channels.
func sampleChannels(r *rand.Rand) (x *mil.Value, channels int) {
	shape := make([]int, 3+r.IntN(3))
	for i := range shape {
		shape[i] = 1 + r.IntN(5)
	}
	return sampleFloats(r, shape...), shape[1]
}

// sampleVector returns n numbers in [lo, lo+1).
func sampleVector(r *rand.Rand, n int, lo float32) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = lo + r.Float32()
	}
	return out
}

// sampleOptional returns n numbers in [lo, lo+1), or nil.
func sampleOptional(r *rand.Rand, n int, lo float32) []float32 {
	if r.IntN(3) == 0 {
		return nil
	}
	return sampleVector(r, n, lo)
}
