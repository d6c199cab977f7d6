package conversion

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

var update = flag.Bool("update", false, "write the golden files")

// sample is a node with inputs that are computed, absent and known, and a builder
// at its place.
func sample() (*Node, *mil.Builder, []*mil.Value) {
	x := &mil.Value{Name: "x", Type: mil.TensorType(tensor.Float32, 1, 4, -3)}
	bias := &mil.Value{Name: "bias", Type: mil.TensorType(tensor.Float32, 4, 1)}
	scale := mil.NewConst("scale", tensor.Floats([]int{2}, []float32{1, 2}))
	declared := mil.TensorType(tensor.Float32, 9)
	n := &Node{
		Op: "Scale", Domain: "com.acme", Name: "s1", Inputs: []*mil.Value{x, bias, scale},
		Outputs:    []Output{{Name: "y"}, {Name: "most"}, {Name: "", Type: &declared}},
		Attributes: map[string]any{"axes": []int64{1, 2}},
	}
	b := mil.NewBuilder(mil.IOS18)
	b.SetPlace("y")
	return n, b, []*mil.Value{x, bias}
}

// written is what a conversion makes of the sample, as text.
func written(t *testing.T, f Func) (string, error) {
	t.Helper()
	n, b, inputs := sample()
	outs, err := f.Apply(n, b, func(as string) ([]*mil.Value, error) {
		if as == "Nothing" {
			return nil, errors.New("there is no conversion of Nothing")
		}
		out := op.Call(b, "relu", op.Args{"x": n.Inputs[0]})
		return append(out, out...), b.Err()
	})
	if err != nil {
		return "", err
	}
	var w strings.Builder
	fn := &mil.Func{Name: "main", Opset: mil.IOS18, Inputs: inputs, Body: &mil.Block{Nodes: b.Block.Nodes, Outputs: outs}}
	if err := (&mil.Program{Funcs: []*mil.Func{fn}}).WriteText(&w); err != nil {
		t.Fatal(err)
	}
	return w.String(), nil
}

// What files make of a node, beside them as text.
func TestFiles(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.[yj]*")
	if err != nil || len(paths) < 3 {
		t.Fatalf("files %v, %v", paths, err)
	}
	for _, path := range paths {
		rules, err := ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		have, err := written(t, rules["com.acme::Scale"])
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		golden := strings.TrimSuffix(path, filepath.Ext(path)) + filepath.Ext(path)[:1] + "golden"
		if strings.HasSuffix(path, ".json") {
			golden = strings.TrimSuffix(path, ".json") + "-json.golden"
		}
		if *update {
			if err := os.WriteFile(golden, []byte(have), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), have); diff != "" {
			t.Errorf("%s: -want +have\n%s", path, diff)
		}
	}
}

