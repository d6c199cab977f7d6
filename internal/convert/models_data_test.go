//go:build fulldata

package convert

import (
	"path/filepath"
	"testing"

	"github.com/smelt-ml/smelt/internal/media"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/tensor"
)

// TestModels converts real networks: in float32 they answer as before, in
// float16 nearly so and at half the size.
func TestModels(t *testing.T) {
	for _, c := range []struct {
		file    string
		outputs []string
	}{
		{"squeezenet/SqueezeNet.mlmodel", []string{"classLabel", "classLabelProbs"}},
		{"mobilenet-v1-025/MobileNetV1_025.mlmodel", []string{"Identity", "classLabel"}},
		{"style-wave/StyleWave.mlmodel", []string{"stylizedImage"}},
	} {
		photo := &Verify{Inputs: func(face mlmodel.Interface) ([]map[string]any, error) {
			m, err := media.Open(filepath.Join(dataDir(), "images", "imagenet", "n01440764_tench.JPEG"), media.Options{})
			return []map[string]any{{face.Inputs[0].Name: m}}, err
		}}
		in := filepath.Join(dataDir(), "models", c.file)
		full, _, _ := converted(t, in, Options{Float: tensor.Float32, Verify: photo})
		near(t, full, 1e-5, c.outputs...)
		half, _, _ := converted(t, in, Options{Verify: photo})
		near(t, half, 1e-2, c.outputs...)
		if ratio := float64(half.SizeAfter) / float64(full.SizeAfter); ratio > 0.55 {
			t.Errorf("%s: float16 takes %.2f of float32", c.file, ratio)
		}
		t.Logf("%s: %d bytes, %d in float16, %+v", c.file, full.SizeAfter, half.SizeAfter, half.Check.Outputs[c.outputs[len(c.outputs)-1]])
	}
}
