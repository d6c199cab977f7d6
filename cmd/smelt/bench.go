package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/smelt-ml/smelt/internal/convert"
	"github.com/smelt-ml/smelt/internal/engine"
	"github.com/smelt-ml/smelt/internal/kernel/cpu"
	"github.com/smelt-ml/smelt/internal/media"
	"github.com/smelt-ml/smelt/internal/predict"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/tensor"
)

func (a *app) bench() *cobra.Command {
	var b benchmark
	var shapes []string
	cmd := &cobra.Command{
		Use:   "bench MODEL",
		Short: "Measure how fast a model runs",
		Long: `Measure how fast a model runs, on random inputs.

A run is one prediction on all threads, or with --batch one call for so many
inputs, each of them on one thread. gflops counts two operations for each product
that convolutions, linear layers, matrix products and recurrent layers add up,
and is the rate of the median run.`,
		Example: `  smelt bench SqueezeNet.mlmodel
  smelt bench SqueezeNet.mlmodel --threads 1 --runs 100 --json
  smelt bench SqueezeNet.mlmodel --threads 1 --profile --trace trace.json
  smelt bench flexible.mlpackage --shape x=1x3x512x512 --batch 8`,
		Args: wants(1, 1, "one MODEL"),
	}
	f := cmd.Flags()
	f.IntVar(&b.threads, "threads", 0, "threads (0: all cores)")
	f.IntVar(&b.runs, "runs", 20, "measured runs, after two that are not")
	f.IntVar(&b.batch, "batch", 1, "inputs of a run")
	f.StringArrayVar(&shapes, "shape", nil, "shape of an input, as `NAME=1x3x224x224`; may be repeated")
	f.StringVar(&b.function, "function", "", "function of an ML Program that has several")
	b.profile.add(cmd)
	cmd.RunE = a.verb(func(ctx context.Context, args []string) error {
		if b.threads < 0 || b.runs < 1 || b.batch < 1 {
			return misuse("--runs and --batch want 1 or more, --threads 0 or more")
		}
		if b.threads == 0 {
			b.threads = runtime.GOMAXPROCS(0)
		}
		var err error
		if b.shapes, err = parseShapes(shapes); err != nil {
			return err
		}
		show, finish := a.progress("running")
		report, err := b.measure(ctx, args[0], show)
		finish()
		if err != nil {
			return err
		}
		return a.print(report, report.write)
	})
	return cmd
}

// benchmark is what is to be measured.
type benchmark struct {
	threads, runs, batch int
	function             string
	shapes               map[string][]int
	profile              profileFlags
}

type benchReport struct {
	Min     float64 `json:"min_ms"`
	Median  float64 `json:"median_ms"`
	P90     float64 `json:"p90_ms"`
	Runs    int     `json:"runs"`
	Threads int     `json:"threads"`
	Batch   int     `json:"batch"`
	GFLOPS  float64 `json:"gflops"`      // a second, in the median run
	Work    float64 `json:"gflop_count"` // of one run
	Load    float64 `json:"load_ms"`
	First   float64 `json:"first_ms"` // of the first run
	PeakRSS int64   `json:"peak_rss_bytes"`

	Profile *profileReport `json:"profile,omitempty"`
}

