package compress

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// programs is what is to be done to the ML Programs of a model.
type programs struct {
	m         *mlmodel.Model
	o         Options
	report    *Report
	functions []*function
	jobs      []*programJob
	bySame    map[string]*programJob
	kept      map[string]bool          // what the report names already
	parts     map[*spec.Operation]bool // what compressed constants are made of
}

// programJob is a weight, and the constants that hold it: several where
// functions share it.
type programJob struct {
	Weight
	constants []*constant
	axis      int // of the channels that have scales of their own
	before    int64
	result    programEncoding
	applied   bool // the result is in the program
}

func (j *programJob) place() string { return fmt.Sprintf("constant %q", j.Name) }

// constant is an operation whose result is known before the program runs: a
// const, or a compressed one.
type constant struct {
	fn     *function
	name   string // of the value
	op     *spec.Operation
	output int
	dtype  tensor.DType
	shape  []int
	names  *scope // what it can refer to
	uses   []use
	result bool // of a block
}

// use is a place where an operation takes a constant.
type use struct {
	op    *spec.Operation
	param string
	axis  int // that which becomes the operation's output channels
}

func (c *constant) isConst() bool { return c.op.GetType() == "const" }

func isConstexpr(o *spec.Operation) bool { return strings.HasPrefix(o.GetType(), "constexpr_") }

// scope holds the constants that a block can name; nil for other values.
type scope struct {
	names map[string]*constant
	outer *scope
}

func (s *scope) find(name string) *constant {
	for ; s != nil; s = s.outer {
		if c, ok := s.names[name]; ok {
			return c
		}
	}
	return nil
}

// planPrograms finds the constants to compress and reports those that stay.
func planPrograms(m *mlmodel.Model, o Options, r *Report) (*programs, error) {
	p := &programs{
		m: m, o: o, report: r,
		bySame: map[string]*programJob{}, kept: map[string]bool{}, parts: map[*spec.Operation]bool{},
	}
	for path, s := range mlmodel.Models(m.Spec()) {
		functions := s.GetMlProgram().GetFunctions()
		for _, name := range slices.Sorted(maps.Keys(functions)) {
			fn := &function{Function: functions[name], name: name, prefix: path}
			if len(functions) > 1 {
				fn.prefix = joinPath(path, name)
			}
			var err error
			if fn.opset, err = mil.ParseOpset(fn.GetOpset()); err != nil {
				return nil, fault.New(fault.Unsupported, fmt.Sprintf("function %q", name), "%w", err)
			}
			p.functions = append(p.functions, fn)
			scan := scanner{fn: fn}
			scan.block(fn.block(), nil)
			n := len(p.jobs)
			for _, c := range scan.found {
				p.plan(c)
			}
			if err := fn.liftable(); err != nil && len(p.jobs) > n {
				return nil, err
			}
		}
	}
	return p, nil
}

func joinPath(path, name string) string {
	if path == "" {
		return name
	}
	return path + "/" + name
}

// scanner lists the constants of a function with their uses, in order.
type scanner struct {
	fn    *function
	found []*constant
}

func (s *scanner) block(b *spec.Block, outer *scope) {
	names := &scope{map[string]*constant{}, outer}
	for _, in := range b.GetInputs() {
		names.names[in.GetName()] = nil
	}
	for _, o := range b.GetOperations() {
		for _, param := range slices.Sorted(maps.Keys(o.GetInputs())) {
			for _, arg := range o.GetInputs()[param].GetArguments() {
				if c := names.find(arg.GetName()); c != nil && arg.HasName() {
					c.uses = append(c.uses, use{o, param, channelAxis(o, param, len(c.shape), names)})
				}
			}
		}
		for _, inner := range o.GetBlocks() {
			s.block(inner, names)
		}
		for i, out := range o.GetOutputs() {
			names.names[out.GetName()] = nil
			if o.GetType() != "const" && !isConstexpr(o) {
				continue
			}
			d, shape, err := mlmodel.TensorType(out.GetType().GetTensorType())
			if err != nil {
				continue // no tensor that could be compressed
			}
			c := &constant{
				fn: s.fn, name: out.GetName(), op: o, output: i,
				dtype: d, shape: shape, names: names,
			}
			names.names[c.name] = c
			s.found = append(s.found, c)
		}
	}
	for _, name := range b.GetOutputs() {
		if c := names.find(name); c != nil {
			c.result = true
		}
	}
}

// channelAxis returns the axis of a weight that becomes the channels of the
// operation's output, as coremltools takes it: the first one for most.
func channelAxis(o *spec.Operation, param string, rank int, names *scope) int {
	axis := 0
	switch {
	case o.GetType() == "conv_transpose":
		axis = 1
	case o.GetType() == "matmul" && param == "y":
		axis = rank - 1
		if truth(o, "transpose_y", names) {
			axis = rank - 2
		}
	case o.GetType() == "matmul":
		axis = rank - 2
		if truth(o, "transpose_x", names) {
			axis = rank - 1
		}
	}
	if axis >= rank {
		return 0
	}
	return max(axis, 0)
}

// truth returns an argument of an operation that is a constant truth value.
func truth(o *spec.Operation, param string, names *scope) bool {
	args := o.GetInputs()[param].GetArguments()
	if len(args) == 0 {
		return false
	}
	v := args[0].GetValue()
	if c := names.find(args[0].GetName()); args[0].HasName() && c != nil {
		v = c.op.GetAttributes()["val"]
	}
	b := v.GetImmediateValue().GetTensor().GetBools().GetValues()
	return len(b) > 0 && b[0]
}

