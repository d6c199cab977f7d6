package onnxml

import (
	"math"

	"github.com/smelt-ml/smelt/internal/frontend/onnx"
	"github.com/smelt-ml/smelt/internal/frontend/onnx/classical"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// mlReaders are the operators of ai.onnx.ml.
var mlReaders map[string]func(r *reader, n onnx.GraphNode) (any, error)

// predictor reads an operator and makes what it is in Core ML.
func predictor[T any, V any](read func(classical.Attributes) (T, error), make func(*reader, onnx.GraphNode, T) (V, error)) func(*reader, onnx.GraphNode) (any, error) {
	return func(r *reader, n onnx.GraphNode) (any, error) {
		t, err := read(n.Node)
		if err != nil {
			return nil, err
		}
		v, err := make(r, n, t)
		if err != nil {
			return nil, err
		}
		return v, nil
	}
}

func init() {
	mlReaders = map[string]func(r *reader, n onnx.GraphNode) (any, error){
		"TreeEnsemble":           predictor(classical.TreeEnsemble, (*reader).treeRegressor),
		"TreeEnsembleRegressor":  predictor(classical.TreeRegressor, (*reader).treeRegressor),
		"TreeEnsembleClassifier": predictor(classical.NewTreeClassifier, (*reader).treeClassifier),
		"LinearRegressor":        predictor(classical.LinearRegressor, (*reader).linearRegressor),
		"LinearClassifier":       predictor(classical.NewLinearClassifier, (*reader).linearClassifier),
		"SVMRegressor":           predictor(classical.NewSVMRegressor, (*reader).svmRegressor),
		"SVMClassifier":          predictor(classical.NewSVMClassifier, (*reader).svmClassifier),
		"Scaler":                 readScaler,
		"Normalizer":             readNormalizer,
		"Imputer":                readImputer,
		"Binarizer": func(r *reader, n onnx.GraphNode) (any, error) {
			x, err := r.row(n, 0)
			if err != nil {
				return nil, err
			}
			return r.steps(x, []step{{classical.Greater, float64(n.Float("threshold", 0)), 1}}, 0)
		},
		"OneHotEncoder":         readOneHot,
		"LabelEncoder":          readMapping,
		"CategoryMapper":        readMapping,
		"DictVectorizer":        readDictVectorizer,
		"FeatureVectorizer":     readFeatureVectorizer,
		"ArrayFeatureExtractor": readExtractor,
		"ZipMap":                readZipMap,
	}
}

func readScaler(r *reader, n onnx.GraphNode) (any, error) {
	x, err := r.row(n, 0)
	if err != nil {
		return nil, err
	}
	list := func(name string, otherwise float64) (func(int) float64, error) {
		v := n.Floats(name)
		switch len(v) {
		case 0:
			return always(otherwise), nil
		case 1:
			return always(float64(v[0])), nil
		case len(x.columns):
			return func(i int) float64 { return float64(v[i]) }, nil
		}
		return nil, corrupt("%d values of %s for rows of %d", len(v), name, len(x.columns))
	}
	offset, err := list("offset", 0)
	if err != nil {
		return nil, err
	}
	scale, err := list("scale", 1)
	if err != nil {
		return nil, err
	}
	return x.affine(scale, func(i int) float64 { return -offset(i) * scale(i) })
}

func readNormalizer(r *reader, n onnx.GraphNode) (any, error) {
	switch norm := n.Text("norm", "MAX"); norm {
	case "L1":
		return r.normalize(n, spec.Normalizer_L1)
	case "L2":
		return r.normalize(n, spec.Normalizer_L2)
	case "MAX":
		return nil, unsupported("the norm MAX divides by the largest value, that of Core ML by the largest magnitude")
	default:
		return nil, corrupt("the norm %q is not known", norm)
	}
}

func readImputer(r *reader, n onnx.GraphNode) (any, error) {
	x, err := r.row(n, 0)
	if err != nil {
		return nil, err
	}
	var with []float64
	missing := float64(n.Float("replaced_value_float", 0))
	for _, v := range n.Floats("imputed_value_floats") {
		with = append(with, float64(v))
	}
	if len(with) == 0 {
		missing = float64(n.Int("replaced_value_int64", 0))
		for _, v := range n.Int64s("imputed_value_int64s") {
			with = append(with, float64(v))
		}
	}
	in, err := r.array(x)
	if err != nil {
		return nil, err
	}
	if len(with) != 1 && len(with) != in.size {
		return nil, corrupt("%d values for rows of %d", len(with), in.size)
	}
	return rowOf(r.transform([]*feature{in}, r.fresh("imputed", array, in.size), func() *spec.Model_builder {
		b := spec.Imputer_builder{}
		if len(with) == 1 {
			b.ImputedDoubleValue = &with[0]
		} else {
			b.ImputedDoubleArray = spec.DoubleVector_builder{Vector: with}.Build()
		}
		if !math.IsNaN(missing) { // NaN is what is missing anyway
			b.ReplaceDoubleValue = &missing
		}
		return &spec.Model_builder{Imputer: b.Build()}
	})), nil
}

// one returns a column as a feature of its own: a text, or an integer.
func (r *reader) one(c column) (*feature, error) {
	switch {
	case c.of.kind == dictionary:
		return nil, corrupt("a dictionary")
	case c.of.kind == text, c.of.kind == integer && c.plain():
		return c.of, nil
	}
	in, err := r.array(&row{columns: []column{c}})
	if err != nil {
		return nil, err
	}
	if c.plain() && c.of.kind == array {
		return r.element(c.of, c.index), nil
	}
	return r.element(in, 0), nil
}

func readOneHot(r *reader, n onnx.GraphNode) (any, error) {
	v, err := r.arg(n, 0)
	if err != nil {
		return nil, err
	}
	if c, ok := v.(cut); ok {
		v = c.row
	}
	x, err := r.asRow(v)
	if err != nil {
		return nil, err
	}
	o, err := classical.NewOneHot(n.Node)
	if err != nil {
		return nil, err
	}
	if err := classes(o.Labels); err != nil {
		return nil, err
	}
	if len(x.columns)*o.Len() > maxWidth {
		return nil, unsupported("rows of more than %d values", maxWidth)
	}
	out := &row{}
	for _, c := range x.columns {
		in, err := r.one(c)
		if err != nil {
			return nil, err
		}
		if (in.kind == text) != (o.Texts != nil) {
			return nil, corrupt("the categories are of another type than the input")
		}
		f := r.transform([]*feature{in}, r.fresh("encoded", array, o.Len()), func() *spec.Model_builder {
			b := spec.OneHotEncoder_builder{}
			b.StringCategories, b.Int64Categories = labelVectors(o.Labels)
			if o.Zeros {
				b.HandleUnknown = spec.OneHotEncoder_IgnoreUnknown
			}
			return &spec.Model_builder{OneHotEncoder: b.Build()}
		})
		out.columns = append(out.columns, rowOf(f).columns...)
	}
	return out, nil
}

// readMapping maps texts to integers and integers to texts. Other values come of a
// second step.
func readMapping(r *reader, n onnx.GraphNode) (any, error) {
	v, err := r.arg(n, 0)
	if err != nil {
		return nil, err
	}
	if c, ok := v.(cut); ok {
		v = c.row
	}
	x, err := r.asRow(v)
	if err != nil {
		return nil, err
	}
	out := &row{}
	for _, c := range x.columns {
		m, err := classical.NewMapping(n.Op, n.Node, c.of.kind == text)
		if err != nil {
			return nil, err
		}
		f, err := r.mapped(c, m)
		if err != nil {
			return nil, err
		}
		out.columns = append(out.columns, rowOf(f).columns...)
	}
	return out, nil
}

// mapped maps one column.
func (r *reader) mapped(c column, m *classical.Mapping) (*feature, error) {
	texts := make(map[string]int64, len(m.Keys)) // to values, or to their places
	_, fromText := m.Keys[0].(string)
	if !fromText {
		return r.mappedNumber(c, m)
	}
	_, whole := m.Values[0].(int64)
	fallback := int64(-1)
	if d, ok := m.Default.(int64); ok && whole {
		fallback = d
	}
	for i, k := range m.Keys {
		key, ok := k.(string)
		if !ok {
			return nil, corrupt("keys of different types")
		}
		if _, twice := texts[key]; twice {
			continue
		}
		texts[key] = int64(i)
		if whole {
			texts[key] = m.Values[i].(int64)
		}
	}
	f := r.transform([]*feature{c.of}, r.fresh("mapped", integer, 0), func() *spec.Model_builder {
		return &spec.Model_builder{CategoricalMapping: spec.CategoricalMapping_builder{
			StringToInt64Map: spec.StringToInt64Map_builder{Map: texts}.Build(), Int64Value: &fallback,
		}.Build()}
	})
	if whole {
		return f, nil
	}
	places := &classical.Mapping{Default: m.Default, Values: m.Values}
	for i := range m.Keys {
		places.Keys = append(places.Keys, int64(i))
	}
	return r.mappedNumber(column{f, 0, 1, 0}, places)
}

// mappedNumber maps integers to texts by a mapping, numbers to numbers by a tree.
func (r *reader) mappedNumber(c column, m *classical.Mapping) (*feature, error) {
	if _, ok := m.Values[0].(string); ok {
		in, err := r.one(c)
		if err != nil {
			return nil, err
		}
		table := make(map[int64]string, len(m.Keys))
		for i, k := range m.Keys {
			key, ok := k.(int64)
			value, isText := m.Values[i].(string)
			if !ok || !isText {
				return nil, unsupported("texts of numbers that are no integers")
			}
			if _, twice := table[key]; !twice {
				table[key] = value
			}
		}
		fallback, _ := m.Default.(string)
		return r.transform([]*feature{in}, r.fresh("mapped", text, 0), func() *spec.Model_builder {
			return &spec.Model_builder{CategoricalMapping: spec.CategoricalMapping_builder{
				Int64ToStringMap: spec.Int64ToStringMap_builder{Map: table}.Build(), StrValue: &fallback,
			}.Build()}
		}), nil
	}
	value := func(v any) float64 {
		if i, ok := v.(int64); ok {
			return float64(i)
		}
		f, _ := v.(float64)
		return f
	}
	var list []step
	for i, k := range m.Keys {
		key := value(k)
		if math.IsNaN(key) {
			return nil, unsupported("NaN as a key")
		}
		list = append(list, step{classical.Equal, key, value(m.Values[i])})
	}
	x, err := r.steps(&row{columns: []column{c}}, list, value(m.Default))
	if err != nil {
		return nil, err
	}
	return x.columns[0].of, nil
}

func readDictVectorizer(r *reader, n onnx.GraphNode) (any, error) {
	x, err := r.row(n, 0)
	if err != nil {
		return nil, err
	}
	f := x.columns[0].of
	l := classical.Labels{Texts: n.Texts("string_vocabulary"), Ints: n.Int64s("int64_vocabulary")}
	if f.kind != dictionary || l.Len() == 0 || f.texts != (l.Texts != nil) {
		return nil, corrupt("want a dictionary and a vocabulary of its keys")
	}
	if err := classes(l); err != nil {
		return nil, err
	}
	return rowOf(r.transform([]*feature{f}, r.fresh("vectorized", array, l.Len()), func() *spec.Model_builder {
		b := spec.DictVectorizer_builder{}
		b.StringToIndex, b.Int64ToIndex = labelVectors(l)
		return &spec.Model_builder{DictVectorizer: b.Build()}
	})), nil
}

func readFeatureVectorizer(r *reader, n onnx.GraphNode) (any, error) {
	sizes := n.Ints("inputdimensions")
	out := &row{}
	for i := range n.Args {
		x, err := r.row(n, i)
		if err != nil {
			return nil, err
		}
		if i < len(sizes) && sizes[i] != len(x.columns) {
			return nil, corrupt("input %d has %d values, not %d", i, len(x.columns), sizes[i])
		}
		if out.columns = append(out.columns, x.columns...); len(out.columns) > maxWidth {
			return nil, unsupported("rows of more than %d values", maxWidth)
		}
	}
	if len(out.columns) == 0 {
		return nil, corrupt("there is nothing to join")
	}
	return out, nil
}

func readExtractor(r *reader, n onnx.GraphNode) (any, error) {
	v, err := r.arg(n, 0)
	if err != nil {
		return nil, err
	}
	if t, ok := v.(*tensor.Tensor); ok {
		return r.lookUp(t, n)
	}
	x, err := r.asRow(v)
	if err != nil {
		return nil, err
	}
	at, err := r.constant(n, 1)
	if err != nil {
		return nil, err
	}
	return x.pick(whole(at))
}

func readZipMap(r *reader, n onnx.GraphNode) (any, error) {
	v, err := r.arg(n, 0)
	if err != nil {
		return nil, err
	}
	l := classical.Labels{Texts: n.Texts("classlabels_strings"), Ints: n.Int64s("classlabels_int64s")}
	if len(l.Texts) > 0 {
		l.Ints = nil
	}
	if l.Len() == 0 {
		return nil, corrupt("there are no labels")
	}
	if s, ok := v.(scores); ok {
		return zipped{s, l}, nil
	}
	x, err := r.asRow(v)
	if err != nil {
		return nil, err
	}
	return zipped{x, l}, x.numeric()
}
