// Package compare tells how far models are apart: it asks two or more of them
// the same questions, on all cores, and scores the answers. Questions come from
// folders of pictures, NumPy files or the caller; the figures are those of
// compare/metric, or the caller's own. How a model computes, and what is done
// to it beforehand, may not enter.
package compare

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/smelt-ml/smelt/compare/metric"
	"github.com/smelt-ml/smelt/internal/stream"
	"github.com/smelt-ml/smelt/mlmodel"
)

// Features are inputs or outputs by name; values are those that models take
// and give: tensors, pictures, numbers, strings, dictionaries from classes to
// probabilities.
type Features = map[string]any

// Predictor is a model that answers. It is asked from several goroutines at
// once, and need not use more than one core for one answer.
type Predictor interface {
	// Describe names the inputs and outputs. What it leaves out is guessed
	// from the values.
	Describe() mlmodel.Interface
	Predict(ctx context.Context, in Features) (Features, error)
}

// Input is one question.
type Input struct {
	Name string // for people, such as a file's
	// Open reads the features. The name "" stands for a model's only input,
	// or its only one for pictures if the value is a picture.
	Open func() (Features, error)
}

// Source is a stream of inputs, read as they are needed.
type Source struct {
	Len int // how many there are; 0 if not known
	All iter.Seq[Input]
}

// Options chooses what is compared. The zero value is the usual choice.
type Options struct {
	// Metrics are the figures to make; nil means those of metric.Default that
	// apply to what the first model gives.
	Metrics []metric.Metric
	// Progress is called after each input, in their order; total is 0 if it is
	// not known.
	Progress func(done, total int)
	// Seen is called with what each model made of an input, the reference
	// first, in the order of inputs.
	Seen func(in Features, samples []metric.Sample)
	// Worst is how many of the worst inputs a Report names; 0 means 5, and a
	// negative number none.
	Worst int
	// Workers is how many inputs are worked on at once; 0 means one a core.
	Workers int
}

// NameInput adds an input's name to an error that does not have it yet.
func NameInput(name string, err error) error {
	if strings.Contains(err.Error(), name) {
		return err
	}
	return fmt.Errorf("%s: %w", name, err)
}

// Run compares b with the reference a over all inputs. An input that cannot be
// read, predicted or scored is counted and named in the Report; if that
// is all of them, the first one's error is Run's.
func Run(ctx context.Context, a, b Predictor, inputs Source, o Options) (*Report, error) {
	reports, err := RunAll(ctx, a, []Predictor{b}, inputs, o)
	if err != nil {
		return nil, err
	}
	return reports[0], nil
}

// RunAll compares each of several models with the reference a, which answers
// only once for each input. There is one Report for each.
func RunAll(ctx context.Context, a Predictor, others []Predictor, inputs Source, o Options) ([]*Report, error) {
	if len(others) == 0 {
		return nil, errors.New("no model to compare with")
	}
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	c := &comparison{models: append([]Predictor{a}, others...), opts: o, metrics: o.Metrics}
	return c.run(ctx, inputs)
}

// comparison is a run under way.
type comparison struct {
	models   []Predictor
	opts     Options
	metrics  []metric.Metric
	tables   []*metric.Table // of each model but the first
	failures []Failure
	first    error // of the first failure
	total    int
	done     int
}

// answer is what came of one input.
type answer struct {
	name    string
	in      Features
	samples []metric.Sample // by model
	images  []string        // the reference's picture outputs
	scored  bool
	err     error
}

