// Package convert makes a model of one format from one of another: a frontend
// reads what the source computes, passes make it small, a backend writes it, and
// both are run on the same inputs to see that they agree. The formats are known
// to their frontends and backends; here is only what ties them together, and
// what the user asks of the result.
package convert

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/internal/backend/mlprogram"
	"github.com/smelt-ml/smelt/internal/predict"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/mil/pass"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/tensor"
)

// MLProgram is the format that models are converted to.
const MLProgram = "mlprogram"

// Options chooses what becomes of a model. The zero value is the usual choice.
type Options struct {
	// Target is the opset of the result; 0 is the lowest that has all that the
	// model needs, and for an ML Program at least its own.
	Target mil.Opset
	// Float is the type that floats are computed in; Invalid is Float16, and
	// for an ML Program its own. Keep lists operators, by type or name, that
	// stay in float32.
	Float tensor.DType
	Keep  []string
	// Shapes are those that inputs may have, where the source leaves that open.
	Shapes map[string]mlprogram.Shapes
	// ImageInputs and ImageOutputs are arrays that become pictures.
	ImageInputs  map[string]mlprogram.Image
	ImageOutputs map[string]Color
	// Labels make a classifier of a model, or replace those of one.
	Labels []string
	// Rename gives inputs and outputs other names.
	Rename map[string]string
	// Metadata replaces what is said of the source where it is not empty.
	Metadata mlmodel.Metadata
	// Verify is how the result is checked; nil leaves that out.
	Verify *Verify
}

// Report tells what was done.
type Report struct {
	Source      string              `json:"source"` // the kind of model: "neuralNetwork", "mlProgram", "onnx", …
	Target      string              `json:"target"`
	SpecVersion int32               `json:"spec_version"`
	System      string              `json:"system"`    // the first that reads it: "iOS 16, macOS 13"
	Precision   string              `json:"precision"` // fp16, fp32, or "as it was"
	Ops         map[string]int      `json:"ops"`       // those written
	Unsupported []mlprogram.Problem `json:"unsupported"`
	Notes       []string            `json:"notes"` // where the result differs from the source
	SizeBefore  int64               `json:"size_before"`
	SizeAfter   int64               `json:"size_after"`
	Seconds     float64             `json:"seconds"` // without the check
	Check       *Check              `json:"verify,omitempty"`
}

// source is a model that was read.
type source struct {
	kind    string
	program *mlprogram.Program
	least   mil.Opset    // of the result, unless a target is given
	float   tensor.DType // of the result, unless a type is given
	meta    mlmodel.Metadata
	size    int64
	notes   []string
	labeled string // the output that became a classifier's probabilities
	// run answers as the source does. It is nil where that cannot be told.
	run   func(ctx context.Context, in predict.Features) (predict.Features, error)
	close func()
}

// File converts one file into another. If it fails nothing is written; what
// cannot be expressed is then in the report, which is never nil.
func File(ctx context.Context, in, out string, o Options) (*Report, error) {
	r := &Report{Target: MLProgram, Ops: map[string]int{}, Unsupported: []mlprogram.Problem{}, Notes: []string{}}
	if !strings.EqualFold(filepath.Ext(out), ".mlpackage") {
		return r, fault.New(fault.BadValue, "", "%s: an ML Program is written as .mlpackage", out)
	}
	start := time.Now()
	src, err := open(in, o)
	if err != nil {
		r.Unsupported = append(r.Unsupported, unsupported(err)...)
		return r, err
	}
	defer src.close()
	m, names, err := src.write(ctx, o, r)
	if err != nil {
		r.Unsupported = append(r.Unsupported, unsupported(err)...)
		return r, fault.InFile(err, in)
	}
	defer m.Close()
	r.Seconds = time.Since(start).Seconds()
	if o.Verify != nil {
		if r.Check, err = verify(ctx, src, m, names, o); err != nil {
			return r, fault.InFile(fmt.Errorf("check of the result: %w", err), in)
		}
		const much = 0.05
		for _, name := range slices.Sorted(maps.Keys(r.Check.Outputs)) {
			if r.Precision == tensor.Float16.String() && r.Check.Outputs[name].MaxRel > much {
				r.Notes = append(r.Notes, fmt.Sprintf("float16 changes output %q much: fp32, or exceptions for some operators, keep it", name))
			}
		}
	}
	if err := context.Cause(ctx); err != nil {
		return r, err
	}
	start = time.Now()
	if err := m.Save(out); err != nil {
		return r, err
	}
	r.Seconds += time.Since(start).Seconds()
	r.SizeAfter, err = sizeOf(out)
	return r, err
}