func TestFileErrors(t *testing.T) {
	rule := func(s string) string { return "conversions:\n  A:\n" + s }
	for _, c := range []struct{ file, want string }{
		{"", "conversions: is empty"},
		{"# nothing\n", "conversions: is empty"},
		{"a: [", "conversions: line 1"},
		{"conversions: {}\n---\nconversions: {}", "more than one document"},
		{"conversion: {}", `line 1, column 13: there is no key "conversion", only conversions`},
		{"conversions: {}", `want "conversions:" with operators`},
		{"[1]", "want a mapping"},
		{"conversions: 3", "line 1, column 14: want a mapping"},
		{"conversions: {[a]: b}", "want a name"},
		{"conversions: {A: {as: B}, A: {as: B}}", `"A" is there twice`},
		{rule("    speed: 3"), `A: line 3, column 12: there is no key "speed", only as, attributes, custom_layer, inputs, mil, outputs`},
		{rule("    inputs: [x]"), "A: line 3, column 5: want one of custom_layer, mil and as, have 0"},
		{rule("    as: B\n    mil: relu()"), "have 2"},
		{rule("    as: B\n    inputs: x"), "want a list"},
		{rule("    as: B\n    inputs: [x, x]"), `"x" is there twice`},
		{rule("    as: B\n    inputs: [x/y]"), `"x/y" is no name`},
		{rule("    as: B\n    inputs: [[x]]"), "want a text"},
		{rule("    as: ~"), "want a text"},
		{rule("    as: B\n    outputs: [x]"), "outputs go with custom_layer"},
		{rule("    as: B\n    attributes: {a: {b: c}}"), "want a number, a text, true or false"},
		{rule("    as: B\n    attributes: {a: 2026-11-24}"), "want a number, a text, true or false"},
		{rule("    as: B\n    attributes: {a: [1, b]}"), "different kinds"},
		{rule("    mil: 3x"), "line 3, column 10: mil: 1:3: want \"(\""},
		{rule("    mil: |\n      %y = mul(x=%x)\n      %z == 3"), "mil: 2:5: want the name of an operator"},
		{rule("    mil: ''"), "there is no operation"},
		{rule("    custom_layer: {description: d}"), "want a class_name"},
		{rule("    custom_layer: {class_name: C, speed: 1}"), `there is no key "speed"`},
		{rule("    custom_layer: {class_name: C}\n    outputs: [{}]"), "want like or shape"},
		{rule("    custom_layer: {class_name: C}\n    outputs: [{type: float, shape: []}]"), `"float"`},
		{rule("    custom_layer: {class_name: C}\n    outputs: [{shape: 3}]"), "want a list"},
		{rule("    custom_layer: {class_name: C}\n    outputs: [{shape: [3 +]}]"), "want a number, input.0, $attribute"},
		{"conversions: &a {A: *a}", "there is no key"},
		{strings.Repeat("#", maxFile+1), "more than"},
	} {
		rules, err := Parse([]byte(c.file))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.60q: have %v, %v; want %s", c.file, rules, err, c.want)
		}
		if k := fault.KindOf(err); k != fault.Corrupt && k != fault.Limit {
			t.Errorf("%.60q: an error of kind %v", c.file, k)
		}
	}
	if _, err := ReadFile("testdata/none.yaml"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("have %v", err)
	}
	path := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(path, []byte("conversions: 1"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadFile(path); err == nil || !strings.HasPrefix(err.Error(), path+": line 1") {
		t.Errorf("have %v", err)
	}
}

// What a file says that does not fit a node.
func TestMisfits(t *testing.T) {
	layer := func(s string) string { return "    custom_layer: {class_name: C}\n    outputs: [" + s + ", input0]" }
	for _, c := range []struct{ rule, want string }{
		{"    as: Relu", ""},
		{"    as: Nothing", "there is no conversion of Nothing"},
		{"    mil: '-> (%input0, %input1)'", ""},
		{"    mil: '%y = relu(x=%input0)'", `gives 1 outputs, not output 1, "most"`},
		{"    mil: '%y = relu(x=%x)'", `1:11: relu: argument "x": there is no value %x`},
		{"    mil: '%y = elu(x=%input0, alpha=$alpha)'", `the node has no attribute "alpha", only ["axes"]`},
		{"    mil: '%y = concat(values=(%input0, %input1), axis=$axes)'", "1:1: concat: "},
		{layer("input0"), ""},
		{layer("input5"), `output 0: the node has no input "input5"`},
		{layer("{shape: ['1 - 3']}"), "dimension 0, 1 - 3: is -2"},
		{layer("{shape: ['1 / 0']}"), "divides by 0"},
		{layer("{shape: ['99999999 * 99999999']}"), "is too large"},
		{layer("{shape: ['input0.7']}"), `input "input0" has rank 3`},
		{layer("{shape: ['z.0']}"), `the node has no input "z"`},
		{layer("{shape: ['$axes']}"), `attribute "axes" is [1 2]`},
		{layer("{shape: ['$axes.2']}"), `attribute "axes" is [1 2]`},
		{layer("{shape: ['$beta']}"), `no attribute "beta"`},
		{layer("{shape: [2000000000, 2000000000, 2000000000]}"), "output 0"},
		{"    custom_layer: {class_name: C}", `the type of output "y" is said nowhere`},
		{"    custom_layer: {class_name: C, weights: [input0]}", `weights: input "input0" is only known when the model runs`},
		{"    custom_layer: {class_name: C, weights: [kernel]}", `weights: the node has no input "kernel"`},
		{"    custom_layer: {class_name: C, inputs: [kernel]}", `inputs: the node has no input "kernel"`},
		{"    custom_layer: {class_name: C, parameters: {a: $alpha}}", `parameter "a": the node has no attribute "alpha"`},
		{"    custom_layer: {class_name: C, parameters: {input0: 1}}\n    outputs: [input0, input0]", `inputs, parameters and weights are named "input0"`},
	} {
		rules, err := Parse([]byte("conversions:\n  ai.onnx::A:\n" + c.rule))
		if err != nil {
			t.Errorf("%s: %v", c.rule, err)
			continue
		}
		_, err = written(t, rules["A"])
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: have %v, want %q", c.rule, err, c.want)
		}
	}
}

func TestExpressions(t *testing.T) {
	n, _, _ := sample()
	n.Attributes["k"] = int64(5)
	values := map[string]*mil.Value{"x": n.Inputs[0], "any": {Type: mil.Type{AnyRank: true}}}
	for _, c := range []struct {
		text string
		want int
	}{
		{"7", 7},
		{" 2 + 3*4 ", 14},
		{"(2 + 3)*4", 20},
		{"7/2", 3},
		{"-7/2 + 9", 5},
		{"10 - 3 - 2", 5},
		{"2*-3 + 6", 0},
		{"x.1", 4},
		{"x.-2", 4},
		{"x.2", -3},
		{"x.2/2", mil.Unknown},
		{"?", mil.Unknown},
		{"any.0", mil.Unknown},
		{"$k", 5},
		{"$axes.0 + $axes.-1", 3},
		{"x.1/$k", 0},
	} {
		e, err := parseExpression(c.text)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		if have, err := e.size(n, values); err != nil || have != c.want {
			t.Errorf("%s is %d, %v; want %d", c.text, have, err, c.want)
		}
	}
	for _, text := range []string{
		"", "+", "1 +", "x", "x.", "x.1.2", "x.a", "x. 1", "x[1]", "$", "$1", "1 2", "? + 1", "(1", "1)", "99999999999", "é.0", "x .0",
		strings.Repeat("(", 50) + "1" + strings.Repeat(")", 50), strings.Repeat("-", 1000) + "1",
	} {
		if e, err := parseExpression(text); err == nil {
			t.Errorf("%.40q is read as %v", text, e)
		}
	}
}

// FuzzParse reads anything as a file, and uses what it says on a node.
func FuzzParse(f *testing.F) {
	for _, path := range []string{"testdata/compose.yaml", "testdata/layer.yaml", "testdata/layer.json"} {
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte("conversions: {A: {as: Relu}, B: {mil: \"%y = relu(x=%input0)\\n-> (%y, %y)\"}}"))
	f.Add([]byte("conversions: &a {A: *a}"))
	f.Add([]byte("conversions: {A: {custom_layer: {class_name: C, weights: [input2]}, outputs: [{shape: ['$axes.0*input0.1/2', '?']}]}}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		rules, err := Parse(data)
		if err != nil {
			return
		}
		for _, f := range rules {
			if _, err := written(t, f); err != nil && err.Error() == "" {
				t.Error("an error says nothing")
			}
		}
	})
}
