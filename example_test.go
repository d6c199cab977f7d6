package smelt_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/smelt-ml/smelt"
	"github.com/smelt-ml/smelt/compare"
	"github.com/smelt-ml/smelt/compare/metric"
	"github.com/smelt-ml/smelt/compress"
	"github.com/smelt-ml/smelt/tensor"
)

// What is in a model file?
func ExampleOpen() {
	m, err := smelt.Open("testdata/classifier.mlmodel")
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	info, err := m.Info()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(info.Type, info.Parameters, "parameters")
	for _, f := range info.Functions[0].Inputs {
		fmt.Println(f.Name, "is an", f.Type())
	}
	// Output:
	// neuralNetworkClassifier 116 parameters
	// image is an image RGB 24×24
}

// A neural network becomes an ML Program, without its source.
func ExampleConvert() {
	dir, err := os.MkdirTemp("", "smelt")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, "classifier.mlpackage")
	r, err := smelt.Convert(context.Background(), "testdata/classifier.mlmodel", out, smelt.ConvertOptions{
		Float:  tensor.Float32, // the default is Float16
		Verify: &smelt.ConvertVerify{Seed: 1},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(r.Source, "for", r.System)
	fmt.Println("largest error:", r.Check.Outputs["scores"].MaxAbs)
	// Output:
	// neuralNetworkClassifier for iOS 15, macOS 12
	// largest error: 0
}

// Operators that nobody knows become what their conversions say: a composition
// of MIL's operators, or a custom layer.
func ExampleWithConversion() {
	dir, err := os.MkdirTemp("", "smelt")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	scale := smelt.WithConversion("com.acme::Scale", func(n *smelt.Node, b *smelt.Builder) error {
		scaled := b.Op("mul", smelt.Args{"x": n.Input(0), "y": n.Float("alpha", 1)})
		return b.Output(b.Op("clip", smelt.Args{"x": scaled, "alpha": 0, "beta": 6}))
	})
	swirl := smelt.WithConversion("com.acme::Swirl", func(n *smelt.Node, b *smelt.Builder) error {
		return b.Output(b.CustomLayer(smelt.CustomLayer{
			Class:      "AcmeSwirl",
			Inputs:     n.Inputs[:1],
			Weights:    n.Inputs[1:],
			Parameters: map[string]any{"angle": n.Float("angle", 0), "mode": n.Text("mode", "polar")},
		})...)
	})
	r, err := smelt.Convert(context.Background(), "testdata/swirl.onnx", filepath.Join(dir, "swirl.mlpackage"),
		smelt.ConvertOptions{Float: tensor.Float32, Verify: &smelt.ConvertVerify{Seed: 1}}, scale, swirl)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(r.Ops)
	fmt.Println(r.Notes)
	fmt.Println("largest error of z:", r.Check.Outputs["z"].MaxAbs)
	fmt.Println("cannot be compared:", r.Check.Unchecked)
	// Output:
	// map[add:1 clip:1 custom_layer:2 mul:1 relu:1 sigmoid:1]
	// [the app must bring class "AcmeSwirl": 2 custom layers]
	// largest error of z: 0
	// cannot be compared: [y]
}

// What does a classifier see in a photograph?
func ExampleLoad() {
	p, err := smelt.Load("testdata/classifier.mlmodel", smelt.Options{Fit: smelt.Fit{Mode: smelt.Crop}})
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	photo, err := smelt.OpenImage("testdata/photos/red.jpg")
	if err != nil {
		log.Fatal(err)
	}
	out, err := p.Predict(context.Background(), smelt.Features{"image": photo})
	if err != nil {
		log.Fatal(err)
	}
	scores := out["scores"].(map[string]float64)
	fmt.Printf("%s %.2f\n", out["colour"], scores["red"])
	// Output: red 0.89
}

// Arrays go in and come out as tensors.
func ExamplePredictor_PredictBatch() {
	p, err := smelt.Load("testdata/sums.mlpackage", smelt.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	var batch []smelt.Features
	for i := range 3 {
		b := make([]float32, 64)
		for j := range b {
			b[j] = float32(i)
		}
		batch = append(batch, smelt.Features{
			"a": tensor.Zeros(tensor.Float32, []int{1, 64}),
			"b": tensor.Floats([]int{1, 64}, b),
		})
	}
	results, err := p.PredictBatch(context.Background(), batch)
	if err != nil {
		log.Fatal(err)
	}
	for _, out := range results {
		fmt.Println(out["mean"].(*tensor.Tensor).F32())
	}
	// Output:
	// [0.5]
	// [1.5]
	// [2.5]
}

// Weights of 8 bits, in a new file.
func ExampleModel_Quantize() {
	dir, err := os.MkdirTemp("", "smelt")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	m, err := smelt.Open("testdata/sums.mlpackage")
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	report, err := m.Quantize(context.Background(), compress.Options{Bits: 8, Mode: compress.LinearSymmetric})
	if err != nil {
		log.Fatal(err)
	}
	if err := m.Save(filepath.Join(dir, "small.mlpackage")); err != nil {
		log.Fatal(err)
	}
	for _, l := range report.Layers {
		fmt.Printf("%d values: %d bytes became %d\n", l.Elements, l.Before, l.After)
	}
	// Output: 4096 values: 16384 bytes became 4416
}

// How far is a model of 2 bits from the original, by the usual metrics and by
// one of your own?
func ExampleCompare() {
	dir, err := os.MkdirTemp("", "smelt")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	small := filepath.Join(dir, "small.mlmodel")
	ctx := context.Background()
	if _, err := smelt.Quantize(ctx, "testdata/classifier.mlmodel", small, compress.Options{Bits: 2, Mode: compress.KMeans}); err != nil {
		log.Fatal(err)
	}
	a, err := smelt.Load("testdata/classifier.mlmodel", smelt.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer a.Close()
	b, err := smelt.Load(small, smelt.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()
	photos, err := compare.Images("testdata/photos")
	if err != nil {
		log.Fatal(err)
	}
	sure := metric.Func("both_sure", true, func(want, got metric.Sample) (float64, error) {
		if want.Probabilities[want.Label] > 0.5 && got.Probabilities[got.Label] > 0.5 {
			return 1, nil
		}
		return 0, nil
	})
	report, err := smelt.Compare(ctx, a, b, photos, compare.Options{Metrics: []metric.Metric{metric.TopK{K: 1}, sure}})
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range report.Results {
		fmt.Printf("%s %.2f of %d\n", r.Name, r.Value, r.Samples)
	}
	// Output:
	// top1_agreement 1.00 of 6
	// both_sure 1.00 of 6
}
