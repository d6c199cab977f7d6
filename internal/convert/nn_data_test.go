//go:build fulldata

package convert

import (
	"context"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/internal/conformance"
	"github.com/smelt-ml/smelt/internal/predict"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/tensor"
)

// dataDir is the folder of the large data that tests share.
func dataDir() string {
	if dir := os.Getenv("SMELT_DATA"); dir != "" {
		return dir
	}
	return filepath.Join("..", "..", "..", "shared", "data")
}

// converting is a runner that converts each model before it runs it, for the
// shapes that the inputs have.
type converting struct {
	conformance.Runner
	dir     string
	options Options

	mu      *sync.Mutex
	reasons map[string]int // why models were not converted
	done    *int
}

func (c converting) Open(_ context.Context, fsys fs.FS, name, function string) (conformance.Session, error) {
	doc, err := mlmodel.OpenFS(fsys, name)
	if err != nil {
		return nil, err
	}
	return &convertedSession{converting: c, doc: doc, function: function}, nil
}

type convertedSession struct {
	converting
	conformance.Session // of the result; nil before the first prediction
	doc                 *mlmodel.Model
	function            string
	names               map[string]string
}

func (s *convertedSession) Close() error {
	if s.Session != nil {
		s.Session.Close()
	}
	return s.doc.Close()
}

func (s *convertedSession) WriteState(name string, v *tensor.Tensor) error {
	if s.Session == nil {
		if err := s.convert(context.Background(), nil); err != nil {
			return err
		}
	}
	return s.Session.WriteState(name, v)
}

func (s *convertedSession) Predict(ctx context.Context, inputs map[string]conformance.Value) (map[string]conformance.Value, error) {
	if s.Session == nil {
		if err := s.convert(ctx, inputs); err != nil {
			return nil, err
		}
	}
	in := map[string]conformance.Value{}
	for name, v := range inputs {
		for now, was := range s.names {
			if was == name {
				name = now
				break
			}
		}
		in[name] = v
	}
	out, err := s.Session.Predict(ctx, in)
	was := map[string]conformance.Value{}
	for name, v := range out {
		was[sourceName(s.names, name)] = v
	}
	return was, err
}

func (s *convertedSession) convert(ctx context.Context, inputs map[string]conformance.Value) error {
	o := s.options
	if s.doc.Kind() != "mlProgram" {
		o.Shapes = map[string]mlmodel.Shapes{}
		for name, v := range inputs {
			if a, ok := v.(conformance.Array); ok && a.Rank() > 0 {
				o.Shapes[name] = mlmodel.Shapes{Default: a.Shape()}
			}
		}
	}
	src, err := fromDocument(s.doc, o)
	if err != nil {
		return s.note(err)
	}
	dir, err := os.MkdirTemp(s.dir, "case")
	if err != nil {
		return err
	}
	to := &targets[0]
	for i := range targets {
		if targets[i].name == o.To {
			to = &targets[i]
		}
	}
	name := "m" + to.ext
	m, names, err := src.write(ctx, to, filepath.Join(dir, name), o, &Report{})
	if err != nil {
		return s.note(err)
	}
	defer m.close()
	s.names = names
	if _, err := m.save(); err != nil {
		return err
	}
	s.mu.Lock()
	*s.done++
	s.mu.Unlock()
	s.Session, err = s.Runner.Open(ctx, os.DirFS(dir), name, s.function)
	return err
}

func (c converting) note(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	problems := unsupported(err, Options{})
	for _, p := range problems {
		c.reasons[p.Op+": "+p.Reason]++
	}
	if len(problems) == 0 {
		c.reasons[err.Error()]++
	}
	if fault.KindOf(err) == 0 {
		return fault.New(fault.Unsupported, "", "%w", err)
	}
	return err
}

