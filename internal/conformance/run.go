package conformance

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/smelt-ml/smelt/fault"
)

// Options says how a suite is run.
type Options struct {
	Parallelism int           // cases at a time; 0: one for each core
	Timeout     time.Duration // of one case; 0: one minute
	// Progress is told of each result as it comes, by one goroutine at a time:
	// how many of the cases are done, and how that one went.
	Progress func(done, total int, r Result)
}

const (
	defaultTimeout = time.Minute
	// grace is how long after its time a case may take to notice.
	grace = 2 * time.Second
)

// Run runs all cases of a suite. The results are in the order of the cases. An
// error or a panic of a case makes that case fail; a case that does not end
// within its time is left to itself. When ctx ends, the cases that were not
// finished count as skipped and the error is the context's.
func Run(ctx context.Context, s *Suite, r Runner, o Options) (*Report, error) {
	if o.Parallelism <= 0 {
		o.Parallelism = runtime.GOMAXPROCS(0)
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	start := time.Now()
	results := make([]*Result, len(s.Cases))
	var (
		mu   sync.Mutex
		next int
		done int
		wg   sync.WaitGroup
	)
	for range min(o.Parallelism, len(s.Cases)) {
		wg.Go(func() {
			for {
				mu.Lock()
				i := next
				next++
				mu.Unlock()
				if i >= len(s.Cases) || ctx.Err() != nil {
					return
				}
				result := runLimited(ctx, s.Cases[i], r, o.Timeout)
				if ctx.Err() != nil && !result.OK {
					return // the end of the context may be all that went wrong
				}
				mu.Lock()
				results[i] = &result
				done++
				if o.Progress != nil {
					o.Progress(done, len(s.Cases), result)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	report := newReport(results, s.leftOut, time.Since(start))
	if done < len(s.Cases) {
		return report, context.Cause(ctx)
	}
	return report, nil
}

// runLimited runs a case on a goroutine of its own, so that neither a panic
// nor a case that never ends holds up the others.
func runLimited(ctx context.Context, c *Case, r Runner, limit time.Duration) Result {
	start := time.Now()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	ended := make(chan outcome, 1)
	go func() {
		o := outcome{err: errors.New("the case ended its goroutine"), failure: FailedPanic}
		defer func() { ended <- o }()
		defer func() {
			if v := recover(); v != nil {
				o = outcome{err: fmt.Errorf("panic: %v at %s", v, panicPlace()), failure: FailedPanic}
			}
		}()
		o = runCase(ctx, c, r)
	}()
	var o outcome
	select {
	case o = <-ended:
	case <-ctx.Done():
		wait := time.NewTimer(grace)
		defer wait.Stop()
		select {
		case o = <-ended:
		case <-wait.C:
			o = outcome{err: errors.New("does not stop"), failure: FailedTime}
		}
	}
	if o.err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		o = outcome{err: fmt.Errorf("not done after %v: %w", limit, o.err), failure: FailedTime}
	}
	return o.result(c, time.Since(start))
}

// panicFrames is how many callers an error about a panic names.
const panicFrames = 4

// panicPlace tells where the panic that is being recovered came from: the
// function with its line, and who called it.
func panicPlace() string {
	pc := make([]uintptr, 64)
	frames := runtime.CallersFrames(pc[:runtime.Callers(1, pc)])
	panicking := false
	var places []string
	for len(places) < panicFrames {
		f, more := frames.Next()
		switch {
		case f.Function == "runtime.gopanic":
			panicking = true
		case panicking && !strings.HasPrefix(f.Function, "runtime."):
			places = append(places, fmt.Sprintf("%s (%s:%d)", f.Function, path.Base(f.File), f.Line))
		}
		if !more {
			break
		}
	}
	return strings.Join(places, " in ")
}

// outcome is how a case went.
type outcome struct {
	err     error
	failure Failure
	maxAbs  float64
	tight   bool // suggested bounds, where there are any, are met
}

// failed says why a case could not be run to its end.
func failed(err error) outcome {
	o := outcome{err: err, failure: FailedError}
	if fault.KindOf(err) == fault.Unsupported {
		o.failure = FailedUnsupported
	}
	return o
}

// runCase runs a case and judges its outputs.
func runCase(ctx context.Context, c *Case, r Runner) (o outcome) {
	if c.err != nil {
		return outcome{err: c.err, failure: FailedCase}
	}
	// The case's own files are read first: what is wrong with them is no
	// fault of the runner's.
	plan, err := c.readSteps()
	if err != nil {
		return outcome{err: err, failure: FailedCase}
	}
	s, err := r.Open(ctx, c.fsys, c.Model, c.Function)
	if err != nil {
		return failed(fmt.Errorf("open %s: %w", c.Model, err))
	}
	defer func() {
		if err := s.Close(); err != nil && o.err == nil {
			o = failed(fmt.Errorf("close: %w", err))
		}
	}()
	o.tight = true
	for _, p := range plan {
		if err := c.runStep(ctx, s, p, &o); err != nil {
			return failed(p.at(err))
		}
	}
	return o
}

// prediction is one prediction of a case, all its values read.
type prediction struct {
	*step
	place  string // "" where there is only one
	inputs map[string]Value
	want   []Value // of each of the outputs; nil where it is not known
	states []Array // to be written before
}

func (p *prediction) at(err error) error {
	if p.place == "" {
		return err
	}
	return fmt.Errorf("%s: %w", p.place, err)
}

// readSteps reads all that is to be predicted.
func (c *Case) readSteps() ([]*prediction, error) {
	var all []*prediction
	r := &reader{c, maxCaseBytes}
	for i := range c.steps {
		st := &c.steps[i]
		n := max(c.batch, 1)
		these := make([]*prediction, n)
		for k := range these {
			these[k] = &prediction{step: st, inputs: map[string]Value{}, want: make([]Value, len(st.Outputs))}
			switch {
			case c.batch > 0:
				these[k].place = fmt.Sprintf("sample %d", k)
			case len(c.steps) > 1:
				these[k].place = fmt.Sprintf("step %d", i)
			}
		}
		for j := range st.Inputs {
			values, err := r.values(&st.Inputs[j])
			if err != nil {
				return nil, err
			}
			for k, v := range values {
				these[k].inputs[st.Inputs[j].Name] = v
			}
		}
		for j := range st.Outputs {
			values, err := r.values(&st.Outputs[j])
			if err != nil {
				return nil, err
			}
			for k, v := range values {
				these[k].want[j] = v
			}
		}
		for j := range st.WriteState {
			t, err := r.array(&st.WriteState[j])
			if err != nil {
				return nil, fault.InFile(err, filepath.Join(c.path, st.WriteState[j].File))
			}
			these[0].states = append(these[0].states, Array{t})
		}
		all = append(all, these...)
	}
	return all, nil
}

// runStep makes one prediction and judges it. Its error is the runner's; what
// the outputs are worth goes to o.
func (c *Case) runStep(ctx context.Context, s Session, p *prediction, o *outcome) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for i, v := range p.states {
		if err := s.WriteState(p.WriteState[i].Name, v.Tensor); err != nil {
			return fmt.Errorf("write state %q: %w", p.WriteState[i].Name, err)
		}
	}
	outputs, err := s.Predict(ctx, p.inputs)
	if err != nil {
		return fmt.Errorf("predict: %w", err)
	}
	for i := range p.Outputs {
		e := &p.Outputs[i]
		got := outputs[e.Name]
		if e.State != "" {
			t, err := s.ReadState(e.State)
			if err != nil {
				return fmt.Errorf("read state %q: %w", e.State, err)
			}
			got = Array{t}
		}
		v := e.judge(p.want[i], got)
		o.maxAbs = math.Max(o.maxAbs, v.maxAbs)
		o.tight = o.tight && v.tight == nil
		if v.err != nil && o.err == nil { // the first one is told, the others count
			o.err, o.failure = p.at(fmt.Errorf("output %q: %w", e.Name, v.err)), FailedValues
		}
	}
	return nil
}

func (c *Case) hasSuggest() bool {
	for _, st := range c.steps {
		for i := range st.Outputs {
			if st.Outputs[i].Suggest != nil {
				return true
			}
		}
	}
	return false
}
