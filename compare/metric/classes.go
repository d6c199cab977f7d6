package metric

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
)

// TopK is the share of samples where the reference's first class is among the
// other model's first K, between 0 and 1, with Wilson's interval. A class is
// among the first K if fewer than K others are more probable, so that equal
// probabilities do not disagree by chance.
//
// Classes come from Label and Probabilities. Where both samples have a
// label, the first class is the label. Output instead names a tensor with one
// value a class, as does a sample's only output if it has no classes.
type TopK struct {
	K      int
	Output string
}

// Name returns "top1_agreement" for a K of 1.
func (m TopK) Name() string { return named(fmt.Sprintf("top%d_agreement", m.K), m.Output) }

// Score returns 1 if the models agree, else 0.
func (m TopK) Score(want, got Sample) (Score, error) {
	if m.K < 1 {
		return Score{}, fmt.Errorf("first %d classes: want 1 or more", m.K)
	}
	agree, err := m.agree(want, got)
	if err != nil || !agree {
		return Score{}, err
	}
	return Score{Value: 1}, nil
}

func (m TopK) agree(want, got Sample) (bool, error) {
	if m.Output == "" && m.K == 1 && want.Label != "" && got.Label != "" {
		return want.Label == got.Label, nil
	}
	w, g, err := classes(want, got, m.Output)
	if err != nil {
		return false, err
	}
	first := 0
	for i, v := range w.values {
		if v > w.values[first] || math.IsNaN(w.values[first]) {
			first = i
		}
	}
	if m.Output == "" && want.Label != "" {
		if i, ok := slices.BinarySearch(w.labels, want.Label); ok {
			first = i
		}
	}
	probability := g.values[first]
	better := 0
	for _, v := range g.values {
		if v > probability {
			better++
		}
	}
	return better < m.K && !math.IsNaN(probability), nil
}

// Reduce returns the share and its 95 % interval.
func (m TopK) Reduce(scores []Score) Result {
	r := mean(m.Name(), true, scores)
	low, high := wilson(float64(r.Value), len(scores))
	r.Interval = &Interval{low, high}
	return r
}

// wilson returns the 95 % score interval of a share p of n (E. B. Wilson,
// "Probable inference, the law of succession, and statistical inference",
// 1927).
func wilson(p float64, n int) (low, high float64) {
	if n == 0 {
		return 0, 1
	}
	const z = 1.959963984540054 // the normal distribution's 97.5 % point
	inv := 1 / float64(n)
	centre := (p + z*z*inv/2) / (1 + z*z*inv)
	half := z / (1 + z*z*inv) * math.Sqrt(p*(1-p)*inv+z*z*inv*inv/4)
	low, high = max(0, centre-half), min(1, centre+half)
	if p == 0 {
		low = 0
	}
	if p == 1 {
		high = 1
	}
	return low, high
}

// KL is the Kullback-Leibler divergence Σ want·ln(want/got) of class
// probabilities, in nats, and its mean over samples. Both are scaled to sum 1.
// Inside the logarithm nothing is less than 2^-24, the smallest half-precision
// number, so that a probability that vanished in half precision is wrong by
// a little and not infinitely; a class that one model lacks has probability 0.
type KL struct {
	Output string // of probabilities; "": as for TopK
}

// Name returns "kl_divergence".
func (m KL) Name() string { return named("kl_divergence", m.Output) }

// Score returns the divergence for one sample.
func (m KL) Score(want, got Sample) (Score, error) {
	w, g, err := classes(want, got, m.Output)
	if err != nil {
		return Score{}, err
	}
	wantSum, err := w.sum()
	if err != nil {
		return Score{}, fmt.Errorf("the reference: %w", err)
	}
	gotSum, err := g.sum()
	if err != nil {
		return Score{}, fmt.Errorf("the other model: %w", err)
	}
	const least = 1.0 / (1 << 24)
	divergence := 0.0
	for i, v := range w.values {
		p, q := v/wantSum, g.values[i]/gotSum
		divergence += p * math.Log(max(p, least)/max(q, least))
	}
	return Score{Value: max(0, divergence)}, nil
}

// Reduce returns the mean over all samples.
func (m KL) Reduce(scores []Score) Result { return mean(m.Name(), false, scores) }

