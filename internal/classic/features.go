package classic

import (
	"fmt"
	"math"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// only returns the one feature that a model must have.
func only(features []*spec.FeatureDescription, what string) (*spec.FeatureDescription, error) {
	if len(features) != 1 {
		return nil, fault.New(fault.Corrupt, "", "want one %s, have %d", what, len(features))
	}
	return features[0], nil
}

// pair returns the one input and the one output of a model.
func pair(s *spec.Model) (in, out *spec.FeatureDescription, err error) {
	if in, err = only(s.GetDescription().GetInput(), "input"); err != nil {
		return nil, nil, err
	}
	out, err = only(s.GetDescription().GetOutput(), "output")
	return in, out, err
}

func badInput(name, format string, args ...any) error {
	return fault.New(fault.BadValue, fmt.Sprintf("input %q", name), format, args...)
}

// take returns an input of type T.
func take[T any](in Features, name string) (T, error) {
	v, ok := in[name].(T)
	if ok {
		return v, nil
	}
	if in[name] == nil {
		return v, badInput(name, "is missing")
	}
	return v, badInput(name, "want a %T, have a %T", v, in[name])
}

// takeVector returns the elements of an array, or one number.
func takeVector(in Features, name string) ([]float64, error) {
	switch v := in[name].(type) {
	case float64:
		return []float64{v}, nil
	case int64:
		return []float64{float64(v)}, nil
	case *tensor.Tensor:
		if v.DType() != tensor.String {
			return v.Float64s(), nil
		}
	case nil:
		return nil, badInput(name, "is missing")
	}
	return nil, badInput(name, "want numbers, have a %T", in[name])
}

// vector returns numbers as an array.
func vector(v []float64) *tensor.Tensor { return tensor.New(tensor.Float64, []int{len(v)}, v) }

// columns reads all inputs of a model as one vector: a number takes one
// element of it, an array as many as it has, in the order of the description.
type columns struct {
	names []string
	sizes []int // of an input, -1 where it may vary
	total int   // -1 where it may vary
}

func columnsOf(inputs []*spec.FeatureDescription) (columns, error) {
	var c columns
	for _, d := range inputs {
		size := 1
		switch d.GetType().WhichType() {
		case spec.FeatureType_DoubleType_case, spec.FeatureType_Int64Type_case:
		case spec.FeatureType_MultiArrayType_case:
			size = sizeOf(d.GetType().GetMultiArrayType())
		default:
			return c, fault.New(fault.Corrupt, fmt.Sprintf("input %q", d.GetName()), "want numbers, it is described as %s", d.GetType().WhichType())
		}
		c.names = append(c.names, d.GetName())
		c.sizes = append(c.sizes, size)
		if size < 0 || c.total < 0 || c.total > tensor.MaxElements-size {
			c.total = -1
		} else {
			c.total += size
		}
	}
	if len(c.names) == 0 {
		return c, fault.New(fault.Corrupt, "", "the model has no inputs")
	}
	return c, nil
}

// sizeOf returns the number of elements that an array has, -1 where it may
// vary or is not known.
func sizeOf(a *spec.ArrayFeatureType) int {
	if a.WhichShapeFlexibility() != 0 || len(a.GetShape()) == 0 {
		return -1
	}
	var shape []int
	for _, d := range a.GetShape() {
		if d > tensor.MaxElements {
			return -1
		}
		shape = append(shape, int(d))
	}
	n, err := tensor.CheckShape(shape)
	if err != nil {
		return -1
	}
	return n
}

// fit checks the number of values that a model's parameters are for.
func (c columns) fit(n int) error {
	if c.total >= 0 && c.total != n {
		return fault.New(fault.Corrupt, "", "the parameters are for %d values, the inputs have %d", n, c.total)
	}
	return nil
}

// read returns the vector of n values; where n is negative, of as many as come.
// An input that is absent gives NaN. The caller must not change it.
func (c columns) read(in Features, n int) ([]float64, error) {
	var x []float64
	for i, name := range c.names {
		var v []float64
		if in[name] == nil {
			size := c.sizes[i]
			if size < 0 {
				size = n - len(x)
			}
			if size < 0 || n >= 0 && size > n-len(x) {
				return nil, badInput(name, "is missing")
			}
			v = make([]float64, size)
			for i := range v {
				v[i] = math.NaN()
			}
		} else {
			var err error
			if v, err = takeVector(in, name); err != nil {
				return nil, err
			}
		}
		if len(c.names) == 1 {
			x = v
			break
		}
		if x == nil {
			x = make([]float64, 0, max(n, len(v)))
		}
		x = append(x, v...)
	}
	if n >= 0 && len(x) != n {
		if len(c.names) == 1 {
			return nil, badSize(c.names[0], n, len(x))
		}
		return nil, fault.New(fault.BadShape, "", "want %d values in all inputs, have %d", n, len(x))
	}
	return x, nil
}

func badSize(name string, want, have int) error {
	return fault.New(fault.BadShape, fmt.Sprintf("input %q", name), "want %d values, have %d", want, have)
}

// regression names a regressor's output and gives it its form.
type regression struct{ name string }

// regressionOf checks that the output can hold n values.
func regressionOf(d *spec.ModelDescription, n int) (regression, error) {
	name := d.GetPredictedFeatureName()
	if name == "" && len(d.GetOutput()) == 1 {
		name = d.GetOutput()[0].GetName()
	}
	for _, out := range d.GetOutput() {
		if out.GetName() != name {
			continue
		}
		if n != 1 && !out.GetType().HasMultiArrayType() {
			return regression{}, fault.New(fault.Corrupt, fmt.Sprintf("output %q", name), "is no array, the model gives %d values", n)
		}
		return regression{name}, nil
	}
	return regression{}, fault.New(fault.Corrupt, "", "the predicted feature %q is no output", name)
}

func (r regression) answer(v []float64) Features {
	if len(v) == 1 {
		return Features{r.name: v[0]}
	}
	return Features{r.name: vector(v)}
}
