// Package metric measures how far what one model makes of an input is from
// what another makes of it: agreement of classes, divergence of probabilities,
// noise against signal, likeness of pictures. A Metric scores one pair of
// samples at a time, in any order and on any goroutine, and reduces the scores
// in the order of the samples, so that a result does not depend on who was
// faster; a Table does both. Everything here works on tensors and
// probabilities in memory: running models, reading files and writing reports
// may not enter.
package metric

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/smelt-ml/smelt/tensor"
)

// Sample is what a model made of one input.
type Sample struct {
	Name    string                    // of the input, such as its file
	Outputs map[string]*tensor.Tensor // by name; those of strings are passed over
	Label   string                    // predicted class; "" without one
	// Probabilities are those of a classifier by class; nil without them.
	Probabilities map[string]float64

	shared *alignment // of a reference while a Table scores it
}

// Metric compares samples of two models. The first of a pair, want, is the
// reference. A Metric holds no scores: its methods may be called concurrently.
type Metric interface {
	// Name names the figure and its unit: "psnr_db".
	Name() string
	// Score compares what two models made of one input. An error means that
	// they cannot be compared, not that they are far apart.
	Score(want, got Sample) (Score, error)
	// Reduce makes one figure of the scores of all samples, which come in the
	// order of the samples. Without scores its value is NaN.
	Reduce(scores []Score) Result
}

// Score is one sample's figure.
type Score struct {
	// Value is the figure by itself. Num and Den are for metrics whose figure
	// over many samples is not the mean of values but made from the ratio of
	// sums; each says what it puts there.
	Value, Num, Den float64
}

// Result is one metric's figure over all samples.
type Result struct {
	Name           string    `json:"name"`
	Value          Number    `json:"value"`
	Interval       *Interval `json:"interval,omitempty"` // nil but for agreements
	Samples        int       `json:"samples"`
	HigherIsBetter bool      `json:"higher_is_better"`
}

// Interval is a 95 % confidence interval.
type Interval struct {
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// Number is a figure that may be infinite (the PSNR of equal pictures) or NaN
// (undefined), neither of which JSON has: both are written as null.
type Number float64

// MarshalJSON writes a finite number, or null.
func (n Number) MarshalJSON() ([]byte, error) {
	if v := float64(n); !math.IsInf(v, 0) && !math.IsNaN(v) {
		return json.Marshal(v)
	}
	return []byte("null"), nil
}

// MarshalJSON adds to the fields, if the value is infinite and hence null,
// "infinite": "+" or "-".
func (r Result) MarshalJSON() ([]byte, error) {
	type fields Result // without this method
	sign := ""
	switch {
	case math.IsInf(float64(r.Value), 1):
		sign = "+"
	case math.IsInf(float64(r.Value), -1):
		sign = "-"
	}
	return json.Marshal(struct {
		fields
		Infinite string `json:"infinite,omitempty"`
	}{fields(r), sign})
}

// Func makes a Metric of a function that scores a pair of samples; its result
// is the mean of the scores. The function must allow concurrent calls.
func Func(name string, higherIsBetter bool, score func(want, got Sample) (float64, error)) Metric {
	return function{name, higherIsBetter, score}
}

type function struct {
	name   string
	higher bool
	score  func(want, got Sample) (float64, error)
}

func (f function) Name() string { return f.name }

func (f function) Score(want, got Sample) (Score, error) {
	v, err := f.score(want, got)
	return Score{Value: v}, err
}

func (f function) Reduce(scores []Score) Result { return mean(f.name, f.higher, scores) }

// mean is the Result of metrics that average their values.
func mean(name string, higher bool, scores []Score) Result {
	sum := 0.0
	for _, s := range scores {
		sum += s.Value
	}
	return Result{Name: name, Value: Number(sum / float64(len(scores))), Samples: len(scores), HigherIsBetter: higher}
}

// Default returns the metrics that apply to samples like want: agreement and
// divergence where it has classes; noise, signal and errors over all its tensors
// and, of several, over each. Outputs named as images, of values 0 to 255, get
// PSNR against that range and, being H×W×C, SSIM.
func Default(want Sample, images ...string) []Metric {
	var all []Metric
	if want.Label != "" || len(want.Probabilities) > 0 {
		all = append(all, TopK{K: 1})
	}
	if len(want.Probabilities) > 5 { // below, all agree
		all = append(all, TopK{K: 5})
	}
	if isDistribution(want.Probabilities) {
		all = append(all, KL{})
	}
	names := want.numeric()
	of := func(output string, image bool) {
		psnr := PSNR{Output: output}
		if image {
			psnr.Peak = 255
		}
		all = append(all, psnr, SNR{output}, MaxAbsError{output}, MeanAbsError{output}, Cosine{output})
		if image {
			all = append(all, SSIM{Output: output})
		}
	}
	if len(names) > 0 {
		of("", len(names) == 1 && slices.Contains(images, names[0]))
	}
	if len(names) > 1 {
		for _, name := range names {
			of(name, slices.Contains(images, name))
		}
	}
	return all
}

// numeric returns the names of the outputs that have numbers, sorted.
func (s Sample) numeric() []string {
	var names []string
	for name, t := range s.Outputs {
		if t != nil && t.DType() != tensor.String {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// named adds the output to a metric's name, unless it is about all of them.
func named(name, output string) string {
	if output == "" {
		return name
	}
	return name + "[" + output + "]"
}

// pair is one output of two models: as many elements of the same shape but
// for dimensions of 1.
type pair struct {
	name      string
	want, got *tensor.Tensor
}

// pairs finds an output in both samples, or with "" all that want has. If
// either has a single output, the names need not agree.
func pairs(want, got Sample, output string) ([]pair, error) {
	names := []string{output}
	haveWant, haveGot := want.numeric(), got.numeric()
	if output == "" {
		names = haveWant
	}
	if len(names) == 0 {
		return nil, errors.New("the reference has no numeric output")
	}
	var all []pair
	for _, name := range names {
		if !slices.Contains(haveWant, name) {
			return nil, fmt.Errorf("output %q: the reference has none such, only %q", name, haveWant)
		}
		other := name
		if len(haveWant) == 1 && len(haveGot) == 1 {
			other = haveGot[0]
		}
		if !slices.Contains(haveGot, other) {
			return nil, fmt.Errorf("output %q: the other model has none such, only %q", name, haveGot)
		}
		p := pair{name, want.Outputs[name], got.Outputs[other]}
		if !slices.Equal(squeeze(p.want.Shape()), squeeze(p.got.Shape())) {
			return nil, fmt.Errorf("output %q: want shape %s, have %s", name,
				tensor.FormatShape(p.want.Shape()), tensor.FormatShape(p.got.Shape()))
		}
		all = append(all, p)
	}
	return all, nil
}

// single is pairs for metrics of one output.
func single(want, got Sample, output string) (pair, error) {
	all, err := pairs(want, got, output)
	if err != nil {
		return pair{}, err
	}
	if len(all) > 1 {
		return pair{}, fmt.Errorf("the models have %d outputs: name one of %q", len(all), want.numeric())
	}
	return all[0], nil
}

func squeeze(shape []int) []int {
	return slices.DeleteFunc(slices.Clone(shape), func(d int) bool { return d == 1 })
}
