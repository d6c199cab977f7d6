package conformance

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/smelt-ml/smelt/tensor"
)

// The ways to compare an output.
const (
	checkAllClose = "allclose"
	checkRelError = "rel_error"
	checkSNR      = "snr"
	checkEqual    = "equal"
	checkShape    = "shape"
	checkMoments  = "moments"
)

// verdict is what judging one output found.
type verdict struct {
	err    error   // nil: it is as it should be
	maxAbs float64 // the largest finite |got - want|
	tight  error   // the same by the suggested bounds; err where there are none
}

// judge compares an output with what it should be. want is nil where only the
// shape or the distribution counts.
func (e *entry) judge(want, got Value) verdict {
	if got == nil {
		err := errors.New("is missing")
		return verdict{err: err, tight: err}
	}
	if want == nil {
		err := e.judgeUnknown(got)
		return verdict{err: err, tight: err}
	}
	switch w := want.(type) {
	case String:
		return e.judgeText(string(w), got)
	case StringDict:
		return judgeDict(e, w, got)
	case IntDict:
		return judgeDict(e, w, got)
	}
	if w, ok := texts(want); ok {
		err := equalTexts(e, w, want, got)
		return verdict{err: err, tight: err}
	}
	return e.judgeNumbers(want, got)
}

// judgeUnknown looks at an output whose values are not given.
func (e *entry) judgeUnknown(got Value) error {
	v, shape, err := numbers(got)
	if err != nil {
		return err
	}
	if e.Check == checkShape || e.ShapeCheck != "" {
		if err := e.compareShape(e.Shape, shape); err != nil {
			return err
		}
	}
	if e.Check == checkMoments {
		return e.compareMoments(v)
	}
	return nil
}

func (e *entry) judgeText(want string, got Value) verdict {
	err := fmt.Errorf("want %q, have %s", want, describe(got))
	if have, ok := texts(got); ok && len(have) == 1 && have[0] == want {
		err = nil
	}
	return verdict{err: err, tight: err}
}

// texts returns the strings of a String or of an array of strings.
func texts(v Value) ([]string, bool) {
	switch v := v.(type) {
	case String:
		return []string{string(v)}, true
	case Array:
		if v.DType() == tensor.String {
			return v.Strings(), true
		}
	}
	return nil, false
}

func equalTexts(e *entry, w []string, want, got Value) error {
	g, ok := texts(got)
	if !ok {
		return fmt.Errorf("want %s, have %s", describe(want), describe(got))
	}
	if err := e.compareShape(shapeOf(want), shapeOf(got)); err != nil {
		return err
	}
	if len(w) != len(g) {
		return fmt.Errorf("want %d strings, have %d", len(w), len(g))
	}
	for i := range w {
		if w[i] != g[i] {
			return fmt.Errorf("element %d: want %q, have %q", i, w[i], g[i])
		}
	}
	return nil
}

// judgeDict compares the numbers under equal keys.
func judgeDict[K cmp.Ordered](e *entry, want map[K]float64, got Value) verdict {
	var have map[K]float64
	var ok bool
	switch g := got.(type) {
	case StringDict:
		have, ok = any(map[string]float64(g)).(map[K]float64)
	case IntDict:
		have, ok = any(map[int64]float64(g)).(map[K]float64)
	}
	if !ok {
		err := fmt.Errorf("want a dictionary of %d keys of type %T, have %s", len(want), *new(K), describe(got))
		return verdict{err: err, tight: err}
	}
	var w, g []float64
	for _, k := range slices.Sorted(maps.Keys(want)) {
		v, ok := have[k]
		if !ok {
			err := fmt.Errorf("the key %#v is missing", k)
			return verdict{err: err, tight: err}
		}
		w, g = append(w, want[k]), append(g, v)
	}
	if len(have) > len(want) {
		for _, k := range slices.Sorted(maps.Keys(have)) {
			if _, ok := want[k]; !ok {
				err := fmt.Errorf("the key %#v is not expected", k)
				return verdict{err: err, tight: err}
			}
		}
	}
	return e.compareNumbers(w, g, nil)
}

