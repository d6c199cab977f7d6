package convert

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/internal/backend/mlprogram"
	"github.com/smelt-ml/smelt/internal/edit"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// The models that the tests use.
const (
	classifier = "../../testdata/classifier.mlmodel"
	style      = "../../testdata/style.mlmodel"
	sums       = "../../testdata/sums.mlpackage"
	functions  = "../../mlmodel/testdata/functions.mlpackage"
	program    = "../../mlmodel/testdata/program.mlpackage"
	net        = "testdata/net.onnx"
)

// converted converts a file and opens the result.
func converted(t *testing.T, in string, o Options) (*Report, *mlmodel.Model, string) {
	t.Helper()
	out := filepath.Join(t.TempDir(), "out.mlpackage")
	if o.Verify == nil {
		o.Verify = &Verify{Seed: 1}
	}
	r, err := File(t.Context(), in, out, o)
	if err != nil {
		t.Fatalf("%s: %v", in, err)
	}
	m, err := mlmodel.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	if v := m.RequiredVersion(); v > m.Spec().GetSpecificationVersion() || r.SpecVersion != m.Spec().GetSpecificationVersion() {
		t.Errorf("%s: specification version %d (reported %d), needs %d", in, m.Spec().GetSpecificationVersion(), r.SpecVersion, v)
	}
	return r, m, out
}

// near wants all outputs within a relative error.
func near(t *testing.T, r *Report, rel float64, outputs ...string) {
	t.Helper()
	if r.Check == nil || r.Check.Samples == 0 || len(r.Check.Outputs) != len(outputs) {
		t.Fatalf("check %+v, want the outputs %q", r.Check, outputs)
	}
	for _, name := range outputs {
		d := r.Check.Outputs[name]
		if d == nil || !(d.MaxRel <= rel) {
			t.Errorf("output %q: %+v", name, d)
		}
	}
}

func TestNetworksToPrograms(t *testing.T) {
	for _, d := range []tensor.DType{tensor.Float32, tensor.Invalid} {
		rel, precision := 1e-5, "fp32"
		if d == tensor.Invalid { // that is, float16
			rel, precision = 1e-2, "fp16"
		}
		r, m, _ := converted(t, classifier, Options{Float: d})
		near(t, r, rel, "colour", "scores")
		face := mlmodel.Describe(m.Spec().GetDescription())[0]
		if face.PredictedFeature != "colour" || face.Inputs[0].Type() != "image RGB 24×24" || mlmodel.ClassLabels(m.Spec()).Len() == 0 {
			t.Errorf("described as %+v", face)
		}
		if meta := m.Metadata(); meta.Author != "smelt" {
			t.Errorf("metadata %+v", meta)
		}
		if r.Source != "neuralNetworkClassifier" || r.Target != MLProgram || r.Precision != precision || r.SpecVersion != mlmodel.IOS15 || r.Ops["conv"] == 0 {
			t.Errorf("report %+v", r)
		}
		r, m, _ = converted(t, style, Options{Float: d})
		near(t, r, rel, "painting")
		if face := mlmodel.Describe(m.Spec().GetDescription())[0]; face.Outputs[0].Kind != mlmodel.Image {
			t.Errorf("described as %+v", face)
		}
	}
}

