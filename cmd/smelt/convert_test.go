package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/smelt-ml/smelt"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/tensor"
)

const onnxNet = "../../internal/convert/testdata/net.onnx"

func TestConvert(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out.mlpackage")
	keys := []string{"source", "target", "ops", "unsupported", "seconds", "verify", "size_before", "size_after"}
	v := object(t, keys, "convert", classifier, "-o", out)
	for _, c := range []struct {
		want any
		path []any
	}{
		{"neuralNetworkClassifier", []any{"source"}},
		{"mlprogram", []any{"target"}},
		{6.0, []any{"spec_version"}},
		{"fp16", []any{"precision"}},
		{853.0, []any{"size_before"}},
		{1.0, []any{"ops", "conv"}},
		{0.0, []any{"verify", "outputs", "colour", "max_abs_error"}},
	} {
		if got := at(t, v, c.path...); got != c.want {
			t.Errorf("%v is %v, want %v", c.path, got, c.want)
		}
	}
	scores := at(t, v, "verify", "outputs", "scores")
	if e := at(t, scores, "max_rel_error").(float64); !(e < 0.01) || at(t, scores, "snr_db").(float64) < 40 {
		t.Errorf("scores are %v off", scores)
	}
	if list := at(t, v, "unsupported").([]any); len(list) != 0 {
		t.Errorf("unsupported %v", list)
	}
	// What is written runs.
	ok(t, "predict", out, "--images", photos)

	text := ok(t, "convert", style, "-o", out, "--precision", "fp32", "--target", "ios17", "--no-verify", "--author", "a person")
	if !strings.Contains(text, "iOS 17") || strings.Contains(text, "SNR") {
		t.Errorf("convert says\n%s", text)
	}
	m, err := smelt.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	info, err := m.Info()
	if err != nil || info.Metadata.Author != "a person" || info.SpecVersion != mlmodel.IOS17 || info.Layers["cast"] != 0 {
		t.Errorf("info %+v, %v", info, err)
	}

	v = object(t, keys, "convert", sums, "-o", out, "--inputs", data+"sums.npz")
	if n := at(t, v, "verify", "samples").(float64); n < 1 {
		t.Errorf("compared on %v samples", n)
	}
	labels := filepath.Join(t.TempDir(), "labels.txt")
	write(t, labels, []byte("a\nb\r\nc\nd\ne\n"))
	ok(t, "convert", onnxNet, "-o", out, "--shape", "pixels:0=1x3x8x8", "--image-input", "pixels:0", "--color", "bgr",
		"--scale", "0.0078", "--bias", "-1,-1,-1", "--labels", labels, "--rename", "pixels:0=image", "--meta", "k=v", "--keep-fp32", "linear")
	if text := ok(t, "info", out); !strings.Contains(text, "image BGR 8×8") || !strings.Contains(text, "classLabel_probs") {
		t.Errorf("info says\n%s", text)
	}
	ok(t, "convert", onnxNet, "-o", out, "--shape", "pixels:0=1..4x3x8x8")
	ok(t, "convert", onnxNet, "-o", out, "--shape", "pixels:0=1x3x8x8,2x3x8x8")
	if text := ok(t, "info", out); !strings.Contains(text, "1×3×8×8 | 2×3×8×8") {
		t.Errorf("info says\n%s", text)
	}
	network := filepath.Join(t.TempDir(), "out.mlmodel")
	v = object(t, keys, "convert", onnxNet, "-o", network, "--shape", "pixels:0=1x3x8x8", "--image-input", "pixels:0", "--labels", labels, "--precision", "fp16")
	if at(t, v, "target") != "neuralnetwork" || at(t, v, "precision") != "fp16" {
		t.Errorf("report %v", v)
	}
	if text := ok(t, "info", network); !strings.Contains(text, "image RGB 8×8") || !strings.Contains(text, "neuralNetworkClassifier") {
		t.Errorf("info says\n%s", text)
	}
	// In place: the source is read and then replaced.
	ok(t, "convert", out, "-o", out, "--precision", "fp32")
}

// What cannot be expressed is a table and one line for people, and a list for
// programs.
func TestConvertUnsupported(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "out.mlpackage")
	args := []string{"convert", stateful, "-o", out, "--target", "ios16"}
	r := call(t, args...)
	for _, want := range []string{"operator", "read_state", "way out: --target ios18"} {
		if r.code != exitFailed || !strings.Contains(r.stdout, want) || strings.Count(r.stderr, "\n") != 1 || !strings.Contains(r.stderr, "functions.mlpackage: ") {
			t.Errorf("exit code %d, no %s\n%s%s", r.code, want, r.stdout, r.stderr)
		}
	}
	r = call(t, append(args, "--json")...)
	if r.code != exitFailed || !strings.Contains(r.stdout, `"read_state"`) || strings.Count(r.stderr, "\n") != 1 {
		t.Errorf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	empty(t, dir)
}

