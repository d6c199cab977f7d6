package edit

import (
	"fmt"
	"maps"
	"slices"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/internal/backend/mlprogram"
	"github.com/smelt-ml/smelt/internal/engine"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// Stretch gives inputs and outputs of a document the shapes that are wanted, for
// whoever runs it without a file. It runs nothing, but what cannot work at all of
// the shapes is an error, which leaves the document half changed.
func Stretch(doc *mlmodel.Model, want map[string]mlmodel.Shapes) error {
	e := &editor{doc: doc, checks: true}
	if err := known(doc.Spec(), &Options{Flexible: want}); err != nil {
		return err
	}
	return e.flexible(want)
}

// flexible gives features the shapes that are wanted. What the outputs have then
// follows from the inputs, unless it is among what is wanted.
func (e *editor) flexible(want map[string]mlmodel.Shapes) error {
	if len(want) == 0 {
		return nil
	}
	s := e.doc.Spec()
	given, said := map[string]mlmodel.Shapes{}, map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		for _, side := range sidesOf(s, name) {
			parts := owners(s, side, name)
			if len(parts) == 0 || side > output {
				continue
			}
			resolved, err := resolve(parts[0], want[name])
			if err != nil {
				return err
			}
			if side == input {
				given[name] = resolved
				continue
			}
			said[name] = true
			for _, p := range parts {
				mlmodel.SetShapes(p.feature, like(resolved, p.feature))
			}
		}
	}
	_, err := e.flow(s, given, said, 0)
	return err
}

// fix takes its flexibility from a feature: it keeps its default shape.
func (e *editor) fix(name string) error {
	s := e.doc.Spec()
	inputs := map[string]mlmodel.Shapes{}
	for _, side := range sidesOf(s, name) {
		for _, p := range owners(s, side, name) {
			if side > output || p.feature.GetType().GetImageType() == nil && p.feature.GetType().GetMultiArrayType() == nil {
				continue
			}
			shapes := mlmodel.ShapesOf(p.feature)
			if len(shapes.Enumerated) == 0 && len(shapes.Ranges) == 0 {
				continue
			}
			mlmodel.SetShapes(p.feature, mlmodel.Shapes{Default: shapes.Default})
			if side == input {
				inputs[name] = mlmodel.Shapes{Default: shapes.Default}
			}
		}
	}
	if len(inputs) == 0 {
		return nil
	}
	_, err := e.flow(s, inputs, map[string]bool{}, 0)
	return err
}

// resolve fills in what the wanted shapes leave open: the default stays what it
// is where that is allowed, and is one of the shapes enumerated.
func resolve(p part, want mlmodel.Shapes) (mlmodel.Shapes, error) {
	now := mlmodel.ShapesOf(p.feature)
	picture := isPicture(p.feature)
	if !picture && p.feature.GetType().GetMultiArrayType() == nil {
		return want, p.fail(fault.BadValue, "of type %s has no shape", typeText(p.feature))
	}
	rank := len(now.Default)
	full := func(shape []int) ([]int, error) {
		if picture && len(shape) >= 2 {
			shape = append(slices.Clone(now.Default[:rank-2]), shape[len(shape)-2:]...)
		}
		if rank > 0 && len(shape) != rank || len(shape) == 0 {
			return nil, p.fail(fault.BadShape, "the shape %s has not the rank of %s", tensor.FormatShape(shape), typeText(p.feature))
		}
		if _, err := tensor.CheckShape(shape); err != nil || slices.ContainsFunc(shape, func(n int) bool { return n < 1 }) {
			return nil, p.fail(fault.BadShape, "the shape %s", tensor.FormatShape(shape))
		}
		return slices.Clone(shape), nil
	}
	out := mlmodel.Shapes{Default: now.Default}
	var err error
	switch {
	case len(want.Enumerated) > 0:
		for _, shape := range want.Enumerated {
			if shape, err = full(shape); err != nil {
				return out, err
			}
			if !slices.ContainsFunc(out.Enumerated, func(e []int) bool { return slices.Equal(e, shape) }) {
				out.Enumerated = append(out.Enumerated, shape)
			}
		}
		if want.Default != nil || rank == 0 {
			first := want.Default
			if first == nil {
				first = want.Enumerated[0]
			}
			if out.Default, err = full(first); err != nil {
				return out, err
			}
		}
		// The default stands first among the shapes of an array. That of a
		// picture stands where it is, or last.
		i := slices.IndexFunc(out.Enumerated, func(e []int) bool { return slices.Equal(e, out.Default) })
		switch {
		case !picture && i > 0:
			out.Enumerated = slices.Delete(out.Enumerated, i, i+1)
			fallthrough
		case !picture && i < 0:
			out.Enumerated = slices.Insert(out.Enumerated, 0, out.Default)
		case i < 0:
			out.Enumerated = append(out.Enumerated, out.Default)
		}
	case len(want.Ranges) > 0:
		ranges := want.Ranges
		if picture && len(ranges) >= 2 {
			c := int64(now.Default[0])
			ranges = append([]mlmodel.Range{{Min: c, Max: c}}, ranges[len(ranges)-2:]...)
		}
		low := make([]int, len(ranges))
		for i, r := range ranges {
			low[i] = int(r.Min)
			if r.Min < 1 || r.Max >= 0 && r.Max < r.Min {
				return out, p.fail(fault.BadShape, "the range %s", r)
			}
		}
		if low, err = full(low); err != nil {
			return out, err
		}
		if want.Default != nil {
			if out.Default, err = full(want.Default); err != nil {
				return out, err
			}
		}
		if out.Default == nil {
			out.Default = low
		}
		out.Default = slices.Clone(out.Default)
		for i, r := range ranges {
			out.Default[i] = max(out.Default[i], int(r.Min))
			if r.Max >= 0 {
				out.Default[i] = min(out.Default[i], int(r.Max))
			}
		}
		out.Ranges = slices.Clone(ranges)
	default:
		out.Default, err = full(want.Default)
	}
	return out, err
}

