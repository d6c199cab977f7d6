package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/smelt-ml/smelt/tensor"
)

// The models and pictures that the tests use.
const (
	data       = "../../testdata/"
	classifier = data + "classifier.mlmodel"
	style      = data + "style.mlmodel"
	sums       = data + "sums.mlpackage"
	photos     = data + "photos"
	tiles      = data + "tiles.npy"
	swirl      = data + "swirl.onnx"
	stateful   = "../../mlmodel/testdata/functions.mlpackage"
)

// result is what a call of the program did.
type result struct {
	code           int
	stdout, stderr string
}

// call runs the program as a shell would.
func call(t *testing.T, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), args, &stdout, &stderr)
	return result{code, stdout.String(), stderr.String()}
}

// ok wants a call to succeed and to say nothing on standard error.
func ok(t *testing.T, args ...string) string {
	t.Helper()
	r := call(t, args...)
	if r.code != exitOK || r.stderr != "" {
		t.Fatalf("smelt %s: exit code %d, %s", strings.Join(args, " "), r.code, r.stderr)
	}
	return r.stdout
}

// object calls with --json and wants one object with these keys.
func object(t *testing.T, keys []string, args ...string) map[string]any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(ok(t, append(args, "--json")...)))
	var v map[string]any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("smelt %s: %v", strings.Join(args, " "), err)
	}
	if _, err := d.Token(); err != io.EOF {
		t.Errorf("smelt %s: there is more on standard output than one object", strings.Join(args, " "))
	}
	for _, key := range keys {
		if _, ok := v[key]; !ok {
			t.Errorf("smelt %s: no key %q in %v", strings.Join(args, " "), key, v)
		}
	}
	return v
}

// at walks into JSON by keys and indexes.
func at(t *testing.T, v any, path ...any) any {
	t.Helper()
	for _, step := range path {
		switch step := step.(type) {
		case string:
			m, _ := v.(map[string]any)
			if _, ok := m[step]; !ok {
				t.Fatalf("no %q in %v", step, v)
			}
			v = m[step]
		case int:
			list, _ := v.([]any)
			if step >= len(list) {
				t.Fatalf("no element %d in %v", step, v)
			}
			v = list[step]
		}
	}
	return v
}

func TestInfo(t *testing.T) {
	keys := []string{"type", "spec_version", "size_bytes", "inputs", "outputs", "metadata", "parameters", "weight_bytes", "layers", "dependencies"}
	v := object(t, keys, "info", classifier)
	for _, c := range []struct {
		want any
		path []any
	}{
		{"neuralNetworkClassifier", []any{"type"}},
		{1.0, []any{"spec_version"}},
		{853.0, []any{"size_bytes"}},
		{116.0, []any{"parameters"}},
		{464.0, []any{"weight_bytes"}},
		{"image", []any{"inputs", 0, "name"}},
		{"image", []any{"inputs", 0, "type"}},
		{3.0, []any{"inputs", 0, "shape", 0}},
		{24.0, []any{"inputs", 0, "shape", 2}},
		{"dictionary", []any{"outputs", 0, "type"}},
		{1.0, []any{"layers", "convolution"}},
		{"smelt", []any{"metadata", "author"}},
	} {
		if got := at(t, v, c.path...); got != c.want {
			t.Errorf("%v is %v, want %v", c.path, got, c.want)
		}
	}
	v = object(t, keys, "info", "../../mlmodel/testdata/network.mlmodel")
	d := at(t, v, "dependencies", 0)
	if at(t, d, "class_name") != "Swish" || at(t, d, "description") != "x * sigmoid(x)" || at(t, d, "parameters", "beta") != 1.5 {
		t.Errorf("dependency %v", d)
	}
	v = object(t, append(keys, "functions", "states"), "info", stateful)
	if at(t, v, "functions", 1, "name") != "one" || at(t, v, "type") != "mlProgram" {
		t.Errorf("functions %v", at(t, v, "functions"))
	}
	text := ok(t, "info", classifier)
	for _, want := range []string{"image RGB 24×24", "116 parameters in 464 bytes", "Names the colour of a picture", "innerProduct"} {
		if !strings.Contains(text, want) {
			t.Errorf("info does not say %q:\n%s", want, text)
		}
	}
}