// unsupported lists what an error says that cannot be read or written.
func unsupported(err error) []mlprogram.Problem {
	var u *mlprogram.UnsupportedError
	if errors.As(err, &u) {
		return u.Problems
	}
	return unread(err)
}

func sizeOf(path string) (int64, error) {
	m, err := mlmodel.Open(path)
	if err != nil {
		return 0, fmt.Errorf("read what was written: %w", err)
	}
	n, err := m.Size()
	return n, errors.Join(err, m.Close())
}

// open reads the source by what its name ends in.
func open(path string, o Options) (*source, error) {
	if strings.EqualFold(filepath.Ext(path), ".onnx") {
		return openONNX(path, o)
	}
	return openCoreML(path, o)
}

// write makes the model. The names are those of the source's features by
// their names in the result.
func (s *source) write(ctx context.Context, o Options, r *Report) (*mlmodel.Model, map[string]string, error) {
	p := s.program
	r.Source, r.SizeBefore = s.kind, s.size
	r.Notes = append(r.Notes, s.notes...)
	for i, f := range p.Funcs {
		if i == 0 && o.Labels != nil {
			var err error
			if s.labeled, err = label(p, o.Labels); err != nil {
				return nil, nil, err
			}
		}
		pass.Simplify(f)
		r.Notes = append(r.Notes, present(f)...)
	}
	names, notes, err := rename(p, &o)
	if err != nil {
		return nil, nil, err
	}
	r.Notes = append(r.Notes, notes...)
	if err := context.Cause(ctx); err != nil {
		return nil, nil, err
	}
	float := o.Float
	if float == tensor.Invalid {
		float = s.float
	}
	r.Precision = "as it was"
	if float != tensor.Invalid {
		r.Precision = float.String()
	}
	keep, check := keeper(o.Keep)
	m, err := mlprogram.Write(p, mlprogram.Options{
		Target: o.Target, Least: s.least, Float: float, Keep: keep,
		ImageInputs: o.ImageInputs, ImageOutputs: o.ImageOutputs, Shapes: o.Shapes,
	})
	if err == nil {
		err = check()
	}
	if err != nil {
		return nil, nil, err
	}
	m.SetMetadata(merged(s.meta, o.Metadata))
	summary := m.Summary()
	r.Ops = summary.Layers
	r.SpecVersion = m.Spec().GetSpecificationVersion()
	if float == tensor.Float16 {
		r.Notes = append(r.Notes, wide(r.Ops, mil.Opset(r.SpecVersion-1))...)
	}
	r.System = mlmodel.SystemOf(r.SpecVersion)
	return m, names, nil
}

// wide notes the operators that compute in float16 only on later systems.
func wide(ops map[string]int, opset mil.Opset) []string {
	half := func(o *op.Op) bool {
		for _, types := range o.Types {
			if slices.Contains(types, tensor.Float16) {
				return true
			}
		}
		return len(o.Types) == 0
	}
	var notes []string
	for _, name := range slices.Sorted(maps.Keys(ops)) {
		now, err := op.For(name, opset)
		if err != nil || half(now) {
			continue
		}
		if later, err := op.For(name, mil.IOS26); err == nil && half(later) {
			notes = append(notes, fmt.Sprintf("%s computes in float32: --target %s has it in float16", name, strings.ToLower(strings.ReplaceAll(mlprogram.TargetName(later.Since), " ", ""))))
		}
	}
	return notes
}

// keeper tells which operations keep their type. Each rule must keep one: one
// that is written wrongly should not go unnoticed.
func keeper(rules []string) (keep func(op, name string) bool, check func() error) {
	used := map[string]bool{}
	keep = func(op, name string) bool {
		found := false
		for _, rule := range rules {
			if rule == op || rule == name {
				used[rule], found = true, true
			}
		}
		return found
	}
	check = func() error {
		for _, rule := range rules {
			if !used[rule] {
				return fault.New(fault.BadValue, "", "keep %s in float32: there is no such operator", rule)
			}
		}
		return nil
	}
	return keep, check
}

