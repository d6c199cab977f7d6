package classical

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/tensor"
)

// attrs are attributes for tests.
type attrs map[string]any

func get[T any](a attrs, name string) T {
	v, _ := a[name].(T)
	return v
}

func (a attrs) Has(name string) bool { return a[name] != nil }
func (a attrs) Int(name string, otherwise int) int {
	if v, ok := a[name].(int); ok {
		return v
	}
	return otherwise
}

func (a attrs) Ints(name string) []int {
	var out []int
	for _, v := range get[[]int64](a, name) {
		out = append(out, int(v))
	}
	return out
}
func (a attrs) Int64s(name string) []int64 { return get[[]int64](a, name) }
func (a attrs) Float(name string, otherwise float32) float32 {
	if v, ok := a[name].(float32); ok {
		return v
	}
	return otherwise
}
func (a attrs) Floats(name string) []float32 { return get[[]float32](a, name) }
func (a attrs) Text(name, otherwise string) string {
	if v, ok := a[name].(string); ok {
		return v
	}
	return otherwise
}
func (a attrs) Texts(name string) []string { return get[[]string](a, name) }
func (a attrs) Tensor(name string) (*tensor.Tensor, error) {
	return get[*tensor.Tensor](a, name), nil
}

// with returns attributes with others in place of some.
func (a attrs) with(more attrs) attrs {
	out := attrs{}
	for k, v := range a {
		out[k] = v
	}
	for k, v := range more {
		out[k] = v
	}
	return out
}

func stump(mode string, missing int64) attrs {
	return attrs{
		"nodes_treeids": []int64{0, 0, 0}, "nodes_nodeids": []int64{0, 1, 2}, "nodes_featureids": []int64{1, 0, 0},
		"nodes_modes": []string{mode, "LEAF", "LEAF"}, "nodes_values": []float32{0.5, 0, 0},
		"nodes_truenodeids": []int64{1, 0, 0}, "nodes_falsenodeids": []int64{2, 0, 0}, "nodes_missing_value_tracks_true": []int64{missing, 0, 0},
		"target_treeids": []int64{0, 0}, "target_nodeids": []int64{1, 2}, "target_ids": []int64{0, 0}, "target_weights": []float32{1, 2},
	}
}

func TestBranches(t *testing.T) {
	nan := math.NaN()
	for _, c := range []struct {
		mode    string
		missing int64
		want    [4]float64 // of 0, 0.5, 1 and NaN: 1 on the true side
	}{
		{"BRANCH_LEQ", 0, [4]float64{1, 1, 2, 2}},
		{"BRANCH_LEQ", 1, [4]float64{1, 1, 2, 1}},
		{"BRANCH_LT", 0, [4]float64{1, 2, 2, 2}},
		{"BRANCH_GTE", 1, [4]float64{2, 1, 1, 1}},
		{"BRANCH_GT", 0, [4]float64{2, 2, 1, 2}},
		{"BRANCH_EQ", 0, [4]float64{2, 1, 2, 2}},
		{"BRANCH_EQ", 1, [4]float64{2, 1, 2, 1}},
		{"BRANCH_NEQ", 0, [4]float64{1, 2, 1, 1}},
		{"BRANCH_NEQ", 1, [4]float64{1, 2, 1, 1}},
	} {
		e, err := TreeRegressor(stump(c.mode, c.missing))
		if err != nil {
			t.Fatal(err)
		}
		for i, x := range []float64{0, 0.5, 1, nan} {
			if got := e.Predict([]float64{9, x}); got[0] != c.want[i] {
				t.Errorf("%s, missing %d: %v gives %v, want %v", c.mode, c.missing, x, got, c.want[i])
			}
		}
	}
}

