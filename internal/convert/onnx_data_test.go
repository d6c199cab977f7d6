//go:build fulldata

package convert

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/internal/backend/mlprogram"
	write "github.com/smelt-ml/smelt/internal/backend/onnx"
	"github.com/smelt-ml/smelt/internal/conformance"
	"github.com/smelt-ml/smelt/internal/predict"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/tensor"
)

// runtime is ONNX Runtime in a process of Python.
type onnxRuntime struct {
	mu  sync.Mutex
	in  io.Writer
	out *bufio.Reader
}

// startRuntime starts the Python that SMELT_ONNXRUNTIME names; nil without it.
func startRuntime(t *testing.T) *onnxRuntime {
	t.Helper()
	python := os.Getenv("SMELT_ONNXRUNTIME")
	if python == "" {
		return nil
	}
	cmd := exec.Command(python, filepath.Join("testdata", "oracle", "onnxruntime_server.py"))
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		cmd.Wait() //nolint:errcheck // it has nothing more to say
	})
	return &onnxRuntime{in: in, out: bufio.NewReader(out)}
}

// run runs a model on arrays.
func (r *onnxRuntime) run(model, dir string, in predict.Features) (predict.Features, error) {
	given := map[string]*tensor.Tensor{}
	for name, v := range in {
		t, ok := v.(*tensor.Tensor)
		if !ok {
			return nil, fmt.Errorf("input %q is a %T", name, v)
		}
		given[name] = t
	}
	inputs, outputs := filepath.Join(dir, "in.npz"), filepath.Join(dir, "out.npz")
	f, err := os.Create(inputs)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(tensor.WriteNPZ(f, given), f.Close()); err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	job, err := json.Marshal(map[string]string{"model": model, "inputs": inputs, "outputs": outputs})
	if err != nil {
		return nil, err
	}
	if _, err := fmt.Fprintf(r.in, "%s\n", job); err != nil {
		return nil, err
	}
	line, err := r.out.ReadBytes('\n')
	if err != nil {
		return nil, err
	}
	var reply struct {
		Outputs []string
		Error   string
	}
	if err := json.Unmarshal(line, &reply); err != nil {
		return nil, err
	}
	if reply.Error != "" {
		return nil, errors.New(reply.Error)
	}
	z, err := tensor.OpenNPZ(outputs)
	if err != nil {
		return nil, err
	}
	defer z.Close()
	result := predict.Features{}
	for _, name := range reply.Outputs {
		if result[name], err = z.Read(name); err != nil {
			return nil, err
		}
	}
	return result, nil
}

// toONNX is a runner that makes an ONNX model of each model, for the shapes
// that the inputs have, and runs that: in this project's engine, or in ONNX
// Runtime.
type toONNX struct {
	dir     string
	options Options
	runtime *onnxRuntime

	mu      *sync.Mutex
	reasons map[string]int
	done    *int
}

func (r toONNX) Open(_ context.Context, fsys fs.FS, name, function string) (conformance.Session, error) {
	doc, err := mlmodel.OpenFS(fsys, name)
	if err != nil {
		return nil, err
	}
	return &onnxSession{toONNX: r, doc: doc, function: function, state: map[string]*tensor.Tensor{}}, nil
}

type onnxSession struct {
	toONNX
	doc      *mlmodel.Model
	function string
	result   *result
	names    map[string]string
	class    *mlprogram.Classifier
	path     string
	held     []string // the states
	state    map[string]*tensor.Tensor
}

func (s *onnxSession) Close() error {
	if s.result != nil {
		s.result.close()
		if err := os.RemoveAll(filepath.Dir(s.path)); err != nil {
			return err
		}
	}
	return s.doc.Close()
}

func (s *onnxSession) ReadState(name string) (*tensor.Tensor, error) {
	if t := s.state[name]; t != nil {
		return t, nil
	}
	return nil, fmt.Errorf("there is no state %q", name)
}

func (s *onnxSession) WriteState(name string, v *tensor.Tensor) error {
	s.state[name] = v
	return nil
}

func (s *onnxSession) Predict(ctx context.Context, inputs map[string]conformance.Value) (map[string]conformance.Value, error) {
	if s.result == nil {
		if err := s.convert(ctx, inputs); err != nil {
			return nil, s.note(err)
		}
	}
	in, err := conformance.Features(inputs)
	if err != nil {
		return nil, err
	}
	for name, t := range s.state {
		in[name] = t
	}
	var out predict.Features
	if s.runtime == nil {
		out, err = answer(ctx, s.path, s.result.face, s.class, in)
	} else {
		if in, err = arrays(s.result.face, in); err == nil {
			out, err = s.runtime.run(s.path, filepath.Dir(s.path), in)
		}
		if err == nil {
			out, err = dressed(out, s.result.face, s.class)
		}
	}
	if err != nil {
		return nil, err
	}
	for _, name := range s.held {
		s.state[name], _ = out[name+write.StateSuffix].(*tensor.Tensor)
	}
	return conformance.Values(out)
}

