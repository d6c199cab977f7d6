package classic

import (
	"cmp"
	"slices"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/mlmodel/spec"
)

// labels are the classes of a model: texts, or integers.
type labels struct {
	strings []string
	ints    []int64
}

// labelled is a model with class labels.
type labelled interface {
	HasStringClassLabels() bool
	GetStringClassLabels() *spec.StringVector
	HasInt64ClassLabels() bool
	GetInt64ClassLabels() *spec.Int64Vector
}

// labelsOf returns the labels of a model, the numbers 0 to n-1 where it has
// none.
func labelsOf(m labelled, n int) labels {
	switch {
	case m.HasStringClassLabels() && len(m.GetStringClassLabels().GetVector()) > 0:
		return labels{strings: m.GetStringClassLabels().GetVector()}
	case m.HasInt64ClassLabels() && len(m.GetInt64ClassLabels().GetVector()) > 0:
		return labels{ints: m.GetInt64ClassLabels().GetVector()}
	}
	ints := make([]int64, n)
	for i := range ints {
		ints[i] = int64(i)
	}
	return labels{ints: ints}
}

func (l labels) len() int { return max(len(l.strings), len(l.ints)) }

func (l labels) at(i int) any {
	if l.strings != nil {
		return l.strings[i]
	}
	return l.ints[i]
}

// dictionary returns the values by their label. Those of equal labels add up.
func (l labels) dictionary(v []float64) any {
	if l.strings != nil {
		return byKey(l.strings, v)
	}
	return byKey(l.ints, v)
}

func byKey[K comparable](keys []K, v []float64) map[K]float64 {
	m := make(map[K]float64, len(keys))
	for i, k := range keys {
		m[k] += v[i]
	}
	return m
}

// distinct returns each label once, in their order, and the index among them
// of each of l.
func (l labels) distinct() (labels, []int) {
	if l.strings != nil {
		s, of := distinct(l.strings)
		return labels{strings: s}, of
	}
	s, of := distinct(l.ints)
	return labels{ints: s}, of
}

func distinct[K cmp.Ordered](keys []K) ([]K, []int) {
	all := slices.Compact(slices.Sorted(slices.Values(keys)))
	of := make([]int, len(keys))
	for i, k := range keys {
		of[i], _ = slices.BinarySearch(all, k)
	}
	return all, of
}

// classification names a classifier's outputs and gives them their form.
type classification struct {
	labels
	label, probabilities string // "" for none
}

func classificationOf(d *spec.ModelDescription, l labels) (classification, error) {
	c := classification{labels: l, label: d.GetPredictedFeatureName(), probabilities: d.GetPredictedProbabilitiesName()}
	for _, out := range d.GetOutput() {
		switch out.GetType().WhichType() {
		case spec.FeatureType_StringType_case, spec.FeatureType_Int64Type_case:
			if c.label == "" {
				c.label = out.GetName()
			}
		case spec.FeatureType_DictionaryType_case:
			if c.probabilities == "" {
				c.probabilities = out.GetName()
			}
		}
	}
	if c.label == "" && c.probabilities == "" {
		return c, fault.New(fault.Corrupt, "", "the model has no output for a label")
	}
	return c, nil
}

// answer gives class best and the probabilities of all of them.
func (c classification) answer(best int, p []float64) Features {
	out := Features{}
	if c.label != "" {
		out[c.label] = c.at(best)
	}
	if c.probabilities != "" {
		out[c.probabilities] = c.dictionary(p)
	}
	return out
}

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
