package op

import (
	"fmt"
	"math/rand/v2"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// generator returns a source of random numbers: the same numbers for the same
// seed, others each time for a negative one.
func generator(seed int) *rand.Rand {
	if seed < 0 {
		return rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	}
	return rand.New(rand.NewPCG(uint64(seed), 0))
}

// inferRandom is the type rule of a tensor of random numbers. The parameters
// of the distribution are scalars of the result's type; where one is left at
// its default, which is fp32, the other decides.
func inferRandom(shape *mil.Value, params ...*tensor.Tensor) ([]mil.Type, error) {
	d := tensor.Float32
	for _, p := range params {
		if p.Len() != 1 {
			return nil, fmt.Errorf("a parameter is %s, want a scalar", p)
		}
		if p.DType() != tensor.Float32 {
			d = p.DType()
		}
	}
	if sizes, ok := knownInts(shape); ok {
		for _, n := range sizes {
			if n < 0 {
				return nil, fmt.Errorf("shape %v has a negative dimension", sizes)
			}
		}
		return result(d, sizes...)
	}
	n, err := vector("shape", shape)
	if err != nil {
		return nil, err
	}
	if n < 0 {
		return anyShape(d)
	}
	if n > maxRank {
		return nil, fmt.Errorf("shape has %d dimensions", n)
	}
	return []mil.Type{mil.TensorType(d, unknownDims(n)...)}, nil
}

// evalRandom makes a tensor of random numbers.
func evalRandom(next func() float32, shape *mil.Value, params ...*tensor.Tensor) ([]*tensor.Tensor, error) {
	types, err := inferRandom(shape, params...)
	if err != nil {
		return nil, err
	}
	out := make([]float32, tensor.Size(types[0].Shape))
	for i := range out {
		out[i] = next()
	}
	return one(tensor.New(types[0].DType, types[0].Shape, out))
}

// scalar returns the value of a parameter.
func scalar(t *tensor.Tensor) float64 { return float64(t.F32()[0]) }

// sampleDims returns a known shape as a value.
func sampleDims(r *rand.Rand) *mil.Value {
	shape := sampleShape(r)
	return mil.NewConst("shape", integers([]int{len(shape)}, tensor.Int32, shape...))
}