// plan decides what becomes of a constant.
func (p *programs) plan(c *constant) {
	var taker *use
	part := false
	for i, u := range c.uses {
		if isConstexpr(u.op) {
			part, p.parts[c.op] = true, true
		} else if taker == nil {
			taker = &c.uses[i]
		}
	}
	if c.dtype != tensor.Float16 && c.dtype != tensor.Float32 || taker == nil && !c.result {
		return
	}
	n := tensor.Size(c.shape)
	w := Weight{Name: joinPath(c.fn.prefix, c.name), Role: "output", Shape: c.shape, Elements: n, Bits: c.dtype.Bits()}
	axis := 0
	if taker != nil {
		w.Layer = mlmodel.Operation{Operation: taker.op}.Name()
		w.Type, w.Role, axis = taker.op.GetType(), taker.param, taker.axis
	}
	w.Vector = len(c.shape) <= 1 || isVectorParam[w.Role]
	if !w.Vector && n < 10 || len(c.shape) == 0 || n == 0 {
		return // an argument rather than a weight
	}
	if !c.isConst() {
		w.Bits = compressedBits(c)
	}
	before := heldBytes(c.op)
	same := p.sameKey(c, w, axis)
	reason := p.reason(c, w, part)
	switch j := p.bySame[same]; {
	case reason != "" && same != "" && p.kept[same]:
	case reason != "":
		p.report.keep(w, before, reason)
		p.kept[same] = true
	case j != nil && same != "":
		j.constants = append(j.constants, c)
	default:
		j = &programJob{Weight: w, constants: []*constant{c}, axis: axis, before: before}
		p.jobs = append(p.jobs, j)
		p.bySame[same] = j
	}
}

// isVectorParam tells the parameters that are vectors beside the weights.
var isVectorParam = map[string]bool{
	"bias": true, "gamma": true, "beta": true, "mean": true, "variance": true, "alpha": true,
	"bias_back": true, "peephole": true, "peephole_back": true,
}

// sameKey is equal for constants that hold the same value of a weight file and
// get the same encoding; "" for others.
func (p *programs) sameKey(c *constant, w Weight, axis int) string {
	v := c.op.GetAttributes()["val"]
	if !c.isConst() || !v.HasBlobFileValue() {
		return ""
	}
	b := v.GetBlobFileValue()
	table := ""
	if p.o.Mode == CustomLUT {
		table = p.o.Tables.key(w)
	}
	return fmt.Sprintf("%s\x00%d\x00%s%v\x00%d %t\x00%s", b.GetFileName(), b.GetOffset(), c.dtype, c.shape, axis, c.fn.opset >= mil.IOS18, table)
}

// The least numbers of elements of what coremltools compresses, and of what it
// puts into weight files at all.
const (
	leastElements = 2049
	leastVector   = 10
)

// reason says why a constant stays as it is, "" if it does not.
func (p *programs) reason(c *constant, w Weight, part bool) string {
	o := &p.o
	least := o.MinElements
	if least == 0 {
		least = leastElements
		if w.Vector {
			least = leastVector
		}
	}
	switch {
	case !c.isConst() && !o.Again:
		return "it is quantized already"
	case part:
		return "it is part of another compressed constant"
	case c.isConst() && c.dtype == tensor.Float16 && o.Bits == 16:
		return "it is float16 already"
	case len(c.op.GetOutputs()) != 1:
		return "the operation has several results"
	case w.Role == "output":
		return "it is a result itself"
	case w.Vector && o.Vectors != VectorsCompress:
		return vectorsStay
	case w.Elements < least:
		return tooSmall
	case o.Bits != 16 && o.Mode == CustomLUT && o.CustomLUT == nil && o.Tables.of(w) == nil:
		return "there is no table for it"
	case o.Select != nil && !o.Select(w):
		return notSelected
	}
	return ""
}

func (p *programs) weights() []Weight {
	var all []Weight
	for _, j := range p.jobs {
		all = append(all, j.Weight)
	}
	return all
}

// run compresses the constants and puts them in place.
func (p *programs) run(ctx context.Context, step func()) error {
	if err := p.inPlace(ctx, step); err != nil {
		return err
	}
	if err := p.inFiles(ctx, step); err != nil {
		return err
	}
	for _, j := range p.jobs {
		if j.result.kept != "" {
			p.report.keep(j.Weight, j.before, j.result.kept)
			continue
		}
		p.report.add(j.Weight, j.before, j.result.encoding)
		if !j.applied {
			j.apply("")
		}
		for _, c := range j.constants {
			c.fn.changed = true
		}
	}
	for _, fn := range p.functions {
		if fn.changed {
			fn.lift()
		}
	}
	return p.removeUnused(ctx)
}

// touches tells whether a program of a model, or of those in it, was changed.
func (p *programs) touches(s *spec.Model) bool {
	for _, inner := range mlmodel.Models(s) {
		for _, f := range inner.GetMlProgram().GetFunctions() {
			if slices.ContainsFunc(p.functions, func(fn *function) bool { return fn.changed && fn.Function == f }) {
				return true
			}
		}
	}
	return false
}
