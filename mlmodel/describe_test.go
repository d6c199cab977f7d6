package mlmodel

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/smelt-ml/smelt/mlmodel/blob"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

func openTest(t testing.TB, name string) *Model {
	t.Helper()
	m, err := Open("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// lines compares a list with one that is written a line each.
func lines(t *testing.T, what string, got []string, want string) {
	t.Helper()
	if diff := cmp.Diff(strings.Split(strings.TrimSpace(want), "\n"), got); diff != "" {
		t.Errorf("%s: -want +have\n%s", what, diff)
	}
}

func TestNetworkWeights(t *testing.T) {
	m := openTest(t, "network.mlmodel")
	var got []string
	for w := range NetworkWeights(m.Spec()) {
		payload, err := m.Weights(w.Params)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s %s %s %s %d axis %d %s", w.Layer.Path, w.Layer.Kind, w.Role,
			tensor.FormatShape(w.Shape), countOf(w, payload), w.Axis, payload.Kind()))
		if w.Shape != nil {
			if _, err := payload.Values(w.Params.GetQuantization(), w.Shape, w.Axis); err != nil {
				t.Errorf("%s: %v", w.Layer.Path, err)
			}
		}
	}
	lines(t, "weights", got, `
conv convolution weights 4×3×3×3 108 axis 0 floatValue
conv convolution bias 4 4 axis -1 float16Value
deconv convolution weights 4×2×2×2 32 axis 1 floatValue
ip innerProduct weights 5×288 1440 axis 0 rawValue
ip innerProduct bias 5 5 axis -1 floatValue
bn batchnorm gamma 5 5 axis -1 floatValue
bn batchnorm beta 5 5 axis -1 floatValue
bn batchnorm mean 5 5 axis -1 floatValue
bn batchnorm variance 5 5 axis -1 floatValue
prelu activation PReLU.alpha scalar 5 axis -1 floatValue
lstm uniDirectionalLSTM weightParams.inputGateWeightMatrix 3×5 15 axis 0 floatValue
lstm uniDirectionalLSTM weightParams.forgetGateWeightMatrix 3×5 15 axis 0 floatValue
lstm uniDirectionalLSTM weightParams.blockInputWeightMatrix 3×5 15 axis 0 floatValue
lstm uniDirectionalLSTM weightParams.outputGateWeightMatrix 3×5 15 axis 0 floatValue
lstm uniDirectionalLSTM weightParams.inputGateRecursionMatrix 3×3 9 axis 0 floatValue
lstm uniDirectionalLSTM weightParams.forgetGateRecursionMatrix 3×3 9 axis 0 floatValue
lstm uniDirectionalLSTM weightParams.blockInputRecursionMatrix 3×3 9 axis 0 floatValue
lstm uniDirectionalLSTM weightParams.outputGateRecursionMatrix 3×3 9 axis 0 floatValue
lstm uniDirectionalLSTM weightParams.inputGateBiasVector 3 3 axis -1 floatValue
lstm uniDirectionalLSTM weightParams.forgetGateBiasVector 3 3 axis -1 floatValue
lstm uniDirectionalLSTM weightParams.blockInputBiasVector 3 3 axis -1 floatValue
lstm uniDirectionalLSTM weightParams.outputGateBiasVector 3 3 axis -1 floatValue
lstm uniDirectionalLSTM weightParams.inputGatePeepholeVector 3 3 axis -1 floatValue
lstm uniDirectionalLSTM weightParams.forgetGatePeepholeVector 3 3 axis -1 floatValue
lstm uniDirectionalLSTM weightParams.outputGatePeepholeVector 3 3 axis -1 floatValue
h0 loadConstantND data 1×1×3×1×1 3 axis -1 floatValue
c0 loadConstantND data 1×1×3×1×1 3 axis -1 floatValue
loop/bodyNetwork/inside innerProduct weights 3×3 9 axis 0 floatValue
swish custom weights[0] scalar 2 axis -1 floatValue
`)
	var layers []string
	for l := range Layers(m.Spec()) {
		layers = append(layers, l.Path)
	}
	lines(t, "layers", layers, "conv\ndeconv\nip\nbn\nprelu\nlstm\nh0\nc0\nloop\nloop/bodyNetwork/inside\nbranch\nbranch/ifBranch/same\nbranch/elseBranch/same\nswish")
}

