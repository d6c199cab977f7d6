package conformance

import (
	"bytes"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/tensor"
)

func TestParseCase(t *testing.T) {
	c, err := parseCase([]byte(`{"suite": "mil", "kind": "mlProgram", "spec_version": 9, "opset": "CoreML8", "ops": ["add", "cast"],
		"variants": ["v"], "fp16": true, "xfail": "known", "model": "model.mlpackage", "function": "second", "unknown": {"a": [1]},
		"inputs": [{"name": "x", "value": 1}], "outputs": [{"name": "y", "check": "shape", "shape": []}]}`))
	if err != nil {
		t.Fatal(err)
	}
	want := &Case{
		Suite: "mil", Kind: "mlProgram", SpecVersion: 9, Opset: "CoreML8", Ops: []string{"add", "cast"}, Variants: []string{"v"},
		FP16: true, XFail: "known", Model: "model.mlpackage", Function: "second",
	}
	if diff := cmp.Diff(want, c, cmpopts.IgnoreUnexported(Case{})); diff != "" {
		t.Error(diff)
	}
	if len(c.steps) != 1 || len(c.steps[0].Inputs) != 1 || len(c.steps[0].Outputs) != 1 || c.batch != 0 {
		t.Errorf("steps %+v, batch %d", c.steps, c.batch)
	}
}

// TestParseCaseErrors changes one thing of a good case.json after another.
func TestParseCaseErrors(t *testing.T) {
	const good = `{"model": "m.mlmodel", "inputs": [{"name": "x", "file": "x.npy"}], "outputs": [{"name": "y", "file": "y.npy", "check": "equal"}]}`
	if _, err := parseCase([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ old, new, err string }{
		{good, ``, "byte 0: unexpected end"},
		{good, `[]`, "cannot unmarshal array"},
		{`"inputs"`, `inputs`, "byte 24: invalid character"},
		{`}]}`, `}]} x`, "invalid character 'x' after top-level value"},
		{`"m.mlmodel"`, `""`, "model: no file name is given"},
		{`"m.mlmodel"`, `"../m.mlmodel"`, `model: "../m.mlmodel" does not name a file inside the case`},
		{`"m.mlmodel"`, `"/etc/passwd"`, "does not name a file inside"},
		{`"m.mlmodel"`, `"a\\..\\b"`, "does not name a file inside"},
		{`"m.mlmodel"`, `"c:b"`, "does not name a file inside"},
		{`"m.mlmodel"`, `"."`, "does not name a file inside"},
		{`"m.mlmodel"`, `7`, "cannot unmarshal number"},
		{`"model"`, `"batch": 0, "model"`, "batch: want 1 to"},
		{`"model"`, `"batch": 1000000000, "model"`, "batch: want 1 to"},
		{`"model"`, `"batch": 2, "steps": [{"outputs": []}], "model"`, "steps: stand beside inputs"},
		{good, `{"model": "m", "batch": 2, "steps": [{"outputs": []}]}`, "steps: stand beside batch"},
		{good, `{"model": "m", "steps": [{"outputs": []}]}`, "steps[0]: outputs: there are none"},
		{good, `{"model": "m"}`, "outputs: there are none"},
		{`"name": "x", `, ``, `inputs[0] "": has no name`},
		{`"file": "x.npy"`, `"file": "../x.npy"`, `inputs[0] "x": "../x.npy" does not name a file`},
		{`"file": "x.npy"`, `"shape": [1]`, `inputs[0] "x": has no file, value or dict`},
		{`"file": "x.npy"`, `"file": "x.npy", "value": 3`, `has both file and value`},
		{`"file": "x.npy"`, `"values": [3]`, `has values, which does not go with batch 0`},
		{`"file": "x.npy"`, `"value": true`, `want a number or a string, have true`},
		{`"file": "x.npy"`, `"value": null`, `want a number or a string, have null`},
		{`"file": "x.npy"`, `"value": [1]`, `want a number or a string, have [1]`},
		{`"file": "x.npy"`, `"value": 1e999`, `want a number or a string, have 1e999`},
		{`"file": "x.npy"`, `"dict": [[1]]`, `pair 0 of the dictionary has 1 parts`},
		{`"file": "x.npy"`, `"dict": [[1, 2], ["a", 2]]`, `has keys of both kinds`},
		{`"file": "x.npy"`, `"dict": [[1, 2], [1, 3]]`, `pair 1 of the dictionary: the key 1 stands twice`},
		{`"file": "x.npy"`, `"dict": [[1.5, 2]]`, `want a string or an integer as the key, have 1.5`},
		{`"file": "x.npy"`, `"dict": [[null, 2]]`, `want a string or an integer as the key, have null`},
		{`"file": "x.npy"`, `"dict": [[1, "x"]]`, `pair 0 of the dictionary: want a number, have "x"`},
		{`"file": "x.npy"`, `"dict": [[1, null]]`, `want a number, have null`},
		{`"file": "x.npy"`, `"file": "x.npy", "dtype": "<f4"`, `dtype "<f4" is unknown`},
		{`"file": "x.npy"`, `"file": "x.npy", "shape": [-1]`, `has a negative dimension`},
		{`"file": "y.npy"`, `"shape": [1]`, `outputs[0] "y": has no file, value or dict`},
		{`, "check": "equal"`, ``, `outputs[0] "y": does not say how to check it`},
		{`"equal"`, `"same"`, `check "same" is unknown`},
		{`"equal"`, `"equal", "shape_check": "roughly"`, `shape_check "roughly" is unknown`},
		{`"equal"`, `"equal", "expected_shape": [-2]`, `expected_shape: shape -2 has a negative dimension`},
		{`"equal"`, `"equal", "allow_mismatch_ratio": 1.5`, `allow_mismatch_ratio: want 0 to 1, have 1.5`},
		{`"equal"`, `"equal", "suggest": {"rtol": 0}`, `suggest: want atol`},
		{`"equal"`, `"shape"`, `has no shape to check`},
		{`"equal"`, `"allclose"`, "want rtol\nwant atol"},
		{`"equal"`, `"allclose", "rtol": 0`, `want atol`},
		{`"equal"`, `"allclose", "rtol": -1, "atol": 0`, `rtol is negative: -1`},
		{`"equal"`, `"rel_error"`, `want delta`},
		{`"equal"`, `"snr", "snr": 40`, `want snr and psnr`},
		{`"equal"`, `"moments", "decimal": 2`, `want central_moments`},
		{`"equal"`, `"moments", "central_moments": [1]`, `want decimal`},
		{`"model"`, `"write_state": [{"name": "s", "value": 1}], "model"`, `write_state[0] "s": has no file`},
		{good, `{"model": "m", "batch": 60000, "outputs": [` + strings.Repeat(`{}, `, 40) + `{}]}`, "batch: 41 inputs and outputs of 60000 samples are more than"},
		{`"model"`, `"batch": 3, "model"`, ""},
		{`"model"`, `"batch": 3, "unknown": 1, "model"`, ""},
	} {
		_, err := parseCase([]byte(strings.Replace(good, test.old, test.new, 1)))
		switch {
		case test.err == "" && err != nil:
			t.Errorf("%s → %s: %v", test.old, test.new, err)
		case test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)):
			t.Errorf("%s → %s: want the error %q, have %v", test.old, test.new, test.err, err)
		case err != nil && fault.KindOf(err) == 0:
			t.Errorf("%s → %s: %v has no kind", test.old, test.new, err)
		}
	}
}

