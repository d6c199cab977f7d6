package classic

import (
	"fmt"
	"math"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/mlmodel/spec"
)

// supportVectors evaluates a kernel between an input and each of many vectors.
type supportVectors struct {
	columns
	kernel kernel
	width  int
	n      int
	dense  []float64 // n vectors of width values, or nil
	sparse [][]node  // n vectors
}

// node is an element of a sparse vector that is not zero.
type node struct {
	index int
	value float64
}

// kernel is a function of the scalar product of two vectors, or of the square
// of their distance.
type kernel struct {
	distance bool
	of       func(float64) float64
}

// machine is what the models with support vectors have in common.
type machine interface {
	GetKernel() *spec.Kernel
	HasDenseSupportVectors() bool
	GetDenseSupportVectors() *spec.DenseSupportVectors
	HasSparseSupportVectors() bool
	GetSparseSupportVectors() *spec.SparseSupportVectors
}

func supportVectorsOf(inputs []*spec.FeatureDescription, m machine) (*supportVectors, error) {
	c, err := columnsOf(inputs)
	if err != nil {
		return nil, err
	}
	sv := &supportVectors{columns: c, width: c.total}
	if sv.kernel, err = kernelOf(m.GetKernel()); err != nil {
		return nil, err
	}
	switch {
	case m.HasDenseSupportVectors():
		err = sv.readDense(m.GetDenseSupportVectors().GetVectors())
	case m.HasSparseSupportVectors():
		err = sv.readSparse(m.GetSparseSupportVectors().GetVectors())
	default:
		err = fault.New(fault.Corrupt, "supportVectors", "are missing")
	}
	return sv, err
}

func (sv *supportVectors) readDense(vectors []*spec.DenseVector) error {
	sv.n = len(vectors)
	if sv.n > 0 {
		sv.width = len(vectors[0].GetValues())
	}
	if err := sv.fit(sv.width); err != nil {
		return err
	}
	sv.dense = make([]float64, 0, sv.n*max(sv.width, 0))
	for i, v := range vectors {
		if len(v.GetValues()) != sv.width {
			return fault.New(fault.BadShape, fmt.Sprintf("denseSupportVectors[%d]", i), "want %d values as in the first, have %d", sv.width, len(v.GetValues()))
		}
		sv.dense = append(sv.dense, v.GetValues()...)
	}
	return nil
}

// readSparse reads vectors whose indices count from 1 and ascend.
func (sv *supportVectors) readSparse(vectors []*spec.SparseVector) error {
	sv.n = len(vectors)
	sv.sparse = make([][]node, sv.n)
	for i, v := range vectors {
		last := 0
		for _, e := range v.GetNodes() {
			index := int(e.GetIndex())
			if index <= last || sv.width >= 0 && index > sv.width {
				return fault.New(fault.Corrupt, fmt.Sprintf("sparseSupportVectors[%d]", i), "the index %d follows %d, in vectors of %d values", index, last, sv.width)
			}
			sv.sparse[i] = append(sv.sparse[i], node{index - 1, e.GetValue()})
			last = index
		}
	}
	return nil
}

// values returns the kernel of the input with each support vector.
func (sv *supportVectors) values(in Features) ([]float64, error) {
	x, err := sv.read(in, sv.width)
	if err != nil {
		return nil, err
	}
	width := len(x)
	k := make([]float64, sv.n)
	for i := range k {
		switch {
		case sv.dense != nil && sv.kernel.distance:
			k[i] = distance(x, sv.dense[i*width:(i+1)*width])
		case sv.dense != nil:
			k[i] = dot(x, sv.dense[i*width:(i+1)*width])
		case sv.kernel.distance:
			k[i] = sparseDistance(x, sv.sparse[i])
		default:
			k[i] = sparseDot(x, sv.sparse[i])
		}
		k[i] = sv.kernel.of(k[i])
	}
	return k, nil
}

// distance is the square of the distance of two vectors.
func distance(a, b []float64) float64 {
	var sum float64
	for i, v := range a {
		d := v - b[i]
		sum += d * d
	}
	return sum
}

// sparseDot leaves out nodes past the end of x, which is zero there.
func sparseDot(x []float64, nodes []node) float64 {
	var sum float64
	for _, n := range nodes {
		if n.index < len(x) {
			sum += x[n.index] * n.value
		}
	}
	return sum
}

func sparseDistance(x []float64, nodes []node) float64 {
	var sum float64
	for i, v := range x {
		if len(nodes) > 0 && nodes[0].index == i {
			v -= nodes[0].value
			nodes = nodes[1:]
		}
		sum += v * v
	}
	for _, n := range nodes {
		sum += n.value * n.value
	}
	return sum
}

func kernelOf(k *spec.Kernel) (kernel, error) {
	identity := func(x float64) float64 { return x }
	switch k.WhichKernel() {
	case spec.Kernel_LinearKernel_case:
		return kernel{of: identity}, nil
	case spec.Kernel_RbfKernel_case:
		gamma := k.GetRbfKernel().GetGamma()
		return kernel{distance: true, of: func(x float64) float64 { return exp(-gamma * x) }}, nil
	case spec.Kernel_PolyKernel_case:
		p := k.GetPolyKernel()
		gamma, c, degree := p.GetGamma(), p.GetC(), int(p.GetDegree())
		if degree < 0 {
			return kernel{}, fault.New(fault.Corrupt, "kernel", "the degree %d is negative", degree)
		}
		return kernel{of: func(x float64) float64 { return power(gamma*x+c, degree) }}, nil
	case spec.Kernel_SigmoidKernel_case:
		gamma, c := k.GetSigmoidKernel().GetGamma(), k.GetSigmoidKernel().GetC()
		return kernel{of: func(x float64) float64 { return math.Tanh(gamma*x + c) }}, nil
	}
	return kernel{}, fault.New(fault.Unsupported, "kernel", "is missing or of a kind not known")
}

// power is x to the nth by squaring, as libsvm does it.
func power(x float64, n int) float64 {
	y := 1.0
	for ; n > 0; n /= 2 {
		if n%2 == 1 {
			y *= x
		}
		x *= x
	}
	return y
}

// supportVectorRegressor is y = Σ αᵢ K(x, vᵢ) - ρ.
func supportVectorRegressor(s *spec.Model) (Func, error) {
	m := s.GetSupportVectorRegressor()
	sv, err := supportVectorsOf(s.GetDescription().GetInput(), m)
	if err != nil {
		return nil, err
	}
	alpha, rho := m.GetCoefficients().GetAlpha(), m.GetRho()
	if len(alpha) != sv.n {
		return nil, fault.New(fault.Corrupt, "coefficients", "want one for each of %d support vectors, have %d", sv.n, len(alpha))
	}
	r, err := regressionOf(s.GetDescription(), 1)
	if err != nil {
		return nil, err
	}
	return func(in Features) (Features, error) {
		k, err := sv.values(in)
		if err != nil {
			return nil, err
		}
		return r.answer([]float64{dot(alpha, k) - rho}), nil
	}, nil
}
