package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/smelt-ml/smelt/internal/engine"
)

// profileFlags say what is to be told of the steps of a run.
type profileFlags struct {
	table      bool
	trace, cpu string
}

func (p *profileFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVar(&p.table, "profile", false, "tell the time of each operator and layer")
	f.StringVar(&p.trace, "trace", "", "write a trace of all steps to this `FILE`, for chrome://tracing or Perfetto")
	f.StringVar(&p.cpu, "cpuprofile", "", "write a profile for go tool pprof to this `FILE`, with the labels op and layer")
}

func (p *profileFlags) any() bool { return p.table || p.trace != "" || p.cpu != "" }

// profiler collects the steps of measured runs.
type profiler struct {
	mu    sync.Mutex
	on    bool // not while the model warms up
	start time.Time
	spent map[*engine.Step]time.Duration
	steps []*engine.Step // in the order of the first run
	trace []traceEvent   // nil unless wanted
	lanes []time.Duration
}

// traceEvent is a step in the form of Chrome's trace events; times are microseconds.
type traceEvent struct {
	Name     string         `json:"name"`
	Category string         `json:"cat"`
	Phase    string         `json:"ph"`
	At       float64        `json:"ts"`
	Took     float64        `json:"dur"`
	Process  int            `json:"pid"`
	Thread   int            `json:"tid"`
	Args     map[string]any `json:"args"`
}

func microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// step is called as each step is done, by as many goroutines as predict.
func (p *profiler) step(s *engine.Step, start time.Time, took time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.on {
		return
	}
	if _, ok := p.spent[s]; !ok {
		p.steps = append(p.steps, s)
	}
	p.spent[s] += took
	if p.trace == nil {
		return
	}
	// Predictions side by side have no thread of their own to be told by: a
	// step takes the first lane that is free.
	at := start.Sub(p.start)
	lane := slices.IndexFunc(p.lanes, func(end time.Duration) bool { return end <= at })
	if lane < 0 {
		lane = len(p.lanes)
		p.lanes = append(p.lanes, 0)
	}
	p.lanes[lane] = at + took
	p.trace = append(p.trace, traceEvent{
		Name: s.Op, Category: kernelText(s.Kernel), Phase: "X", At: microseconds(at), Took: microseconds(took), Process: 1, Thread: lane + 1,
		Args: map[string]any{"layer": s.Name, "merged": strings.Join(s.Merged, " "), "flops": s.FLOPs, "bytes": s.Bytes},
	})
}

func kernelText(fast bool) string {
	if fast {
		return "kernel"
	}
	return "reference"
}

// begin starts to collect.
func (p *profiler) begin(trace bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.on, p.start, p.spent = true, time.Now(), map[*engine.Step]time.Duration{}
	if trace {
		p.trace = []traceEvent{}
	}
}

// writeTrace writes the file of --trace.
func (p *profiler) writeTrace(name string) error {
	b, err := json.Marshal(map[string]any{"traceEvents": p.trace, "displayTimeUnit": "ms"})
	if err != nil {
		return err
	}
	return os.WriteFile(name, b, 0o666)
}

// cost is what an operator or a layer took in one run.
type cost struct {
	Op        string   `json:"op"`
	Layer     string   `json:"layer,omitempty"`
	Merged    []string `json:"merged,omitempty"`
	Count     int      `json:"count"`
	Kernel    bool     `json:"kernel"` // false if some of it is reference evaluation
	MS        float64  `json:"ms"`
	Percent   float64  `json:"percent"` // of all steps
	GFLOPS    float64  `json:"gflops"`  // a second
	PeakShare float64  `json:"percent_of_peak"`
	GBytes    float64  `json:"gbytes_per_second"`

	flops, bytes int64
}

// profileReport tells where the time goes, by operator and by layer.
type profileReport struct {
	Peak   float64 `json:"peak_gflops"` // of these threads, as measured
	Ops    []*cost `json:"ops"`
	Layers []*cost `json:"layers"`
}

func (p *profiler) report(runs int, peak float64) *profileReport {
	r := &profileReport{Peak: peak / 1e9}
	byOp := map[string]*cost{}
	total := 0.0
	for _, s := range p.steps {
		layer := &cost{Op: s.Op, Layer: s.Name, Merged: s.Merged, Kernel: true}
		op := byOp[s.Op]
		if op == nil {
			op = &cost{Op: s.Op, Kernel: true}
			byOp[s.Op] = op
			r.Ops = append(r.Ops, op)
		}
		r.Layers = append(r.Layers, layer)
		ms := milliseconds(p.spent[s]) / float64(runs)
		total += ms
		for _, c := range []*cost{layer, op} {
			c.Count++
			c.MS += ms
			c.flops += s.FLOPs
			c.bytes += s.Bytes
			c.Kernel = c.Kernel && s.Kernel
		}
	}
	for _, c := range slices.Concat(r.Ops, r.Layers) {
		seconds := max(c.MS/1e3, 1e-9)
		c.Percent = 100 * c.MS / max(total, 1e-9)
		c.GFLOPS, c.GBytes = float64(c.flops)/1e9/seconds, float64(c.bytes)/1e9/seconds
		c.PeakShare = 100 * c.GFLOPS / max(r.Peak, 1e-9)
	}
	slices.SortStableFunc(r.Ops, func(a, b *cost) int { return cmp.Compare(b.MS, a.MS) })
	return r
}

// write prints the operators and the layers that take longest.
func (r *profileReport) write(w io.Writer) {
	const most = 20
	fmt.Fprintf(w, "peak\t%.1f GFLOP/s, measured\n\n", r.Peak)
	fmt.Fprintf(w, "operator\tsteps\tms\t%%\tGFLOP/s\t%% of peak\tGB/s\t\n")
	for _, c := range r.Ops {
		c.write(w, c.Op, fmt.Sprint(c.Count))
	}
	layers := slices.Clone(r.Layers)
	slices.SortStableFunc(layers, func(a, b *cost) int { return cmp.Compare(b.MS, a.MS) })
	fmt.Fprintf(w, "\nlayer\toperators\tms\t%%\tGFLOP/s\t%% of peak\tGB/s\t\n")
	for _, c := range layers[:min(most, len(layers))] {
		c.write(w, plain(c.Layer), strings.Join(append([]string{c.Op}, c.Merged...), " "))
	}
	if more := len(layers) - most; more > 0 {
		fmt.Fprintf(w, "and %d more\n", more)
	}
}

func (c *cost) write(w io.Writer, name, second string) {
	rates := "\t\t"
	if c.flops > 0 {
		rates = fmt.Sprintf("%.1f\t%.0f\t", c.GFLOPS, c.PeakShare)
	}
	note := ""
	if !c.Kernel {
		note = "no kernel"
	}
	fmt.Fprintf(w, "%s\t%s\t%.3f\t%.1f\t%s%.1f\t%s\n", name, second, c.MS, c.Percent, rates, c.GBytes, note)
}

// cpuProfile profiles the process into a file until the function that it
// returns is called.
func cpuProfile(name string) (stop func() error, err error) {
	if name == "" {
		return func() error { return nil }, nil
	}
	f, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		f.Close()
		return nil, err
	}
	return func() error {
		pprof.StopCPUProfile()
		return f.Close()
	}, nil
}
