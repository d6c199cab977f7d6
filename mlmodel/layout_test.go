package mlmodel

import (
	"archive/zip"
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/smelt-ml/smelt/mlmodel/spec"
)

// How the layers that testdata does not have store their weights.
func TestLayout(t *testing.T) {
	for _, c := range []struct {
		layer *spec.NeuralNetworkLayer
		role  string
		shape []int
		axis  int
	}{
		{spec.NeuralNetworkLayer_builder{Convolution: spec.ConvolutionLayerParams_builder{OutputChannels: 4, KernelChannels: 2}.Build()}.Build(), "weights", []int{4, 2, 3, 3}, 0},
		{spec.NeuralNetworkLayer_builder{Convolution: spec.ConvolutionLayerParams_builder{OutputChannels: 8, KernelChannels: 2, NGroups: 4, KernelSize: []uint64{1, 5}, IsDeconvolution: true}.Build()}.Build(), "weights", []int{2, 2, 1, 5}, 1},
		{spec.NeuralNetworkLayer_builder{Convolution: spec.ConvolutionLayerParams_builder{OutputChannels: 1 << 40}.Build()}.Build(), "weights", nil, -1},
		{spec.NeuralNetworkLayer_builder{Convolution3D: spec.Convolution3DLayerParams_builder{OutputChannels: 4, InputChannels: 6, NGroups: 2, KernelDepth: 1, KernelHeight: 2, KernelWidth: 3}.Build()}.Build(), "weights", []int{4, 3, 1, 2, 3}, 0},
		{spec.NeuralNetworkLayer_builder{Convolution3D: spec.Convolution3DLayerParams_builder{OutputChannels: 4, InputChannels: 6, NGroups: 2, KernelDepth: 1, KernelHeight: 2, KernelWidth: 3, IsDeconvolution: true}.Build()}.Build(), "weights", []int{6, 2, 1, 2, 3}, 1},
		{spec.NeuralNetworkLayer_builder{Convolution3D: spec.Convolution3DLayerParams_builder{OutputChannels: 4, InputChannels: -1}.Build()}.Build(), "weights", nil, -1},
		{spec.NeuralNetworkLayer_builder{Convolution3D: spec.Convolution3DLayerParams_builder{OutputChannels: 4}.Build()}.Build(), "bias", []int{4}, -1},
		{spec.NeuralNetworkLayer_builder{Embedding: spec.EmbeddingLayerParams_builder{InputDim: 5, OutputChannels: 3}.Build()}.Build(), "weights", []int{3, 5}, 0},
		{spec.NeuralNetworkLayer_builder{EmbeddingND: spec.EmbeddingNDLayerParams_builder{VocabSize: 5, EmbeddingSize: 3}.Build()}.Build(), "bias", []int{3}, -1},
		{spec.NeuralNetworkLayer_builder{BatchedMatmul: spec.BatchedMatMulLayerParams_builder{WeightMatrixFirstDimension: 5, WeightMatrixSecondDimension: 3}.Build()}.Build(), "weights", []int{3, 5}, 0},
		{spec.NeuralNetworkLayer_builder{Bias: spec.BiasLayerParams_builder{Shape: []uint64{3, 1, 1}}.Build()}.Build(), "bias", []int{3, 1, 1}, -1},
		{spec.NeuralNetworkLayer_builder{Scale: spec.ScaleLayerParams_builder{ShapeScale: []uint64{3}, ShapeBias: []uint64{1}}.Build()}.Build(), "scale", []int{3}, -1},
		{spec.NeuralNetworkLayer_builder{Scale: spec.ScaleLayerParams_builder{ShapeScale: []uint64{3}, ShapeBias: []uint64{1}}.Build()}.Build(), "bias", []int{1}, -1},
		{spec.NeuralNetworkLayer_builder{LoadConstant: spec.LoadConstantLayerParams_builder{Shape: []uint64{3, 2, 1}}.Build()}.Build(), "data", []int{3, 2, 1}, -1},
		{spec.NeuralNetworkLayer_builder{LayerNormalization: spec.LayerNormalizationLayerParams_builder{NormalizedShape: []int64{3, 2}}.Build()}.Build(), "gamma", []int{3, 2}, -1},
		{spec.NeuralNetworkLayer_builder{SimpleRecurrent: spec.SimpleRecurrentLayerParams_builder{InputVectorSize: 2, OutputVectorSize: 3}.Build()}.Build(), "weightMatrix", []int{3, 2}, 0},
		{spec.NeuralNetworkLayer_builder{Gru: spec.GRULayerParams_builder{InputVectorSize: 2, OutputVectorSize: 3}.Build()}.Build(), "updateGateRecursionMatrix", []int{3, 3}, 0},
		{spec.NeuralNetworkLayer_builder{BiDirectionalLSTM: spec.BiDirectionalLSTMLayerParams_builder{InputVectorSize: 2, OutputVectorSize: 3}.Build()}.Build(), "weightParams[1].forgetGateBiasVector", []int{3}, -1},
		{spec.NeuralNetworkLayer_builder{BiDirectionalLSTM: spec.BiDirectionalLSTMLayerParams_builder{InputVectorSize: 2, OutputVectorSize: 3}.Build()}.Build(), "activationsForwardLSTM[0].PReLU.alpha", nil, -1},
	} {
		l := Layer{NeuralNetworkLayer: c.layer, Kind: memberOf(c.layer, "layer")}
		if shape, axis := layout(l, c.role); !slices.Equal(shape, c.shape) || axis != c.axis {
			t.Errorf("%s %s: %v, axis %d; want %v, axis %d", l.Kind, c.role, shape, axis, c.shape, c.axis)
		}
	}
}

