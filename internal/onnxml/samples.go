package onnxml

import (
	"maps"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// sampleCount is how many inputs Samples makes, fewer of many values: sampleSize in
// all of them.
const (
	sampleCount = 32
	sampleSize  = 1 << 20
)

// hints are the values at which a model changes its answer, or near which its
// data lie, for each element of a feature, and the texts and keys that it knows.
type hints struct {
	numbers map[int][]float64 // by the element; -1 are of all
	texts   []string
	ints    []int64
	strict  bool // others are an error
	missing bool // NaN has a meaning
}

// Samples makes inputs for a Core ML model of this kind: numbers at and around the
// thresholds and means that its parameters have, texts and keys that it knows and
// some that it does not. What a model in a pipeline knows is followed back through
// the models before it.
func Samples(m *spec.Model, seed uint64) []map[string]any {
	r := rand.New(rand.NewPCG(seed, 1))
	known := map[string]*hints{}
	gatherHints(m, known, 0)
	size := 1
	for _, d := range m.GetDescription().GetInput() {
		n := 1
		for _, s := range d.GetType().GetMultiArrayType().GetShape() {
			n = int(min(max(int64(n)*s, 1), sampleSize))
		}
		size += n
	}
	var out []map[string]any
	for range min(max(sampleSize/size, 2), sampleCount) {
		in := map[string]any{}
		for _, d := range m.GetDescription().GetInput() {
			h := known[d.GetName()]
			if h == nil {
				h = &hints{}
			}
			if v := h.sample(d.GetType(), r); v != nil {
				in[d.GetName()] = v
			}
		}
		out = append(out, in)
	}
	return out
}

// number makes a value: at a threshold, close to one, or anywhere; or none, where
// that may be.
func (h *hints) number(element int, r *rand.Rand) float64 {
	if h.missing && r.IntN(8) == 0 {
		return math.NaN()
	}
	list := h.numbers[element]
	if len(list) == 0 {
		list = h.numbers[-1]
	}
	if len(list) == 0 {
		return float64(float32(2*r.Float64() - 1))
	}
	low, high := slices.Min(list), slices.Max(list)
	v := list[r.IntN(len(list))]
	switch near := r.IntN(4); {
	case near == 0 || h.strict:
	case near == 1:
		v += (r.Float64() - 0.5) * 0.1 * max(math.Abs(v), (high-low)/10, 1e-3)
	default:
		w := max(high-low, 0.2*math.Abs(low), 1)
		v = low - 0.3*w + r.Float64()*(high-low+0.6*w)
	}
	return float64(float32(v))
}

// key makes an integer that is known, or its neighbour.
func (h *hints) key(r *rand.Rand) int64 {
	if len(h.ints) == 0 {
		if v := h.number(0, r); v == v {
			return int64(math.Round(v))
		}
		return 0
	}
	v := h.ints[r.IntN(len(h.ints))]
	if r.IntN(8) == 0 && !h.strict {
		v++
	}
	return v
}

func (h *hints) text(r *rand.Rand) string {
	if len(h.texts) == 0 || r.IntN(8) == 0 && !h.strict {
		return "something else"
	}
	return h.texts[r.IntN(len(h.texts))]
}

func (h *hints) sample(t *spec.FeatureType, r *rand.Rand) any {
	switch t.WhichType() {
	case spec.FeatureType_DoubleType_case:
		return h.number(0, r)
	case spec.FeatureType_Int64Type_case:
		return h.key(r)
	case spec.FeatureType_StringType_case:
		return h.text(r)
	case spec.FeatureType_DictionaryType_case:
		if t.GetDictionaryType().HasInt64KeyType() {
			out := map[int64]float64{}
			for range 1 + r.IntN(4) {
				out[h.key(r)] = float64(float32(r.NormFloat64()))
			}
			return out
		}
		out := map[string]float64{}
		for range 1 + r.IntN(4) {
			out[h.text(r)] = float64(float32(r.NormFloat64()))
		}
		return out
	case spec.FeatureType_SequenceType_case:
		if t.GetSequenceType().HasInt64Type() {
			return []int64{h.key(r), h.key(r)}
		}
		return []string{h.text(r), h.text(r)}
	case spec.FeatureType_MultiArrayType_case:
		a := t.GetMultiArrayType()
		shape := make([]int, 0, len(a.GetShape()))
		for _, n := range a.GetShape() {
			shape = append(shape, int(n))
		}
		n, err := tensor.CheckShape(shape)
		if err != nil || n > sampleSize {
			return nil
		}
		out := make([]float64, n)
		for i := range out {
			if out[i] = h.number(i, r); a.GetDataType() == spec.ArrayFeatureType_INT32 {
				if out[i] = math.Round(out[i]); out[i] != out[i] {
					out[i] = 0
				}
			}
		}
		return tensor.New(tensor.Float64, shape, out)
	}
	return nil
}

// gatherHints follows a model, from the last one of a pipeline to the first, and
// notes for each feature what is known of it.
func gatherHints(m *spec.Model, known map[string]*hints, depth int) {
	if depth > 16 {
		return
	}
	if list := stagesOf(m); list != nil {
		for _, inner := range slices.Backward(list) {
			gatherHints(inner, known, depth+1)
		}
		return
	}
	d := m.GetDescription()
	// at finds the input that has a column of all of them, and the element of it.
	type place struct {
		of      *hints
		element int
	}
	var columns []place
	for _, in := range d.GetInput() {
		h := known[in.GetName()]
		if h == nil {
			h = &hints{numbers: map[int][]float64{}}
			known[in.GetName()] = h
		}
		n := 1
		for _, s := range in.GetType().GetMultiArrayType().GetShape() {
			n = int(min(max(int64(n)*s, 0), 1<<20))
		}
		for i := range n {
			columns = append(columns, place{h, i})
		}
	}
	add := func(column int, v float64) {
		if column < 0 || column >= len(columns) || math.IsNaN(v) || math.IsInf(v, 0) {
			return
		}
		p := columns[column]
		if list := p.of.numbers[p.element]; len(list) < 64 {
			p.of.numbers[p.element] = append(list, v)
		}
	}
	if len(columns) == 0 {
		return
	}
	var result *hints
	if len(d.GetOutput()) == 1 {
		result = known[d.GetOutput()[0].GetName()]
	}
	if result == nil {
		result = &hints{}
	}
	pass := func(f func(element int, v float64) float64) {
		for _, element := range slices.Sorted(maps.Keys(result.numbers)) {
			for _, v := range result.numbers[element] {
				add(element, f(element, v))
			}
		}
	}
	missing := func() {
		for _, p := range columns {
			p.of.missing = true
		}
	}
	switch m.WhichType() {
	case spec.Model_TreeEnsembleClassifier_case, spec.Model_TreeEnsembleRegressor_case:
		nodes := m.GetTreeEnsembleClassifier().GetTreeEnsemble().GetNodes()
		nodes = append(slices.Clip(nodes), m.GetTreeEnsembleRegressor().GetTreeEnsemble().GetNodes()...)
		for _, n := range nodes {
			if n.GetMissingValueTracksTrueChild() && n.GetNodeBehavior() != spec.TreeEnsembleParameters_TreeNode_BranchOnValueNotEqual {
				missing()
			}
			if n.GetNodeBehavior() != spec.TreeEnsembleParameters_TreeNode_LeafNode {
				add(int(min(n.GetBranchFeatureIndex(), 1<<24)), n.GetBranchFeatureValue())
			}
		}
	case spec.Model_SupportVectorClassifier_case, spec.Model_SupportVectorRegressor_case:
		vectors := m.GetSupportVectorClassifier().GetDenseSupportVectors().GetVectors()
		vectors = append(slices.Clip(vectors), m.GetSupportVectorRegressor().GetDenseSupportVectors().GetVectors()...)
		for _, v := range vectors[:min(len(vectors), 64)] {
			for i, x := range v.GetValues() {
				add(i, x)
			}
		}
	case spec.Model_KNearestNeighborsClassifier_case:
		samples := m.GetKNearestNeighborsClassifier().GetNearestNeighborsIndex().GetFloatSamples()
		for _, v := range samples[:min(len(samples), 64)] {
			for i, x := range v.GetVector() {
				add(i, float64(x))
			}
		}
	case spec.Model_Scaler_case:
		shift, scale := m.GetScaler().GetShiftValue(), m.GetScaler().GetScaleValue()
		at := func(list []float64, i int, otherwise float64) float64 {
			if len(list) == 0 {
				return otherwise
			}
			return list[min(i, len(list)-1)]
		}
		// Not at a threshold, but close to it: which side rounding takes in a format
		// of other precision is nobody's business.
		pass(func(i int, v float64) float64 {
			return (v+0.001*max(math.Abs(v), 0.01))/at(scale, i, 1) - at(shift, i, 0)
		})
		if len(result.numbers) == 0 {
			for i := range max(len(shift), len(scale)) {
				for _, v := range []float64{-1, 0, 1} {
					add(i, v/at(scale, i, 1)-at(shift, i, 0))
				}
			}
		}
	case spec.Model_OneHotEncoder_case:
		h := columns[0].of
		h.texts = append(h.texts, m.GetOneHotEncoder().GetStringCategories().GetVector()...)
		h.ints = append(h.ints, m.GetOneHotEncoder().GetInt64Categories().GetVector()...)
		h.strict = m.GetOneHotEncoder().GetHandleUnknown() == spec.OneHotEncoder_ErrorOnUnknown
		for _, v := range h.ints[:min(len(h.ints), 64)] {
			add(0, float64(v))
		}
	case spec.Model_CategoricalMapping_case:
		h := columns[0].of
		for k := range m.GetCategoricalMapping().GetStringToInt64Map().GetMap() {
			h.texts = append(h.texts, k)
		}
		for k := range m.GetCategoricalMapping().GetInt64ToStringMap().GetMap() {
			h.ints = append(h.ints, k)
		}
		h.strict = m.GetCategoricalMapping().WhichValueOnUnknown() == 0
		slices.Sort(h.texts)
		slices.Sort(h.ints)
	case spec.Model_DictVectorizer_case:
		h := columns[0].of
		h.texts = append(h.texts, m.GetDictVectorizer().GetStringToIndex().GetVector()...)
		h.ints = append(h.ints, m.GetDictVectorizer().GetInt64ToIndex().GetVector()...)
	case spec.Model_ArrayFeatureExtractor_case:
		for i, from := range m.GetArrayFeatureExtractor().GetExtractIndex() {
			for _, v := range result.numbers[i] {
				add(int(min(from, 1<<24)), v)
			}
			if p := int(min(from, 1<<24)); result.strict && p < len(columns) {
				columns[p].of.strict = true
			}
			for _, v := range result.ints[:min(len(result.ints), 64)] {
				add(int(min(from, 1<<24)), float64(v))
			}
		}
	case spec.Model_Imputer_case:
		if i := m.GetImputer(); i.WhichReplaceValue() == 0 && (i.HasImputedDoubleValue() || i.HasImputedDoubleArray()) {
			missing()
		}
		pass(func(_ int, v float64) float64 { return v })
	case spec.Model_FeatureVectorizer_case, spec.Model_Identity_case:
		if result.missing {
			missing()
		}
		pass(func(_ int, v float64) float64 { return v })
	}
}

// stagesOf returns the models of a pipeline, nil for another model.
func stagesOf(m *spec.Model) []*spec.Model {
	switch m.WhichType() {
	case spec.Model_Pipeline_case:
		return m.GetPipeline().GetModels()
	case spec.Model_PipelineClassifier_case:
		return m.GetPipelineClassifier().GetPipeline().GetModels()
	case spec.Model_PipelineRegressor_case:
		return m.GetPipelineRegressor().GetPipeline().GetModels()
	}
	return nil
}
