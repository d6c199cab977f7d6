//go:build fulldata

package conformance

import (
	"context"
	"os"
	"path/filepath"
	"testing"
)

// sharedCases opens one of the large archives of cases.
func sharedCases(t *testing.T, name string) *Suite {
	dir := os.Getenv("SMELT_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "data")
	}
	s, err := Load(filepath.Join(dir, "conformance", name+".zip"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

var sharedSizes = map[string]int{"nn": 1996, "mil": 2448, "torch": 1892, "tf": 1170, "trees": 608, "compress": 156}

// TestSharedCases holds every case against its own expected outputs: all
// load, all files are as case.json says, and every measure accepts what is
// exactly right.
func TestSharedCases(t *testing.T) {
	for name, want := range sharedSizes {
		t.Run(name, func(t *testing.T) {
			s := sharedCases(t, name)
			if len(s.Cases) != want {
				t.Errorf("want %d cases, have %d", want, len(s.Cases))
			}
			for _, c := range s.Cases {
				if c.Suite != name {
					t.Errorf("%s: suite %q", c.ID, c.Suite)
				}
			}
			report, err := Run(context.Background(), s, newEcho(s, false), Options{})
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range report.Cases {
				if !c.OK {
					t.Errorf("%s: %s", c.ID, c.Error)
				}
				if c.MaxAbsError != 0 {
					t.Errorf("%s: max_abs_error %g", c.ID, c.MaxAbsError)
				}
			}
			if report.Passed != want || report.Suggest.Failed != 0 {
				t.Errorf("passed %d of %d, suggested bounds missed by %d", report.Passed, want, report.Suggest.Failed)
			}
			t.Logf("%d cases in %.2f s, suggested bounds met by %d", report.Passed, report.Seconds, report.Suggest.Passed)
		})
	}
}

// TestSharedCasesChanged gives wrong outputs to every case: none may pass but
// those that look at two moments only, which all values have.
func TestSharedCasesChanged(t *testing.T) {
	for name := range sharedSizes {
		t.Run(name, func(t *testing.T) {
			s := sharedCases(t, name)
			report, err := Run(context.Background(), s, newEcho(s, true), Options{})
			if err != nil {
				t.Fatal(err)
			}
			for i, c := range report.Cases {
				out := s.Cases[i].steps[0].Outputs[0]
				blind := out.Check == checkMoments && len(out.CentralMoments) == 2
				if c.OK != blind {
					t.Errorf("%s: ok is %t", c.ID, c.OK)
				}
				if !c.OK && c.Failure != FailedValues {
					t.Errorf("%s: failed by %q: %s", c.ID, c.Failure, c.Error)
				}
			}
		})
	}
}
