package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/smelt-ml/smelt/tensor"
)

// Verbs that look at models or run them take every file that convert reads.
func TestForeignModels(t *testing.T) {
	dir := t.TempDir()
	converted := filepath.Join(dir, "net.mlpackage")
	ok(t, "convert", onnxNet, "-o", converted, "--precision", "fp32", "--no-verify")
	pixels := filepath.Join(dir, "pixels.npy")
	values := make([]float32, 3*8*8)
	for i := range values {
		values[i] = float32(i%13)/6 - 1
	}
	write(t, pixels, npy(t, tensor.Floats([]int{1, 3, 8, 8}, values)))

	v := object(t, []string{"type", "source", "notes", "inputs", "outputs", "parameters", "weight_bytes", "layers"}, "info", onnxNet)
	if at(t, v, "type") != "mlProgram" || at(t, v, "source") != "onnx" || at(t, v, "size_bytes") != 949.0 || at(t, v, "layers", "conv") != 1.0 {
		t.Errorf("info %v", v)
	}
	if text := ok(t, "info", onnxNet); !strings.Contains(text, "onnx, shown as the mlProgram") {
		t.Errorf("info says\n%s", text)
	}
	if v := object(t, nil, "info", converted); v["source"] != nil {
		t.Errorf("a Core ML file has the source %v", v["source"])
	}

	// A long input has a file of its own name all the same.
	long := filepath.Join(dir, strings.Repeat("p", 200)+".npy")
	write(t, long, npy(t, tensor.Floats([]int{1, 3, 8, 8}, values)))
	out := filepath.Join(dir, "out")
	a := object(t, nil, "predict", onnxNet, "--input", long, "--output-dir", out)
	b := object(t, nil, "predict", converted, "--input", pixels, "--output-dir", out)
	var got []*tensor.Tensor
	for _, v := range []map[string]any{a, b} {
		x, err := tensor.ReadNPYFile(at(t, v, "predictions", 0, "outputs", "out_probabilities", "file").(string))
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, x)
	}
	for i, x := range got[0].F32() {
		if y := got[1].F32()[i]; x != y {
			t.Errorf("element %d: %g of the source, %g of the result", i, x, y)
		}
	}
	v = object(t, []string{"samples", "metrics"}, "compare", onnxNet, converted, "--inputs", pixels)
	if at(t, v, "samples") != 1.0 || at(t, v, "failed") != 0.0 {
		t.Errorf("compare %v", v)
	}
	v = object(t, []string{"median_ms", "gflops"}, "bench", onnxNet, "--runs", "2", "--shape", "pixels_0=2x3x8x8")
	if at(t, v, "runs") != 2.0 {
		t.Errorf("bench %v", v)
	}
	// Inputs may be called as in the source.
	ok(t, "bench", onnxNet, "--runs", "2", "--shape", "pixels:0=1x3x8x8")
	ok(t, "predict", onnxNet, "--input", "pixels:0="+pixels)
	if r := call(t, "compare", onnxNet, converted, "--images", data+"photos"); r.code != exitFailed || !strings.Contains(r.stderr, "--image-input") {
		t.Errorf("compare with pictures for an array: exit code %d: %s", r.code, r.stderr)
	}
	cases := filepath.Join(dir, "cases")
	ok(t, "test", cases, "--record", onnxNet, "--input", pixels)
	if v := object(t, nil, "test", cases); at(t, v, "passed") != 1.0 {
		t.Errorf("test %v", v)
	}
	// Weights of such a model are made smaller on the way, too.
	small := filepath.Join(dir, "small.mlpackage")
	ok(t, "quantize", onnxNet, "-o", small, "--bits", "8", "--mode", "linear_symmetric", "--min-elements", "10")
	ok(t, "predict", small, "--input", pixels)

	bad := filepath.Join(dir, "bad.onnx")
	write(t, bad, []byte("no model"))
	for _, verb := range []string{"info", "bench"} {
		if r := call(t, verb, bad); r.code != exitFailed || !strings.Contains(r.stderr, "bad.onnx") {
			t.Errorf("%s of a bad file: exit code %d: %s", verb, r.code, r.stderr)
		}
	}
}