func (s *onnxSession) convert(ctx context.Context, inputs map[string]conformance.Value) error {
	o := s.options
	if s.doc.Kind() != "mlProgram" {
		o.Shapes = map[string]mlprogram.Shapes{}
		for name, v := range inputs {
			if a, ok := v.(conformance.Array); ok && a.Rank() > 0 {
				o.Shapes[name] = mlprogram.Shapes{Default: a.Shape()}
			}
		}
	}
	src, err := fromDocument(s.doc, o)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(src.program.Funcs, func(f *mil.Func) bool { return f.Name == s.function })
	if i > 0 {
		src.program.Funcs[0], src.program.Funcs[i] = src.program.Funcs[i], src.program.Funcs[0]
	}
	if s.function != "" {
		src.program.Description = nil
	}
	dir, err := os.MkdirTemp(s.dir, "case")
	if err != nil {
		return err
	}
	s.path = filepath.Join(dir, "m.onnx")
	for _, v := range src.program.Funcs[0].Inputs {
		if v.Type.Kind == mil.State {
			s.held = append(s.held, v.Name)
		}
	}
	to, err := targetOf(ONNX, s.path)
	if err != nil {
		return err
	}
	result, names, err := src.write(ctx, to, s.path, o, &Report{})
	if err != nil {
		return err
	}
	s.result, s.names, s.class = result, names, src.program.Classifier
	if _, err := result.save(); err != nil {
		return err
	}
	s.mu.Lock()
	*s.done++
	s.mu.Unlock()
	return nil
}

func (s *onnxSession) note(err error) error {
	var u *write.UnsupportedError
	s.mu.Lock()
	defer s.mu.Unlock()
	if errors.As(err, &u) {
		for _, p := range u.Problems {
			s.reasons[p.Op+": "+p.Reason]++
		}
	} else {
		s.reasons[err.Error()]++
	}
	if fault.KindOf(err) == 0 {
		return fault.New(fault.Unsupported, "", "%w", err)
	}
	return err
}

// TestToONNX writes every golden network and program as ONNX and runs it in this
// project's engine; with SMELT_ONNXRUNTIME=PYTHON, the path of a Python that
// has onnx and onnxruntime, there.
func TestToONNX(t *testing.T) {
	runtime := startRuntime(t)
	engine := conformance.Engine(predict.Options{})
	only := regexp.MustCompile(os.Getenv("SMELT_RUN"))
	for _, name := range []string{"nn", "mil", "torch", "tf", "compress"} {
		if s := os.Getenv("SMELT_SUITE"); s != "" && s != name {
			continue
		}
		s := sharedSuite(t, name)
		s.Cases = slices.DeleteFunc(s.Cases, func(c *conformance.Case) bool { return !only.MatchString(c.ID) })
		before, err := conformance.Run(t.Context(), s, engine, conformance.Options{})
		if err != nil {
			t.Fatal(err)
		}
		good := map[string]bool{}
		for _, c := range before.Cases {
			good[c.ID] = c.OK
		}
		r := toONNX{dir: t.TempDir(), runtime: runtime, mu: new(sync.Mutex), reasons: map[string]int{}, done: new(int)}
		after, err := conformance.Run(t.Context(), s, r, conformance.Options{})
		if err != nil {
			t.Fatal(err)
		}
		ran, passed := 0, 0
		why := map[string]int{}
		for _, c := range after.Cases {
			if !good[c.ID] {
				continue
			}
			ran++
			if c.OK {
				passed++
				continue
			}
			why[string(c.Failure)]++
			if c.Failure != conformance.FailedUnsupported || os.Getenv("SMELT_ALL") != "" {
				t.Logf("FAIL %s: %s", c.ID, strings.ReplaceAll(c.Error[:min(len(c.Error), 400)], "\n", " "))
			}
		}
		for _, reason := range slices.Sorted(maps.Keys(r.reasons)) {
			t.Logf("%4d %s", r.reasons[reason], reason)
		}
		t.Logf("%s: %d of %d pass, %d written; %v", name, passed, ran, *r.done, why)
	}
}
