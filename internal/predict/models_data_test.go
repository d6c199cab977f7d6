//go:build fulldata

package predict

import (
	"context"
	"encoding/csv"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/smelt-ml/smelt/internal/media"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/tensor"
)

// data is the folder of real models, pictures and expected results.
func data(parts ...string) string {
	root := os.Getenv("SMELT_DATA")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared", "data")
	}
	return filepath.Join(append([]string{root}, parts...)...)
}

func loadShared(t testing.TB, o Options, parts ...string) *Model {
	t.Helper()
	doc, err := mlmodel.Open(data(append([]string{"models"}, parts...)...))
	if err != nil {
		t.Fatal(err)
	}
	m, err := Load(doc, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close(); doc.Close() })
	return m
}

// expected opens a model's expected.npz and returns its arrays.
func expected(t *testing.T, parts ...string) func(name string) *tensor.Tensor {
	t.Helper()
	z, err := tensor.OpenNPZ(data(append(append([]string{"models"}, parts...), "expected.npz")...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { z.Close() })
	return func(name string) *tensor.Tensor {
		a, err := z.Read(name)
		if err != nil {
			t.Fatal(err)
		}
		return a.Decoded()
	}
}

func predictOne(t *testing.T, m *Model, in Features) Features {
	t.Helper()
	out, err := m.Predict(context.Background(), in, nil)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// truth is a row of an expected CSV: the greatest probability and its class.
type truth struct {
	class       int
	probability float64
}

func readTruth(t *testing.T, parts ...string) map[string]truth {
	t.Helper()
	f, err := os.Open(data(append([]string{"models"}, parts...)...))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]truth{}
	for _, row := range rows[1:] {
		class, err1 := strconv.Atoi(row[2])
		p, err2 := strconv.ParseFloat(row[3], 64)
		if err1 != nil || err2 != nil {
			t.Fatal(row)
		}
		out[strings.TrimSuffix(row[0], filepath.Ext(row[0]))] = truth{class, p}
	}
	return out
}

// labels returns the class of each label: a line number of imagenet_labels.txt.
func labels(t *testing.T) []string {
	t.Helper()
	b, err := os.ReadFile(data("images", "imagenet_labels.txt"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(b)), "\n")
}

// classes returns a classifier's label and probabilities.
func classes(out Features) (label string, probs map[string]float64) {
	for _, v := range out {
		switch v := v.(type) {
		case string:
			label = v
		case map[string]float64:
			probs = v
		}
	}
	return label, probs
}

// agree runs a classifier over a folder of pictures and counts where its label
// is the expected one; it returns the largest error of the top probability.
func agree(t *testing.T, m *Model, want map[string]truth, dir ...string) (same, n int, worst float64) {
	t.Helper()
	names := labels(t)
	files, err := media.List(data(append([]string{"images"}, dir...)...))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		w, ok := want[strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))]
		if !ok {
			t.Fatalf("%s: nothing is expected of it", file)
		}
		img, err := media.Open(file, media.Options{})
		if err != nil {
			t.Fatal(err)
		}
		n++
		label, probs := classes(predictOne(t, m, Features{m.Inputs()[0].GetName(): img}))
		if label == names[w.class] {
			same++
		}
		worst = max(worst, math.Abs(probs[names[w.class]]-w.probability))
	}
	return same, n, worst
}

func TestClassifiers(t *testing.T) {
	squeeze, mobile := readTruth(t, "squeezenet", "expected_squash227.csv"), readTruth(t, "mobilenet-v1-025", "expected_squash224.csv")
	for _, c := range []struct {
		file      string
		want      map[string]truth
		tolerance float64
		filter    media.Filter
		png       bool
		least     float64 // share of the JPEGs
	}{
		{"squeezenet/SqueezeNet.mlmodel", squeeze, 1e-4, media.Lanczos, true, 0.98},
		{"squeezenet/SqueezeNet_fp16.mlpackage", squeeze, 5e-3, media.Lanczos, true, 0.98},
		{"mobilenet-v1-025/MobileNetV1_025.mlmodel", mobile, 1e-4, media.Bilinear, false, 0.98},
		{"mobilenet-v1-025/MobileNetV1_025_fp32.mlpackage", mobile, 1e-4, media.Bilinear, false, 0.98},
		// Rounding this net's weights to float16 alone changes the label of 4 of the
		// 180 photographs, with exact pixels and float32 arithmetic.
		{"mobilenet-v1-025/MobileNetV1_025_fp16.mlpackage", mobile, 5e-3, media.Bilinear, false, 0.97},
	} {
		t.Run(c.file, func(t *testing.T) {
			m := loadShared(t, Options{Fit: media.FitOptions{Filter: c.filter}}, strings.Split(c.file, "/")...)
			if c.png {
				same, n, worst := agree(t, m, c.want, "imagenet-227")
				t.Logf("exact pictures: top-1 equal %d of %d, largest error of its probability %.2g", same, n, worst)
				if same != n || worst > c.tolerance {
					t.Errorf("want all equal, errors up to %g", c.tolerance)
				}
			}
			same, n, worst := agree(t, m, c.want, "imagenet")
			t.Logf("JPEGs: top-1 equal %d of %d, largest error of its probability %.2g", same, n, worst)
			if float64(same) < c.least*float64(n) {
				t.Errorf("want %g %% equal", 100*c.least)
			}
		})
	}
}

