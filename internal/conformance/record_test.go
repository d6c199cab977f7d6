package conformance

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// reluModel returns a network of one layer.
func reluModel() *mlmodel.Model {
	return mlmodel.New(spec.Model_builder{
		SpecificationVersion: 4,
		Description: spec.ModelDescription_builder{
			Input:  []*spec.FeatureDescription{spec.FeatureDescription_builder{Name: "x"}.Build()},
			Output: []*spec.FeatureDescription{spec.FeatureDescription_builder{Name: "y"}.Build()},
		}.Build(),
		NeuralNetwork: spec.NeuralNetwork_builder{Layers: []*spec.NeuralNetworkLayer{
			spec.NeuralNetworkLayer_builder{
				Name: "relu", Input: []string{"x"}, Output: []string{"y"},
				Activation: spec.ActivationParams_builder{ReLU: &spec.ActivationReLU{}}.Build(),
			}.Build(),
		}}.Build(),
	}.Build())
}

// halfProgram returns a program of one operation in float16.
func halfProgram() *mlmodel.Model {
	half := spec.ValueType_builder{TensorType: spec.TensorType_builder{DataType: spec.DataType_FLOAT16}.Build()}.Build()
	return mlmodel.New(spec.Model_builder{
		SpecificationVersion: 9,
		Description:          spec.ModelDescription_builder{DefaultFunctionName: "first"}.Build(),
		MlProgram: spec.Program_builder{Functions: map[string]*spec.Function{"first": spec.Function_builder{
			Opset: "CoreML8",
			BlockSpecializations: map[string]*spec.Block{"CoreML8": spec.Block_builder{Operations: []*spec.Operation{
				spec.Operation_builder{Type: "relu", Outputs: []*spec.NamedValueType{
					spec.NamedValueType_builder{Name: "y", Type: half}.Build(),
				}}.Build(),
			}}.Build()},
		}.Build()}}.Build(),
	}.Build())
}

