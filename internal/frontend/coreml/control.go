package coreml

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// Layers change blobs by their names, while a value of a program never
// changes. A branch therefore becomes a cond whose results are the blobs that
// one of its sides writes and that are read elsewhere; a loop becomes a
// while_loop over the blobs that a round leaves for the next one or for what
// follows. Layers that end a round or the loop set flags, which are blobs too;
// what comes after them is run on the condition that the flags are not set.
var controlKinds = map[string]layerFunc{
	"branch":       branch,
	"copy":         func(l *lowering, in []*mil.Value) []*mil.Value { return []*mil.Value{l.one(in)} },
	"loop":         loop,
	"loopBreak":    func(l *lowering, _ []*mil.Value) []*mil.Value { return l.raise(stopped, broken) },
	"loopContinue": func(l *lowering, _ []*mil.Value) []*mil.Value { return l.raise(stopped) },
}

// Blobs that no layer can name.
const (
	stopped = "\x00stopped" // whether the rest of the round is left out
	broken  = "\x00broken"  // whether the loop has come to its end
	counter = "\x00counter" // the number of the round
)

// control is a lowering's knowledge of control flow.
type control struct {
	depth   int            // of networks in networks
	lowered int            // layers so far; those of a loop count each time
	limit   int            // of lowered
	readers map[string]int // how often each blob is read, by layers or as an output
	flows   map[*spec.NeuralNetwork]*flow
}

// survey prepares for a model's control flow.
func (l *lowering) survey(m *spec.Model, layers []*spec.NeuralNetworkLayer) {
	l.flows = map[*spec.NeuralNetwork]*flow{}
	f := l.flow(layers, 0)
	l.limit = 10000 + 100*f.layers
	l.readers = f.reads
	for _, d := range m.GetDescription().GetOutput() {
		l.readers[d.GetName()]++
	}
	l.readers[m.GetNeuralNetworkClassifier().GetLabelProbabilityLayerName()]++
	if n := len(layers); n > 0 {
		for _, name := range layers[n-1].GetOutput() {
			l.readers[name]++
		}
	}
}

// jumps tells whether a layer may end the round that it belongs to.
func (l *lowering) jumps(layer *spec.NeuralNetworkLayer) bool {
	switch layer.WhichLayer() {
	case spec.NeuralNetworkLayer_LoopBreak_case, spec.NeuralNetworkLayer_LoopContinue_case:
		return true
	case spec.NeuralNetworkLayer_Branch_case:
		p := layer.GetBranch()
		return l.flowOf(p.GetIfBranch(), l.depth+1).jumps || l.flowOf(p.GetElseBranch(), l.depth+1).jumps
	}
	return false
}

// raise sets flags.
func (l *lowering) raise(flags ...string) []*mil.Value {
	if l.values[stopped] == nil {
		return l.fail("is in no loop")
	}
	for _, name := range flags {
		l.values[name] = l.flags(true)
	}
	return nil
}

// network lowers a nested network in place.
func (l *lowering) network(nn *spec.NeuralNetwork) error { return l.inner(nn.GetLayers()) }

func (l *lowering) inner(layers []*spec.NeuralNetworkLayer) error {
	l.depth++
	defer func() { l.depth-- }()
	return l.layers(layers)
}

// unlessStopped lowers what follows a layer that may have ended the round.
func (l *lowering) unlessStopped(rest []*spec.NeuralNetworkLayer) error {
	return l.choose(l.values[stopped], l.flow(rest, l.depth), nil, func() error { return l.inner(rest) })
}

// keep returns a function that gives blobs the values back that they have now.
func (l *lowering) keep(names map[string]bool) func() {
	old := make(map[string]*mil.Value, len(names))
	for name := range names {
		old[name] = l.values[name]
	}
	return func() { maps.Copy(l.values, old) }
}

