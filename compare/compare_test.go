package compare

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/smelt-ml/smelt/compare/metric"
	"github.com/smelt-ml/smelt/internal/media"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/tensor"
)

// model answers by a function.
type model struct {
	face    mlmodel.Interface
	predict func(in Features) (Features, error)
}

func (m model) Describe() mlmodel.Interface { return m.face }

func (m model) Predict(_ context.Context, in Features) (Features, error) { return m.predict(in) }

// numbers is a source of one-element arrays 0 … n-1; some cannot be opened.
func numbers(n int, bad ...int) Source {
	return Source{Len: n, All: func(yield func(Input) bool) {
		for i := range n {
			if !yield(Input{Name: fmt.Sprintf("n%d", i), Open: func() (Features, error) {
				if slices.Contains(bad, i) {
					return nil, fmt.Errorf("n%d is bad", i)
				}
				return Features{"x": tensor.Floats([]int{1}, []float32{float32(i)})}, nil
			}}) {
				return
			}
		}
	}}
}

// times multiplies.
func times(f float32) model {
	return model{predict: func(in Features) (Features, error) {
		x := in["x"].(*tensor.Tensor).F32()[0]
		time.Sleep(time.Duration(int(x)*7%3) * time.Millisecond / 4) // out of order
		return Features{"y": tensor.Floats([]int{1}, []float32{f * x})}, nil
	}}
}