func TestQuantize(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "small.mlpackage")
	v := object(t, []string{"size_before", "size_after", "layers", "seconds"}, "quantize", sums, "-o", out, "--bits", "4", "--mode", "kmeans")
	for _, key := range []string{"name", "bits", "mode", "mse", "max_error"} {
		at(t, v, "layers", 0, key)
	}
	if at(t, v, "layers", 0, "bits") != 4.0 || at(t, v, "layers", 0, "mode") != "kmeans" {
		t.Errorf("layer %v", at(t, v, "layers", 0))
	}
	var size int64
	err := filepath.WalkDir(out, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			info, _ := d.Info()
			size += info.Size()
		}
		return err
	})
	if err != nil || float64(size) != at(t, v, "size_after") || size >= int64(at(t, v, "size_before").(float64)) {
		t.Errorf("the package has %d bytes, %v; reported %v of %v", size, err, at(t, v, "size_after"), at(t, v, "size_before"))
	}
	if text := ok(t, "quantize", sums, "-o", out, "--bits", "8"); !strings.Contains(text, "linear") || !strings.Contains(text, out) {
		t.Errorf("quantize says\n%s", text)
	}

	table := filepath.Join(dir, "table.json")
	if err := os.WriteFile(table, []byte(`[-2, -1, 0, 2]`), 0o666); err != nil {
		t.Fatal(err)
	}
	small := filepath.Join(dir, "small.mlmodel")
	v = object(t, nil, "quantize", classifier, "-o", small, "--bits", "2", "--mode", "custom_lut", "--lut-table", table, "--keep", "^blur$", "--keep-biases")
	if layers := at(t, v, "layers").([]any); len(layers) != 1 || at(t, layers[0], "layer") != "nearest" || at(t, layers[0], "mode") != "custom_lut" {
		t.Errorf("layers %v", layers)
	}
	if kept := at(t, v, "kept").([]any); len(kept) != 3 {
		t.Errorf("kept %v", kept)
	}
	v = object(t, nil, "quantize", classifier, "-o", small, "--bits", "8", "--keep-type", "convolution", "--min-elements", "10")
	if layers := at(t, v, "layers").([]any); len(layers) != 1 || at(t, layers[0], "layer") != "nearest" {
		t.Errorf("layers %v", layers)
	}
	// In place: the file is read and then replaced.
	ok(t, "quantize", small, "-o", small, "--bits", "4", "--again")
}

func TestCompare(t *testing.T) {
	small := filepath.Join(t.TempDir(), "small.mlmodel")
	ok(t, "quantize", classifier, "-o", small, "--bits", "3")
	v := object(t, []string{"samples", "failed", "failures", "metrics", "intervals", "worst", "seconds", "images_per_second", "sizes"},
		"compare", classifier, small, "--images", photos)
	if at(t, v, "samples") != 6.0 || at(t, v, "failed") != 0.0 || at(t, v, "metrics", "top1_agreement") != 1.0 || at(t, v, "metrics", "top5_agreement") != 1.0 {
		t.Errorf("report %v", v)
	}
	if kl := at(t, v, "metrics", "kl_divergence").(float64); kl <= 0 || kl > 0.5 {
		t.Errorf("kl_divergence %v", kl)
	}
	if low := at(t, v, "intervals", "top1_agreement", "low").(float64); low < 0.6 || low > 0.62 {
		t.Errorf("Wilson's interval of 6 of 6 begins at %v, want 0.6096", low)
	}
	if at(t, v, "sizes", 0) != 853.0 || len(at(t, v, "worst").([]any)) != 5 {
		t.Errorf("sizes %v, worst %v", at(t, v, "sizes"), at(t, v, "worst"))
	}

	// Three models of pictures, with a sheet.
	dir := t.TempDir()
	a, b, sheet := filepath.Join(dir, "8.mlmodel"), filepath.Join(dir, "4.mlmodel"), filepath.Join(dir, "sheet.png")
	ok(t, "quantize", style, "-o", a, "--bits", "8")
	ok(t, "quantize", style, "-o", b, "--bits", "4")
	v = object(t, []string{"samples", "metrics", "models"}, "compare", style, a, b, "--images", photos, "--sheet", sheet, "--fit", "letterbox")
	better, worse := at(t, v, "metrics", "psnr_db").(float64), at(t, v, "models", 1, "report", "metrics", "psnr_db").(float64)
	if !(better > worse && worse > 15) || at(t, v, "models", 0, "model") != a || at(t, v, "metrics", "ssim").(float64) < 0.9 {
		t.Errorf("PSNR %v and %v dB", better, worse)
	}
	if info, err := os.Stat(sheet); err != nil || info.Size() == 0 {
		t.Errorf("the sheet: %v", err)
	}
	text := ok(t, "compare", style, a, b, "--images", photos, "--worst", "1")
	for _, want := range []string{"reference", "psnr_db", "the worst by psnr_db", "6 inputs in"} {
		if !strings.Contains(text, want) {
			t.Errorf("compare does not say %q:\n%s", want, text)
		}
	}

	// Arrays, and a model against itself: infinite figures are null.
	v = object(t, []string{"infinite"}, "compare", sums, sums, "--inputs", data+"sums.npz")
	if at(t, v, "metrics", "snr_db") != nil || at(t, v, "metrics", "max_abs_error") != 0.0 || at(t, v, "samples") != 5.0 {
		t.Errorf("report %v", v)
	}
}

