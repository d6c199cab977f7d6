package onnxml

import (
	"maps"
	"math"
	"slices"

	"github.com/smelt-ml/smelt/internal/frontend/onnx/classical"
	"github.com/smelt-ml/smelt/internal/onnxpb"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// arrayOf is a wire of an array, or of a number where that is described.
func arrayOf(f *spec.FeatureDescription, name string, size int) wire {
	x := wire{name: name, kind: array, size: size}
	if size == 1 && !f.GetType().HasMultiArrayType() {
		x.kind = number
	}
	return x
}

func writeOneHot(w *writer, m *spec.Model) error {
	x, out, err := w.pair(m)
	if err != nil {
		return err
	}
	o := m.GetOneHotEncoder()
	l := classical.Labels{Texts: o.GetStringCategories().GetVector(), Ints: o.GetInt64Categories().GetVector()}
	a := attrs{"zeros": 0}
	if o.GetHandleUnknown() == spec.OneHotEncoder_IgnoreUnknown {
		a["zeros"] = 1
	}
	in := w.column(x)
	switch {
	case l.Len() == 0:
		return unsupported("no categories")
	case len(l.Texts) > 0 && x.kind == text:
		a["cats_strings"] = l.Texts
	case len(l.Texts) == 0 && x.size == 1 && x.kind != text && x.kind != dictionary:
		if a["cats_int64s"] = l.Ints; x.elem != onnxpb.TensorProto_INT64 {
			in = w.one("Cast", attrs{"to": int(onnxpb.TensorProto_INT64)}, in)
		}
	default:
		return corrupt("the categories are of another type than the input")
	}
	if err := classes(l); err != nil {
		return err
	}
	v := w.one(ml+"OneHotEncoder", a, in)
	v = w.one("Reshape", nil, v, w.integers([]int64{-1, int64(l.Len())}, 2))
	y := wire{name: v, kind: array, size: l.Len()}
	if o.GetOutputSparse() { // as a result it is a dictionary with all places
		return w.sparse(out, y)
	}
	w.give(out, y)
	return nil
}

// sparse gives an array that stands for a dictionary from places to values, which
// only models that take arrays may follow.
func (w *writer) sparse(f *spec.FeatureDescription, x wire) error {
	x.indices = true
	w.give(f, x)
	return nil
}

func writeImputer(w *writer, m *spec.Model) error {
	x, out, err := w.pair(m)
	if err != nil {
		return err
	}
	i := m.GetImputer()
	missing := math.NaN()
	switch i.WhichReplaceValue() {
	case spec.Imputer_ReplaceDoubleValue_case:
		missing = i.GetReplaceDoubleValue()
	case spec.Imputer_ReplaceInt64Value_case:
		missing = float64(i.GetReplaceInt64Value())
	case spec.Imputer_ReplaceStringValue_case:
		return unsupported("texts")
	}
	var with []float64
	switch i.WhichImputedValue() {
	case spec.Imputer_ImputedDoubleValue_case:
		with = []float64{i.GetImputedDoubleValue()}
	case spec.Imputer_ImputedDoubleArray_case:
		with = i.GetImputedDoubleArray().GetVector()
	case spec.Imputer_ImputedInt64Value_case:
		if with = []float64{float64(i.GetImputedInt64Value())}; i.WhichReplaceValue() == 0 { // nothing is missing
			w.give(out, *x)
			return nil
		}
	case spec.Imputer_ImputedInt64Array_case:
		for _, v := range i.GetImputedInt64Array().GetVector() {
			with = append(with, float64(v))
		}
	default:
		return unsupported("texts and dictionaries")
	}
	if x.kind == text || x.kind == dictionary || len(with) != 1 && len(with) != x.size {
		return corrupt("%d values for rows of %d", len(with), x.size)
	}
	y := arrayOf(out, "", x.size)
	if x.elem == onnxpb.TensorProto_INT64 && i.WhichImputedValue() == spec.Imputer_ImputedInt64Value_case {
		y.name = w.one(ml+"Imputer", attrs{"imputed_value_int64s": []int64{i.GetImputedInt64Value()}, "replaced_value_int64": int(missing)}, w.column(x))
		y.kind, y.elem = x.kind, onnxpb.TensorProto_INT64
	} else {
		y.name = w.one(ml+"Imputer", attrs{"imputed_value_floats": with, "replaced_value_float": missing}, w.floats(x))
	}
	w.give(out, y)
	return nil
}

func writeFeatureVectorizer(w *writer, m *spec.Model) error {
	d := m.GetDescription()
	if len(d.GetOutput()) != 1 {
		return corrupt("%d outputs, want one", len(d.GetOutput()))
	}
	var parts []string
	total, elem := 0, onnxpb.TensorProto_FLOAT
	for _, c := range m.GetFeatureVectorizer().GetInputList() {
		if x := w.wires[c.GetInputColumn()]; x != nil && (x.elem == onnxpb.TensorProto_DOUBLE || x.elem == onnxpb.TensorProto_INT64) && x.kind != dictionary {
			elem = onnxpb.TensorProto_DOUBLE
		}
	}
	for _, c := range m.GetFeatureVectorizer().GetInputList() {
		x := w.wires[c.GetInputColumn()]
		switch {
		case x == nil || !slices.ContainsFunc(d.GetInput(), func(f *spec.FeatureDescription) bool { return f.GetName() == c.GetInputColumn() }):
			return corrupt("%q is no input of the model", c.GetInputColumn())
		case x.kind == dictionary && x.key == tensor.Int64:
			n := int64(min(c.GetInputDimensions(), maxWidth))
			places := make([]int64, n)
			for i := range places {
				places[i] = int64(i)
			}
			v := wire{name: w.one(ml+"DictVectorizer", attrs{"int64_vocabulary": places}, x.name), elem: onnxpb.TensorProto_FLOAT}
			parts = append(parts, w.as(&v, elem))
			total += int(n)
			continue
		case x.kind == text || x.kind == dictionary:
			return unsupported("texts, or a dictionary whose keys are texts")
		case uint64(x.size) != c.GetInputDimensions() && !(x.indices && uint64(x.size) < c.GetInputDimensions()):
			return corrupt("%q has %d values, not %d", c.GetInputColumn(), x.size, c.GetInputDimensions())
		}
		part := w.as(x, elem)
		if more := int(min(c.GetInputDimensions(), maxWidth)) - x.size; more > 0 {
			part = w.one("Pad", nil, part, w.integers([]int64{0, 0, 0, int64(more)}, 4))
			total += more
		}
		parts = append(parts, part)
		total += x.size
	}
	if len(parts) == 0 || total > 1<<24 {
		return unsupported("%d values", total)
	}
	v := parts[0]
	if len(parts) > 1 {
		v = w.one("Concat", attrs{"axis": 1}, parts...)
	}
	w.give(d.GetOutput()[0], wire{name: v, kind: array, size: total, elem: elem})
	return nil
}

func writeDictVectorizer(w *writer, m *spec.Model) error {
	x, out, err := w.pair(m)
	if err != nil {
		return err
	}
	v := m.GetDictVectorizer()
	a := attrs{}
	n := 0
	switch {
	case x.kind != dictionary:
		return unsupported("of a dictionary that a model makes")
	case v.HasStringToIndex():
		n = len(v.GetStringToIndex().GetVector())
		a["string_vocabulary"] = v.GetStringToIndex().GetVector()
		x.key = tensor.String
	default:
		n = len(v.GetInt64ToIndex().GetVector())
		a["int64_vocabulary"] = v.GetInt64ToIndex().GetVector()
		x.key = tensor.Int64
	}
	if n == 0 {
		return unsupported("no keys")
	}
	for _, in := range w.out.inputs { // descriptions are known to name keys of the wrong kind
		if in.name == x.name {
			in.key = x.key
		}
	}
	y := wire{name: w.one(ml+"DictVectorizer", a, x.name), kind: array, size: n}
	if out.GetType().HasDictionaryType() {
		return w.sparse(out, y)
	}
	w.give(out, y)
	return nil
}

func writeScaler(w *writer, m *spec.Model) error {
	x, out, err := w.pair(m)
	if err != nil {
		return err
	}
	shift, scale := m.GetScaler().GetShiftValue(), m.GetScaler().GetScaleValue()
	spread := func(v []float64, otherwise float64) ([]float64, error) {
		switch len(v) {
		case 0:
			v = []float64{otherwise}
		case 1, x.size:
		default:
			return nil, corrupt("%d values for rows of %d", len(v), x.size)
		}
		if len(v) == x.size {
			return v, nil
		}
		return slices.Repeat(v, x.size), nil
	}
	if x.kind == text || x.kind == dictionary {
		return corrupt("the input is no number")
	}
	if shift, err = spread(shift, 0); err != nil {
		return err
	}
	if scale, err = spread(scale, 1); err != nil {
		return err
	}
	v := w.one(ml+"Scaler", attrs{"offset": negative(shift), "scale": scale}, w.floats(x))
	w.give(out, arrayOf(out, v, x.size))
	return nil
}

func writeMapping(w *writer, m *spec.Model) error {
	x, out, err := w.pair(m)
	if err != nil {
		return err
	}
	c := m.GetCategoricalMapping()
	in := w.column(x)
	if table := c.GetInt64ToStringMap().GetMap(); c.HasInt64ToStringMap() {
		if x.kind == text || x.kind == dictionary || x.size != 1 || len(table) == 0 {
			return unsupported("but of one integer, by a table that is not empty")
		}
		keys := slices.Sorted(maps.Keys(table))
		values := make([]string, len(keys))
		for i, k := range keys {
			values[i] = table[k]
		}
		if x.elem != onnxpb.TensorProto_INT64 {
			in = w.one("Cast", attrs{"to": int(onnxpb.TensorProto_INT64)}, in)
		}
		v := w.one(ml+"LabelEncoder", attrs{"keys_int64s": keys, "values_strings": values, "default_string": c.GetStrValue()}, in)
		w.give(out, wire{name: v, kind: text, size: 1, elem: onnxpb.TensorProto_STRING})
		w.strict(c.HasStrValue(), `""`)
		return nil
	}
	table := c.GetStringToInt64Map().GetMap()
	if x.kind != text || len(table) == 0 {
		return unsupported("but of one text, by a table that is not empty")
	}
	keys := slices.Sorted(maps.Keys(table))
	values := make([]int64, len(keys))
	for i, k := range keys {
		values[i] = table[k]
	}
	otherwise := -1
	if c.HasInt64Value() {
		otherwise = int(c.GetInt64Value())
	}
	v := w.one(ml+"LabelEncoder", attrs{"keys_strings": keys, "values_int64s": values, "default_int64": otherwise}, in)
	w.give(out, wire{name: v, kind: integer, size: 1, elem: onnxpb.TensorProto_INT64})
	w.strict(c.HasInt64Value(), "-1")
	return nil
}

// strict notes that what is an error in the source gives a value.
func (w *writer) strict(lenient bool, value string) {
	if !lenient {
		w.out.Notes = append(w.out.Notes, "categoricalMapping: what it does not know is an error in the source, and "+value+" in ONNX")
	}
}

func writeNormalizer(w *writer, m *spec.Model) error {
	x, out, err := w.pair(m)
	if err != nil {
		return err
	}
	if x.kind == text || x.kind == dictionary {
		return corrupt("the input is no array")
	}
	in := w.floats(x)
	v := ""
	switch t := m.GetNormalizer().GetNormType(); t {
	case spec.Normalizer_L1:
		v = w.one(ml+"Normalizer", attrs{"norm": "L1"}, in)
	case spec.Normalizer_L2:
		v = w.one(ml+"Normalizer", attrs{"norm": "L2"}, in)
	case spec.Normalizer_LMax: // the operator's own MAX does not take magnitudes
		top := w.one("ReduceMax", attrs{"axes": []int64{1}, "keepdims": 1}, w.one("Abs", nil, in))
		none := w.one("Equal", nil, top, w.numbers([]float64{0}, 1))
		v = w.one("Div", nil, in, w.one("Where", nil, none, w.numbers([]float64{1}, 1), top))
	default:
		return corrupt("the norm %s is not known", t)
	}
	w.give(out, wire{name: v, kind: array, size: x.size})
	return nil
}

func writeExtractor(w *writer, m *spec.Model) error {
	x, out, err := w.pair(m)
	if err != nil {
		return err
	}
	var at []int64
	for _, i := range m.GetArrayFeatureExtractor().GetExtractIndex() {
		if i >= uint64(x.size) {
			return corrupt("element %d of %d", i, x.size)
		}
		at = append(at, int64(i))
	}
	if len(at) == 0 || x.kind == text || x.kind == dictionary {
		return corrupt("%d elements", len(at))
	}
	y := arrayOf(out, w.one("Gather", attrs{"axis": 1}, w.column(x), w.integers(at, len(at))), len(at))
	y.elem = x.elem
	if out.GetType().HasInt64Type() {
		if y.kind = integer; y.elem != onnxpb.TensorProto_INT64 {
			y.name, y.elem = w.one("Cast", attrs{"to": int(onnxpb.TensorProto_INT64)}, y.name), onnxpb.TensorProto_INT64
		}
	}
	w.give(out, y)
	return nil
}

func writeIdentity(w *writer, m *spec.Model) error {
	d := m.GetDescription()
	for _, f := range d.GetOutput() {
		name := f.GetName()
		if len(d.GetInput()) == 1 && len(d.GetOutput()) == 1 {
			name = d.GetInput()[0].GetName()
		}
		x := w.wires[name]
		if x == nil {
			return corrupt("the output %q is no input", f.GetName())
		}
		if x.kind == dictionary {
			return unsupported("of a dictionary")
		}
		y := *x
		y.feature = ""
		if name == f.GetName() {
			continue
		}
		w.give(f, y)
	}
	return nil
}

// layer is the one layer of a network that has operators here: what joins
// classical models.
func layer(layers []*spec.NeuralNetworkLayer, pre int) (*spec.NeuralNetworkLayer, error) {
	if len(layers) != 1 || pre > 0 {
		return nil, unsupported("a network of %d layers", len(layers))
	}
	l := layers[0]
	a := l.GetActivation().GetLinear()
	if l.HasSoftmax() || a != nil && a.GetAlpha() == 1 && a.GetBeta() == 0 {
		return l, nil
	}
	return nil, unsupported("a network of a layer %s", l.WhichLayer())
}

// through writes the layer.
func (w *writer) through(m *spec.Model, l *spec.NeuralNetworkLayer) (string, int, error) {
	in, width, err := w.vector(m, onnxpb.TensorProto_FLOAT)
	if err != nil {
		return "", 0, err
	}
	if l.HasSoftmax() {
		return w.one("Softmax", attrs{"axis": 1}, in), width, nil
	}
	return in, width, nil
}

func writeNetwork(w *writer, m *spec.Model) error {
	n := m.GetNeuralNetwork()
	l, err := layer(n.GetLayers(), len(n.GetPreprocessing()))
	if err != nil {
		return err
	}
	v, width, err := w.through(m, l)
	if err != nil {
		return err
	}
	if len(m.GetDescription().GetOutput()) != 1 {
		return corrupt("%d outputs, want one", len(m.GetDescription().GetOutput()))
	}
	w.give(m.GetDescription().GetOutput()[0], wire{name: v, kind: array, size: width})
	return nil
}

func writeNetworkClassifier(w *writer, m *spec.Model) error {
	n := m.GetNeuralNetworkClassifier()
	l, err := layer(n.GetLayers(), len(n.GetPreprocessing()))
	if err != nil {
		return err
	}
	v, width, err := w.through(m, l)
	if err != nil {
		return err
	}
	labels, err := labelsOf(n, width)
	if err != nil {
		return err
	}
	w.answer(m, labels, "", v)
	return nil
}