// Operators that nobody knows: a list of them, a file that says what they are, or
// custom layers.
func TestConvertCustom(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "out.mlpackage")
	r := call(t, "convert", swirl, "-o", out)
	for _, want := range []string{"com.acme::Scale  1", "com.acme::Swirl  2      swirl1, swirl2", "--partial custom makes"} {
		if r.code != exitFailed || !strings.Contains(r.stdout, want) {
			t.Errorf("exit code %d, no %q\n%s", r.code, want, r.stdout)
		}
	}
	r = call(t, "convert", swirl, "-o", out, "--json")
	var v map[string]any
	if err := json.Unmarshal([]byte(r.stdout), &v); err != nil || r.code != exitFailed {
		t.Fatalf("exit code %d, %v", r.code, err)
	}
	for _, key := range []string{"op", "domain", "count", "names", "reason", "way_out"} {
		at(t, v, "unsupported", 1, key)
	}
	if name := at(t, v, "unsupported", 1, "names", 1); name != "swirl2" {
		t.Errorf("names %v", name)
	}
	empty(t, dir)

	text := ok(t, "convert", swirl, "-o", out, "--conversions", data+"acme.yaml")
	if !strings.Contains(text, "not compared: y: custom layers") || !strings.Contains(text, "z: largest error") {
		t.Errorf("convert says\n%s", text)
	}
	v = object(t, nil, "info", out)
	if at(t, v, "dependencies", 1, "class_name") != "AcmeSwirl" || at(t, v, "dependencies", 1, "parameters", "angle") != 1.5 {
		t.Errorf("dependencies %v", at(t, v, "dependencies"))
	}
	v = object(t, nil, "convert", swirl, "-o", out, "--partial", "custom")
	if list := at(t, v, "verify", "unchecked").([]any); len(list) != 2 {
		t.Errorf("not compared %v", list)
	}
	input := filepath.Join(dir, "x.npy")
	var npy bytes.Buffer
	if err := tensor.WriteNPY(&npy, tensor.Zeros(tensor.Float32, []int{1, 3, 8, 8})); err != nil {
		t.Fatal(err)
	}
	write(t, input, npy.Bytes())
	fails(t, []string{"predict", out, "--input", "x=" + input}, `custom_layer "b"`, `class "Swirl"`, "angle")
	fails(t, []string{"convert", swirl, "-o", out, "--conversions", data + "none.yaml"}, "none.yaml")
	fails(t, []string{"convert", swirl, "-o", out, "--conversions", data + "sums.npz"}, "sums.npz: conversions: ")
	if r := call(t, "convert", swirl, "-o", out, "--partial", "all"); r.code != exitUsage {
		t.Errorf("exit code %d", r.code)
	}
}

func TestAllowedShapes(t *testing.T) {
	for _, text := range []string{"", "x", "0", "1x-1", "2..1", "1,", "1..2,3", "1x2,3", "1e3", "99999x99999x99999"} {
		if s, err := parseAllowed(text, false); err == nil {
			t.Errorf("%q is %+v", text, s)
		}
	}
	s, err := parseAllowed("1x2..8", false)
	if err != nil || !slices.Equal(s.Default, []int{1, 2}) || s.Ranges[1] != (mlmodel.Range{Min: 2, Max: 8}) || s.Enumerated != nil {
		t.Errorf("%+v, %v", s, err)
	}
}

// A damaged source is an error, or still a model; nothing is half written.
func TestConvertDamaged(t *testing.T) {
	in, dir := t.TempDir(), t.TempDir()
	out := filepath.Join(dir, "out.mlpackage")
	for _, name := range []string{classifier, onnxNet} {
		whole, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(in, "damaged"+filepath.Ext(name))
		for i := 0; i < len(whole); i += 11 {
			b := slices.Clone(whole)
			b[i] ^= 1 << (i % 8)
			if i%3 == 0 {
				b = b[:i]
			}
			write(t, path, b)
			r := call(t, "convert", path, "-o", out)
			switch r.code {
			case exitOK:
				os.RemoveAll(out)
			case exitFailed:
				if !strings.HasPrefix(r.stderr, "smelt convert: ") || strings.Count(r.stderr, "\n") != 1 {
					t.Errorf("%s, byte %d: %q", name, i, r.stderr)
				}
			default:
				t.Errorf("%s, byte %d: exit code %d, %q", name, i, r.code, r.stderr)
			}
			empty(t, dir)
		}
	}
}
