package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/tensor"
)

var update = flag.Bool("update", false, "write the golden files anew")

func run(t *testing.T, s *Suite, r Runner, o Options) *Report {
	t.Helper()
	report, err := Run(t.Context(), s, r, o)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func TestRunSmall(t *testing.T) {
	for _, path := range []string{"cases", "cases.zip"} {
		report := run(t, load(t, filepath.Join("testdata", path)), smallRules(), Options{})
		for _, c := range report.Cases {
			if !c.OK || c.Error != "" || c.Failure != "" {
				t.Errorf("%s: %s: %s", path, c.ID, c.Error)
			}
		}
		if report.Passed != len(smallIDs) || report.Failed != 0 || report.Skipped != 0 {
			t.Errorf("%s: %d passed, %d failed, %d skipped", path, report.Passed, report.Failed, report.Skipped)
		}
		// float16 doubles 0.1 and 100 without the 0.5 of the reference.
		if report.Suggest != (Suggest{Failed: 1}) || report.Cases[1].MaxAbsError != 0.5 {
			t.Errorf("%s: suggest %+v, max abs error %v", path, report.Suggest, report.Cases[1].MaxAbsError)
		}
	}
}

func TestRunChanged(t *testing.T) {
	s := load(t, filepath.Join("testdata", "cases"))
	if r := run(t, s, newEcho(s, false), Options{}); r.Passed != len(smallIDs) || r.Suggest.Passed != 1 {
		t.Errorf("%d passed, suggest %+v", r.Passed, r.Suggest)
	}
	for _, c := range run(t, s, newEcho(s, true), Options{}).Cases {
		if c.OK || c.Failure != FailedValues {
			t.Errorf("%s passes with other outputs, or fails by %q", c.ID, c.Failure)
		}
	}
}

// TestRunWrong spoils one thing at a time of what the rules of the small cases
// give.
func TestRunWrong(t *testing.T) {
	type session = ruleSession
	for _, test := range []struct {
		id      string
		spoil   func(s *session, out map[string]Value) error
		failure Failure
		text    string
	}{
		{"double", func(_ *session, out map[string]Value) error { delete(out, "y"); return nil }, FailedValues, `output "y": is missing`},
		{"double", func(*session, map[string]Value) error { return errors.New("no memory") }, FailedError, `predict: no memory`},
		{"double", func(*session, map[string]Value) error { return fault.New(fault.Unsupported, "layer 1", "what?") }, FailedUnsupported, `predict: layer 1: what?`},
		{"double", func(s *session, _ map[string]Value) error { s.closed = errors.New("jammed"); return nil }, FailedError, `close: jammed`},
		{"accumulate", func(s *session, _ map[string]Value) error {
			delete(s.states, "sum")
			return nil
		}, FailedError, `step 0: read state "sum": no such state`},
		{"accumulate", func(s *session, out map[string]Value) error {
			if out["y"].(Array).F32()[0] == 4 { // the second step
				s.states["sum"] = tensor.New(tensor.Float16, []int{2}, []float32{4, 7})
			}
			return nil
		}, FailedValues, `step 1: output "state:sum": 1 of 2 values are off, the worst at [1]: want 6, have 7`},
		{"classify", func(_ *session, out map[string]Value) error { out["total"] = Int(3); return nil }, FailedValues, `sample 1: output "total": 1 of 1 values are off, the worst at [0]: want 2, have 3`},
		{"classify", func(_ *session, out map[string]Value) error { out["label"] = String("no"); return nil }, FailedValues, `sample 1: output "label": want "yes", have the string "no"`},
		{"brightness", func(_ *session, out map[string]Value) error {
			out["negative"] = Image{tensor.Zeros(tensor.Uint8, []int{3, 2, 2})}
			return nil
		}, FailedValues, `output "negative": want shape 2×2×3, have 3×2×2`},
		{"coin", func(_ *session, out map[string]Value) error { out["sides"] = vector(1, 1); return nil }, FailedValues, `output "sides": central moment 2`},
		{"coin", func(_ *session, out map[string]Value) error { out["only_shape"] = vector(0); return nil }, FailedValues, `output "only_shape": want shape 2×1, have 1`},
	} {
		r := rules{}
		for name, rule := range smallRules() {
			r[name] = func(ctx context.Context, s *ruleSession, in map[string]Value) (map[string]Value, error) {
				out, err := rule(ctx, s, in)
				if err == nil {
					err = test.spoil(s, out)
				}
				return out, err
			}
		}
		s := load(t, filepath.Join("testdata", "cases")).Filter(Filter{ID: regexp.MustCompile("^" + test.id + "$")})
		report := run(t, s, r, Options{})
		if c := report.Cases[0]; c.OK || c.Failure != test.failure || !strings.HasPrefix(c.Error, test.text) {
			t.Errorf("want %q %q, have %q %q", test.failure, test.text, c.Failure, c.Error)
		}
		if report.Failed != 1 {
			t.Errorf("%s: failed %d", test.text, report.Failed)
		}
	}
}

// many returns a suite of n cases with the same rule.
func many(t *testing.T, n int) *Suite {
	files := map[string]string{}
	for i := range n {
		files[fmt.Sprintf("c%03d/case.json", i)] = `{"kind": "neuralNetwork", "ops": ["a"], "model": "m", "inputs": [{"name": "n", "value": ` + fmt.Sprint(i) +
			`}], "outputs": [{"name": "y", "value": 1, "check": "equal", "suggest": {"rtol": 0, "atol": 0}}]}`
		files[fmt.Sprintf("c%03d/m", i)] = "rule"
	}
	return load(t, writeTree(t, t.TempDir(), files))
}

func one(rule func(ctx context.Context, n int) Value) rules {
	return rules{"rule": func(ctx context.Context, _ *ruleSession, in map[string]Value) (map[string]Value, error) {
		v := rule(ctx, int(in["n"].(Int)))
		return map[string]Value{"y": v}, ctx.Err()
	}}
}

//go:noinline
func indexOutOfRange(n int) Value { return []Value{Int(1), Int(1)}[n] }

func TestRunPanics(t *testing.T) {
	s := many(t, 6)
	report := run(t, s, one(func(_ context.Context, n int) Value {
		switch n {
		case 1:
			var m map[string]int
			m["x"] = 1
		case 2:
			return indexOutOfRange(n)
		case 3:
			panic(errors.New("by hand"))
		case 4:
			runtime.Goexit()
		}
		return Int(1)
	}), Options{Parallelism: 2})
	for i, want := range []string{
		"",
		`^panic: assignment to entry in nil map at github.com/smelt-ml/smelt/internal/conformance.TestRunPanics.func1 \(run_test.go:\d+\) in github.com/smelt-ml/smelt/internal/conformance.\S+ \(run_test.go:\d+\) in .* in .*\)$`,
		`^panic: runtime error: index out of range \[2\] with length 2 at github.com/smelt-ml/smelt/internal/conformance.indexOutOfRange \(run_test.go:\d+\) in github.com/smelt-ml/smelt/internal/conformance.TestRunPanics.func1 \(run_test.go:\d+\) in .*$`,
		`^panic: by hand at github.com/smelt-ml/smelt/internal/conformance.TestRunPanics.func1 \(run_test.go:\d+\) in github.com/smelt-ml/smelt/internal/conformance.\S+ \(run_test.go:\d+\) in .* in .*\)$`,
		`^the case ended its goroutine$`,
		"",
	} {
		c := report.Cases[i]
		if c.OK != (want == "") || !regexp.MustCompile(want).MatchString(c.Error) {
			t.Errorf("case %d: want %q, have %q", i, want, c.Error)
		}
		if !c.OK && (c.Failure != FailedPanic || c.SuggestOK == nil || *c.SuggestOK) {
			t.Errorf("case %d: %+v", i, c)
		}
	}
	if report.Passed != 2 || report.Failed != 4 || report.Suggest != (Suggest{2, 4}) {
		t.Errorf("%d passed, %d failed, suggest %+v", report.Passed, report.Failed, report.Suggest)
	}
}

func TestRunTimeout(t *testing.T) {
	s := many(t, 4)
	synctest.Test(t, func(t *testing.T) {
		release := make(chan bool)
		start := time.Now()
		report, err := Run(context.Background(), s, one(func(ctx context.Context, n int) Value {
			switch n {
			case 1: // notices
				<-ctx.Done()
			case 2: // does not
				<-release
			case 3: // is late, but right
				time.Sleep(9 * time.Second)
			}
			return Int(1)
		}), Options{Parallelism: 1, Timeout: 10 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took != 10*time.Second+10*time.Second+grace+9*time.Second {
			t.Errorf("took %v", took)
		}
		close(release)
		for i, want := range []string{
			"",
			"not done after 10s: predict: context deadline exceeded",
			"not done after 10s: does not stop",
			"",
		} {
			if c := report.Cases[i]; c.Error != want || (want != "") != (c.Failure == FailedTime) {
				t.Errorf("case %d: want %q, have %q %q", i, want, c.Failure, c.Error)
			}
		}
		if got := report.Cases[3].Seconds; got != 9 {
			t.Errorf("the slow case took %v s", got)
		}
	})
}

func TestRunCancel(t *testing.T) {
	s := many(t, 10)
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("enough")
	report, err := Run(ctx, s, one(func(ctx context.Context, n int) Value {
		if n == 3 {
			cancel(stop)
			<-ctx.Done()
		}
		return Int(1)
	}), Options{Parallelism: 1})
	if !errors.Is(err, stop) {
		t.Errorf("want the cause, have %v", err)
	}
	if report.Passed != 3 || report.Failed != 0 || report.Skipped != 7 || len(report.Cases) != 3 {
		t.Errorf("%d passed, %d failed, %d skipped, %d results", report.Passed, report.Failed, report.Skipped, len(report.Cases))
	}
}

func TestRunOrder(t *testing.T) {
	const n, parallel = 40, 7
	s := many(t, n)
	var running, most atomic.Int32
	var mu sync.Mutex
	var told []int
	seen := map[string]bool{}
	report := run(t, s, one(func(_ context.Context, n int) Value {
		now := running.Add(1)
		defer running.Add(-1)
		mu.Lock()
		most.Store(max(most.Load(), now))
		mu.Unlock()
		time.Sleep(time.Duration((n*7)%5) * time.Millisecond)
		return Int(n % 2)
	}), Options{Parallelism: parallel, Progress: func(done, total int, r Result) {
		if total != n || seen[r.ID] {
			t.Errorf("progress: total %d, %s", total, r.ID)
		}
		seen[r.ID] = true
		told = append(told, done)
	}})
	for i, c := range report.Cases {
		if c.ID != fmt.Sprintf("c%03d", i) || c.OK != (i%2 == 1) {
			t.Errorf("result %d: %s %t", i, c.ID, c.OK)
		}
	}
	if !slices.IsSorted(told) || len(told) != n || told[n-1] != n {
		t.Errorf("progress: %v", told)
	}
	if most.Load() > parallel {
		t.Errorf("%d cases at a time", most.Load())
	}
}

// golden compares text with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s: (-want +got)\n%s", name, diff)
	}
}

func TestReport(t *testing.T) {
	r := maps.Clone(smallRules())
	r["coin"] = func(context.Context, *ruleSession, map[string]Value) (map[string]Value, error) {
		return nil, fault.New(fault.Unsupported, "layer 1", "there are no coins")
	}
	r["brightness"] = func(context.Context, *ruleSession, map[string]Value) (map[string]Value, error) { return nil, nil }
	r["classify"] = func(context.Context, *ruleSession, map[string]Value) (map[string]Value, error) {
		return nil, errors.New("out of trees")
	}
	report := run(t, load(t, filepath.Join("testdata", "cases")), r, Options{})
	report.Seconds = 0
	for i := range report.Cases {
		report.Cases[i].Seconds = 0
	}
	b, err := json.MarshalIndent(report, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "report.json", string(b)+"\n")
	var table strings.Builder
	if err := report.WriteTable(&table); err != nil {
		t.Fatal(err)
	}
	golden(t, "report.txt", table.String())
}

// TestReportKeys holds the JSON against the keys that other programs rely on,
// for a run without any case too.
func TestReportKeys(t *testing.T) {
	s := load(t, filepath.Join("testdata", "cases"))
	for _, s := range []*Suite{s, s.Filter(Filter{Op: "none"})} {
		b, err := json.Marshal(run(t, s, smallRules(), Options{}))
		if err != nil {
			t.Fatal(err)
		}
		var got struct {
			Passed, Failed, Skipped *int
			Cases                   []map[string]any
		}
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatal(err)
		}
		if got.Passed == nil || got.Failed == nil || got.Skipped == nil || got.Cases == nil {
			t.Errorf("a key is missing: %s", b)
		}
		for _, c := range got.Cases {
			for _, key := range []string{"id", "ok", "error", "max_abs_error", "ops"} {
				if c[key] == nil {
					t.Errorf("%v has no %s", c, key)
				}
			}
		}
	}
}

func TestReportInfinite(t *testing.T) {
	v := output(t, `{"check": "equal"}`).judge(vector(-math.MaxFloat64), vector(math.MaxFloat64))
	r := outcome{err: v.err, maxAbs: v.maxAbs}.result(&Case{}, 0)
	if _, err := json.Marshal(r); err != nil {
		t.Error(err)
	}
}
