package convert

import (
	"fmt"
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/internal/backend/mlprogram"
	"github.com/smelt-ml/smelt/internal/edit"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mlmodel/spec"
)

// renamer gives features new names: the user's, or names that the
// format accepts.
type renamer struct {
	wanted map[string]string
	valid  func(string) string // makes a name that the format accepts
	used   map[string]bool
	source map[string]string // by the new names
	notes  []string
	err    error
}

func (r *renamer) name(old, what string) string {
	name, ok := r.wanted[old]
	if ok {
		r.used[old] = true
		if name != r.valid(name) && r.err == nil {
			r.err = fault.New(fault.BadValue, fmt.Sprintf("%s %q", what, old), "%q is no name for it: want letters, digits and underscores", name)
		}
	} else {
		name = r.valid(old)
		if name != old {
			r.notes = append(r.notes, fmt.Sprintf("%s %q is named %s", what, old, name))
		}
	}
	r.source[name] = old
	return name
}

// rename names the features of a program, and what the options say of them; valid
// makes names that the format accepts, nil where it accepts all.
func rename(p *mlprogram.Program, o *Options, valid func(string) string) (source map[string]string, notes []string, err error) {
	if valid == nil {
		valid = func(name string) string { return name }
	}
	r := &renamer{wanted: o.Rename, valid: valid, used: map[string]bool{}, source: map[string]string{}}
	to := map[string]string{}
	for _, f := range p.Funcs {
		taken := map[string]bool{}
		give := func(name *string, what string) {
			old := *name
			*name = r.name(old, what)
			to[old] = *name
			if taken[*name] && r.err == nil {
				r.err = fault.New(fault.BadValue, fmt.Sprintf("%s %q", what, old), "another feature is named %s, too", *name)
			}
			taken[*name] = true
		}
		for i, v := range f.Body.Outputs {
			if in := handedOn(f, v); in != nil {
				f.Body.Outputs[i] = in
			}
		}
		for _, v := range f.Inputs {
			give(&v.Name, "input")
		}
		c := p.Classifier
		if c != nil {
			if c.LabelName == "" {
				c.LabelName = "classLabel"
			}
			if c.ProbabilitiesName == "" {
				c.ProbabilitiesName = c.LabelName + "_probs"
			}
			give(&c.LabelName, "output")
			give(&c.ProbabilitiesName, "output")
		}
		for i, v := range f.Body.Outputs {
			if (c == nil || i != c.Probabilities) && !slices.Contains(f.Inputs, v) {
				give(&v.Name, "output")
			}
		}
	}
	for _, old := range slices.Sorted(maps.Keys(o.Rename)) {
		later := o.Labels != nil && (old == edit.LabelName || old == edit.ProbabilitiesName) // see dress
		if !r.used[old] && !later && r.err == nil {
			r.err = fault.New(fault.BadValue, "", "rename %s: there is no such input or output", old)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(o.Shapes)) {
		if !slices.ContainsFunc(p.Funcs[0].Inputs, func(v *mil.Value) bool { return v.Name == to[name] }) && r.err == nil {
			r.err = fault.New(fault.BadValue, fmt.Sprintf("input %q", name), "the model has no such input to give a shape to")
		}
	}
	for old := range r.used {
		o.Rename = maps.Clone(o.Rename)
		delete(o.Rename, old)
	}
	o.ImageInputs, o.ImageOutputs, o.Shapes = renamed(o.ImageInputs, to), renamed(o.ImageOutputs, to), renamed(o.Shapes, to)
	p.Description = describedAs(p.Description, to)
	slices.Sort(r.notes)
	return r.source, slices.Compact(r.notes), r.err
}

// handedOn returns the input that an output of the same name is, or nil.
func handedOn(f *mil.Func, v *mil.Value) *mil.Value {
	for _, in := range f.Inputs {
		if in == v || in.Name == v.Name && v.Node != nil && v.Node.Op == "identity" && v.Node.Input("x") == in {
			return in
		}
	}
	return nil
}

func renamed[T any](m map[string]T, to map[string]string) map[string]T {
	out := make(map[string]T, len(m))
	for name, v := range m {
		if n, ok := to[name]; ok {
			name = n
		}
		out[name] = v
	}
	return out
}

func describedAs(d *spec.ModelDescription, to map[string]string) *spec.ModelDescription {
	if d == nil {
		return nil
	}
	d = proto.CloneOf(d)
	change := func(lists ...[]*spec.FeatureDescription) {
		for _, fs := range lists {
			for _, f := range fs {
				if name, ok := to[f.GetName()]; ok {
					f.SetName(name)
				}
			}
		}
	}
	change(d.GetInput(), d.GetOutput(), d.GetState())
	for _, f := range d.GetFunctions() {
		change(f.GetInput(), f.GetOutput(), f.GetState())
	}
	if name, ok := to[d.GetPredictedFeatureName()]; ok {
		d.SetPredictedFeatureName(name)
	}
	return d
}
