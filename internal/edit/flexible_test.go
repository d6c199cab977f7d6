package edit_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/smelt-ml/smelt/internal/edit"
	"github.com/smelt-ml/smelt/internal/predict"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

func ranges(pairs ...int64) mlmodel.Shapes {
	var s mlmodel.Shapes
	for i := 0; i < len(pairs); i += 2 {
		s.Ranges = append(s.Ranges, mlmodel.Range{Min: pairs[i], Max: pairs[i+1]})
	}
	return s
}

func shapesOf(all ...[]int) mlmodel.Shapes { return mlmodel.Shapes{Enumerated: all} }

func TestFlexible(t *testing.T) {
	for _, c := range []struct {
		path    string
		want    map[string]mlmodel.Shapes
		in, out string // types afterwards
		version int32
		runs    int
	}{
		{style, map[string]mlmodel.Shapes{"image": shapesOf([]int{64, 48}, []int{128, 128})}, "image RGB 48×64 | 128×128 | 32×32", "image RGB 32×32 | 48×64 | 128×128", mlmodel.IOS12, 3},
		{style, map[string]mlmodel.Shapes{"image": ranges(16, 128, 24, 64)}, "image RGB (24..64)×(16..128)", "image RGB (24..64)×(16..128)", mlmodel.IOS12, 4},
		{style, map[string]mlmodel.Shapes{"image": ranges(16, 128, 24, -1)}, "image RGB (24..)×(16..128)", "image RGB (24..)×(16..)", mlmodel.IOS12, 4},
		{style, map[string]mlmodel.Shapes{"image": {Default: []int{48, 64}}}, "image RGB 64×48", "image RGB 64×48", mlmodel.IOS11, 1},
		// A default out of range moves in.
		{style, map[string]mlmodel.Shapes{"image": ranges(64, 128, 8, 16)}, "image RGB (8..16)×(64..128)", "image RGB (8..16)×(64..128)", mlmodel.IOS12, 4},
		{classifier, map[string]mlmodel.Shapes{"image": ranges(24, 48, 24, 96)}, "image RGB (24..96)×(24..48)", "string", mlmodel.IOS12, 3},
		{exact, map[string]mlmodel.Shapes{"x": ranges(1, 2, 3, 3, 4, 32, 4, 32)}, "multiArray fp64 (1..2)×3×(4..32)×(4..32)", "multiArray fp64", mlmodel.IOS13, 4},
		{exact, map[string]mlmodel.Shapes{"x": shapesOf([]int{1, 3, 16, 16}, []int{1, 3, 16, 16})}, "multiArray fp64 1×3×8×8 | 1×3×16×16", "multiArray fp64", mlmodel.IOS13, 2},
		{exact, map[string]mlmodel.Shapes{"x": ranges(1, 1, 3, 3, 4, 32, 8, 8), "y": ranges(1, 1, 3, 3, 4, 32, 8, 8)}, "multiArray fp64 1×3×(4..32)×8", "multiArray fp64 1×3×(4..32)×8", mlmodel.IOS13, 4},
		{skip, map[string]mlmodel.Shapes{"x": shapesOf([]int{3, 32, 64})}, "multiArray fp64 3×16×16 | 3×32×64", "multiArray fp64", mlmodel.IOS12, 2},
		{chain, map[string]mlmodel.Shapes{"x": ranges(3, 3, 8, 16, 8, 24)}, "multiArray fp64 3×(8..16)×(8..24)", "multiArray fp64", mlmodel.IOS12, 3},
		{net, map[string]mlmodel.Shapes{"x": ranges(1, 1, 3, 3, 8, 64, 16, 48)}, "multiArray fp32 1×3×(8..64)×(16..48)", "multiArray fp32", mlmodel.IOS15, 4},
		{net, map[string]mlmodel.Shapes{"x": shapesOf([]int{1, 3, 32, 32}, []int{2, 3, 16, 16})}, "multiArray fp32 1×3×16×16 | 1×3×32×32 | 2×3×16×16", "multiArray fp32", mlmodel.IOS15, 3},
		{sums, map[string]mlmodel.Shapes{"a": ranges(1, 4, 64, 64), "b": ranges(1, 4, 64, 64)}, "multiArray fp32 (1..4)×64", "multiArray fp32", mlmodel.IOS16, 3},
	} {
		r, m := edited(t, c.path, edit.Options{Flexible: c.want, Verify: &edit.Verify{}})
		f := face(m)
		if f.Inputs[0].Type() != c.in || f.Outputs[0].Type() != c.out && f.Outputs[len(f.Outputs)-1].Type() != c.out {
			t.Errorf("%s: %s to %s, want %s to %s", c.path, f.Inputs[0].Type(), f.Outputs[0].Type(), c.in, c.out)
		}
		if r.SpecVersion != c.version {
			t.Errorf("%s: specification version %d, want %d", c.path, r.SpecVersion, c.version)
		}
		ran := 0
		for _, check := range r.Checks {
			if check.Ran {
				ran++
			}
		}
		if ran != c.runs {
			t.Errorf("%s: ran %d times, want %d: %+v", c.path, ran, c.runs, r.Checks)
		}
		// At its old size it answers as before.
		was := open(t, c.path)
		in := example(t, was)
		if slicesEqualShapes(face(was), f) {
			want := answers(t, was, in)
			for name, have := range answers(t, m, in) {
				if _, ok := have.(string); !ok {
					near(t, c.path+": "+name, want[name], have, 0)
				}
			}
		}
	}
}

