package metric

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/smelt-ml/smelt/tensor"
)

// golden reads arrays of testdata/golden.npz.
type golden struct {
	t testing.TB
	z *tensor.NPZ
}

func openGolden(t testing.TB) golden {
	t.Helper()
	z, err := tensor.OpenNPZ("testdata/golden.npz")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { z.Close() })
	return golden{t, z}
}

func (g golden) tensor(name string) *tensor.Tensor {
	g.t.Helper()
	a, err := g.z.Read(name)
	if err != nil {
		g.t.Fatal(err)
	}
	return a
}

func (g golden) number(name string) float64 {
	g.t.Helper()
	return g.tensor(name).Float64s()[0]
}

func of(t *tensor.Tensor) Sample { return Sample{Outputs: map[string]*tensor.Tensor{"out": t}} }

func vec(v ...float32) Sample { return of(tensor.Floats([]int{len(v)}, v)) }

// score returns one sample's figure.
func score(t interface {
	Helper()
	Fatalf(format string, args ...any)
}, m Metric, want, got Sample,
) float64 {
	t.Helper()
	s, err := m.Score(want, got)
	if err != nil {
		t.Fatalf("%s: %v", m.Name(), err)
	}
	return s.Value
}

func near(t *testing.T, what string, have, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(have-want) <= tolerance*max(1, math.Abs(want))) {
		t.Errorf("%s: have %.17g, want %.17g", what, have, want)
	}
}

func TestPicturesGolden(t *testing.T) {
	g := openGolden(t)
	for _, name := range []string{"rgb", "gray", "smallest"} {
		want, got := of(g.tensor(name+".want")), of(g.tensor(name+".got"))
		near(t, name+" SSIM", score(t, SSIM{}, want, got), g.number(name+".ssim"), 1e-10)
		near(t, name+" PSNR", score(t, PSNR{Peak: 255}, want, got), g.number(name+".psnr"), 1e-12)
	}
}

