package classic

import (
	"math"
	"testing"

	"github.com/smelt-ml/smelt/fault"
)

// sigma is the logistic function by its definition.
func sigma(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

func TestGLMRegressor(t *testing.T) {
	one := func(transform string) string {
		return described("glmRegressor { weights { value: [2, -1] } offset: 0.5 "+transform+"}", "in x "+array(2), "label y "+number)
	}
	check(t, []modelCase{
		{name: "linear", model: one(""), in: Features{"x": vec(3, 4)}, want: Features{"y": 2.5}},
		{name: "logit", model: one("postEvaluationTransform: Logit"), in: Features{"x": vec(3, 4)}, want: Features{"y": 0.9241418199787566}},
		{name: "probit", model: one("postEvaluationTransform: Probit"), in: Features{"x": vec(3, 4)}, want: Features{"y": 0.9937903346742238}},
		{
			name:  "columns in the order of the description",
			model: described("glmRegressor { weights { value: [1, 10, 100, 1000] } offset: 0 }", "in b "+number, "in a "+array(2), "in c "+integer, "label y "+number),
			in:    Features{"a": vec(2, 3), "b": 1.0, "c": int64(4)}, want: Features{"y": 4321.0},
		},
		{
			name:  "an optional input",
			model: described("glmRegressor { weights { value: [1, 1] } offset: 0 }", "in a "+number, "in b "+number, "label y "+number),
			in:    Features{"a": 1.0}, want: Features{"y": math.NaN()},
		},
		{
			name:  "two values",
			model: described("glmRegressor { weights { value: 2 } weights { value: 3 } offset: [0, 1] }", "in x "+number, "label y "+array(2)),
			in:    Features{"x": 5.0}, want: Features{"y": vec(10, 16)},
		},
		{name: "two values in a number", model: described("glmRegressor { weights { value: 2 } weights { value: 3 } offset: [0, 1] }", "in x "+number, "label y "+number), err: "is no array", kind: fault.Corrupt},
		{name: "no weights", model: described("glmRegressor {}", "in x "+number, "label y "+number), err: "0 rows of weights"},
		{name: "offsets", model: described("glmRegressor { weights { value: 2 } offset: [0, 1] }", "in x "+number, "label y "+number), err: "1 rows of weights and 2 offsets"},
		{name: "ragged", model: described("glmRegressor { weights { value: 2 } weights {} offset: [0, 1] }", "in x "+number, "label y "+array(2)), err: "weights[1]: want 1 values", kind: fault.BadShape},
		{name: "width", model: described("glmRegressor { weights { value: 2 } offset: 0 }", "in x "+array(3), "label y "+number), err: "for 1 values, the inputs have 3"},
		{name: "transform", model: one("postEvaluationTransform: 9"), err: "postEvaluationTransform: the value 9", kind: fault.Unsupported},
		{name: "text input", model: described("glmRegressor { weights { value: 2 } offset: 0 }", "in x "+text, "label y "+number), err: `input "x": want numbers`},
		{name: "no inputs", model: described("glmRegressor { weights { value: 2 } offset: 0 }", "label y "+number), err: "no inputs"},
		{name: "no output", model: described("glmRegressor { weights { value: 2 } offset: 0 }", "in x "+number), err: "is no output"},
		{name: "too long", model: one(""), in: Features{"x": vec(1, 2, 3)}, err: `input "x": want 2 values, have 3`, kind: fault.BadShape},
		{name: "text value", model: one(""), in: Features{"x": "1"}, err: "have a string", kind: fault.BadValue},
		{
			name:  "too many together",
			model: described("glmRegressor { weights { value: [1, 1] } offset: 0 }", "in a multiArrayType {}", "in b "+number, "label y "+number),
			in:    Features{"a": vec(1, 2), "b": 1.0}, err: "want 2 values in all inputs, have 3",
		},
	})
}

func TestGLMClassifier(t *testing.T) {
	model := func(parameters string, more ...string) string {
		return described("glmClassifier { "+parameters+"}", append([]string{"in x " + array(1)}, more...)...)
	}
	const three = `weights { value: 1 } weights { value: 2 } weights { value: -1 } offset: [0, 0, 1] classEncoding: OneVsRest stringClassLabels { vector: ["a", "b", "c"] } `
	total := sigma(2) + sigma(4) + sigma(-1)
	softmax := 1 + math.Exp(2) + math.Exp(5)
	check(t, []modelCase{
		{
			name:  "two classes",
			model: model(`weights { value: 2 } offset: -1 stringClassLabels { vector: ["no", "yes"] }`, "label y "+text, "odds p "+byText),
			in:    Features{"x": vec(1)}, want: Features{"y": "yes", "p": map[string]float64{"no": 1 - sigma(1), "yes": sigma(1)}},
		},
		{
			name:  "neither",
			model: model(`weights { value: 2 } offset: -2 stringClassLabels { vector: ["no", "yes"] }`, "label y "+text, "odds p "+byText),
			in:    Features{"x": vec(1)}, want: Features{"y": "no", "p": map[string]float64{"no": 0.5, "yes": 0.5}},
		},
		{
			name:  "certain",
			model: model(`weights { value: 1000 } offset: 0 classEncoding: OneVsRest`, "label y "+integer, "odds p "+byInt),
			in:    Features{"x": vec(-1)}, want: Features{"y": int64(0), "p": map[int64]float64{0: 1, 1: 0}},
		},
		{
			name:  "probit",
			model: model(`weights { value: 1 } offset: 0 postEvaluationTransform: Probit int64ClassLabels { vector: [7, 8] }`, "label y "+integer, "odds p "+byInt),
			in:    Features{"x": vec(1.6448536269514722)}, want: Features{"y": int64(8), "p": map[int64]float64{7: 0.05, 8: 0.95}},
		},
		{
			name:  "reference class",
			model: model(`weights { value: 1 } weights { value: 2 } offset: [0, 1]`, "label y "+integer, "odds p "+byInt),
			in:    Features{"x": vec(2)}, want: Features{"y": int64(2), "p": map[int64]float64{0: 1 / softmax, 1: math.Exp(2) / softmax, 2: math.Exp(5) / softmax}},
		},
		{
			name: "one against the rest", model: model(three, "label y "+text, "odds p "+byText),
			in: Features{"x": vec(2)}, want: Features{"y": "b", "p": map[string]float64{"a": sigma(2) / total, "b": sigma(4) / total, "c": sigma(-1) / total}},
		},
		{
			name: "all certain", model: model(three, "label y "+text), // probabilities round to 1 for two of them
			in: Features{"x": vec(400)}, want: Features{"y": "b"},
		},
		{
			name:  "none likely",
			model: model(`weights { value: 1 } weights { value: 1 } weights { value: 1 } offset: [0, 0, 0] classEncoding: OneVsRest`, "label y "+integer, "odds p "+byInt),
			in:    Features{"x": vec(-1e4)}, want: Features{"y": int64(0), "p": map[int64]float64{0: 1. / 3, 1: 1. / 3, 2: 1. / 3}},
		},
		{name: "names by their types", model: described(`glmClassifier { weights { value: 1 } offset: 0 }`, "in x "+number, "out q "+byInt, "out z "+integer), in: Features{"x": 0.0}, want: Features{"z": int64(0), "q": map[int64]float64{0: 0.5, 1: 0.5}}},
		{name: "probit of three", model: model(`weights { value: 1 } weights { value: 1 } offset: [0, 0] postEvaluationTransform: Probit`, "label y "+integer), err: "two classes only"},
		{name: "labels", model: model(`weights { value: 1 } offset: 0 int64ClassLabels { vector: [1, 2, 3] }`, "label y "+integer), err: "1 rows in the encoding ReferenceClass do not go with 3 class labels"},
		{name: "transform", model: model(`weights { value: 1 } offset: 0 postEvaluationTransform: 5`, "label y "+integer), err: "the value 5", kind: fault.Unsupported},
		{name: "encoding", model: model(`weights { value: 1 } offset: 0 classEncoding: 5`, "label y "+integer), err: "classEncoding: the value 5", kind: fault.Unsupported},
		{name: "no label", model: model(`weights { value: 1 } offset: 0`, "out y "+number), err: "no output for a label"},
		{name: "missing", model: model(`weights { value: 1 } offset: 0`, "label y "+integer), in: Features{}, want: Features{"y": int64(0)}},
	})
}