// judgeNumbers compares numbers, pictures and arrays.
func (e *entry) judgeNumbers(want, got Value) verdict {
	w, wantShape, err := numbers(want)
	if err != nil {
		return verdict{err: err, tight: err}
	}
	g, gotShape, err := numbers(got)
	if err == nil {
		err = e.compareShape(wantShape, gotShape)
	}
	if err == nil && len(w) != len(g) {
		if e.ShapeCheck != shapeBroadcast {
			err = fmt.Errorf("want %d values, have %d (shape %s)", len(w), len(g), tensor.FormatShape(gotShape))
		} else {
			wantShape, w, g, err = broadcast(wantShape, w, gotShape, g)
		}
	}
	if err != nil {
		return verdict{err: err, tight: err}
	}
	if e.Check == checkShape {
		return verdict{}
	}
	if e.Check == checkMoments {
		err := e.compareMoments(g)
		return verdict{err: err, tight: err}
	}
	v := e.compareNumbers(w, g, wantShape)
	if e.Check == checkEqual && v.err == nil {
		// float64 cannot tell all large integers apart.
		if v.err = equalIntegers(want, got); v.err != nil {
			v.tight = v.err
		}
	}
	return v
}

// compareNumbers applies the case's measure to values of equal number.
func (e *entry) compareNumbers(want, got []float64, shape []int) verdict {
	v := verdict{maxAbs: maxAbsError(want, got)}
	switch e.Check {
	case checkAllClose:
		v.err = compareBounds(want, got, shape, &bounds{e.RTol, e.ATol}, e.AllowMismatchRatio)
	case checkRelError:
		v.err = compareEach(want, got, shape, e.AllowMismatchRatio, func(w float64) float64 { return *e.Delta * max(math.Abs(w), 1) })
	case checkEqual:
		v.err = compareEach(want, got, shape, e.AllowMismatchRatio, func(float64) float64 { return 0 })
	case checkSNR:
		v.err = compareSNR(want, got, *e.SNR, *e.PSNR)
	default:
		v.err = fmt.Errorf("values cannot be compared by %q", e.Check)
	}
	v.tight = v.err
	if e.Suggest != nil {
		v.tight = compareBounds(want, got, shape, e.Suggest, e.AllowMismatchRatio)
	}
	return v
}

func compareBounds(want, got []float64, shape []int, b *bounds, mismatch float64) error {
	return compareEach(want, got, shape, mismatch, func(w float64) float64 { return *b.ATol + *b.RTol*math.Abs(w) })
}

// compareEach holds |got - want| against a bound for each element. NaN equals
// NaN, an infinity equals itself, nothing else equals either. The share
// mismatch of the elements may be off.
func compareEach(want, got []float64, shape []int, mismatch float64, bound func(want float64) float64) error {
	off, worst, excess := 0, -1, 0.0
	for i, w := range want {
		g := got[i]
		if w == g || w != w && g != g {
			continue
		}
		allowed := bound(w)
		d := math.Abs(g - w)
		if finite(w) && finite(g) && d <= allowed {
			continue
		}
		off++
		if over := d - allowed; worst < 0 || over > excess || !finite(d) && finite(excess) {
			worst, excess = i, d
			if finite(d) {
				excess = over
			}
		}
	}
	if float64(off) <= mismatch*float64(len(want)) {
		return nil
	}
	w, g := want[worst], got[worst]
	err := fmt.Sprintf("%d of %d values are off, the worst at %s: want %v, have %v", off, len(want), place(worst, shape), w, g)
	if b := bound(w); b > 0 && finite(w) && finite(g) {
		err += fmt.Sprintf(", off by %.3g where %.3g is allowed", math.Abs(g-w), b)
	}
	return errors.New(err)
}

// place writes the index of element i of an array: [0 2 1].
func place(i int, shape []int) string {
	index := make([]int, len(shape))
	for d := len(shape) - 1; d >= 0; d-- {
		index[d] = i % shape[d]
		i /= shape[d]
	}
	if len(shape) == 0 {
		index = []int{i}
	}
	return fmt.Sprint(index)
}