func text(s string) *spec.Value {
	return immediate(spec.TensorValue_builder{Strings: spec.TensorValue_RepeatedStrings_builder{Values: []string{s}}.Build()}.Build())
}

func immediate(t *spec.TensorValue) *spec.Value {
	return spec.Value_builder{ImmediateValue: spec.Value_ImmediateValue_builder{Tensor: t}.Build()}.Build()
}

func TestDependencies(t *testing.T) {
	pair := func(key string, v *spec.TensorValue) *spec.DictionaryValue_KeyValuePair {
		return spec.DictionaryValue_KeyValuePair_builder{Key: text(key), Value: immediate(v)}.Build()
	}
	parameters := spec.Value_builder{ImmediateValue: spec.Value_ImmediateValue_builder{Dictionary: spec.DictionaryValue_builder{
		Values: []*spec.DictionaryValue_KeyValuePair{
			pair("i", spec.TensorValue_builder{Ints: spec.TensorValue_RepeatedInts_builder{Values: []int32{3}}.Build()}.Build()),
			pair("l", spec.TensorValue_builder{LongInts: spec.TensorValue_RepeatedLongInts_builder{Values: []int64{1 << 40}}.Build()}.Build()),
			pair("f", spec.TensorValue_builder{Floats: spec.TensorValue_RepeatedFloats_builder{Values: []float32{0.5}}.Build()}.Build()),
			pair("d", spec.TensorValue_builder{Doubles: spec.TensorValue_RepeatedDoubles_builder{Values: []float64{0.25}}.Build()}.Build()),
			pair("b", spec.TensorValue_builder{Bools: spec.TensorValue_RepeatedBools_builder{Values: []bool{true}}.Build()}.Build()),
			pair("x", spec.TensorValue_builder{Bytes: spec.TensorValue_RepeatedBytes_builder{Values: []byte{1}}.Build()}.Build()),
		},
	}.Build()}.Build()}.Build()
	op := spec.Operation_builder{Type: "custom_layer", Attributes: map[string]*spec.Value{
		"class_name": text("Topk"), "description": text("of the first"), "parameters": parameters,
	}}.Build()
	program := spec.Model_builder{MlProgram: spec.Program_builder{Functions: map[string]*spec.Function{
		"main": spec.Function_builder{BlockSpecializations: map[string]*spec.Block{
			"CoreML5": spec.Block_builder{Operations: []*spec.Operation{op}}.Build(),
		}}.Build(),
	}}.Build()}.Build()
	custom := spec.Model_builder{CustomModel: spec.CustomModel_builder{
		ClassName: "Mine", Description: "d",
		Parameters: map[string]*spec.CustomModel_CustomModelParamValue{
			"n": spec.CustomModel_CustomModelParamValue_builder{IntValue: new(int32)}.Build(),
			"v": spec.CustomModel_CustomModelParamValue_builder{BytesValue: []byte{7}}.Build(),
		},
	}.Build()}.Build()
	linked := spec.Model_builder{LinkedModel: spec.LinkedModel_builder{LinkedModelFile: spec.LinkedModelFile_builder{
		LinkedModelFileName: spec.StringParameter_builder{DefaultValue: "other"}.Build(),
	}.Build()}.Build()}.Build()
	m := New(spec.Model_builder{Pipeline: spec.Pipeline_builder{Models: []*spec.Model{program, custom, linked}}.Build()}.Build())
	want := Summary{
		Layers: map[string]int{"pipeline": 1, "customModel": 1, "linkedModel": 1, "custom_layer": 1},
		Dependencies: []Dependency{
			{"customModel", "Mine", "d", map[string]any{"n": int64(0), "v": []byte{7}}},
			{"linkedModel", "other", "", map[string]any{"searchPath": ""}},
			{"customLayer", "Topk", "of the first", map[string]any{"i": int64(3), "l": int64(1 << 40), "f": 0.5, "d": 0.25, "b": true, "x": []byte{1}}},
		},
	}
	if diff := cmp.Diff(want, m.Summary()); diff != "" {
		t.Errorf("-want +have\n%s", diff)
	}
}

