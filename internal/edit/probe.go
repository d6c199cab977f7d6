package edit

import (
	"fmt"
	"slices"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/internal/engine"
	"github.com/smelt-ml/smelt/internal/frontend/coreml"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// Shapes are those of inputs by their names, at one prediction.
type Shapes map[string][]int

// prober tells the types of the outputs that a network has for inputs of given
// shapes, without computing them. An error names what cannot work on such
// inputs.
type prober func(at Shapes) (map[string]mil.Type, error)

// prober returns the prober of a network, or of a function of an ML Program.
func (e *editor) prober(p part) (prober, error) {
	if networkOf(p.model) != nil {
		return func(at Shapes) (map[string]mil.Type, error) {
			var inputs []coreml.Input
			for _, d := range p.face.GetInput() {
				in, err := coreml.InputOf(d, at[d.GetName()])
				if err != nil {
					return nil, fault.New(fault.KindOf(err), fmt.Sprintf("input %q", d.GetName()), "%w", err)
				}
				inputs = append(inputs, in)
			}
			net, err := coreml.LowerNetwork(p.model, inputs, e.doc.Weights)
			if err != nil {
				return nil, err
			}
			return outputTypes(net.Func), nil
		}, nil
	}
	_, f, err := e.read(p)
	if err != nil {
		return nil, err
	}
	return func(at Shapes) (map[string]mil.Type, error) {
		typed, err := engine.InferTypes(f, argumentTypes(f, at))
		if err != nil {
			return nil, err
		}
		return outputTypes(typed), nil
	}, nil
}

// read reads the function of an ML Program as it stands in the document now,
// and expands its constants.
func (e *editor) read(p part) (f, expanded *mil.Func, err error) {
	m := p.model.GetMlProgram()
	for _, name := range functionNames(p.model) {
		if m.GetFunctions()[name] == p.function && p.function != nil {
			net, err := coreml.ReadProgram(m, name, e.doc.Blob)
			if err != nil {
				return nil, nil, err
			}
			expanded, err := engine.Expand(net.Func)
			return net.Func, expanded, err
		}
	}
	return nil, nil, fault.New(fault.Unsupported, "", "a %s has no shapes to choose: only networks and ML Programs do", kindOf(p.model))
}

func outputTypes(f *mil.Func) map[string]mil.Type {
	out := map[string]mil.Type{}
	for _, v := range f.Body.Outputs {
		out[v.Name] = v.Type
	}
	return out
}

// argumentTypes are the types of a function's inputs at those shapes. Pictures
// have a batch of 1 before them, scalars come as arrays of one.
func argumentTypes(f *mil.Func, at Shapes) []mil.Type {
	types := make([]mil.Type, len(f.Inputs))
	for i, v := range f.Inputs {
		types[i] = v.Type
		if shape, ok := at[v.Name]; ok && v.Type.Kind == mil.Tensor && !v.Type.AnyRank {
			types[i].Shape = ranked(shape, v.Type.Rank())
		}
	}
	return types
}

// ranked gives a shape another rank by dimensions of 1 at the front.
func ranked(shape []int, rank int) []int {
	for len(shape) < rank {
		shape = append([]int{1}, shape...)
	}
	for len(shape) > rank && shape[0] == 1 {
		shape = shape[1:]
	}
	return shape
}

// sizeOf returns the shape of an output at the default shapes of the inputs.
func (e *editor) sizeOf(p part) ([]int, error) {
	probe, err := e.prober(p)
	if err != nil {
		return nil, err
	}
	types, err := probe(pointsOf(p.face.GetInput())[0].At)
	if err != nil {
		return nil, err
	}
	t, ok := types[p.name()]
	if !ok || t.AnyRank {
		return nil, p.fail(fault.Unsupported, "nothing tells its size")
	}
	return t.Shape, nil
}

// Point is one set of shapes that a model is looked at with.
type Point struct {
	Name string // "default", "enumerated", "least", "greatest" or "between"
	At   Shapes
}

// Points are those that tell whether a model works at all shapes that its
// inputs may have: the default, all enumerated ones, the ends of ranges and
// something odd between them. Inputs that are enumerated take their shapes in
// step. What has no upper end is tried at twice the default.
func Points(inputs []mlmodel.Feature) []Point {
	all := []Point{{"default", Shapes{}}}
	rows, ranged := 0, false
	allowed := map[string]mlmodel.Shapes{}
	for _, f := range inputs {
		s := f.Shapes()
		allowed[f.Name] = s
		all[0].At[f.Name] = s.Default
		rows = max(rows, len(s.Enumerated))
		ranged = ranged || s.Flexible() && len(s.Ranges) > 0
	}
	add := func(name string, of func(s mlmodel.Shapes) []int) {
		p := Point{name, Shapes{}}
		for input, s := range allowed {
			p.At[input] = of(s)
		}
		if !slices.ContainsFunc(all, func(q Point) bool { return equal(p.At, q.At) }) {
			all = append(all, p)
		}
	}
	for i := range rows {
		add("enumerated", func(s mlmodel.Shapes) []int {
			if i < len(s.Enumerated) {
				return s.Enumerated[i]
			}
			return s.Default
		})
	}
	if ranged {
		for i, name := range []string{"least", "greatest", "between"} {
			add(name, func(s mlmodel.Shapes) []int { return ofRange(s, i) })
		}
	}
	return all
}

// pointsOf are the points of inputs that are described.
func pointsOf(inputs []*spec.FeatureDescription) []Point {
	var features []mlmodel.Feature
	for _, d := range inputs {
		features = append(features, mlmodel.DescribeFeature(d))
	}
	return Points(features)
}

// Steps are points next to the least one, if there is such: what only works in
// steps of up to eight shows there.
func Steps(points []Point) []Point {
	var least, greatest Shapes
	for _, p := range points {
		switch p.Name {
		case "least":
			least = p.At
		case "greatest":
			greatest = p.At
		}
	}
	if greatest == nil {
		return nil
	}
	if least == nil { // it is the default
		least = points[0].At
	}
	var out []Point
	for by := 1; by < 8; by++ {
		p := Point{fmt.Sprintf("least and %d", by), Shapes{}}
		for name, shape := range least {
			p.At[name] = slices.Clone(shape)
			for i := range shape {
				p.At[name][i] = min(shape[i]+by, max(greatest[name][i], shape[i]))
			}
		}
		if !slices.ContainsFunc(append(points, out...), func(q Point) bool { return equal(p.At, q.At) }) {
			out = append(out, p)
		}
	}
	return out
}

func equal(a, b Shapes) bool {
	for name, shape := range a {
		if !slices.Equal(shape, b[name]) {
			return false
		}
	}
	return true
}

// ofRange returns the least (0), the greatest (1) or an odd shape between.
func ofRange(s mlmodel.Shapes, which int) []int {
	shape := slices.Clone(s.Default)
	open := 0
	for _, r := range s.Ranges {
		if r.Min != r.Max {
			open++
		}
	}
	seen := 0
	for i := range min(len(shape), len(s.Ranges)) {
		r := ends(s.Ranges[i], shape[i])
		if r[0] == r[1] {
			shape[i] = r[0]
			continue
		}
		seen++
		switch which {
		case 2:
			// Another fraction for each dimension, and odd: what only works at
			// equal or even sizes shows.
			n := r[0] + (r[1]-r[0])*seen/(open+1)
			if n%2 == 0 && n < r[1] {
				n++
			}
			shape[i] = n
		default:
			shape[i] = r[which]
		}
	}
	return shape
}

// ends are those of a range, the upper one being made up where there is none.
func ends(r mlmodel.Range, preset int) [2]int {
	high := int(r.Max)
	if r.Max < 0 {
		high = max(2*preset, int(r.Min))
	}
	return [2]int{int(max(r.Min, 1)), high}
}

// text writes shapes for people, those of the inputs named.
func (s Shapes) text(names []string) string {
	out := ""
	for i, name := range names {
		if i > 0 {
			out += ", "
		}
		out += fmt.Sprintf("%q at %s", name, tensor.FormatShape(s[name]))
	}
	return out
}
