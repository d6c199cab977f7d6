package predict

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/internal/engine"
	"github.com/smelt-ml/smelt/internal/frontend/coreml"
	"github.com/smelt-ml/smelt/internal/kernel/cpu"
	"github.com/smelt-ml/smelt/internal/kernel/par"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/pass"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// network answers by a program of the engine: it is an ML Program or a
// NeuralNetwork.
type network struct {
	face
	opts   Options
	engine engine.Options
	lower  func(inputs []coreml.Input) (*coreml.Network, error)
	fixed  *coreml.Network // of an ML Program: its inputs and outputs, the same for all shapes

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

func newNetwork(doc *mlmodel.Model, s *spec.Model, o Options) (*network, error) {
	level, err := cpu.Active()
	if err != nil {
		return nil, err
	}
	n := &network{
		face: faceOf(s.GetDescription(), o), opts: o, plans: map[string]*plan{}, workers: map[int][]*worker{},
		engine: engine.Options{Level: level, Reference: o.Reference, Strict: o.Strict, Frugal: o.Frugal, Observe: o.Observe, Profile: o.Profile, MaxBytes: o.MaxBytes},
	}
	n.lower = func(inputs []coreml.Input) (*coreml.Network, error) {
		return coreml.LowerNetwork(s, inputs, doc.Weights)
	}
	if s.WhichType() == spec.Model_MlProgram_case {
		name, err := n.pickFunction(s.GetDescription())
		if err != nil {
			return nil, err
		}
		read, err := coreml.ReadProgram(s.GetMlProgram(), name, doc.Blob)
		if err != nil {
			return nil, err
		}
		n.fixed = shell(read)
		var once atomic.Pointer[coreml.Network]
		once.Store(read)
		n.lower = func([]coreml.Input) (*coreml.Network, error) {
			if first := once.Swap(nil); first != nil {
				return first, nil
			}
			return coreml.ReadProgram(s.GetMlProgram(), name, doc.Blob)
		}
	}
	if o.WithoutCustom {
		lower := n.lower
		n.lower = func(inputs []coreml.Input) (*coreml.Network, error) {
			net, err := lower(inputs)
			if err == nil {
				withoutCustom(net)
			}
			return net, err
		}
	}
	if err := n.needOutputs(); err != nil {
		return nil, err
	}
	// What cannot run says so at once. A flexible model need not run at its
	// default size, though: that may be the least of all.
	if inputs, err := n.defaults(); err == nil {
		if _, err := n.plan(inputs); err != nil && (!n.flexible() || fault.KindOf(err) == fault.Unsupported) {
			return nil, err
		}
	}
	return n, nil
}

// withoutCustom leaves out the outputs that custom layers compute.
func withoutCustom(net *coreml.Network) {
	gone := pass.WithoutCustom(net.Func)
	c := net.Classifier
	if c == nil {
		return
	}
	if slices.Contains(gone, c.Probabilities) {
		net.Classifier = nil
		return
	}
	kept := *c
	for _, i := range gone {
		if i < c.Probabilities {
			kept.Probabilities--
		}
	}
	net.Classifier = &kept
}

// flexible tells whether some input may have several shapes.
func (n *network) flexible() bool {
	return slices.ContainsFunc(n.inputs, func(d *spec.FeatureDescription) bool {
		f := mlmodel.DescribeFeature(d)
		return (f.Array != nil && f.Array.Flexible()) || (f.Image != nil && f.Image.Flexible())
	})
}

// pickFunction finds the function to run and its features.
func (n *network) pickFunction(desc *spec.ModelDescription) (string, error) {
	name := n.opts.Function
	functions := desc.GetFunctions()
	if len(functions) == 0 {
		if name == "" {
			name = "main"
		}
		return name, nil
	}
	if name == "" {
		name = desc.GetDefaultFunctionName()
	}
	var names []string
	for _, f := range functions {
		if f.GetName() == name {
			n.inputs, n.outputs, n.states = f.GetInput(), f.GetOutput(), f.GetState()
			return name, nil
		}
		names = append(names, f.GetName())
	}
	return "", fault.New(fault.BadValue, "", "there is no function %q, only %s", name, strings.Join(names, ", "))
}

func (n *network) close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, ws := range n.workers {
		for _, w := range ws {
			w.pool.Close()
		}
	}
	n.workers = map[int][]*worker{}
}

func (n *network) cost(_ context.Context, in Features) (int64, error) {
	inputs, _, err := n.prepare(in)
	if err != nil {
		return 0, err
	}
	p, err := n.plan(inputs)
	if err != nil {
		return 0, err
	}
	return p.FLOPs(), nil
}

// worker takes a worker with that many threads.
func (n *network) worker(threads int) *worker {
	n.mu.Lock()
	defer n.mu.Unlock()
	if ws := n.workers[threads]; len(ws) > 0 {
		w := ws[len(ws)-1]
		n.workers[threads] = ws[:len(ws)-1]
		return w
	}
	return &worker{pool: par.New(threads), runs: map[*plan]*engine.Run{}}
}

// release gives a worker back.
func (n *network) release(w *worker) {
	n.mu.Lock()
	defer n.mu.Unlock()
	threads := w.pool.Threads()
	n.workers[threads] = append(n.workers[threads], w)
}

func (n *network) predict(ctx context.Context, threads int, in Features, state State) (Features, error) {
	inputs, values, err := n.prepare(in)
	if err != nil {
		return nil, err
	}
	p, err := n.plan(inputs)
	if err != nil {
		return nil, err
	}
	w := n.worker(threads)
	defer n.release(w)
	run := w.runs[p]
	if run == nil {
		for old := range w.runs { // plans that are no longer kept
			if !n.keeps(old) {
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
	return n.dress(p.net, outs)
}

func (n *network) keeps(p *plan) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, q := range n.plans {
		if q == p {
			return true
		}
	}
	return false
}

// shell is a network without what computes its outputs: a plan has the
// weights in a form of its own.
func shell(net *coreml.Network) *coreml.Network {
	f := &mil.Func{Name: net.Func.Name, Opset: net.Func.Opset, Inputs: net.Func.Inputs, Body: &mil.Block{}}
	for _, v := range net.Func.Body.Outputs {
		f.Body.Outputs = append(f.Body.Outputs, &mil.Value{Name: v.Name, Type: v.Type})
	}
	return &coreml.Network{Func: f, Classifier: net.Classifier}
}

// plan returns the compiled model for these inputs, from the cache if it can.
func (n *network) plan(inputs []coreml.Input) (*plan, error) {
	var b strings.Builder
	for _, in := range inputs {
		fmt.Fprint(&b, in.Name, in.Type, ";")
	}
	key := b.String()
	n.mu.Lock()
	p := n.plans[key]
	if p != nil {
		i := slices.Index(n.recent, key)
		n.recent = append(slices.Delete(n.recent, i, i+1), key)
	}
	n.mu.Unlock()
	if p != nil {
		return p, nil
	}
	net, err := n.lower(inputs)
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
	f := net.Func
	net = shell(net) // the weights go as they are compiled
	compiled, err := engine.Compile(f, types, n.engine)
	if err != nil {
		return nil, err
	}
	p = &plan{compiled, net}
	n.mu.Lock()
	defer n.mu.Unlock()
	if q := n.plans[key]; q != nil { // somebody else was as fast
		return q, nil
	}
	if len(n.recent) == maxPlans {
		delete(n.plans, n.recent[0])
		n.recent = n.recent[1:]
	}
	n.plans[key] = p
	n.recent = append(n.recent, key)
	return p, nil
}
