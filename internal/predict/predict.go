// Package predict answers questions put to a model: it brings features —
// pictures, arrays, numbers, dictionaries — to the form that the engine takes,
// runs the engine, and dresses its results as the model describes them. It
// keeps one compiled plan for each set of input shapes and a memory for each
// prediction under way. How a model computes is no business of its own.
package predict

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/internal/engine"
	"github.com/smelt-ml/smelt/internal/frontend/coreml"
	"github.com/smelt-ml/smelt/internal/kernel/cpu"
	"github.com/smelt-ml/smelt/internal/kernel/par"
	"github.com/smelt-ml/smelt/internal/media"
	"github.com/smelt-ml/smelt/mil"
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
	Observe   func(name string, t *tensor.Tensor)
	Fit       media.FitOptions // how pictures are brought to the model's size
	MaxBytes  int
}

// State holds what a stateful model keeps from one prediction to the next.
type State = engine.State

// Model is a loaded model. It serves many goroutines at once.
type Model struct {
	desc    *spec.ModelDescription
	inputs  []*spec.FeatureDescription
	outputs []*spec.FeatureDescription
	states  []*spec.FeatureDescription
	lower   func(inputs []coreml.Input) (*coreml.Network, error)
	fixed   *coreml.Network // of an ML Program: the same for all shapes
	opts    Options
	engine  engine.Options

	mu      sync.Mutex
	plans   map[string]*plan
	recent  []string // keys of plans, the least recently used first
	workers map[int][]*worker
}

// maxPlans bounds the plans that a flexible model keeps.
const maxPlans = 16

// plan is the model compiled for one set of input types.
type plan struct {
	*engine.Plan
	net *coreml.Network
}

// worker is a pool of threads with the memory of one prediction per plan.
type worker struct {
	pool *par.Pool
	runs map[*plan]*engine.Run
}

// Load prepares a document's model. The document must stay open until the
// model is closed where shapes are flexible: weights may be read again.
func Load(doc *mlmodel.Model, o Options) (*Model, error) {
	level, err := cpu.Active()
	if err != nil {
		return nil, err
	}
	s := doc.Spec()
	m := &Model{
		desc: s.GetDescription(), opts: o, plans: map[string]*plan{}, workers: map[int][]*worker{},
		engine: engine.Options{Level: level, Reference: o.Reference, Strict: o.Strict, Observe: o.Observe, MaxBytes: o.MaxBytes},
	}
	m.inputs, m.outputs, m.states = m.desc.GetInput(), m.desc.GetOutput(), m.desc.GetState()
	switch s.WhichType() {
	case spec.Model_MlProgram_case:
		name, err := m.pickFunction()
		if err != nil {
			return nil, fault.InFile(err, doc.Path())
		}
		if m.fixed, err = coreml.ReadProgram(s.GetMlProgram(), name, doc.Blob); err != nil {
			return nil, fault.InFile(err, doc.Path())
		}
		m.lower = func([]coreml.Input) (*coreml.Network, error) { return m.fixed, nil }
	case spec.Model_NeuralNetwork_case, spec.Model_NeuralNetworkClassifier_case, spec.Model_NeuralNetworkRegressor_case:
		m.lower = func(inputs []coreml.Input) (*coreml.Network, error) {
			return coreml.LowerNetwork(s, inputs, doc.Weights)
		}
	default:
		return nil, &fault.Error{Kind: fault.Unsupported, File: doc.Path(), Err: fmt.Errorf("models of type %s cannot be run", doc.Kind())}
	}
	if len(m.outputs) == 0 {
		return nil, &fault.Error{Kind: fault.Corrupt, File: doc.Path(), Err: fmt.Errorf("the model has no outputs")}
	}
	// What cannot run says so at once. A flexible model need not run at its
	// default size, though: that may be the least of all.
	if inputs, err := m.defaults(); err == nil {
		if _, err := m.plan(inputs); err != nil && (!m.flexible() || fault.KindOf(err) == fault.Unsupported) {
			return nil, fault.InFile(err, doc.Path())
		}
	}
	return m, nil
}

// flexible tells whether some input may have several shapes.
func (m *Model) flexible() bool {
	return slices.ContainsFunc(m.inputs, func(d *spec.FeatureDescription) bool {
		f := mlmodel.DescribeFeature(d)
		return (f.Array != nil && f.Array.Flexible()) || (f.Image != nil && f.Image.Flexible())
	})
}

// pickFunction finds the function to run and its features.
func (m *Model) pickFunction() (string, error) {
	name := m.opts.Function
	functions := m.desc.GetFunctions()
	if len(functions) == 0 {
		if name == "" {
			name = "main"
		}
		return name, nil
	}
	if name == "" {
		name = m.desc.GetDefaultFunctionName()
	}
	var names []string
	for _, f := range functions {
		if f.GetName() == name {
			m.inputs, m.outputs, m.states = f.GetInput(), f.GetOutput(), f.GetState()
			return name, nil
		}
		names = append(names, f.GetName())
	}
	return "", fault.New(fault.BadValue, "", "there is no function %q, only %s", name, strings.Join(names, ", "))
}