func TestConstants(t *testing.T) {
	m := openTest(t, "program.mlpackage")
	var got []string
	for c := range Constants(m.Spec()) {
		d, shape, err := c.Type()
		if err != nil {
			t.Fatal(err)
		}
		place := "in place"
		if at := c.Value.GetBlobFileValue(); c.Value.HasBlobFileValue() {
			f, err := m.Blob(at.GetFileName())
			if err != nil {
				t.Fatal(err)
			}
			x, err := f.Read(at.GetOffset(), shape)
			if err != nil || x.DType() != d {
				t.Errorf("%s: %v, %v", c.Operation.Name(), x, err)
			}
			place = fmt.Sprint("at ", at.GetOffset())
		}
		got = append(got, fmt.Sprintf("%s %s.%s %s %s %s", c.Operation.Path, c.Operation.GetType(), c.Param, tensor.FormatShape(shape), d, place))
	}
	lines(t, "constants", got, `
main constexpr_lut_to_dense.indices 54 uint8 at 64
main constexpr_lut_to_dense.lut 16 fp32 at 192
main constexpr_lut_to_dense.shape 4 uint32 in place
main const.val 4 fp32 in place
main const.val 2 int32 in place
main const.val scalar string in place
main const.val 4 int32 in place
main const.val 2 int32 in place
main const.val scalar int32 in place
main/loop const.val scalar bool in place
main/loop const.val scalar fp32 in place
main/loop constexpr_lut_to_dense.indices 72 uint8 at 320
main/loop constexpr_lut_to_dense.lut 16 fp32 at 512
main/loop constexpr_lut_to_dense.shape 4 uint32 in place
main const.val 2 int32 in place
main const.val scalar bool in place
main const.val scalar int32 in place
`)
}

func TestSummary(t *testing.T) {
	for _, c := range []struct {
		name    string
		want    Summary
		version int32
		labels  string
	}{
		{"network.mlmodel", Summary{
			Layers: map[string]int{
				"convolution": 2, "innerProduct": 2, "batchnorm": 1, "activation": 1, "uniDirectionalLSTM": 1,
				"loadConstantND": 2, "loop": 1, "branch": 1, "copy": 2, "custom": 1,
			},
			Parameters:  1748,
			WeightBytes: 4*(1748-4-1440+10) + 4*2 + 1440/2,
			Dependencies: []Dependency{{
				"customLayer", "Swish", "x * sigmoid(x)",
				map[string]any{"beta": 1.5, "name": "s", "n": int64(7), "long": int64(1 << 40), "on": true},
			}},
		}, IOS13, "[a b c]"},
		{"pipeline.mlmodel", Summary{
			Layers:     map[string]int{"pipelineClassifier": 1, "featureVectorizer": 1, "treeEnsembleClassifier": 1},
			Parameters: 3, WeightBytes: 24,
		}, IOS11, "[10 20]"},
		{"features.mlmodel", Summary{Layers: map[string]int{"identity": 1}}, IOS18, "[]"},
		{"program.mlpackage", Summary{
			Layers:     map[string]int{"conv": 1, "while_loop": 1, "less": 1, "reduce_mean": 2, "add": 1, "softmax": 1, "classify": 1, "constexpr_lut_to_dense": 2},
			Parameters: 108 + 4 + 144, WeightBytes: 54 + 72 + 2*64 + 2*16 + 16,
		}, IOS16, "[w x y z]"},
		{"functions.mlpackage", Summary{
			Layers:     map[string]int{"linear": 2, "mul": 2, "add": 2, "read_state": 2},
			Parameters: 64 + 2*4, WeightBytes: 2 * (64 + 2*4),
		}, IOS18, "[]"},
	} {
		m := openTest(t, c.name)
		if diff := cmp.Diff(c.want, m.Summary()); diff != "" {
			t.Errorf("%s: -want +have\n%s", c.name, diff)
		}
		if v := m.RequiredVersion(); v != c.version {
			t.Errorf("%s: needs version %d, want %d", c.name, v, c.version)
		}
		l := ClassLabels(m.Spec())
		all := []string{}
		for i := range l.Len() {
			all = append(all, l.At(i))
		}
		if fmt.Sprint(all) != c.labels {
			t.Errorf("%s: labels %v, want %s", c.name, all, c.labels)
		}
	}
}

