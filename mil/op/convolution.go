package op

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// channelled checks what a convolution's arguments have in common: ranks, and
// a bias for each of the filters. It returns the spatial sizes of x and of the
// weight.
func channelled(x, weight, bias *mil.Value, groups, filters int) (in, kernel []int, err error) {
	xs, ws := dims(x), dims(weight)
	if len(xs) < 3 || len(xs) > 5 {
		return nil, nil, fmt.Errorf("x: want rank 3 to 5, have %s", x.Type)
	}
	if len(ws) != len(xs) {
		return nil, nil, fmt.Errorf("weight: want rank %d like x, have %s", len(xs), weight.Type)
	}
	if groups < 1 {
		return nil, nil, fmt.Errorf("%d groups", groups)
	}
	if bias != nil {
		n, err := vector("bias", bias)
		if err != nil {
			return nil, nil, err
		}
		if n >= 0 && filters >= 0 && n != filters {
			return nil, nil, fmt.Errorf("bias: %d numbers for %d filters", n, filters)
		}
	}
	return xs[2:], ws[2:], nil
}

// biases returns the bias of each filter, zeros without one.
func biases(bias *mil.Value, filters int) []float32 {
	if bias == nil {
		return make([]float32, filters)
	}
	return bias.Const.F32()
}

// accumulator is one channel of sums in float64.
type accumulator []float64

func (a accumulator) fill(v float32) {
	for i := range a {
		a[i] = float64(v)
	}
}

func (a accumulator) round(out []float32) {
	for i, v := range a {
		out[i] = float32(v)
	}
}

// sampleSliding makes the windowing arguments for a tensor with these spatial
// sizes, of which kernels fit.
func sampleSliding(r *rand.Rand, in, kernel []int, padTypes ...string) sliding {
	s := sliding{padType: padTypes[r.IntN(len(padTypes))]}
	for i := range in {
		s.strides = append(s.strides, 1+r.IntN(3))
		s.dilations = append(s.dilations, 1)
		if kernel[i] > 1 && s.padType != "valid" {
			s.dilations[i] += r.IntN(2)
		}
		extent := (kernel[i]-1)*s.dilations[i] + 1
		s.pad = append(s.pad, r.IntN(extent), r.IntN(extent))
		if lack := extent - in[i] - s.pad[2*i] - s.pad[2*i+1]; lack > 0 {
			s.pad[2*i] += lack
		}
	}
	if s.padType != "custom" {
		s.pad = nil
	}
	if slices.Max(s.strides) == 1 && r.IntN(2) == 0 {
		s.strides = nil
	}
	if slices.Max(s.dilations) == 1 && r.IntN(2) == 0 {
		s.dilations = nil
	}
	return s
}

// sampleSpatial returns sizes for n spatial dimensions of a tensor, and of a
// window that fits.
func sampleSpatial(r *rand.Rand) (in, kernel []int) {
	for range 1 + r.IntN(3) {
		in = append(in, 1+r.IntN(7))
		kernel = append(kernel, 1+r.IntN(min(3, in[len(in)-1])))
	}
	return in, kernel
}

// knownVector is a constant of rank 1 as a value, nil for none.
func knownVector(name string, t *tensor.Tensor) *mil.Value {
	if t == nil {
		return nil
	}
	return mil.NewConst(name, t)
}
