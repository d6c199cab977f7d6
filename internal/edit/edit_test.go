package edit_test

import (
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/smelt-ml/smelt/internal/edit"
	"github.com/smelt-ml/smelt/internal/media"
	"github.com/smelt-ml/smelt/internal/predict"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// The models that the tests use.
const (
	dense      = "testdata/dense.mlmodel"
	skip       = "testdata/skip.mlmodel"
	exact      = "testdata/exact.mlmodel"
	chain      = "testdata/chain.mlmodel"
	loop       = "testdata/loop.mlpackage"
	net        = "testdata/net.mlpackage"
	classifier = "../../testdata/classifier.mlmodel"
	style      = "../../testdata/style.mlmodel"
	sums       = "../../testdata/sums.mlpackage"
	functions  = "../../mlmodel/testdata/functions.mlpackage"
	program    = "../../mlmodel/testdata/program.mlpackage"
	features   = "../../mlmodel/testdata/features.mlmodel"
	network    = "../../mlmodel/testdata/network.mlmodel"
	trees      = "../../mlmodel/testdata/pipeline.mlmodel"
)

var all = []string{dense, skip, exact, chain, net, loop, classifier, style, sums, functions, program, features, network, trees}

func open(t *testing.T, path string) *mlmodel.Model {
	t.Helper()
	m, err := mlmodel.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// edited edits a model, saves it and opens it again.
func edited(t *testing.T, path string, o edit.Options) (*edit.Report, *mlmodel.Model) {
	t.Helper()
	m := open(t, path)
	r, err := edit.Apply(t.Context(), m, o)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	out := filepath.Join(t.TempDir(), "out"+filepath.Ext(path))
	if err := m.Save(out); err != nil {
		t.Fatal(err)
	}
	m = open(t, out)
	if v := m.RequiredVersion(); v > m.Spec().GetSpecificationVersion() && open(t, path).RequiredVersion() < v {
		t.Errorf("%s: specification version %d, needs %d", path, m.Spec().GetSpecificationVersion(), v)
	}
	return r, m
}

// content is a file, or all files of a package.
func content(t *testing.T, path string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(p)
		files[strings.TrimPrefix(p, path)] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func sameFiles(t *testing.T, what, a, b string) {
	t.Helper()
	was, is := content(t, a), content(t, b)
	if len(was) != len(is) {
		t.Errorf("%s: %d files, want %d", what, len(is), len(was))
	}
	for name, text := range was {
		if is[name] != text {
			t.Errorf("%s: %s%s differs (%d bytes, had %d)", what, a, name, len(is[name]), len(text))
		}
	}
}

func face(m *mlmodel.Model) mlmodel.Interface { return mlmodel.Describe(m.Spec().GetDescription())[0] }

// answers runs a model on inputs made by chance, the same for the same seed.
func answers(t *testing.T, m *mlmodel.Model, in predict.Features) predict.Features {
	t.Helper()
	p, err := predict.Load(m, predict.Options{})
	if err != nil {
		t.Fatalf("%s: %v", m.Path(), err)
	}
	defer p.Close()
	out, err := p.Predict(t.Context(), in, nil)
	if err != nil {
		t.Fatalf("%s: %v", m.Path(), err)
	}
	return out
}

func example(t *testing.T, m *mlmodel.Model) predict.Features {
	t.Helper()
	in := predict.Features{}
	r := rand.New(rand.NewPCG(1, 2))
	for _, f := range face(m).Inputs {
		v, err := predict.Example(f, f.Shapes().Default, r)
		if err != nil {
			t.Fatal(err)
		}
		in[f.Name] = v
	}
	return in
}

// numbers are the numbers of a feature, those of probabilities in the order of
// the labels.
func numbers(t *testing.T, v any) []float64 {
	t.Helper()
	switch v := v.(type) {
	case *tensor.Tensor:
		return v.Float64s()
	case *media.Image:
		var out []float64
		for _, b := range v.Pix {
			out = append(out, float64(b))
		}
		return out
	case map[string]float64:
		var out []float64
		for _, key := range slices.Sorted(mapKeys(v)) {
			out = append(out, v[key])
		}
		return out
	}
	t.Fatalf("a %T has no numbers", v)
	return nil
}

func mapKeys(m map[string]float64) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func near(t *testing.T, what string, want, have any, tolerance float64) {
	t.Helper()
	a, b := numbers(t, want), numbers(t, have)
	if len(a) != len(b) {
		t.Fatalf("%s: %d numbers, want %d", what, len(b), len(a))
	}
	for i := range a {
		if !(math.Abs(a[i]-b[i]) <= tolerance*max(1, math.Abs(a[i]))) {
			t.Fatalf("%s: number %d is %g, want %g", what, i, b[i], a[i])
		}
	}
}

// saved edits a copy of a file in place.
func saved(t *testing.T, path string, o edit.Options) {
	t.Helper()
	m, err := mlmodel.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if _, err := edit.Apply(t.Context(), m, o); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	if err := m.Save(path); err != nil {
		t.Fatal(err)
	}
}

// copyOf puts a copy of a model, with unknown fields in many of its messages,
// into a new folder.
func copyOf(t *testing.T, path string) string {
	t.Helper()
	m := open(t, path)
	strange := func(r protoreflect.Message) {
		b := protowire.AppendTag(r.GetUnknown(), 5000, protowire.BytesType)
		r.SetUnknown(protowire.AppendString(b, "from the future"))
	}
	s := m.Spec()
	strange(s.ProtoReflect())
	strange(s.GetDescription().ProtoReflect())
	for _, d := range append(s.GetDescription().GetInput(), s.GetDescription().GetOutput()...) {
		strange(d.ProtoReflect())
		strange(d.GetType().ProtoReflect())
	}
	for l := range mlmodel.Layers(s) {
		strange(l.ProtoReflect())
	}
	for o := range mlmodel.Operations(s) {
		strange(o.Operation.ProtoReflect())
	}
	out := filepath.Join(t.TempDir(), filepath.Base(path))
	if err := m.Save(out); err != nil {
		t.Fatal(err)
	}
	return out
}

// What is set to what it was leaves every byte as it was.
func TestIdentity(t *testing.T) {
	for _, path := range all {
		was := copyOf(t, path)
		m := open(t, was)
		meta := m.Metadata()
		labels := mlmodel.ClassLabels(m.Spec())
		o := edit.Options{
			Rename: map[string]string{}, Descriptions: map[string]string{}, DTypes: map[string]tensor.DType{},
			Metadata: edit.Metadata{
				Author: &meta.Author, License: &meta.License, Version: &meta.Version, ShortDescription: &meta.ShortDescription,
				UserDefined: meta.UserDefined, Remove: []string{"no such entry"},
			},
			Labels: labels.Strings,
		}
		for _, f := range slices.Concat(face(m).Inputs, face(m).Outputs) {
			o.Rename[f.Name], o.Descriptions[f.Name] = f.Name, f.Description
			if f.Kind == mlmodel.MultiArray && m.Kind() != "identity" {
				o.DTypes[f.Name] = f.Array.DType
			}
		}
		is := filepath.Join(t.TempDir(), filepath.Base(path))
		r, err := edit.Apply(t.Context(), m, o)
		if err != nil || len(r.Changes) > 0 {
			t.Errorf("%s: %+v, %v", path, r, err)
			continue
		}
		if err := m.Save(is); err != nil {
			t.Fatal(err)
		}
		sameFiles(t, path, was, is)
	}
}

// Renaming there and back leaves every byte as it was, whatever fields a file
// has that nobody knows.
func TestThereAndBack(t *testing.T) {
	for _, path := range all {
		was := copyOf(t, path)
		is := filepath.Join(t.TempDir(), filepath.Base(path))
		m := open(t, was)
		if err := m.Save(is); err != nil {
			t.Fatal(err)
		}
		there, back := map[string]string{}, map[string]string{}
		for _, f := range slices.Concat(face(m).Inputs, face(m).Outputs, face(m).States) {
			there[f.Name] = "new_" + f.Name
			back["new_"+f.Name] = f.Name
		}
		saved(t, is, edit.Options{Rename: there})
		if a, b := content(t, was), content(t, is); len(a) == 1 && a[""] == b[""] {
			t.Errorf("%s: nothing is renamed", path)
		}
		saved(t, is, edit.Options{Rename: back})
		sameFiles(t, path, was, is)
	}
}

// Pictures, types and shapes come back, too.
func TestOtherWaysBack(t *testing.T) {
	fl := func(ranges ...mlmodel.Range) mlmodel.Shapes { return mlmodel.Shapes{Ranges: ranges} }
	image := edit.Image{Color: spec.ImageFeatureType_BGR, Scale: 0.5, Bias: []float32{1, 2, 3}}
	for _, c := range []struct {
		path        string
		there, back edit.Options
	}{
		{net, edit.Options{ImageInputs: map[string]edit.Image{"x": image}}, edit.Options{ArrayInputs: []string{"x"}}},
		{net, edit.Options{ImageOutputs: map[string]edit.Color{"planes": spec.ImageFeatureType_RGB}}, edit.Options{ArrayOutputs: []string{"planes"}}},
		{net, edit.Options{Flexible: map[string]mlmodel.Shapes{"x": fl(mlmodel.Range{Min: 1, Max: 1}, mlmodel.Range{Min: 3, Max: 3}, mlmodel.Range{Min: 8, Max: 24}, mlmodel.Range{Min: 8, Max: -1})}}, edit.Options{
			// What an output may be is left out while it is flexible.
			Fixed: []string{"x"}, Flexible: map[string]mlmodel.Shapes{"planes": {Default: []int{1, 3, 16, 16}}},
		}},
		{style, edit.Options{Flexible: map[string]mlmodel.Shapes{"image": {Enumerated: [][]int{{16, 8}, {40, 24}}}}}, edit.Options{Fixed: []string{"image"}}},
	} {
		was := copyOf(t, c.path)
		is := filepath.Join(t.TempDir(), filepath.Base(c.path))
		m := open(t, was)
		if err := m.Save(is); err != nil {
			t.Fatal(err)
		}
		version := m.Spec().GetSpecificationVersion()
		saved(t, is, c.there)
		if a, b := content(t, was), content(t, is); mapsEqual(a, b) {
			t.Errorf("%s: nothing is changed", c.path)
		}
		saved(t, is, c.back)
		back := open(t, is)
		if back.Spec().GetSpecificationVersion() != version { // it only ever rises
			saved(t, is, edit.Options{Minimize: true})
		}
		sameFiles(t, c.path, was, is)
	}
}

func mapsEqual(a, b map[string]string) bool {
	for k, v := range a {
		if b[k] != v {
			return false
		}
	}
	return len(a) == len(b)
}

// What fails leaves the document as it was.
func TestRefused(t *testing.T) {
	rgb := edit.Image{Color: spec.ImageFeatureType_RGB}
	sizes := func(ranges ...mlmodel.Range) mlmodel.Shapes { return mlmodel.Shapes{Ranges: ranges} }
	for _, c := range []struct {
		path string
		o    edit.Options
		want string
	}{
		{dense, edit.Options{Rename: map[string]string{"q": "r"}}, `feature "q": the model has no such feature, only "x", "scores"`},
		{dense, edit.Options{Rename: map[string]string{"x": "scores"}}, `another feature, "x", would be named scores`},
		{dense, edit.Options{Rename: map[string]string{"x": ""}}, "wants a name"},
		{net, edit.Options{Rename: map[string]string{"x": "1 x"}}, "letters, digits and underscores"},
		{net, edit.Options{Descriptions: map[string]string{"q": "r"}}, `feature "q"`},
		{dense, edit.Options{ImageInputs: map[string]edit.Image{"scores": rgb}}, `input "scores": the model has no such input`},
		{dense, edit.Options{ImageInputs: map[string]edit.Image{"x": {Color: spec.ImageFeatureType_GRAYSCALE}}}, "[1, 1, height, width]"},
		{dense, edit.Options{ImageInputs: map[string]edit.Image{"x": {Color: spec.ImageFeatureType_RGB, Bias: []float32{1, 2}}}}, "2 biases for 3 channels"},
		{dense, edit.Options{ImageInputs: map[string]edit.Image{"x": rgb}, ArrayInputs: []string{"x"}}, "a picture and an array"},
		{dense, edit.Options{ImageOutputs: map[string]edit.Color{"scores": spec.ImageFeatureType_RGB}}, "[1, 3, height, width]"},
		{style, edit.Options{ImageInputs: map[string]edit.Image{"image": rgb}}, "is no array, but of type image RGB"},
		{dense, edit.Options{ArrayInputs: []string{"x"}}, "is no picture"},
		{trees, edit.Options{ImageInputs: map[string]edit.Image{"a": rgb}}, "is no array"},
		{sums, edit.Options{ImageInputs: map[string]edit.Image{"a": rgb}}, "[1, 3, height, width]"},
		{net, edit.Options{DTypes: map[string]tensor.DType{"x": tensor.Float64}}, "no arrays of fp64"},
		{dense, edit.Options{DTypes: map[string]tensor.DType{"x": tensor.Float16}}, "no arrays of fp16"},
		{dense, edit.Options{DTypes: map[string]tensor.DType{"x": tensor.Int8}}, "want fp16, fp32, fp64 or int32"},
		{style, edit.Options{DTypes: map[string]tensor.DType{"image": tensor.Int32}}, "is no array"},
		{dense, edit.Options{Labels: []string{"a", "b"}}, "2 labels: 0 outputs"},
		{dense, edit.Options{Labels: []string{"a", "b", "c", "d", "a"}}, `the label "a" stands twice`},
		{classifier, edit.Options{Labels: []string{"a"}}, "1 labels, the model has 8"},
		{features, edit.Options{Labels: []string{"a"}}, "labels for a identity"},
		{dense, edit.Options{Flexible: map[string]mlmodel.Shapes{"x": {Enumerated: [][]int{{3, 8}}}}}, "has not the rank"},
		{dense, edit.Options{Flexible: map[string]mlmodel.Shapes{"x": {Enumerated: [][]int{{3, 0, 8}}}}}, "shape 3×0×8"},
		{dense, edit.Options{Flexible: map[string]mlmodel.Shapes{"x": sizes(mlmodel.Range{Min: 3, Max: 3}, mlmodel.Range{Min: 9, Max: 8}, mlmodel.Range{Min: 8, Max: 8})}}, "the range"},
		{classifier, edit.Options{Flexible: map[string]mlmodel.Shapes{"colour": {Default: []int{1}}}}, "has no shape"},
		{dense, edit.Options{Flexible: map[string]mlmodel.Shapes{"x": {Default: []int{3, 8, 8}}}, Fixed: []string{"x"}}, "flexible and fixed"},
		{trees, edit.Options{Flexible: map[string]mlmodel.Shapes{"a": {Default: []int{1}}}}, "has no shape"},
		// The networks' own limits, with what would work.
		{
			dense,
			edit.Options{Verify: &edit.Verify{}, Flexible: map[string]mlmodel.Shapes{"x": {Enumerated: [][]int{{3, 8, 8}, {3, 16, 16}}}}},
			`with input "x" at 3×16×16 (enumerated): layer "linear"`,
		},
		{
			dense,
			edit.Options{Verify: &edit.Verify{}, Flexible: map[string]mlmodel.Shapes{"x": {Enumerated: [][]int{{3, 8, 8}, {3, 16, 16}}}}},
			"it only works at dimension 1 8 and dimension 2 8",
		},
		{
			skip,
			edit.Options{Verify: &edit.Verify{}, Flexible: map[string]mlmodel.Shapes{"x": sizes(mlmodel.Range{Min: 3, Max: 3}, mlmodel.Range{Min: 16, Max: 128}, mlmodel.Range{Min: 16, Max: 64})}},
			"what works: dimension 1 16..128, dimension 2 16..64 in multiples of 2, as enumerated sizes",
		},
		{
			program,
			edit.Options{Verify: &edit.Verify{}, Flexible: map[string]mlmodel.Shapes{"x": sizes(mlmodel.Range{Min: 1, Max: 1}, mlmodel.Range{Min: 3, Max: 3}, mlmodel.Range{Min: 8, Max: 20}, mlmodel.Range{Min: 8, Max: 30})}},
			`while_loop "loop": add "inside"`,
		},
		{
			sums,
			edit.Options{Verify: &edit.Verify{}, Flexible: map[string]mlmodel.Shapes{"a": sizes(mlmodel.Range{Min: 1, Max: 1}, mlmodel.Range{Min: 32, Max: 64})}},
			"linear",
		},
	} {
		m := open(t, c.path)
		before := proto.CloneOf(m.Spec())
		r, err := edit.Apply(t.Context(), m, c.o)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q (report %+v)", c.path, err, c.want, r)
			continue
		}
		if !strings.Contains(err.Error(), filepath.Base(c.path)) {
			t.Errorf("%v does not name the file", err)
		}
		if !proto.Equal(before, m.Spec()) {
			t.Errorf("%s: the document has changed: %v", c.path, err)
		}
	}
}
