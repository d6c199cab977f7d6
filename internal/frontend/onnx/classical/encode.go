package classical

import (
	"math"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/tensor"
)

// Mapping takes keys to values: texts, integers (int64) or numbers (float64).
type Mapping struct {
	Keys, Values []any
	Default      any // of keys that are not there
}

// NewMapping reads a LabelEncoder or a CategoryMapper for keys that are texts or
// not, which in some forms decides between two directions.
func NewMapping(op string, a Attributes, texts bool) (*Mapping, error) {
	if op == "CategoryMapper" {
		return twoWays(a.Texts("cats_strings"), a.Int64s("cats_int64s"), a, texts)
	}
	if classes := a.Texts("classes_strings"); len(classes) > 0 {
		ints := make([]int64, len(classes))
		for i := range ints {
			ints[i] = int64(i)
		}
		return twoWays(classes, ints, a, texts)
	}
	keys, kind, err := side(a, "keys_")
	if err != nil {
		return nil, err
	}
	values, to, err := side(a, "values_")
	if err != nil {
		return nil, err
	}
	m := &Mapping{Keys: keys, Values: values}
	if len(m.Keys) != len(m.Values) || len(m.Keys) == 0 {
		return nil, fault.New(fault.Corrupt, "", "%d keys and %d values", len(m.Keys), len(m.Values))
	}
	if (kind == tensor.String) != texts {
		return nil, fault.New(fault.Corrupt, "", "the keys are of type %s", kind)
	}
	switch to {
	case tensor.String:
		m.Default = a.Text("default_string", "_Unused")
	case tensor.Int64:
		m.Default = int64(a.Int("default_int64", -1))
	default:
		m.Default = float64(a.Float("default_float", float32(math.Copysign(0, -1))))
	}
	if t, err := a.Tensor("default_tensor"); err != nil {
		return nil, err
	} else if t != nil && t.Len() == 1 {
		m.Default = elements(t)[0]
	}
	return m, nil
}

func twoWays(texts []string, ints []int64, a Attributes, fromTexts bool) (*Mapping, error) {
	if len(texts) != len(ints) || len(texts) == 0 {
		return nil, fault.New(fault.Corrupt, "", "%d texts and %d integers", len(texts), len(ints))
	}
	m := &Mapping{Keys: anys(texts), Values: anys(ints), Default: int64(a.Int("default_int64", -1))}
	if !fromTexts {
		m.Keys, m.Values, m.Default = m.Values, m.Keys, a.Text("default_string", "_Unused")
	}
	return m, nil
}

// side reads keys or values in whichever form they are, with their type: String,
// Int64 or Float64.
func side(a Attributes, prefix string) ([]any, tensor.DType, error) {
	if v := a.Texts(prefix + "strings"); len(v) > 0 {
		return anys(v), tensor.String, nil
	}
	if v := a.Int64s(prefix + "int64s"); len(v) > 0 {
		return anys(v), tensor.Int64, nil
	}
	if v := a.Floats(prefix + "floats"); len(v) > 0 {
		return anys(wide(v)), tensor.Float64, nil
	}
	t, err := a.Tensor(prefix + "tensor")
	switch {
	case err != nil:
		return nil, 0, err
	case t == nil:
		return nil, 0, fault.New(fault.Corrupt, "", "there are no %s", prefix[:len(prefix)-1])
	case t.DType() == tensor.String:
		return elements(t), tensor.String, nil
	case t.DType().IsInt():
		return elements(t), tensor.Int64, nil
	}
	return elements(t), tensor.Float64, nil
}

// elements are those of a tensor as strings, int64s or float64s.
func elements(t *tensor.Tensor) []any {
	switch {
	case t.DType() == tensor.String:
		return anys(t.Strings())
	case t.DType().IsInt():
		wide, err := t.ConvertTo(tensor.Int64)
		if err == nil {
			return anys(tensor.Data[int64](wide))
		}
	}
	return anys(t.Float64s())
}

func anys[T any](v []T) []any {
	out := make([]any, len(v))
	for i, x := range v {
		out[i] = x
	}
	return out
}

// Of returns the value of a key: the first one's, or the default. NaN is a key
// like any other.
func (m *Mapping) Of(key any) any {
	f, isFloat := key.(float64)
	for i, k := range m.Keys {
		if g, ok := k.(float64); k == key || ok && isFloat && math.IsNaN(f) && math.IsNaN(g) {
			return m.Values[i]
		}
	}
	return m.Default
}

// OneHot is a OneHotEncoder: its categories, texts or integers, and whether a
// value that is none of them gives zeros.
type OneHot struct {
	Labels
	Zeros bool
}

// NewOneHot reads the operator of that name.
func NewOneHot(a Attributes) (*OneHot, error) {
	o := &OneHot{Labels{Texts: a.Texts("cats_strings"), Ints: a.Int64s("cats_int64s")}, a.Int("zeros", 1) != 0}
	if len(o.Texts) > 0 {
		o.Ints = nil
	}
	if o.Len() == 0 {
		return nil, fault.New(fault.Corrupt, "", "there are no categories")
	}
	return o, nil
}

// Encode returns zeros with a 1 in the place of the category. Numbers are cut off
// to integers.
func (o *OneHot) Encode(v any) ([]float64, error) {
	if f, ok := v.(float64); ok {
		v = int64(f)
	}
	out := make([]float64, o.Len())
	for i := range out {
		if o.At(i) == v {
			out[i] = 1
			return out, nil
		}
	}
	if !o.Zeros {
		return nil, fault.New(fault.BadValue, "", "%v is none of the %d categories", v, o.Len())
	}
	return out, nil
}
