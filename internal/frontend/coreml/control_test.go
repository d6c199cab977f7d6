package coreml_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/prototext"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/internal/predict"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// network is a model with inputs x of the given shape and n of shape [1], and
// output y. Its layers are in text form.
func network(t *testing.T, layers string, shape ...int) *spec.Model {
	t.Helper()
	sizes := strings.Trim(strings.ReplaceAll(fmt.Sprint(shape), " ", ","), "[]")
	text := fmt.Sprintf(`specificationVersion: 4
		description {
			input { name: "x" type { multiArrayType { shape: [%s] dataType: FLOAT32 } } }
			input { name: "n" type { multiArrayType { shape: 1 dataType: FLOAT32 } } }
			output { name: "y" type { multiArrayType { dataType: FLOAT32 } } }
		}
		neuralNetwork { arrayInputShapeMapping: EXACT_ARRAY_MAPPING %s }`, sizes, layers)
	m := &spec.Model{}
	if err := prototext.Unmarshal([]byte(text), m); err != nil {
		t.Fatal(err)
	}
	return m
}

// predictY runs a network.
func predictY(m *spec.Model, x *tensor.Tensor, n float32) (*tensor.Tensor, error) {
	p, err := predict.Load(mlmodel.New(m), predict.Options{Threads: 1})
	if err != nil {
		return nil, err
	}
	defer p.Close()
	out, err := p.Predict(context.Background(), predict.Features{"x": x, "n": tensor.Floats([]int{1}, []float32{n})}, nil)
	if err != nil {
		return nil, err
	}
	return out["y"].(*tensor.Tensor), nil
}

// l writes a layer: its parameters in text form, its inputs and its output.
func l(params, in, out string) string {
	var b strings.Builder
	b.WriteString("layers {")
	for _, name := range strings.Fields(in) {
		fmt.Fprintf(&b, " input: %q", name)
	}
	for _, name := range strings.Fields(out) {
		fmt.Fprintf(&b, " output: %q", name)
	}
	b.WriteString(" " + params + " }\n")
	return b.String()
}

// put gives a blob the value of another.
func put(in, out string) string { return l("copy {}", in, out) }

func plus(in string, v int) string {
	return l(fmt.Sprintf("add { alpha: %d }", v), in, in+"'") + put(in+"'", in)
}

func less(in string, v int) string { return l(fmt.Sprintf("lessThan { alpha: %d }", v), in, "less") }

func ifelse(test, yes, no string) string {
	return l("branch { ifBranch {"+yes+"} elseBranch {"+no+"} }", test, "")
}

func times(n int, body string) string {
	return l(fmt.Sprintf("loop { maxLoopIterations: %d bodyNetwork {%s} }", n, body), "", "")
}

func while(test, cond, body string) string {
	return l(fmt.Sprintf("loop { conditionVar: %q conditionNetwork {%s} bodyNetwork {%s} }", test, cond, body), "", "")
}

const (
	breakLoop    = "layers { loopBreak {} }\n"
	continueLoop = "layers { loopContinue {} }\n"
)

