package conformance

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Report is the result of a run.
type Report struct {
	Passed int `json:"passed"`
	Failed int `json:"failed"`
	// Skipped counts the suite's cases that were not run: a filter left them
	// out, or the run was ended before they were finished.
	Skipped int      `json:"skipped"`
	Suggest Suggest  `json:"suggest"`
	Seconds float64  `json:"seconds"`
	Cases   []Result `json:"cases"`
}

// Suggest counts the cases whose outputs carry the bounds suggested for
// arithmetic in float32, by how they meet them. It does not decide whether a
// case is passed.
type Suggest struct {
	Passed int `json:"passed"`
	Failed int `json:"failed"`
}

// Result is how one case went.
type Result struct {
	ID    string `json:"id"`
	OK    bool   `json:"ok"`
	Error string `json:"error"` // "" when ok
	// MaxAbsError is the largest difference between a finite expected value
	// and a finite one that came; 0 where none could be compared.
	MaxAbsError float64  `json:"max_abs_error"`
	Suite       string   `json:"suite"`
	Kind        string   `json:"kind"`
	Ops         []string `json:"ops"`
	Failure     Failure  `json:"failure,omitempty"`
	SuggestOK   *bool    `json:"suggest_ok,omitempty"` // nil: there are no such bounds
	XFail       string   `json:"xfail,omitempty"`
	Seconds     float64  `json:"seconds"`
}

// Failure sorts what can go wrong with a case.
type Failure string

// The ways to fail.
const (
	FailedCase        Failure = "case"        // the case's own files are malformed
	FailedUnsupported Failure = "unsupported" // the runner knows that it cannot run the model
	FailedError       Failure = "error"       // the runner returned another error
	FailedValues      Failure = "values"      // an output is not as it should be
	FailedPanic       Failure = "panic"
	FailedTime        Failure = "time" // the case took too long
)

func (o outcome) result(c *Case, took time.Duration) Result {
	r := Result{
		ID: c.ID, OK: o.err == nil, MaxAbsError: o.maxAbs, Suite: c.Suite, Kind: c.Kind, Ops: slices.Concat([]string{}, c.Ops),
		Failure: o.failure, XFail: c.XFail, Seconds: took.Seconds(),
	}
	if o.err != nil {
		r.Error = o.err.Error()
	}
	if c.hasSuggest() {
		r.SuggestOK = &o.tight
	}
	return r
}

// newReport counts results; nil ones were not run.
func newReport(results []*Result, leftOut int, took time.Duration) *Report {
	r := &Report{Skipped: leftOut, Seconds: took.Seconds(), Cases: []Result{}}
	for _, c := range results {
		if c == nil {
			r.Skipped++
			continue
		}
		r.Cases = append(r.Cases, *c)
		if c.OK {
			r.Passed++
		} else {
			r.Failed++
		}
		if c.SuggestOK == nil {
			continue
		}
		if *c.SuggestOK {
			r.Suggest.Passed++
		} else {
			r.Suggest.Failed++
		}
	}
	return r
}

// row is a line of the table: the cases of one kind of model that hold an op.
type tableRow struct {
	family, op                         string
	cases, passed, wrong, errors, none int
	tight, tightOf                     int
}

func (t *tableRow) add(c *Result) {
	t.cases++
	switch c.Failure {
	case "":
		t.passed++
	case FailedValues:
		t.wrong++
	case FailedUnsupported:
		t.none++
	default:
		t.errors++
	}
	if c.SuggestOK != nil {
		t.tightOf++
		if *c.SuggestOK {
			t.tight++
		}
	}
}

// WriteTable writes a summary: for each operation, layer and model type, how
// many of the cases that hold it passed, gave wrong values, failed otherwise or
// are not supported, and how many met the suggested bounds.
func (r *Report) WriteTable(w io.Writer) error {
	rows := map[[2]string]*tableRow{}
	total := &tableRow{op: "all"}
	for i := range r.Cases {
		c := &r.Cases[i]
		total.add(c)
		for _, op := range slices.Compact(slices.Sorted(slices.Values(c.Ops))) {
			key := [2]string{family(c.Kind), op}
			if rows[key] == nil {
				rows[key] = &tableRow{family: key[0], op: op}
			}
			rows[key].add(c)
		}
	}
	sorted := slices.SortedFunc(maps.Values(rows), func(a, b *tableRow) int {
		return cmp.Or(cmp.Compare(a.family, b.family), cmp.Compare(a.op, b.op))
	})
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "model\top\tcases\tpassed\twrong\terror\tunsupported\tsuggested bounds")
	for _, row := range append(sorted, total) {
		tight := ""
		if row.tightOf > 0 {
			tight = fmt.Sprintf("%d/%d", row.tight, row.tightOf)
		}
		fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%d\t%d\t%d\t%s\n", row.family, row.op, row.cases, row.passed, row.wrong, row.errors, row.none, tight)
	}
	return t.Flush()
}

// family tells apart the kinds of models whose operations share names.
func family(kind string) string {
	switch {
	case kind == "mlProgram":
		return "program"
	case strings.HasPrefix(kind, "neuralNetwork"):
		return "network"
	}
	return "other"
}
