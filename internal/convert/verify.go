package convert

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/internal/backend/mlprogram"
	"github.com/smelt-ml/smelt/internal/edit"
	"github.com/smelt-ml/smelt/internal/media"
	"github.com/smelt-ml/smelt/internal/predict"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/tensor"
)

// Verify says how a result is checked: source and result answer the same
// inputs, those given or one that is made by chance.
type Verify struct {
	// Inputs returns inputs for a model of that interface; nil makes one.
	Inputs func(mlmodel.Interface) ([]map[string]any, error)
	Seed   uint64
}

// Check is how far the result's answers are from the source's.
type Check struct {
	Samples int `json:"samples"`
	// Outputs has the errors by the names in the result.
	Outputs map[string]*Difference `json:"outputs"`
	// Unchecked are the outputs that only the code of custom layers can compute.
	Unchecked []string `json:"unchecked,omitempty"`
	// Skipped tells why nothing was compared.
	Skipped string `json:"skipped,omitempty"`
}

// Difference is how far an output is from the source's, over all samples.
type Difference struct {
	MaxAbs float64 `json:"max_abs_error"`
	// MaxRel is MaxAbs over the largest absolute value of the source's.
	MaxRel float64 `json:"max_rel_error"`
	// SNR is the ratio of the source's power to that of the error in dB; absent
	// where there is no error.
	SNR *float64 `json:"snr_db"`

	most, power, noise float64
}

// verify runs source and result, one after the other, so that the weights of
// only one of them are in memory.
func verify(ctx context.Context, s *source, result *result, names map[string]string, o Options) (*Check, error) {
	c := &Check{Outputs: map[string]*Difference{}}
	if result.random != "" {
		c.Skipped = fmt.Sprintf("%s gives other numbers each time", result.random)
		return c, nil
	}
	give := o.Verify.Inputs
	if give == nil && s.samples != nil {
		give = func(mlmodel.Interface) ([]map[string]any, error) { return s.samples(o.Verify.Seed), nil }
	}
	if give == nil {
		give = func(face mlmodel.Interface) ([]map[string]any, error) {
			return generated(face, o.Verify.Seed, s.flexible)
		}
	}
	inputs, err := give(result.face)
	if err != nil {
		return nil, err
	}
	wants, err := s.answers(ctx, inputs, names, o)
	if cause := context.Cause(ctx); cause != nil {
		return nil, cause
	}
	if err != nil { // by chance, perhaps: an index out of range, for example
		c.Skipped = "the source cannot be run: " + err.Error()
	}
	for i, want := range wants {
		have, err := result.run(ctx, inputs[i])
		if result.custom && fault.KindOf(err) == fault.Unsupported {
			c.Skipped = "the result cannot be run: " + err.Error()
			return c, nil
		}
		if err != nil {
			return nil, err
		}
		c.Samples++
		c.Unchecked = nil
		for _, f := range result.face.Outputs {
			if _, ok := have[f.Name]; !ok {
				c.Unchecked = append(c.Unchecked, f.Name)
			}
		}
		for name, h := range have {
			w, ok := want[sourceName(names, name)]
			if s.classes != nil && name == result.face.PredictedProbabilities {
				w, ok = byLabel(want[sourceName(names, s.labeled)], s.classes)
			}
			if color, picture := o.ImageOutputs[sourceName(names, name)]; picture && ok {
				if w, err = painted(w, color.String()); err != nil {
					return nil, fmt.Errorf("output %q: %w", name, err)
				}
			}
			if !ok {
				continue // a label that the source did not have
			}
			d := c.Outputs[name]
			if d == nil {
				d = &Difference{}
				c.Outputs[name] = d
			}
			if err := d.add(w, h); err != nil {
				return nil, fmt.Errorf("output %q: %w", name, err)
			}
		}
	}
	for _, d := range c.Outputs {
		d.finish()
	}
	return c, nil
}

// answers runs the source on as many of the result's inputs as it can answer,
// and lets go of what that took.
func (s *source) answers(ctx context.Context, inputs []map[string]any, names map[string]string, o Options) ([]predict.Features, error) {
	run := s.run
	s.run = nil
	var out []predict.Features
	for _, in := range inputs {
		asked := predict.Features{}
		for name, v := range in {
			if image, ok := o.ImageInputs[sourceName(names, name)]; ok {
				var err error
				if v, err = scaled(v, image); err != nil {
					return nil, fmt.Errorf("input %q: %w", name, err)
				}
			}
			asked[sourceName(names, name)] = v
		}
		want, err := run(ctx, asked)
		if err != nil {
			return out, err
		}
		out = append(out, want)
	}
	return out, nil
}

// once tells that a check has a single input, which is not worth keeping
// weights for in the form that kernels take.
func (v *Verify) once() bool { return v != nil && v.Inputs == nil }

// byLabel is an array of probabilities as a dictionary.
func byLabel(v any, c *mlprogram.Classifier) (any, bool) {
	t, ok := v.(*tensor.Tensor)
	if !ok || t.Len() != max(len(c.Strings), len(c.Ints)) {
		return nil, false
	}
	p := t.Float64s()
	if c.Strings == nil {
		return dictionary(c.Ints, p), true
	}
	return dictionary(c.Strings, p), true
}

func dictionary[K comparable](keys []K, values []float64) map[K]float64 {
	out := make(map[K]float64, len(keys))
	for i, k := range keys {
		out[k] = values[i]
	}
	return out
}

