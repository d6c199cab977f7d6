// Package edit changes models that exist: names, types and shapes of what they
// take and give, labels, metadata. It edits the document, never a program
// derived from it: what an edit does not concern is written back byte for byte.
// Programs are only derived to see what an edit means for inner values, and to
// run the result. Where a model comes from, and how its weights are stored, is no
// business of this room.
package edit

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// Color is a picture's order of colours.
type Color = spec.ImageFeatureType_ColorSpace

// Options says what to change. Features are called by the names that they have
// in the file; the zero value changes nothing.
type Options struct {
	// Rename gives inputs, outputs and states other names, all at once: names
	// can be exchanged.
	Rename map[string]string
	// ImageInputs are arrays that become pictures, ArrayInputs pictures that
	// become arrays: of what the model computes on, their scaling being gone.
	ImageInputs map[string]Image
	ArrayInputs []string
	// ImageOutputs are arrays that become pictures, ArrayOutputs the reverse.
	ImageOutputs map[string]Color
	ArrayOutputs []string
	// DTypes are element types of arrays: Float16, Float32, Float64 or Int32.
	DTypes map[string]tensor.DType
	// Flexible are shapes that features may have. Of pictures the last two
	// dimensions count: height and width. Where Default is nil the feature keeps
	// its own. Fixed features have their default shape only.
	Flexible map[string]mlmodel.Shapes
	Fixed    []string
	// Labels make a classifier of a network, or replace the labels of any.
	Labels []string
	// Descriptions of features.
	Descriptions map[string]string
	Metadata     Metadata
	// Minimize lowers the specification version to the least that has all that
	// the model uses.
	Minimize bool
	// Verify runs the result, at all sizes that it may have or at the ends of
	// their ranges; nil leaves that out.
	Verify *Verify
}

// Image makes a picture of an array input: the model sees pixel·Scale +
// Bias[channel], for pixels from 0 to 255, channels in the order of Color.
type Image struct {
	Color Color
	Scale float32   // 0 is 1
	Bias  []float32 // one for all channels or one for each; nil is 0
}

// Metadata is what to say about the model. What is nil stays as it is.
type Metadata struct {
	ShortDescription, Author, License, Version *string
	// UserDefined are entries to add or to replace, Remove those to leave out.
	UserDefined map[string]string
	Remove      []string
}

// Report tells what was done.
type Report struct {
	Type        string   `json:"type"`
	SpecVersion int32    `json:"spec_version"`
	System      string   `json:"system"`
	Changes     []Change `json:"changes"`
	Checks      []Check  `json:"checks"`
}

// Change is one difference between the model as it was and as it is.
type Change struct {
	// Kind is "name", "type", "scaling", "description", "labels", "metadata",
	// "feature" or "spec_version".
	Kind string `json:"kind"`
	// Feature is the input or output by its name as it is now, or the entry of
	// the metadata.
	Feature string `json:"feature"`
	Before  string `json:"before"`
	After   string `json:"after"`
}

// editor is one call of Apply.
type editor struct {
	doc     *mlmodel.Model
	checks  bool // what cannot work is an error
	scaling []Change
}

// Apply edits a document. If it fails the document is as it was, but messages
// of its spec that somebody holds are no longer part of it.
func Apply(ctx context.Context, doc *mlmodel.Model, o Options) (*Report, error) {
	s := doc.Spec()
	before := proto.CloneOf(s)
	need := versions(doc)
	e := &editor{doc: doc, checks: o.Verify != nil}
	r := &Report{Checks: []Check{}}
	err := e.apply(&o)
	if err == nil {
		e.raise(need, o.Minimize)
		for i, c := range e.scaling {
			if name, ok := o.Rename[c.Feature]; ok {
				e.scaling[i].Feature = name
			}
		}
		r.Changes = append(differences(before, s, o.Rename), e.scaling...)
		if o.Verify != nil && (len(r.Changes) > 0 || len(o.Flexible) > 0) {
			r.Checks, err = e.verify(ctx, before, &o)
		}
	}
	if err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		restore(s, before)
		return nil, fault.InFile(err, doc.Path())
	}
	r.Type, r.SpecVersion = doc.Kind(), s.GetSpecificationVersion()
	r.System = mlmodel.SystemOf(r.SpecVersion)
	return r, nil
}

func restore(s, before *spec.Model) {
	proto.Reset(s)
	proto.Merge(s, before)
}

