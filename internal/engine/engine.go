// Package engine runs mil programs. Compile fixes the input shapes, folds what
// is constant, fuses, assigns memory and binds each operator to a kernel; a
// Run owns the memory of one prediction at a time and executes the steps.
// Operators without a kernel are computed by their reference evaluation, so
// that everything runs, and the fast part stays small. The package knows
// tensors, not files, features or pictures.
package engine

import (
	"context"
	"fmt"
	"slices"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/internal/kernel/cpu"
	"github.com/smelt-ml/smelt/internal/kernel/par"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// Options chooses how a program is compiled.
type Options struct {
	// Level is the instruction set of the kernels.
	Level cpu.Level
	// Reference runs every operator by its reference evaluation: slow, plain,
	// and what the kernels are held against.
	Reference bool
	// Strict rounds every float16 result to float16. Without it float16
	// programs compute in float32 from end to end.
	Strict bool
	// Observe sees every value as it is made, by name. Nothing is fused or
	// computed in place then. The tensor is only valid during the call.
	Observe func(name string, t *tensor.Tensor)
	// Profile is told of every step as it is done.
	Profile Profile
	// Frugal keeps no weights in the form of a kernel: each run makes them anew,
	// one step's at a time. It is for plans that are run once or twice.
	Frugal bool
	// MaxBytes bounds the memory of a Run; 0 means DefaultMaxBytes.
	MaxBytes int
}

// DefaultMaxBytes bounds a prediction's memory unless Options say otherwise.
const DefaultMaxBytes = 8 << 30

func (o *Options) maxBytes() int {
	if o.MaxBytes > 0 {
		return o.MaxBytes
	}
	return DefaultMaxBytes
}

func (o *Options) maxElements() int { return o.maxBytes() / 4 }

// Plan is a program compiled for one set of input types. It is immutable:
// goroutines may share it, each with its own Run.
type Plan struct {
	Inputs  []*mil.Value
	Outputs []*mil.Value // with inferred types

	opts    Options
	steps   []step
	buffers []buffer
	objects int // number of values held outside of the arena
	places  map[*mil.Value]place
	arena   int // floats
}

// step is one action of a prediction.
type step struct {
	node   *mil.Node
	run    stepFunc
	fast   bool        // by a kernel
	merged []*mil.Node // nodes that it does, too
	told   *Step       // nil unless there is a Profile
	frees  []int       // objects that nobody reads after it
}

// place says where a value lives while the program runs.
type place struct {
	buffer int // index of a buffer, or -1
	object int // index of an object where there is no buffer
}

// buffer is a stretch of the arena, or what the caller gave as an input.
type buffer struct {
	size        int
	first, last int // steps between which it is live
	offset      int // in the arena
	given       bool
	pending     int // reads still to come while the plan is made
	parent      int // 1 + the index of the buffer that it is a part of, 0 for none
	within      int // where in the parent
}

// Run is the memory of one prediction at a time. It is not safe for
// concurrent use.
type Run struct {
	plan    *Plan
	pool    *par.Pool
	arena   []float32
	buffers [][]float32
	objects []object
	held    int // bytes of objects and states
	ctx     context.Context
	state   State
	loop    loop
}

// State holds the values of a program's states by name. They are zero at
// first and outlive predictions.
type State map[string]*tensor.Tensor

// NewRun allocates the memory of one prediction. Steps run on the pool, which
// the Run uses alone while Do is running.
func (p *Plan) NewRun(pool *par.Pool) *Run {
	r := &Run{plan: p, pool: pool, arena: par.Aligned(p.arena), buffers: make([][]float32, len(p.buffers)), objects: make([]object, p.objects)}
	for i, b := range p.buffers {
		if !b.given {
			r.buffers[i] = r.arena[b.offset : b.offset+b.size : b.offset+b.size]
		}
	}
	return r
}

// ArenaBytes is the size of the memory that intermediate values share.
func (p *Plan) ArenaBytes() int { return 4 * p.arena }

// Do runs the program. Inputs are in the order of Plan.Inputs and must have
// these types; the program's states are read from state and written to it.
// Values of float types are computed as float32.
func (r *Run) Do(ctx context.Context, inputs []*tensor.Tensor, state State) ([]*tensor.Tensor, error) {
	p := r.plan
	if len(inputs) != len(p.Inputs) {
		return nil, fmt.Errorf("the program has %d inputs, not %d", len(p.Inputs), len(inputs))
	}
	r.ctx, r.state = ctx, state
	defer func() {
		clear(r.objects)
		r.ctx, r.state, r.held = nil, nil, 0
	}()
	for i, v := range p.Inputs {
		if v.Type.Kind == mil.State {
			if err := r.openState(v); err != nil {
				return nil, err
			}
			continue
		}
		t := inputs[i]
		if t == nil || !mil.TypeOf(t).Equal(v.Type) {
			return nil, fault.New(fault.BadShape, fmt.Sprintf("input %q", v.Name), "want %s, have %v", v.Type, t)
		}
		if at := p.places[v]; at.buffer >= 0 {
			r.buffers[at.buffer] = t.F32()
		} else {
			r.objects[at.object] = object{tensor: t.Decoded()}
		}
	}
	for i := range p.steps {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		s := &p.steps[i]
		var err error
		if s.told != nil {
			err = s.timed(r, p.opts.Profile)
		} else {
			err = s.run(r)
		}
		if err != nil {
			return nil, wrap(s.node, err)
		}
		if p.opts.Observe != nil {
			for _, v := range s.node.Outputs {
				if t := r.object(v).tensor; t != nil {
					p.opts.Observe(v.Name, t)
				}
			}
		}
		for _, i := range s.frees {
			r.held -= r.objects[i].bytes()
			r.objects[i] = object{}
		}
	}
	outputs := make([]*tensor.Tensor, len(p.Outputs))
	for i, v := range p.Outputs {
		if at, there := p.places[v]; there && at.buffer >= 0 {
			outputs[i] = tensor.New(v.Type.DType, v.Type.Shape, slices.Clone(r.buffers[at.buffer][:tensor.Size(v.Type.Shape)]))
			continue
		}
		t := r.object(v).tensor
		if t == nil {
			return nil, fault.New(fault.Unsupported, fmt.Sprintf("output %q", v.Name), "a %s cannot be returned", v.Type)
		}
		outputs[i] = clone(t)
	}
	return outputs, nil
}

// hold counts bytes that are held outside of the arena.
func (r *Run) hold(n int) error {
	if r.held += n; r.held > r.plan.opts.maxBytes()-r.plan.ArenaBytes() {
		return fault.New(fault.Limit, "", "a prediction takes more than %d bytes", r.plan.opts.maxBytes())
	}
	return nil
}

// wrap names the node of an error.
func wrap(n *mil.Node, err error) error {
	kind := fault.KindOf(err)
	if kind == 0 {
		kind = fault.BadValue
	}
	return fault.New(kind, n.String(), "%w", err)
}

// object returns a value as the interpreter sees it. Tensors over the arena
// are valid until their buffer is reused.
func (r *Run) object(v *mil.Value) object {
	if v.Const != nil {
		return object{tensor: v.Const}
	}
	at := r.plan.places[v]
	if at.buffer >= 0 {
		return object{tensor: tensor.New(v.Type.DType, v.Type.Shape, r.buffers[at.buffer][:tensor.Size(v.Type.Shape)])}
	}
	o := r.objects[at.object]
	if t := o.tensor; t != nil && v.Type.IsStatic() && !slices.Equal(t.Shape(), v.Type.Shape) {
		o.tensor = t.Reshape(v.Type.Shape) // see sameObject
	}
	return o
}

// clone copies a tensor that may lie in the arena or belong to the caller.
func clone(t *tensor.Tensor) *tensor.Tensor {
	if !t.DType().IsFloat() || t.DType() == tensor.Float64 {
		return t
	}
	return tensor.New(t.DType(), t.Shape(), slices.Clone(t.F32()))
}