// Pictures that cannot be read are counted and named.
func TestBadPictures(t *testing.T) {
	dir := t.TempDir()
	good, err := os.ReadFile(photos + "/red.jpg")
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "good.jpg"), good)
	write(t, filepath.Join(dir, "cut.jpg"), good[:len(good)/3])
	write(t, filepath.Join(dir, "text.png"), []byte("a text"))
	v := object(t, nil, "compare", classifier, classifier, "--images", dir)
	if at(t, v, "samples") != 1.0 || at(t, v, "failed") != 2.0 || at(t, v, "failures", 1, "name") != "text.png" {
		t.Errorf("report %v", v)
	}
	v = object(t, nil, "predict", classifier, "--images", dir)
	if at(t, v, "samples") != 1.0 || at(t, v, "failed") != 2.0 || at(t, v, "failures", 0, "name") != "cut.jpg" || at(t, v, "predictions", 0, "input") != "good.jpg" {
		t.Errorf("report %v", v)
	}
	if r := call(t, "predict", classifier, "--images", dir); r.code != exitOK || strings.Count(r.stderr, "could not be used") != 2 {
		t.Errorf("exit code %d, %q", r.code, r.stderr)
	}
}

func TestPredict(t *testing.T) {
	v := object(t, []string{"predictions"}, "predict", classifier, "--input", "image="+photos+"/blue.jpg", "--top", "3")
	p := at(t, v, "predictions", 0)
	if at(t, p, "outputs", "colour") != "blue" || at(t, p, "top", 0, "label") != "blue" || len(at(t, p, "top").([]any)) != 3 {
		t.Errorf("prediction %v", p)
	}
	if at(t, p, "top", 0, "probability") != at(t, p, "outputs", "scores", "blue") {
		t.Errorf("probabilities %v", p)
	}
	v = object(t, nil, "predict", classifier, "--inputs", tiles, "--threads", "1")
	var labels []string
	for i := range at(t, v, "predictions").([]any) {
		labels = append(labels, at(t, v, "predictions", i, "outputs", "colour").(string))
	}
	if want := []string{"black", "red", "green", "blue", "yellow", "magenta", "cyan", "white"}; !slices.Equal(labels, want) {
		t.Errorf("colours %v, want %v", labels, want)
	}
	text := ok(t, "predict", classifier, "--images", photos, "--top", "1", "--fit", "crop", "--filter", "bilinear", "--short-side", "26")
	if !strings.Contains(text, "yellow.png\n  0.8") || !strings.Contains(text, "  yellow\n") {
		t.Errorf("predict says\n%s", text)
	}

	// Values in place of files: numbers with commas, of which a is the rest.
	dir := t.TempDir()
	zeros := strings.TrimSuffix(strings.Repeat("0,", 64), ",")
	v = object(t, nil, "predict", sums, "--input", "a="+zeros, "--input", "b="+zeros)
	if at(t, v, "predictions", 0, "outputs", "mean", "values", 0) != 0.5 || at(t, v, "predictions", 0, "outputs", "total", "shape", 1) != 64.0 ||
		at(t, v, "predictions", 0, "outputs", "total", "dtype") != "fp32" {
		t.Errorf("prediction %v", at(t, v, "predictions", 0))
	}
	// Files of arrays and of pictures.
	v = object(t, nil, "predict", sums, "--inputs", data+"sums.npz", "--output-dir", dir)
	file := filepath.Join(dir, "sums-4_total.npy")
	if at(t, v, "predictions", 4, "outputs", "total", "file") != file || at(t, v, "predictions", 4, "outputs", "total", "values") != nil {
		t.Errorf("prediction %v", at(t, v, "predictions", 4))
	}
	ok(t, "predict", style, "--images", photos, "--output-dir", dir)
	names := []string{"sums-0_mean.npy", "sums-4_total.npy", "blue_painting.png", "yellow_painting.png"}
	for _, name := range names {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if all, _ := filepath.Glob(filepath.Join(dir, "*")); len(all) != 10+6 {
		t.Errorf("the folder has %d files: %v", len(all), all)
	}
	v = object(t, nil, "predict", stateful, "--function", "one", "--input", strings.TrimSuffix(strings.Repeat("1,", 16), ","))
	if len(at(t, v, "predictions", 0, "outputs", "y", "values").([]any)) != 4 {
		t.Errorf("prediction %v", v)
	}
}

func TestBench(t *testing.T) {
	keys := []string{"min_ms", "median_ms", "p90_ms", "runs", "threads", "gflops", "load_ms", "peak_rss_bytes"}
	for _, args := range [][]string{
		{classifier, "--runs", "3", "--threads", "1"},
		{classifier, "--runs", "3", "--threads", "2", "--batch", "4", "--shape", "image=24x24"},
		{sums, "--runs", "3", "--shape", "a=1x64"},
		{stateful, "--runs", "3"},
	} {
		v := object(t, keys, append([]string{"bench"}, args...)...)
		least, median, p90 := at(t, v, "min_ms").(float64), at(t, v, "median_ms").(float64), at(t, v, "p90_ms").(float64)
		if !(0 < least && least <= median && median <= p90) || at(t, v, "runs") != 3.0 || at(t, v, "gflops").(float64) <= 0 {
			t.Errorf("%v: %v", args, v)
		}
	}
	v := object(t, keys, "bench", sums, "--runs", "1")
	if got, want := at(t, v, "gflop_count").(float64), 2*64*64/1e9; got != want {
		t.Errorf("%v GFLOP, want %v", got, want)
	}
	if text := ok(t, "bench", classifier, "--runs", "2", "--batch", "2"); !strings.Contains(text, "GFLOP/s") || !strings.Contains(text, "batch of 2") {
		t.Errorf("bench says\n%s", text)
	}
}

func TestDemo(t *testing.T) {
	out := filepath.Join(t.TempDir(), "demo.mlmodel")
	v := object(t, []string{"size_before", "variants", "output", "seconds"}, "demo", "-o", out)
	c := at(t, v, "variants", 0)
	if at(t, c, "comparison", "samples") != 20.0 || at(t, c, "comparison", "metrics", "top1_agreement").(float64) < 0.9 {
		t.Errorf("8 bits: %v", c)
	}
	info := object(t, nil, "info", out)
	if at(t, info, "size_bytes") != at(t, c, "size_after") || at(t, info, "type") != "neuralNetworkClassifier" {
		t.Errorf("%s: %v", out, info)
	}
}

func TestVersion(t *testing.T) {
	v := object(t, []string{"version", "go", "os", "arch"}, "version")
	if text := ok(t, "version"); !strings.Contains(text, fmt.Sprint(at(t, v, "version"))) {
		t.Errorf("version says %q", text)
	}
}

// Every verb explains itself, with an example.
func TestHelp(t *testing.T) {
	a := &app{stdout: io.Discard, stderr: io.Discard}
	for _, cmd := range a.root().Commands() {
		text := ok(t, cmd.Name(), "--help")
		if !strings.Contains(text, "Examples:") || !strings.Contains(text, "smelt "+cmd.Name()) || !strings.Contains(text, "--json") {
			t.Errorf("smelt %s --help says\n%s", cmd.Name(), text)
		}
	}
	if text := ok(t, "completion", "bash"); !strings.Contains(text, "__start_smelt") {
		t.Error("there is no completion for bash")
	}
	if text := ok(t, "--help"); !strings.Contains(text, "quantize") {
		t.Errorf("smelt --help says\n%s", text)
	}
}

// An interrupted run writes nothing.
func TestInterrupt(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	out := filepath.Join(t.TempDir(), "out.mlmodel")
	for _, args := range [][]string{
		{"quantize", classifier, "-o", out, "--bits", "4"},
		{"compare", classifier, classifier, "--images", photos, "--sheet", out},
		{"predict", classifier, "--images", photos},
		{"bench", classifier},
		{"demo", "-o", out},
	} {
		var stdout, stderr bytes.Buffer
		code := run(ctx, args, &stdout, &stderr)
		if want := "smelt " + args[0] + ": interrupted\n"; code != exitFailed || stderr.String() != want || stdout.Len() > 0 {
			t.Errorf("%v: exit code %d, %q, %q", args, code, stderr.String(), stdout.String())
		}
		if _, err := os.Stat(out); err == nil {
			t.Fatalf("%v wrote a file", args)
		}
	}
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o666); err != nil {
		t.Fatal(err)
	}
}

