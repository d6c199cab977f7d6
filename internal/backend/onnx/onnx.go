// Package onnx writes programs as ONNX models: it is the inverse of
// internal/frontend/onnx. An operator of MIL is a row in the table of its
// family's file, which says it in one operator of ONNX or in several. The
// package knows the program and the file format; it runs nothing, and what a
// document says of a model beside the program (pictures, labels) reaches it as
// plain metadata.
//
// Floats are computed in float32 unless Options.Float asks for float16: few who
// run ONNX models on a CPU compute in anything else. Constants of float16 stay
// in the file as such, a Cast behind them. Integers keep their types; what ONNX
// wants or gives as int64 is cast. A state becomes an input and an output.
package onnx

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/internal/backend/mlprogram"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// The versions of ONNX's operators that models are written for.
const (
	minOpset = 17
	maxOpset = 21
)

// Options chooses how a program is written.
type Options struct {
	// Float is the type that floats are computed in. Invalid is Float32 with
	// float16 constants kept as such in the file; Float32 expands these, too.
	// Float16 leaves every type as the program has it.
	Float tensor.DType
	// Opset is the version of ONNX's operators; 0 is the lowest, from 17 on,
	// that has every one of them.
	Opset int
	// Types are those that inputs and outputs are to have, by name, where it is
	// another than the program's: int64 for a program's int32, for example.
	Types map[string]tensor.DType
	// Dims names unknown dimensions by the number that stands for them.
	Dims map[int]string
	// Docs describes inputs and outputs, Doc the model.
	Docs     map[string]string
	Doc      string
	Metadata map[string]string
	// External puts the constants into a file of their own, which is also done
	// where they take more than a gigabyte.
	External bool
}

// Problem is why operations of one kind cannot be written.
type Problem = mlprogram.Problem

// UnsupportedError lists everything that keeps a program from being written.
type UnsupportedError struct {
	Problems []Problem
}

// Error puts all problems on one line.
func (e *UnsupportedError) Error() string {
	parts := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		parts[i] = fmt.Sprintf("%d × %s (first %q): %s", p.Count, p.Op, p.Where, p.Reason)
	}
	return "cannot be written as ONNX: " + strings.Join(parts, "; ")
}

// Unwrap makes it an error of the project's kind.
func (e *UnsupportedError) Unwrap() error { return &fault.Error{Kind: fault.Unsupported} }

// StateSuffix is what is put after the name of a state for the output that
// holds its new value.
const StateSuffix = "_out"

// Model is an ONNX model that was made and not written yet.
type Model struct {
	opset int
	main  *graph
	inits []*val
	o     Options
}

// Make says a function in ONNX's operators. What has no such form is listed in
// an *UnsupportedError. The function is not changed.
func Make(f *mil.Func, o Options) (*Model, error) {
	if o.Opset != 0 && (o.Opset < minOpset || o.Opset > maxOpset) {
		return nil, fault.New(fault.BadValue, "", "opset %d: want %d to %d", o.Opset, minOpset, maxOpset)
	}
	for opset := max(o.Opset, minOpset); ; {
		w := newWriter(opset, f.Opset, o)
		if err := w.function(f); err != nil {
			return nil, err
		}
		switch {
		case w.wanted > opset && o.Opset == 0:
			opset = w.wanted
			continue
		case len(w.problems) > 0:
			slices.SortStableFunc(w.problems, func(a, b Problem) int { return b.Count - a.Count })
			return nil, &UnsupportedError{Problems: w.problems}
		}
		w.main.nodes = append(w.prologue, w.main.nodes...)
		m := &Model{opset: opset, main: w.main, inits: w.inits, o: o}
		m.sweep()
		return m, nil
	}
}

// Opset is the version of ONNX's operators that the model needs.
func (m *Model) Opset() int { return m.opset }

// Ops counts the nodes of the model by operator, those of nested graphs too.
func (m *Model) Ops() map[string]int {
	ops := map[string]int{}
	m.main.walk(func(n *node) { ops[n.op]++ })
	return ops
}

// sweep drops the nodes and constants that nothing uses.
func (m *Model) sweep() {
	used := map[*val]bool{}
	m.main.sweep(used)
	m.inits = slices.DeleteFunc(m.inits, func(v *val) bool { return !used[v] })
}

// function writes the main graph.
func (w *writer) function(f *mil.Func) error {
	w.main = &graph{name: "main"}
	w.g = w.main
	for _, v := range f.Body.Outputs {
		w.names[v.Name] = true
	}
	for _, v := range f.Inputs {
		w.names[v.Name] = true
	}
	var states []*mil.Value
	for _, v := range f.Inputs {
		t := v.Type
		if t.Kind == mil.State && t.Elem != nil {
			t = *t.Elem
			states = append(states, v)
		}
		if t.Kind != mil.Tensor {
			return fault.New(fault.Unsupported, fmt.Sprintf("input %q", v.Name), "is a %s", t)
		}
		d := w.dtype(t.DType)
		in := &val{name: v.Name, dtype: d, fixed: true}
		if want, ok := w.o.Types[v.Name]; ok {
			in.dtype = want
		}
		w.main.inputs = append(w.main.inputs, port{in, t})
		held := in
		if in.dtype != d {
			held = w.cast(in, d)
		}
		if v.Type.Kind == mil.State {
			w.states[v] = held
		} else {
			w.values[v] = held
		}
	}
	w.body(f.Body)
	for _, v := range f.Body.Outputs {
		if v.Type.Kind != mil.Tensor {
			return fault.New(fault.Unsupported, fmt.Sprintf("output %q", v.Name), "is a %s", v.Type)
		}
		if v.Type.AnyRank {
			w.problems = append(w.problems, Problem{Op: "output", Count: 1, Where: v.Name, Reason: "its rank is only known when it is run, and ONNX wants one declared"})
		}
		w.output(w.value(v), v.Name, v.Type)
	}
	for _, v := range states {
		w.output(w.states[v], w.unique(v.Name+StateSuffix), *v.Type.Elem)
	}
	return nil
}

// output gives a value an output's name and type. One that has a name already
// — an input, a constant, another output — is copied.
func (w *writer) output(v *val, name string, t mil.Type) {
	if v == nil {
		return // what it is made of is among the problems
	}
	d := v.dtype
	if want, ok := w.o.Types[name]; ok {
		d = want
	}
	switch {
	case v.fixed && v.name == name && d == v.dtype: // an input that is an output
		w.main.outputs = append(w.main.outputs, port{v, t})
		return
	case d != v.dtype:
		v = w.cast(v, d)
	case v.fixed || v.data != nil || !w.main.makes(v):
		v = w.add("Identity", []*val{v})
	}
	if slices.ContainsFunc(append(slices.Clone(w.main.inputs), w.main.outputs...), func(p port) bool { return p.val.name == name }) {
		w.problems = append(w.problems, Problem{Op: "output", Count: 1, Where: name, Reason: "another input or output has its name"})
	}
	v.name, v.fixed = name, true
	w.main.outputs = append(w.main.outputs, port{v, t})
}

// Operators returns the names of MIL's operators that have a row.
func Operators() []string { return slices.Sorted(maps.Keys(rules)) }

// rules says MIL's operators in those of ONNX.
var rules = map[string]rule{}

func init() {
	for _, family := range []map[string]rule{
		elementwise, activations, windows, normalizations, reductions, shapes, indexing, products, recurrences,
		samplings, flow, randoms, quantization,
	} {
		for name, r := range family {
			if _, twice := rules[name]; twice {
				panic("onnx: two rows for " + name)
			}
			rules[name] = r
		}
	}
}