// explained returns the text of docs/convert.md, which lists the cases that
// cannot give the expected outputs, each with the reason.
func explained(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "docs", "convert.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func sharedSuite(t *testing.T, name string) *conformance.Suite {
	t.Helper()
	s, err := conformance.Load(filepath.Join(dataDir(), "conformance", name+".zip"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// runConverted runs a suite before and after conversion.
func runConverted(t *testing.T, s *conformance.Suite, o Options) (failed map[string]conformance.Result, converted int, reasons map[string]int) {
	t.Helper()
	engine := conformance.Engine(predict.Options{})
	before, err := conformance.Run(context.Background(), s, engine, conformance.Options{})
	if err != nil {
		t.Fatal(err)
	}
	good := map[string]bool{}
	for _, c := range before.Cases {
		good[c.ID] = c.OK && (o.Float != tensor.Invalid || c.Kind == "mlProgram")
	}
	dir := os.Getenv("SMELT_CONVERTED") // keeps the packages, for testdata/oracle/load_packages.py
	if dir == "" {
		dir = t.TempDir()
	}
	r := converting{Runner: engine, dir: dir, options: o, mu: new(sync.Mutex), reasons: map[string]int{}, done: new(int)}
	after, err := conformance.Run(context.Background(), s, r, conformance.Options{})
	if err != nil {
		t.Fatal(err)
	}
	failed = map[string]conformance.Result{}
	for _, c := range after.Cases {
		if good[c.ID] && !c.OK && c.Failure != conformance.FailedUnsupported {
			failed[c.ID] = c
		}
	}
	return failed, *r.done, r.reasons
}

// TestNetworks converts every golden case of a neural network: as an ML Program
// in float32 it gives the expected outputs. What cannot be expressed is listed
// in docs/convert.md.
func TestNetworks(t *testing.T) {
	doc := explained(t)
	s := sharedSuite(t, "nn")
	failed, converted, reasons := runConverted(t, s, Options{Float: tensor.Float32})
	for _, id := range slices.Sorted(maps.Keys(failed)) {
		if !strings.Contains(doc, "`"+id+"`") {
			t.Errorf("%s: %s", id, failed[id].Error)
		}
	}
	for _, why := range slices.Sorted(maps.Keys(reasons)) {
		t.Logf("%4d %s", reasons[why], why)
	}
	t.Logf("%d of %d networks converted, %d of them give other outputs", converted, len(s.Cases), len(failed))

	// In float16 they run as well; how near they come is not for bounds that
	// were made for float32 to say.
	failed, again, _ := runConverted(t, s, Options{Float: tensor.Float16})
	for _, id := range slices.Sorted(maps.Keys(failed)) {
		if failed[id].Failure != conformance.FailedValues {
			t.Errorf("float16: %s: %s", id, failed[id].Error)
		}
	}
	if again != converted {
		t.Errorf("%d networks converted to float16, %d to float32", again, converted)
	}
	t.Logf("%d in float16, %d of them outside the bounds for float32", again, len(failed))
}

// TestPrograms writes the ML Programs among the golden cases again: as they
// are, for the newest opset, and in float32. They give the same outputs.
func TestPrograms(t *testing.T) {
	doc := explained(t)
	for _, name := range []string{"mil", "torch", "tf", "compress"} {
		s := sharedSuite(t, name)
		for what, o := range map[string]Options{"as it is": {}, "iOS 18": {Target: mil.IOS18}, "fp32": {Float: tensor.Float32}} {
			failed, converted, reasons := runConverted(t, s, o)
			for _, id := range slices.Sorted(maps.Keys(failed)) {
				if !strings.Contains(doc, "`"+id+"`") {
					t.Errorf("%s, %s: %s: %s", name, what, id, failed[id].Error)
				}
			}
			for _, why := range slices.Sorted(maps.Keys(reasons)) {
				t.Logf("%4d %s", reasons[why], why)
			}
			t.Logf("%s, %s: %d of %d converted, %d of them give other outputs", name, what, converted, len(s.Cases), len(failed))
		}
	}
}
