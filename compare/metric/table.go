package metric

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
)

// Table scores samples by several metrics and keeps the scores. Samples may be
// added in any order from several goroutines; what comes out is in the order
// of their numbers.
type Table struct {
	metrics []Metric
	mu      sync.Mutex
	rows    map[int]row
	labels  []string // of the last sample's classes
}

type row struct {
	name   string
	scores []Score // by metric
}

// Row is what the metrics, in the table's order, made of one sample.
type Row struct {
	Index  int      `json:"index"`
	Name   string   `json:"name"`
	Values []Number `json:"values"`
}

// Ranked is a sample with its figure by one metric.
type Ranked struct {
	Index int    `json:"index"`
	Name  string `json:"name"`
	Value Number `json:"value"`
}

// NewTable returns an empty table of metrics, whose names must differ.
func NewTable(metrics ...Metric) (*Table, error) {
	t := &Table{metrics: slices.Clone(metrics), rows: map[int]row{}}
	for i, m := range metrics {
		if t.find(m.Name()) < i {
			return nil, fmt.Errorf("two metrics are named %s", m.Name())
		}
	}
	return t, nil
}

func (t *Table) find(metric string) int {
	return slices.IndexFunc(t.metrics, func(m Metric) bool { return m.Name() == metric })
}

// Add scores the sample of number index by every metric. If one of them
// cannot, the sample is left out of the table and the error names both.
func (t *Table) Add(index int, want, got Sample) error {
	r := row{name: want.Name, scores: make([]Score, len(t.metrics))}
	t.mu.Lock()
	want.shared = &alignment{labels: t.labels}
	t.mu.Unlock()
	for i, m := range t.metrics {
		s, err := m.Score(want, got)
		if err != nil {
			return fmt.Errorf("sample %q: %s: %w", want.Name, m.Name(), err)
		}
		r.scores[i] = s
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.labels = want.shared.labels
	if _, ok := t.rows[index]; ok {
		return fmt.Errorf("sample %q: there is a sample %d already", want.Name, index)
	}
	t.rows[index] = r
	return nil
}

// Results reduces every metric over the samples added so far.
func (t *Table) Results() []Result {
	t.mu.Lock()
	defer t.mu.Unlock()
	order := t.order()
	results := make([]Result, len(t.metrics))
	for i, m := range t.metrics {
		scores := make([]Score, len(order))
		for j, index := range order {
			scores[j] = t.rows[index].scores[i]
		}
		results[i] = m.Reduce(scores)
	}
	return results
}

// order returns the samples' numbers; t.mu is held.
func (t *Table) order() []int { return slices.Sorted(maps.Keys(t.rows)) }

// Rows returns the scores of every sample.
func (t *Table) Rows() []Row {
	t.mu.Lock()
	defer t.mu.Unlock()
	rows := make([]Row, 0, len(t.rows))
	for _, index := range t.order() {
		r := Row{Index: index, Name: t.rows[index].name}
		for _, s := range t.rows[index].scores {
			r.Values = append(r.Values, Number(s.Value))
		}
		rows = append(rows, r)
	}
	return rows
}

// Worst returns the n samples that fare worst by the named metric, the worst
// first: undefined figures, then the bad ones. Equals keep their order.
func (t *Table) Worst(metric string, n int) ([]Ranked, error) {
	column := t.find(metric)
	if column < 0 {
		return nil, fmt.Errorf("no metric is named %q", metric)
	}
	higher := t.metrics[column].Reduce(nil).HigherIsBetter
	var all []Ranked
	for _, r := range t.Rows() {
		all = append(all, Ranked{r.Index, r.Name, r.Values[column]})
	}
	slices.SortStableFunc(all, func(a, b Ranked) int {
		x, y := float64(a.Value), float64(b.Value)
		if higher || math.IsNaN(x) || math.IsNaN(y) {
			return cmp.Compare(x, y) // has NaN first
		}
		return cmp.Compare(y, x)
	})
	return all[:min(max(n, 0), len(all))], nil
}
