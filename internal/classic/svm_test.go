package classic

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/smelt-ml/smelt/fault"
)

// Two support vectors, (1, 2) and (0, -3), in either form.
const (
	denseVectors  = "denseSupportVectors { vectors { values: [1, 2] } vectors { values: [0, -3] } } "
	sparseVectors = "sparseSupportVectors { vectors { nodes { index: 1 value: 1 } nodes { index: 2 value: 2 } } vectors { nodes { index: 2 value: -3 } } } "
)

func TestSupportVectorRegressor(t *testing.T) {
	// x·v is 2 + 1 = 3 and -1.5; |x-v|² is 1 + 2.25 and 4 + 12.25.
	x := Features{"x": vec(2, 0.5)}
	var cases []modelCase
	for _, k := range []struct {
		name, kernel string
		want         float64 // 2·K(x, v0) - K(x, v1) - 0.25
	}{
		{"linear", "linearKernel {}", 2*3 + 1.5 - 0.25},
		{"rbf", "rbfKernel { gamma: 0.5 }", 2*math.Exp(-3.25/2) - math.Exp(-16.25/2) - 0.25},
		{"poly", "polyKernel { degree: 3 gamma: 2 c: 1 }", 2*7*7*7 + 2*2*2 - 0.25},
		{"poly of degree 0", "polyKernel { gamma: 2 c: 1 }", 2 - 1 - 0.25},
		{"sigmoid", "sigmoidKernel { gamma: 0.1 c: -0.2 }", 2*math.Tanh(0.1) - math.Tanh(-0.35) - 0.25},
	} {
		for form, vectors := range map[string]string{"dense ": denseVectors, "sparse ": sparseVectors} {
			cases = append(cases, modelCase{
				name:  form + k.name,
				model: described("supportVectorRegressor { kernel { "+k.kernel+" } "+vectors+"coefficients { alpha: [2, -1] } rho: 0.25 }", "in x "+array(2), "label y "+number),
				in:    x, want: Features{"y": k.want},
			})
		}
	}
	model := func(parameters string) string {
		return described("supportVectorRegressor { "+parameters+"}", "in x "+array(2), "label y "+number)
	}
	const linear = "kernel { linearKernel {} } "
	open := func(parameters string) string {
		return described("supportVectorRegressor { "+parameters+"}", "in x multiArrayType {}", "label y "+number)
	}
	rbf := func(x ...float64) float64 { // with the vectors above, where x is longer or shorter
		a, b := 0.0, 0.0
		for i, v := range x {
			a += (v - []float64{1, 2, 0}[i]) * (v - []float64{1, 2, 0}[i])
			b += (v - []float64{0, -3, 0}[i]) * (v - []float64{0, -3, 0}[i])
		}
		if len(x) < 2 {
			a, b = a+4, b+9
		}
		return math.Exp(-a) + math.Exp(-b)
	}
	const twoRBF = "kernel { rbfKernel { gamma: 1 } } " + sparseVectors + "coefficients { alpha: [1, 1] }"
	check(t, append(cases,
		modelCase{name: "shorter than the nodes", model: open(twoRBF), in: Features{"x": vec(0.5)}, want: Features{"y": rbf(0.5)}},
		modelCase{name: "longer than the nodes", model: open(twoRBF), in: Features{"x": vec(0.5, 1, 0.25)}, want: Features{"y": rbf(0.5, 1, 0.25)}},
		modelCase{
			name: "scalar product past the end", model: open(linear + sparseVectors + "coefficients { alpha: [1, 1] }"),
			in: Features{"x": vec(5)}, want: Features{"y": 5.0},
		},
		modelCase{name: "no kernel", model: model(denseVectors), err: "kernel: is missing", kind: fault.Unsupported},
		modelCase{name: "negative degree", model: model("kernel { polyKernel { degree: -1 } } " + denseVectors), err: "the degree -1"},
		modelCase{name: "no vectors", model: model(linear), err: "supportVectors: are missing", kind: fault.Corrupt},
		modelCase{name: "ragged", model: model(linear + "denseSupportVectors { vectors { values: [1, 2] } vectors { values: 1 } }"), err: "denseSupportVectors[1]: want 2 values", kind: fault.BadShape},
		modelCase{name: "width", model: model(linear + "denseSupportVectors { vectors { values: [1, 2, 3] } }"), err: "for 3 values, the inputs have 2"},
		modelCase{name: "index 0", model: model(linear + "sparseSupportVectors { vectors { nodes { value: 1 } } }"), err: "sparseSupportVectors[0]: the index 0"},
		modelCase{name: "index past the end", model: model(linear + "sparseSupportVectors { vectors { nodes { index: 3 } } }"), err: "the index 3"},
		modelCase{name: "index twice", model: model(linear + "sparseSupportVectors { vectors { nodes { index: 1 } nodes { index: 1 } } }"), err: "the index 1 follows 1"},
		modelCase{name: "coefficients", model: model(linear + denseVectors + "coefficients { alpha: 1 }"), err: "want one for each of 2 support vectors, have 1"},
		modelCase{name: "text output", model: described("supportVectorRegressor { "+linear+denseVectors+"coefficients { alpha: [1, 1] } }", "in x "+array(2)), err: "is no output"},
		modelCase{name: "short input", model: model(linear + denseVectors + "coefficients { alpha: [1, 1] }"), in: Features{"x": vec(1)}, err: "want 2 values, have 1"},
	))
}