// row returns element i along the first axis.
func row(a *tensor.Tensor, i int) *tensor.Tensor {
	shape := append([]int{1}, a.Shape()[1:]...)
	n := tensor.Size(shape)
	if a.DType() == tensor.Float32 {
		return tensor.Floats(shape, a.F32()[i*n:(i+1)*n])
	}
	return tensor.New(a.DType(), shape, a.I32()[i*n:(i+1)*n])
}

// pictureOf makes a picture of an H×W×3 array.
func pictureOf(a *tensor.Tensor) *media.Image {
	s := a.Shape()
	m := media.New(s[2], s[1], 3)
	for i, v := range a.I32() {
		m.Pix[i] = uint8(v)
	}
	return m
}

func TestProbabilities(t *testing.T) {
	want := expected(t, "squeezenet")
	pictures, probs := want("image_rgb_uint8"), want("prob")
	names := labels(t)
	for file, tolerance := range map[string]float64{"SqueezeNet.mlmodel": 1e-4, "SqueezeNet_fp16.mlpackage": 5e-3} {
		m := loadShared(t, Options{}, "squeezenet", file)
		worst := 0.0
		for i := range pictures.Shape()[0] {
			_, got := classes(predictOne(t, m, Features{"image": pictureOf(row(pictures, i))}))
			for c, p := range row(probs, i).F32() {
				worst = max(worst, math.Abs(got[names[c]]-float64(p)))
			}
		}
		t.Logf("%s: largest error of 5×1000 probabilities %.2g", file, worst)
		if worst > tolerance {
			t.Errorf("%s: want at most %g", file, tolerance)
		}
	}
}

func TestStyleWave(t *testing.T) {
	want := expected(t, "style-wave")
	pictures, styled := want("image_rgb_uint8"), want("stylized_rgb_uint8")
	m := loadShared(t, Options{}, "style-wave", "StyleWave.mlmodel")
	close, n, worst := 0, 0, 0
	for i := range pictures.Shape()[0] {
		got := predictOne(t, m, Features{"image": pictureOf(row(pictures, i))})["stylizedImage"].(*media.Image)
		for j, w := range row(styled, i).I32() {
			d := int(got.Pix[j]) - int(w)
			d = max(d, -d)
			worst = max(worst, d)
			if n++; d <= 1 {
				close++
			}
		}
	}
	t.Logf("within 1 of 255: %.5f %%, worst %d", 100*float64(close)/float64(n), worst)
	if float64(close) < 0.999*float64(n) {
		t.Error("want 99.9 %")
	}
}

func TestBasicPitch(t *testing.T) {
	want := expected(t, "basic-pitch")
	input := want("input")
	m := loadShared(t, Options{}, "basic-pitch", "nmp.mlpackage")
	for name, key := range map[string]string{"Identity": "StatefulPartitionedCall_0", "Identity_1": "StatefulPartitionedCall_1", "Identity_2": "StatefulPartitionedCall_2"} {
		worst := 0.0
		for i := range input.Shape()[0] {
			got := predictOne(t, m, Features{m.Inputs()[0].GetName(): row(input, i)})[name].(*tensor.Tensor).F32()
			for j, w := range row(want(key), i).F32() {
				worst = max(worst, math.Abs(float64(got[j]-w)))
			}
		}
		t.Logf("%s: largest error %.2g", name, worst)
		if worst > 5e-3 { // a float16 program
			t.Errorf("%s: want at most 5e-3", name)
		}
	}
}

func TestMiniLM(t *testing.T) {
	want := expected(t, "minilm")
	ids, mask, embedding := want("input_ids"), want("attention_mask"), want("embedding_int8_weights")
	m := loadShared(t, Options{}, "minilm", "MiniLM_int8.mlpackage")
	least := 1.0
	for i := range ids.Shape()[0] {
		out := predictOne(t, m, Features{"input_ids": row(ids, i), "attention_mask": row(mask, i)})
		got := out["embedding"].(*tensor.Tensor).Float64s()
		var dot, g, w float64
		for j, x := range row(embedding, i).Float64s() {
			dot, g, w = dot+x*got[j], g+got[j]*got[j], w+x*x
		}
		least = min(least, dot/math.Sqrt(g*w))
	}
	t.Logf("least cosine %.7f", least)
	if least < 0.9995 {
		t.Error("want 0.9995")
	}
}
