//go:build fulldata

package edit_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/smelt-ml/smelt/internal/edit"
	"github.com/smelt-ml/smelt/internal/media"
	"github.com/smelt-ml/smelt/internal/predict"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/mlmodel/spec"
)

func dataDir() string {
	if d := os.Getenv("SMELT_DATA"); d != "" {
		return d
	}
	return "../../../shared/data"
}

// Real models of both kinds: flexible sizes, all of which run, and refusals that
// say what would work.
func TestRealModels(t *testing.T) {
	wave, squeeze := "style-wave/StyleWave.mlmodel", "squeezenet/SqueezeNet.mlmodel"
	for _, c := range []struct {
		file, input string
		shapes      mlmodel.Shapes
		runs        int
		want        string // of the error
	}{
		{wave, "image", ranges(64, 512, 64, 512), 4, ""},
		{wave, "image", shapesOf([]int{64, 48}, []int{320, 240}), 3, ""},
		{squeeze, "image", shapesOf([]int{227, 227}, []int{300, 224}), 2, ""},
		{squeeze, "image", ranges(64, 640, 64, -1), 4, ""},
		{squeeze, "image", ranges(8, 640, 64, 128), 0, "what works: height"},
		{"squeezenet/SqueezeNet_fp16.mlpackage", "image", ranges(64, 640, 64, 320), 4, ""},
		{"mobilenet-v1-025/MobileNetV1_025_fp16.mlpackage", "input", ranges(128, 512, 128, 512), 0, "what works: height 193..256, width 193..256, together"},
		{"mobilenet-v1-025/MobileNetV1_025.mlmodel", "input", ranges(200, 256, 200, 230), 4, ""},
		{"basic-pitch/nmp.mlpackage", "input_2", ranges(1, 1, 10000, 60000, 1, 1), 0, "it only works at dimension 1 43844"},
	} {
		path := filepath.Join(dataDir(), "models", c.file)
		o := edit.Options{Flexible: map[string]mlmodel.Shapes{c.input: c.shapes}, Verify: &edit.Verify{}}
		if c.want != "" {
			m := open(t, path)
			if _, err := edit.Apply(t.Context(), m, o); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: error %v, want %q", c.file, err, c.want)
			}
			continue
		}
		r, m := edited(t, path, o)
		ran := 0
		for _, check := range r.Checks {
			if check.Ran {
				ran++
			}
		}
		if ran != c.runs {
			t.Errorf("%s: ran %d times, want %d", c.file, ran, c.runs)
		}
		// A photograph of the old size gives what it gave.
		photo, err := media.Open(filepath.Join(dataDir(), "images", "imagenet", "n01440764_tench.JPEG"), media.Options{})
		if err != nil {
			t.Fatal(err)
		}
		was := open(t, path)
		i := face(was).Inputs[0].Image
		fitted, err := media.Fit(photo, int(i.Width), int(i.Height), media.FitOptions{})
		if err != nil {
			t.Fatal(err)
		}
		in := predict.Features{c.input: fitted}
		want := answers(t, was, in)
		for name, have := range answers(t, m, in) {
			if _, ok := have.(string); !ok {
				near(t, c.file+": "+name, want[name], have, 0)
			}
		}
	}
}

// Pictures become arrays and pictures again, with what they were scaled by.
func TestRealPictures(t *testing.T) {
	for file, image := range map[string]edit.Image{
		"squeezenet/SqueezeNet.mlmodel":                   {Color: spec.ImageFeatureType_BGR, Bias: []float32{-104.006, -116.669, -122.679}},
		"squeezenet/SqueezeNet_fp16.mlpackage":            {Color: spec.ImageFeatureType_BGR, Bias: []float32{-104.006, -116.669, -122.679}},
		"mobilenet-v1-025/MobileNetV1_025_fp16.mlpackage": {Color: spec.ImageFeatureType_RGB, Scale: 1 / 127.5, Bias: []float32{-1}},
	} {
		path := filepath.Join(dataDir(), "models", file)
		was := open(t, path)
		in := example(t, was)
		want := answers(t, was, in)
		name := face(was).Inputs[0].Name
		_, m := edited(t, path, edit.Options{ArrayInputs: []string{name}, Verify: &edit.Verify{}})
		if _, err := edit.Apply(t.Context(), m, edit.Options{ImageInputs: map[string]edit.Image{name: image}, Verify: &edit.Verify{}}); err != nil {
			t.Fatal(err)
		}
		for name, have := range answers(t, m, in) {
			if _, ok := have.(string); !ok {
				near(t, file+": "+name, want[name], have, 1e-4)
			}
		}
	}
}