// left returns the blobs that layers leave behind for others to read, sorted.
func (l *lowering) left(f *flow) []string {
	var names []string
	for name := range f.written {
		if l.readers[name] > f.reads[name] || name == stopped || name == broken {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// block lowers into a new block and returns its builder and the values that
// some blobs have at its end, nil for one that has none. The blobs are then as
// they were before.
func (l *lowering) block(written map[string]bool, names []string, lower func() error) (*mil.Builder, []*mil.Value, error) {
	outer, place := l.Builder, l.Place()
	l.Builder = outer.Nested()
	restore := l.keep(written)
	err := lower()
	inner := l.Builder
	ends := make([]*mil.Value, len(names))
	for i, name := range names {
		ends[i] = l.values[name]
	}
	restore()
	l.Builder = outer
	l.SetPlace(place)
	if err == nil {
		err = inner.Err()
	}
	return inner, ends, err
}

// truth tells a blob of one number that is not next to zero.
func (l *lowering) truth(v *mil.Value) *mil.Value {
	return op.Greater.Add(l.Builder, op.Binary{X: op.Abs.Add(l.Builder, op.Unary{X: v}), Y: l.scalar(1e-6)})
}

// choose lowers one of two sides, of which f is the flow; a nil one does
// nothing.
func (l *lowering) choose(pred *mil.Value, f *flow, yes, no func() error) error {
	sides := []func() error{yes, no}
	if t := pred.Const; t != nil && t.Len() == 1 {
		side := no
		if t.Bools()[0] {
			side = yes
		}
		if side == nil {
			return nil
		}
		return side()
	}
	n := &mil.Node{Op: op.Cond.Name, Name: l.Unique(l.Place()), Inputs: []mil.Input{{Name: "pred", Values: []*mil.Value{pred}}}}
	names := l.left(f)
	var builders [2]*mil.Builder
	var ends [2][]*mil.Value
	for i, side := range sides {
		if side == nil {
			side = func() error { return nil }
		}
		var err error
		if builders[i], ends[i], err = l.block(f.written, names, side); err != nil {
			return err
		}
	}
	for i, name := range names {
		a, b := ends[0][i], ends[1][i]
		if a == b {
			continue // the same value as before, or none
		}
		if a == nil {
			a = l.placeholder(builders[0], b.Type)
		}
		if b == nil {
			b = l.placeholder(builders[1], a.Type)
		}
		t, err := join(a.Type, b.Type)
		if err != nil {
			return fmt.Errorf("blob %q: %w", name, err)
		}
		v := &mil.Value{Name: l.Unique(n.Name), Type: t}
		n.Outputs = append(n.Outputs, v)
		builders[0].Block.Outputs = append(builders[0].Block.Outputs, a)
		builders[1].Block.Outputs = append(builders[1].Block.Outputs, b)
		l.values[name] = v
	}
	n.Blocks = []*mil.Block{builders[0].Block, builders[1].Block}
	if len(n.Outputs) > 0 {
		l.Append(n)
	}
	return errors.Join(builders[0].Err(), builders[1].Err())
}

// placeholder is a value for a blob that has none yet and is not read before
// it gets one.
func (l *lowering) placeholder(b *mil.Builder, t mil.Type) *mil.Value {
	shape := slices.Clone(t.Shape)
	for i, d := range shape {
		shape[i] = max(d, 0)
	}
	return op.Fill.Add(b, op.FillArgs{Shape: l.ints(shape...), Value: tensor.Zeros(t.DType, nil)})
}

// join returns the narrowest type that holds the values of both.
func join(a, b mil.Type) (mil.Type, error) {
	if a.DType != b.DType {
		return a, fmt.Errorf("is %s or %s", a, b)
	}
	if a.AnyRank || b.AnyRank || a.Rank() != b.Rank() {
		return mil.Type{DType: a.DType, AnyRank: true}, nil
	}
	out := mil.TensorType(a.DType, slices.Clone(a.Shape)...)
	for i, d := range b.Shape {
		if out.Shape[i] != d {
			out.Shape[i] = mil.Unknown
		}
	}
	return out, nil
}

func branch(l *lowering, in []*mil.Value) []*mil.Value {
	p, place := l.layer.GetBranch(), l.Place()
	pred := l.truth(l.one(in))
	if l.Err() != nil {
		return nil
	}
	f := newFlow()
	f.follow(l.flowOf(p.GetIfBranch(), l.depth+1), false)
	f.follow(l.flowOf(p.GetElseBranch(), l.depth+1), false)
	err := l.choose(pred, f,
		func() error { return l.network(p.GetIfBranch()) },
		func() error { return l.network(p.GetElseBranch()) })
	l.SetPlace(place)
	l.Fail(err)
	return nil
}

func loop(l *lowering, in []*mil.Value) []*mil.Value {
	if len(in) > 1 {
		return l.fail("want at most one input, have %d", len(in))
	}
	p, place := l.layer.GetLoop(), l.Place()
	var most *mil.Value
	switch n := p.GetMaxLoopIterations(); {
	case len(in) == 1:
		most = l.reshape(l.indices(in[0]), 1)
	case n > 0:
		most = l.ints(integer(n))
	case p.GetConditionVar() == "":
		return nil // no rounds
	}
	restore := l.keep(map[string]bool{stopped: true, broken: true, counter: true})
	defer restore()
	l.values[counter], l.values[stopped], l.values[broken] = l.ints(0), l.flags(false), l.flags(false)
	err := l.loop(p, most)
	l.SetPlace(place)
	l.Fail(err)
	return nil
}

// loop lowers a loop of at most so many rounds, nil for as many as there be.
func (l *lowering) loop(p *spec.LoopLayerParams, most *mil.Value) error {
	place, test := l.Place(), p.GetConditionVar()
	cond := condition(p)
	if test != "" {
		if err := l.network(cond); err != nil {
			return err
		}
		if l.values[test] == nil {
			return fault.New(fault.Corrupt, "", "the condition %q is made nowhere", test)
		}
		l.SetPlace(place)
	}
	body := l.flowOf(p.GetBodyNetwork(), l.depth+1)
	round := newFlow()
	round.follow(body, true)
	round.follow(l.flowOf(cond, l.depth+1), !body.jumps)
	delete(round.written, stopped)
	var names []string
	for name := range round.written {
		if round.exposed[name] || l.readers[name] > round.reads[name] || name == broken {
			names = append(names, name)
		}
	}
	if most != nil {
		names = append(names, counter)
		round.written[counter] = true
	}
	slices.Sort(names)
	round.written[stopped] = true

	types := make([]*mil.Type, len(names))
	for i, name := range names {
		if v := l.values[name]; v != nil {
			types[i] = &v.Type
		}
	}
	var inputs, ends []*mil.Value
	var rounds *mil.Builder
	for changed := true; changed; {
		changed = false
		var err error
		rounds, ends, err = l.block(round.written, names, func() error {
			inputs = l.variables(names, types)
			return l.round(p, most != nil)
		})
		if err != nil {
			return err
		}
		for i, v := range ends {
			if v == nil || types[i] != nil && v.Type.Equal(*types[i]) {
				continue
			}
			t := v.Type
			if types[i] != nil {
				if t, err = join(*types[i], v.Type); err != nil {
					return fmt.Errorf("blob %q: %w", names[i], err)
				}
				if t.Equal(*types[i]) {
					continue
				}
			}
			types[i], changed = &t, true
		}
	}
	var tested []*mil.Value
	again, result, err := l.block(round.written, []string{stopped}, func() error {
		tested = l.variables(names, types)
		l.values[stopped] = l.again(test, most, body.written[broken])
		return nil
	})
	if err != nil {
		return err
	}
	n := &mil.Node{Op: op.WhileLoop.Name, Name: l.Unique(place), Blocks: []*mil.Block{again.Block, rounds.Block}}
	again.Block.Outputs = result
	vars := mil.Input{Name: "loop_vars"}
	for i, name := range names {
		if types[i] == nil {
			continue
		}
		first := l.values[name]
		if first == nil {
			first = l.placeholder(l.Builder, *types[i])
		}
		vars.Values = append(vars.Values, first)
		again.Block.Inputs = append(again.Block.Inputs, tested[i])
		rounds.Block.Inputs = append(rounds.Block.Inputs, inputs[i])
		rounds.Block.Outputs = append(rounds.Block.Outputs, ends[i])
		v := &mil.Value{Name: l.Unique(n.Name), Type: *types[i]}
		n.Outputs = append(n.Outputs, v)
		l.values[name] = v
	}
	n.Inputs = []mil.Input{vars}
	l.Append(n)
	return nil
}

// condition returns the network that decides on another round, nil where there
// is none: files may hold an empty one then.
func condition(p *spec.LoopLayerParams) *spec.NeuralNetwork {
	if p.GetConditionVar() == "" {
		return nil
	}
	return p.GetConditionNetwork()
}

// variables gives blobs the values that a block of a loop has as its inputs.
// A blob without a type has none.
func (l *lowering) variables(names []string, types []*mil.Type) []*mil.Value {
	out := make([]*mil.Value, len(names))
	for i, name := range names {
		delete(l.values, name)
		if t := types[i]; t != nil {
			out[i] = &mil.Value{Name: l.Unique(l.Place()), Type: *t}
			l.values[name] = out[i]
		}
	}
	return out
}

// round lowers one round of a loop: the body, and what decides on the next
// round.
func (l *lowering) round(p *spec.LoopLayerParams, counted bool) error {
	l.values[stopped] = l.flags(false)
	if err := l.network(p.GetBodyNetwork()); err != nil {
		return err
	}
	if counted {
		l.values[counter] = op.Add.Add(l.Builder, op.Binary{X: l.values[counter], Y: l.ints(1)})
	}
	cond := condition(p)
	if cond == nil {
		return nil
	}
	return l.choose(l.values[broken], l.flowOf(cond, l.depth+1), nil, func() error { return l.network(cond) })
}

// again is whether there is another round.
func (l *lowering) again(test string, most *mil.Value, breaks bool) *mil.Value {
	var all []*mil.Value
	if test != "" {
		all = append(all, l.truth(l.values[test]))
	}
	if most != nil {
		all = append(all, op.Less.Add(l.Builder, op.Binary{X: l.values[counter], Y: most}))
	}
	if breaks {
		all = append(all, op.LogicalNot.Add(l.Builder, op.LogicalNotArgs{X: l.values[broken]}))
	}
	out := all[0]
	for _, v := range all[1:] {
		out = op.LogicalAnd.Add(l.Builder, op.Binary{X: out, Y: v})
	}
	return out
}
