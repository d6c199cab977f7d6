package convert

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/smelt-ml/smelt/internal/backend/mlprogram"
	"github.com/smelt-ml/smelt/internal/edit"
	read "github.com/smelt-ml/smelt/internal/frontend/onnx"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// toFile converts a file to ONNX.
func toFile(t *testing.T, in string, o Options) (*Report, string) {
	t.Helper()
	out := filepath.Join(t.TempDir(), "out.onnx")
	if o.Verify == nil {
		o.Verify = &Verify{Seed: 1}
	}
	r, err := File(t.Context(), in, out, o)
	if err != nil {
		t.Fatalf("%s: %v", in, err)
	}
	if r.Target != ONNX || !strings.HasPrefix(r.System, "opset ") || len(r.Ops) == 0 || r.SizeAfter == 0 {
		t.Errorf("%s: report %+v", in, r)
	}
	return r, out
}

// Core ML models come back from ONNX as they were: pictures, labels, metadata.
func TestThereAndBack(t *testing.T) {
	for in, outputs := range map[string][]string{classifier: {"colour", "scores"}, style: {"painting"}} {
		before, err := mlmodel.Open(in)
		if err != nil {
			t.Fatal(err)
		}
		defer before.Close()
		r, file := toFile(t, in, Options{})
		near(t, r, 1e-5, outputs...)
		r, after, _ := converted(t, file, Options{Float: tensor.Float32})
		near(t, r, 1e-5, slices.DeleteFunc(slices.Clone(outputs), func(name string) bool { return name == "colour" })...)
		a, b := mlmodel.Describe(before.Spec().GetDescription())[0], mlmodel.Describe(after.Spec().GetDescription())[0]
		same := func(x, y mlmodel.Feature) bool { return x.Name == y.Name && x.Type() == y.Type() }
		byName := func(x, y mlmodel.Feature) int { return strings.Compare(x.Name, y.Name) }
		slices.SortFunc(a.Outputs, byName)
		slices.SortFunc(b.Outputs, byName)
		if !slices.EqualFunc(a.Inputs, b.Inputs, same) || !slices.EqualFunc(a.Outputs, b.Outputs, same) || a.PredictedFeature != b.PredictedFeature {
			t.Errorf("%s: described as %+v, was %+v", in, b, a)
		}
		x, y := before.Metadata(), after.Metadata()
		if x.Author != y.Author || x.License != y.License || x.ShortDescription != y.ShortDescription || y.UserDefined[aboutKey] != "" {
			t.Errorf("%s: metadata %+v, was %+v", in, y, x)
		}
		if labels := mlmodel.ClassLabels(after.Spec()); labels.Len() != mlmodel.ClassLabels(before.Spec()).Len() {
			t.Errorf("%s: %d labels", in, labels.Len())
		}
	}
}