// slicesEqualShapes tells whether the inputs have the same default shapes.
func slicesEqualShapes(a, b mlmodel.Interface) bool {
	for i := range a.Inputs {
		if !cmp.Equal(a.Inputs[i].Shapes().Default, b.Inputs[i].Shapes().Default) {
			return false
		}
	}
	return true
}

// The values inside a program have the types that follow from its inputs.
func TestInnerTypes(t *testing.T) {
	_, m := edited(t, net, edit.Options{Flexible: map[string]mlmodel.Shapes{"x": ranges(1, 1, 3, 3, 8, 64, 16, 16)}})
	types := map[string]string{}
	for o := range mlmodel.Operations(m.Spec()) {
		for _, v := range o.GetOutputs() {
			text := ""
			for _, d := range v.GetType().GetTensorType().GetDimensions() {
				if d.HasUnknown() {
					text += "?,"
				} else {
					text += string(rune('0'+d.GetConstant().GetSize()%10)) + ","
				}
			}
			types[o.GetType()] = text
		}
	}
	for op, want := range map[string]string{"conv": "1,3,?,6,", "relu": "1,3,?,6,", "reduce_mean": "1,3,", "softmax": "1,5,"} {
		if types[op] != want {
			t.Errorf("%s gives [%s], want [%s]", op, types[op], want)
		}
	}
	// In loops, too.
	_, m = edited(t, loop, edit.Options{Flexible: map[string]mlmodel.Shapes{"x": ranges(1, 1, 3, 9)}, Verify: &edit.Verify{}})
	for o := range mlmodel.Operations(m.Spec()) {
		if d := o.GetOutputs()[0].GetType().GetTensorType().GetDimensions(); o.GetType() == "relu" && (o.Path == "main" || !d[1].HasUnknown()) {
			t.Errorf("relu in %s gives %v", o.Path, d)
		}
	}
	answers(t, m, predict.Features{"x": tensor.Zeros(tensor.Float32, []int{1, 7})})
}

// A network that cannot be looked into is edited all the same, and the report
// says that nobody has seen it run.
func TestFlexibleUnseen(t *testing.T) {
	r, m := edited(t, network, edit.Options{Flexible: map[string]mlmodel.Shapes{"x": ranges(3, 3, 8, 16, 8, 16)}, Verify: &edit.Verify{}})
	if len(r.Checks) != 1 || r.Checks[0].Ran || r.Checks[0].Note == "" {
		t.Errorf("checks %+v", r.Checks)
	}
	if typ := face(m).Inputs[0].Type(); typ != "multiArray fp64 3×(8..16)×(8..16)" {
		t.Error(typ)
	}
	// Without a check even what cannot work is written.
	_, m = edited(t, dense, edit.Options{Flexible: map[string]mlmodel.Shapes{"x": ranges(3, 3, 8, 16, 8, 16)}})
	if typ := face(m).Outputs[0].Type(); typ != "multiArray fp64" {
		t.Error(typ)
	}
}

// The same edits as coremltools makes give the same messages. The version may be
// lower: coremltools raises it to 4 for every enumeration.
func TestAsCoremltools(t *testing.T) {
	both := func(a, b string, s mlmodel.Shapes) map[string]mlmodel.Shapes {
		return map[string]mlmodel.Shapes{a: s, b: s}
	}
	skipped := both("x", "y", ranges(3, 3, 16, 16, 16, -1))
	skipped["y"] = ranges(6, 6, 16, 16, 16, -1)
	nd := shapesOf([]int{1, 3, 16, 16}, []int{1, 3, 8, 8}, []int{1, 3, 4, 9})
	for name, c := range map[string]struct {
		path string
		o    edit.Options
	}{
		"sizes":             {style, edit.Options{Flexible: both("image", "painting", shapesOf([]int{64, 48}, []int{128, 128}))}},
		"range":             {style, edit.Options{Flexible: both("image", "painting", ranges(16, 128, 24, -1))}},
		"array_range":       {skip, edit.Options{Flexible: skipped}},
		"nd_range":          {exact, edit.Options{Flexible: both("x", "y", ranges(1, 1, 3, 3, 4, 64, 8, -1))}},
		"nd_shapes":         {exact, edit.Options{Flexible: both("x", "y", nd)}},
		"rename_network":    {dense, edit.Options{Rename: map[string]string{"x": "data", "scores": "p"}}},
		"rename_classifier": {classifier, edit.Options{Rename: map[string]string{"image": "photo", "colour": "label", "scores": "p"}}},
		"rename_pipeline":   {chain, edit.Options{Rename: map[string]string{"x": "a", "z": "b"}}},
		"rename_program":    {net, edit.Options{Rename: map[string]string{"x": "data", "scores": "p"}}},
	} {
		b, err := os.ReadFile(filepath.Join("testdata", "golden", name+".pb"))
		if err != nil {
			t.Fatal(err)
		}
		want := new(spec.Model)
		if err := proto.Unmarshal(b, want); err != nil {
			t.Fatal(err)
		}
		_, m := edited(t, c.path, c.o)
		path := m.Path()
		if m.IsPackage() {
			path = filepath.Join(path, "Data", "com.apple.CoreML", "model.mlmodel")
		}
		if b, err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
		have := new(spec.Model)
		if err := proto.Unmarshal(b, have); err != nil {
			t.Fatal(err)
		}
		if have.GetSpecificationVersion() > want.GetSpecificationVersion() {
			t.Errorf("%s: version %d, coremltools has %d", name, have.GetSpecificationVersion(), want.GetSpecificationVersion())
		}
		have.SetSpecificationVersion(want.GetSpecificationVersion())
		if d := cmp.Diff(want, have, protocmp.Transform()); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}