func TestVectorsGolden(t *testing.T) {
	g := openGolden(t)
	table, err := NewTable(PSNR{Peak: 7}, SNR{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		name := fmt.Sprintf("vector%d.", i)
		want, got := of(g.tensor(name+"want")), of(g.tensor(name+"got"))
		for _, c := range []struct {
			m    Metric
			name string
		}{
			{PSNR{}, "psnr"},
			{PSNR{Peak: 7}, "psnr7"},
			{SNR{}, "snr"},
			{MaxAbsError{}, "max"},
			{MeanAbsError{}, "mean"},
			{Cosine{}, "cosine"},
		} {
			near(t, name+c.name, score(t, c.m, want, got), g.number(name+c.name), 1e-12)
		}
		if err := table.Add(i, want, got); err != nil {
			t.Fatal(err)
		}
	}
	results := table.Results()
	near(t, "PSNR of all", float64(results[0].Value), g.number("vectors.psnr7"), 1e-12)
	near(t, "SNR of all", float64(results[1].Value), g.number("vectors.snr"), 1e-12)
}

func TestKLGolden(t *testing.T) {
	g := openGolden(t)
	dictionary := func(name string) Sample {
		s := Sample{Probabilities: map[string]float64{}}
		for i, v := range g.tensor(name).Float64s() {
			s.Probabilities[fmt.Sprintf("class %d", i)] = v
		}
		return s
	}
	for _, c := range [][2]string{{"kl.got", "kl.value"}, {"kl.zero", "kl.zero_value"}} {
		near(t, c[0], score(t, KL{}, dictionary("kl.want"), dictionary(c[0])), g.number(c[1]), 1e-12)
		near(t, c[0]+" as tensor", score(t, KL{}, of(g.tensor("kl.want")), of(g.tensor(c[0]))), g.number(c[1]), 1e-12)
	}
	// What one model's dictionary lacks has probability 0.
	short := dictionary("kl.zero")
	delete(short.Probabilities, "class 3")
	near(t, "short", score(t, KL{}, dictionary("kl.want"), short), g.number("kl.zero_value"), 1e-12)
}

func TestWilsonGolden(t *testing.T) {
	rows := openGolden(t).tensor("wilson").Float64s()
	if len(rows) < 4*5 {
		t.Fatalf("%d values", len(rows))
	}
	for ; len(rows) > 0; rows = rows[4:] {
		scores := make([]Score, int(rows[1]))
		for i := range int(rows[0]) {
			scores[i].Value = 1
		}
		r := TopK{K: 1}.Reduce(scores)
		what := fmt.Sprintf("%v of %v", rows[0], rows[1])
		near(t, what, float64(r.Value), rows[0]/rows[1], 0)
		near(t, what+", low", r.Interval.Low, rows[2], 1e-12)
		near(t, what+", high", r.Interval.High, rows[3], 1e-12)
	}
	if low, high := wilson(math.NaN(), 0); low != 0 || high != 1 {
		t.Errorf("without samples: %v to %v", low, high)
	}
}

func TestTopK(t *testing.T) {
	p := func(label string, v ...float64) Sample {
		s := Sample{Label: label, Probabilities: map[string]float64{}}
		for i, v := range v {
			s.Probabilities[string(rune('a'+i))] = v
		}
		return s
	}
	nan := math.NaN()
	for _, c := range []struct {
		name      string
		want, got Sample
		k         int
		agree     float64
	}{
		{"same first", p("", .1, .7, .2), p("", .3, .4, .3), 1, 1},
		{"other first", p("", .1, .7, .2), p("", .5, .4, .1), 1, 0},
		{"second of two", p("", .1, .7, .2), p("", .5, .4, .1), 2, 1},
		{"third of two", p("", .1, .7, .2), p("", .5, .2, .3), 2, 0},
		{"more than there are", p("", .1, .7, .2), p("", .5, .2, .3), 9, 1},
		{"tie in the other", p("", .1, .7, .2), p("", .5, .5, 0), 1, 1},
		{"tie in both", p("", .5, .5, 0), p("", .5, .5, 0), 1, 1},
		{"tie in the reference, the label decides", p("b", .5, .5, 0), p("", .4, .6, 0), 1, 1},
		{"tie in the reference, the lower label", p("", .5, .5, 0), p("", .4, .6, 0), 1, 0},
		{"labels", p("a"), p("a"), 1, 1},
		{"other labels", p("a"), p("b"), 1, 0},
		{"label beyond the classes", p("z", .1, .9), p("", .1, .9), 1, 1},
		{"first class lacking", p("", .1, .1, .8), p("", .6, .4), 2, 0},
		{"NaN in the other", p("", .1, .9), p("", .1, nan), 2, 0},
		{"NaN before the reference's first", p("", nan, .9), p("", .1, .9), 1, 1},
		{"tensor", vec(1, 5, 3), vec(0, 4, 9), 1, 0},
		{"tensor, first two", vec(1, 5, 3), vec(0, 4, 9), 2, 1},
	} {
		if have := score(t, TopK{K: c.k}, c.want, c.got); have != c.agree {
			t.Errorf("%s: %v, want %v", c.name, have, c.agree)
		}
	}
	logits := p("a", 1)
	logits.Outputs = vec(1, 5, 3).Outputs
	if have := score(t, TopK{K: 1, Output: "out"}, logits, vec(0, 9, 4)); have != 1 {
		t.Error("a named output was not used")
	}
}

func TestEdges(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	up, down, none := math.Inf(1), math.Inf(-1), math.NaN()
	for _, c := range []struct {
		name                              string
		want, got                         Sample
		psnr, snr, largest, mean, cosines float64
	}{
		{"equal", vec(1, -2), vec(1, -2), up, up, 0, 0, 1},
		{"zeros", vec(0, 0), vec(0, 0), up, up, 0, 0, 1},
		{"no elements", vec(), vec(), up, up, 0, 0, 1},
		{"nothing against something", vec(0, 0), vec(3, 1), down, down, 3, 2, 0},
		{"something against nothing", vec(2, -2), vec(0, 0), 0, 0, 2, 2, 0},
		{"opposite", vec(1, -1), vec(-1, 1), -20 * math.Log10(2), -20 * math.Log10(2), 2, 2, -1},
		{"same infinities and NaN", vec(inf, -inf, nan, 4), vec(inf, -inf, nan, 4), up, up, 0, 0, 1},
		{"beside an infinity", vec(inf, 2), vec(inf, 1), 10 * math.Log10(8), 10 * math.Log10(4), 1, .5, 1},
		{"other infinity", vec(inf, 1), vec(-inf, 1), down, down, up, up, none},
		{"overflow", vec(5, 1), vec(inf, 1), down, down, up, up, none},
		{"NaN made", vec(5, 1), vec(nan, 1), down, down, up, up, none},
		{"NaN lost", vec(nan, 1), vec(5, 1), down, down, up, up, none},
		{"integers", of(tensor.Ints([]int{2}, []int32{4, 3})), of(tensor.Ints([]int{2}, []int32{3, 4})), 10 * math.Log10(16), 10 * math.Log10(12.5), 1, 1, .96},
		{"dimensions of 1", of(tensor.Floats([]int{1, 2, 1}, []float32{3, 4})), vec(3, 4), up, up, 0, 0, 1},
	} {
		for _, m := range []struct {
			Metric
			want float64
		}{{PSNR{}, c.psnr}, {SNR{}, c.snr}, {MaxAbsError{}, c.largest}, {MeanAbsError{}, c.mean}, {Cosine{}, c.cosines}} {
			have := score(t, m.Metric, c.want, c.got)
			if math.IsNaN(m.want) != math.IsNaN(have) || math.IsInf(m.want, 0) && have != m.want ||
				!math.IsInf(m.want, 0) && math.Abs(have-m.want) > 1e-12 {
				t.Errorf("%s: %s is %v, want %v", c.name, m.Name(), have, m.want)
			}
		}
	}
	same := make([]float32, 11*12*3)
	if have := score(t, SSIM{}, of(tensor.Floats([]int{11, 12, 3}, same)), of(tensor.Floats([]int{11, 12, 3}, same))); have != 1 {
		t.Errorf("SSIM of black: %v", have)
	}
	if have := score(t, SSIM{}, of(tensor.Floats([]int{1, 11, 12, 3}, same)), of(tensor.Floats([]int{11, 12, 3}, same))); have != 1 {
		t.Errorf("SSIM of a batch of one: %v", have)
	}
}

// TestReduce: one equal pair must not make the whole infinite.
func TestReduce(t *testing.T) {
	table, err := NewTable(PSNR{Peak: 10}, SNR{}, MaxAbsError{}, MeanAbsError{}, Cosine{}, KL{}, TopK{K: 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range table.Results() {
		if !math.IsNaN(float64(r.Value)) || r.Samples != 0 {
			t.Errorf("%s without samples: %v of %d", r.Name, r.Value, r.Samples)
		}
	}
	for i, v := range [][2]Sample{{vec(3, 4), vec(3, 4)}, {vec(3, 4), vec(4, 3)}} {
		if err := table.Add(i, v[0], v[1]); err != nil {
			t.Fatal(err)
		}
	}
	p, q := 3./7, 4./7
	want := []float64{10 * math.Log10(100/.5), 10 * math.Log10(12.5/.5), 1, .5, (1 + .96) / 2, (p - q) * math.Log(p/q) / 2, .5}
	higher := []bool{true, true, false, false, true, false, true}
	for i, r := range table.Results() {
		near(t, r.Name, float64(r.Value), want[i], 1e-12)
		if r.Samples != 2 || r.HigherIsBetter != higher[i] || (r.Interval != nil) != (i == 6) {
			t.Errorf("%+v", r)
		}
	}
}

func TestOutputs(t *testing.T) {
	two := Sample{Outputs: map[string]*tensor.Tensor{
		"a":    tensor.Floats([]int{2}, []float32{1, 1}),
		"b":    tensor.Floats([]int{1}, []float32{7}),
		"text": tensor.New(tensor.String, []int{1}, []string{"x"}),
	}}
	other := Sample{Outputs: map[string]*tensor.Tensor{
		"a": tensor.Floats([]int{2}, []float32{2, 0}),
		"b": tensor.Floats([]int{1}, []float32{3}),
	}}
	for output, want := range map[string]float64{"": 2, "a": 1, "b": 4} {
		if have := score(t, MeanAbsError{output}, two, other); have != want {
			t.Errorf("output %q: %v, want %v", output, have, want)
		}
	}
	// Models of one output each may name it differently.
	renamed := Sample{Outputs: map[string]*tensor.Tensor{"y": tensor.Floats([]int{2}, []float32{2, 0})}}
	for _, output := range []string{"", "out"} {
		if have := score(t, MaxAbsError{output}, vec(1, 1), renamed); have != 1 {
			t.Errorf("renamed output as %q: %v", output, have)
		}
	}
}

func TestErrors(t *testing.T) {
	p := func(label string, v map[string]float64) Sample { return Sample{Label: label, Probabilities: v} }
	ab := p("", map[string]float64{"a": .5, "b": .5})
	two := Sample{Outputs: map[string]*tensor.Tensor{"a": tensor.Floats(nil, []float32{1}), "b": tensor.Floats(nil, []float32{1})}}
	square := of(tensor.Floats([]int{2, 2}, make([]float32, 4)))
	for _, c := range []struct {
		m         Metric
		want, got Sample
		text      string
	}{
		{PSNR{}, Sample{}, vec(1), "the reference has no numeric output"},
		{PSNR{}, vec(1), Sample{}, `output "out": the other model has none such`},
		{SNR{"x"}, vec(1), vec(1), `output "x": the reference has none such, only ["out"]`},
		{SNR{}, two, vec(1), `output "a": the other model has none such, only ["out"]`},
		{Cosine{}, vec(1, 2), vec(1, 2, 3), `output "out": want shape 2, have 3`},
		{MaxAbsError{}, square, vec(1, 2, 3, 4), "want shape 2×2, have 4"},
		{MeanAbsError{}, Sample{}, Sample{}, "no numeric output"},
		{SSIM{}, two, two, `2 outputs: name one of ["a" "b"]`},
		{SSIM{}, vec(1, 2), vec(1, 2), "is not a picture"},
		{SSIM{}, of(tensor.Floats([]int{3, 11, 11}, make([]float32, 363))), of(tensor.Floats([]int{3, 11, 11}, make([]float32, 363))), "is not a picture"},
		{SSIM{}, of(tensor.Floats([]int{10, 11}, make([]float32, 110))), of(tensor.Floats([]int{10, 11}, make([]float32, 110))), "11×11 or more"},
		{TopK{}, ab, ab, "first 0 classes"},
		{TopK{K: 5}, p("a", nil), p("a", nil), "label without probabilities"},
		{TopK{K: 1}, ab, vec(1), "the other model has no class probabilities"},
		{TopK{K: 1}, vec(1), ab, "the reference has no class probabilities"},
		{TopK{K: 1}, square, square, "is not one value a class"},
		{TopK{K: 1}, vec(), vec(), "is not one value a class"},
		{TopK{K: 1}, ab, p("", map[string]float64{"y": 1, "x": 2}), `share no class: one has "a", the other "x"`},
		{KL{}, ab, p("", map[string]float64{"a": -.5, "b": 1.5}), `the other model: class "a" has -0.5`},
		{KL{}, p("", map[string]float64{"a": math.NaN()}), ab, `the reference: class "a" has NaN`},
		{KL{}, vec(0, 0), vec(0, 1), "the reference: probabilities add up to 0"},
		{KL{}, vec(0, 1), vec(float32(math.Inf(1)), 1), "the other model: class 0 has +Inf"},
	} {
		_, err := c.m.Score(c.want, c.got)
		if err == nil || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: have %v, want %q", c.m.Name(), err, c.text)
		}
	}
}

func TestDefault(t *testing.T) {
	many := map[string]float64{}
	for i := range 6 {
		many[string(rune('a'+i))] = 1. / 6
	}
	two := Sample{Outputs: map[string]*tensor.Tensor{"x": tensor.Floats(nil, []float32{1}), "y": tensor.Floats(nil, []float32{1})}}
	const five = "psnr_db snr_db max_abs_error mean_abs_error cosine_similarity"
	each := func(output string) string {
		return " " + strings.ReplaceAll(five, " ", "["+output+"] ") + "[" + output + "]"
	}
	for _, c := range []struct {
		sample Sample
		images []string
		want   string
	}{
		{Sample{}, nil, ""},
		{Sample{Label: "a"}, nil, "top1_agreement"},
		{Sample{Probabilities: map[string]float64{"a": 1, "b": 0}}, nil, "top1_agreement kl_divergence"},
		{Sample{Probabilities: many}, nil, "top1_agreement top5_agreement kl_divergence"},
		{Sample{Probabilities: map[string]float64{"a": -3, "b": 4}}, nil, "top1_agreement"},
		{Sample{Probabilities: map[string]float64{"a": 3, "b": 4}}, nil, "top1_agreement"},
		{vec(1), nil, five},
		{vec(1), []string{"out"}, five + " ssim"},
		{two, []string{"y"}, five + each("x") + each("y") + " ssim[y]"},
	} {
		var names []string
		for _, m := range Default(c.sample, c.images...) {
			names = append(names, m.Name())
			if p, ok := m.(PSNR); ok && (p.Peak == 255) != (len(c.images) == 1 && (p.Output == "y" || len(c.sample.Outputs) == 1)) {
				t.Errorf("%s has the peak %v", p.Name(), p.Peak)
			}
		}
		if have := strings.Join(names, " "); have != c.want {
			t.Errorf("have %s\nwant %s", have, c.want)
		}
	}
}

func TestJSON(t *testing.T) {
	for _, c := range []struct {
		value any
		want  string
	}{
		{Result{Name: "psnr_db", Value: 41.5, Samples: 3, HigherIsBetter: true}, `{"name":"psnr_db","value":41.5,"samples":3,"higher_is_better":true}`},
		{Result{Name: "psnr_db", Value: Number(math.Inf(1)), Samples: 3, HigherIsBetter: true}, `{"name":"psnr_db","value":null,"samples":3,"higher_is_better":true,"infinite":"+"}`},
		{Result{Name: "psnr_db", Value: Number(math.Inf(-1))}, `{"name":"psnr_db","value":null,"samples":0,"higher_is_better":false,"infinite":"-"}`},
		{[]Result{{Name: "x", Value: Number(math.NaN()), Interval: &Interval{0, 1}}}, `[{"name":"x","value":null,"interval":{"low":0,"high":1},"samples":0,"higher_is_better":false}]`},
		{Row{1, "cat", []Number{.5, Number(math.Inf(1))}}, `{"index":1,"name":"cat","values":[0.5,null]}`},
		{Ranked{1, "cat", 2}, `{"index":1,"name":"cat","value":2}`},
	} {
		have, err := json.Marshal(c.value)
		if err != nil || string(have) != c.want {
			t.Errorf("have %s (%v)\nwant %s", have, err, c.want)
		}
	}
}

// TestTable adds samples at once, in any order, and by a user's own metric.
func TestTable(t *testing.T) {
	sign := Func("sign_agreement", true, func(want, got Sample) (float64, error) {
		w, g := want.Outputs["out"].F32(), got.Outputs["out"].F32()
		if len(w) != len(g) {
			return 0, errors.New("other length")
		}
		same := 0.0
		for i, v := range w {
			if math.Signbit(float64(v)) == math.Signbit(float64(g[i])) {
				same++
			}
		}
		return same / float64(len(w)), nil
	})
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 20).Draw(t, "samples")
		draw := rapid.SliceOfN(rapid.Float32Range(-1e6, 1e6), 4, 4)
		want, got := make([]Sample, n), make([]Sample, n)
		for i := range n {
			want[i], got[i] = vec(draw.Draw(t, "want")...), vec(draw.Draw(t, "got")...)
			want[i].Name = fmt.Sprint("sample ", i)
		}
		metrics := append(Default(vec(1)), sign)
		serial, err := NewTable(metrics...)
		if err != nil {
			t.Fatal(err)
		}
		for i := range n {
			if err := serial.Add(i, want[i], got[i]); err != nil {
				t.Fatal(err)
			}
		}
		parallel, err := NewTable(metrics...)
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				if err := parallel.Add(n-1-i, want[n-1-i], got[n-1-i]); err != nil {
					panic(err)
				}
			})
		}
		wg.Wait()
		if a, b := fmt.Sprint(serial.Results(), serial.Rows()), fmt.Sprint(parallel.Results(), parallel.Rows()); a != b {
			t.Fatalf("one after the other %s\nat once %s", a, b)
		}
		worst, err := parallel.Worst("snr_db", n)
		if err != nil || len(worst) != n {
			t.Fatalf("%d of %d (%v)", len(worst), n, err)
		}
		for i := 1; i < n; i++ {
			if worst[i].Value < worst[i-1].Value {
				t.Fatalf("out of order: %v", worst)
			}
		}
	})
}