// flow gives the inputs of a model, or of the models in a pipeline, the shapes
// that are given, and the outputs those that follow, unless they are said
// already. It returns the latter.
func (e *editor) flow(m *spec.Model, given map[string]mlmodel.Shapes, said map[string]bool, depth int) (map[string]mlmodel.Shapes, error) {
	if depth > maxNesting {
		return nil, fault.New(fault.Limit, "", "pipelines are nested more than %d deep", maxNesting)
	}
	known := map[string]mlmodel.Shapes{}
	made := map[string]mlmodel.Shapes{}
	if of := stagesOf(m); of != nil {
		for _, d := range m.GetDescription().GetInput() {
			if s, ok := given[d.GetName()]; ok {
				mlmodel.SetShapes(d, like(s, d))
				known[d.GetName()] = s
			}
		}
		for _, stage := range of.GetModels() {
			out, err := e.flow(stage, known, said, depth+1)
			if err != nil {
				return nil, err
			}
			for _, d := range stage.GetDescription().GetOutput() {
				delete(known, d.GetName())
				if s, ok := out[d.GetName()]; ok {
					known[d.GetName()] = s
				}
			}
		}
		for _, d := range m.GetDescription().GetOutput() {
			if s, ok := known[d.GetName()]; ok {
				made[d.GetName()] = s
				if !said[d.GetName()] {
					follow(d, s)
				}
			}
		}
		return made, nil
	}
	for _, p := range faces(m) {
		taken := map[string]mlmodel.Shapes{}
		for _, d := range p.face.GetInput() {
			if s, ok := given[d.GetName()]; ok {
				taken[d.GetName()] = s
			}
		}
		if len(taken) == 0 {
			continue
		}
		out, err := e.stretch(p, taken, said)
		if err != nil {
			return nil, err
		}
		maps.Copy(made, out)
	}
	return made, nil
}

// like gives shapes the rank of a feature: a picture has no batch.
func like(s mlmodel.Shapes, d *spec.FeatureDescription) mlmodel.Shapes {
	rank := len(mlmodel.ShapesOf(d).Default)
	if rank == 0 || rank == len(s.Default) {
		return s
	}
	out := mlmodel.Shapes{Default: ranked(s.Default, rank)}
	for _, e := range s.Enumerated {
		out.Enumerated = append(out.Enumerated, ranked(e, rank))
	}
	if n := len(s.Ranges) - rank; n > 0 {
		out.Ranges = s.Ranges[n:]
	} else if s.Ranges != nil {
		out.Ranges = append(slices.Repeat([]mlmodel.Range{{Min: 1, Max: 1}}, -n), s.Ranges...)
	}
	return out
}