func TestTreesDamaged(t *testing.T) {
	good := stump("BRANCH_LEQ", 0)
	for name, c := range map[string]struct {
		more attrs
		want string
	}{
		"cycle":         {attrs{"nodes_truenodeids": []int64{0, 0, 0}}, "not to be reached"},
		"two parents":   {attrs{"nodes_falsenodeids": []int64{1, 0, 0}}, "same child"},
		"no child":      {attrs{"nodes_truenodeids": []int64{7, 0, 0}}, "not in the file"},
		"lists":         {attrs{"nodes_values": []float32{0.5}}, "1 to 3 elements"},
		"twice":         {attrs{"nodes_nodeids": []int64{0, 1, 1}}, "stands twice"},
		"mode":          {attrs{"nodes_modes": []string{"BRANCH", "LEAF", "LEAF"}}, "not known"},
		"feature":       {attrs{"nodes_featureids": []int64{-1, 0, 0}}, "feature -1"},
		"large feature": {attrs{"nodes_featureids": []int64{1 << 40, 0, 0}}, "feature"},
		"target":        {attrs{"target_ids": []int64{0, 1}}, "target 1 of 1"},
		"targets":       {attrs{"n_targets": 1 << 30}, "targets"},
		"leaf":          {attrs{"target_nodeids": []int64{0, 2}}, "no leaf"},
		"aggregate":     {attrs{"aggregate_function": "MODE"}, "MODE"},
		"transform":     {attrs{"post_transform": "TANH"}, "TANH"},
		"base":          {attrs{"n_targets": 2, "base_values": []float32{1, 2, 3}}, "3 base values"},
		"texts":         {attrs{"nodes_values": nil, "nodes_values_as_tensor": tensor.New(tensor.String, []int{1}, []string{"a"})}, "texts"},
	} {
		_, err := TreeRegressor(good.with(c.more))
		if err == nil || !strings.Contains(err.Error(), c.want) || fault.KindOf(err) != fault.Corrupt {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestAggregates(t *testing.T) {
	two := stump("BRANCH_LEQ", 0).with(attrs{
		"nodes_treeids": []int64{0, 0, 0, 1}, "nodes_nodeids": []int64{0, 1, 2, 0}, "nodes_featureids": []int64{0, 0, 0, 0},
		"nodes_modes": []string{"BRANCH_LEQ", "LEAF", "LEAF", "LEAF"}, "nodes_values": []float32{0.5, 0, 0, 0},
		"nodes_truenodeids": []int64{1, 0, 0, 0}, "nodes_falsenodeids": []int64{2, 0, 0, 0}, "nodes_missing_value_tracks_true": nil,
		"target_treeids": []int64{0, 0, 1}, "target_nodeids": []int64{1, 2, 0}, "target_ids": []int64{0, 0, 0}, "target_weights": []float32{1, 2, 5},
		"base_values": []float32{0.25},
	})
	for name, want := range map[string]float64{"SUM": 6.25, "AVERAGE": 3.25, "MIN": 1.25, "MAX": 5.25} {
		e, err := TreeRegressor(two.with(attrs{"aggregate_function": name}))
		if err != nil {
			t.Fatal(err)
		}
		if got := e.Predict([]float64{0}); got[0] != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
}

func TestTreeEnsemble(t *testing.T) {
	doubles := func(v ...float64) *tensor.Tensor { return tensor.New(tensor.Float64, []int{len(v)}, v) }
	nan := math.NaN()
	// x0 in {1, 3}? 10 : (x1 > 0.5 ? 20 : 30)
	good := attrs{
		"n_targets": 1, "nodes_modes": doubles(6, 3), "nodes_splits": doubles(0, 0.5), "nodes_featureids": []int64{0, 1},
		"nodes_truenodeids": []int64{0, 1}, "nodes_trueleafs": []int64{1, 1}, "nodes_falsenodeids": []int64{1, 2}, "nodes_falseleafs": []int64{0, 1},
		"leaf_targetids": []int64{0, 0, 0}, "leaf_weights": doubles(10, 20, 30), "tree_roots": []int64{0}, "membership_values": doubles(1, 3, nan),
	}
	e, err := TreeEnsemble(good)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ x0, x1, want float64 }{{1, 0, 10}, {3, 1, 10}, {2, 1, 20}, {2, 0.5, 30}, {nan, 0, 30}} {
		if got := e.Predict([]float64{c.x0, c.x1}); got[0] != c.want {
			t.Errorf("%v, %v gives %v, want %v", c.x0, c.x1, got, c.want)
		}
	}
	for name, more := range map[string]attrs{
		"loop":  {"nodes_falsenodeids": []int64{0, 2}},
		"leaf":  {"nodes_falsenodeids": []int64{1, 3}},
		"root":  {"tree_roots": []int64{5}},
		"roots": {"tree_roots": []int64{0, 1}},
		"mode":  {"nodes_modes": doubles(6, 0.5)},
		"NaN":   {"nodes_modes": doubles(6, nan)},
		"post":  {"post_transform": 9},
		"lists": {"nodes_splits": doubles(1)},
	} {
		if _, err := TreeEnsemble(good.with(more)); fault.KindOf(err) != fault.Corrupt {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTransforms(t *testing.T) {
	for _, c := range []struct {
		t    Transform
		want []float64
	}{
		{None, []float64{0, 1}},
		{Logistic, []float64{0.5, 1 / (1 + math.Exp(-1))}},
		{Softmax, []float64{1 / (1 + math.E), math.E / (1 + math.E)}},
		{SoftmaxZero, []float64{0, 1}},
	} {
		v := []float64{0, 1}
		c.t.Apply(v)
		for i := range v {
			if math.Abs(v[i]-c.want[i]) > 1e-15 {
				t.Errorf("%s is %v, want %v", c.t, v, c.want)
			}
		}
	}
	v := []float64{0.5, 0.975}
	Probit.Apply(v)
	if v[0] != 0 || math.Abs(v[1]-1.959964) > 1e-6 {
		t.Errorf("probit %v", v)
	}
}

func TestSVM(t *testing.T) {
	c, err := NewSVMClassifier(attrs{
		"classlabels_strings": []string{"a", "b", "c"}, "vectors_per_class": []int64{1, 1, 1}, "support_vectors": []float32{1, -1, 0.5},
		"coefficients": []float32{0.5, -0.5, 0.4, 0.3, 0.2, -0.6}, "rho": []float32{0.1, 0.2, 0.3},
	})
	if err != nil {
		t.Fatal(err)
	}
	// As ONNX Runtime answers.
	label, scores := c.Classify([]float64{float64(float32(0.2))})
	for i, want := range []float64{0.3, 0.3, 0.2} {
		if math.Abs(scores[i]-want) > 1e-7 {
			t.Errorf("scores %v", scores)
		}
	}
	if c.Classes().At(label) != "a" {
		t.Errorf("label %d", label)
	}
	r, err := NewSVMRegressor(attrs{"coefficients": []float32{2, 3}, "rho": []float32{1}})
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Predict([]float64{1, 10}); got[0] != 33 {
		t.Errorf("a linear machine gives %v", got)
	}
	for name, a := range map[string]attrs{
		"kernel":  {"kernel_type": "SINE"},
		"params":  {"kernel_params": []float32{1}},
		"vectors": {"support_vectors": []float32{1}},
		"rho":     {"rho": []float32{0.1}},
		"counts":  {"vectors_per_class": []int64{1, -1, 1}},
		"labels":  {"classlabels_strings": []string{"a"}},
	} {
		good := attrs{
			"classlabels_strings": []string{"a", "b", "c"}, "vectors_per_class": []int64{1, 1, 1}, "support_vectors": []float32{1, -1, 0.5},
			"coefficients": []float32{0.5, -0.5, 0.4, 0.3, 0.2, -0.6}, "rho": []float32{0.1, 0.2, 0.3},
		}
		if _, err := NewSVMClassifier(good.with(a)); fault.KindOf(err) != fault.Corrupt {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMapping(t *testing.T) {
	for _, c := range []struct {
		op    string
		a     attrs
		texts bool
		key   any
		want  any
	}{
		{"LabelEncoder", attrs{"classes_strings": []string{"x", "y"}}, true, "y", int64(1)},
		{"LabelEncoder", attrs{"classes_strings": []string{"x", "y"}}, false, int64(0), "x"},
		{"LabelEncoder", attrs{"classes_strings": []string{"x", "y"}}, false, int64(5), "_Unused"},
		{"LabelEncoder", attrs{"keys_strings": []string{"x"}, "values_floats": []float32{2}, "default_float": float32(3)}, true, "q", 3.0},
		{"LabelEncoder", attrs{"keys_floats": []float32{float32(math.NaN()), 1}, "values_int64s": []int64{7, 8}}, false, math.NaN(), int64(7)},
		{"LabelEncoder", attrs{
			"keys_tensor": tensor.New(tensor.String, []int{1}, []string{"k"}), "values_tensor": tensor.New(tensor.Int64, []int{1}, []int64{4}),
			"default_tensor": tensor.New(tensor.Int64, []int{1}, []int64{42}),
		}, true, "q", int64(42)},
		{"CategoryMapper", attrs{"cats_strings": []string{"x"}, "cats_int64s": []int64{9}}, true, "x", int64(9)},
		{"CategoryMapper", attrs{"cats_strings": []string{"x"}, "cats_int64s": []int64{9}}, false, int64(9), "x"},
	} {
		m, err := NewMapping(c.op, c.a, c.texts)
		if err != nil {
			t.Errorf("%v: %v", c.a, err)
			continue
		}
		if got := m.Of(c.key); got != c.want {
			t.Errorf("%v takes %v to %v, want %v", c.a, c.key, got, c.want)
		}
	}
	for _, a := range []attrs{{}, {"keys_strings": []string{"a"}}, {"keys_strings": []string{"a"}, "values_int64s": []int64{1, 2}}, {"keys_int64s": []int64{1}, "values_int64s": []int64{1}}} {
		if _, err := NewMapping("LabelEncoder", a, true); fault.KindOf(err) != fault.Corrupt {
			t.Errorf("%v: %v", a, err)
		}
	}
}

func TestOneHot(t *testing.T) {
	o, err := NewOneHot(attrs{"cats_int64s": []int64{0, 2}})
	if err != nil {
		t.Fatal(err)
	}
	for v, want := range map[any][]float64{int64(2): {0, 1}, 2.9: {0, 1}, -0.5: {1, 0}, int64(7): {0, 0}} {
		if got, err := o.Encode(v); err != nil || !slices.Equal(got, want) {
			t.Errorf("%v is %v, %v", v, got, err)
		}
	}
	o.Zeros = false
	if _, err := o.Encode(int64(7)); fault.KindOf(err) != fault.BadValue {
		t.Errorf("an unknown category: %v", err)
	}
}

func TestLinear(t *testing.T) {
	c, err := NewLinearClassifier(attrs{"coefficients": []float32{1}, "intercepts": []float32{0.125}, "classlabels_ints": []int64{4, 5}})
	if err != nil {
		t.Fatal(err)
	}
	if label, s := c.Classify([]float64{0.25}); label != 1 || !slices.Equal(s, []float64{0.625, 0.375}) {
		t.Errorf("%d, %v", label, s) // as ONNX Runtime has it
	}
	for _, a := range []attrs{
		{"coefficients": []float32{1}},
		{"classlabels_ints": []int64{1, 2}},
		{"coefficients": []float32{1, 2, 3}, "intercepts": []float32{1, 2}, "classlabels_ints": []int64{1, 2}},
		{"coefficients": []float32{1}, "intercepts": []float32{1}, "classlabels_ints": []int64{1, 2, 3}},
	} {
		if _, err := NewLinearClassifier(a); fault.KindOf(err) != fault.Corrupt {
			t.Errorf("%v: %v", a, err)
		}
	}
}
