package compare

import (
	"encoding/json"
	"math"

	"github.com/smelt-ml/smelt/compare/metric"
)

// Report is how one model compares with the reference.
type Report struct {
	Samples  int             // inputs that were compared
	Failures []Failure       // inputs that were not, and why
	Results  []metric.Result // of each metric
	Rows     []metric.Row    // each input's scores, by metric as in Results
	Worst    []metric.Ranked // the worst inputs by the metric WorstBy, the worst first
	WorstBy  string
	Seconds  float64 // of the whole comparison
	// PerSecond is the number of inputs per second, each answered by every
	// model.
	PerSecond float64
	// Sizes are the bytes of the reference and of the other model, where they
	// are known.
	Sizes []int64
}

// Failure is an input that was left out.
type Failure struct {
	Index int    `json:"index"`
	Name  string `json:"name"`
	Error string `json:"error"`
}

// Value returns the figure of a metric, and whether the report has it.
func (r *Report) Value(name string) (float64, bool) {
	for _, m := range r.Results {
		if m.Name == name {
			return float64(m.Value), true
		}
	}
	return 0, false
}

// MarshalJSON writes the metrics as an object from names to numbers. Figures
// that JSON cannot hold are null there; "infinite" then has their sign.
func (r *Report) MarshalJSON() ([]byte, error) {
	type ranked struct {
		metric.Ranked
		Metric string `json:"metric"`
	}
	out := struct {
		Samples   int                        `json:"samples"`
		Failed    int                        `json:"failed"`
		Failures  []Failure                  `json:"failures"`
		Metrics   map[string]metric.Number   `json:"metrics"`
		Infinite  map[string]string          `json:"infinite,omitempty"`
		Intervals map[string]metric.Interval `json:"intervals"`
		Worst     []ranked                   `json:"worst"`
		Seconds   float64                    `json:"seconds"`
		PerSecond float64                    `json:"images_per_second"`
		Sizes     []int64                    `json:"sizes,omitempty"`
	}{
		Samples: r.Samples, Failed: len(r.Failures), Failures: append([]Failure{}, r.Failures...),
		Metrics: map[string]metric.Number{}, Intervals: map[string]metric.Interval{}, Worst: []ranked{},
		Seconds: r.Seconds, PerSecond: r.PerSecond, Sizes: r.Sizes,
	}
	for _, m := range r.Results {
		out.Metrics[m.Name] = m.Value
		if m.Interval != nil {
			out.Intervals[m.Name] = *m.Interval
		}
		if math.IsInf(float64(m.Value), 0) {
			if out.Infinite == nil {
				out.Infinite = map[string]string{}
			}
			out.Infinite[m.Name] = "+"
			if m.Value < 0 {
				out.Infinite[m.Name] = "-"
			}
		}
	}
	for _, w := range r.Worst {
		out.Worst = append(out.Worst, ranked{w, r.WorstBy})
	}
	return json.Marshal(out)
}
