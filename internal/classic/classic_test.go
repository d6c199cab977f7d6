package classic

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/prototext"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// Types of features, as text.
const (
	number  = "doubleType {}"
	integer = "int64Type {}"
	text    = "stringType {}"
	byText  = "dictionaryType { stringKeyType {} }"
	byInt   = "dictionaryType { int64KeyType {} }"
)

func array(shape ...int) string {
	var b strings.Builder
	for _, d := range shape {
		fmt.Fprintf(&b, "shape: %d ", d)
	}
	return "multiArrayType { dataType: DOUBLE " + b.String() + "}"
}

// described returns the text of a model: features are "in NAME TYPE" and "out
// NAME TYPE".
func described(model string, features ...string) string {
	var b strings.Builder
	b.WriteString("description {\n")
	for _, f := range features {
		way, rest, _ := strings.Cut(f, " ")
		name, kind, _ := strings.Cut(rest, " ")
		switch way {
		case "label":
			fmt.Fprintf(&b, "predictedFeatureName: %q\n", name)
			way = "out"
		case "odds":
			fmt.Fprintf(&b, "predictedProbabilitiesName: %q\n", name)
			way = "out"
		}
		fmt.Fprintf(&b, "%sput { name: %q type { %s } }\n", way, name, kind)
	}
	return b.String() + "}\n" + model
}

func parse(t testing.TB, text string) *spec.Model {
	t.Helper()
	m := &spec.Model{}
	if err := prototext.Unmarshal([]byte(text), m); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return m
}

// modelCase is a model with inputs and what comes of them: outputs, or a part
// of the error, whose kind is kind.
type modelCase struct {
	name  string
	model string
	in    Features
	want  Features
	err   string
	kind  fault.Kind
}

func check(t *testing.T, cases []modelCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			f, err := New(parse(t, c.model))
			var got Features
			if err == nil {
				got, err = f(c.in)
			}
			if c.err != "" || err != nil {
				if err == nil || c.err == "" || !strings.Contains(err.Error(), c.err) {
					t.Fatalf("error %v, want one with %q", err, c.err)
				}
				if k := fault.KindOf(err); c.kind != 0 && k != c.kind || k == 0 {
					t.Errorf("%v is of kind %s, want %s", err, k, c.kind)
				}
				return
			}
			if len(got) != len(c.want) {
				t.Errorf("outputs %v, want %v", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(c.want)))
			}
			for name, want := range c.want {
				if !same(got[name], want) {
					t.Errorf("output %q is %s, want %s", name, show(got[name]), show(want))
				}
			}
		})
	}
}

func show(v any) string {
	if t, ok := v.(*tensor.Tensor); ok {
		return fmt.Sprint(t, t.Float64s())
	}
	return fmt.Sprintf("%#v", v)
}

func near(a, b float64) bool {
	return a == b || a != a && b != b || math.Abs(a-b) <= 1e-12*math.Max(1, math.Abs(b))
}

// same compares features; numbers may be off by a few roundings.
func same(got, want any) bool {
	switch want := want.(type) {
	case float64:
		got, ok := got.(float64)
		return ok && near(got, want)
	case *tensor.Tensor:
		got, ok := got.(*tensor.Tensor)
		return ok && slices.Equal(got.Shape(), want.Shape()) && slices.EqualFunc(got.Float64s(), want.Float64s(), near)
	case map[string]float64:
		got, ok := got.(map[string]float64)
		return ok && maps.EqualFunc(got, want, near)
	case map[int64]float64:
		got, ok := got.(map[int64]float64)
		return ok && maps.EqualFunc(got, want, near)
	case []string:
		got, ok := got.([]string)
		return ok && slices.Equal(got, want)
	case []int64:
		got, ok := got.([]int64)
		return ok && slices.Equal(got, want)
	}
	return got == want
}

func vec(v ...float64) *tensor.Tensor { return vector(v) }

func matrixOf(columns int, v ...float64) *tensor.Tensor {
	return tensor.New(tensor.Float64, []int{len(v) / columns, columns}, v)
}

func TestUnsupported(t *testing.T) {
	cases := []modelCase{
		{name: "nothing", model: "", err: "no model of a kind known"},
		{name: "text classifier", model: "textClassifier { revision: 1 }", err: "Natural Language"},
		{name: "word tagger", model: "wordTagger {}", err: "Natural Language"},
		{name: "gazetteer", model: "gazetteer {}", err: "Natural Language"},
		{name: "word embedding", model: "wordEmbedding {}", err: "Natural Language"},
		{name: "scene print", model: "visionFeaturePrint { scene { version: SCENE_VERSION_2 } }", err: "visionFeaturePrint: the model cannot be run: the file names a network of Apple's Vision framework"},
		{name: "sound print", model: "audioFeaturePrint { sound {} }", err: "Sound Analysis framework"},
		{name: "probit", model: "bayesianProbitRegressor {}", err: "scale of its link function"},
		{name: "custom", model: `customModel { className: "Mine" }`, err: `in the class "Mine"`},
		{
			name: "linked", model: `linkedModel { linkedModelFile { linkedModelFileName { defaultValue: "a.mlmodelc" } linkedModelSearchPath { defaultValue: "$BUNDLE_MAIN" } } }`,
			err: `"a.mlmodelc", which is to be found in "$BUNDLE_MAIN"`,
		},
		{name: "serialized", model: `serializedModel { identifier: "x" }`, err: `private type "x"`},
		{name: "sound of no kind", model: "soundAnalysisPreprocessing {}", err: "not known"},
	}
	for i := range cases {
		cases[i].kind = fault.Unsupported
	}
	check(t, cases)
}

func TestIdentity(t *testing.T) {
	x := vec(1, 2)
	check(t, []modelCase{
		{
			name: "same names", model: described("identity {}", "in a "+number, "in b "+text, "out a "+number, "out b "+text),
			in: Features{"a": 1.5, "b": "z"}, want: Features{"a": 1.5, "b": "z"},
		},
		{name: "other name", model: described("identity {}", "in a "+array(2), "out b "+array(2)), in: Features{"a": x}, want: Features{"b": x}},
		{name: "no such input", model: described("identity {}", "in a "+number, "in c "+number, "out b "+number), err: `output "b": is no input`, kind: fault.Corrupt},
		{name: "missing", model: described("identity {}", "in a "+number, "out a "+number), in: Features{}, err: `input "a": is missing`, kind: fault.BadValue},
	})
}
