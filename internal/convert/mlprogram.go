package convert

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/internal/backend/mlprogram"
	"github.com/smelt-ml/smelt/internal/edit"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/mil/pass"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/tensor"
)

// writeMLProgram makes an ML Program.
func writeMLProgram(ctx context.Context, s *source, out string, o Options, r *Report) (*result, error) {
	m, err := programOf(ctx, s, o, r, false)
	if err != nil {
		return nil, err
	}
	return document(m, out, o.Verify.once() && !s.flexible), nil
}

// programOf makes the document; hold keeps its weights in memory.
func programOf(ctx context.Context, s *source, o Options, r *Report, hold bool) (*mlmodel.Model, error) {
	float := o.Float
	if float == tensor.Invalid {
		float = s.float
	}
	r.Precision = "as it was"
	if float != tensor.Invalid {
		r.Precision = float.String()
	}
	keep, check := keeper(o.Keep)
	for _, f := range s.program.Funcs {
		pass.Attend(f, o.Target)
	}
	m, err := mlprogram.Write(s.program, mlprogram.Options{
		Target: o.Target, Least: s.least, Float: float, Keep: keep,
		Shapes: o.Shapes, Hold: hold, Partial: o.Partial == Custom,
	})
	if err == nil {
		err = check()
	}
	if err != nil {
		return nil, err
	}
	if n := s.program.Expanded; n > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("%d compressed constants are written whole: %s cannot hold them", n, mlprogram.TargetName(o.Target)))
	}
	m.SetMetadata(merged(s.meta, o.Metadata))
	labeled, err := dress(ctx, m, o)
	if err != nil {
		return nil, errors.Join(err, m.Close())
	}
	if o.Labels != nil {
		s.labeled, s.classes = labeled, &mlprogram.Classifier{Strings: o.Labels}
	}
	summary := m.Summary()
	r.Ops = summary.Layers
	r.SpecVersion = m.Spec().GetSpecificationVersion()
	if float == tensor.Float16 {
		r.Notes = append(r.Notes, wide(r.Ops, mil.Opset(r.SpecVersion-1))...)
	}
	r.Notes = append(r.Notes, classes(summary.Dependencies)...)
	r.System = mlmodel.SystemOf(r.SpecVersion)
	s.program.Funcs = nil // its weights are in the model
	return m, nil
}

// dress makes pictures of arrays, and a classifier of a document. It returns the
// output that became probabilities.
func dress(ctx context.Context, m *mlmodel.Model, o Options) (labeled string, err error) {
	r, err := edit.Apply(ctx, m, edit.Options{ImageInputs: o.ImageInputs, ImageOutputs: o.ImageOutputs, Labels: o.Labels})
	if err != nil {
		return "", err
	}
	for _, c := range r.Changes {
		if c.Kind == "feature" && c.After == "" {
			labeled = c.Feature
		}
	}
	// What a classifier gives that there was not before may have a name, too.
	_, err = edit.Apply(ctx, m, edit.Options{Rename: o.Rename})
	return labeled, err
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

// classes notes the code that a model needs beside it.
func classes(needed []mlmodel.Dependency) []string {
	counts := map[string]int{}
	for _, d := range needed {
		counts[d.ClassName]++
	}
	var notes []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		layers := "layer"
		if counts[name] > 1 {
			layers = "layers"
		}
		notes = append(notes, fmt.Sprintf("the app must bring class %q: %d custom %s", name, counts[name], layers))
	}
	return notes
}
