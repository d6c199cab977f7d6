package convert

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/smelt-ml/smelt/internal/predict"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// ints is a constant vector.
func ints(v ...int) *mil.Value { return mil.NewConst("", vector(v...)) }

// at builds a function of x [1, 2, h, w] as a lowering for that size would.
func at(t *testing.T, h, w int, build func(b *mil.Builder, x *mil.Value, h, w int) *mil.Value) *mil.Func {
	t.Helper()
	b := mil.NewBuilder(mil.IOS18)
	x := &mil.Value{Name: "x", Type: mil.TensorType(tensor.Float32, 1, 2, h, w)}
	y := build(b, x, h, w)
	if b.Err() != nil {
		t.Fatal(b.Err())
	}
	y.Name = "y"
	b.Block.Outputs = []*mil.Value{y}
	return &mil.Func{Name: "main", Opset: mil.IOS18, Inputs: []*mil.Value{x}, Body: b.Block}
}

func TestUnify(t *testing.T) {
	relu := func(b *mil.Builder, x *mil.Value) *mil.Value { return op.Relu.Add(b, op.Unary{X: x}) }
	for name, c := range map[string]struct {
		build func(b *mil.Builder, x *mil.Value, h, w int) *mil.Value
		want  string // of the error
	}{
		"sizes only in types": {func(b *mil.Builder, x *mil.Value, _, _ int) *mil.Value { return relu(b, x) }, ""},
		"one open": {func(b *mil.Builder, x *mil.Value, h, w int) *mil.Value {
			return relu(b, op.Reshape.Add(b, op.ReshapeArgs{X: x, Shape: ints(2, h*w)}))
		}, ""},
		"two open": {func(b *mil.Builder, x *mil.Value, h, w int) *mil.Value {
			return op.Reshape.Add(b, op.ReshapeArgs{X: relu(b, x), Shape: ints(h, 2, 1, w)})
		}, ""},
		"less than a dimension": {func(b *mil.Builder, x *mil.Value, h, w int) *mil.Value {
			return op.SliceByIndex.Add(b, op.SliceByIndexArgs{X: x, Begin: ints(0, 0, 1, 2), End: ints(1, 2, h-1, w)})
		}, ""},
		"other operations": {func(b *mil.Builder, x *mil.Value, h, _ int) *mil.Value {
			if h == 5 {
				x = relu(b, x)
			}
			return relu(b, x)
		}, "other operations at another size"},
		"another operation": {func(b *mil.Builder, x *mil.Value, h, _ int) *mil.Value {
			if h == 5 {
				return op.Abs.Add(b, op.Unary{X: x})
			}
			return relu(b, x)
		}, "is abs"},
		"a factor": {func(b *mil.Builder, x *mil.Value, h, _ int) *mil.Value {
			return op.Mul.Add(b, op.Binary{X: x, Y: mil.NewConst("", tensor.Floats([]int{1}, []float32{float32(h)}))})
		}, `argument "y" depends on the size`},
		"a constant kernel": {func(b *mil.Builder, x *mil.Value, h, w int) *mil.Value {
			return op.MaxPool.Add(b, *(&op.AvgPoolArgs{X: x, KernelSizes: []int{h, w}, Strides: []int{1, 1}, PadType: "valid"}).Pooling())
		}, "must be a constant"},
		"half a dimension": {func(b *mil.Builder, x *mil.Value, h, _ int) *mil.Value {
			return op.SliceByIndex.Add(b, op.SliceByIndexArgs{X: x, Begin: ints(0, 0, 0, 0), End: ints(1, 2, h/2, 1)})
		}, "no dimension of an operand tells how"},
		"another operand": {func(b *mil.Builder, x *mil.Value, h, _ int) *mil.Value {
			y, z := relu(b, x), op.Abs.Add(b, op.Unary{X: x})
			if h == 5 {
				return op.Add.Add(b, op.Binary{X: y, Y: y})
			}
			return op.Add.Add(b, op.Binary{X: y, Y: z})
		}, `argument "y" depends on the size`},
	} {
		var fs []*mil.Func
		for _, size := range [][2]int{{4, 6}, {5, 9}, {8, 7}} {
			fs = append(fs, at(t, size[0], size[1], c.build))
		}
		f, err := unify(fs)
		if c.want != "" {
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: error %v, want %q", name, err, c.want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !slices.Equal(f.Inputs[0].Type.Shape, []int{1, 2, mil.Unknown, mil.Unknown}) || f.Body.Outputs[0].Type.IsStatic() {
			t.Errorf("%s: %s to %s", name, f.Inputs[0].Type, f.Body.Outputs[0].Type)
		}
		// At a size that it has not seen it is what a lowering for it would be.
		x := tensor.Zeros(tensor.Float32, []int{1, 2, 7, 11})
		for i := range x.F32() {
			x.F32()[i] = float32(i%13) - 6
		}
		in := predict.Features{"x": x}
		want, err := answering(at(t, 7, 11, c.build), false)(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		have, err := answering(f, false)(t.Context(), in)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		a, b := want["y"].(*tensor.Tensor), have["y"].(*tensor.Tensor)
		if !slices.Equal(a.Shape(), b.Shape()) || !slices.Equal(a.F32(), b.F32()) {
			t.Errorf("%s: %v, want %v", name, b, a)
		}
	}
}

// Networks of several shapes become programs of several shapes, which answer as
// the network does at all of them.
func TestFlexibleNetworks(t *testing.T) {
	skip, exact, dense := "../edit/testdata/skip.mlmodel", "../edit/testdata/exact.mlmodel", "../edit/testdata/dense.mlmodel"
	ranges := func(pairs ...int64) mlmodel.Shapes {
		var s mlmodel.Shapes
		for i := 0; i < len(pairs); i += 2 {
			s.Ranges = append(s.Ranges, mlmodel.Range{Min: pairs[i], Max: pairs[i+1]})
			s.Default = append(s.Default, int(pairs[i]))
		}
		return s
	}
	several := func(all ...[]int) mlmodel.Shapes { return mlmodel.Shapes{Default: all[0], Enumerated: all} }
	for _, c := range []struct {
		path, input string
		shapes      mlmodel.Shapes
		in, out     string
		samples     int
	}{
		{style, "image", ranges(1, 1, 3, 3, 16, 64, 24, 50), "image RGB (24..50)×(16..64)", "image RGB (24..50)×(16..64)", 3},
		{style, "image", several([]int{1, 3, 48, 32}, []int{1, 3, 16, 80}), "image RGB 32×48 | 80×16", "image RGB 32×48 | 80×16", 2},
		{classifier, "image", ranges(1, 1, 3, 3, 24, 64, 24, 50), "image RGB (24..50)×(24..64)", "string", 3},
		{exact, "x", ranges(1, 2, 3, 3, 4, 32, 4, 20), "multiArray fp32 (1..2)×3×(4..32)×(4..20)", "multiArray fp32", 3},
		{skip, "x", several([]int{3, 16, 16}, []int{3, 32, 8}, []int{3, 2, 48}), "multiArray fp32 3×16×16 | 3×32×8 | 3×2×48", "multiArray fp32", 3},
	} {
		for _, d := range []tensor.DType{tensor.Float32, tensor.Float16} {
			r, m, _ := converted(t, c.path, Options{Float: d, Shapes: map[string]mlmodel.Shapes{c.input: c.shapes}})
			face := mlmodel.Describe(m.Spec().GetDescription())[0]
			if face.Inputs[0].Type() != c.in || !slices.ContainsFunc(face.Outputs, func(f mlmodel.Feature) bool { return f.Type() == c.out }) {
				t.Errorf("%s: %s to %s, want %s to %s", c.path, face.Inputs[0].Type(), face.Outputs[0].Type(), c.in, c.out)
			}
			if r.Check.Samples != c.samples {
				t.Errorf("%s: %d samples, want %d (%s)", c.path, r.Check.Samples, c.samples, r.Check.Skipped)
			}
			for name, diff := range r.Check.Outputs {
				if rel := map[tensor.DType]float64{tensor.Float32: 1e-5, tensor.Float16: 2e-2}[d]; !(diff.MaxRel <= rel) {
					t.Errorf("%s: %s is off by %+v", c.path, name, diff)
				}
			}
		}
	}
	out := filepath.Join(t.TempDir(), "out.mlpackage")
	for path, shapes := range map[string]mlmodel.Shapes{
		dense: several([]int{3, 8, 8}, []int{3, 16, 16}),
		skip:  ranges(3, 3, 16, 32, 16, 32),
	} {
		if _, err := File(t.Context(), path, out, Options{Shapes: map[string]mlmodel.Shapes{"x": shapes}}); err == nil || !strings.Contains(err.Error(), "work") {
			t.Errorf("%s: error %v", path, err)
		}
	}
}

// What no program says for all shapes is converted for one, and the report says
// so; unless several are asked for.
func TestFlexibleNoProgram(t *testing.T) {
	m, err := mlmodel.Open("../edit/testdata/exact.mlmodel")
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	layer := spec.NeuralNetworkLayer_builder{
		Name: "ones", Input: []string{"x"}, Output: []string{"ones"}, FillLike: spec.FillLikeLayerParams_builder{Value: 1}.Build(),
	}.Build()
	sum := spec.NeuralNetworkLayer_builder{
		Name: "sum", Input: []string{"x", "ones"}, Output: []string{"y"}, AddBroadcastable: new(spec.AddBroadcastableLayerParams),
	}.Build()
	m.Spec().GetNeuralNetwork().SetLayers([]*spec.NeuralNetworkLayer{layer, sum})
	flexible := mlmodel.Shapes{Default: []int{1, 3, 8, 8}, Enumerated: [][]int{{1, 3, 8, 8}, {1, 3, 4, 8}}}
	asked := Options{Shapes: map[string]mlmodel.Shapes{"x": flexible}}
	if _, err := fromDocument(m, asked); err == nil || !strings.Contains(err.Error(), "one program for all its shapes: add \"sum\"") {
		t.Errorf("error %v", err)
	}
	s, err := fromDocument(m, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(s.notes) != 1 || !strings.Contains(s.notes[0], `input "x" had flexible shapes and has 1×3×8×8 now`) || !s.program.Funcs[0].Inputs[0].Type.IsStatic() {
		t.Errorf("notes %q", s.notes)
	}
}