func TestFeatures(t *testing.T) {
	m := openTest(t, "features.mlmodel")
	all := Describe(m.Spec().GetDescription())
	if len(all) != 1 || all[0].PredictedFeature != "dict" || all[0].PredictedProbabilities != "ints" {
		t.Errorf("%+v", all)
	}
	var got []string
	for _, f := range slices.Concat(all[0].Inputs, all[0].Outputs, all[0].States) {
		s := f.Name + ": " + f.Type()
		if f.Optional {
			s += ", optional"
		}
		if f.Array != nil && f.Array.Default != nil {
			s += fmt.Sprintf(", default %v", *f.Array.Default)
		}
		if f.Description != "the "+f.Name {
			t.Errorf("%s: %q", f.Name, f.Description)
		}
		got = append(got, s)
	}
	lines(t, "features", got, `
int: int64
double: double, optional
string: string
rgb: image RGB 32×24
half: image GRAYSCALE_FLOAT16 32×24
sizes: image BGR 32×24 | 64×48
range: image GRAYSCALE (16..64)×(8..)
array: multiArray fp32 1×3
shapes: multiArray int32 1×3 | 2×3, optional, default -2
ranges: multiArray fp64 1×(2..5)×(1..)
seq: sequence of 0.. string
dict: dictionary string → double
ints: dictionary int64 → double
cache: state fp16 4`)
	f := all[0].Inputs[6]
	if want := (Range{8, -1}); f.Image.Ranges[1] != want || !f.Image.Flexible() || !want.Contains(1<<40) || want.Contains(7) {
		t.Errorf("%+v", f.Image)
	}
	if s := (Feature{}).Type(); s != "unknown" {
		t.Error(s)
	}
}

func TestFunctions(t *testing.T) {
	m := openTest(t, "functions.mlpackage")
	var got []string
	for _, i := range Describe(m.Spec().GetDescription()) {
		got = append(got, fmt.Sprint(i.Function, " ", i.Inputs[0].Type(), " -> ", i.Outputs[0].Name, " with ", i.States[0].Name))
	}
	lines(t, "functions", got, "two multiArray fp16 1×16 -> y with s\none multiArray fp16 1×16 -> y with s")
}

func TestMetadata(t *testing.T) {
	m := openTest(t, "network.mlmodel")
	want := Metadata{"small", "Someone", "Apache-2.0", "1.2", map[string]string{"key": "value"}}
	got := m.Metadata()
	got.UserDefined["key"] = "changed in a copy"
	if got = m.Metadata(); !cmp.Equal(got, want) {
		t.Errorf("%+v", got)
	}
	before := encoded(t, m)
	m.SetMetadata(want)
	if string(encoded(t, m)) != string(before) {
		t.Error("setting what is there changed the file")
	}
	want.Author = "Someone else"
	want.UserDefined["more"] = "1"
	m.SetMetadata(want)
	if got := parseBytes(t, encoded(t, m)).Metadata(); !cmp.Equal(got, want) {
		t.Errorf("%+v", got)
	}
	empty := New(new(spec.Model))
	empty.SetMetadata(want)
	if !cmp.Equal(empty.Metadata(), want) {
		t.Error("metadata of a new model")
	}
}