// apply makes all edits, those of names last: until then every feature has the
// name that the caller knows.
func (e *editor) apply(o *Options) error {
	s := e.doc.Spec()
	if err := known(s, o); err != nil {
		return err
	}
	for _, name := range o.Fixed {
		if err := e.fix(name); err != nil {
			return err
		}
	}
	for _, name := range o.ArrayInputs {
		if err := e.each(input, name, e.arrayInput); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(o.ImageInputs)) {
		image := o.ImageInputs[name]
		if err := e.each(input, name, func(p part) error { return e.imageInput(p, image) }); err != nil {
			return err
		}
	}
	for _, name := range o.ArrayOutputs {
		if err := e.each(output, name, e.arrayOutput); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(o.ImageOutputs)) {
		color := o.ImageOutputs[name]
		if err := e.each(output, name, func(p part) error { return e.imageOutput(p, color) }); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(o.DTypes)) {
		for _, side := range sidesOf(s, name) {
			if err := e.each(side, name, func(p part) error { return e.elementType(p, o.DTypes[name]) }); err != nil {
				return err
			}
		}
	}
	if err := e.flexible(o.Flexible); err != nil {
		return err
	}
	if o.Labels != nil {
		if err := e.label(o.Labels); err != nil {
			return err
		}
	}
	for name, text := range o.Descriptions {
		for _, d := range described(s, name) {
			d.SetShortDescription(text)
		}
	}
	o.Metadata.set(e.doc)
	return rename(s, o.Rename)
}

// known wants every feature that the options name.
func known(s *spec.Model, o *Options) error {
	var err error
	check := func(what, name string, sides ...side) {
		for _, have := range sidesOf(s, name) {
			if slices.Contains(sides, have) {
				return
			}
		}
		if err == nil {
			err = fault.New(fault.BadValue, fmt.Sprintf("%s %q", what, name), "the model has no such %s, only %s", what, strings.Join(names(s, sides...), ", "))
		}
	}
	both := []side{input, output}
	for _, name := range slices.Sorted(maps.Keys(o.ImageInputs)) {
		check("input", name, input)
		if slices.Contains(o.ArrayInputs, name) {
			return fault.New(fault.BadValue, fmt.Sprintf("input %q", name), "is to become a picture and an array")
		}
	}
	for _, name := range o.ArrayInputs {
		check("input", name, input)
	}
	for _, name := range slices.Sorted(maps.Keys(o.ImageOutputs)) {
		check("output", name, output)
		if slices.Contains(o.ArrayOutputs, name) {
			return fault.New(fault.BadValue, fmt.Sprintf("output %q", name), "is to become a picture and an array")
		}
	}
	for _, name := range o.ArrayOutputs {
		check("output", name, output)
	}
	for _, name := range slices.Sorted(maps.Keys(o.DTypes)) {
		check("input or output", name, both...)
	}
	for _, name := range slices.Sorted(maps.Keys(o.Flexible)) {
		check("input or output", name, both...)
		if slices.Contains(o.Fixed, name) {
			return fault.New(fault.BadValue, fmt.Sprintf("feature %q", name), "is to become flexible and fixed")
		}
	}
	for _, name := range o.Fixed {
		check("input or output", name, both...)
	}
	for _, name := range slices.Sorted(maps.Keys(o.Descriptions)) {
		check("feature", name, input, output, state, training)
	}
	for _, name := range slices.Sorted(maps.Keys(o.Rename)) {
		check("feature", name, input, output, state, training)
	}
	return err
}

// set replaces metadata.
func (m *Metadata) set(doc *mlmodel.Model) {
	old := doc.Metadata()
	now := old
	now.UserDefined = maps.Clone(old.UserDefined)
	for _, f := range []struct {
		to   *string
		from *string
	}{{&now.ShortDescription, m.ShortDescription}, {&now.Author, m.Author}, {&now.License, m.License}, {&now.Version, m.Version}} {
		if f.from != nil {
			*f.to = *f.from
		}
	}
	for key, value := range m.UserDefined {
		if now.UserDefined == nil {
			now.UserDefined = map[string]string{}
		}
		now.UserDefined[key] = value
	}
	for _, key := range m.Remove {
		delete(now.UserDefined, key)
	}
	if !same(old, now) {
		doc.SetMetadata(now)
	}
}

func same(a, b mlmodel.Metadata) bool {
	return a.ShortDescription == b.ShortDescription && a.Author == b.Author && a.License == b.License && a.Version == b.Version &&
		maps.Equal(a.UserDefined, b.UserDefined)
}

// versions are what the models of a document need: its own, and those of the
// models in a pipeline.
func versions(doc *mlmodel.Model) []int32 {
	var out []int32
	for path, m := range mlmodel.Models(doc.Spec()) {
		if path == "" && len(out) == 0 {
			out = append(out, doc.RequiredVersion())
			continue
		}
		out = append(out, mlmodel.New(m).RequiredVersion())
	}
	return out
}

// raise gives each model the version that it needs, if it needs a later one
// than before.
func (e *editor) raise(before []int32, minimize bool) {
	i := 0
	now := versions(e.doc)
	for _, m := range mlmodel.Models(e.doc.Spec()) {
		v := m.GetSpecificationVersion()
		if now[i] > before[i] {
			v = max(v, now[i])
		}
		if minimize {
			v = min(v, max(now[0], mlmodel.IOS11))
		}
		if minimize && i == 0 {
			v = now[0]
		}
		if v != m.GetSpecificationVersion() {
			m.SetSpecificationVersion(v)
		}
		i++
	}
}