func (r *benchReport) write(w io.Writer) {
	fmt.Fprintf(w, "median\t%.3f ms\n", r.Median)
	fmt.Fprintf(w, "least\t%.3f ms\n", r.Min)
	fmt.Fprintf(w, "90 %%\t%.3f ms\n", r.P90)
	if r.Batch > 1 {
		fmt.Fprintf(w, "for each input\t%.3f ms (batch of %d)\n", r.Median/float64(r.Batch), r.Batch)
	}
	fmt.Fprintf(w, "runs\t%d on %d threads\n", r.Runs, r.Threads)
	fmt.Fprintf(w, "rate\t%.1f GFLOP/s of %.3f GFLOP\n", r.GFLOPS, r.Work)
	fmt.Fprintf(w, "loading\t%.1f ms, first run %.1f ms\n", r.Load, r.First)
	if r.PeakRSS > 0 {
		fmt.Fprintf(w, "most memory\t%s\n", bytesText(r.PeakRSS))
	}
	if r.Profile != nil {
		r.Profile.write(w)
	}
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func (b *benchmark) measure(ctx context.Context, path string, show func(done, total int)) (*benchReport, error) {
	start := time.Now()
	doc, _, err := convert.Open(ctx, path)
	if err != nil {
		return nil, err
	}
	defer doc.Close()
	o := predict.Options{Threads: b.threads, Function: b.function}
	var prof profiler
	if b.profile.any() {
		o.Profile = prof.step
	}
	m, err := predict.Load(doc, o)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	r := &benchReport{Runs: b.runs, Threads: b.threads, Batch: b.batch, Load: milliseconds(time.Since(start))}
	batch, err := b.inputs(m)
	if err != nil {
		return nil, err
	}
	const warm = 2
	var times []time.Duration
	stop := func() error { return nil }
	for i := range warm + b.runs {
		if i == warm && b.profile.any() {
			prof.begin(b.profile.trace != "")
			if stop, err = cpuProfile(b.profile.cpu); err != nil {
				return nil, err
			}
		}
		start = time.Now()
		if b.batch > 1 {
			_, err = m.Batch(ctx, batch)
		} else {
			_, err = m.Predict(ctx, batch[0], nil)
		}
		if err != nil {
			return nil, err
		}
		times = append(times, time.Since(start))
		if show != nil {
			show(i+1, warm+b.runs)
		}
	}
	if err := stop(); err != nil {
		return nil, err
	}
	if b.profile.trace != "" {
		if err := prof.writeTrace(b.profile.trace); err != nil {
			return nil, err
		}
	}
	if b.profile.table {
		level, err := cpu.Active()
		if err != nil {
			return nil, err
		}
		r.Profile = prof.report(b.runs, engine.Peak(level, b.threads))
	}
	r.First = milliseconds(times[0])
	times = times[warm:]
	slices.Sort(times)
	r.Min, r.Median, r.P90 = milliseconds(times[0]), milliseconds(quantile(times, 0.5)), milliseconds(quantile(times, 0.9))
	flops, err := m.Cost(batch[0])
	if err != nil {
		return nil, err
	}
	r.Work = float64(flops) * float64(b.batch) / 1e9
	r.GFLOPS = r.Work / max(r.Median/1000, 1e-9)
	r.PeakRSS = peakRSS()
	return r, nil
}

// quantile returns the value below which a share q of sorted times lies,
// between two of them in proportion.
func quantile(sorted []time.Duration, q float64) time.Duration {
	at := q * float64(len(sorted)-1)
	low := int(at)
	high := min(low+1, len(sorted)-1)
	return sorted[low] + time.Duration((at-float64(low))*float64(sorted[high]-sorted[low]))
}

// parseShapes reads NAME=1x3x224x224 flags.
func parseShapes(flags []string) (map[string][]int, error) {
	shapes := map[string][]int{}
	for _, text := range flags {
		i := strings.LastIndex(text, "=")
		if i < 0 {
			return nil, misuse("--shape %s: want NAME=1x3x224x224", text)
		}
		var shape []int
		for _, field := range strings.FieldsFunc(text[i+1:], func(r rune) bool { return r == 'x' || r == '×' || r == ',' }) {
			d, err := strconv.Atoi(field)
			if err != nil || d < 0 {
				return nil, misuse("--shape %s: %q is no size", text, field)
			}
			shape = append(shape, d)
		}
		if _, err := tensor.CheckShape(shape); err != nil {
			return nil, misuse("--shape %s: %w", text, err)
		}
		shapes[text[:i]] = shape
	}
	return shapes, nil
}

// inputs makes as many random inputs as a batch has.
func (b *benchmark) inputs(m *predict.Model) ([]predict.Features, error) {
	rng := rand.New(rand.NewPCG(1, 2))
	isInput := map[string]bool{}
	for _, d := range m.Inputs() {
		isInput[d.GetName()] = true
	}
	shapes := map[string][]int{}
	for name, shape := range b.shapes {
		known := name
		if !isInput[name] {
			known = convert.FeatureName(name) // of the file that the model was converted from
		}
		if !isInput[known] {
			return nil, fmt.Errorf("--shape %s: the model has no such input", name)
		}
		shapes[known] = shape
	}
	batch := make([]predict.Features, b.batch)
	for i := range batch {
		batch[i] = predict.Features{}
		for _, d := range m.Inputs() {
			f := mlmodel.DescribeFeature(d)
			shape, given := shapes[f.Name]
			if f.Optional && !given {
				continue
			}
			v, err := randomValue(rng, f, shape)
			if err != nil {
				return nil, fmt.Errorf("input %q: %w", f.Name, err)
			}
			batch[i][f.Name] = v
		}
	}
	return batch, nil
}

// randomValue makes a value of an input; shape is nil for the declared one.
func randomValue(rng *rand.Rand, f mlmodel.Feature, shape []int) (any, error) {
	switch f.Kind {
	case mlmodel.Image:
		w, h := int(f.Image.Width), int(f.Image.Height)
		if len(shape) >= 2 {
			h, w = shape[len(shape)-2], shape[len(shape)-1]
		}
		if n, err := tensor.CheckShape([]int{3, h, w}); err != nil || n == 0 || n > 3*media.DefaultMaxPixels {
			return nil, fmt.Errorf("a picture of %d×%d pixels; --shape gives another size", w, h)
		}
		m := media.New(w, h, 3)
		for i := range m.Pix {
			m.Pix[i] = uint8(rng.Uint32())
		}
		return m, nil
	case mlmodel.MultiArray:
		if shape == nil {
			for _, d := range f.Array.Shape {
				shape = append(shape, int(min(d, math.MaxInt32)))
			}
		}
		n, err := tensor.CheckShape(shape)
		if err != nil {
			return nil, err
		}
		if d := f.Array.DType; d.IsInt() { // small: it may be an index
			data := make([]int32, n)
			for i := range data {
				data[i] = int32(rng.IntN(2))
			}
			return tensor.Ints(shape, data), nil
		}
		data := make([]float32, n)
		for i := range data {
			data[i] = float32(rng.NormFloat64())
		}
		return tensor.Floats(shape, data), nil
	case mlmodel.Int64:
		return int64(rng.IntN(2)), nil
	case mlmodel.Double:
		return rng.Float64(), nil
	case mlmodel.String:
		return "a", nil
	}
	return nil, fmt.Errorf("random values of type %s cannot be made", f.Type())
}