func TestProgramsToPrograms(t *testing.T) {
	for _, in := range []string{sums, program, functions} {
		before, err := mlmodel.Open(in)
		if err != nil {
			t.Fatal(err)
		}
		defer before.Close()
		for _, o := range []Options{{}, {Target: mil.IOS18}, {Float: tensor.Float16}, {Float: tensor.Float32}} {
			r, m, _ := converted(t, in, o)
			if r.Check.Samples != 1 {
				t.Errorf("%s: %+v", in, r.Check)
			}
			for name, d := range r.Check.Outputs {
				if rel := map[bool]float64{true: 2e-2, false: 1e-5}[o.Float == tensor.Float16]; !(d.MaxRel <= rel) {
					t.Errorf("%s: output %q: %+v", in, name, d)
				}
			}
			a, b := mlmodel.Describe(before.Spec().GetDescription()), mlmodel.Describe(m.Spec().GetDescription())
			if len(a) != len(b) {
				t.Fatalf("%s: %d functions, had %d", in, len(b), len(a))
			}
			for i := range a {
				same := func(x, y mlmodel.Feature) bool { return x.Name == y.Name && x.Type() == y.Type() }
				if a[i].Function != b[i].Function || !slices.EqualFunc(a[i].Inputs, b[i].Inputs, same) ||
					!slices.EqualFunc(a[i].Outputs, b[i].Outputs, same) || !slices.EqualFunc(a[i].States, b[i].States, same) {
					t.Errorf("%s: described as %+v, was %+v", in, b[i], a[i])
				}
			}
		}
	}
}

func TestONNX(t *testing.T) {
	r, m, _ := converted(t, net, Options{Float: tensor.Float32})
	near(t, r, 1e-5, "out_probabilities")
	if len(r.Notes) < 2 || !strings.Contains(strings.Join(r.Notes, "\n"), `input "pixels:0" is named pixels_0`) {
		t.Errorf("notes %q", r.Notes)
	}
	if d := mlmodel.Describe(m.Spec().GetDescription())[0]; d.Inputs[0].Type() != "multiArray fp32 (1..2048)×3×8×8" {
		t.Errorf("described as %s", d.Inputs[0].Type())
	}

	// A classifier of pictures.
	r, m, _ = converted(t, net, Options{
		Shapes:      map[string]mlmodel.Shapes{"pixels:0": {Default: []int{1, 3, 8, 8}}},
		ImageInputs: map[string]edit.Image{"pixels:0": {Color: spec.ImageFeatureType_BGR, Scale: 2. / 255, Bias: []float32{-1}}},
		Labels:      []string{"a", "b", "c", "d", "e"},
		Rename:      map[string]string{"pixels:0": "image", "classLabel": "letter"},
		Metadata:    mlmodel.Metadata{Author: "somebody", UserDefined: map[string]string{"key": "value"}},
	})
	near(t, r, 1e-2, "classLabel_probs")
	d := mlmodel.Describe(m.Spec().GetDescription())[0]
	if d.Inputs[0].Name != "image" || d.Inputs[0].Type() != "image BGR 8×8" || d.PredictedFeature != "letter" {
		t.Errorf("described as %+v", d)
	}
	if meta := m.Metadata(); meta.Author != "somebody" || meta.UserDefined["key"] != "value" {
		t.Errorf("metadata %+v", meta)
	}
}

func TestKeep(t *testing.T) {
	all, _, _ := converted(t, net, Options{})
	kept, _, _ := converted(t, net, Options{Keep: []string{"reduce_mean", "linear"}})
	if kept.Ops["cast"] <= all.Ops["cast"] {
		t.Errorf("%d casts, %d without exceptions", kept.Ops["cast"], all.Ops["cast"])
	}
}