func npy(t *testing.T, v *tensor.Tensor) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := tensor.WriteNPY(&b, v); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestRecord(t *testing.T) {
	dir := t.TempDir()
	ones, wrong := strings.TrimSuffix(strings.Repeat("1,", 64), ","), strings.TrimSuffix(strings.Repeat("9,", 64), ",")
	v := object(t, nil, "test", dir, "--record", sums, "--input", "a="+ones, "--input", "b="+ones)
	if at(t, v, "case") != filepath.Join(dir, "sums") || at(t, v, "computed", 1) != "total" || len(at(t, v, "given").([]any)) != 0 {
		t.Errorf("have %v", v)
	}
	ok(t, "test", dir, "--record", classifier, "--input", photos+"/yellow.png")
	ok(t, "test", dir, "--record", style, "--input", photos+"/yellow.png", "--rtol", "0")
	if v := object(t, nil, "test", dir); at(t, v, "passed") != 3.0 || at(t, v, "failed") != 0.0 {
		t.Errorf("have %v", v)
	}
	// What is given is what is expected, right or wrong.
	ok(t, "test", dir, "--record", sums, "--id", "wrong", "--input", "a="+ones, "--input", "b="+ones, "--output", "total="+wrong)
	r := call(t, "test", dir)
	if r.code != exitFailed || !strings.Contains(r.stderr, "1 of 4 cases failed") {
		t.Errorf("exit code %d: %s", r.code, r.stderr)
	}
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"--record", sums, "--input", "a=" + ones, "--input", "b=" + ones}, exitFailed, "is there already"},
		{[]string{"--record", sums, "--input", "a=" + ones}, exitFailed, "\"b\""},
		{[]string{"--record", sums, "--output", "sum=1"}, exitFailed, "no such output"},
		{[]string{"--input", "a=1"}, exitUsage, "--record"},
	} {
		if r := call(t, append([]string{"test", dir}, c.args...)...); r.code != c.code || !strings.Contains(r.stderr, c.want) {
			t.Errorf("%v: exit code %d, %s, want %d, %s", c.args, r.code, r.stderr, c.code, c.want)
		}
	}
}

