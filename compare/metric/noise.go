package metric

import "math"

// The metrics of this file take the elements of an output as one vector; with
// the output "" those of all numeric outputs together. Elements that are both
// NaN or the same infinity are equal and add no signal; NaN against anything
// else is an infinite error.

// difference sums up two vectors.
type difference struct {
	n                    int
	noise, absolute      float64 // sums of (want-got)² and |want-got|
	largest              float64 // |want-got|
	wantPower, wantPeak  float64 // sum of want² and largest |want|, of finite ones
	gotPower, wantDotGot float64
}

func compare(want, got Sample, output string) (difference, error) {
	var d difference
	all, err := pairs(want, got, output)
	if err != nil {
		return d, err
	}
	for _, p := range all {
		a, b := p.want.Float64s(), p.got.Float64s()
		for i, w := range a {
			d.add(w, b[i])
		}
	}
	return d, nil
}

func (d *difference) add(w, g float64) {
	d.n++
	e := math.Abs(w - g)
	if math.IsNaN(e) {
		if w == g || math.IsNaN(w) && math.IsNaN(g) {
			return
		}
		e = math.Inf(1)
	}
	d.noise += e * e
	d.absolute += e
	d.largest = max(d.largest, e)
	d.gotPower += g * g
	d.wantDotGot += w * g
	if a := math.Abs(w); a <= math.MaxFloat64 {
		d.wantPower += w * w
		d.wantPeak = max(d.wantPeak, a)
	}
}

// mean divides a sum by the number of elements; nothing differs where nothing is.
func (d *difference) mean(sum float64) float64 { return sum / float64(max(d.n, 1)) }

// PSNR is the peak signal-to-noise ratio, 10·log10(peak² / MSE), in decibels.
// It is +Inf for equal outputs. Over many samples it is that of the mean MSE (and,
// if the peak is each sample's own, of the mean peak²), not the mean of
// decibels, which one pair of equal outputs would make infinite. Score.Num is
// the MSE, Score.Den the peak².
type PSNR struct {
	Output string // "": all
	// Peak is the range of values, such as 255. 0 means the largest magnitude
	// in the reference's output, sample by sample.
	Peak float64
}

// Name returns "psnr_db".
func (m PSNR) Name() string { return named("psnr_db", m.Output) }

// Score returns the ratio for one sample.
func (m PSNR) Score(want, got Sample) (Score, error) {
	d, err := compare(want, got, m.Output)
	if err != nil {
		return Score{}, err
	}
	peak := m.Peak
	if peak == 0 {
		peak = d.wantPeak
	}
	return ratio(d.mean(d.noise), peak*peak), nil
}

// Reduce returns the ratio over all samples.
func (m PSNR) Reduce(scores []Score) Result { return pooled(m.Name(), scores) }

// SNR is the signal-to-noise ratio, 10·log10(mean want² / MSE), in decibels.
// It is +Inf for equal outputs. Over many samples it is that of the mean powers.
// Score.Num is the MSE, Score.Den the power of the signal.
type SNR struct {
	Output string // "": all
}

// Name returns "snr_db".
func (m SNR) Name() string { return named("snr_db", m.Output) }

// Score returns the ratio for one sample.
func (m SNR) Score(want, got Sample) (Score, error) {
	d, err := compare(want, got, m.Output)
	if err != nil {
		return Score{}, err
	}
	return ratio(d.mean(d.noise), d.mean(d.wantPower)), nil
}

// Reduce returns the ratio over all samples.
func (m SNR) Reduce(scores []Score) Result { return pooled(m.Name(), scores) }

// ratio makes decibels of noise and signal, both powers.
func ratio(noise, signal float64) Score {
	return Score{Value: decibels(noise, signal), Num: noise, Den: signal}
}

func decibels(noise, signal float64) float64 {
	switch {
	case noise == 0:
		return math.Inf(1)
	case math.IsInf(noise, 1):
		return math.Inf(-1)
	}
	// The difference, as the quotient may overflow.
	return 10 * (math.Log10(signal) - math.Log10(noise))
}

func pooled(name string, scores []Score) Result {
	r := Result{Name: name, Value: Number(math.NaN()), Samples: len(scores), HigherIsBetter: true}
	noise, signal := 0.0, 0.0
	for _, s := range scores {
		noise += s.Num
		signal += s.Den
	}
	if len(scores) > 0 {
		r.Value = Number(decibels(noise, signal))
	}
	return r
}

// MaxAbsError is the largest |want - got|, of an element and of all samples.
type MaxAbsError struct {
	Output string // "": all
}

// Name returns "max_abs_error".
func (m MaxAbsError) Name() string { return named("max_abs_error", m.Output) }

// Score returns the largest error of one sample.
func (m MaxAbsError) Score(want, got Sample) (Score, error) {
	d, err := compare(want, got, m.Output)
	return Score{Value: d.largest}, err
}

// Reduce returns the largest error of all samples.
func (m MaxAbsError) Reduce(scores []Score) Result {
	r := Result{Name: m.Name(), Value: Number(math.NaN()), Samples: len(scores)}
	for i, s := range scores {
		if i == 0 || s.Value > float64(r.Value) {
			r.Value = Number(s.Value)
		}
	}
	return r
}

// MeanAbsError is the mean of |want - got| over elements, then over samples.
type MeanAbsError struct {
	Output string // "": all
}

// Name returns "mean_abs_error".
func (m MeanAbsError) Name() string { return named("mean_abs_error", m.Output) }

// Score returns the mean error of one sample.
func (m MeanAbsError) Score(want, got Sample) (Score, error) {
	d, err := compare(want, got, m.Output)
	return Score{Value: d.mean(d.absolute)}, err
}

// Reduce returns the mean over all samples.
func (m MeanAbsError) Reduce(scores []Score) Result { return mean(m.Name(), false, scores) }

// Cosine is the cosine of the angle between the outputs as vectors, want·got /
// (|want| |got|), and its mean over samples. Two zero vectors have 1, one of two
// 0; vectors with an infinite difference have NaN, for no direction.
type Cosine struct {
	Output string // "": all
}

// Name returns "cosine_similarity".
func (m Cosine) Name() string { return named("cosine_similarity", m.Output) }

// Score returns the cosine for one sample.
func (m Cosine) Score(want, got Sample) (Score, error) {
	d, err := compare(want, got, m.Output)
	switch {
	case err != nil:
		return Score{}, err
	case math.IsInf(d.largest, 1):
		return Score{Value: math.NaN()}, nil
	case d.noise == 0: // also of zero vectors
		return Score{Value: 1}, nil
	case d.wantPower == 0 || d.gotPower == 0:
		return Score{Value: 0}, nil
	}
	cos := d.wantDotGot / (math.Sqrt(d.wantPower) * math.Sqrt(d.gotPower))
	return Score{Value: max(-1, min(1, cos))}, nil
}

// Reduce returns the mean over all samples.
func (m Cosine) Reduce(scores []Score) Result { return mean(m.Name(), true, scores) }
