// Package convert makes a model of one format from one of another: a frontend
// reads what the source computes, passes make it small, a backend writes it, and
// both are run on the same inputs to see that they agree. The formats are known
// to their frontends and backends; here is only what ties them together, and
// what the user asks of the result.
package convert

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/internal/backend/mlprogram"
	"github.com/smelt-ml/smelt/internal/conversion"
	"github.com/smelt-ml/smelt/internal/edit"
	"github.com/smelt-ml/smelt/internal/predict"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/pass"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/tensor"
)

// Options chooses what becomes of a model. The zero value is the usual choice.
type Options struct {
	// To is the format, one of Targets; "" is the one whose files end as the
	// name of the result does.
	To string
	// Target is the opset of the result; 0 is the lowest that has all that the
	// model needs, and for an ML Program at least its own.
	Target mil.Opset
	// Float is the type that floats are computed in; Invalid is Float16, and
	// for an ML Program its own. Keep lists operators, by type or name, that
	// stay in float32.
	Float tensor.DType
	Keep  []string
	// Shapes are those that inputs may have, where the source leaves that open.
	Shapes map[string]mlmodel.Shapes
	// ImageInputs and ImageOutputs are arrays that become pictures.
	ImageInputs  map[string]edit.Image
	ImageOutputs map[string]edit.Color
	// Labels make a classifier of a model, or replace those of one.
	Labels []string
	// Rename gives inputs and outputs other names.
	Rename map[string]string
	// Metadata replaces what is said of the source where it is not empty.
	Metadata mlmodel.Metadata
	// Conversions say what becomes of operators of the source, by "Relu" or
	// "com.example::Op". They come before those of ConversionFiles, and both
	// before those that are built in.
	Conversions     map[string]conversion.Func
	ConversionFiles []string
	// Partial says what becomes of operators that have no conversion: nothing, or
	// a custom layer each where it is Custom.
	Partial string
	// ExternalData puts the weights of an ONNX model into a file beside it, which
	// is done in any case where they take more than a gigabyte.
	ExternalData bool
	// Verify is how the result is checked; nil leaves that out.
	Verify *Verify

	in, out string // the files
}

// Report tells what was done.
type Report struct {
	Source      string              `json:"source"` // the kind of model: "neuralNetwork", "mlProgram", "onnx", …
	Target      string              `json:"target"`
	SpecVersion int32               `json:"spec_version"`
	System      string              `json:"system"`    // the first that reads it: "iOS 16, macOS 13", "opset 17"
	Precision   string              `json:"precision"` // fp16, fp32, or "as it was"
	Ops         map[string]int      `json:"ops"`       // those written
	Unsupported []mlprogram.Problem `json:"unsupported"`
	Notes       []string            `json:"notes"` // where the result differs from the source
	SizeBefore  int64               `json:"size_before"`
	SizeAfter   int64               `json:"size_after"`
	Seconds     float64             `json:"seconds"` // without the check
	Check       *Check              `json:"verify,omitempty"`
}

func newReport(target string) *Report {
	return &Report{Target: target, Ops: map[string]int{}, Unsupported: []mlprogram.Problem{}, Notes: []string{}}
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
	shapes  map[string]mlmodel.Shapes // of open inputs that the user says nothing of
	labeled string                    // the output that the probabilities of labels are in the result
	// flexible networks were lowered for several shapes.
	flexible bool
	classes  *mlprogram.Classifier // with these labels
	// images and imageOutputs are arrays that the source says are pictures.
	images       map[string]edit.Image
	imageOutputs map[string]edit.Color
	types        map[string]tensor.DType // that the source declares, where the program has another
	dims         map[int]string          // names of unknown dimensions
	// run answers as the source does. It is nil where that cannot be told.
	run   func(ctx context.Context, in predict.Features) (predict.Features, error)
	close func()

	// classical makes the result where source and result are models that are no
	// networks; nil where a program is written. samples are inputs that such
	// models make a difference of.
	// document is that result where it is a Core ML model.
	classical func(out string, r *Report) (*result, error)
	document  *mlmodel.Model
	samples   func(seed uint64) []map[string]any
}

// File converts one file into another. If it fails nothing is written; what
// cannot be expressed is then in the report, which is never nil.
func File(ctx context.Context, in, out string, o Options) (*Report, error) {
	r := newReport(o.To)
	to, err := targetOf(o.To, out)
	if err != nil {
		return r, err
	}
	r.Target = to.name
	if o.Partial != "" && o.Partial != Custom {
		return r, fault.New(fault.BadValue, "", "partial conversion to %q: want %q", o.Partial, Custom)
	}
	if err := o.readConversions(); err != nil {
		return r, err
	}
	start := time.Now()
	o.in, o.out = in, out
	src, err := open(in, o)
	if err != nil {
		r.Unsupported = append(r.Unsupported, unsupported(err, o)...)
		return r, err
	}
	defer src.close()
	o = src.adopt(o)
	result, names, err := src.write(ctx, to, out, o, r)
	if err != nil {
		r.Unsupported = append(r.Unsupported, unsupported(err, o)...)
		return r, fault.InFile(err, in)
	}
	defer result.close()
	r.Seconds = time.Since(start).Seconds()
	if o.Verify != nil {
		if r.Check, err = verify(ctx, src, result, names, o); err != nil {
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
	r.SizeAfter, err = result.save()
	r.Seconds += time.Since(start).Seconds()
	return r, err
}

// write makes the model. The names are those of the source's features by
// their names in the result.
func (s *source) write(ctx context.Context, to *target, out string, o Options, r *Report) (*result, map[string]string, error) {
	p := s.program
	r.Source, r.SizeBefore = s.kind, s.size
	r.Notes = append(r.Notes, s.notes...)
	if s.classical != nil {
		result, err := s.classical(out, r)
		return result, nil, err
	}
	for _, f := range p.Funcs {
		pass.Simplify(f)
		if to.core {
			r.Notes = append(r.Notes, present(f)...)
		}
	}
	if len(s.shapes) > 0 {
		o.Shapes = maps.Clone(o.Shapes)
		if o.Shapes == nil {
			o.Shapes = map[string]mlmodel.Shapes{}
		}
		maps.Copy(o.Shapes, s.shapes)
	}
	names, notes, err := rename(p, &o, to.identifier)
	if err != nil {
		return nil, nil, err
	}
	r.Notes = append(r.Notes, notes...)
	types := map[string]tensor.DType{}
	for now, was := range names {
		if d, ok := s.types[was]; ok {
			types[now] = d
		}
	}
	s.types = types
	if err := context.Cause(ctx); err != nil {
		return nil, nil, err
	}
	result, err := to.write(ctx, s, out, o, r)
	return result, names, err
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
