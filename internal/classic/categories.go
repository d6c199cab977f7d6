package classic

import (
	"fmt"
	"math"
	"strconv"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/mlmodel/spec"
)

// indexOf returns the index of each key, the first of equal ones.
func indexOf[K comparable](keys []K) map[K]int {
	index := make(map[K]int, len(keys))
	for i, k := range keys {
		if _, ok := index[k]; !ok {
			index[k] = i
		}
	}
	return index
}

// oneHotEncoder gives an array of zeros with a 1 at the index of the category,
// or a dictionary that maps the index to 1.
func oneHotEncoder(s *spec.Model) (Func, error) {
	m := s.GetOneHotEncoder()
	switch m.WhichCategoryType() {
	case spec.OneHotEncoder_StringCategories_case:
		return oneHot(s, m.GetStringCategories().GetVector())
	case spec.OneHotEncoder_Int64Categories_case:
		return oneHot(s, m.GetInt64Categories().GetVector())
	}
	return nil, fault.New(fault.Corrupt, "categoryType", "is missing")
}

func oneHot[K comparable](s *spec.Model, categories []K) (Func, error) {
	in, out, err := pair(s)
	if err != nil {
		return nil, err
	}
	index := indexOf(categories)
	sparse := s.GetOneHotEncoder().GetOutputSparse()
	ignore := false
	switch h := s.GetOneHotEncoder().GetHandleUnknown(); h {
	case spec.OneHotEncoder_ErrorOnUnknown:
	case spec.OneHotEncoder_IgnoreUnknown:
		ignore = true
	default:
		return nil, unknown("handleUnknown", h)
	}
	return func(f Features) (Features, error) {
		v, err := take[K](f, in.GetName())
		if err != nil {
			return nil, err
		}
		i, known := index[v]
		if !known && !ignore {
			return nil, badInput(in.GetName(), "%#v is none of the model's %d categories", v, len(index))
		}
		if sparse {
			entries := map[int64]float64{}
			if known {
				entries[int64(i)] = 1
			}
			return Features{out.GetName(): entries}, nil
		}
		y := make([]float64, len(categories))
		if known {
			y[i] = 1
		}
		return Features{out.GetName(): vector(y)}, nil
	}, nil
}

// dictVectorizer puts the values of a dictionary at the indices of their keys:
// in an array, or in a dictionary from indices to values. Keys that the model
// does not know are left out. Descriptions are known to name keys of the wrong
// kind, so that both kinds are taken.
func dictVectorizer(s *spec.Model) (Func, error) {
	m := s.GetDictVectorizer()
	switch m.WhichMap() {
	case spec.DictVectorizer_StringToIndex_case:
		return vectorize(s, m.GetStringToIndex().GetVector(), func(in Features, name string) (map[string]float64, error) {
			if v, ok := in[name].(map[int64]float64); ok {
				return rekey(v, func(k int64) string { return strconv.FormatInt(k, 10) }), nil
			}
			return take[map[string]float64](in, name)
		})
	case spec.DictVectorizer_Int64ToIndex_case:
		return vectorize(s, m.GetInt64ToIndex().GetVector(), func(in Features, name string) (map[int64]float64, error) {
			if v, ok := in[name].(map[string]float64); ok {
				return integerKeys(name, v)
			}
			return take[map[int64]float64](in, name)
		})
	}
	return nil, fault.New(fault.Corrupt, "map", "is missing")
}

func rekey[A, B comparable](v map[A]float64, key func(A) B) map[B]float64 {
	out := make(map[B]float64, len(v))
	for k, x := range v {
		out[key(k)] = x
	}
	return out
}

// integerKeys reads the keys of a dictionary as integers.
func integerKeys(name string, v map[string]float64) (map[int64]float64, error) {
	out := make(map[int64]float64, len(v))
	for k, x := range v {
		n, err := strconv.ParseInt(k, 10, 64)
		if err != nil {
			return nil, badInput(name, "the key %q is no integer", k)
		}
		out[n] = x
	}
	return out, nil
}

func vectorize[K comparable](s *spec.Model, keys []K, read func(Features, string) (map[K]float64, error)) (Func, error) {
	in, out, err := pair(s)
	if err != nil {
		return nil, err
	}
	index := indexOf(keys)
	sparse := out.GetType().HasDictionaryType()
	return func(f Features) (Features, error) {
		values, err := read(f, in.GetName())
		if err != nil {
			return nil, err
		}
		entries := map[int64]float64{}
		y := make([]float64, len(keys))
		for k, v := range values {
			if i, ok := index[k]; ok {
				entries[int64(i)], y[i] = v, v
			}
		}
		if sparse {
			return Features{out.GetName(): entries}, nil
		}
		return Features{out.GetName(): vector(y)}, nil
	}, nil
}

