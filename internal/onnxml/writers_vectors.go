package onnxml

import (
	"slices"

	"github.com/smelt-ml/smelt/internal/frontend/onnx/classical"
	"github.com/smelt-ml/smelt/internal/onnxpb"
	"github.com/smelt-ml/smelt/mlmodel/spec"
)

// machineSpec is what the models with support vectors have in common.
type machineSpec interface {
	GetKernel() *spec.Kernel
	GetDenseSupportVectors() *spec.DenseSupportVectors
	HasDenseSupportVectors() bool
	GetSparseSupportVectors() *spec.SparseSupportVectors
}

// vectorsOf are the support vectors and the kernel as attributes.
func vectorsOf(m machineSpec, width int) (a attrs, n int, err error) {
	a = attrs{}
	switch k := m.GetKernel(); k.WhichKernel() {
	case spec.Kernel_LinearKernel_case:
		a["kernel_type"], a["kernel_params"] = "LINEAR", []float64{0, 0, 0}
	case spec.Kernel_RbfKernel_case:
		a["kernel_type"], a["kernel_params"] = "RBF", []float64{k.GetRbfKernel().GetGamma(), 0, 0}
	case spec.Kernel_PolyKernel_case:
		p := k.GetPolyKernel()
		a["kernel_type"], a["kernel_params"] = "POLY", []float64{p.GetGamma(), p.GetC(), float64(p.GetDegree())}
	case spec.Kernel_SigmoidKernel_case:
		a["kernel_type"], a["kernel_params"] = "SIGMOID", []float64{k.GetSigmoidKernel().GetGamma(), k.GetSigmoidKernel().GetC(), 0}
	default:
		return nil, 0, unsupported("a kernel of a kind not known")
	}
	var all []float64
	if m.HasDenseSupportVectors() {
		for i, v := range m.GetDenseSupportVectors().GetVectors() {
			if len(v.GetValues()) != width {
				return nil, 0, corrupt("support vector %d has %d values, the inputs have %d", i, len(v.GetValues()), width)
			}
			all = append(all, v.GetValues()...)
			n++
		}
	} else {
		list := m.GetSparseSupportVectors().GetVectors()
		if n = len(list); n > 0 && width > 1<<26/n {
			return nil, 0, unsupported("%d sparse support vectors of %d values", n, width)
		}
		all = make([]float64, n*width)
		for i, v := range list {
			for _, e := range v.GetNodes() { // they count from 1
				if e.GetIndex() < 1 || int(e.GetIndex()) > width {
					return nil, 0, corrupt("support vector %d has a value at %d of %d", i, e.GetIndex(), width)
				}
				all[i*width+int(e.GetIndex())-1] = e.GetValue()
			}
		}
	}
	if n == 0 {
		return nil, 0, unsupported("no support vectors")
	}
	a["support_vectors"] = all
	return a, n, nil
}

// maxPairs bounds the pairs of classes for which matrices are written.
const maxPairs = 1 << 11

// weighted is the sum of vectors, which for a linear kernel is all that they come
// to; it is taken here and not in float32.
func weighted(vectors, alpha []float64, width int) []float64 {
	out := make([]float64, width)
	for i, a := range alpha {
		for k := range out {
			out[k] += a * vectors[i*width+k]
		}
	}
	return out
}

func writeSVMRegressor(w *writer, m *spec.Model) error {
	r := m.GetSupportVectorRegressor()
	in, width, err := w.vector(m, onnxpb.TensorProto_FLOAT)
	if err != nil {
		return err
	}
	a, n, err := vectorsOf(r, width)
	if err != nil {
		return err
	}
	if len(r.GetCoefficients().GetAlpha()) != n {
		return corrupt("%d coefficients for %d support vectors", len(r.GetCoefficients().GetAlpha()), n)
	}
	if a["kernel_type"] == "LINEAR" {
		row := weighted(a["support_vectors"].([]float64), r.GetCoefficients().GetAlpha(), width)
		v := w.one(ml+"LinearRegressor", attrs{"coefficients": row, "intercepts": []float64{-r.GetRho()}, "targets": 1}, in)
		return w.predicted(m, v, 1)
	}
	a["n_supports"], a["coefficients"], a["rho"] = n, r.GetCoefficients().GetAlpha(), []float64{-r.GetRho()}
	return w.predicted(m, w.one(ml+"SVMRegressor", a, in), 1)
}