// Programs keep their outputs in any precision; of several functions the
// default one is written, and states are inputs and outputs.
func TestProgramsToONNX(t *testing.T) {
	for _, in := range []string{sums, program, functions} {
		for _, o := range []Options{{}, {Float: tensor.Float16}, {Float: tensor.Float32}, {ExternalData: true}} {
			r, file := toFile(t, in, o)
			if r.Check.Samples != 1 {
				t.Errorf("%s: %+v", in, r.Check)
			}
			for name, d := range r.Check.Outputs {
				if rel := map[bool]float64{true: 2e-2, false: 1e-3}[o.Float == tensor.Float16]; !(d.MaxRel <= rel) {
					t.Errorf("%s: output %q: %+v", in, name, d)
				}
			}
			m, err := read.Open(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := m.Close(); err != nil {
				t.Fatal(err)
			}
			notes := strings.Join(r.Notes, "\n")
			if in == functions && (!strings.Contains(notes, "one function") || !strings.Contains(notes, "state")) {
				t.Errorf("notes %q", notes)
			}
		}
	}
}

// An ONNX model is written again with its names, types and dimensions.
func TestONNXToONNX(t *testing.T) {
	r, file := toFile(t, net, Options{Metadata: mlmodel.Metadata{Author: "somebody", UserDefined: map[string]string{"key": "value"}}})
	near(t, r, 1e-5, "out/probabilities")
	m, err := read.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	was, err := read.Open(net)
	if err != nil {
		t.Fatal(err)
	}
	defer was.Close()
	a, err := was.Inputs()
	if err != nil {
		t.Fatal(err)
	}
	b, err := m.Inputs()
	if err != nil {
		t.Fatal(err)
	}
	if b[0].Name != "pixels:0" || b[0].Dims[0] != a[0].Dims[0] || b[0].DType != a[0].DType {
		t.Errorf("inputs %+v, were %+v", b, a)
	}
	if props := m.Metadata(); props["key"] != "value" || !strings.Contains(props[aboutKey], "somebody") {
		t.Errorf("metadata %v", props)
	}

	// With labels and pictures, which a Core ML model made of it has.
	shapes := map[string]mlmodel.Shapes{"pixels:0": {Default: []int{1, 3, 8, 8}}}
	_, file = toFile(t, net, Options{
		Shapes: shapes, Labels: []string{"a", "b", "c", "d", "e"},
		ImageInputs: map[string]edit.Image{"pixels:0": {Color: spec.ImageFeatureType_BGR}},
	})
	_, doc, _ := converted(t, file, Options{Float: tensor.Float32})
	d := mlmodel.Describe(doc.Spec().GetDescription())[0]
	if d.Inputs[0].Type() != "image BGR 8×8" || d.PredictedFeature != "classLabel" || mlmodel.ClassLabels(doc.Spec()).Len() != 5 {
		t.Errorf("described as %+v", d)
	}
}

func TestRefusedToONNX(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "out.onnx")
	for _, c := range []struct {
		in   string
		o    Options
		want string
	}{
		{classifier, Options{Target: mil.IOS16}, "a target is for Core ML"},
		{classifier, Options{Labels: []string{"a"}}, "1 labels, the model has"},
		{net, Options{Labels: []string{"a"}}, "0 outputs"},
		{net, Options{Keep: []string{"linear"}}, "unless the precision is float16"},
		{net, Options{Float: tensor.Float16, Keep: []string{"lstm"}}, "keep lstm"},
		{net, Options{ImageInputs: map[string]edit.Image{"pixels:0": {Scale: 2}}}, "scale and bias are for pictures"},
		{"../../mlmodel/testdata/network.mlmodel", Options{}, "custom"},
	} {
		r, err := File(t.Context(), c.in, out, c.o)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.in, err, c.want)
		}
		if r == nil || r.Ops == nil {
			t.Errorf("%s: report %+v", c.in, r)
		}
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("failed conversions left %v, %v", left, err)
	}
}

// What an ONNX model says of pictures and labels is only taken as far as it is
// true.
func TestRestore(t *testing.T) {
	f := func() *source {
		v := &mil.Value{Name: "p", Type: mil.TensorType(tensor.Float32, 1, 3)}
		x := &mil.Value{Name: "x", Type: mil.TensorType(tensor.Float32, 1, 3, 4, 4)}
		s := &source{program: &mlprogram.Program{Funcs: []*mil.Func{{Inputs: []*mil.Value{x}, Body: &mil.Block{Outputs: []*mil.Value{v}}}}}}
		return s
	}
	for text, want := range map[string][2]int{ // pictures, labels
		`{"images":{"x":"BGR","y":"RGB"},"classifier":{"labels":["a","b","c"],"label":"l","probabilities":"p"}}`: {1, 3},
		`{"images":{"x":"GRAYSCALE"},"classifier":{"labels":["a"],"label":"l","probabilities":"p"}}`:             {0, 0},
		`{"images":{"x":"PURPLE"},"classifier":{"numbers":[1,2,3],"label":"l","probabilities":"p"}}`:             {0, 3},
		`{"classifier":{"numbers":[1,2,3],"labels":["a","b","c"],"label":"l","probabilities":"p"}}`:              {0, 0},
		`{"classifier":{"labels":["a","b","c"],"label":"l","probabilities":"q"}}`:                                {0, 0},
		`{`: {0, 0},
	} {
		s := f()
		s.meta.UserDefined = map[string]string{aboutKey: text}
		s.restore()
		labels := 0
		if c := s.program.Classifier; c != nil {
			labels = max(len(c.Strings), len(c.Ints))
		}
		if len(s.images) != want[0] || labels != want[1] {
			t.Errorf("%s: %d pictures, %d labels", text, len(s.images), labels)
		}
		if text == "{" && len(s.notes) == 0 {
			t.Error("nothing is said of a property that cannot be read")
		}
	}
}