// featureVectorizer puts features one after the other into an array: numbers,
// arrays, and dictionaries from indices to values. A number that is absent is
// NaN there.
func featureVectorizer(s *spec.Model) (Func, error) {
	out, err := only(s.GetDescription().GetOutput(), "output")
	if err != nil {
		return nil, err
	}
	isInput := map[string]bool{}
	for _, d := range s.GetDescription().GetInput() {
		isInput[d.GetName()] = true
	}
	list := s.GetFeatureVectorizer().GetInputList()
	total := 0
	for i, c := range list {
		place := fmt.Sprintf("inputList[%d]", i)
		switch n := c.GetInputDimensions(); {
		case !isInput[c.GetInputColumn()]:
			return nil, fault.New(fault.Corrupt, place, "%q is no input of the model", c.GetInputColumn())
		case n == 0:
			return nil, fault.New(fault.Corrupt, place, "has no dimensions")
		case n > maxVector-uint64(total):
			return nil, fault.New(fault.Limit, place, "there are more than %d values", uint64(maxVector))
		}
		total += int(c.GetInputDimensions())
	}
	return func(in Features) (Features, error) {
		y := make([]float64, total)
		rest := y
		for _, c := range list {
			n := int(c.GetInputDimensions())
			if err := place(in, c.GetInputColumn(), rest[:n]); err != nil {
				return nil, err
			}
			rest = rest[n:]
		}
		return Features{out.GetName(): vector(y)}, nil
	}, nil
}

// maxVector bounds a vector whose size a file states by a number alone.
const maxVector = 1 << 24

// place writes one feature to its place in a vector.
func place(in Features, name string, to []float64) error {
	if in[name] == nil {
		for i := range to {
			to[i] = math.NaN()
		}
		return nil
	}
	if entries, ok := in[name].(map[int64]float64); ok {
		for i, v := range entries {
			if i < 0 || i >= int64(len(to)) {
				return badInput(name, "the key %d is no index into %d values", i, len(to))
			}
			to[i] = v
		}
		return nil
	}
	v, err := takeVector(in, name)
	if err != nil {
		return err
	}
	if len(v) != len(to) {
		return badSize(name, len(to), len(v))
	}
	copy(to, v)
	return nil
}

// categoricalMapping maps texts to integers, or integers to texts, one or a
// sequence of them.
func categoricalMapping(s *spec.Model) (Func, error) {
	m := s.GetCategoricalMapping()
	switch m.WhichMappingType() {
	case spec.CategoricalMapping_StringToInt64Map_case:
		if m.HasStrValue() {
			return nil, fault.New(fault.Corrupt, "valueOnUnknown", "is a text, where integers are mapped to")
		}
		return mapping(s, m.GetStringToInt64Map().GetMap(), m.HasInt64Value(), m.GetInt64Value())
	case spec.CategoricalMapping_Int64ToStringMap_case:
		if m.HasInt64Value() {
			return nil, fault.New(fault.Corrupt, "valueOnUnknown", "is an integer, where texts are mapped to")
		}
		return mapping(s, m.GetInt64ToStringMap().GetMap(), m.HasStrValue(), m.GetStrValue())
	}
	return nil, fault.New(fault.Corrupt, "mappingType", "is missing")
}

func mapping[K, V comparable](s *spec.Model, values map[K]V, hasDefault bool, fallback V) (Func, error) {
	in, out, err := pair(s)
	if err != nil {
		return nil, err
	}
	look := func(k K) (V, error) {
		v, ok := values[k]
		switch {
		case ok:
			return v, nil
		case hasDefault:
			return fallback, nil
		}
		return v, badInput(in.GetName(), "%#v is none of the %d values that the model maps", k, len(values))
	}
	return func(f Features) (Features, error) {
		sequence, ok := f[in.GetName()].([]K)
		if !ok {
			k, err := take[K](f, in.GetName())
			if err != nil {
				return nil, err
			}
			v, err := look(k)
			if err != nil {
				return nil, err
			}
			return Features{out.GetName(): any(v)}, nil
		}
		mapped := make([]V, len(sequence))
		for i, k := range sequence {
			v, err := look(k)
			if err != nil {
				return nil, err
			}
			mapped[i] = v
		}
		return Features{out.GetName(): mapped}, nil
	}, nil
}