func (c *comparison) run(ctx context.Context, inputs Source) ([]*Report, error) {
	start := time.Now()
	c.total = inputs.Len
	// Which metrics apply is seen at the first answer, in the order of inputs.
	// What is answered before that is known is scored here, the rest by whoever
	// answers.
	chosen := make(chan struct{})
	for i, r := range stream.Map(ctx, c.opts.Workers, inputs.All, func(ctx context.Context, i int, in Input) answer {
		r := c.ask(ctx, in)
		select {
		case <-chosen:
			c.score(i, &r)
		default:
		}
		return r
	}) {
		if ctx.Err() != nil {
			break
		}
		if r.err == nil && !r.scored {
			if c.tables == nil {
				if err := c.choose(r); err != nil {
					return nil, err
				}
				close(chosen)
			}
			c.score(i, &r)
		}
		c.note(r)
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	switch {
	case c.done == 0:
		return nil, errors.New("there is no input")
	case len(c.failures) == c.done:
		return nil, fmt.Errorf("none of %d inputs could be used: %w", c.done, NameInput(c.failures[0].Name, c.first))
	}
	return c.reports(time.Since(start))
}

// choose makes the tables, of the metrics that apply to the first answer
// unless the caller chose.
func (c *comparison) choose(r answer) error {
	if c.metrics == nil {
		c.metrics = metric.Default(r.samples[0], r.images...)
	}
	if len(c.metrics) == 0 {
		return errors.New("the reference gives nothing that could be compared")
	}
	for range c.models[1:] {
		t, err := metric.NewTable(c.metrics...)
		if err != nil {
			return fmt.Errorf("%w", err)
		}
		c.tables = append(c.tables, t)
	}
	return nil
}

// ask has every model answer one input.
func (c *comparison) ask(ctx context.Context, in Input) answer {
	r := answer{name: in.Name}
	if r.in, r.err = in.Open(); r.err != nil {
		return r
	}
	for i, m := range c.models {
		face := m.Describe()
		out, err := m.Predict(ctx, Bind(r.in, face))
		if err != nil {
			r.err = c.blame(i, err)
			return r
		}
		s, images, err := sample(in.Name, out, face)
		if err != nil {
			r.err = c.blame(i, err)
			return r
		}
		if i == 0 {
			r.images = images
		}
		r.samples = append(r.samples, s)
	}
	return r
}

// blame tells which model failed.
func (c *comparison) blame(model int, err error) error {
	switch {
	case model == 0:
		return fmt.Errorf("the reference: %w", err)
	case len(c.models) == 2:
		return fmt.Errorf("the other model: %w", err)
	}
	return fmt.Errorf("model %d: %w", model+1, err)
}

// score adds an answer to the tables.
func (c *comparison) score(index int, r *answer) {
	r.scored = true
	for i, t := range c.tables {
		if r.err != nil {
			break
		}
		r.err = t.Add(index, r.samples[0], r.samples[i+1])
		if r.err != nil && len(c.tables) > 1 {
			r.err = fmt.Errorf("model %d: %w", i+2, r.err)
		}
	}
	if c.opts.Seen == nil {
		r.in, r.samples = nil, nil // not held until its turn
	}
}

// note keeps the books, in the order of inputs.
func (c *comparison) note(r answer) {
	if r.err != nil {
		if c.first == nil {
			c.first = r.err
		}
		c.failures = append(c.failures, Failure{Index: c.done, Name: r.name, Error: r.err.Error()})
	} else if c.opts.Seen != nil {
		c.opts.Seen(r.in, r.samples)
	}
	c.done++
	if c.opts.Progress != nil {
		c.opts.Progress(c.done, c.total)
	}
}

func (c *comparison) reports(took time.Duration) ([]*Report, error) {
	var reports []*Report
	for _, t := range c.tables {
		r := &Report{
			Samples: c.done - len(c.failures), Failures: c.failures, Results: t.Results(), Rows: t.Rows(),
			Seconds: took.Seconds(), PerSecond: float64(c.done) / max(took.Seconds(), 1e-9),
		}
		n := c.opts.Worst
		if n == 0 {
			n = 5
		}
		if n > 0 {
			r.WorstBy = worstBy(r.Results)
			worst, err := t.Worst(r.WorstBy, n)
			if err != nil {
				return nil, err
			}
			r.Worst = worst
		}
		reports = append(reports, r)
	}
	return reports, nil
}

// worstBy picks the metric that tells bad from worse: the first that is no
// share, for shares have two values only.
func worstBy(results []metric.Result) string {
	if i := slices.IndexFunc(results, func(r metric.Result) bool { return r.Interval == nil }); i >= 0 {
		return results[i].Name
	}
	return results[0].Name
}