// stretch gives inputs of a network, or of a function of an ML Program, other
// shapes. It returns those of the outputs that change.
func (e *editor) stretch(p part, given map[string]mlmodel.Shapes, said map[string]bool) (map[string]mlmodel.Shapes, error) {
	if networkOf(p.model) == nil && p.function == nil {
		return nil, fault.New(fault.Unsupported, "", "a %s takes inputs of one shape only", kindOf(p.model))
	}
	before := pointsOf(p.face.GetInput())[0]
	for name, s := range given {
		d := find(p.face.GetInput(), name)
		s = like(s, d)
		mlmodel.SetShapes(d, s)
		if p.function == nil {
			continue
		}
		v := functionOf(p.function).input(name)
		t, err := mlTensor(v.GetType().GetTensorType())
		if err != nil {
			return nil, fault.New(fault.Unsupported, fmt.Sprintf("input %q", name), "%w", err)
		}
		if open := ranked(s.Open(), t.Rank()); !t.AnyRank && len(open) == t.Rank() && !slices.Equal(open, t.Shape) {
			t.Shape = open
			v.SetType(mlprogram.TypeOf(t))
		}
	}
	all := pointsOf(p.face.GetInput())
	types, err := e.typesAt(p, before, all, slices.Sorted(maps.Keys(given)))
	if err != nil {
		return nil, err
	}
	made := map[string]mlmodel.Shapes{}
	for _, d := range p.face.GetOutput() {
		var of []mil.Type
		for i := range types {
			if t, ok := types[i][d.GetName()]; ok {
				of = append(of, t)
			}
		}
		if d.GetType().GetImageType() == nil && d.GetType().GetMultiArrayType() == nil || types != nil && len(of) < len(all) {
			continue // a label, or probabilities
		}
		s, known := mlmodel.Shapes{}, false
		if types != nil {
			s, known = outputShapes(all, of, p.face.GetInput())
		}
		if known {
			made[d.GetName()] = s
		}
		if !said[d.GetName()] {
			follow(d, s)
		}
	}
	if p.function != nil {
		if err := e.retypeValues(p); err != nil && e.checks {
			return nil, err
		}
	}
	return made, nil
}

// typesAt tells the types of the outputs at all points, nil where nobody wants to
// know, or nobody can tell: not even at the shapes before, which should work.
func (e *editor) typesAt(p part, before Point, all []Point, flexible []string) ([]map[string]mil.Type, error) {
	probe, err := e.prober(p)
	if err != nil {
		return nil, err
	}
	types := make([]map[string]mil.Type, len(all))
	for i, at := range all {
		if types[i], err = probe(at.At); err != nil && (!e.checks || !works(probe, before)) {
			return nil, nil
		}
		if err != nil {
			hint := suggest(probe, p.face.GetInput(), flexible)
			return nil, fault.New(fault.BadShape, "", "with input %s (%s): %w; %s", at.At.text(flexible), at.Name, err, hint)
		}
	}
	return types, nil
}

func works(probe prober, p Point) bool {
	_, err := probe(p.At)
	return err == nil
}

// outputShapes are those of an output whose types at all points are given: as
// many enumerated as those of the inputs, or between the least and the greatest.
func outputShapes(all []Point, types []mil.Type, inputs []*spec.FeatureDescription) (s mlmodel.Shapes, known bool) {
	endless := false
	for _, d := range inputs {
		endless = endless || slices.ContainsFunc(mlmodel.ShapesOf(d).Ranges, func(r mlmodel.Range) bool { return r.Max < 0 })
	}
	rank := types[0].Rank()
	for i, t := range types {
		if !t.IsStatic() || t.Rank() != rank {
			return mlmodel.Shapes{}, false
		}
		switch {
		case i == 0:
			s.Default = t.Shape
			for _, n := range t.Shape {
				s.Ranges = append(s.Ranges, mlmodel.Range{Min: int64(n), Max: int64(n)})
			}
		case all[i].Name == "enumerated":
			s.Enumerated = append(s.Enumerated, t.Shape)
		}
		for j, n := range t.Shape {
			s.Ranges[j] = mlmodel.Range{Min: min(s.Ranges[j].Min, int64(n)), Max: max(s.Ranges[j].Max, int64(n))}
		}
	}
	if s.Enumerated != nil {
		s.Enumerated = append([][]int{s.Default}, s.Enumerated...)
		s.Ranges = nil
		return s, true
	}
	for j, r := range s.Ranges {
		if endless && r.Min != r.Max {
			s.Ranges[j].Max = -1
		}
	}
	if !s.Flexible() {
		s.Ranges = nil
	}
	return s, true
}