func TestOrderAndFailures(t *testing.T) {
	var progress, seen []int
	r, err := Run(t.Context(), times(1), times(1.5), numbers(20, 0, 3, 19), Options{
		Workers:  4,
		Metrics:  []metric.Metric{metric.MaxAbsError{}},
		Progress: func(done, total int) { progress = append(progress, done, total) },
		Seen: func(in Features, s []metric.Sample) {
			seen = append(seen, int(in["x"].(*tensor.Tensor).F32()[0]))
			if len(s) != 2 {
				t.Errorf("%d samples", len(s))
			}
		},
		Worst: 2,
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.Samples != 17 || len(r.Failures) != 3 || r.Failures[1].Name != "n3" || r.Failures[1].Index != 3 || r.Failures[1].Error != "n3 is bad" {
		t.Errorf("%d samples, failures %v", r.Samples, r.Failures)
	}
	for i, row := range r.Rows {
		if want := fmt.Sprintf("n%d", seen[i]); row.Name != want || float64(row.Values[0]) != float64(seen[i])/2 {
			t.Errorf("row %d is %v, want %s", i, row, want)
		}
	}
	if !slices.IsSorted(seen) || len(seen) != 17 {
		t.Errorf("seen in the order %v", seen)
	}
	if len(progress) != 40 || progress[38] != 20 || progress[39] != 20 || progress[0] != 1 {
		t.Errorf("progress %v", progress)
	}
	if len(r.Worst) != 2 || r.Worst[0].Name != "n18" || r.Worst[1].Name != "n17" {
		t.Errorf("worst %v", r.Worst)
	}
	if v, ok := r.Value("max_abs_error"); !ok || v != 9 {
		t.Errorf("max_abs_error %v %v", v, ok)
	}
}

func TestAll(t *testing.T) {
	var calls atomic.Int32
	a := times(1)
	once := model{predict: func(in Features) (Features, error) { calls.Add(1); return a.predict(in) }}
	reports, err := RunAll(t.Context(), once, []Predictor{times(1), times(2)}, numbers(9), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if calls.Load() != 9 {
		t.Errorf("the reference was asked %d times", calls.Load())
	}
	for i, want := range []float64{math.Inf(1), 0} {
		if v, ok := reports[i].Value("snr_db"); !ok || v != want {
			t.Errorf("model %d: SNR %v %v, want %v", i, v, ok, want)
		}
	}
	if reports[0].WorstBy != "psnr_db" || len(reports[0].Worst) != 5 {
		t.Errorf("worst by %s: %v", reports[0].WorstBy, reports[0].Worst)
	}
}

func TestFails(t *testing.T) {
	broken := model{predict: func(Features) (Features, error) { return nil, errors.New("out of order") }}
	wide := model{predict: func(Features) (Features, error) {
		return Features{"y": tensor.Zeros(tensor.Float32, []int{2})}, nil
	}}
	odd := model{predict: func(Features) (Features, error) { return Features{"y": struct{}{}}, nil }}
	text := model{predict: func(Features) (Features, error) { return Features{"y": []string{"a"}}, nil }}
	for _, c := range []struct {
		name   string
		a, b   model
		inputs Source
		o      Options
		want   string
	}{
		{"no input", times(1), times(1), numbers(0), Options{}, "no input"},
		{"all bad", times(1), times(1), numbers(2, 0, 1), Options{}, "none of 2 inputs could be used: n0 is bad"},
		{"reference", broken, times(1), numbers(1), Options{}, "n0: the reference: out of order"},
		{"other", times(1), broken, numbers(1), Options{}, "n0: the other model: out of order"},
		{"shapes", times(1), wide, numbers(1), Options{}, "want shape 1, have 2"},
		{"value", times(1), odd, numbers(1), Options{}, "struct {} cannot be compared"},
		{"nothing to compare", text, text, numbers(1), Options{}, "nothing that could be compared"},
		{"twice", times(1), times(1), numbers(1), Options{Metrics: []metric.Metric{metric.SNR{}, metric.SNR{}}}, "two metrics are named snr_db"},
	} {
		_, err := Run(t.Context(), c.a, c.b, c.inputs, c.o)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}
	if _, err := RunAll(t.Context(), times(1), nil, numbers(1), Options{}); err == nil {
		t.Error("nothing to compare with is no error")
	}
}

func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	_, err := Run(ctx, times(1), times(1), numbers(1<<30), Options{Progress: func(done, _ int) {
		if done == 10 {
			cancel(why)
		}
	}})
	if err != why {
		t.Errorf("error %v, want the context's cause", err)
	}
}

func TestReportJSON(t *testing.T) {
	r, err := Run(t.Context(), times(1), times(1), numbers(4, 2), Options{})
	if err != nil {
		t.Fatal(err)
	}
	r.Sizes = []int64{10, 5}
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Samples, Failed int
		Failures        []map[string]any
		Metrics         map[string]*float64
		Infinite        map[string]string
		Intervals       map[string]any
		Worst           []map[string]any
		Seconds         *float64
		PerSecond       *float64 `json:"images_per_second"`
		Sizes           []int64
	}
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if v, ok := got.Metrics["psnr_db"]; !ok || v != nil || got.Infinite["psnr_db"] != "+" {
		t.Errorf("an infinite PSNR is %v, %v", v, got.Infinite)
	}
	if v := got.Metrics["max_abs_error"]; v == nil || *v != 0 {
		t.Errorf("max_abs_error is %v", v)
	}
	if got.Samples != 3 || got.Failed != 1 || len(got.Failures) != 1 || got.Seconds == nil || got.PerSecond == nil ||
		len(got.Sizes) != 2 || got.Intervals == nil || len(got.Worst) != 3 || got.Worst[0]["metric"] != "psnr_db" {
		t.Errorf("report %s", b)
	}
}

// What models give, as metrics take it.
func TestSample(t *testing.T) {
	gray := media.New(3, 2, 1)
	rgb := image.NewRGBA(image.Rect(0, 0, 3, 2))
	rgb.Set(0, 0, color.RGBA{1, 2, 3, 255})
	out := Features{
		"array": tensor.Floats([]int{2}, []float32{1, 2}), "gray": gray, "rgb": rgb, "n": int64(3), "x": 1.5,
		"probs": map[int64]float64{10: 0.25, 20: 0.75}, "other": map[string]float64{"a": 1}, "label": int64(20), "words": []string{"a"},
	}
	s, images, err := sample("s", out, mlmodel.Interface{PredictedFeature: "label", PredictedProbabilities: "probs"})
	if err != nil {
		t.Fatal(err)
	}
	if s.Label != "20" || s.Probabilities["20"] != 0.75 || len(s.Probabilities) != 2 {
		t.Errorf("label %q, probabilities %v", s.Label, s.Probabilities)
	}
	if !slices.Equal(images, []string{"gray", "rgb"}) {
		t.Errorf("pictures %v", images)
	}
	shapes := map[string][]int{"array": {2}, "gray": {2, 3}, "rgb": {2, 3, 3}, "n": {}, "x": {}}
	if len(s.Outputs) != len(shapes) {
		t.Errorf("outputs %v", s.Outputs)
	}
	for name, shape := range shapes {
		if got := s.Outputs[name]; got == nil || !slices.Equal(got.Shape(), shape) {
			t.Errorf("%s is %v", name, got)
		}
	}
	if v := s.Outputs["rgb"].Float64s(); v[0] != 1 || v[1] != 2 || v[2] != 3 {
		t.Errorf("the first pixel is %v", v[:3])
	}
	s, _, err = sample("s", Features{"p": map[string]float64{"a": 1}, "l": "a"}, mlmodel.Interface{})
	if err != nil || s.Label != "a" || s.Probabilities["a"] != 1 {
		t.Errorf("without a description: %+v, %v", s, err)
	}
}

func TestBind(t *testing.T) {
	array, picture := tensor.Zeros(tensor.Float32, []int{1}), media.New(1, 1, 3)
	feature := func(name string, kind mlmodel.FeatureKind, optional bool) mlmodel.Feature {
		return mlmodel.Feature{Name: name, Kind: kind, Optional: optional}
	}
	one := mlmodel.Interface{Inputs: []mlmodel.Feature{feature("data", mlmodel.MultiArray, false), feature("size", mlmodel.Double, true)}}
	two := mlmodel.Interface{Inputs: []mlmodel.Feature{feature("photo", mlmodel.Image, false), feature("size", mlmodel.Double, false)}}
	for _, c := range []struct {
		in   Features
		face mlmodel.Interface
		want string
	}{
		{Features{"": array}, one, "data"},
		{Features{"x": array}, one, "data"},
		{Features{"size": array}, one, "size"},
		{Features{"": picture}, two, "photo"},
		{Features{"": array}, two, ""},
		{Features{"": array}, mlmodel.Interface{}, ""},
		{Features{"": array}, mlmodel.Interface{Inputs: []mlmodel.Feature{feature("o", mlmodel.MultiArray, true)}}, "o"},
	} {
		got := Bind(c.in, c.face)
		if _, ok := got[c.want]; !ok || len(got) != 1 {
			t.Errorf("%v became %v, want %q", c.in, got, c.want)
		}
	}
	both := Features{"a": array, "b": array}
	if got := Bind(both, one); len(got) != 2 || got["a"] == nil {
		t.Errorf("two features became %v", got)
	}
}

func TestTop(t *testing.T) {
	got := Top(map[string]float64{"b": 0.2, "a": 0.2, "c": 0.5, "d": math.NaN(), "e": 0.1}, 4)
	var labels []string
	for _, c := range got {
		labels = append(labels, c.Label)
	}
	if !slices.Equal(labels, []string{"c", "a", "b", "e"}) {
		t.Errorf("order %v", labels)
	}
	if got := Top(map[string]float64{"a": 1}, 5); len(got) != 1 {
		t.Errorf("five of one are %v", got)
	}
	if got := Top(nil, 5); len(got) != 0 {
		t.Errorf("five of none are %v", got)
	}
}

func TestSheet(t *testing.T) {
	picture := func(v uint8) Features {
		m := media.New(300, 20, 3)
		m.Fill([3]uint8{v, v, v})
		return Features{"": m}
	}
	same := model{predict: func(in Features) (Features, error) { return Features{"out": in[""]}, nil }}
	class := model{predict: func(in Features) (Features, error) {
		return Features{"p": map[string]float64{"cat": 0.75, "dog": 0.25}, "label": "cat"}, nil
	}}
	inputs := Source{All: func(yield func(Input) bool) {
		for i := range 5 {
			if !yield(Input{Name: fmt.Sprintf("photos/%d.png", i), Open: func() (Features, error) { return picture(uint8(i)), nil }}) {
				return
			}
		}
	}}
	for name, m := range map[string]model{"pictures": same, "classes": class} {
		s := NewSheet(3, []string{"models/a.mlmodel", "b.mlmodel"}, []int64{2_500_000, 1_250_000})
		if _, err := Run(t.Context(), m, m, inputs, Options{Seen: s.Add}); err != nil {
			t.Fatal(err)
		}
		if len(s.sheet.Cells) != 3 || s.sheet.Rows[2] != "2.png" || s.sheet.Columns[0] != "a.mlmodel" {
			t.Errorf("%s: %d rows %v, columns %v", name, len(s.sheet.Cells), s.sheet.Rows, s.sheet.Columns)
		}
		cell := s.sheet.Cells[1][1]
		want := []string{"1.25 MB, equal"}
		if name == "classes" {
			want = []string{"1.25 MB", "75.0 % cat"}
		}
		if !slices.Equal(cell.Captions, want) || cell.Image.W != sheetCell {
			t.Errorf("%s: caption %q of %d pixels", name, cell.Captions, cell.Image.W)
		}
		path := filepath.Join(t.TempDir(), "sheet.png")
		if err := s.WritePNG(path); err != nil {
			t.Fatal(err)
		}
		if m, err := media.Open(path, media.Options{}); err != nil || m.W < 2*sheetCell {
			t.Errorf("%s: the sheet is %v, %v", name, m, err)
		}
		if s.sheet.Title != "3 of 5 inputs" {
			t.Errorf("title %q", s.sheet.Title)
		}
	}
	empty := filepath.Join(t.TempDir(), "sheet.png")
	if err := NewSheet(3, []string{"a"}, []int64{1}).WritePNG(empty); err == nil {
		t.Error("a sheet without rows is no error")
	}
	if _, err := os.Stat(empty); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a failed sheet leaves a file: %v", err)
	}
}
