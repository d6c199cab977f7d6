//go:build fulldata

package convert

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/smelt-ml/smelt/internal/edit"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// TestNetworksAgain writes every golden network as a network again.
func TestNetworksAgain(t *testing.T) { networks(t, "nn") }

// TestProgramsAsNetworks writes the golden programs as networks, as far as
// that can be.
func TestProgramsAsNetworks(t *testing.T) { networks(t, "mil", "torch", "tf", "compress") }

func networks(t *testing.T, suites ...string) {
	doc := explained(t)
	for _, name := range suites {
		s := sharedSuite(t, name)
		failed, converted, reasons := runConverted(t, s, Options{To: NeuralNetwork, Float: tensor.Float32})
		for _, id := range slices.Sorted(maps.Keys(failed)) {
			if !strings.Contains(doc, "`"+id+"`") {
				t.Errorf("%s: %s: %s", name, id, failed[id].Error)
			}
		}
		for _, why := range slices.Sorted(maps.Keys(reasons)) {
			t.Logf("%4d %s", reasons[why], why)
		}
		t.Logf("%s: %d of %d written as networks, %d of them give other outputs", name, converted, len(s.Cases), len(failed))
	}
}

// TestModelsAsNetworks writes real models as networks, which answer as before.
func TestModelsAsNetworks(t *testing.T) {
	shape := func(name string, dims ...int) map[string]mlmodel.Shapes {
		return map[string]mlmodel.Shapes{name: {Default: dims}}
	}
	for _, c := range []struct {
		file string
		o    Options
		rel  float64
		spec int32
	}{
		{"squeezenet/SqueezeNet.mlmodel", Options{}, 1e-5, mlmodel.IOS11},
		{"squeezenet/SqueezeNet.mlmodel", Options{Float: tensor.Float16}, 2e-2, mlmodel.IOS112},
		{"squeezenet/SqueezeNet_fp16.mlpackage", Options{}, 1e-3, mlmodel.IOS112},
		{"squeezenet/squeezenet1_1.onnx", Options{}, 1e-5, mlmodel.IOS13},
		{"squeezenet/squeezenet1_1.onnx", Options{Shapes: shape("data", 1, 3, 227, 227), ImageInputs: map[string]edit.Image{"data": {Color: spec.ImageFeatureType_RGB, Scale: 1. / 128, Bias: []float32{-1}}}}, 1e-5, mlmodel.IOS11},
		{"mobilenet-v1-025/MobileNetV1_025.mlmodel", Options{}, 1e-5, mlmodel.IOS11},
		{"mobilenet-v1-025/MobileNetV1_025_fp32.mlpackage", Options{}, 1e-5, mlmodel.IOS11},
		{"mobilenet-v1-025/MobileNetV1_025_fp16.mlpackage", Options{}, 2e-3, mlmodel.IOS112},
		{"style-wave/StyleWave.mlmodel", Options{}, 1e-5, mlmodel.IOS11},
		{"style-wave/style_wave.onnx", Options{Shapes: shape("image", 1, 3, 128, 96)}, 1e-5, mlmodel.IOS13},
		{"ocr/ch_ppocr_mobile_v2.0_cls_infer.onnx", Options{Shapes: shape("x", 1, 3, 48, 192)}, 1e-5, mlmodel.IOS13},
		{"silero-vad/silero_vad_16k_sequence.onnx", Options{}, 1e-5, mlmodel.IOS13},
		{"basic-pitch/nmp.onnx", Options{}, 1e-5, mlmodel.IOS13},
		{"basic-pitch/nmp.mlpackage", Options{}, 1e-3, mlmodel.IOS13},
		{"minilm/MiniLM_int8.mlpackage", Options{}, 2e-3, mlmodel.IOS13},
	} {
		c.o.Verify = &Verify{Seed: 1}
		r, err := File(t.Context(), filepath.Join(dataDir(), "models", c.file), filepath.Join(t.TempDir(), "out.mlmodel"), c.o)
		if err != nil {
			t.Errorf("%s: %v", c.file, err)
			continue
		}
		worst := 0.
		for name, d := range r.Check.Outputs {
			worst = max(worst, d.MaxRel)
			if !(d.MaxRel <= c.rel) {
				t.Errorf("%s: output %q: %+v", c.file, name, d)
			}
		}
		if r.Check.Samples == 0 || r.SpecVersion != c.spec {
			t.Errorf("%s: specification version %d, check %+v", c.file, r.SpecVersion, r.Check)
		}
		t.Logf("%s: largest error %.1e of the largest value, %s, %d bytes of %d", c.file, worst, r.System, r.SizeAfter, r.SizeBefore)
	}
}