// Versions that no file in testdata asks for.
func TestRequiredVersion(t *testing.T) {
	layer := func(change func(l *spec.NeuralNetworkLayer)) *spec.Model {
		m, n, l := new(spec.Model), new(spec.NeuralNetwork), new(spec.NeuralNetworkLayer)
		change(l)
		n.SetLayers([]*spec.NeuralNetworkLayer{l})
		m.SetNeuralNetwork(n)
		return m
	}
	of := func(change func(m *spec.Model)) *spec.Model {
		m := new(spec.Model)
		change(m)
		return m
	}
	input := func(change func(t *spec.FeatureType)) *spec.Model {
		d, f, ft := new(spec.ModelDescription), new(spec.FeatureDescription), new(spec.FeatureType)
		change(ft)
		f.SetType(ft)
		d.SetInput([]*spec.FeatureDescription{f})
		return of(func(m *spec.Model) { m.SetDescription(d) })
	}
	weights := func(wp *spec.WeightParams) *spec.Model {
		return layer(func(l *spec.NeuralNetworkLayer) {
			p := new(spec.InnerProductLayerParams)
			p.SetWeights(wp)
			l.SetInnerProduct(p)
		})
	}
	for _, c := range []struct {
		name string
		m    *spec.Model
		want int32
	}{
		{"empty", new(spec.Model), IOS11},
		{"layer of no kind", layer(func(*spec.NeuralNetworkLayer) {}), IOS11},
		{"softmax", layer(func(l *spec.NeuralNetworkLayer) { l.SetSoftmax(new(spec.SoftmaxLayerParams)) }), IOS11},
		{"custom layer", layer(func(l *spec.NeuralNetworkLayer) { l.SetCustom(new(spec.CustomLayerParams)) }), IOS112},
		{"float16", weights(spec.WeightParams_builder{Float16Value: []byte{1, 2}}.Build()), IOS112},
		{"codes", weights(spec.WeightParams_builder{RawValue: []byte{1, 2}}.Build()), IOS12},
		{"crop and resize", layer(func(l *spec.NeuralNetworkLayer) { l.SetCropResize(new(spec.CropResizeLayerParams)) }), IOS12},
		{"tanh", layer(func(l *spec.NeuralNetworkLayer) { l.SetTanh(new(spec.TanhLayerParams)) }), IOS13},
		{"NMS layer", layer(func(l *spec.NeuralNetworkLayer) {
			l.SetNonMaximumSuppression(new(spec.NonMaximumSuppressionLayerParams))
		}), IOS13},
		{"weights as an input", layer(func(l *spec.NeuralNetworkLayer) {
			l.SetConvolution(new(spec.ConvolutionLayerParams))
			l.SetInput([]string{"x", "w"})
		}), IOS13},
		{"one-hot", layer(func(l *spec.NeuralNetworkLayer) { l.SetOneHot(new(spec.OneHotLayerParams)) }), IOS14},
		{"dynamic int8", weights(spec.WeightParams_builder{Int8RawValue: []byte{1}}.Build()), IOS14},
		{"interleave", layer(func(l *spec.NeuralNetworkLayer) {
			l.SetConcatND(spec.ConcatNDLayerParams_builder{Interleave: true}.Build())
		}), IOS14},
		{"updatable", of(func(m *spec.Model) { m.SetIsUpdatable(true) }), IOS13},
		{"custom model", of(func(m *spec.Model) { m.SetCustomModel(new(spec.CustomModel)) }), IOS12},
		{"linked model", of(func(m *spec.Model) { m.SetLinkedModel(new(spec.LinkedModel)) }), IOS13},
		{"text classifier, revision 4", of(func(m *spec.Model) { m.SetTextClassifier(spec.TextClassifier_builder{Revision: 4}.Build()) }), IOS17},
		{"tagger of the far future", of(func(m *spec.Model) { m.SetWordTagger(spec.WordTagger_builder{Revision: 1 << 31}.Build()) }), IOS18},
		{"program", of(func(m *spec.Model) {
			m.SetMlProgram(spec.Program_builder{Functions: map[string]*spec.Function{"main": spec.Function_builder{Opset: "CoreML7"}.Build()}}.Build())
		}), IOS17},
		{"inside a pipeline", of(func(m *spec.Model) {
			p := new(spec.Pipeline)
			p.SetModels([]*spec.Model{new(spec.Model), of(func(m *spec.Model) { m.SetKNearestNeighborsClassifier(new(spec.KNearestNeighborsClassifier)) })})
			m.SetPipeline(p)
		}), IOS13},
		{"flexible image", input(func(t *spec.FeatureType) {
			t.SetImageType(spec.ImageFeatureType_builder{ImageSizeRange: new(spec.ImageFeatureType_ImageSizeRange)}.Build())
		}), IOS12},
		{"sequence", input(func(t *spec.FeatureType) { t.SetSequenceType(new(spec.SequenceFeatureType)) }), IOS12},
		{"float16 array", input(func(t *spec.FeatureType) {
			t.SetMultiArrayType(spec.ArrayFeatureType_builder{DataType: spec.ArrayFeatureType_FLOAT16}.Build())
		}), IOS16},
		{"int8 array", input(func(t *spec.FeatureType) {
			t.SetMultiArrayType(spec.ArrayFeatureType_builder{DataType: spec.ArrayFeatureType_INT8}.Build())
		}), IOS26},
	} {
		if v := New(c.m).RequiredVersion(); v != c.want {
			t.Errorf("%s: version %d, want %d", c.name, v, c.want)
		}
	}
	if s := SystemOf(IOS17); s != "iOS 17, macOS 14" {
		t.Error(s)
	}
	if s := SystemOf(77); s != "specification version 77" {
		t.Error(s)
	}
}

// A program's weights can be rewritten while they are walked.
func TestRewriteConstants(t *testing.T) {
	m := openTest(t, "functions.mlpackage")
	moved := map[uint64]uint64{}
	err := m.WriteBlob("@model_path/weights/weight.bin", func(w *blob.Writer) error {
		for c := range Constants(m.Spec()) {
			at := c.Value.GetBlobFileValue()
			if at == nil {
				continue
			}
			if _, ok := moved[at.GetOffset()]; !ok {
				f, err := m.Blob(at.GetFileName())
				if err != nil {
					return err
				}
				e, err := f.At(at.GetOffset())
				if err != nil {
					return err
				}
				if moved[at.GetOffset()], err = w.Copy(f, e); err != nil {
					return err
				}
			}
			at.SetOffset(moved[at.GetOffset()])
		}
		return nil
	})
	if err != nil || len(moved) != 1 {
		t.Fatal(moved, err)
	}
	if diff := cmp.Diff(openTest(t, "functions.mlpackage").Summary(), m.Summary()); diff != "" {
		t.Error(diff)
	}
}