// vector holds one value a class. Labels are sorted; nil for a tensor, whose
// classes have numbers.
type vector struct {
	labels []string
	values []float64
}

// sum returns the sum of probabilities, which it checks.
func (v vector) sum() (float64, error) {
	sum := 0.0
	for i, p := range v.values {
		if !(p >= 0 && p <= math.MaxFloat64) {
			return 0, fmt.Errorf("%s has %v, which is no probability", v.class(i), p)
		}
		sum += p
	}
	if !(sum > 0 && sum <= math.MaxFloat64) {
		return 0, fmt.Errorf("probabilities add up to %v", sum)
	}
	return sum, nil
}

func (v vector) class(i int) string {
	if v.labels == nil {
		return fmt.Sprintf("class %d", i)
	}
	return fmt.Sprintf("class %q", v.labels[i])
}

// classes returns the values of the same classes in the same order.
func classes(want, got Sample, output string) (w, g vector, err error) {
	if output == "" && (len(want.Probabilities) > 0 || len(got.Probabilities) > 0) {
		if want.shared == nil {
			return joined(want.Probabilities, got.Probabilities, nil)
		}
		return want.shared.of(want, got)
	}
	if output == "" && (want.Label != "" || got.Label != "") {
		return w, g, errors.New("the models give a label without probabilities")
	}
	p, err := single(want, got, output)
	if err != nil {
		return w, g, err
	}
	if shape := squeeze(p.want.Shape()); len(shape) > 1 || p.want.Len() == 0 {
		return w, g, fmt.Errorf("output %q: %s is not one value a class", p.name, p.want)
	}
	return vector{values: p.want.Float64s()}, vector{values: p.got.Float64s()}, nil
}

// alignment holds the classes of one pair of samples for several metrics.
type alignment struct {
	labels    []string // sorted; those of another pair until done
	want, got vector
	err       error
	done      bool
}

func (a *alignment) of(want, got Sample) (w, g vector, err error) {
	if !a.done {
		a.want, a.got, a.err = joined(want.Probabilities, got.Probabilities, a.labels)
		a.done = true
		if a.err == nil {
			a.labels = a.want.labels
		}
	}
	return a.want, a.got, a.err
}

// joined aligns two dictionaries. Classes of one alone have 0 in the other.
// Models have the same classes each time, so the guess spares their sorting:
// sorted labels, which are theirs or not.
func joined(want, got map[string]float64, guess []string) (w, g vector, err error) {
	if len(want) == 0 {
		return w, g, errors.New("the reference has no class probabilities")
	}
	if len(got) == 0 {
		return w, g, errors.New("the other model has no class probabilities")
	}
	if w, g, ok := aligned(want, got, guess); ok {
		return w, g, nil
	}
	labels := slices.Sorted(maps.Keys(want))
	shared := 0
	for label := range got {
		if _, ok := want[label]; ok {
			shared++
		} else {
			labels = append(labels, label)
		}
	}
	if shared == 0 {
		return w, g, fmt.Errorf("the models share no class: one has %q, the other %q", labels[0], slices.Min(labels[len(want):]))
	}
	slices.Sort(labels)
	w, g, _ = aligned(want, got, labels)
	return w, g, nil
}

// aligned returns the values of sorted labels, if these are the classes of the
// two together, and the two share some.
func aligned(want, got map[string]float64, labels []string) (w, g vector, ok bool) {
	if len(labels) < max(len(want), len(got)) || len(labels) >= len(want)+len(got) {
		return w, g, false
	}
	values := make([]float64, 2*len(labels))
	w, g = vector{labels, values[:len(labels)]}, vector{labels, values[len(labels):]}
	inWant, inGot := 0, 0
	for i, label := range labels {
		p, ok := want[label]
		if ok {
			inWant++
		}
		q, also := got[label]
		if also {
			inGot++
		}
		if !ok && !also {
			return w, g, false
		}
		w.values[i], g.values[i] = p, q
	}
	return w, g, inWant == len(want) && inGot == len(got)
}

// isDistribution tells probabilities from scores that only rank classes.
func isDistribution(p map[string]float64) bool {
	sum := 0.0
	for _, label := range slices.Sorted(maps.Keys(p)) {
		if !(p[label] >= 0) {
			return false
		}
		sum += p[label]
	}
	return math.Abs(sum-1) <= 0.01
}
