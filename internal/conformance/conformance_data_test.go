//go:build fulldata

package conformance

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/smelt-ml/smelt/tensor"
)

// sharedCases returns the folder of the large archives of cases.
func sharedCases(t *testing.T) string {
	dir := os.Getenv("SMELT_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "data")
	}
	return filepath.Join(dir, "conformance")
}

// echo is a runner that knows the cases and answers with what is expected.
type echo map[fs.FS]*Case

func (r echo) Open(_ context.Context, fsys fs.FS, model, function string) (Session, error) {
	c := r[fsys]
	if _, err := fs.Stat(fsys, model); err != nil {
		return nil, err
	}
	plan, err := c.readSteps()
	return &echoSession{plan: plan}, err
}

type echoSession struct {
	plan []*prediction
	at   int
}

func (s *echoSession) Predict(context.Context, map[string]Value) (map[string]Value, error) {
	p := s.plan[s.at]
	s.at++
	out := map[string]Value{}
	for i := range p.Outputs {
		e := &p.Outputs[i]
		switch {
		case p.want[i] != nil && e.ExpectedShape != nil:
			out[e.Name] = Array{p.want[i].(Array).Reshape(e.ExpectedShape)}
		case p.want[i] != nil:
			out[e.Name] = p.want[i]
		case e.Check == checkMoments:
			out[e.Name] = Array{sampleOf(e)}
		default:
			out[e.Name] = Array{tensor.Zeros(tensor.Float32, e.Shape)}
		}
	}
	return out, nil
}

func (s *echoSession) ReadState(name string) (*tensor.Tensor, error) {
	p := s.plan[s.at-1]
	for i := range p.Outputs {
		if p.Outputs[i].State == name {
			return p.want[i].(Array).Tensor, nil
		}
	}
	return nil, fs.ErrNotExist
}

func (s *echoSession) WriteState(string, *tensor.Tensor) error { return nil }
func (s *echoSession) Close() error                            { return nil }

// sampleOf returns values with the moments of an even coin or, where the
// variance is that of it, of the uniform distribution over [0, 1]. Of the
// normal distribution only two moments are looked at, which all values have.
func sampleOf(e *entry) *tensor.Tensor {
	n := tensor.Size(e.Shape)
	v := make([]float32, n)
	for i := range v {
		v[i] = (float32(i) + 0.5) / float32(n)
		if len(e.CentralMoments) > 2 && e.CentralMoments[2] > 0.2 {
			v[i] = float32(i % 2)
		}
	}
	return tensor.Floats(e.Shape, v)
}

// TestSharedCases holds every case against its own expected outputs: all
// load, all files are as case.json says, and every measure accepts what is
// exactly right.
func TestSharedCases(t *testing.T) {
	for name, want := range map[string]int{"nn": 1996, "mil": 2448, "torch": 1892, "tf": 1170, "trees": 608, "compress": 156} {
		t.Run(name, func(t *testing.T) {
			s, err := Load(filepath.Join(sharedCases(t), name+".zip"))
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if len(s.Cases) != want {
				t.Errorf("want %d cases, have %d", want, len(s.Cases))
			}
			r := echo{}
			for _, c := range s.Cases {
				if c.Suite != name {
					t.Errorf("%s: suite %q", c.ID, c.Suite)
				}
				r[c.fsys] = c
			}
			report, err := Run(context.Background(), s, r, Options{})
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