func sourceName(names map[string]string, name string) string {
	if old, ok := names[name]; ok {
		return old
	}
	return name
}

// painted is an array as the picture that the model makes of it now.
func painted(v any, color string) (any, error) {
	t, ok := v.(*tensor.Tensor)
	if !ok {
		return v, nil
	}
	s := t.Shape()
	order := orderOf(color)
	if len(s) < 3 || t.Len() != order.Channels()*s[len(s)-1]*s[len(s)-2] {
		return nil, fmt.Errorf("%s is no picture", t)
	}
	return media.FromPlanar(t.F32(), s[len(s)-1], s[len(s)-2], order)
}

// scaled is what the program sees of a picture that the model takes now.
func scaled(v any, image edit.Image) (any, error) {
	m, ok := v.(*media.Image)
	if !ok {
		return v, nil // arrays are taken as they are
	}
	order := orderOf(image.Color.String())
	c := order.Channels()
	data := make([]float32, c*m.W*m.H)
	if err := media.ToPlanar(m, order, data); err != nil {
		return nil, err
	}
	for i := range data {
		if image.Scale != 0 {
			data[i] *= image.Scale
		}
		switch at := i / (m.W * m.H); {
		case len(image.Bias) == 1:
			data[i] += image.Bias[0]
		case at < len(image.Bias):
			data[i] += image.Bias[at]
		}
	}
	return tensor.Floats([]int{1, c, m.H, m.W}, data), nil
}

// generated makes inputs by chance: of the default shapes, or of several.
func generated(face mlmodel.Interface, seed uint64, flexible bool) ([]map[string]any, error) {
	r := rand.New(rand.NewPCG(seed, 0))
	var all []map[string]any
	const most = 1 << 21 // elements of an input at a shape that is not the default
	for i, p := range edit.Points(face.Inputs) {
		in := predict.Features{}
		for _, f := range face.Inputs {
			if i > 0 && (!flexible || tensor.Size(p.At[f.Name]) > most) {
				in = nil
				break
			}
			v, err := predict.Example(f, p.At[f.Name], r)
			if err != nil {
				return nil, err
			}
			in[f.Name] = v
		}
		if in != nil {
			all = append(all, in)
		}
	}
	return all, nil
}

// add takes one sample's output.
func (d *Difference) add(want, have any) error {
	switch w := want.(type) {
	case *tensor.Tensor:
		h, ok := have.(*tensor.Tensor)
		if !ok || h.Len() != w.Len() {
			return fmt.Errorf("was %v, is %v", w, have)
		}
		a, b := w.Float64s(), h.Float64s()
		for i := range a {
			d.pair(a[i], b[i])
		}
	case *media.Image:
		h, ok := have.(*media.Image)
		if !ok || len(h.Pix) != len(w.Pix) {
			return fmt.Errorf("was a picture of %d×%d, is another", w.W, w.H)
		}
		for i := range w.Pix {
			d.pair(float64(w.Pix[i]), float64(h.Pix[i]))
		}
	case map[string]float64:
		return each(d, w, have)
	case map[int64]float64:
		return each(d, w, have)
	case float64:
		return d.numbers(w, have)
	case int64:
		return d.numbers(float64(w), have)
	case string:
		d.pair(0, truth(have != want))
	default:
		return fmt.Errorf("is a %T", want)
	}
	return nil
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// numbers compares a number with one that may have become an array.
func (d *Difference) numbers(want float64, have any) error {
	switch h := have.(type) {
	case float64:
		d.pair(want, h)
	case int64:
		d.pair(want, float64(h))
	case *tensor.Tensor:
		if h.Len() != 1 {
			return fmt.Errorf("was a number, is %v", h)
		}
		d.pair(want, h.Float64s()[0])
	default:
		return fmt.Errorf("was a number, is a %T", have)
	}
	return nil
}

func each[K comparable](d *Difference, want map[K]float64, have any) error {
	h, ok := have.(map[K]float64)
	if !ok || len(h) != len(want) {
		return fmt.Errorf("was %d probabilities, is %T", len(want), have)
	}
	for k, w := range want {
		x, ok := h[k]
		if !ok {
			return fmt.Errorf("has no label %v", k)
		}
		d.pair(w, x)
	}
	return nil
}

// pair takes one number of both. NaN equals NaN, an infinity itself.
func (d *Difference) pair(want, have float64) {
	if want == have || math.IsNaN(want) && math.IsNaN(have) {
		if !math.IsNaN(want) && !math.IsInf(want, 0) {
			d.most = max(d.most, math.Abs(want))
			d.power += want * want
		}
		return
	}
	e := math.Abs(want - have)
	if math.IsNaN(e) || math.IsInf(e, 0) {
		e = math.MaxFloat64 // which JSON can hold
	}
	d.MaxAbs = max(d.MaxAbs, e)
	d.noise += min(e*e, math.MaxFloat64)
	if !math.IsNaN(want) && !math.IsInf(want, 0) {
		d.most = max(d.most, math.Abs(want))
		d.power += want * want
	}
}

func (d *Difference) finish() {
	d.MaxRel = d.MaxAbs
	if d.most > 0 {
		d.MaxRel = min(d.MaxAbs/d.most, math.MaxFloat64)
	}
	if d.noise > 0 {
		snr := -300.0
		if d.power > 0 {
			snr = max(10*math.Log10(d.power/min(d.noise, math.MaxFloat64)), -300)
		}
		d.SNR = &snr
	}
}