// follow describes an output whose shapes follow from those of the inputs. An
// array that changes says nothing of its shape then, as conversions have it.
func follow(d *spec.FeatureDescription, s mlmodel.Shapes) {
	a := d.GetType().GetMultiArrayType()
	now := mlmodel.ShapesOf(d)
	switch {
	case a == nil && s.Default == nil: // a picture of some size
		mlmodel.SetShapes(d, mlmodel.Shapes{Default: []int{1, 1}, Ranges: []mlmodel.Range{{Min: 1, Max: -1}, {Min: 1, Max: -1}}})
	case a == nil:
		sizes := like(s, d)
		unique := sizes.Enumerated[:0:0]
		for _, one := range sizes.Enumerated {
			if !slices.ContainsFunc(unique, func(u []int) bool { return slices.Equal(u, one) }) {
				unique = append(unique, one)
			}
		}
		if sizes.Enumerated = unique; len(unique) == 1 {
			sizes.Enumerated = nil
		}
		if !sizes.Flexible() {
			sizes = mlmodel.Shapes{Default: sizes.Default}
		}
		mlmodel.SetShapes(d, sizes)
	case s.Flexible() || s.Default == nil:
		a.SetShape(nil)
		a.ClearShapeFlexibility()
	case len(now.Default) == 0 && !now.Flexible():
		// Nothing was said, and nothing need be.
	case tensor.Size(now.Default) != tensor.Size(s.Default) || now.Flexible():
		mlmodel.SetShapes(d, mlmodel.Shapes{Default: s.Default})
	}
}

// retypeValues gives the values of a function the types that follow from those
// of its inputs.
func (e *editor) retypeValues(p part) error {
	f, expanded, err := e.read(p)
	if err != nil {
		return err
	}
	at := Shapes{}
	for _, d := range p.face.GetInput() {
		at[d.GetName()] = mlmodel.ShapesOf(d).Open()
	}
	typed, err := engine.InferTypes(expanded, argumentTypes(expanded, at))
	if err != nil {
		return err
	}
	block := p.function.GetBlockSpecializations()[p.function.GetOpset()]
	return restate(block, f.Body, typed.Body, 0)
}

// restate writes the types of values that have changed. Both blocks of the
// program come from that of the file: the constants and the labels, which are no
// nodes, apart, all stand in one order.
func restate(b *spec.Block, was, is *mil.Block, depth int) error {
	if depth > 100 {
		return fault.New(fault.Limit, "", "blocks are nested too deep")
	}
	set := func(vs []*spec.NamedValueType, was, is []*mil.Value) {
		for i, v := range vs {
			if t := is[i].Type; !t.Equal(was[i].Type) && !sameOpen(t, was[i].Type) {
				v.SetType(mlprogram.TypeOf(t))
			}
		}
	}
	set(b.GetInputs(), was.Inputs, is.Inputs)
	i := 0
	for _, o := range b.GetOperations() {
		if o.GetType() == "const" || o.GetType() == "classify" {
			continue
		}
		set(o.GetOutputs(), was.Nodes[i].Outputs, is.Nodes[i].Outputs)
		for j, nested := range o.GetBlocks() {
			if err := restate(nested, was.Nodes[i].Blocks[j], is.Nodes[i].Blocks[j], depth+1); err != nil {
				return err
			}
		}
		i++
	}
	return nil
}

// sameOpen tells types that a file writes in the same way: unknown dimensions
// have no names there.
func sameOpen(a, b mil.Type) bool {
	if a.Kind != mil.Tensor || b.Kind != mil.Tensor {
		return true // their contents keep the types that they have
	}
	return a.DType == b.DType && a.AnyRank == b.AnyRank && slices.EqualFunc(a.Shape, b.Shape, func(x, y int) bool { return x == y || x < 0 && y < 0 })
}