// compareSNR is the measure of the network tests of coremltools: the power of
// the signal, and of its peak, over the power of the noise, in dB. The noise
// has a floor of 1e-7, by which weak signals would fail whatever comes back:
// equal values always pass.
func compareSNR(want, got []float64, snr, psnr float64) error {
	var signal, noise, peak float64
	same := true
	for i, w := range want {
		d := w - got[i]
		if w == got[i] || w != w && got[i] != got[i] {
			d = 0
		}
		same = same && d == 0
		signal += w * w
		noise += d * d
		peak = max(peak, w*w)
	}
	if same {
		return nil
	}
	n := float64(len(want))
	noise = noise/n + 1e-7
	haveSNR, havePSNR := 10*math.Log10(signal/n/noise), 10*math.Log10(peak/noise)
	if haveSNR >= snr && havePSNR >= psnr { // NaN is neither
		return nil
	}
	return fmt.Errorf("want SNR ≥ %.4g dB and PSNR ≥ %.4g dB, have %.4g and %.4g", snr, psnr, haveSNR, havePSNR)
}

// compareMoments compares the central moments mean((x - mean x)^k), k = 0, 1, …
// of random values with those of a sample, to so many decimals: off by less
// than 1.5 units of the last one, as NumPy counts.
func (e *entry) compareMoments(got []float64) error {
	if len(got) == 0 {
		return errors.New("has no values")
	}
	var mean float64
	for _, v := range got {
		mean += v
	}
	mean /= float64(len(got))
	bound := 1.5 * math.Pow(10, -float64(*e.Decimal))
	for k, want := range e.CentralMoments {
		var m float64
		for _, v := range got {
			m += math.Pow(v-mean, float64(k))
		}
		m /= float64(len(got))
		if d := math.Abs(m - want); !(d < bound) {
			return fmt.Errorf("central moment %d: want %.4g, have %.4g, off by %.3g where %.3g is allowed", k, want, m, d, bound)
		}
	}
	return nil
}

// equalIntegers compares the elements of integer arrays exactly.
func equalIntegers(want, got Value) error {
	w, ok := wholeNumbers(want)
	g, ok2 := wholeNumbers(got)
	if !ok || !ok2 || len(w) != len(g) {
		return nil
	}
	for i := range w {
		if w[i] != g[i] {
			return fmt.Errorf("element %d: want %d, have %d", i, w[i], g[i])
		}
	}
	return nil
}

func wholeNumbers(v Value) ([]int64, bool) {
	switch v := v.(type) {
	case Int:
		return []int64{int64(v)}, true
	case Array:
		if v.DType().IsInt() {
			return integers(v.Tensor), true
		}
	}
	return nil, false
}

// numbers returns a number, picture or numeric array as float64s.
func numbers(v Value) ([]float64, []int, error) {
	switch v := v.(type) {
	case Int:
		return []float64{float64(v)}, nil, nil
	case Float:
		return []float64{float64(v)}, nil, nil
	case Image:
		return numbers(Array(v))
	case Array:
		if v.DType() != tensor.String {
			return v.Float64s(), v.Shape(), nil
		}
	}
	return nil, nil, fmt.Errorf("want numbers, have %s", describe(v))
}

// maxAbsError is the largest difference between finite values.
func maxAbsError(want, got []float64) float64 {
	var m float64
	for i, w := range want {
		if g := got[i]; finite(w) && finite(g) {
			m = max(m, math.Abs(g-w))
		}
	}
	return min(m, math.MaxFloat64)
}

// describe names a value in an error.
func describe(v Value) string {
	switch v := v.(type) {
	case Array:
		return "an array " + v.String()
	case Image:
		return "a picture " + v.String()
	case String:
		return fmt.Sprintf("the string %q", string(v))
	case Int:
		return fmt.Sprintf("the integer %d", int64(v))
	case Float:
		return fmt.Sprintf("the number %v", float64(v))
	case StringDict:
		return fmt.Sprintf("a dictionary of %d strings", len(v))
	case IntDict:
		return fmt.Sprintf("a dictionary of %d integers", len(v))
	}
	return "nothing"
}
