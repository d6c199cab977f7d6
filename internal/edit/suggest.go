package edit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// axis is a dimension of an input that is to be flexible.
type axis struct {
	input  string
	index  int
	label  string // "height", "dimension 1"
	preset int
	least  int
	most   int
}

// suggest tells at which shapes a network works that does not at all those
// wanted: all multiples of a power of two, or each dimension by itself around
// its default.
func suggest(probe prober, inputs []*spec.FeatureDescription, wanted []string) string {
	preset := pointsOf(inputs)[0].At
	axes := axesOf(inputs, wanted)
	works := func(set func(a axis) int) bool {
		at := Shapes{}
		for name, shape := range preset {
			at[name] = slices.Clone(shape)
		}
		for _, a := range axes {
			at[a.input][a.index] = set(a)
		}
		_, err := probe(at)
		return err == nil
	}
	if len(axes) == 0 {
		return "it takes no other shape than " + tensor.FormatShape(preset[wanted[0]])
	}
	if s := multiples(axes, works); s != "" {
		return s
	}
	// interval is where the axes that move work, each at its own default more or
	// less a number of steps.
	interval := func(moves func(a axis) bool) (low, high int) {
		const most = 32 // steps to look at, either way
		at := func(by int) bool {
			return !slices.ContainsFunc(axes, func(a axis) bool { return moves(a) && (a.preset+by < a.least || a.preset+by > a.most) }) &&
				works(func(a axis) int {
					if moves(a) {
						return a.preset + by
					}
					return a.preset
				})
		}
		for low > -most && at(low-1) {
			low--
		}
		for high < most && at(high+1) {
			high++
		}
		return low, high
	}
	var free, bound []string
	if low, high := interval(func(axis) bool { return true }); low < high && len(axes) > 1 {
		for _, a := range axes {
			free = append(free, fmt.Sprintf("%s %d..%d", a.label, a.preset+low, a.preset+high))
		}
		return "what works: " + strings.Join(free, ", ") + ", together"
	}
	for _, one := range axes {
		low, high := interval(func(a axis) bool { return a == one })
		if low == high {
			bound = append(bound, fmt.Sprintf("%s %d", one.label, one.preset))
		} else {
			free = append(free, fmt.Sprintf("%s %d..%d", one.label, one.preset+low, one.preset+high))
		}
	}
	switch {
	case len(free) == 0:
		return "it only works at " + strings.Join(bound, " and ")
	case len(bound) == 0:
		return "what works, each by itself: " + strings.Join(free, ", ")
	}
	return "what works: " + strings.Join(free, ", ") + ", with " + strings.Join(bound, " and ")
}

func axesOf(inputs []*spec.FeatureDescription, wanted []string) []axis {
	var axes []axis
	for _, d := range inputs {
		if !slices.Contains(wanted, d.GetName()) {
			continue
		}
		s := mlmodel.ShapesOf(d)
		for i, n := range s.Open() {
			if n >= 0 {
				continue
			}
			a := axis{input: d.GetName(), index: i, preset: s.Default[i], least: s.Default[i], most: s.Default[i]}
			for _, e := range s.Enumerated {
				a.least, a.most = min(a.least, e[i]), max(a.most, e[i])
			}
			if i < len(s.Ranges) {
				r := ends(s.Ranges[i], a.preset)
				a.least, a.most = r[0], r[1]
			}
			a.label = fmt.Sprintf("dimension %d", i)
			if isPicture(d) {
				a.label = [...]string{"channels", "height", "width"}[i]
			}
			if len(wanted) > 1 {
				a.label = fmt.Sprintf("%s of %q", a.label, a.input)
			}
			axes = append(axes, a)
		}
	}
	return axes
}

// multiples looks for a power of two whose multiples all work.
func multiples(axes []axis, works func(set func(axis) int) bool) string {
	for step := 1; step <= 64; step *= 2 {
		// Of each dimension the multiple that is a fraction of its range.
		try := func(i, of int) bool {
			return works(func(a axis) int {
				low, high := (a.least+step-1)/step, a.most/step
				return max((low+(high-low)*i/of)*step, step)
			})
		}
		const parts = 7
		from := parts // the least fraction from which on all work
		for from >= 0 && try(from, parts) {
			from--
		}
		if from++; from > parts/2 {
			continue
		}
		var sizes []string
		for _, a := range axes {
			low, high := (a.least+step-1)/step, a.most/step
			sizes = append(sizes, fmt.Sprintf("%s %d..%d", a.label, max((low+(high-low)*from/parts)*step, step), high*step))
		}
		text := "what works: " + strings.Join(sizes, ", ")
		if step > 1 {
			text += fmt.Sprintf(" in multiples of %d, as enumerated sizes", step)
		}
		return text
	}
	return ""
}