func TestWorst(t *testing.T) {
	table, err := NewTable(MaxAbsError{}, Cosine{}, SNR{})
	if err != nil {
		t.Fatal(err)
	}
	nan := float32(math.NaN())
	for i, v := range [][]float32{{3, 4}, {4, 3}, {3, nan}, {0, 4}, {4, 3}} {
		s := vec(3, 4)
		s.Name = string(rune('a' + i))
		if err := table.Add(10*i, s, vec(v...)); err != nil {
			t.Fatal(err)
		}
	}
	for metric, want := range map[string]string{"max_abs_error": "cdbea", "cosine_similarity": "cdbea", "snr_db": "cdbea"} {
		for n, cut := range map[int]int{-1: 0, 0: 0, 3: 3, 99: 5} {
			worst, err := table.Worst(metric, n)
			var names strings.Builder
			for _, r := range worst {
				names.WriteString(r.Name)
			}
			if err != nil || names.String() != want[:cut] {
				t.Errorf("%s: %s (%v), want %s", metric, names.String(), err, want[:cut])
			}
		}
	}
	want := Row{10, "b", []Number{1, .96, Number(10 * math.Log10(12.5))}}
	approximately := cmp.Comparer(func(a, b Number) bool { return math.Abs(float64(a-b)) < 1e-12 })
	if diff := cmp.Diff(want, table.Rows()[1], approximately); diff != "" {
		t.Error(diff)
	}
	if _, err := table.Worst("beauty", 3); err == nil || !strings.Contains(err.Error(), "beauty") {
		t.Errorf("unknown metric: %v", err)
	}
	named := vec(1)
	named.Name = "photo.jpg"
	for text, err := range map[string]error{
		`sample "photo.jpg": max_abs_error: output "out": want shape`: table.Add(7, named, vec(1, 2)),
		`sample "photo.jpg": there is a sample 20 already`:            table.Add(20, named, vec(2)),
	} {
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("have %v, want %q", err, text)
		}
	}
	if n := len(table.Rows()); n != 5 {
		t.Errorf("failed samples were kept: %d", n)
	}
	if _, err := NewTable(SNR{}, Cosine{}, SNR{}); err == nil || !strings.Contains(err.Error(), "snr_db") {
		t.Errorf("two metrics of one name: %v", err)
	}
}

