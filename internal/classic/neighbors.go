package classic

import (
	"container/heap"
	"fmt"
	"math"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/mlmodel/spec"
)

// neighbors holds the samples that a new point is compared with.
type neighbors struct {
	columns
	width   int
	samples []float32 // a row of width values each
	of      []int     // the class of each sample
	k       int
	inverse bool // neighbours count by 1 / distance, the distance itself and not its square
}

// neighbor is a sample and the square of its distance.
type neighbor struct {
	sample   int
	distance float64
}

// nearest is a heap with the farthest neighbour on top; of two at the same
// distance that is the later sample.
type nearest []neighbor

func (n nearest) Len() int { return len(n) }
func (n nearest) Less(i, j int) bool {
	return n[i].distance > n[j].distance || n[i].distance == n[j].distance && n[i].sample > n[j].sample
}
func (n nearest) Swap(i, j int) { n[i], n[j] = n[j], n[i] }
func (n *nearest) Push(x any)   { *n = append(*n, x.(neighbor)) }
func (n *nearest) Pop() any {
	last := (*n)[len(*n)-1]
	*n = (*n)[:len(*n)-1]
	return last
}

// find returns the k samples that are nearest to x.
func (n *neighbors) find(x []float64) nearest {
	found := make(nearest, 0, n.k)
	for i := range n.of {
		var d float64
		for j, v := range n.samples[i*n.width : (i+1)*n.width] {
			diff := x[j] - float64(v)
			d += diff * diff
		}
		if d != d {
			d = math.Inf(1)
		}
		switch {
		case len(found) < n.k:
			heap.Push(&found, neighbor{i, d})
		case d < found[0].distance:
			found[0] = neighbor{i, d}
			heap.Fix(&found, 0)
		}
	}
	return found
}

// vote adds up the votes that the classes get from the neighbours.
func (n *neighbors) vote(found nearest, classes int) []float64 {
	votes := make([]float64, classes)
	exact := false
	for _, f := range found {
		exact = exact || f.distance == 0
	}
	for _, f := range found {
		switch class := n.of[f.sample]; {
		case !n.inverse:
			votes[class]++
		case !exact:
			votes[class] += 1 / math.Sqrt(f.distance)
		case f.distance == 0: // infinitely more than all others
			votes[class]++
		}
	}
	return votes
}

// nearestNeighbors gives the label with the most votes among the nearest
// samples, the least of those with equal votes. Probabilities are the shares of
// the votes.
func nearestNeighbors(s *spec.Model) (Func, error) {
	m := s.GetKNearestNeighborsClassifier()
	index := m.GetNearestNeighborsIndex()
	c, err := columnsOf(s.GetDescription().GetInput())
	if err != nil {
		return nil, err
	}
	n := &neighbors{columns: c, width: int(index.GetNumberOfDimensions()), inverse: m.HasInverseDistanceWeighting()}
	if n.width <= 0 {
		return nil, fault.New(fault.Corrupt, "numberOfDimensions", "is %d", n.width)
	}
	if err := n.fit(n.width); err != nil {
		return nil, err
	}
	for i, v := range index.GetFloatSamples() {
		if len(v.GetVector()) != n.width {
			return nil, fault.New(fault.BadShape, fmt.Sprintf("floatSamples[%d]", i), "want %d values, have %d", n.width, len(v.GetVector()))
		}
		n.samples = append(n.samples, v.GetVector()...)
	}
	samples := len(index.GetFloatSamples())
	all := labels{strings: m.GetStringClassLabels().GetVector(), ints: m.GetInt64ClassLabels().GetVector()}
	if all.len() != samples {
		return nil, fault.New(fault.Corrupt, "classLabels", "want one for each of %d samples, have %d", samples, all.len())
	}
	if samples == 0 {
		return onlyDefault(s.GetDescription(), m)
	}
	var names labels
	names, n.of = all.distinct()
	k := m.GetNumberOfNeighbors().GetDefaultValue()
	if k < 1 {
		return nil, fault.New(fault.Corrupt, "numberOfNeighbors", "is %d", k)
	}
	n.k = int(min(k, int64(samples)))
	out, err := classificationOf(s.GetDescription(), names)
	if err != nil {
		return nil, err
	}
	return func(in Features) (Features, error) {
		x, err := n.read(in, n.width)
		if err != nil {
			return nil, err
		}
		votes := n.vote(n.find(x), names.len())
		best := largest(votes)
		shares(votes)
		return out.answer(best, votes), nil
	}, nil
}

// onlyDefault answers for a classifier that has no samples.
func onlyDefault(d *spec.ModelDescription, m *spec.KNearestNeighborsClassifier) (Func, error) {
	var l labels
	switch {
	case m.HasDefaultStringLabel():
		l.strings = []string{m.GetDefaultStringLabel()}
	case m.HasDefaultInt64Label():
		l.ints = []int64{m.GetDefaultInt64Label()}
	default:
		return nil, fault.New(fault.Corrupt, "floatSamples", "there are no samples, and no default label")
	}
	c, err := classificationOf(d, l)
	if err != nil {
		return nil, err
	}
	return func(Features) (Features, error) { return c.answer(0, []float64{1}), nil }, nil
}
