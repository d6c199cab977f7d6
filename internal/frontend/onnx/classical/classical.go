// Package classical decodes the operators of ONNX's domain ai.onnx.ml — trees,
// support vectors, linear models, encoders — and says what they compute, for one
// row of values at a time. Where the specification leaves something open, ONNX
// Runtime's answer is taken. It knows attributes and numbers; graphs, programs and
// Core ML may not enter.
package classical

import (
	"math"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/tensor"
)

// Domain is that of the operators.
const Domain = "ai.onnx.ml"

// Attributes are those of a node. Lists that are absent are nil.
type Attributes interface {
	Has(name string) bool
	Int(name string, otherwise int) int
	Ints(name string) []int
	Int64s(name string) []int64
	Float(name string, otherwise float32) float32
	Floats(name string) []float32
	Text(name, otherwise string) string
	Texts(name string) []string
	Tensor(name string) (*tensor.Tensor, error)
}

// Transform is what becomes of the scores of a model.
type Transform uint8

// The transforms, in the order of their numbers in TreeEnsemble.
const (
	None Transform = iota
	Softmax
	Logistic
	SoftmaxZero
	Probit
)

var transforms = []string{"NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"}

func (t Transform) String() string { return transforms[t] }

func transformOf(a Attributes) (Transform, error) {
	name := a.Text("post_transform", "NONE")
	for i, n := range transforms {
		if n == name {
			return Transform(i), nil
		}
	}
	return 0, fault.New(fault.Corrupt, "", "the transform %q is not known", name)
}

// Apply transforms scores in place.
func (t Transform) Apply(v []float64) {
	switch t {
	case Softmax:
		softmax(v, func(float64) bool { return false })
	case SoftmaxZero: // zeros stay zeros
		softmax(v, func(x float64) bool { return math.Abs(x) <= 1e-7 })
	case Logistic:
		for i, x := range v {
			v[i] = logistic(x)
		}
	case Probit:
		for i, x := range v {
			v[i] = math.Sqrt2 * math.Erfinv(2*x-1)
		}
	}
}

func softmax(v []float64, zero func(float64) bool) {
	if len(v) == 0 {
		return
	}
	top := v[largest(v)]
	sum := 0.0
	for i, x := range v {
		if zero(x) {
			v[i] = 0
			continue
		}
		v[i] = math.Exp(x - top)
		sum += v[i]
	}
	for i := range v {
		v[i] /= sum
	}
}

func logistic(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// largest returns the index of the largest value, the first of equal ones.
func largest(v []float64) int {
	best := 0
	for i, x := range v {
		if x > v[best] {
			best = i
		}
	}
	return best
}

// Labels are the classes of a model: texts or integers.
type Labels struct {
	Texts []string
	Ints  []int64
}

// labelsOf reads labels from the attributes of one of these names.
func labelsOf(a Attributes, ints string) (Labels, error) {
	l := Labels{Texts: a.Texts("classlabels_strings"), Ints: a.Int64s(ints)}
	if len(l.Texts) > 0 {
		l.Ints = nil
	}
	if l.Len() == 0 {
		return l, fault.New(fault.Corrupt, "", "there are no class labels")
	}
	return l, nil
}

// Len returns the number of classes.
func (l Labels) Len() int { return max(len(l.Texts), len(l.Ints)) }

// At returns a label: a string or an int64.
func (l Labels) At(i int) any {
	if l.Texts != nil {
		return l.Texts[i]
	}
	return l.Ints[i]
}

// Tensor returns the labels as a vector.
func (l Labels) Tensor() *tensor.Tensor {
	if l.Texts != nil {
		return tensor.New(tensor.String, []int{len(l.Texts)}, l.Texts)
	}
	return tensor.New(tensor.Int64, []int{len(l.Ints)}, l.Ints)
}

// Classifier is an operator that gives a label and scores.
type Classifier interface {
	Classes() Labels
	// Classify returns the index of the label and the scores of a row.
	Classify(x []float64) (label int, scores []float64)
	// Width is the number of values that a row has at least.
	Width() int
}

// Regressor is an operator that gives numbers.
type Regressor interface {
	Predict(x []float64) []float64
	// Outputs is how many numbers it gives.
	Outputs() int
	Width() int
}

// wide converts a list of numbers; an empty one is nil.
func wide(v []float32) []float64 {
	if len(v) == 0 {
		return nil
	}
	out := make([]float64, len(v))
	for i, x := range v {
		out[i] = float64(x)
	}
	return out
}

// floats reads numbers from an attribute, or from its form as a tensor.
func floats(a Attributes, name string) ([]float64, error) {
	if v := a.Floats(name); len(v) > 0 {
		return wide(v), nil
	}
	t, err := a.Tensor(name + "_as_tensor")
	if err != nil || t == nil {
		return nil, err
	}
	if t.DType() == tensor.String {
		return nil, fault.New(fault.Corrupt, "", "%s are texts", name)
	}
	return t.Float64s(), nil
}

func dot(a, b []float64) float64 {
	sum := 0.0
	for i, x := range a {
		sum += x * b[i]
	}
	return sum
}