// TestProperties of figures for any probabilities and pictures.
func TestProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 8).Draw(t, "classes")
		draw := func(name string) Sample {
			p := map[string]float64{}
			for i, v := range rapid.SliceOfN(rapid.Float64Range(0, 1), n, n).Draw(t, name) {
				p[fmt.Sprint(i)] = v
			}
			p["sure"] = 1
			return Sample{Probabilities: p}
		}
		want, got := draw("want"), draw("got")
		if v := score(t, KL{}, want, got); !(v >= 0) || math.IsInf(v, 1) {
			t.Fatalf("divergence %v", v)
		}
		twin := Sample{Probabilities: maps.Clone(want.Probabilities)}
		if v := score(t, KL{}, want, twin); v != 0 {
			t.Fatalf("divergence of equals %v", v)
		}
		before := 0.0
		for k := 1; k <= n+1; k++ {
			if score(t, TopK{K: k}, want, twin) != 1 {
				t.Fatal("equals do not agree")
			}
			v := score(t, TopK{K: k}, want, got)
			if v < before {
				t.Fatalf("agreement among %d but not %d", k-1, k)
			}
			before = v
		}
		if before != 1 {
			t.Fatal("no agreement among all")
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		h, w, c := rapid.IntRange(11, 20).Draw(t, "height"), rapid.IntRange(11, 20).Draw(t, "width"), rapid.IntRange(1, 4).Draw(t, "channels")
		seed := rapid.Uint32().Draw(t, "seed")
		draw := func() Sample {
			v := make([]float32, h*w*c)
			for i := range v {
				seed = seed*1664525 + 1013904223
				v[i] = float32(seed >> 24)
			}
			return of(tensor.Floats([]int{h, w, c}, v))
		}
		a, b := draw(), draw()
		s := score(t, SSIM{}, a, b)
		if !(s >= -1 && s < 1) || score(t, SSIM{}, b, a) != s || score(t, SSIM{}, a, a) != 1 {
			t.Fatalf("similarity %v", s)
		}
	})
}