func TestRefused(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "out.mlpackage")
	text := filepath.Join(t.TempDir(), "text.onnx")
	if err := os.WriteFile(text, []byte("no model"), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		in, out string
		o       Options
		want    string
	}{
		{classifier, filepath.Join(dir, "out.txt"), Options{}, "ends in one of .mlpackage (ML Program)"},
		{classifier, filepath.Join(dir, "out.mlmodel"), Options{To: MLProgram}, "format mlprogram is written as .mlpackage"},
		{classifier, out, Options{To: "gguf"}, "want one of mlprogram"},
		{text, out, Options{}, "text.onnx"},
		{"testdata/none.mlmodel", out, Options{}, "none.mlmodel"},
		{"../../mlmodel/testdata/pipeline.mlmodel", out, Options{}, "pipelineClassifier"},
		{classifier, out, Options{Labels: []string{"a"}}, "1 labels, the model has"},
		{net, out, Options{Labels: []string{"a"}}, "0 outputs"},
		{net, out, Options{Rename: map[string]string{"q": "r"}}, "rename q"},
		{net, out, Options{Rename: map[string]string{"pixels:0": "1x"}}, `"1x" is no name`},
		{net, out, Options{Rename: map[string]string{"pixels:0": "out_probabilities"}}, "another feature is named out_probabilities"},
		{net, out, Options{Keep: []string{"lstm"}}, "keep lstm"},
		{net, out, Options{ImageInputs: map[string]edit.Image{"pixels:0": {Color: spec.ImageFeatureType_GRAYSCALE}}}, "[1, 1, height, width]"},
		{functions, out, Options{Target: mil.IOS15}, "iOS 18"},
		{net, out, Options{Shapes: map[string]mlmodel.Shapes{"photo": {Default: []int{1}}}}, `input "photo"`},
		{style, out, Options{Shapes: map[string]mlmodel.Shapes{"photo": {Default: []int{1}}}}, `input "photo"`},
	} {
		r, err := File(t.Context(), c.in, c.out, c.o)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.in, err, c.want)
		}
		if r == nil || r.Ops == nil || r.Unsupported == nil {
			t.Errorf("%s: report %+v", c.in, r)
		}
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("failed conversions left %v, %v", left, err)
	}
}

// Everything that cannot be read or written is listed.
func TestUnsupported(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out.mlpackage")
	for _, c := range []struct {
		in, op string
		count  int
	}{
		{functions, "read_state", 2},
		{"testdata/unknown.onnx", "Frob", 2},
		{"../../mlmodel/testdata/network.mlmodel", "custom", 1},
	} {
		r, err := File(t.Context(), c.in, out, Options{Target: mil.IOS15})
		i := slices.IndexFunc(r.Unsupported, func(p mlprogram.Problem) bool { return p.Op == c.op })
		if i < 0 || r.Unsupported[i].Count < c.count || r.Unsupported[i].Where == "" || fault.KindOf(err) != fault.Unsupported {
			t.Errorf("%s: unsupported %+v, %v", c.in, r.Unsupported, err)
		}
	}
}

// Differences are such as JSON can hold.
func TestDifference(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, c := range []struct {
		a, b     []float64
		abs, rel float64
		snr      bool
	}{
		{[]float64{1, -2}, []float64{1, -2}, 0, 0, false},
		{[]float64{nan, inf, -inf}, []float64{nan, inf, -inf}, 0, 0, false},
		{[]float64{1, -2}, []float64{1, -1}, 1, 0.5, true},
		{[]float64{0}, []float64{0.5}, 0.5, 0.5, true},
		{[]float64{1}, []float64{nan}, math.MaxFloat64, math.MaxFloat64, true},
		{[]float64{inf}, []float64{1}, math.MaxFloat64, math.MaxFloat64, true},
	} {
		d := &Difference{}
		if err := d.add(tensor.New(tensor.Float64, []int{len(c.a)}, c.a), tensor.New(tensor.Float64, []int{len(c.b)}, c.b)); err != nil {
			t.Fatal(err)
		}
		d.finish()
		if d.MaxAbs != c.abs || d.MaxRel != c.rel || (d.SNR != nil) != c.snr || c.snr && (math.IsNaN(*d.SNR) || math.IsInf(*d.SNR, 0)) {
			t.Errorf("%v and %v: %+v", c.a, c.b, d)
		}
	}
	d := &Difference{}
	for _, c := range [][2]any{
		{tensor.Floats([]int{1}, []float32{1}), tensor.Floats([]int{2}, []float32{1, 2})},
		{map[string]float64{"a": 1}, map[string]float64{"b": 1}},
		{1.0, "text"},
	} {
		if err := d.add(c[0], c[1]); err == nil {
			t.Errorf("%v and %v are compared", c[0], c[1])
		}
	}
}
