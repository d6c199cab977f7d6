package smelt

import (
	"context"
	"image"

	"github.com/smelt-ml/smelt/compare"
	"github.com/smelt-ml/smelt/internal/media"
	"github.com/smelt-ml/smelt/internal/predict"
	"github.com/smelt-ml/smelt/mlmodel"
)

// Features are a model's inputs or outputs by name. Arrays are *tensor.Tensor,
// pictures image.Image, numbers int64 or float64, labels string or int64, and
// the probabilities of a classifier map[string]float64 or map[int64]float64.
// Arrays are converted to the element type that the model takes, and pictures
// brought to its size and colours.
type Features = map[string]any

// Fit says how pictures come to fill a model's input: by its Mode and Filter,
// with ShortSide the pixels of the shorter side before a crop, and Background
// the colour around a letterboxed picture.
type Fit = media.FitOptions

// The choices of a Fit.
const (
	Squash    = media.Squash    // both sides resized, the shape be what it may
	Crop      = media.Crop      // the shape kept, the centre taken
	Letterbox = media.Letterbox // the shape kept, the rest filled

	Lanczos  = media.Lanczos
	Bicubic  = media.Bicubic
	Bilinear = media.Bilinear
)

// Options chooses how a model is run. The zero value is the usual choice.
type Options struct {
	Function string // of an ML Program with several; "" means the default one
	Threads  int    // of one prediction; 0 means all cores
	Fit      Fit    // of pictures; the zero Fit squashes with a Lanczos filter
	Strict   bool   // rounds every float16 result to float16
	// Reference runs every operator by its definition: slow, and what fast
	// results are to be held against.
	Reference bool
	MaxBytes  int // the most memory of a prediction; 0 means 8 GiB
}

// Predictor is a model that is ready to answer. It serves many goroutines at
// once.
type Predictor struct {
	model *predict.Model
	face  mlmodel.Interface
	size  int64
	close func() error
}

// Load opens a model file, as Open does, and makes it ready to answer.
func Load(path string, o Options) (*Predictor, error) {
	m, err := Open(path)
	if err != nil {
		return nil, err
	}
	p, err := m.Load(o)
	if err != nil {
		m.Close()
		return nil, err
	}
	p.close = m.Close
	return p, nil
}

// Load makes the model, as it is now, ready to answer. The model must stay open
// and unchanged while the Predictor is used.
func (m *Model) Load(o Options) (*Predictor, error) {
	loaded, err := predict.Load(m.doc, predict.Options{
		Function: o.Function, Threads: o.Threads, Fit: o.Fit, Strict: o.Strict, Reference: o.Reference, MaxBytes: o.MaxBytes,
	})
	if err != nil {
		return nil, err
	}
	size, err := m.size()
	if err != nil {
		return nil, err
	}
	p := &Predictor{model: loaded, size: size}
	for i, f := range mlmodel.Describe(m.doc.Spec().GetDescription()) {
		if i == 0 && o.Function == "" || f.Function == o.Function {
			p.face = f
		}
	}
	return p, nil
}

// Close frees the model. No prediction may be under way.
func (p *Predictor) Close() error {
	p.model.Close()
	if p.close != nil {
		return p.close()
	}
	return nil
}

// Describe returns what the model takes and gives.
func (p *Predictor) Describe() mlmodel.Interface { return p.face }

// Size returns the bytes of the model's files.
func (p *Predictor) Size() int64 { return p.size }

// Predict computes the outputs for one set of inputs. The states of a stateful
// model start anew each time; see NewState.
func (p *Predictor) Predict(ctx context.Context, in Features) (Features, error) {
	return dress(p.model.Predict(ctx, in, nil))
}

// PredictBatch computes the outputs for many sets of inputs: one call, all
// cores, the results in the order of the inputs. The first error, with the
// index of its input, ends it.
func (p *Predictor) PredictBatch(ctx context.Context, in []Features) ([]Features, error) {
	batch := make([]predict.Features, len(in))
	for i, f := range in {
		batch[i] = f
	}
	results, err := p.model.Batch(ctx, batch)
	if err != nil {
		return nil, err
	}
	out := make([]Features, len(results))
	for i, f := range results {
		out[i], _ = dress(f, nil)
	}
	return out, nil
}

// State is what a stateful model keeps from one prediction to the next. It is
// for one goroutine at a time.
type State struct {
	p     *Predictor
	state predict.State
}

// NewState returns a state in which everything is zero.
func (p *Predictor) NewState() *State { return &State{p, p.model.NewState()} }

// Predict computes the outputs for one set of inputs, and the state's next
// values.
func (s *State) Predict(ctx context.Context, in Features) (Features, error) {
	return dress(s.p.model.Predict(ctx, in, s.state))
}

// dress gives pictures the type that everyone knows.
func dress(out predict.Features, err error) (Features, error) {
	if err != nil {
		return nil, err
	}
	for name, v := range out {
		if m, ok := v.(*media.Image); ok {
			out[name] = m.Std()
		}
	}
	return out, nil
}

// OpenImage decodes a JPEG, PNG, WebP, BMP, TIFF or GIF file, turned as its
// EXIF orientation asks.
func OpenImage(path string) (image.Image, error) {
	m, err := media.Open(path, media.Options{})
	if err != nil {
		return nil, err
	}
	return m.Std(), nil
}

// Compare tells how far b is from the reference a, on all cores. Inputs come
// from compare.Images, compare.Arrays or the caller.
func Compare(ctx context.Context, a, b *Predictor, inputs compare.Source, o compare.Options) (*compare.Report, error) {
	reports, err := CompareAll(ctx, a, []*Predictor{b}, inputs, o)
	if err != nil {
		return nil, err
	}
	return reports[0], nil
}

// CompareAll compares each of several models with the reference a, which
// answers only once for each input. There is one report for each.
func CompareAll(ctx context.Context, a *Predictor, others []*Predictor, inputs compare.Source, o compare.Options) ([]*compare.Report, error) {
	var all []compare.Predictor
	for _, p := range others {
		all = append(all, single{p})
	}
	reports, err := compare.RunAll(ctx, single{a}, all, inputs, o)
	for i, r := range reports {
		r.Sizes = []int64{a.size, others[i].size}
	}
	return reports, err
}

// single answers on one thread, since compare asks on all cores.
type single struct{ *Predictor }

func (s single) Predict(ctx context.Context, in Features) (Features, error) {
	return s.model.PredictSingle(ctx, in, nil)
}
