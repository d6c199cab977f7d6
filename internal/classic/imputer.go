package classic

import (
	"maps"
	"math"
	"slices"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/mlmodel/spec"
)

// imputer puts values in the place of missing ones. Missing is an input that
// is absent, and what equals the replace value; where that is not given, NaN.
func imputer(s *spec.Model) (Func, error) {
	m := s.GetImputer()
	in, out, err := pair(s)
	if err != nil {
		return nil, err
	}
	fill, err := fillOf(m)
	if err != nil {
		return nil, err
	}
	return func(f Features) (Features, error) {
		v, err := fill(f, in.GetName())
		if err != nil {
			return nil, err
		}
		return Features{out.GetName(): v}, nil
	}, nil
}

// fillOf returns what takes an input and gives it without holes.
func fillOf(m *spec.Imputer) (func(in Features, name string) (any, error), error) {
	switch m.WhichImputedValue() {
	case spec.Imputer_ImputedDoubleValue_case:
		missing, err := missingNumber(m)
		return fillNumbers([]float64{m.GetImputedDoubleValue()}, missing), err
	case spec.Imputer_ImputedDoubleArray_case:
		missing, err := missingNumber(m)
		if len(m.GetImputedDoubleArray().GetVector()) == 0 {
			err = fault.New(fault.Corrupt, "imputedDoubleArray", "is empty")
		}
		return fillNumbers(m.GetImputedDoubleArray().GetVector(), missing), err
	case spec.Imputer_ImputedInt64Array_case:
		missing, err := missingNumber(m)
		var values []float64
		for _, v := range m.GetImputedInt64Array().GetVector() {
			values = append(values, float64(v))
		}
		if len(values) == 0 {
			err = fault.New(fault.Corrupt, "imputedInt64Array", "is empty")
		}
		return fillNumbers(values, missing), err
	case spec.Imputer_ImputedInt64Value_case:
		return fillOne(m.GetImputedInt64Value(), m.HasReplaceInt64Value(), m.GetReplaceInt64Value()), nil
	case spec.Imputer_ImputedStringValue_case:
		return fillOne(m.GetImputedStringValue(), m.HasReplaceStringValue(), m.GetReplaceStringValue()), nil
	case spec.Imputer_ImputedStringDictionary_case:
		return fillDictionary(m.GetImputedStringDictionary().GetMap()), nil
	case spec.Imputer_ImputedInt64Dictionary_case:
		return fillDictionary(m.GetImputedInt64Dictionary().GetMap()), nil
	}
	return nil, fault.New(fault.Corrupt, "imputedValue", "is missing")
}

// missingNumber tells which numbers are missing.
func missingNumber(m *spec.Imputer) (func(float64) bool, error) {
	mark := math.NaN()
	switch m.WhichReplaceValue() {
	case spec.Imputer_ReplaceDoubleValue_case:
		mark = m.GetReplaceDoubleValue()
	case spec.Imputer_ReplaceInt64Value_case:
		mark = float64(m.GetReplaceInt64Value())
	case spec.Imputer_ReplaceStringValue_case:
		return nil, fault.New(fault.Corrupt, "replaceValue", "is a text, where numbers are imputed")
	}
	if math.IsNaN(mark) {
		return math.IsNaN, nil
	}
	return func(v float64) bool { return v == mark }, nil
}

// fillNumbers fills a number or an array from as many values, or from one.
func fillNumbers(values []float64, missing func(float64) bool) func(in Features, name string) (any, error) {
	return func(in Features, name string) (any, error) {
		if in[name] == nil {
			if len(values) == 1 {
				return values[0], nil
			}
			return vector(slices.Clone(values)), nil
		}
		x, err := takeVector(in, name)
		if err != nil {
			return nil, err
		}
		if len(values) != 1 && len(values) != len(x) {
			return nil, badSize(name, len(values), len(x))
		}
		x = slices.Clone(x)
		for i, v := range x {
			if missing(v) {
				x[i] = values[min(i, len(values)-1)]
			}
		}
		if _, ok := in[name].(float64); ok {
			return x[0], nil
		}
		return vector(x), nil
	}
}

// fillOne replaces one value by another.
func fillOne[T comparable](value T, marked bool, mark T) func(in Features, name string) (any, error) {
	return func(in Features, name string) (any, error) {
		if in[name] == nil {
			return value, nil
		}
		v, err := take[T](in, name)
		if err == nil && marked && v == mark {
			v = value
		}
		return v, err
	}
}

// fillDictionary fills in the values that are NaN.
func fillDictionary[K comparable](values map[K]float64) func(in Features, name string) (any, error) {
	return func(in Features, name string) (any, error) {
		if in[name] == nil {
			return maps.Clone(values), nil
		}
		given, err := take[map[K]float64](in, name)
		if err != nil {
			return nil, err
		}
		out := maps.Clone(given)
		for k, v := range out {
			if fill, ok := values[k]; ok && math.IsNaN(v) {
				out[k] = fill
			}
		}
		return out, nil
	}
}