// A custom layer as coremltools writes it: its parameters are inputs that its
// attributes name.
func TestCustomOperations(t *testing.T) {
	m, err := Open("../testdata/custom.mlpackage")
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	want := []Dependency{
		{"customLayer", "AcmeSwirl", "turns a picture around its middle", map[string]any{
			"angle": 0.5, "mode": "polar", "turns": int64(3), "clockwise": true, "center": []int32{1, 2},
		}},
		{"customLayer", "AcmeMix", "", map[string]any{}},
	}
	if diff := cmp.Diff(want, m.Summary().Dependencies); diff != "" {
		t.Errorf("-want +have\n%s", diff)
	}
}

// The numbers of models that are neither networks nor programs.
func TestNumbers(t *testing.T) {
	m := New(spec.Model_builder{GlmRegressor: spec.GLMRegressor_builder{
		Weights: []*spec.GLMRegressor_DoubleArray{spec.GLMRegressor_DoubleArray_builder{Value: []float64{1, 2, 3}}.Build()},
		Offset:  []float64{1},
	}.Build()}.Build())
	if s := m.Summary(); s.Parameters != 4 || s.WeightBytes != 32 {
		t.Errorf("%+v", s)
	}
	m = New(spec.Model_builder{KNearestNeighborsClassifier: spec.KNearestNeighborsClassifier_builder{
		NearestNeighborsIndex: spec.NearestNeighborsIndex_builder{FloatSamples: []*spec.FloatVector{
			spec.FloatVector_builder{Vector: []float32{1, 2}}.Build(), spec.FloatVector_builder{Vector: []float32{3, 4}}.Build(),
		}}.Build(),
	}.Build()}.Build())
	if s := m.Summary(); s.Parameters != 4 || s.WeightBytes != 16 {
		t.Errorf("%+v", s)
	}
}

// Models in an archive, whose files have no random access.
func TestOpenArchive(t *testing.T) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	if err := z.AddFS(os.DirFS("testdata")); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range []string{"network.mlmodel", "program.mlpackage"} {
		m, err := OpenFS(r, name)
		if err != nil {
			t.Fatal(err)
		}
		want, err := openTest(t, name).Size()
		if size, err2 := m.Size(); err != nil || err2 != nil || size != want || size < 1000 {
			t.Errorf("%s: %d bytes, want %d; %v, %v", name, size, want, err, err2)
		}
		describeAll(t, m)
		if err := m.Save(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		sameFiles(t, os.DirFS("testdata"), name, os.DirFS(dir), name)
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := openTest(t, "network.mlmodel").Save(filepath.Join(dir, "x")); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"program.mlpackage", "network.mlmodel"} { // of the other sort
		err := openTest(t, name).Save(filepath.Join(dir, "x"))
		if name == "program.mlpackage" && (err == nil || !strings.Contains(err.Error(), "there is a file of that name")) || name == "network.mlmodel" && err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Where two names cannot be exchanged the directory is replaced in steps.
func TestReplaceInSteps(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"new", "old"} {
		if err := os.Mkdir(at(name), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at(name+"/file"), []byte(name), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if err := replaceInSteps(at("missing"), at("old")); err == nil {
		t.Error("replaced by nothing")
	}
	if b, err := os.ReadFile(at("old/file")); err != nil || string(b) != "old" {
		t.Errorf("not put back: %q, %v", b, err)
	}
	if err := replaceInSteps(at("new"), at("old")); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(at("old/file")); err != nil || string(b) != "new" {
		t.Errorf("%q, %v", b, err)
	}
	if got := names(t, dir); !slices.Equal(got, []string{"old"}) {
		t.Error(got)
	}
}
