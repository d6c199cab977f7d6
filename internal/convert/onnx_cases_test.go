//go:build onnxcases

package convert

import (
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/smelt-ml/smelt/internal/backend/mlprogram"
	"github.com/smelt-ml/smelt/internal/frontend/onnx"
	"github.com/smelt-ml/smelt/internal/onnxpb"
	"github.com/smelt-ml/smelt/internal/predict"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/tensor"
)

var (
	update = flag.Bool("update", false, "write docs/onnx-written.md anew")
	only   = flag.String("cases", "", "regular expression of the cases to run")
)

const (
	casesDir  = "../../.cache/onnx"
	casesPage = "../../docs/onnx-written.md"
)

// onnxCase is what became of one of ONNX's own cases.
type onnxCase struct {
	group, name string
	excluded    string // why it is none for programs
	engine      string // why the engine did not answer as expected, "" where it did
	written     map[string]string
}

// written are the formats that the cases are written in.
var written = []string{MLProgram, NeuralNetwork}

// TestONNXCases writes ONNX's own test cases as ML Programs and as networks,
// reads the files and runs them. The page docs/onnx-written.md lists the
// outcome.
func TestONNXCases(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(casesDir, "*", "*"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("the cases are missing: python internal/frontend/onnx/testdata/export_tests.py .cache/onnx")
	}
	filter := regexp.MustCompile(*only)
	var all []*onnxCase
	for _, p := range paths {
		c := &onnxCase{group: filepath.Base(filepath.Dir(p)), name: filepath.Base(p), written: map[string]string{}}
		if !filter.MatchString(c.name) {
			continue
		}
		c.run(t, p)
		all = append(all, c)
		if *only != "" {
			t.Logf("%s/%s: excluded=%q engine=%q %v", c.group, c.name, c.excluded, c.engine, c.written)
		}
	}
	if *only != "" {
		return
	}
	page := casesSummary(all)
	if *update {
		if err := os.WriteFile(casesPage, []byte(page), 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(casesPage)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != page {
		t.Errorf("docs/onnx-written.md is not what the cases give: run this test with -update and look at the difference")
	}
}

func (c *onnxCase) run(t *testing.T, dir string) {
	given, want := map[string]*tensor.Tensor{}, []*tensor.Tensor{}
	m, err := onnx.Open(filepath.Join(dir, "model.onnx"))
	if err != nil {
		c.excluded = "not read"
		return
	}
	defer m.Close()
	inputs, err := m.Inputs()
	if err != nil {
		c.excluded = "types that programs do not have"
		return
	}
	for i, in := range inputs {
		if given[in.Name], err = readTensor(filepath.Join(dir, fmt.Sprintf("input_%d.pb", i))); err != nil {
			c.excluded = "types that programs do not have"
			return
		}
	}
	for i := 0; ; i++ {
		o, err := readTensor(filepath.Join(dir, fmt.Sprintf("output_%d.pb", i)))
		if errors.Is(err, os.ErrNotExist) {
			break
		}
		if err != nil {
			c.excluded = "types that programs do not have"
			return
		}
		want = append(want, o)
	}
	if strings.Contains(c.name, "bernoulli") || strings.Contains(c.name, "dropout") && strings.Contains(c.name, "train") {
		c.excluded = "random numbers"
		return
	}
	var rtol, atol float64
	tolerance, err := os.ReadFile(filepath.Join(dir, "tolerance.txt"))
	if err == nil {
		_, err = fmt.Sscan(string(tolerance), &rtol, &atol)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range c.lower(m, inputs, given) {
		if err := c.answers(t, p, given, want, rtol, atol); err != nil {
			c.engine = err.Error()
			break
		}
		for _, to := range written {
			if why, ok := c.written[to]; ok && why == "" {
				continue
			}
			if len(p.Func.Inputs) == 0 {
				if c.written[to] == "" {
					c.written[to] = computed
				}
				continue
			}
			c.written[to] = ""
			if err := c.through(t, to, p.Func.Clone(), given, want, rtol, atol); err != nil {
				c.written[to] = err.Error()
			}
		}
	}
}

// computed says that conversion computes a case as a whole.
const computed = "computed while it is converted"

// lower lowers the model as it stands, with the integers among its inputs as
// constants, with all but the first, with all: shapes and weights are inputs in
// these cases. Those that can be lowered are returned, at least one if there is
// no error.
func (c *onnxCase) lower(m *onnx.Model, inputs []onnx.Port, given map[string]*tensor.Tensor) []*onnx.Program {
	shapes := map[string][]int{}
	integers, rest := map[string]*tensor.Tensor{}, map[string]*tensor.Tensor{}
	for i, in := range inputs {
		v := given[in.Name]
		shapes[in.Name] = v.Shape()
		if i > 0 {
			rest[in.Name] = v
			if v.DType().IsInt() {
				integers[in.Name] = v
			}
		}
	}
	var all []*onnx.Program
	for i, fixed := range []map[string]*tensor.Tensor{nil, integers, rest, given} {
		if i > 0 && (len(fixed) == 0 || i == 3 && len(all) > 0) {
			continue
		}
		p, err := m.Program(onnx.Options{Shapes: shapes, Values: fixed})
		if err == nil {
			all = append(all, p)
		} else if len(all) == 0 {
			c.engine = err.Error()
		}
	}
	if len(all) > 0 {
		c.engine = ""
	}
	return all
}

// answers holds the engine to the expected outputs.
func (c *onnxCase) answers(t *testing.T, p *onnx.Program, given map[string]*tensor.Tensor, want []*tensor.Tensor, rtol, atol float64) error {
	in := predict.Features{}
	for name, v := range given {
		in[name] = v
	}
	out, err := answering(p.Func.Clone(), true)(t.Context(), in)
	if err != nil {
		return err
	}
	for i, v := range p.Func.Body.Outputs {
		got, _ := out[v.Name].(*tensor.Tensor)
		if err := nearTo(got, want[i], rtol, atol); err != nil {
			return fmt.Errorf("output %d: %w", i, err)
		}
	}
	return nil
}

// through writes a function in a format, reads the file and runs it.
func (c *onnxCase) through(t *testing.T, to string, f *mil.Func, given map[string]*tensor.Tensor, want []*tensor.Tensor, rtol, atol float64) (err error) {
	defer func() {
		if e := recover(); e != nil {
			err = fmt.Errorf("panic: %v", e)
		}
	}()
	target, err := targetOf(to, "m"+map[string]string{MLProgram: ".mlpackage", NeuralNetwork: ".mlmodel"}[to])
	if err != nil {
		return err
	}
	dir := os.Getenv("SMELT_CONVERTED") // keeps the models, for scripts that load them
	if dir == "" {
		dir = t.TempDir()
	}
	path := filepath.Join(dir, c.group+"-"+c.name+target.ext)
	var outputs []string
	for _, v := range f.Body.Outputs {
		outputs = append(outputs, v.Name)
	}
	s := &source{kind: "onnx", program: &mlprogram.Program{Funcs: []*mil.Func{f}}, close: func() {}}
	result, names, err := s.write(t.Context(), target, path, Options{Float: tensor.Float32}, &Report{})
	if err != nil {
		return err
	}
	defer result.close()
	if _, err := result.save(); err != nil {
		return err
	}
	doc, err := mlmodel.Open(path)
	if err != nil {
		return err
	}
	defer doc.Close()
	model, err := predict.Load(doc, predict.Options{})
	if err != nil {
		return err
	}
	defer model.Close()
	in := predict.Features{}
	for _, d := range model.Inputs() {
		v := given[sourceName(names, d.GetName())]
		if v == nil {
			return fmt.Errorf("input %q is none of the case's", d.GetName())
		}
		if v.Rank() == 0 {
			v = v.Reshape([]int{1})
		}
		in[d.GetName()] = v
	}
	got, err := model.Predict(t.Context(), in, nil)
	if err != nil {
		return err
	}
	for now, was := range names {
		if v, ok := got[now]; ok {
			got[was] = v
		}
	}
	for i, name := range outputs {
		g, ok := got[name].(*tensor.Tensor)
		if !ok {
			return fmt.Errorf("output %q is missing", name)
		}
		w := want[i]
		if w.Rank() == 0 {
			w = w.Reshape([]int{1})
		}
		if err := nearTo(g, w, rtol, atol); err != nil {
			return fmt.Errorf("output %d: %w", i, err)
		}
	}
	return nil
}

// nearTo compares as numpy's allclose does, but lets float32 sums leave 1e-6 of
// the largest value.
func nearTo(got, want *tensor.Tensor, rtol, atol float64) error {
	if got == nil || !slices.Equal(got.Shape(), want.Shape()) {
		return fmt.Errorf("is %v, want %v", got, want)
	}
	if want.DType() == tensor.Float16 {
		rtol, atol = max(rtol, 2e-3), max(atol, 1e-3)
	}
	g, w := got.Float64s(), want.Float64s()
	for _, v := range w {
		if !math.IsInf(v, 0) && !math.IsNaN(v) {
			atol = max(atol, 1e-6*math.Abs(v))
		}
	}
	for i := range w {
		if d := math.Abs(g[i] - w[i]); g[i] != w[i] && !(g[i] != g[i] && w[i] != w[i]) && !(d <= atol+rtol*math.Abs(w[i])) {
			return fmt.Errorf("element %d is %g, want %g", i, g[i], w[i])
		}
	}
	return nil
}

// readTensor reads a tensor of a type that programs have.
func readTensor(path string) (*tensor.Tensor, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	p := new(onnxpb.TensorProto)
	if err := proto.Unmarshal(b, p); err != nil {
		return nil, err
	}
	types := map[onnxpb.TensorProto_DataType]tensor.DType{
		onnxpb.TensorProto_FLOAT: tensor.Float32, onnxpb.TensorProto_FLOAT16: tensor.Float16, onnxpb.TensorProto_DOUBLE: tensor.Float64,
		onnxpb.TensorProto_INT8: tensor.Int8, onnxpb.TensorProto_INT16: tensor.Int16, onnxpb.TensorProto_INT32: tensor.Int32, onnxpb.TensorProto_INT64: tensor.Int64,
		onnxpb.TensorProto_UINT8: tensor.Uint8, onnxpb.TensorProto_UINT16: tensor.Uint16, onnxpb.TensorProto_UINT32: tensor.Uint32, onnxpb.TensorProto_UINT64: tensor.Uint64,
		onnxpb.TensorProto_BOOL: tensor.Bool,
	}
	d, ok := types[onnxpb.TensorProto_DataType(p.GetDataType())]
	if !ok {
		return nil, fmt.Errorf("element type %d", p.GetDataType())
	}
	var shape []int
	for _, n := range p.GetDims() {
		shape = append(shape, int(n))
	}
	n, err := tensor.CheckShape(shape)
	if err != nil {
		return nil, err
	}
	raw := p.GetRawData()
	if raw != nil || n == 0 {
		if d == tensor.Bool { // a byte each
			flags := make([]bool, n)
			for i := range flags {
				flags[i] = raw[i] != 0
			}
			return tensor.New(d, shape, flags), nil
		}
		t, err := tensor.FromPacked(d, shape, raw)
		if err != nil {
			return nil, err
		}
		return t.Decoded(), nil
	}
	data := make([]float64, 0, n)
	for _, v := range p.GetFloatData() {
		data = append(data, float64(v))
	}
	data = append(data, p.GetDoubleData()...)
	for _, v := range p.GetInt64Data() {
		data = append(data, float64(v))
	}
	for _, v := range p.GetUint64Data() {
		data = append(data, float64(v))
	}
	for _, v := range p.GetInt32Data() {
		if d == tensor.Float16 {
			var b [2]byte
			binary.LittleEndian.PutUint16(b[:], uint16(v))
			t, err := tensor.FromPacked(d, []int{1}, b[:])
			if err != nil {
				return nil, err
			}
			data = append(data, t.Float64s()...)
			continue
		}
		data = append(data, float64(v))
	}
	if len(data) != n {
		return nil, fmt.Errorf("%d elements for %v", len(data), shape)
	}
	return tensor.New(tensor.Float64, shape, data).ConvertTo(d)
}

// casesSummary is the page docs/onnx-written.md.
func casesSummary(all []*onnxCase) string {
	var b strings.Builder
	b.WriteString("# ONNX's own cases as files\n\nThe cases of [onnx.md](onnx.md) that the engine answers as expected, written as ML Programs and as NeuralNetworks in float32, read back and run. ")
	b.WriteString("Written by `go test -tags onnxcases ./internal/convert -run TestONNXCases -update`.\n\n")
	b.WriteString("| group | cases | ML Program | NeuralNetwork |\n|--|--|--|--|\n")
	type count struct{ cases, program, network int }
	counts := map[string]*count{}
	failed := map[string][]string{}
	excluded, unanswered, nothing := map[string]int{}, 0, 0
	for _, c := range all {
		switch {
		case c.excluded != "":
			excluded[c.excluded]++
			continue
		case c.engine != "":
			unanswered++
			continue
		case c.written[MLProgram] == computed:
			nothing++
			continue
		}
		for _, group := range []string{c.group, "all"} {
			n := counts[group]
			if n == nil {
				n = new(count)
				counts[group] = n
			}
			n.cases++
			if c.written[MLProgram] == "" {
				n.program++
			}
			if c.written[NeuralNetwork] == "" {
				n.network++
			}
		}
		for _, to := range written {
			if why := c.written[to]; why != "" {
				if i := strings.Index(why, ".mlmodel: "); i >= 0 {
					why = why[i+len(".mlmodel: "):]
				}
				row := to + " | " + strings.ReplaceAll(strings.ReplaceAll(why, "\n", " "), "|", "\\|")
				failed[row] = append(failed[row], c.name)
			}
		}
	}
	groups := slices.Sorted(maps.Keys(counts))
	groups = append(slices.DeleteFunc(groups, func(g string) bool { return g == "all" }), "all")
	for _, g := range groups {
		if n := counts[g]; n != nil {
			fmt.Fprintf(&b, "| %s | %d | %d | %d |\n", g, n.cases, n.program, n.network)
		}
	}
	if n := counts["all"]; n != nil {
		fmt.Fprintf(&b, "\nRight: %.1f %% as ML Programs, %.1f %% as NeuralNetworks.\n", 100*float64(n.program)/float64(n.cases), 100*float64(n.network)/float64(n.cases))
	}
	b.WriteString("\nNot among them:")
	for _, why := range slices.Sorted(maps.Keys(excluded)) {
		fmt.Fprintf(&b, " %d with %s,", excluded[why], why)
	}
	fmt.Fprintf(&b, " %d that the engine does not answer (see onnx.md), %d that conversion computes as a whole.\n\n## The others\n\n| format | why | cases |\n|--|--|--|\n", unanswered, nothing)
	for _, row := range slices.Sorted(maps.Keys(failed)) {
		slices.Sort(failed[row])
		fmt.Fprintf(&b, "| %s | %s |\n", row, strings.Join(failed[row], ", "))
	}
	return b.String()
}