func TestProfile(t *testing.T) {
	dir := t.TempDir()
	trace, cpu := filepath.Join(dir, "trace.json"), filepath.Join(dir, "cpu.prof")
	v := object(t, nil, "bench", sums, "--runs", "3", "--profile", "--trace", trace, "--cpuprofile", cpu)
	if peak := at(t, v, "profile", "peak_gflops").(float64); peak <= 0 {
		t.Errorf("peak %v", peak)
	}
	steps := len(at(t, v, "profile", "layers").([]any))
	share := 0.0
	for i := range at(t, v, "profile", "ops").([]any) {
		share += at(t, v, "profile", "ops", i, "percent").(float64)
	}
	if steps == 0 || share < 99.9 || share > 100.1 {
		t.Errorf("%d steps take %v %%", steps, share)
	}
	b, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	var events any
	if err := json.Unmarshal(b, &events); err != nil {
		t.Fatal(err)
	}
	if n := len(at(t, events, "traceEvents").([]any)); n != 3*steps {
		t.Errorf("%d events of %d steps in 3 runs", n, steps)
	}
	if info, err := os.Stat(cpu); err != nil || info.Size() == 0 {
		t.Errorf("profile: %v, %v", info, err)
	}
	if text := ok(t, "bench", sums, "--runs", "1", "--profile"); !strings.Contains(text, "linear") || !strings.Contains(text, "% of peak") {
		t.Errorf("bench says\n%s", text)
	}
}