// Inputs returns the descriptions of the inputs.
func (m *Model) Inputs() []*spec.FeatureDescription { return m.inputs }

// Outputs returns the descriptions of the outputs.
func (m *Model) Outputs() []*spec.FeatureDescription { return m.outputs }

// Close stops the model's threads. No prediction may be under way.
func (m *Model) Close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, ws := range m.workers {
		for _, w := range ws {
			w.pool.Close()
		}
	}
	m.workers = map[int][]*worker{}
}

// NewState returns the state of a new conversation: everything zero.
func (m *Model) NewState() State { return State{} }

// Predict computes the outputs for one set of inputs. state may be nil for a
// model without states, and for one whose states are to start anew.
func (m *Model) Predict(ctx context.Context, in Features, state State) (Features, error) {
	w := m.worker(m.threads())
	defer m.release(w)
	return m.predict(ctx, w, in, state)
}

// Batch computes the outputs for many sets of inputs, on all cores, each on a
// single thread. Results are in the order of the inputs. The first error, by
// index, ends it.
func (m *Model) Batch(ctx context.Context, in []Features) ([]Features, error) {
	out := make([]Features, len(in))
	errs := make([]error, len(in))
	workers := min(m.threads(), len(in))
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
			w := m.worker(1)
			defer m.release(w)
			for {
				mu.Lock()
				i := next
				next++
				mu.Unlock()
				if i >= len(in) || ctx.Err() != nil {
					return
				}
				if out[i], errs[i] = m.predict(ctx, w, in[i], nil); errs[i] != nil {
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

func (m *Model) threads() int {
	if m.opts.Threads > 0 {
		return m.opts.Threads
	}
	return runtime.GOMAXPROCS(0)
}

// worker takes a worker with that many threads.
func (m *Model) worker(threads int) *worker {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ws := m.workers[threads]; len(ws) > 0 {
		w := ws[len(ws)-1]
		m.workers[threads] = ws[:len(ws)-1]
		return w
	}
	return &worker{pool: par.New(threads), runs: map[*plan]*engine.Run{}}
}

// release gives a worker back.
func (m *Model) release(w *worker) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := w.pool.Threads()
	m.workers[n] = append(m.workers[n], w)
}

func (m *Model) predict(ctx context.Context, w *worker, in Features, state State) (Features, error) {
	inputs, values, err := m.prepare(in)
	if err != nil {
		return nil, err
	}
	p, err := m.plan(inputs)
	if err != nil {
		return nil, err
	}
	run := w.runs[p]
	if run == nil {
		for old := range w.runs { // plans that are no longer kept
			if !m.keeps(old) {
				delete(w.runs, old)
			}
		}
		run = p.NewRun(w.pool)
		w.runs[p] = run
	}
	args := make([]*tensor.Tensor, len(p.Inputs))
	for i, v := range p.Inputs {
		args[i] = values[v.Name]
	}
	outs, err := run.Do(ctx, args, state)
	if err != nil {
		return nil, err
	}
	return m.dress(p.net, outs)
}

func (m *Model) keeps(p *plan) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, q := range m.plans {
		if q == p {
			return true
		}
	}
	return false
}

// plan returns the compiled model for these inputs, from the cache if it can.
func (m *Model) plan(inputs []coreml.Input) (*plan, error) {
	var b strings.Builder
	for _, in := range inputs {
		fmt.Fprint(&b, in.Name, in.Type, ";")
	}
	key := b.String()
	m.mu.Lock()
	p := m.plans[key]
	if p != nil {
		i := slices.Index(m.recent, key)
		m.recent = append(slices.Delete(m.recent, i, i+1), key)
	}
	m.mu.Unlock()
	if p != nil {
		return p, nil
	}
	net, err := m.lower(inputs)
	if err != nil {
		return nil, err
	}
	byName := map[string]mil.Type{}
	for _, in := range inputs {
		byName[in.Name] = in.Type
	}
	types := make([]mil.Type, len(net.Func.Inputs))
	for i, v := range net.Func.Inputs {
		types[i] = v.Type
		if t, ok := byName[v.Name]; ok {
			types[i] = t
		} else if v.Type.Kind != mil.State {
			return nil, fault.New(fault.Corrupt, fmt.Sprintf("input %q", v.Name), "the model does not describe it")
		}
	}
	compiled, err := engine.Compile(net.Func, types, m.engine)
	if err != nil {
		return nil, err
	}
	p = &plan{compiled, net}
	m.mu.Lock()
	defer m.mu.Unlock()
	if q := m.plans[key]; q != nil { // somebody else was as fast
		return q, nil
	}
	if len(m.recent) == maxPlans {
		delete(m.plans, m.recent[0])
		m.recent = m.recent[1:]
	}
	m.plans[key] = p
	m.recent = append(m.recent, key)
	return p, nil
}
