package convert

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/internal/backend/mlprogram"
	"github.com/smelt-ml/smelt/internal/conversion"
	"github.com/smelt-ml/smelt/internal/frontend/onnx"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/mlmodel"
)

const (
	swirl  = "../../testdata/swirl.onnx"
	acme   = "../../testdata/acme.yaml"
	layers = "../../testdata/custom.mlpackage"
)

// Everything is listed with a way out.
func TestWaysOut(t *testing.T) {
	r, err := File(t.Context(), swirl, filepath.Join(t.TempDir(), "out.mlpackage"), Options{})
	if fault.KindOf(err) != fault.Unsupported {
		t.Fatalf("have %v", err)
	}
	const out = "a file of --conversions says what becomes of it, or --partial custom makes a custom layer of it"
	want := []mlprogram.Problem{
		{Op: "Scale", Domain: "com.acme", Count: 1, Where: "scale", Names: []string{"scale"}, Reason: "there is no conversion of com.acme::Scale", WayOut: out},
		{Op: "Swirl", Domain: "com.acme", Count: 2, Where: "swirl1", Names: []string{"swirl1", "swirl2"}, Reason: "there is no conversion of com.acme::Swirl", WayOut: out},
	}
	if diff := cmp.Diff(want, r.Unsupported); diff != "" {
		t.Errorf("-want +have\n%s", diff)
	}
	for _, c := range []struct {
		p    onnx.Problem
		want string
	}{
		{onnx.Problem{Domain: "com.acme", Op: "Gelu"}, `if it is Gelu, which has a conversion: "as: Gelu"`},
		{onnx.Problem{Domain: "com.acme", Op: "FusedMatMul"}, `if it is com.microsoft::FusedMatMul`},
		{onnx.Problem{Op: "Softmaxx"}, "if it is Softmax,"},
		{onnx.Problem{Op: "Sofmtax"}, "if it is Softmax,"},
		{onnx.Problem{Op: "HardSwis"}, "if it is HardSwish,"},
		{onnx.Problem{Domain: "com.acme", Op: "Sofmax"}, out},
		{onnx.Problem{Domain: "com.acme", Op: "BandPart"}, "MIL has band_part"},
		{onnx.Problem{Domain: "com.acme", Op: "Swirl"}, out},
		{onnx.Problem{Op: "Resize", Known: true, Reason: "sizes is only known when it is run"}, "--shape"},
		{onnx.Problem{Op: "BitCast", Known: true, Reason: "the bits of fp32 as int32"}, out},
	} {
		if have := wayOutOfONNX(c.p); !strings.Contains(have, c.want) {
			t.Errorf("%+v: %s", c.p, have)
		}
	}
	r, err = File(t.Context(), functions, filepath.Join(t.TempDir(), "out.mlpackage"), Options{Target: mil.IOS16})
	i := slices.IndexFunc(r.Unsupported, func(p mlprogram.Problem) bool { return p.Op == "read_state" })
	if err == nil || i < 0 || r.Unsupported[i].WayOut != "--target ios18" || len(r.Unsupported[i].Names) != 2 {
		t.Errorf("%+v, %v", r.Unsupported, err)
	}
}

// needed are the custom layers of a model.
func needed(t *testing.T, m *mlmodel.Model) []string {
	t.Helper()
	var out []string
	for _, d := range m.Summary().Dependencies {
		out = append(out, fmt.Sprint(d.ClassName, d.Parameters))
	}
	return out
}