// npy returns the bytes of a file.
func npy(t testing.TB, v *tensor.Tensor) []byte {
	var b bytes.Buffer
	if err := tensor.WriteNPY(&b, v); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestValues(t *testing.T) {
	f64 := func(shape []int, v ...float64) []byte { return npy(t, tensor.New(tensor.Float64, shape, v)) }
	files := fstest.MapFS{
		"one.npy":     {Data: f64([]int{1}, 5)},
		"scalar.npy":  {Data: f64(nil, 5)},
		"two.npy":     {Data: f64([]int{2}, 5, 6)},
		"rows.npy":    {Data: f64([]int{2, 2}, 1, 2, 3, 4)},
		"int.npy":     {Data: npy(t, tensor.New(tensor.Int64, []int{2}, []int64{7, 8}))},
		"string.npy":  {Data: npy(t, tensor.New(tensor.String, []int{2}, []string{"a", "bc"}))},
		"grey.npy":    {Data: npy(t, tensor.New(tensor.Uint8, []int{1, 2}, []int32{1, 2}))},
		"rgb.npy":     {Data: npy(t, tensor.New(tensor.Uint8, []int{1, 1, 3}, []int32{1, 2, 3}))},
		"long.npy":    {Data: append(f64([]int{1}, 5), 0)},
		"short.npy":   {Data: f64([]int{1}, 5)[:100]},
		"large.npy":   {Data: f64([]int{125}, make([]float64, 125)...)},
		"nothing.npy": {},
		"folder.npy":  {Mode: fs.ModeDir},
	}
	for _, test := range []struct {
		batch int
		entry string // without the name
		want  []Value
		err   string
	}{
		{0, `"file": "one.npy", "dtype": "float64", "shape": [1]`, []Value{vector(5)}, ""},
		{0, `"file": "one.npy", "feature": {"type": "doubleType"}`, []Value{Float(5)}, ""},
		{0, `"file": "one.npy", "feature": {"type": "int64Type"}`, []Value{vector(5)}, ""}, // not integers
		{0, `"file": "scalar.npy"`, []Value{array(nil, 5)}, ""},
		{0, `"file": "scalar.npy", "feature": {"type": "multiArrayType"}`, []Value{vector(5)}, ""},
		{0, `"file": "scalar.npy", "feature": {"type": "doubleType"}`, []Value{Float(5)}, ""},
		{0, `"file": "two.npy", "feature": {"type": "doubleType"}`, []Value{vector(5, 6)}, ""},
		{0, `"file": "two.npy", "shape": [1, 2], "view": "flatten"`, []Value{vector(5, 6)}, ""},
		{0, `"file": "two.npy", "shape": [1, 3], "view": "flatten"`, nil, "case/two.npy: case.json says 1×3, the array is 2"},
		{2, `"file": "two.npy", "feature": {"type": "doubleType"}`, []Value{Float(5), Float(6)}, ""},
		{2, `"file": "two.npy", "feature": {"type": "multiArrayType"}`, []Value{vector(5), vector(6)}, ""},
		{2, `"file": "two.npy"`, []Value{array(nil, 5), array(nil, 6)}, ""},
		{2, `"file": "rows.npy"`, []Value{vector(1, 2), vector(3, 4)}, ""},
		{2, `"file": "int.npy", "feature": {"type": "int64Type"}`, []Value{Int(7), Int(8)}, ""},
		{2, `"file": "string.npy", "feature": {"type": "stringType"}`, []Value{String("a"), String("bc")}, ""},
		{0, `"file": "string.npy", "feature": {"type": "stringType"}`, []Value{strs("a", "bc")}, ""},
		{0, `"file": "grey.npy", "image": "L"`, []Value{Image{tensor.New(tensor.Uint8, []int{1, 2}, []int32{1, 2})}}, ""},
		{0, `"file": "rgb.npy", "image": "RGB"`, []Value{Image{tensor.New(tensor.Uint8, []int{1, 1, 3}, []int32{1, 2, 3})}}, ""},
		{0, `"file": "two.npy", "image": "RGB"`, nil, "case/two.npy: want a picture, height×width or height×width×3, have 2 fp64"},
		{2, `"file": "rows.npy", "image": "RGB"`, nil, "case/rows.npy: want a picture"},
		{3, `"file": "rows.npy"`, nil, "case/rows.npy: want a first axis of 3, the batch, have 2×2 fp64"},
		{1, `"file": "scalar.npy"`, nil, "case/scalar.npy: want a first axis of 1"},
		{0, `"file": "one.npy", "dtype": "float32"`, nil, "case/one.npy: case.json says fp32, the array is fp64"},
		{0, `"file": "one.npy", "shape": [2]`, nil, "case/one.npy: case.json says 2, the array is 1"},
		{0, `"file": "one.npy", "shape": []`, nil, "case/one.npy: case.json says scalar, the array is 1"},
		{0, `"file": "long.npy"`, nil, "case/long.npy: 1 bytes follow the array 1 fp64"},
		{0, `"file": "short.npy"`, nil, "case/short.npy: npy: "},
		{0, `"file": "nothing.npy"`, nil, "case/nothing.npy: npy: "},
		{0, `"file": "folder.npy"`, nil, "case/folder.npy: is not a regular file"},
		{0, `"file": "large.npy"`, nil, "case/large.npy: has 1128 bytes where no more than 1000 may be read"},
		{0, `"file": "missing.npy"`, nil, "case/missing.npy: file does not exist"},
		{0, `"value": 1`, []Value{Int(1)}, ""},
		{0, `"value": 1.0`, []Value{Float(1)}, ""},
		{0, `"value": 1, "feature": {"type": "doubleType"}`, []Value{Float(1)}, ""},
		{0, `"value": "a\u00e9"`, []Value{String("aé")}, ""},
		{2, `"values": ["a", 3], "feature": {"type": "int64Type"}`, []Value{String("a"), Int(3)}, ""},
		{0, `"dict": []`, []Value{StringDict{}}, ""},
		{0, `"dict": [], "feature": {"type": "dictionaryType", "key": "int64KeyType"}`, []Value{IntDict{}}, ""},
		{2, `"dicts": [[["a", 1], ["", 2.5]], []]`, []Value{StringDict{"a": 1, "": 2.5}, StringDict{}}, ""},
		{1, `"dicts": [[[-4, 1e3]]]`, []Value{IntDict{-4: 1000}}, ""},
		{3, `"dicts": [[], []]`, nil, "has 2 values in a batch of 3"},
	} {
		text := `{"model": "m", "inputs": [{"name": "x", ` + test.entry + `}], "outputs": [{"name": "y", "check": "shape", "shape": []}]}`
		if test.batch > 0 {
			text = strings.Replace(text, "{", `{"batch": `+string(rune('0'+test.batch))+", ", 1)
		}
		c, err := parseCase([]byte(text))
		var got []Value
		if err == nil {
			c.fsys, c.path = files, "case"
			got, err = (&reader{c, 1000}).values(&c.steps[0].Inputs[0])
		}
		switch {
		case test.err != "":
			if err == nil || !strings.Contains(err.Error(), test.err) {
				t.Errorf("%s: want the error %q, have %v", text, test.err, err)
			}
		case err != nil:
			t.Errorf("%s: %v", text, err)
		default:
			if diff := cmp.Diff(test.want, got, compareTensors); diff != "" {
				t.Errorf("%s: (-want +got)\n%s", text, diff)
			}
		}
	}
}

// TestReadTwice reads one file again and again: what is read is bounded for the
// case as a whole.
func TestReadTwice(t *testing.T) {
	c := &Case{fsys: fstest.MapFS{"x.npy": {Data: npy(t, tensor.Floats([]int{1}, []float32{1}))}}}
	r := &reader{c, 300} // a file has 132
	for i, ok := range []bool{true, true, false} {
		if _, err := r.values(&entry{File: "x.npy"}); (err == nil) != ok || !ok && fault.KindOf(err) != fault.Limit {
			t.Errorf("time %d: %v", i, err)
		}
	}
}

// compareTensors compares tensors by type, shape and elements.
var compareTensors = cmp.Comparer(func(a, b *tensor.Tensor) bool {
	if a.DType() != b.DType() || !slices.Equal(a.Shape(), b.Shape()) {
		return false
	}
	if a.DType() == tensor.String {
		return slices.Equal(a.Strings(), b.Strings())
	}
	return bytes.Equal(a.Packed(), b.Packed())
})

// FuzzCase reads a case.json beside a few arrays; whatever is accepted can be
// judged, and what is expected passes unless it is no answer at all.
func FuzzCase(f *testing.F) {
	for _, dir := range []string{"double", "double_half", "accumulate", "classify", "brightness", "coin"} {
		b, err := fs.ReadFile(smallCases, dir+"/case.json")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(`{"model": "m", "batch": 2, "outputs": [{"name": "y", "file": "in_0.npy", "check": "allclose", "rtol": 1, "atol": 1, "shape_check": "broadcast", "suggest": {"rtol": 0, "atol": 0}}]}`))
	f.Add([]byte(`{"model": "m", "outputs": [{"name": "y", "file": "out_0.npy", "check": "snr", "snr": 1, "psnr": 1, "view": "squeeze", "expected_shape": [3, 2], "shape_check": "exact"}]}`))
	f.Add([]byte(`{"model": "m", "outputs": [{"name": "y", "dict": [["a", 1]], "check": "moments", "central_moments": [1, 0], "decimal": 1}]}`))
	files := fstest.MapFS{
		"in_0.npy":  {Data: npy(f, tensor.Floats([]int{2, 3}, []float32{1, 2, 3, 4, 5, 6}))},
		"out_0.npy": {Data: npy(f, tensor.New(tensor.Int64, []int{2}, []int64{1, 2}))},
		"out_1.npy": {Data: npy(f, tensor.New(tensor.String, nil, []string{"a"}))},
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := parseCase(b)
		if err != nil {
			if fault.KindOf(err) == 0 {
				t.Errorf("no kind: %v", err)
			}
			return
		}
		c.fsys, c.path = files, "case"
		plan, err := c.readSteps()
		if err != nil {
			return
		}
		for _, p := range plan {
			for i := range p.Outputs {
				e, want := &p.Outputs[i], p.want[i]
				if v := e.judge(want, want); v.err == nil && want == nil {
					t.Errorf("nothing passes for %+v", e)
				}
				for _, got := range []Value{Float(1), String("a"), IntDict{1: 1}, StringDict{}, vector(1, 2), strs("a"), array([]int{0, 1})} {
					v := e.judge(want, got)
					if v.maxAbs < 0 || !finite(v.maxAbs) {
						t.Errorf("max abs error %v", v.maxAbs)
					}
				}
			}
		}
	})
}