func BenchmarkSSIM(b *testing.B) {
	v := make([]float32, 512*512*3)
	for i := range v {
		v[i] = float32(i * 7919 % 256)
	}
	a, c := of(tensor.Floats([]int{512, 512, 3}, v)), of(tensor.Floats([]int{512, 512, 3}, slices.Clone(v)))
	for b.Loop() {
		score(b, SSIM{}, a, c)
	}
}

func BenchmarkSNR(b *testing.B) {
	v := make([]float32, 512*512*3)
	a := of(tensor.Floats([]int{512, 512, 3}, v))
	for b.Loop() {
		score(b, SNR{}, a, a)
	}
}

// A table aligns the classes of a pair once for all its metrics, and by those of
// the pair before; the scores must be those of each metric alone.
func TestTableClasses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table, err := NewTable(TopK{K: 1}, TopK{K: 2}, KL{})
		if err != nil {
			t.Fatal(err)
		}
		classes := rapid.MapOfN(rapid.SampledFrom([]string{"a", "b", "c", "d"}), rapid.Float64Range(0.1, 1), 0, 4)
		for i := range 8 {
			want, got := Sample{Probabilities: classes.Draw(t, "want")}, Sample{Probabilities: classes.Draw(t, "got")}
			var scores []Number
			var failed error
			for _, m := range table.metrics {
				s, err := m.Score(want, got)
				if failed == nil {
					failed = err
				}
				scores = append(scores, Number(s.Value))
			}
			err := table.Add(i, want, got)
			if (err == nil) != (failed == nil) {
				t.Fatalf("table: %v, metrics: %v", err, failed)
			}
			if rows := table.Rows(); err == nil && !slices.Equal(rows[len(rows)-1].Values, scores) {
				t.Fatalf("table: %v, metrics: %v", rows[len(rows)-1].Values, scores)
			}
		}
	})
}