// merged is what was said of the source with what the user says.
func merged(a, b mlmodel.Metadata) mlmodel.Metadata {
	pick := func(a, b string) string {
		if b != "" {
			return b
		}
		return a
	}
	out := mlmodel.Metadata{
		ShortDescription: pick(a.ShortDescription, b.ShortDescription), Author: pick(a.Author, b.Author),
		License: pick(a.License, b.License), Version: pick(a.Version, b.Version), UserDefined: maps.Clone(a.UserDefined),
	}
	if out.UserDefined == nil {
		out.UserDefined = map[string]string{}
	}
	maps.Copy(out.UserDefined, b.UserDefined)
	return out
}

// label makes a classifier of a program, by the only output with as many
// elements as there are labels, or replaces the labels of one. It returns the
// name of that output.
func label(p *mlprogram.Program, labels []string) (string, error) {
	if c := p.Classifier; c != nil {
		if n := max(len(c.Strings), len(c.Ints)); n != len(labels) {
			return "", fault.New(fault.BadValue, "", "%d labels, the model has %d", len(labels), n)
		}
		c.Strings, c.Ints = labels, nil
		return "", nil
	}
	f := p.Funcs[0]
	var fit []int
	for i, v := range f.Body.Outputs {
		if v.Type.IsStatic() && v.Type.DType.IsFloat() && tensor.Size(v.Type.Shape) == len(labels) {
			fit = append(fit, i)
		}
	}
	if len(fit) != 1 {
		return "", fault.New(fault.BadValue, "", "%d labels: %d outputs have so many elements, want one", len(labels), len(fit))
	}
	v := f.Body.Outputs[fit[0]]
	name := v.Name
	if v.Type.DType != tensor.Float32 {
		f.Body.Outputs[fit[0]] = cast(f, v, tensor.Float32)
	}
	p.Classifier = &mlprogram.Classifier{Strings: labels, Probabilities: fit[0]}
	return name, nil
}

// cast appends a cast of an output, which keeps its name.
func cast(f *mil.Func, v *mil.Value, d tensor.DType) *mil.Value {
	out := &mil.Value{Name: v.Name, Type: v.Type}
	out.Type.DType = d
	v.Name += "_" + v.Type.DType.String()
	out.Node = castNode(v, out)
	f.Body.Nodes = append(f.Body.Nodes, out.Node)
	return out
}

func castNode(x, out *mil.Value) *mil.Node {
	return &mil.Node{Op: "cast", Name: out.Name, Outputs: []*mil.Value{out}, Inputs: []mil.Input{
		{Name: "x", Values: []*mil.Value{x}},
		{Name: "dtype", Values: []*mil.Value{mil.NewConst("", tensor.Scalar(tensor.String, out.Type.DType.String()))}},
	}}
}

// present gives inputs and outputs types that models take and give: what is
// neither a float nor a wide integer is an int32.
func present(f *mil.Func) []string {
	var notes []string
	fits := func(t mil.Type) bool {
		return t.Kind != mil.Tensor || t.DType == tensor.Float16 || t.DType == tensor.Float32 || t.DType == tensor.Int32
	}
	for i, v := range f.Body.Outputs {
		if !fits(v.Type) {
			notes = append(notes, fmt.Sprintf("output %q is int32, not %s", v.Name, v.Type.DType))
			f.Body.Outputs[i] = cast(f, v, tensor.Int32)
		}
	}
	for i, v := range f.Inputs {
		if !fits(v.Type) {
			notes = append(notes, fmt.Sprintf("input %q is int32, not %s", v.Name, v.Type.DType))
			in := &mil.Value{Name: v.Name, Type: v.Type}
			in.Type.DType = tensor.Int32
			v.Name += "_" + v.Type.DType.String()
			v.Node = castNode(in, v)
			f.Inputs[i] = in
			f.Body.Nodes = slices.Insert(f.Body.Nodes, 0, v.Node)
		}
	}
	return notes
}