func TestControlFlow(t *testing.T) {
	cases := []struct {
		name   string
		layers string
		n      float32
		want   []float32 // where x is 1 2
	}{
		{"if", put("x", "y") + ifelse("n", l("multiply { alpha: 10 }", "x", "z")+put("z", "y"), ""), 1, []float32{10, 20}},
		{"if not", put("x", "y") + ifelse("n", l("multiply { alpha: 10 }", "x", "z")+put("z", "y"), ""), 0, []float32{1, 2}},
		{"next to zero", put("x", "y") + ifelse("n", plus("y", 1), ""), 1e-7, []float32{1, 2}},
		{"negative", put("x", "y") + ifelse("n", plus("y", 1), ""), -1, []float32{2, 3}},
		{"no number is no truth", put("x", "y") + l("unary { type: SQRT }", "n", "r") + ifelse("r", plus("y", 1), ""), -1, []float32{1, 2}},
		{"made on both sides", ifelse("n", put("x", "y"), l("add { alpha: 5 }", "x", "y")), 0, []float32{6, 7}},
		{"made on one side", ifelse("n", put("x", "z"), "") + put("x", "y") + ifelse("n", l("add {}", "x z", "y"), ""), 1, []float32{2, 4}},
		{"not made", ifelse("n", put("x", "z"), "") + put("x", "y") + ifelse("n", l("add {}", "x z", "y"), ""), 0, []float32{1, 2}},
		{"shapes differ", ifelse("n", put("n", "z"), put("x", "z")) + l("add { alpha: 1 }", "z", "y"), 3, []float32{4}},
		{"ranks differ", ifelse("n", l("expandDims { axes: 0 }", "x", "y"), put("x", "y")), 3, []float32{1, 2}},
		{"known at once", l("getShape {}", "x", "s") + less("s", 3) + ifelse("less", put("x", "y"), put("nothing", "y")), 0, []float32{1, 2}},
		{"nested", put("x", "y") + less("n", 5) + ifelse("less", ifelse("n", plus("y", 1), plus("y", 2)), plus("y", 3)), 4, []float32{2, 3}},
		{"nested other side", put("x", "y") + less("n", 5) + ifelse("less", ifelse("n", plus("y", 1), plus("y", 2)), plus("y", 3)), 7, []float32{4, 5}},

		{"rounds", put("x", "y") + times(3, plus("y", 1)), 0, []float32{4, 5}},
		{"rounds of an input", put("x", "y") + l("loop { maxLoopIterations: 9 bodyNetwork {"+plus("y", 1)+"} }", "n", ""), 2, []float32{3, 4}},
		{"no rounds of an input", put("x", "y") + l("loop { maxLoopIterations: 9 bodyNetwork {"+plus("y", 1)+"} }", "n", ""), 0, []float32{1, 2}},
		{"no rounds", put("x", "y") + times(0, plus("y", 1)), 0, []float32{1, 2}},
		{"while", put("x", "y") + while("less", less("n", 10), plus("n", 3)+plus("y", 1)), 0, []float32{5, 6}},
		{"never", put("x", "y") + while("less", less("n", 10), plus("n", 3)+plus("y", 1)), 10, []float32{1, 2}},
		{
			"while, and so often", put("x", "y") + l(
				"loop { maxLoopIterations: 2 conditionVar: \"less\" conditionNetwork {"+less("n", 10)+"} bodyNetwork {"+plus("n", 3)+plus("y", 1)+"} }", "", ""),
			0,
			[]float32{3, 4},
		},
		// The condition is computed once more than the body.
		{"the condition acts", put("x", "y") + while("less", less("n", 3)+plus("y", 1), plus("n", 1)), 0, []float32{5, 6}},
		{"what the condition makes", put("x", "y") + while("less", less("n", 2)+l("add { alpha: 1 }", "n", "m"), l("add {}", "y m", "y'")+put("y'", "y")+put("m", "n")), 0, []float32{4, 5}},
		{"made in a loop", times(2, l("add {}", "x n", "y")), 1, []float32{2, 3}},
		{"growing", put("x", "y") + times(2, l("concatND {}", "y n", "y'")+put("y'", "y")), 7, []float32{1, 2, 7, 7}},
		{"loop in a loop", put("x", "y") + times(3, times(2, plus("y", 1))+plus("n", 1)) + l("add {}", "y n", "y'") + put("y'", "y"), 0, []float32{10, 11}},
		{"loop in a branch", put("x", "y") + ifelse("n", times(2, plus("y", 1)), ""), 1, []float32{3, 4}},

		{"break", put("x", "y") + times(9, less("n", 3)+ifelse("less", "", breakLoop)+plus("n", 1)+plus("y", 1)), 0, []float32{4, 5}},
		{"break at once", put("x", "y") + times(9, plus("y", 1)+breakLoop+plus("y", 10)), 0, []float32{2, 3}},
		{"continue", put("x", "y") + times(4, plus("n", 1)+less("n", 3)+ifelse("less", continueLoop, "")+plus("y", 1)), 0, []float32{3, 4}},
		{"continue at once", put("x", "y") + times(4, plus("y", 1)+continueLoop+plus("y", 10)), 0, []float32{5, 6}},
		{"break out of a while", put("x", "y") + while("less", less("n", 9)+plus("y", 10), plus("n", 1)+less("n", 2)+ifelse("less", "", breakLoop)+plus("y", 1)), 0, []float32{22, 23}},
		{"break in the inner loop only", put("x", "y") + times(3, times(3, plus("y", 1)+ifelse("n", breakLoop, "")+plus("y", 100))+plus("y", 10)), 1, []float32{34, 35}},
		{"twice", put("x", "y") + times(9, plus("n", 1)+less("n", 3)+ifelse("less", continueLoop, "")+plus("y", 1)+less("n", 5)+ifelse("less", "", breakLoop)+plus("y", 10)), 0, []float32{24, 25}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := predictY(network(t, c.layers, 2), tensor.Floats([]int{2}, []float32{1, 2}), c.n)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got.F32(), c.want) {
				t.Errorf("y is %v, want %v", got.F32(), c.want)
			}
		})
	}
}

func TestControlFlowErrors(t *testing.T) {
	deep, loops := put("x", "y"), l("concatND {}", "y n", "y'")+put("y'", "y")
	for range 150 {
		deep = ifelse("n", deep, "")
	}
	for range 25 {
		loops = times(2, loops)
	}
	cases := []struct {
		name, layers string
		kind         fault.Kind
		err          string
	}{
		{"break outside", breakLoop + put("x", "y"), fault.Corrupt, "in no loop"},
		{"condition not made", while("c", "", "") + put("x", "y"), fault.Corrupt, `the condition "c" is made nowhere`},
		{"blob not made", times(2, l("add { alpha: 1 }", "z", "y")), fault.Corrupt, `"z" is made nowhere`},
		{"inside", put("x", "y") + ifelse("n", l("transpose { axes: 1 }", "x", "y"), ""), fault.Corrupt, `layer "layer1": layer "layer0": transpose`},
		{"deep", deep, fault.Limit, "nested more than"},
		{"loops in loops", put("x", "y") + loops, fault.Limit, "loops"},
		{"rank of data", ifelse("n", l("expandDims { axes: 0 }", "x", "z"), put("x", "z")) + l("add { alpha: 1 }", "z", "y"), fault.Unsupported, "depends on data"},
		{"two limits", l("loop { bodyNetwork {} }", "x n", "") + put("x", "y"), fault.Corrupt, "at most one input"},
		{"limits", l("loop { bodyNetwork {} }", "x", "") + put("x", "y"), fault.Corrupt, "cannot take"},
		{"outputs of a branch", l("branch {}", "n", "y"), fault.Corrupt, "gives 0 outputs"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := predictY(network(t, c.layers, 2), tensor.Floats([]int{2}, []float32{1, 2}), 1)
			if err == nil || !strings.Contains(err.Error(), c.err) || fault.KindOf(err) != c.kind {
				t.Errorf("error %v (%s), want %s with %q", err, fault.KindOf(err), c.kind, c.err)
			}
		})
	}
}
