package onnxml_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/smelt-ml/smelt/internal/backend/mlprogram"
	"github.com/smelt-ml/smelt/internal/backend/neuralnetwork"
	"github.com/smelt-ml/smelt/internal/frontend/onnx"
	"github.com/smelt-ml/smelt/internal/onnxml"
	"github.com/smelt-ml/smelt/internal/predict"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/pass"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

var update = flag.Bool("update", false, "write the table of docs/classical.md")

// answer is one prediction that ONNX Runtime made.
type answer struct {
	Inputs, Outputs map[string]value
}

// value is an array, its texts as they are and NaN as null, or a dictionary.
type value struct {
	DType string
	Shape []int
	Data  []any
	Dict  map[string]float64
	Ints  bool
}

func (v value) feature(t *testing.T) any {
	t.Helper()
	if v.Dict != nil {
		if !v.Ints {
			return v.Dict
		}
		out := map[int64]float64{}
		for k, x := range v.Dict {
			n, err := strconv.ParseInt(k, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			out[n] = x
		}
		return out
	}
	var texts []string
	var numbers []float64
	for _, x := range v.Data {
		switch x := x.(type) {
		case string:
			texts = append(texts, x)
		case float64:
			numbers = append(numbers, x)
		case nil:
			numbers = append(numbers, math.NaN())
		}
	}
	if v.DType == "string" {
		return tensor.New(tensor.String, v.Shape, texts)
	}
	return tensor.New(tensor.Float64, v.Shape, numbers)
}

func features(t *testing.T, from map[string]value) onnxml.Features {
	t.Helper()
	out := onnxml.Features{}
	for name, v := range from {
		out[name] = v.feature(t)
	}
	return out
}

func load(t testing.TB, name string) *onnx.Graph {
	t.Helper()
	m, err := onnx.Open(filepath.Join("testdata", "models", name+".onnx"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	g, err := m.Graph()
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// goldens reads the answers.
func goldens(t *testing.T) map[string][]answer {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "models", "answers.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all map[string][]answer
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	if len(all) < 100 {
		t.Fatalf("%d models", len(all))
	}
	return all
}

// flat is the numbers and texts of an answer; those of dictionaries by key.
func flat(v any) (numbers []float64, texts []string) {
	switch v := v.(type) {
	case *tensor.Tensor:
		if v.DType() == tensor.String {
			return nil, v.Strings()
		}
		return v.Float64s(), nil
	case float64:
		return []float64{v}, nil
	case int64:
		return []float64{float64(v)}, nil
	case string:
		return nil, []string{v}
	case map[string]float64:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			numbers = append(numbers, v[k])
		}
	case map[int64]float64:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			numbers = append(numbers, v[k])
		}
	}
	return numbers, nil
}

// differ is the largest error over the largest value, infinite where labels
// differ. Where have is a dictionary and want an array, labels are in the order of
// their keys in all of these models but those with texts.
func differ(want, have any) float64 {
	a, s := flat(want)
	b, u := flat(have)
	if len(a) != len(b) || !slices.Equal(s, u) {
		return math.Inf(1)
	}
	worst, most := 0.0, 1.0
	for i := range a {
		if math.IsNaN(a[i]) && math.IsNaN(b[i]) {
			continue
		}
		most = max(most, math.Abs(a[i]))
		worst = max(worst, math.Abs(a[i]-b[i]))
		if math.IsNaN(a[i]) != math.IsNaN(b[i]) {
			return math.Inf(1)
		}
	}
	return worst / most
}

// tolerance is that of float32 sums.
const tolerance = 2e-6

// loose are models for which ONNX Runtime's own arithmetic is less exact: sums over
// kernels in float32, and a short series for PROBIT.
var loose = map[string]float64{"svc": 2e-5, "columns_svc": 2e-5, "nu_svc": 2e-5, "poly": 2e-5, "edge_linear_probit": 2e-3}

func bound(name string) float64 {
	for prefix, v := range loose {
		if strings.HasPrefix(name, prefix) {
			return v
		}
	}
	return tolerance
}

// TestRun holds the evaluation of graphs against ONNX Runtime.
func TestRun(t *testing.T) {
	for name, answers := range goldens(t) {
		if notRun[name] {
			continue
		}
		g := load(t, name)
		for i, a := range answers {
			have, err := onnxml.Run(g, features(t, a.Inputs))
			if err != nil {
				t.Errorf("%s: %v", name, err)
				break
			}
			for out, v := range a.Outputs {
				if e := differ(v.feature(t), have[out]); !(e <= bound(name)) {
					t.Errorf("%s, answer %d, %s: %v, want %v", name, i, out, have[out], v.feature(t))
				}
			}
		}
	}
}

// notRun are models of which ONNX Runtime's answers have no meaning.
var notRun = map[string]bool{"edge_one_column_probit": true}

// refused are the models that Core ML cannot express, with a part of what is said.
var refused = map[string]string{
	"edge_linear_probit": "PROBIT", "edge_linear_softmax_zero": "SOFTMAX_ZERO", "edge_one_column_probit": "PROBIT",
}

// TestConversions converts each model to Core ML, what that gives to ONNX, and
// holds the answers of both against ONNX Runtime.
func TestConversions(t *testing.T) {
	all := goldens(t)
	var table bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(all)) {
		row, err := convert(t, name, all[name])
		part, no := refused[name]
		switch {
		case err == nil && no:
			t.Errorf("%s is converted, which was not expected", name)
		case err != nil && !(no && strings.Contains(err.Error(), part)):
			t.Errorf("%s: %v", name, err)
		case err != nil:
			fmt.Fprintf(&table, "| %s | – | – | – | %s |\n", name, strings.TrimPrefix(err.Error(), "a classical Core ML model cannot express "))
		default:
			table.WriteString(row)
		}
	}
	if *update {
		write(t, table.String())
	}
}

// network makes a network for a pipeline.
func network(f *mil.Func) (*spec.Model, error) {
	pass.Simplify(f)
	m, _, err := neuralnetwork.Write(&mlprogram.Program{Funcs: []*mil.Func{f}}, neuralnetwork.Options{})
	if err != nil {
		return nil, err
	}
	return m.Spec(), nil
}

// convert tests one model and returns its row of the table.
func convert(t *testing.T, name string, answers []answer) (string, error) {
	g := load(t, name)
	d, err := onnxml.ToCoreML(g, network)
	if err != nil {
		var u *onnxml.Unsupported
		if !errors.As(err, &u) || len(u.Problems) == 0 {
			t.Errorf("%s: is no list of problems: %v", name, err)
		}
		return "", err
	}
	doc := mlmodel.New(d.Spec)
	model, err := predict.Load(doc, predict.Options{})
	if err != nil {
		return "", err
	}
	defer model.Close()
	back, err := onnxml.FromCoreML(d.Spec, mlmodel.Metadata{})
	if networks := strings.Contains(fmt.Sprint(err), "a network of "); err != nil && !networks {
		return "", fmt.Errorf("and back: %w", err)
	}
	there, again := 0.0, 0.0
	for i, a := range answers {
		in := d.Inputs(features(t, a.Inputs))
		have, err := model.Predict(context.Background(), in, nil)
		if err != nil {
			return "", err
		}
		for out, v := range a.Outputs {
			e := differ(ordered(v.feature(t), have[out], g), have[out])
			if there = max(there, e); !(e <= bound(name)) {
				return "", fmt.Errorf("answer %d, %s: %v, want %v", i, out, have[out], v.feature(t))
			}
		}
		if back == nil {
			continue
		}
		second, err := back.Answer(in)
		if err != nil {
			return "", fmt.Errorf("and back: %w", err)
		}
		for out, v := range have {
			e := differ(v, second[out])
			if again = max(again, e); !(e <= bound(name)) {
				return "", fmt.Errorf("and back: answer %d, %s: %v, want %v", i, out, second[out], v)
			}
		}
	}
	rest := "– |"
	if back != nil {
		rest = fmt.Sprintf("%.0e |", again)
	}
	return fmt.Sprintf("| %s | %s | %.0e | %s |\n", name, stages(doc.Summary().Layers), there, rest), nil
}

// ordered brings an array of scores to the order in which flat has the keys of a
// dictionary.
func ordered(want, have any, g *onnx.Graph) any {
	w, ok := want.(*tensor.Tensor)
	d, isMap := have.(map[string]float64)
	if !ok || !isMap {
		return want
	}
	for _, n := range g.Nodes {
		if l := n.Texts("classlabels_strings"); len(l) == len(d) && len(l) == w.Len() {
			out := map[string]float64{}
			for i, v := range w.Float64s() {
				out[l[i]] = v
			}
			return out
		}
	}
	return want
}

// stages lists the models of a pipeline.
func stages(layers map[string]int) string {
	var list []string
	for _, k := range slices.SortedFunc(maps.Keys(layers), func(a, b string) int { return cmp.Compare(a, b) }) {
		if strings.HasPrefix(k, "pipeline") {
			continue
		}
		if n := layers[k]; n > 1 {
			k = fmt.Sprintf("%s ×%d", k, n)
		}
		list = append(list, k)
	}
	return strings.Join(list, ", ")
}

// write replaces the table in the documentation.
func write(t *testing.T, table string) {
	t.Helper()
	path := filepath.Join("..", "..", "docs", "classical.md")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "|--|--|--|--|--|\n", "\n## "
	before, rest, ok := strings.Cut(string(b), begin)
	at := strings.Index(rest, end)
	if !ok || at < 0 {
		t.Fatal("there is no table in docs/classical.md")
	}
	if err := os.WriteFile(path, []byte(before+begin+table+rest[at:]), 0o644); err != nil {
		t.Fatal(err)
	}
}