func TestRecord(t *testing.T) {
	values := map[string]Value{
		"array":  Array{tensor.Floats([]int{2, 2}, []float32{1, float32(math.NaN()), -3, float32(math.Inf(1))})},
		"half":   Array{tensor.New(tensor.Float16, []int{3}, []float32{1, 2.5, -3})},
		"scalar": Array{tensor.Scalar(tensor.Float32, float32(4))},
		"empty":  Array{tensor.Zeros(tensor.Float64, []int{0, 3})},
		"ints":   int64s(1, -2, 1<<60),
		"words":  strs("a", "bé"),
		"rgb":    Image{tensor.New(tensor.Uint8, []int{1, 2, 3}, []int32{1, 2, 3, 4, 5, 255})},
		"grey":   Image{tensor.New(tensor.Uint8, []int{1, 2}, []int32{1, 200})},
		"text":   String(""),
		"int":    Int(0),
		"float":  Float(3),
		"nan":    Float(math.Inf(-1)),
		"labels": StringDict{"a": 0.25, "b": 0.75},
		"none":   IntDict{},
		"counts": IntDict{-1: 2},
	}
	dir := filepath.Join(t.TempDir(), "mine")
	err := Record(dir, Recording{ID: "one", Source: "by hand", Model: reluModel(), Inputs: values, Outputs: values, RTol: 1e-3, ATol: 1e-4})
	if err != nil {
		t.Fatal(err)
	}
	s := load(t, dir)
	if len(s.Cases) != 1 || s.Cases[0].Err() != nil {
		t.Fatalf("%d cases, %v", len(s.Cases), s.Cases[0].Err())
	}
	c := s.Cases[0]
	if c.ID != "one" || c.Suite != "mine" || c.Kind != "neuralNetwork" || c.SpecVersion != 4 || !slices.Equal(c.Ops, []string{"activation"}) || c.FP16 || c.Opset != "" {
		t.Errorf("%+v", c)
	}
	m, err := mlmodel.OpenFS(c.FS(), c.Model)
	if err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(m.Spec(), reluModel().Spec()) {
		t.Error("the model is another one")
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	plan, err := c.readSteps()
	if err != nil {
		t.Fatal(err)
	}
	values["scalar"] = vectorOf32(4) // arrays are given with an axis at least
	if diff := cmp.Diff(values, plan[0].inputs, compareTensors); diff != "" {
		t.Errorf("inputs: (-want +got)\n%s", diff)
	}
	checks := map[string]string{}
	for _, e := range c.steps[0].Outputs {
		checks[e.Name] = e.Check
		if e.Check == checkAllClose && (*e.RTol != 1e-3 || *e.ATol != 1e-4) {
			t.Errorf("%s: tolerance %v, %v", e.Name, *e.RTol, *e.ATol)
		}
	}
	want := map[string]string{}
	for name := range values {
		want[name] = checkAllClose
	}
	for _, name := range []string{"ints", "words", "text", "int"} {
		want[name] = checkEqual
	}
	if diff := cmp.Diff(want, checks); diff != "" {
		t.Errorf("checks: (-want +got)\n%s", diff)
	}
	if r := run(t, s, newEcho(s, false), Options{}); r.Passed != 1 || r.Cases[0].MaxAbsError != 0 {
		t.Errorf("itself: %+v", r.Cases[0])
	}
	if r := run(t, s, newEcho(s, true), Options{}); r.Failed != 1 {
		t.Errorf("another: %+v", r.Cases[0])
	}
	if left, err := filepath.Glob(filepath.Join(dir, ".*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func vectorOf32(v float32) Value { return Array{tensor.Floats([]int{1}, []float32{v})} }

// TestRecordTypes records what NumPy files cannot hold as it is.
func TestRecordTypes(t *testing.T) {
	dir := t.TempDir()
	outputs := map[string]Value{
		"bool":  Array{tensor.New(tensor.Bool, []int{2}, []bool{true, false})},
		"bf16":  Array{tensor.New(tensor.BFloat16, []int{1}, []float32{1.5})},
		"uint4": Array{tensor.New(tensor.Uint4, []int{1}, []int32{9})},
	}
	if err := Record(dir, Recording{ID: "p", Suite: "own", Model: halfProgram(), Outputs: outputs}); err != nil {
		t.Fatal(err)
	}
	c := load(t, dir).Cases[0]
	if c.Suite != "own" || c.Kind != "mlProgram" || c.Opset != "CoreML8" || !c.FP16 || !slices.Equal(c.Ops, []string{"relu"}) {
		t.Errorf("%+v", c)
	}
	plan, err := c.readSteps()
	if err != nil {
		t.Fatal(err)
	}
	want := []Value{vectorOf32(1.5), Array{tensor.Ints([]int{2}, []int32{1, 0})}, Array{tensor.Ints([]int{1}, []int32{9})}}
	if diff := cmp.Diff(want, plan[0].want, compareTensors); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if v := c.steps[0].Outputs[1].judge(plan[0].want[1], outputs["bool"]); v.err != nil {
		t.Errorf("truth values: %v", v.err)
	}
}

func TestRecordErrors(t *testing.T) {
	good := func() Recording {
		return Recording{ID: "a", Model: reluModel(), Outputs: map[string]Value{"y": Int(1)}}
	}
	for _, test := range []struct {
		change func(*Recording)
		err    string
	}{
		{func(r *Recording) { r.ID = "" }, `record case "": the id must be a plain folder name`},
		{func(r *Recording) { r.ID = "../a" }, `the id must be a plain folder name`},
		{func(r *Recording) { r.ID = "a/b" }, `the id must be a plain folder name`},
		{func(r *Recording) { r.ID = ".a" }, `the id must be a plain folder name`},
		{func(r *Recording) { r.ID = "there" }, `is there already`},
		{func(r *Recording) { r.Outputs = nil }, `there are no outputs to check`},
		{func(r *Recording) { r.ATol = -1 }, `atol is negative: -1`},
		{func(r *Recording) { r.RTol = math.NaN() }, `rtol is negative: NaN`},
		{func(r *Recording) { r.Outputs[""] = Int(1) }, `a value has no name`},
		{func(r *Recording) { r.Outputs["z"] = nil }, `"z": want a value, have a <nil>`},
		{func(r *Recording) { r.Outputs["z"] = StringDict{"q": math.NaN()} }, `"z": the value of key q is NaN`},
		{func(r *Recording) { r.Inputs = map[string]Value{"p": Image{vectorOf32(1).(Array).Tensor}} }, `"p": want a picture`},
	} {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, "there"), 0o777); err != nil {
			t.Fatal(err)
		}
		r := good()
		test.change(&r)
		if err := Record(dir, r); err == nil || !strings.Contains(err.Error(), test.err) {
			t.Errorf("want the error %q, have %v", test.err, err)
		}
		entries, err := os.ReadDir(dir)
		if err != nil || len(entries) != 1 {
			t.Errorf("%s: left behind: %v %v", test.err, entries, err)
		}
	}
	r := good()
	dir := t.TempDir()
	if err := Record(dir, r); err != nil {
		t.Fatal(err)
	}
	if err := Record(dir, r); err == nil || !strings.Contains(err.Error(), "is there already") {
		t.Errorf("twice: %v", err)
	}
}
