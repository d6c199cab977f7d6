//go:build onnxcases

package onnx

import (
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

	"github.com/smelt-ml/smelt/internal/onnxpb"
	"github.com/smelt-ml/smelt/tensor"
)

var (
	update = flag.Bool("update", false, "write docs/onnx.md anew")
	only   = flag.String("cases", "", "regular expression of the cases to run")
)

const (
	casesDir = "../../../.cache/onnx"
	report   = "../../../docs/onnx.md"
)

// outcome is what became of one case.
type outcome struct {
	kind, name string
	reason     string // "" for one that passed
	fixed      bool   // some inputs had to be constants
	excluded   bool   // its types are none of a program's
	whole      bool   // all of them
	symbolic   bool   // its dimensions are declared as symbols
}

// TestBackendCases runs ONNX's own test cases by kernels and by reference and
// holds the list of what passed against docs/onnx.md.
func TestBackendCases(t *testing.T) {
	if _, err := os.Stat(casesDir); err != nil {
		t.Fatalf("the cases are missing: python internal/frontend/onnx/testdata/export_tests.py .cache/onnx")
	}
	filter := regexp.MustCompile(*only)
	var all []outcome
	paths, err := filepath.Glob(filepath.Join(casesDir, "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range paths {
		o := outcome{kind: filepath.Base(filepath.Dir(p)), name: filepath.Base(p)}
		if !filter.MatchString(o.name) {
			continue
		}
		o.run(p)
		all = append(all, o)
		if *only != "" {
			t.Logf("%s/%s: fixed=%v %s", o.kind, o.name, o.fixed, o.reason)
		}
	}
	want, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	text := summary(all, string(want))
	if *only != "" {
		return
	}
	if *update {
		if err := os.WriteFile(report, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(want) != text {
		t.Errorf("docs/onnx.md is not what the cases give: run this test with -update and look at the difference\n%s", difference(string(want), text))
	}
}

// TestSymbolicCases declares every dimension greater than 1 of the same cases as
// a symbol: what is lowered then must still be right, and what cannot be must be
// refused.
func TestSymbolicCases(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(casesDir, "*", "*"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("the cases are missing: python internal/frontend/onnx/testdata/export_tests.py .cache/onnx")
	}
	right := 0
	for _, p := range paths {
		o := outcome{kind: filepath.Base(filepath.Dir(p)), name: filepath.Base(p), symbolic: true}
		o.run(p)
		switch {
		case o.excluded:
		case o.reason == "":
			right++
		case strings.HasPrefix(o.reason, "output "), strings.HasPrefix(o.reason, "panic"):
			t.Errorf("%s: %s", o.name, o.reason)
		}
	}
	t.Logf("%d cases are right with symbolic dimensions", right)
	if right < 1350 {
		t.Errorf("%d cases are right with symbolic dimensions, want 1350", right)
	}
}

// difference lists the lines that only one text has.
func difference(a, b string) string {
	var out strings.Builder
	as, bs := strings.Split(a, "\n"), strings.Split(b, "\n")
	for _, s := range as {
		if !slices.Contains(bs, s) {
			fmt.Fprintf(&out, "-%s\n", s)
		}
	}
	for _, s := range bs {
		if !slices.Contains(as, s) {
			fmt.Fprintf(&out, "+%s\n", s)
		}
	}
	return out.String()
}

func (o *outcome) run(dir string) {
	defer func() {
		if e := recover(); e != nil {
			o.reason = fmt.Sprintf("panic: %v", e)
		}
	}()
	m, err := Open(filepath.Join(dir, "model.onnx"))
	if err != nil {
		o.reason = err.Error()
		return
	}
	defer m.Close()
	if o.reason = foreign(m.proto.GetGraph()); o.reason != "" {
		o.excluded = true
		return
	}
	if strings.HasPrefix(o.name, "test_training_dropout") && !strings.Contains(o.name, "zero_ratio") {
		o.reason, o.excluded = "training", true
		return
	}
	inputs, err := m.Inputs()
	if err != nil {
		o.reason = err.Error()
		return
	}
	given := map[string]*tensor.Tensor{}
	shapes := map[string][]int{}
	var names []string
	for i, in := range inputs {
		t, err := readProto(m, filepath.Join(dir, fmt.Sprintf("input_%d.pb", i)))
		if err != nil {
			o.reason = err.Error()
			return
		}
		if t.DType() == tensor.Float64 && slices.ContainsFunc(t.Float64s(), func(v float64) bool { return math.Abs(v) > math.MaxFloat32 && !math.IsInf(v, 0) }) {
			o.reason, o.excluded = "numbers beyond the range of fp32", true
			return
		}
		given[in.Name], shapes[in.Name] = t, t.Shape()
		names = append(names, in.Name)
	}
	if o.symbolic {
		for _, v := range m.proto.GetGraph().GetInput() {
			for _, d := range v.GetType().GetTensorType().GetShape().GetDim() {
				if n := d.GetDimValue(); n > 1 {
					d.SetDimParam(fmt.Sprintf("d%d", n))
				}
			}
		}
		shapes = nil
	}
	// As it stands, then with integers fixed, all but the first input, all.
	integers, rest, every := map[string]*tensor.Tensor{}, map[string]*tensor.Tensor{}, maps.Clone(given)
	for i, name := range names {
		if i > 0 {
			rest[name] = given[name]
			if given[name].DType().IsInt() {
				integers[name] = given[name]
			}
		}
	}
	for i, fixed := range []map[string]*tensor.Tensor{nil, integers, rest, every} {
		if i > 0 && len(fixed) == 0 {
			continue
		}
		o.reason = ""
		o.fixed, o.whole = i > 0, i == 3
		if err = o.try(m, dir, Options{Shapes: shapes, Values: fixed}, given); err == nil {
			return
		}
		if o.reason == "" || i == 0 {
			o.reason = err.Error()
		}
		if !strings.Contains(err.Error(), "known") && !strings.Contains(err.Error(), "constant") {
			break
		}
	}
	o.reason = err.Error()
}

func (o *outcome) try(m *Model, dir string, opts Options, given map[string]*tensor.Tensor) error {
	p, err := m.Program(opts)
	if err != nil {
		return err
	}
	tolerance, err := os.ReadFile(filepath.Join(dir, "tolerance.txt"))
	if err != nil {
		return err
	}
	var rtol, atol float64
	if _, err := fmt.Sscan(string(tolerance), &rtol, &atol); err != nil {
		return err
	}
	for _, reference := range []bool{false, true} {
		outs, err := compute(p, given, reference)
		if err != nil {
			return fmt.Errorf("run: %w", err)
		}
		for i, out := range outs {
			want, err := readProto(m, filepath.Join(dir, fmt.Sprintf("output_%d.pb", i)))
			if err != nil {
				return err
			}
			if strings.Contains(o.name, "bernoulli") || o.kind == "node" && strings.Contains(o.name, "dropout") && strings.Contains(o.name, "training") {
				if !slices.Equal(out.Shape(), want.Shape()) { // random numbers
					return fmt.Errorf("output %d: shape %v, want %v", i, out.Shape(), want.Shape())
				}
				continue
			}
			if err := near(out, want, rtol, atol); err != nil {
				return fmt.Errorf("output %d (reference %v): %w", i, reference, err)
			}
		}
	}
	return nil
}

func readProto(m *Model, path string) (*tensor.Tensor, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("no data")
	}
	p := new(onnxpb.TensorProto)
	if err := proto.Unmarshal(b, p); err != nil {
		return nil, err
	}
	return m.tensorOf(p)
}

// near compares as numpy's allclose does.
func near(got, want *tensor.Tensor, rtol, atol float64) error {
	if !slices.Equal(got.Shape(), want.Shape()) {
		return fmt.Errorf("shape %v, want %v", got.Shape(), want.Shape())
	}
	if want.DType() == tensor.Float16 {
		rtol, atol = max(rtol, 2e-3), max(atol, 1e-3)
	}
	w := want.Float64s()
	largest := 0.
	for _, v := range w {
		if !math.IsInf(v, 0) && !math.IsNaN(v) {
			largest = max(largest, math.Abs(v))
		}
	}
	atol = max(atol, 1e-6*largest) // what float32 sums leave of a zero
	worst, at := 0., -1
	for i, g := range got.Float64s() {
		d := math.Abs(g - w[i])
		if g == w[i] || g != g && w[i] != w[i] || d <= atol+rtol*math.Abs(w[i]) {
			continue
		}
		if at < 0 || d > worst || d != d {
			worst, at = d, i
		}
	}
	if at >= 0 {
		return fmt.Errorf("element %d is %g, want %g", at, got.Float64s()[at], w[at])
	}
	return nil
}

// foreign names the types of a graph's inputs, outputs and constants that
// programs do not have.
func foreign(g *onnxpb.GraphProto) string {
	for _, v := range slices.Concat(g.GetInput(), g.GetOutput()) {
		t := v.GetType()
		switch {
		case t.HasSequenceType():
			return "sequences"
		case t.HasOptionalType():
			return "optionals"
		case t.HasMapType():
			return "maps"
		}
		switch e := onnxpb.TensorProto_DataType(t.GetTensorType().GetElemType()); e {
		case onnxpb.TensorProto_STRING:
			return "strings"
		case onnxpb.TensorProto_BFLOAT16, onnxpb.TensorProto_COMPLEX64, onnxpb.TensorProto_COMPLEX128,
			onnxpb.TensorProto_FLOAT8E4M3FN, onnxpb.TensorProto_FLOAT8E4M3FNUZ, onnxpb.TensorProto_FLOAT8E5M2, onnxpb.TensorProto_FLOAT8E5M2FNUZ,
			onnxpb.TensorProto_FLOAT4E2M1, onnxpb.TensorProto_FLOAT8E8M0, onnxpb.TensorProto_FLOAT6E2M3, onnxpb.TensorProto_FLOAT6E3M2,
			onnxpb.TensorProto_INT2, onnxpb.TensorProto_UINT2, onnxpb.TensorProto_INT4, onnxpb.TensorProto_UINT4:
			return "element type " + strings.ToLower(e.String())
		}
	}
	for _, n := range g.GetNode() {
		if strings.HasPrefix(n.GetDomain(), "ai.onnx.preview") {
			return "training"
		}
	}
	return ""
}

// networks is the part of the page that bench/nets/measure.py writes.
func networks(page string) string {
	const begin, end = "## Networks\n", "<!-- /nets -->\n"
	_, rest, found := strings.Cut(page, begin)
	text, _, whole := strings.Cut(rest, end)
	if !found || !whole {
		return ""
	}
	return begin + text + end + "\n"
}

// summary is the page docs/onnx.md; old is what it was.
func summary(all []outcome, old string) string {
	var b strings.Builder
	b.WriteString("# ONNX operators\n\nONNX's own test cases (onnx 1.23.2), and for contrib single nodes that ONNX Runtime 1.32 answered, run by the engine's kernels and by the reference evaluation. ")
	b.WriteString("Written by `go test -tags onnxcases ./internal/frontend/onnx -run TestBackendCases -update`.\n\n")
	b.WriteString("Excluded are cases whose inputs or outputs are of types that programs do not have. ")
	b.WriteString("\"Fixed\" counts the passed cases in which inputs had to be constants: shapes, axes, weights that ONNX's cases give as inputs; ")
	whole := 0
	for _, o := range all {
		if o.whole && o.reason == "" {
			whole++
		}
	}
	fmt.Fprintf(&b, "in %d of them that was all there is, so that the conversion itself computed the result by the reference evaluation. ", whole)
	b.WriteString("Results are held to each case's own tolerance, but errors of 1e-6 of the largest value are allowed, and of 2e-3 in float16; random ones to their shape.\n\n")
	b.WriteString("| group | cases | excluded | passed | of them fixed | failed |\n|--|--|--|--|--|--|\n")
	kinds := map[string][5]int{}
	excluded := map[string]int{}
	failed := map[string][]string{}
	for _, o := range all {
		c := kinds[o.kind]
		c[0]++
		switch {
		case o.excluded:
			c[1]++
			excluded[o.reason]++
		case o.reason == "":
			c[2]++
			if o.fixed {
				c[3]++
			}
		default:
			c[4]++
			failed[o.reason] = append(failed[o.reason], o.name)
		}
		kinds[o.kind] = c
	}
	total := [5]int{}
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		c := kinds[kind]
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %d | %d |\n", kind, c[0], c[1], c[2], c[3], c[4])
		for i := range total {
			total[i] += c[i]
		}
	}
	fmt.Fprintf(&b, "| all | %d | %d | %d | %d | %d |\n", total[0], total[1], total[2], total[3], total[4])
	fmt.Fprintf(&b, "\nPassed: %.1f %% of the cases that are not excluded.\n\n", 100*float64(total[2])/float64(max(1, total[0]-total[1])))
	b.WriteString(networks(old) + "## Operators\n\n")
	fmt.Fprintf(&b, "There is a conversion of %d operators:\n%s.\n", len(Operators()), strings.Join(Operators(), ", "))
	b.WriteString("\n## Types\n\ndouble and bfloat16 are computed in fp32. Every integer type is held in int32: constants of 64 bits are cut off at its range, ")
	b.WriteString("and arithmetic on one that was is an error; narrower types wrap around as they should. Sequences and optionals are followed while a model ")
	b.WriteString("is converted; a program has none. Shapes may be symbolic; what needs a size to be converted says so, and a fixed input shape helps.\n")
	b.WriteString("\n## Excluded\n\n| type | cases |\n|--|--|\n")
	for _, why := range slices.Sorted(maps.Keys(excluded)) {
		fmt.Fprintf(&b, "| %s | %d |\n", why, excluded[why])
	}
	b.WriteString("\n## Failed\n\n| case | reason |\n|--|--|\n")
	var rows []string
	for why, names := range failed {
		if at := strings.Index(why, ": "); strings.HasSuffix(why[:max(at, 0)], "model.onnx") {
			why = why[at+2:]
		}
		for _, name := range names {
			rows = append(rows, fmt.Sprintf("| %s | %s |\n", name, strings.ReplaceAll(why, "|", "\\|")))
		}
	}
	slices.Sort(rows)
	b.WriteString(strings.Join(rows, ""))
	return b.String()
}