// writeSVMClassifier takes the probabilities of the operator of that name, and
// their largest for a label, or the scores of the pairs, of which the shares of the
// votes are made.
func writeSVMClassifier(w *writer, m *spec.Model) error {
	c := m.GetSupportVectorClassifier()
	in, width, err := w.vector(m, onnxpb.TensorProto_FLOAT)
	if err != nil {
		return err
	}
	a, n, err := vectorsOf(c, width)
	if err != nil {
		return err
	}
	var counts []int64
	sum := int64(0)
	for _, v := range c.GetNumberOfSupportVectorsPerClass() {
		if counts, sum = append(counts, int64(v)), sum+int64(v); v < 0 {
			return corrupt("%d support vectors of a class", v)
		}
	}
	k := len(counts)
	l, err := labelsOf(c, k)
	if err != nil {
		return err
	}
	pairs := k * (k - 1) / 2
	var alpha []float64
	for _, row := range c.GetCoefficients() {
		if len(row.GetAlpha()) != n {
			return corrupt("%d coefficients for %d support vectors", len(row.GetAlpha()), n)
		}
		alpha = append(alpha, row.GetAlpha()...)
	}
	if k < 2 || k > 1<<10 || sum != int64(n) || len(c.GetCoefficients()) != k-1 || len(c.GetRho()) != pairs || len(c.GetProbA()) != len(c.GetProbB()) || len(c.GetProbA()) != 0 && len(c.GetProbA()) != pairs {
		return corrupt("%d classes, %d of %d support vectors, %d rows of coefficients, %d values of rho, %d and %d of probabilities",
			k, sum, n, len(c.GetCoefficients()), len(c.GetRho()), len(c.GetProbA()), len(c.GetProbB()))
	}
	a["vectors_per_class"], a["coefficients"], a["rho"], a["post_transform"] = counts, alpha, negative(c.GetRho()), "NONE"
	if len(c.GetProbA()) > 0 {
		a["prob_a"], a["prob_b"] = c.GetProbA(), c.GetProbB()
	}
	if a["kernel_type"] == "LINEAR" && pairs <= maxPairs && pairs <= maxValues/width {
		in = w.pairScores(c, a, in, width)
	}
	outs := w.add(ml+"SVMClassifier", []string{in}, 2, classLabels(a, l, "classlabels_ints"))
	if len(c.GetProbA()) > 0 {
		w.answer(m, l, "", outs[1])
		return nil
	}
	if pairs > maxPairs {
		return unsupported("the votes of %d classes", k)
	}
	// A pair's score above 0 is a vote for the first class, else for the second.
	scores := outs[1]
	if k == 2 { // its opposite and itself
		scores = w.one("Slice", nil, scores, w.integers([]int64{1}, 1), w.integers([]int64{2}, 1), w.integers([]int64{1}, 1))
	}
	first := w.one("Cast", attrs{"to": int(onnxpb.TensorProto_FLOAT)}, w.one("Greater", nil, scores, w.numbers([]float64{0}, 1)))
	votes, base := make([]float64, pairs*k), make([]float64, k)
	pair := 0
	for i := range k {
		for j := i + 1; j < k; j++ {
			votes[pair*k+i], votes[pair*k+j] = 1/float64(pairs), -1/float64(pairs)
			base[j] += 1 / float64(pairs)
			pair++
		}
	}
	shares := w.one("Gemm", nil, first, w.numbers(votes, pairs, k), w.numbers(base, k))
	w.answer(m, l, outs[0], shares)
	return nil
}

// pairScores computes the scores of the pairs of classes, which a linear kernel
// makes of one row of weights each, and changes the support vectors to such as give
// them back: for each pair the unit vector, which belongs to its first class.
func (w *writer) pairScores(c *spec.SupportVectorClassifier, a attrs, in string, width int) string {
	vectors, counts := a["support_vectors"].([]float64), a["vectors_per_class"].([]int64)
	start := make([]int64, len(counts)+1)
	for i, n := range counts {
		start[i+1] = start[i] + n
	}
	k := len(counts)
	pairs := k * (k - 1) / 2
	alpha := func(row, from int) []float64 { return c.GetCoefficients()[row].GetAlpha()[start[from]:start[from+1]] }
	of := func(class int) []float64 { return vectors[start[class]*int64(width) : start[class+1]*int64(width)] }
	var rows []float64
	unit, coefficients := make([]float64, pairs*pairs), make([]float64, (k-1)*pairs)
	pair := 0
	for i := range k {
		for j := i + 1; j < k; j++ {
			x, y := weighted(of(i), alpha(j-1, i), width), weighted(of(j), alpha(i, j), width)
			for d := range x {
				x[d] += y[d]
			}
			rows = append(rows, x...)
			unit[pair*pairs+pair] = 1
			coefficients[(j-1)*pairs+pair] = 1
			pair++
		}
	}
	for i := range counts {
		counts[i] = int64(k - 1 - i)
	}
	v := w.one(ml+"LinearRegressor", attrs{"coefficients": rows, "intercepts": a["rho"], "targets": pairs}, in)
	a["support_vectors"], a["coefficients"], a["rho"] = unit, coefficients, make([]float64, pairs)
	return v
}

