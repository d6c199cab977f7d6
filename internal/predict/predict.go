// Package predict answers questions put to a model. A network is run by the
// engine: features — pictures, arrays, numbers — are brought to the form that
// it takes, and its results dressed as the model describes them, with one
// compiled plan kept for each set of input shapes and a memory for each
// prediction under way. A model that is no network is a function of package
// classic, and a pipeline hands the features of each of its models on to the
// next. How any of them computes is no business of this room.
package predict

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/internal/engine"
	"github.com/smelt-ml/smelt/internal/media"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// Features are a model's inputs or outputs by name. A value is a
// *tensor.Tensor, an image.Image or *media.Image, an int64, a float64, a string,
// a map[string]float64 or map[int64]float64, or a []string or []int64.
type Features map[string]any

// Options chooses how a model is run.
type Options struct {
	Function  string // of an ML Program with several; "" means the default
	Threads   int    // of one prediction; 0 means all cores
	Reference bool   // see engine.Options
	Strict    bool
	Frugal    bool
	Observe   func(name string, t *tensor.Tensor)
	Profile   engine.Profile
	Fit       media.FitOptions // how pictures are brought to the model's size
	MaxBytes  int
	// WithoutCustom leaves out the outputs that only the code of custom layers
	// can compute.
	WithoutCustom bool
}

// State holds what a stateful model keeps from one prediction to the next.
type State = engine.State

// Model is a loaded model. It serves many goroutines at once.
type Model struct {
	face
	answerer
	threads int
}

// answerer is the way in which a kind of model comes to its outputs. It serves
// many goroutines at once.
type answerer interface {
	// predict computes the outputs for one set of inputs on so many threads.
	predict(ctx context.Context, threads int, in Features, state State) (Features, error)
	// cost counts the floating-point operations of the model's networks.
	cost(ctx context.Context, in Features) (int64, error)
	close()
}

// face is what a model takes and gives.
type face struct {
	inputs, outputs, states []*spec.FeatureDescription
	maxBytes                int // of the arrays that nobody gives
}

func faceOf(d *spec.ModelDescription, o Options) face {
	f := face{d.GetInput(), d.GetOutput(), d.GetState(), o.MaxBytes}
	if f.maxBytes <= 0 {
		f.maxBytes = engine.DefaultMaxBytes
	}
	return f
}

func (f face) needOutputs() error {
	if len(f.outputs) == 0 {
		return fault.New(fault.Corrupt, "", "the model has no outputs")
	}
	return nil
}

// check looks for inputs that are missing and for such as the model does not
// have.
func (f face) check(in Features) error {
	known := 0
	for _, d := range f.inputs {
		if _, ok := in[d.GetName()]; ok {
			known++
		} else if !d.GetType().GetIsOptional() {
			return fault.New(fault.BadValue, fmt.Sprintf("input %q", d.GetName()), "is missing")
		}
	}
	if err := f.checkAbsent(in); err != nil {
		return err
	}
	if known == len(in) {
		return nil
	}
	names := make([]string, len(f.inputs))
	isInput := map[string]bool{}
	for i, d := range f.inputs {
		names[i] = fmt.Sprintf("%q", d.GetName())
		isInput[d.GetName()] = true
	}
	for name := range in {
		if !isInput[name] {
			return fault.New(fault.BadValue, fmt.Sprintf("input %q", name), "the model has no such input, only %s", strings.Join(names, ", "))
		}
	}
	return nil
}

// Load prepares a document's model. The document must stay open until the
// model is closed where shapes are flexible: weights may be read again.
func Load(doc *mlmodel.Model, o Options) (*Model, error) {
	m, err := load(doc, doc.Spec(), o, 0)
	if err != nil {
		return nil, fault.InFile(err, doc.Path())
	}
	return m, nil
}

// load prepares a document's model, or one of those in its pipeline.
func load(doc *mlmodel.Model, s *spec.Model, o Options, depth int) (*Model, error) {
	m := &Model{threads: o.Threads}
	if m.threads <= 0 {
		m.threads = runtime.GOMAXPROCS(0)
	}
	switch s.WhichType() {
	case spec.Model_MlProgram_case, spec.Model_NeuralNetwork_case, spec.Model_NeuralNetworkClassifier_case, spec.Model_NeuralNetworkRegressor_case:
		n, err := newNetwork(doc, s, o)
		if err != nil {
			return nil, err
		}
		m.answerer, m.face = n, n.face
	case spec.Model_Pipeline_case, spec.Model_PipelineClassifier_case, spec.Model_PipelineRegressor_case:
		p, err := newPipeline(doc, s, o, depth)
		if err != nil {
			return nil, err
		}
		m.answerer, m.face = p, p.face
	default:
		p, err := newPlain(s, o)
		if err != nil {
			return nil, err
		}
		m.answerer, m.face = p, p.face
	}
	return m, nil
}

// Inputs returns the descriptions of the inputs.
func (m *Model) Inputs() []*spec.FeatureDescription { return m.inputs }

// Outputs returns the descriptions of the outputs.
func (m *Model) Outputs() []*spec.FeatureDescription { return m.outputs }

// Close stops the model's threads. No prediction may be under way.
func (m *Model) Close() { m.close() }

// NewState returns the state of a new conversation: everything zero.
func (m *Model) NewState() State { return State{} }

// Predict computes the outputs for one set of inputs. state may be nil for a
// model without states, and for one whose states are to start anew.
func (m *Model) Predict(ctx context.Context, in Features, state State) (Features, error) {
	return m.predict(ctx, m.threads, in, state)
}

// PredictSingle is Predict on a single thread, for callers that keep the cores
// busy with many predictions at once.
func (m *Model) PredictSingle(ctx context.Context, in Features, state State) (Features, error) {
	return m.predict(ctx, 1, in, state)
}

// Cost counts the floating-point operations of a prediction for these inputs
// (see engine.Plan.FLOPs): those of networks only.
func (m *Model) Cost(in Features) (flops int64, err error) {
	return m.cost(context.Background(), in)
}

// Batch computes the outputs for many sets of inputs, on all cores, each on a
// single thread. Results are in the order of the inputs. The first error, by
// index, ends it.
func (m *Model) Batch(ctx context.Context, in []Features) ([]Features, error) {
	out := make([]Features, len(in))
	errs := make([]error, len(in))
	workers := min(m.threads, len(in))
	if workers <= 1 {
		for i := range in {
			var err error
			if out[i], err = m.Predict(ctx, in[i], nil); err != nil {
				return nil, fmt.Errorf("input %d: %w", i, err)
			}
		}
		return out, nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	var mu sync.Mutex
	next := 0
	for range workers {
		wg.Go(func() {
			for {
				mu.Lock()
				i := next
				next++
				mu.Unlock()
				if i >= len(in) || ctx.Err() != nil {
					return
				}
				if out[i], errs[i] = m.predict(ctx, 1, in[i], nil); errs[i] != nil {
					cancel()
				}
			}
		})
	}
	wg.Wait()
	return out, firstError(ctx, errs)
}

// firstError prefers a real failure to the cancellations that it caused.
func firstError(ctx context.Context, errs []error) error {
	for i, err := range errs {
		if err != nil && !errors.Is(err, context.Canceled) {
			return fmt.Errorf("input %d: %w", i, err)
		}
	}
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}
