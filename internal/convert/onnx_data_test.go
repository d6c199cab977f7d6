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
	"github.com/smelt-ml/smelt/internal/media"
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
	cmd := exec.CommandContext(t.Context(), python, filepath.Join("testdata", "oracle", "onnxruntime_server.py"))
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
		o.Shapes = map[string]mlmodel.Shapes{}
		for name, v := range inputs {
			if a, ok := v.(conformance.Array); ok && a.Rank() > 0 {
				o.Shapes[name] = mlmodel.Shapes{Default: a.Shape()}
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
// has onnx and onnxruntime, there. docs/onnx-export.md tells what does not pass.
func TestToONNX(t *testing.T) {
	runtime := startRuntime(t)
	engine := conformance.Engine(predict.Options{})
	only := regexp.MustCompile(os.Getenv("SMELT_RUN")) // names of cases
	ran, passed := 0, 0
	for _, name := range []string{"nn", "mil", "torch", "tf", "compress"} {
		s := sharedSuite(t, name)
		s.Cases = slices.DeleteFunc(s.Cases, func(c *conformance.Case) bool { return !only.MatchString(c.ID) })
		before, err := conformance.Run(t.Context(), s, engine, conformance.Options{})
		if err != nil {
			t.Fatal(err)
		}
		good := map[string]bool{}
		for _, c := range before.Cases {
			good[c.ID] = c.OK && c.Kind != "glmRegressor"
		}
		r := toONNX{dir: t.TempDir(), runtime: runtime, mu: new(sync.Mutex), reasons: map[string]int{}, done: new(int)}
		after, err := conformance.Run(t.Context(), s, r, conformance.Options{})
		if err != nil {
			t.Fatal(err)
		}
		here, fine := 0, 0
		for _, c := range after.Cases {
			if !good[c.ID] {
				continue
			}
			here++
			if c.OK {
				fine++
				continue
			}
			t.Logf("%s: %s", c.ID, strings.ReplaceAll(c.Error[:min(len(c.Error), 300)], "\n", " "))
		}
		for _, reason := range slices.Sorted(maps.Keys(r.reasons)) {
			t.Logf("%4d %s", r.reasons[reason], reason)
		}
		t.Logf("%s: %d of %d pass, %d written", name, fine, here, *r.done)
		ran, passed = ran+here, passed+fine
	}
	least := 0.985
	if runtime != nil {
		least = 0.996
	}
	if float64(passed) < least*float64(ran) {
		t.Errorf("%d of %d pass", passed, ran)
	}
}

// realModels are the real Core ML networks.
var realModels = []string{
	"squeezenet/SqueezeNet.mlmodel", "squeezenet/SqueezeNet_fp16.mlpackage", "squeezenet/quantized/SqueezeNet_linear_8.mlmodel",
	"squeezenet/quantized/SqueezeNet_kmeans_4.mlmodel", "mobilenet-v1-025/MobileNetV1_025.mlmodel",
	"mobilenet-v1-025/MobileNetV1_025_fp16.mlpackage", "mobilenet-v1-025/MobileNetV1_025_fp32.mlpackage", "style-wave/StyleWave.mlmodel",
	"minilm/MiniLM_int8.mlpackage", "basic-pitch/nmp.mlpackage",
}

// realInput is what a real model is asked: a photo, or numbers by chance.
func realInput(t *testing.T, face mlmodel.Interface) predict.Features {
	t.Helper()
	if face.Inputs[0].Kind == mlmodel.Image {
		m, err := media.Open(filepath.Join(dataDir(), "images", "imagenet", "n01440764_tench.JPEG"), media.Options{})
		if err != nil {
			t.Fatal(err)
		}
		size := face.Inputs[0].Image
		if m, err = media.Fit(m, int(size.Width), int(size.Height), media.FitOptions{}); err != nil {
			t.Fatal(err)
		}
		return predict.Features{face.Inputs[0].Name: m}
	}
	in, err := generated(face, 7, false)
	if err != nil {
		t.Fatal(err)
	}
	return in[0]
}

// asked is what a Core ML file answers.
func asked(t *testing.T, path string, in predict.Features) (mlmodel.Interface, predict.Features) {
	t.Helper()
	doc, err := mlmodel.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer doc.Close()
	m, err := predict.Load(doc, predict.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	face := mlmodel.Describe(doc.Spec().GetDescription())[0]
	if in == nil {
		in = realInput(t, face)
	}
	out, err := m.Predict(t.Context(), in, nil)
	if err != nil {
		t.Fatal(err)
	}
	return face, out
}

// TestRealToONNX makes ONNX models of the real ones, runs them here or in ONNX
// Runtime (see TestToONNX), and makes Core ML models of them again: pictures,
// labels and outputs stay.
func TestRealToONNX(t *testing.T) {
	runtime := startRuntime(t)
	for _, name := range realModels {
		path := filepath.Join(dataDir(), "models", name)
		face, want := asked(t, path, nil)
		in := realInput(t, face)
		dir := t.TempDir()
		file := filepath.Join(dir, "m.onnx")
		r, err := File(t.Context(), path, file, Options{})
		if err != nil {
			t.Fatal(err)
		}
		back := filepath.Join(dir, "m.mlpackage")
		if _, err := File(t.Context(), file, back, Options{Float: tensor.Float32}); err != nil {
			t.Fatal(err)
		}
		again, have := asked(t, back, in)
		for i := range again.Inputs {
			if again.Inputs[i].Name != face.Inputs[i].Name || again.Inputs[i].Type() != face.Inputs[i].Type() {
				t.Errorf("%s: input %s %s was %s %s", name, again.Inputs[i].Name, again.Inputs[i].Type(), face.Inputs[i].Name, face.Inputs[i].Type())
			}
		}
		round := worst(t, want, have)
		text := ""
		if runtime != nil {
			src, err := openCoreML(path, Options{})
			if err != nil {
				t.Fatal(err)
			}
			result, _, err := src.write(t.Context(), &targets[slices.IndexFunc(targets, func(t target) bool { return t.name == ONNX })], filepath.Join(dir, "o.onnx"), Options{}, newReport(ONNX))
			if err != nil {
				t.Fatal(err)
			}
			given, err := arrays(result.face, in)
			if err != nil {
				t.Fatal(err)
			}
			out, err := runtime.run(file, dir, given)
			if err == nil {
				out, err = dressed(out, result.face, src.program.Classifier)
			}
			if err != nil {
				t.Fatal(err)
			}
			e := worst(t, want, out)
			text = fmt.Sprintf(" %.1e |", e)
			if e > 1.01/255 || e > 1e-3 && !strings.HasPrefix(name, "style") { // a picture is off by one where a half is rounded
				t.Errorf("%s: ONNX Runtime is off by %g", name, e)
			}
			result.close()
			src.close()
		}
		t.Logf("| %s | %s | %d | %d |%s %.1e |", name, r.System, r.SizeBefore, r.SizeAfter, text, round)
		if round > 1e-3 {
			t.Errorf("%s: off by %g", name, round)
		}
	}
}

// worst is the largest error of all outputs, each over its largest value.
func worst(t *testing.T, want, have predict.Features) float64 {
	t.Helper()
	most := 0.0
	for name, w := range want {
		h, ok := have[name]
		if !ok {
			t.Fatalf("there is no output %q among %v", name, slices.Sorted(maps.Keys(have)))
		}
		var d Difference
		if err := d.add(w, h); err != nil {
			t.Fatalf("output %q: %v", name, err)
		}
		d.finish()
		most = max(most, d.MaxRel)
	}
	return most
}
