package engine

import (
	"slices"
	"sync"

	"github.com/smelt-ml/smelt/internal/kernel/gemm"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

var recurrentKernels = map[string]kernel{
	"lstm": lstm, "gru": gru, "rnn": rnn, "network_lstm": lstm, "network_gru": gru, "network_rnn": rnn,
}

// recurrence is a recurrent operator as a step computes it. What comes from x
// is one product for many steps. Then each step multiplies the state before
// with the recurrent weights. Those are packed so that the gates of a group of
// units, as many as a vector has lanes, are one band: a thread that owns some
// groups takes them from sums to states alone, always the same, and finds the
// weights that it used last in its cache.
type recurrence struct {
	arrangement
	steps, batch, in int
	size             int // of a state, all directions together
	chunk            int // steps of which the sums from x are computed at once
	all              bool
	parallel         bool // within a step
	directions       []*direction
	gemm             *gemm.Kernel
	cell             func(s *recurrentStep, pass, row, lo, hi int)

	x, h0, c0 operand
	y, hn, cn operand
	memory    bool    // there is a c
	sums      operand // chunk·batch rows
	states    operand // two, in turns, where no sequence keeps them
	apart     operand // what else a cell needs
	tasks     sync.Pool
}

// arrangement is the order of the sums of a row: group by group, its gates one
// after another, and of each gate the units of the group.
type arrangement struct {
	hidden, gates, lanes int
	groups               int // the last one is filled up
}

// width is the number of sums of one row.
func (a *arrangement) width() int { return a.groups * a.gates * a.lanes }

// arranged brings rows of n values, a gate's units one after another, into the
// order of sums.
func (a *arrangement) arranged(rows []float32, n int, order []int) []float32 {
	out := make([]float32, a.width()*n)
	for g, gate := range order {
		for u := range a.hidden {
			at := (u/a.lanes*a.gates+g)*a.lanes + u%a.lanes
			copy(out[at*n:(at+1)*n], rows[(gate*a.hidden+u)*n:])
		}
	}
	return out
}

// direction is what is of one direction alone.
type direction struct {
	input      *gemm.PackedB
	bias       []float32 // of the sums
	after      []float32 // added to what comes from the state, kept apart; or nil
	recursions []recursion
	peephole   []float32
	reverse    bool // x is read from its end
	offset     int  // of the state
}

// recursion is a product with a state for the gates from first on.
type recursion struct {
	weights *gemm.Bands
	first   int
}

// recurrentStep is one pass of one step, for the threads.
type recurrentStep struct {
	*recurrence
	d            *direction
	pass         int
	backward     bool // the last group first: its weights are in the cache
	from         []float32
	fromStride   int
	sums         []float32 // what comes from x, and then all
	before, next []float32 // states, from this direction's on
	c            []float32
	apart        []float32
}

// smallRecurrence is the least number of products in a step that is worth
// waking a second thread.
const smallRecurrence = 1 << 15

// rowsAtOnce is about how many rows the product with x has.
const rowsAtOnce = 192

// gateWeights are the weights of one direction as the operator has them.
type gateWeights struct {
	weight, recursion         *tensor.Tensor
	bias, inputBias, peephole *tensor.Tensor
	reverse                   bool
	order                     []int // the operator's gates in the order that the cell wants
	passes                    []int // number of gates in each pass
	apart                     bool  // keeps what comes from the state, with bias, from the other sums
}

// prepare makes a recurrence of the given shapes, or nil.
func (c *compiler) prepare(x *mil.Value, hidden, directions, gates int, all bool) *recurrence {
	s := x.Type.Shape
	q := &recurrence{
		arrangement: arrangement{hidden: hidden, gates: gates, lanes: c.gemm.Lanes()},
		steps:       s[0], batch: s[1], in: s[2], size: directions * hidden, all: all, gemm: c.gemm,
	}
	if q.batch == 0 || q.in == 0 || hidden == 0 {
		return nil
	}
	q.groups = (hidden + q.lanes - 1) / q.lanes
	q.chunk = max(1, min(q.steps, rowsAtOnce/q.batch))
	q.parallel = q.batch*gates*hidden*hidden >= smallRecurrence
	return q
}

// add packs the weights of a direction.
func (q *recurrence) add(w gateWeights) {
	d := &direction{reverse: w.reverse, offset: len(q.directions) * q.hidden, peephole: slices.Clone(floats32(w.peephole))}
	d.input = q.gemm.PackB(q.in, q.width(), gemm.RowMajor(q.arranged(w.weight.F32(), q.in, w.order), q.in).T())
	bias, input := floats32(w.bias), floats32(w.inputBias)
	if bias != nil && !w.apart {
		d.bias, bias = q.arranged(bias, 1, w.order), nil
	}
	if input != nil {
		if d.bias == nil {
			d.bias = make([]float32, q.width())
		}
		for i, v := range q.arranged(input, 1, w.order) {
			d.bias[i] += v
		}
	}
	if w.apart {
		d.after = make([]float32, q.width())
		if bias != nil {
			d.after = q.arranged(bias, 1, w.order)
		}
	}
	first := 0
	for _, n := range w.passes {
		part := q.arrangement
		part.gates = n
		rows := part.arranged(w.recursion.F32(), q.hidden, w.order[first:first+n])
		d.recursions = append(d.recursions, recursion{q.gemm.PackBands(q.hidden, part.width(), n, gemm.RowMajor(rows, q.hidden).T()), first})
		first += n
	}
	q.directions = append(q.directions, d)
}

func floats32(t *tensor.Tensor) []float32 {
	if t == nil {
		return nil
	}
	return t.F32()
}

// scratch gives the current step memory of its own.
func (c *compiler) scratch(n int) operand {
	c.buffers = append(c.buffers, buffer{size: n, first: len(c.steps), last: len(c.steps)})
	return operand{buffer: len(c.buffers) - 1}
}

// step keeps the books of the operands and returns what a run does.
func (q *recurrence) step(c *compiler, n *mil.Node, x, h, memory *mil.Value, apart int) stepFunc {
	q.x, q.h0 = c.in(x), c.in(h)
	if memory != nil {
		q.c0, q.memory = c.in(memory), true
	}
	q.y, q.hn = c.out(n.Outputs[0]), c.out(n.Outputs[1])
	if q.memory {
		q.cn = c.out(n.Outputs[2])
	}
	q.sums = c.scratch(q.chunk * q.batch * q.width())
	q.states = c.scratch(2 * q.batch * q.size)
	q.apart = c.scratch(apart)
	return q.run
}

func (q *recurrence) run(r *Run) error {
	s, _ := q.tasks.Get().(*recurrentStep)
	if s == nil {
		s = &recurrentStep{recurrence: q}
	}
	s.apart = r.at(q.apart)
	if q.memory {
		copy(r.at(q.cn), r.at(q.c0)) // which may be for a larger batch
	}
	var err error
	for _, d := range q.directions {
		if err = s.direction(r, d); err != nil {
			break
		}
	}
	*s = recurrentStep{recurrence: q}
	q.tasks.Put(s)
	return err
}

// direction computes all steps of one direction.
func (s *recurrentStep) direction(r *Run, d *direction) error {
	row := s.batch * s.size
	s.d = d
	if s.memory {
		s.c = r.at(s.cn)[d.offset:]
	}
	y, states := r.at(s.y), r.at(s.states)
	before := r.at(s.h0)[:row]
	for t := 0; t < s.steps; t++ {
		if t%s.chunk == 0 {
			if err := r.ctx.Err(); err != nil {
				return err
			}
			s.fromInput(r, t, min(s.chunk, s.steps-t))
		}
		next := states[t%2*row:][:row]
		if s.all {
			at := t
			if d.offset > 0 { // side by side with the forward state of the same x
				at = s.steps - 1 - t
			}
			next = y[at*row:][:row]
		}
		s.sums = r.at(s.recurrence.sums)[s.place(t)*s.batch*s.width():]
		s.before, s.next, s.backward = before[d.offset:], next[d.offset:], t%2 == 1
		for i := range d.recursions {
			s.pass, s.from, s.fromStride = i, s.before, s.size
			if i > 0 {
				s.from = s.apart[d.offset:]
			}
			if s.parallel {
				r.pool.Run(s.groups, s)
			} else {
				s.Run(0, 0, s.groups)
			}
		}
		before = next
	}
	hn := r.at(s.hn)
	for n := 0; n < row; n += s.size {
		copy(hn[n+d.offset:][:s.hidden], before[n+d.offset:])
		if !s.all {
			copy(y[n+d.offset:][:s.hidden], before[n+d.offset:])
		}
	}
	return nil
}

// place is which of the sums of a chunk are those of step t.
func (s *recurrentStep) place(t int) int {
	if first := t - t%s.chunk; s.d.reverse {
		return min(s.chunk, s.steps-first) - 1 - (t - first)
	}
	return t % s.chunk
}

// fromInput computes the sums for n steps from t on.
func (s *recurrentStep) fromInput(r *Run, t, n int) {
	if s.d.reverse {
		t = s.steps - t - n
	}
	s.gemm.Mul(r.pool, &gemm.Product{
		M: n * s.batch, N: s.width(), K: s.in, A: gemm.RowMajor(r.at(s.x)[t*s.batch*s.in:], s.in), PackedB: s.d.input,
		C: r.at(s.recurrence.sums), LDC: s.width(), ColBias: s.d.bias,
	})
}

// Run computes a pass for some groups of units.
func (s *recurrentStep) Run(_, lo, hi int) {
	p := &s.d.recursions[s.pass]
	width, band := s.width(), s.gates*s.lanes
	add, stride, c := s.sums, width, s.sums
	if s.d.after != nil {
		add, stride, c = s.d.after, 0, s.apart
	}
	for i := range hi - lo {
		g := lo + i
		if s.backward {
			g = hi - 1 - i
		}
		at := g*band + p.first*s.lanes
		s.gemm.MulBand(p.weights, g, s.batch, s.from, s.fromStride, c[at:], width, add[at:], stride)
	}
	for row := range s.batch {
		s.cell(s, s.pass, row, lo, hi)
	}
}

// units returns row number row of values that are stride apart, for the units
// of the groups lo to hi.
func (s *recurrentStep) units(x []float32, row, lo, hi int) []float32 {
	return x[row*s.size:][lo*s.lanes : min(hi*s.lanes, s.hidden)]
}

// gatesOf returns the sums of a row for the groups lo to hi.
func (s *recurrentStep) gatesOf(x []float32, row, lo, hi int) []float32 {
	band := s.gates * s.lanes
	return x[row*s.width():][lo*band : hi*band]
}

// gateFunction returns the activation of a gate. Bounded, its argument is
// within ±50, as it is in layers of neural networks.
func (c *compiler) gateFunction(name string, bounded bool) function {
	v := c.vec
	var f function
	switch name {
	case "tanh", "scaled_tanh":
		return v.Tanh // beyond ±50 it is 1
	case "sigmoid":
		f = v.Sigmoid
	case "hard_sigmoid", "sigmoid_hard":
		return func(dst, src []float32) {
			v.Affine(dst, src, 0.2, 0.5)
			v.Clamp(dst, dst, 0, 1)
		}
	case "relu":
		f = v.Relu
	case "lecun_tanh":
		return func(dst, src []float32) {
			v.MulScalar(dst, src, 2./3)
			v.Tanh(dst, dst)
			v.MulScalar(dst, dst, 1.7159)
		}
	default: // linear
		f = func(dst, src []float32) { copy(dst, src) }
	}
	if !bounded {
		return f
	}
	return func(dst, src []float32) {
		v.Clamp(dst, src, -50, 50)
		f(dst, dst)
	}
}

// lstm serves both operators of that name.
func lstm(c *compiler, n *mil.Node, args any) (stepFunc, bool) {
	var a op.NetworkLSTMArgs
	bounded := false
	switch args := args.(type) {
	case *op.LSTMArgs:
		a = op.NetworkLSTMOf(*args)
	case *op.NetworkLSTMArgs:
		a, bounded = *args, true
	}
	directions := 1
	if a.Direction == "bidirectional" {
		directions = 2
	}
	q := c.prepare(a.X, a.WeightHH.Shape()[1], directions, 4, a.OutputSequence)
	if q == nil {
		return nil, false
	}
	w := gateWeights{
		weight: a.WeightIH, recursion: a.WeightHH, bias: a.Bias, peephole: a.Peephole, reverse: a.Direction == "reverse",
		order: []int{0, 1, 2, 3}, passes: []int{4},
	}
	q.add(w)
	if directions == 2 {
		w.weight, w.recursion, w.bias, w.peephole, w.reverse = a.WeightIHBack, a.WeightHHBack, a.BiasBack, a.PeepholeBack, true
		q.add(w)
	}
	usual := a.RecurrentActivation == "sigmoid" && a.CellActivation == "tanh" && a.Activation == "tanh"
	if usual && !bounded && !a.Coupled && a.Clip == 0 && a.Peephole == nil && a.PeepholeBack == nil {
		q.cell = func(s *recurrentStep, _, row, lo, hi int) {
			c.vec.LSTM(s.units(s.next, row, lo, hi), s.units(s.c, row, lo, hi), s.gatesOf(s.sums, row, lo, hi))
		}
	} else {
		cell := lstmCell{
			gate: c.gateFunction(a.RecurrentActivation, bounded), cell: c.gateFunction(a.CellActivation, bounded),
			act: c.gateFunction(a.Activation, false), coupled: a.Coupled, clip: a.Clip,
		}
		q.cell = cell.update
	}
	return q.step(c, n, a.X, a.InitialH, a.InitialC, 0), true
}

// lstmCell is an LSTM of any kind.
type lstmCell struct {
	gate, cell, act function
	coupled         bool // forgets what it does not take in
	clip            float32
}

func (k *lstmCell) update(s *recurrentStep, _, row, lo, hi int) {
	lanes, peep := s.lanes, s.d.peephole
	for g := lo; g < hi; g++ {
		h, c := s.units(s.next, row, g, g+1), s.units(s.c, row, g, g+1)
		sums := s.gatesOf(s.sums, row, g, g+1)
		in, forget, out, z := sums[:lanes], sums[lanes:2*lanes], sums[2*lanes:3*lanes], sums[3*lanes:]
		look := func(sums []float32, gate int) {
			if peep == nil {
				return
			}
			for i, p := range peep[gate*s.hidden+g*lanes:][:len(c)] {
				sums[i] += p * c[i]
			}
		}
		look(in, 0)
		look(forget, 1)
		k.gate(sums[:2*lanes], sums[:2*lanes])
		if k.coupled {
			for i, v := range in {
				forget[i] = 1 - v
			}
		}
		k.cell(z, z)
		for i, v := range c {
			v = forget[i]*v + in[i]*z[i]
			if k.clip > 0 {
				v = min(max(v, -k.clip), k.clip)
			}
			c[i] = v
		}
		look(out, 2)
		k.gate(out, out)
		k.act(h, c)
		for i, v := range out[:len(h)] {
			h[i] *= v
		}
	}
}

func gru(c *compiler, n *mil.Node, args any) (stepFunc, bool) {
	var a op.GRUIOS18Args
	bounded := false
	switch args := args.(type) {
	case *op.GRUArgs:
		a = *args.IOS18()
	case *op.GRUIOS18Args:
		a = *args
	case *op.NetworkGRUArgs:
		a, bounded = *(*op.GRUArgs)(args).IOS18(), true
	}
	q := c.prepare(a.X, a.WeightHH.Shape()[1], 1, 3, a.OutputSequence)
	if q == nil {
		return nil, false
	}
	w := gateWeights{
		weight: a.WeightIH, recursion: a.WeightHH, bias: a.Bias, inputBias: a.InputBias, reverse: a.Direction == "reverse",
		order: []int{0, 2, 1}, passes: []int{2, 1}, apart: a.ResetAfter,
	}
	cell := gruCell{gate: c.gateFunction(a.RecurrentActivation, bounded), act: c.gateFunction(a.Activation, bounded)}
	q.cell = cell.update
	apart := q.batch * q.size
	if a.ResetAfter {
		w.passes, q.cell, apart = []int{3}, cell.updateAfter, q.batch*q.width()
	}
	q.add(w)
	return q.step(c, n, a.X, a.InitialH, nil, apart), true
}

// gruCell is a GRU. Its gates are reset, update and output.
type gruCell struct{ gate, act function }

// update computes gates and what is left of the state after the reset, in the
// first pass, and in the second the output and the state.
func (k *gruCell) update(s *recurrentStep, pass, row, lo, hi int) {
	lanes := s.lanes
	for g := lo; g < hi; g++ {
		before := s.units(s.before, row, g, g+1)
		sums := s.gatesOf(s.sums, row, g, g+1)
		if pass == 0 {
			k.gate(sums[:2*lanes], sums[:2*lanes])
			rest := s.units(s.apart, row, g, g+1)
			for i, v := range before {
				rest[i] = sums[i] * v
			}
			continue
		}
		out := sums[2*lanes:]
		k.act(out, out)
		mix(s.units(s.next, row, g, g+1), before, sums[lanes:], out)
	}
}

// updateAfter is update for a reset after the product: what comes from the
// state is apart.
func (k *gruCell) updateAfter(s *recurrentStep, _, row, lo, hi int) {
	lanes := s.lanes
	for g := lo; g < hi; g++ {
		sums, state := s.gatesOf(s.sums, row, g, g+1), s.gatesOf(s.apart, row, g, g+1)
		for i, v := range state[:2*lanes] {
			sums[i] += v
		}
		k.gate(sums[:2*lanes], sums[:2*lanes])
		out := sums[2*lanes:]
		for i, v := range state[2*lanes:] {
			out[i] += sums[i] * v
		}
		k.act(out, out)
		mix(s.units(s.next, row, g, g+1), s.units(s.before, row, g, g+1), sums[lanes:], out)
	}
}

// mix computes h = (1-z)·out + z·before.
func mix(h, before, z, out []float32) {
	for i, v := range before[:len(h)] {
		h[i] = (1-z[i])*out[i] + z[i]*v
	}
}

func rnn(c *compiler, n *mil.Node, args any) (stepFunc, bool) {
	var a op.RNNArgs
	bounded := false
	switch args := args.(type) {
	case *op.RNNArgs:
		a = *args
	case *op.NetworkRNNArgs:
		a, bounded = op.RNNArgs(*args), true
	}
	q := c.prepare(a.X, a.WeightHH.Shape()[1], 1, 1, a.OutputSequence)
	if q == nil {
		return nil, false
	}
	q.add(gateWeights{
		weight: a.WeightIH, recursion: a.WeightHH, bias: a.Bias, reverse: a.Direction == "reverse", order: []int{0}, passes: []int{1},
	})
	act := c.gateFunction(a.Activation, bounded)
	q.cell = func(s *recurrentStep, _, row, lo, hi int) {
		act(s.units(s.next, row, lo, hi), s.gatesOf(s.sums, row, lo, hi))
	}
	return q.step(c, n, a.X, a.InitialH, nil, 0), true
}