func TestConversionFile(t *testing.T) {
	r, m, _ := converted(t, swirl, Options{ConversionFiles: []string{acme}})
	near(t, r, 1e-2, "z")
	if !slices.Equal(r.Check.Unchecked, []string{"y"}) || r.Check.Skipped != "" {
		t.Errorf("check %+v", r.Check)
	}
	want := []string{"AcmeSwirl" + fmt.Sprint(map[string]any{"angle": 0.5, "turns": 2, "mode": "polar", "quality": "high"}), "AcmeSwirl" + fmt.Sprint(map[string]any{"angle": 1.5, "turns": 1, "mode": "polar", "quality": "high"})}
	if diff := cmp.Diff(want, needed(t, m)); diff != "" {
		t.Errorf("-want +have\n%s", diff)
	}
	if r.Ops["custom_layer"] != 2 || r.Ops["clip"] != 1 || !slices.Contains(r.Notes, `the app must bring class "AcmeSwirl": 2 custom layers`) {
		t.Errorf("report %+v", r)
	}
	// An operator that has a conversion takes another; one that is not there is noted.
	path := filepath.Join(t.TempDir(), "more.yaml")
	if err := os.WriteFile(path, []byte("conversions:\n  Relu: {as: Neg}\n  com.acme::Swirl: {as: Identity}\n  com.acme::None: {as: Relu}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r, m, _ = converted(t, swirl, Options{ConversionFiles: []string{path, acme}}) // the first counts
	near(t, r, 1e-2, "y", "z")
	if r.Ops["relu"] != 0 || len(needed(t, m)) != 0 || !slices.Contains(r.Notes, "there is no com.acme::None: its conversion was not used") {
		t.Errorf("report %+v", r)
	}
	if _, err := File(t.Context(), swirl, "out.mlpackage", Options{ConversionFiles: []string{"none.yaml"}}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("have %v", err)
	}
}

func TestConversionFuncs(t *testing.T) {
	o := Options{Conversions: map[string]conversion.Func{
		"com.acme::Swirl": func(n *conversion.Node, b *conversion.Builder) error {
			if n.Input(1).Const == nil || n.Input(2) != nil || n.Outputs[0].Type == nil {
				t.Errorf("node %+v", n)
			}
			if n.Float("angle", 0) > 1 {
				return b.Output(n.Input(0))
			}
			if n.Int("turns", 0) != 2 || n.Text("mode", "") != "polar" || !slices.Equal(n.Ints("center"), []int64{3, 4}) || n.Has("none") {
				t.Errorf("attributes %v", n.Attributes)
			}
			x := b.Op("mul", op.Args{"x": n.Input(0), "y": b.Constant(float32(2))})
			parts := b.Ops("split", op.Args{"x": x, "num_splits": 2, "axis": -1})
			if len(parts) != 2 {
				return b.Err()
			}
			return b.Output(b.Op("concat", op.Args{"values": parts, "axis": -1}))
		},
		"com.acme::Scale": func(n *conversion.Node, b *conversion.Builder) error {
			return b.Output(b.CustomLayer(conversion.CustomLayer{Class: "AcmeScale", Inputs: n.Inputs, Parameters: n.Attributes})...)
		},
	}}
	r, m, _ := converted(t, swirl, o)
	if diff := cmp.Diff([]string{"AcmeScale" + fmt.Sprint(map[string]any{"alpha": 0.25})}, needed(t, m)); diff != "" {
		t.Errorf("-want +have\n%s", diff)
	}
	if r.Ops["split"] != 1 || !slices.Equal(r.Check.Unchecked, []string{"y", "z"}) {
		t.Errorf("report %+v", r)
	}
	for _, c := range []struct {
		f    conversion.Func
		want string
	}{
		{func(n *conversion.Node, b *conversion.Builder) error { return errors.New("no") }, `com.acme::Scale "scale": no`},
		{func(n *conversion.Node, b *conversion.Builder) error { return nil }, "says nothing of the outputs"},
		{func(n *conversion.Node, b *conversion.Builder) error { return b.Output() }, `gives 0 outputs, not output 0, "d"`},
		{func(n *conversion.Node, b *conversion.Builder) error { return b.Output(nil) }, `not output 0, "d"`},
		{func(n *conversion.Node, b *conversion.Builder) error {
			return b.Output(b.Op("mul", op.Args{"x": n.Input(0), "z": 1}))
		}, `com.acme::Scale "scale": layer "d": mul: there is no argument "z": it takes x, y`},
		{func(n *conversion.Node, b *conversion.Builder) error {
			b.Constant(struct{}{})
			b.Ops("relu", op.Args{"x": n.Input(0)})
			return b.Output(n.Input(0))
		}, "constant: a struct {} is neither"},
		{func(n *conversion.Node, b *conversion.Builder) error {
			return b.Output(b.CustomLayer(conversion.CustomLayer{Inputs: n.Inputs})...)
		}, "class_name"},
		{func(n *conversion.Node, b *conversion.Builder) error {
			return b.Output(b.CustomLayer(conversion.CustomLayer{Class: "C", Inputs: n.Inputs, InputNames: []string{"a", "b"}})...)
		}, "2 names for 1"},
		{func(n *conversion.Node, b *conversion.Builder) error {
			return b.Output(b.CustomLayer(conversion.CustomLayer{Class: "C", Weights: n.Inputs})...)
		}, "no constant"},
		{func(n *conversion.Node, b *conversion.Builder) error {
			return b.Output(b.CustomLayer(conversion.CustomLayer{Class: "C", Parameters: map[string]any{"a": 1 + 2i}})...)
		}, `parameter "a"`},
		{func(n *conversion.Node, b *conversion.Builder) error {
			return b.Output(b.CustomLayer(conversion.CustomLayer{Class: "C", Inputs: []*mil.Value{nil}})...)
		}, "is no value"},
		{func(n *conversion.Node, b *conversion.Builder) error { return b.Output(b.Builtin("")...) }, "there is no conversion of com.acme::Scale"},
	} {
		o.Conversions["com.acme::Scale"] = c.f
		_, err := File(t.Context(), swirl, filepath.Join(t.TempDir(), "out.mlpackage"), o)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("have %v, want %s", err, c.want)
		}
	}
}

func TestPartial(t *testing.T) {
	r, m, out := converted(t, swirl, Options{Partial: Custom})
	want := []string{
		"Swirl" + fmt.Sprint(map[string]any{"angle": 0.5, "turns": 2, "mode": "polar", "center": []int{3, 4}}),
		"Swirl" + fmt.Sprint(map[string]any{"angle": 1.5}),
		"Scale" + fmt.Sprint(map[string]any{"alpha": 0.25}),
	}
	if diff := cmp.Diff(want, needed(t, m)); diff != "" {
		t.Errorf("-want +have\n%s", diff)
	}
	if r.Check.Samples != 1 || !slices.Equal(r.Check.Unchecked, []string{"y", "z"}) || len(r.Unsupported) != 0 {
		t.Errorf("report %+v", r)
	}
	// What was written is a source, too.
	r, again, _ := converted(t, out, Options{Target: mil.IOS18})
	if diff := cmp.Diff(want, needed(t, again)); diff != "" || r.Ops["custom_layer"] != 3 {
		t.Errorf("-want +have\n%s", diff)
	}
	// Operators that a target has not are custom layers there.
	r, m, _ = converted(t, layers, Options{Partial: Custom})
	if len(needed(t, m)) != 2 || r.Ops["relu"] != 1 {
		t.Errorf("report %+v", r)
	}
	near(t, r, 1e-6, "twice")
	if _, err := File(t.Context(), swirl, "out.mlpackage", Options{Partial: "all"}); err == nil || !strings.Contains(err.Error(), `want "custom"`) {
		t.Errorf("have %v", err)
	}
}

// Networks have custom layers, too: they keep class, parameters, weights and the
// shapes of what they give, there and back.
func TestCustomNetworks(t *testing.T) {
	dir := t.TempDir()
	net := filepath.Join(dir, "net.mlmodel")
	r, err := File(t.Context(), swirl, net, Options{ConversionFiles: []string{acme}, Verify: &Verify{Seed: 1}})
	if err != nil {
		t.Fatal(err)
	}
	near(t, r, 1e-6, "z")
	if !slices.Equal(r.Check.Unchecked, []string{"y"}) || !slices.Contains(r.Notes, `the app must bring class "AcmeSwirl": 2 custom layers`) {
		t.Errorf("report %+v", r)
	}
	m, err := mlmodel.Open(net)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	want := []string{
		"AcmeSwirl" + fmt.Sprint(map[string]any{"angle": 0.5, "turns": 2, "mode": "polar", "quality": "high"}),
		"AcmeSwirl" + fmt.Sprint(map[string]any{"angle": 1.5, "turns": 1, "mode": "polar", "quality": "high"}),
	}
	if diff := cmp.Diff(want, needed(t, m)); diff != "" {
		t.Errorf("-want +have\n%s", diff)
	}
	for l := range mlmodel.Layers(m.Spec()) {
		if !l.HasCustom() {
			continue
		}
		w, err := m.Weights(l.GetCustom().GetWeights()[0])
		if err != nil || w.Len(0) != 12 || !slices.Equal(l.GetOutputTensor()[0].GetDimValue(), []int64{1, 3, 8, 8}) {
			t.Errorf("layer %v, %v", l, err)
		}
	}
	r, back, _ := converted(t, net, Options{})
	if diff := cmp.Diff(want, needed(t, back)); diff != "" {
		t.Errorf("-want +have\n%s", diff)
	}
	near(t, r, 1e-2, "z")
	r, err = File(t.Context(), layers, net, Options{Verify: &Verify{Seed: 1}})
	if err != nil || !slices.Equal(r.Check.Unchecked, []string{"out", "score"}) {
		t.Errorf("report %+v, %v", r, err)
	}
	// A shape that nothing says: it is written, and cannot be run at all.
	open := Options{Verify: &Verify{Seed: 1}, Conversions: map[string]conversion.Func{"com.x::Frob": func(n *conversion.Node, b *conversion.Builder) error {
		types := []mil.Type{{DType: n.Input(0).Type.DType, AnyRank: true}}
		return b.Output(b.CustomLayer(conversion.CustomLayer{Class: "Frob", Inputs: n.Inputs, Outputs: types})...)
	}}}
	r, err = File(t.Context(), "testdata/unknown.onnx", net, open)
	if err != nil || !strings.Contains(r.Check.Skipped, "nothing says the shape") {
		t.Errorf("report %+v, %v", r, err)
	}
}

// The description has the file as it is.
func TestDescribedFile(t *testing.T) {
	doc, err := os.ReadFile("../../docs/custom-conversion.md")
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(acme)
	if err != nil {
		t.Fatal(err)
	}
	_, file, _ = bytes.Cut(file, []byte("\n")) // a comment for those who see only the file
	if !bytes.Contains(doc, append([]byte("```yaml\n"), append(file, "```"...)...)) {
		t.Error("docs/custom-conversion.md has another acme.yaml")
	}
}