func TestSupportVectorClassifier(t *testing.T) {
	// One support vector for each class, on a line: K(x, v) = x·v.
	const (
		start = "kernel { linearKernel {} } numberOfSupportVectorsPerClass: [1, 1, 1] denseSupportVectors { vectors { values: 1 } vectors { values: 2 } vectors { values: 3 } } "
		alpha = "coefficients { alpha: [1, -1, -2] } coefficients { alpha: [2, 3, -3] } "
		// decisions: 0-1: 1·x - 1·2x - rho, 0-2: 2·x - 2·3x - rho, 1-2: 3·2x - 3·3x - rho
		rho = "rho: [0, 1, -1] "
	)
	model := func(parameters string) string {
		return described("supportVectorClassifier { "+parameters+"}", "in x "+array(1), "label y "+text, "odds p "+byText)
	}
	const labels = `stringClassLabels { vector: ["a", "b", "c"] } `
	check(t, []modelCase{
		{
			name: "votes", model: model(start + alpha + rho + labels), // -1 < 0, -5 < 0, -2 < 0
			in: Features{"x": vec(1)}, want: Features{"y": "c", "p": map[string]float64{"a": 0, "b": 1. / 3, "c": 2. / 3}},
		},
		{
			name: "a tie goes to the first", model: model(start + alpha + "rho: [-9, 0, -9] " + labels), // 8 > 0, -4 < 0, 6 > 0
			in: Features{"x": vec(1)}, want: Features{"y": "a", "p": map[string]float64{"a": 1. / 3, "b": 1. / 3, "c": 1. / 3}},
		},
		{
			name: "a decision of 0 is for the second", model: model(start + alpha + "rho: [-1, 0, 0] " + labels), // 0, -4, -3
			in: Features{"x": vec(1)}, want: Features{"y": "c", "p": map[string]float64{"a": 0, "b": 1. / 3, "c": 2. / 3}},
		},
		{
			name:  "two classes without labels",
			model: described("supportVectorClassifier { kernel { linearKernel {} } numberOfSupportVectorsPerClass: [1, 0] denseSupportVectors { vectors { values: 1 } } coefficients { alpha: -2 } rho: 1 }", "in x "+number, "label y "+integer),
			in:    Features{"x": -3.0}, want: Features{"y": int64(0)},
		},
		{name: "one class", model: model("kernel { linearKernel {} } numberOfSupportVectorsPerClass: 1 denseSupportVectors { vectors { values: 1 } }"), err: "at least two classes"},
		{name: "count", model: model(strings.Replace(start, "[1, 1, 1]", "[1, 3, 1]", 1) + alpha + rho + labels), err: "numberOfSupportVectorsPerClass[1]: the number 3"},
		{name: "negative count", model: model(strings.Replace(start, "[1, 1, 1]", "[-1, 3, 1]", 1) + alpha + rho + labels), err: "the number -1"},
		{name: "sum", model: model(strings.Replace(start, "[1, 1, 1]", "[1, 1, 0]", 1) + alpha + rho + labels), err: "the sum is 2"},
		{name: "rows", model: model(start + rho + labels), err: "want 2 rows for 3 classes"},
		{name: "row", model: model(start + "coefficients { alpha: 1 } coefficients {} " + rho + labels), err: "coefficients[0]: want one for each of 3"},
		{name: "rho", model: model(start + alpha + "rho: 1 " + labels), err: "want 3 values for the pairs of 3 classes, have 1"},
		{name: "probabilities", model: model(start + alpha + rho + "probA: [1, 2, 3] " + labels), err: "want 3 values, and as many of probB"},
		{name: "labels", model: model(start + alpha + rho + `stringClassLabels { vector: "a" } `), err: "classLabels: want 3, have 1"},
	})
}

// TestPairwiseProbabilities finds probabilities again from those that they
// give for each pair: p(i)/(p(i)+p(j)).
func TestPairwiseProbabilities(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOfN(rapid.Float64Range(0.05, 1), 2, 6).Draw(t, "p")
		shares(want)
		k := len(want)
		v := &voting{classes: k}
		var decisions []float64
		for i := range k {
			for j := i + 1; j < k; j++ {
				r := want[i] / (want[i] + want[j])
				v.probA, v.probB = append(v.probA, -2), append(v.probB, 1)
				decisions = append(decisions, (math.Log(r/(1-r))+1)/2)
			}
		}
		got := v.probabilities(decisions)
		sum := 0.0
		for i, p := range got {
			sum += p
			if math.Abs(p-want[i]) > 0.05 {
				t.Errorf("probabilities %v, want %v", got, want)
			}
		}
		if !near(sum, 1) {
			t.Errorf("the sum of %v is %v", got, sum)
		}
	})
}

// TestCertainty: decisions of any size give probabilities that are numbers.
func TestCertainty(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		k := 2 + r.IntN(5)
		v := &voting{classes: k}
		var decisions []float64
		for range k * (k - 1) / 2 {
			v.probA, v.probB = append(v.probA, r.NormFloat64()*100), append(v.probB, r.NormFloat64())
			decisions = append(decisions, r.NormFloat64()*1000)
		}
		p := v.probabilities(decisions)
		if slices.ContainsFunc(p, func(p float64) bool { return !(p >= 0 && p <= 1) }) {
			t.Fatalf("decisions %v give %v", decisions, p)
		}
	}
}