// writeNeighbors computes the distances to all samples, and the votes of the
// nearest ones.
func writeNeighbors(w *writer, m *spec.Model) error {
	c := m.GetKNearestNeighborsClassifier()
	index := c.GetNearestNeighborsIndex()
	in, width, err := w.vector(m, onnxpb.TensorProto_DOUBLE)
	if err != nil {
		return err
	}
	n := len(index.GetFloatSamples())
	all := classical.Labels{Texts: c.GetStringClassLabels().GetVector(), Ints: c.GetInt64ClassLabels().GetVector()}
	if len(all.Texts) > 0 {
		all.Ints = nil
	}
	k := c.GetNumberOfNeighbors().GetDefaultValue()
	switch {
	case n == 0:
		return unsupported("no samples")
	case all.Len() != n || k < 1 || int(index.GetNumberOfDimensions()) != width:
		return corrupt("%d labels for %d samples of %d values, %d neighbours of rows of %d values", all.Len(), n, index.GetNumberOfDimensions(), k, width)
	}
	k = min(k, int64(n))
	var samples []float64
	for i, v := range index.GetFloatSamples() {
		if len(v.GetVector()) != width {
			return corrupt("sample %d has %d values, the inputs have %d", i, len(v.GetVector()), width)
		}
		for _, x := range v.GetVector() {
			samples = append(samples, float64(x))
		}
	}
	l := classical.Labels{}
	of := func(i int) int {
		if all.Texts != nil {
			at, _ := slices.BinarySearch(l.Texts, all.Texts[i])
			return at
		}
		at, _ := slices.BinarySearch(l.Ints, all.Ints[i])
		return at
	}
	if all.Texts != nil {
		l.Texts = slices.Compact(slices.Sorted(slices.Values(all.Texts)))
	} else {
		l.Ints = slices.Compact(slices.Sorted(slices.Values(all.Ints)))
	}
	if l.Len() > maxValues/n/8 {
		return unsupported("%d samples of %d classes", n, l.Len())
	}
	classOf := make([]float64, n*l.Len())
	for i := range n {
		classOf[i*l.Len()+of(i)] = 1
	}
	diff := w.one("Sub", nil, w.one("Unsqueeze", nil, in, w.integers([]int64{1}, 1)), w.doubles(samples, n, width))
	d := w.one("ReduceSumSquare", attrs{"axes": []int64{2}, "keepdims": 0}, diff)
	near := w.add("TopK", []string{d, w.integers([]int64{k}, 1)}, 2, attrs{"axis": 1, "largest": 0, "sorted": 1})
	votes := w.one("Gather", attrs{"axis": 0}, w.numbers(classOf, n, l.Len()), near[1])
	if c.HasInverseDistanceWeighting() { // one over the distance; those at no distance leave no room for others
		distance, zero := w.one("Cast", attrs{"to": int(onnxpb.TensorProto_FLOAT)}, w.one("Sqrt", nil, near[0])), w.numbers([]float64{0}, 1)
		exact := w.one("Cast", attrs{"to": int(onnxpb.TensorProto_FLOAT)}, w.one("Equal", nil, distance, zero))
		some := w.one("Greater", nil, w.one("ReduceMax", attrs{"axes": []int64{1}, "keepdims": 1}, exact), zero)
		weight := w.one("Where", nil, some, exact, w.one("Reciprocal", nil, distance))
		votes = w.one("Mul", nil, votes, w.one("Unsqueeze", nil, weight, w.integers([]int64{2}, 1)))
	}
	votes = w.one("ReduceSum", attrs{"keepdims": 0}, votes, w.integers([]int64{1}, 1))
	w.answer(m, l, w.choose(votes, l), w.one(ml+"Normalizer", attrs{"norm": "L1"}, votes))
	return nil
}
