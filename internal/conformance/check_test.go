package conformance

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/smelt-ml/smelt/tensor"
)

var (
	nan = math.NaN()
	inf = math.Inf(1)
)

// array returns an array of float64s.
func array(shape []int, v ...float64) Value {
	return Array{tensor.New(tensor.Float64, shape, v)}
}

func vector(v ...float64) Value { return array([]int{len(v)}, v...) }

func int64s(v ...int64) Value { return Array{tensor.New(tensor.Int64, []int{len(v)}, v)} }

func strs(v ...string) Value { return Array{tensor.New(tensor.String, []int{len(v)}, v)} }

// output parses the text of an output, to which a name and a file are added.
func output(t *testing.T, text string) *entry {
	t.Helper()
	e := &entry{Name: "y", File: "y.npy"}
	if err := json.Unmarshal([]byte(text), e); err != nil {
		t.Fatal(err)
	}
	if err := e.validateOutput(0); err != nil {
		t.Fatal(err)
	}
	return e
}

func TestJudge(t *testing.T) {
	const close = `{"check": "allclose", "rtol": 0.1, "atol": 1}`
	const rel = `{"check": "rel_error", "delta": 0.01}`
	const snr = `{"check": "snr", "snr": 20, "psnr": 30}`
	const equal = `{"check": "equal"}`
	const moments = `{"check": "moments", "central_moments": [1, 0, 0.25], "decimal": 2}`
	for _, test := range []struct {
		entry     string
		want, got Value
		err       string // "" where it passes
		maxAbs    float64
	}{
		// |got - want| ≤ 1 + 0.1·|want|: the bound itself is inside.
		{close, vector(10, -10, 0), vector(12, -12, 1), "", 2},
		{close, vector(10, -10, 0), vector(12, -12.25, 1), "1 of 3 values are off, the worst at [1]: want -10, have -12.25, off by 2.25 where 2 is allowed", 2.25},
		{close, vector(10, -10, 0), vector(10, 10, 1.5), "2 of 3 values are off, the worst at [1]", 20},
		{close, array([]int{2, 2}, 1, 2, 3, 4), array([]int{2, 2}, 1, 2, 30, 4), "the worst at [1 0]", 27},
		{close, vector(nan, inf, -inf), vector(nan, inf, -inf), "", 0},
		{close, vector(nan, 1), vector(2, 1), "want NaN, have 2", 0},
		{close, vector(2, 1), vector(nan, 1), "want 2, have NaN", 0},
		{close, vector(inf), vector(-inf), "want +Inf, have -Inf", 0},
		{close, vector(inf), vector(1e300), "want +Inf, have 1e+300", 0},
		{close, vector(1), vector(inf), "want 1, have +Inf", 0},
		{close, vector(0, 5), vector(1e300, nan), "2 of 2 values are off, the worst at [1]: want 5, have NaN", 1e300},
		{close, vector(), vector(), "", 0},
		{close, vector(1), vector(), "want 1 values, have 0", 0},
		{close, vector(1, 2), vector(1, 2, 3), "want 2 values, have 3 (shape 3)", 0},
		{close, vector(1, 2), array([]int{1, 2, 1}, 1, 2), "", 0}, // no shape_check: values only
		{close, Float(3), Float(3.5), "", 0.5},
		{close, Float(3), vector(3.5), "", 0.5},
		{close, vector(3), Int(3), "", 0},
		{close, Int(3), Float(9), "want 3, have 9", 6},
		{close, vector(3), String("x"), `want numbers, have the string "x"`, 0},
		{close, vector(3), strs("x", "y"), `want numbers, have an array 2 string`, 0},
		{close, vector(3), IntDict{}, `want numbers, have a dictionary of 0 integers`, 0},
		{close, vector(3), nil, `is missing`, 0},
		{close, int64s(0, 1), Array{tensor.New(tensor.Bool, []int{2}, []bool{false, true})}, "", 0},
		{close, vector(255), Image{tensor.New(tensor.Uint8, []int{1, 1}, []int32{253})}, "", 2},
		{close, vector(-math.MaxFloat64), vector(math.MaxFloat64), "1 of 1 values are off", math.MaxFloat64},

		{`{"check": "allclose", "rtol": 0, "atol": 0, "allow_mismatch_ratio": 0.5}`, vector(1, 2, 3, 4), vector(1, 9, nan, 4), "", 7},
		{`{"check": "allclose", "rtol": 0, "atol": 0, "allow_mismatch_ratio": 0.5}`, vector(1, 2, 3, 4), vector(1, 9, 9, 9), "3 of 4 values are off", 7},

		// |got - want| ≤ 0.01·max(|want|, 1).
		{rel, vector(1000, 0.5), vector(1010, 0.505), "", 10},
		{rel, vector(1000, 0.5), vector(1011, 0.505), "off by 11 where 10 is allowed", 11},
		{rel, vector(1000, 0.5), vector(1000, 0.75), "1 of 2 values are off, the worst at [1]", 0.25},
		{rel, vector(nan, inf), vector(nan, inf), "", 0},
		{rel, vector(1), vector(nan), "have NaN", 0},

		// A signal of power 1 and peak 4: noise of power 0.0025 gives 26 dB and
		// 32 dB, 0.00655 enough for the first alone, 0.25 for neither.
		{snr, vector(2, 0, 0, 0), vector(2, 0, 0, 0), "", 0},
		{snr, vector(0, 0), vector(0, 0), "", 0},
		{snr, vector(nan, 1), vector(nan, 1), "", 0},
		{snr, vector(2, 0, 0, 0), vector(2, 0, 0, 0.1), "", 0.1},
		{snr, vector(2, 0, 0, 0), vector(2.09, 0.1, 0, 0.09), "have 21.84 and 27.86", 0.1},
		{snr, vector(2, 0, 0, 0), vector(2, 0, 0, 1), "want SNR ≥ 20 dB and PSNR ≥ 30 dB, have 6.021 and 12.04", 1},
		{snr, vector(2, 0), vector(nan, 0), "have NaN and NaN", 0},
		{snr, vector(0, 0), vector(0.5, 0), "have -Inf and -Inf", 0.5},

		{equal, vector(1, nan), vector(1, nan), "", 0},
		{equal, vector(1, 2), vector(1, 2.5), "1 of 2 values are off, the worst at [1]: want 2, have 2.5", 0.5},
		{equal, Int(7), Int(7), "", 0},
		{equal, Int(7), Int(8), "want 7, have 8", 1},
		{equal, Int(7), Float(7), "", 0},
		{equal, Int(1 << 53), Int(1<<53 + 1), "element 0: want 9007199254740992, have 9007199254740993", 0},
		{equal, int64s(1, 1<<53+1), int64s(1, 1<<53), "element 1: want 9007199254740993", 0},
		{equal, Float(3.1), Float(3.1), "", 0},
		{equal, String("a"), String("a"), "", 0},
		{equal, String("a"), String("b"), `want "a", have the string "b"`, 0},
		{equal, String("a"), strs("a"), "", 0},
		{equal, String("1"), Int(1), `want "1", have the integer 1`, 0},
		{equal, strs("a", "b"), strs("a", "b"), "", 0},
		{equal, strs("a", "b"), strs("a", "c"), `element 1: want "b", have "c"`, 0},
		{equal, strs("a", "b"), strs("a"), `want 2 strings, have 1`, 0},
		{equal, strs("a"), Int(1), `want an array 1 string, have the integer 1`, 0},
		{`{"check": "equal", "shape_check": "exact"}`, strs("a"), array([]int{1}, 1), `want an array 1 string, have an array 1 fp64`, 0},
		{`{"check": "equal", "shape_check": "exact"}`, strs("a", "b"), Array{tensor.New(tensor.String, []int{1, 2}, []string{"a", "b"})}, `want shape 2, have 1×2`, 0},

		{close, StringDict{"a": 1, "b": 10}, StringDict{"b": 12, "a": 0}, "", 2},
		{close, StringDict{"a": 1, "b": 10}, StringDict{"b": 12.5, "a": 0}, "the worst at [1]: want 10, have 12.5", 2.5},
		{close, StringDict{"a": 1, "b": 10}, StringDict{"b": 12}, `the key "a" is missing`, 0},
		{close, StringDict{"a": 1}, StringDict{"b": 12, "a": 1}, `the key "b" is not expected`, 0},
		{close, StringDict{"a": 1}, IntDict{1: 1}, `want a dictionary of 1 keys of type string, have a dictionary of 1 integers`, 0},
		{close, IntDict{2: 1}, IntDict{2: 1}, "", 0},
		{close, IntDict{2: 1}, IntDict{3: 1}, `the key 2 is missing`, 0},
		{close, IntDict{2: 1}, vector(1), `want a dictionary of 1 keys of type int64, have an array 1 fp64`, 0},
		{close, IntDict{}, IntDict(nil), "", 0},
		{equal, IntDict{2: 1}, IntDict{2: 1.5}, "want 1, have 1.5", 0.5},

		{moments, nil, vector(0, 1, 1, 0), "", 0},
		{moments, nil, vector(0, 1, 1, 0, 0, 1, 0), "", 0}, // variance 12/49: off by 0.005
		{moments, nil, vector(0, 1, 1, 0, 0, 0), "central moment 2: want 0.25, have 0.2222, off by 0.0278", 0},
		{moments, nil, vector(0, 2, 2, 0), "central moment 2: want 0.25, have 1, off by 0.75 where 0.015 is allowed", 0},
		{moments, nil, vector(nan, 0), "central moment 1: want 0, have NaN", 0},
		{moments, nil, vector(), "has no values", 0},
		{moments, vector(5, 5), vector(0, 1), "", 0}, // the sample itself is not looked at
		{moments, nil, String("x"), `want numbers`, 0},

		{`{"check": "shape", "shape": [2, 1]}`, nil, array([]int{2, 1}, 8, 9), "", 0},
		{`{"check": "shape", "shape": [2, 1]}`, nil, array([]int{1, 2}, 8, 9), "want shape 2×1, have 1×2", 0},
		{`{"check": "shape", "shape": [2, 1]}`, vector(1, 2), array([]int{2}, 8, 9), "", 0}, // the file's shape rules
		{`{"check": "shape", "shape": [2, 1]}`, nil, nil, "is missing", 0},
		{`{"check": "shape", "shape": [2], "shape_check": "size"}`, nil, array([]int{1, 2}, 8, 9), "", 0},
	} {
		v := output(t, test.entry).judge(test.want, test.got)
		name := fmt.Sprintf("%s: want %v, got %v", test.entry, test.want, test.got)
		switch {
		case test.err == "" && v.err != nil:
			t.Errorf("%s: %v", name, v.err)
		case test.err != "" && (v.err == nil || !strings.Contains(v.err.Error(), test.err)):
			t.Errorf("%s: want the error %q, have %v", name, test.err, v.err)
		}
		if v.maxAbs != test.maxAbs {
			t.Errorf("%s: want max abs error %v, have %v", name, test.maxAbs, v.maxAbs)
		}
		if (v.tight == nil) != (v.err == nil) {
			t.Errorf("%s: without suggested bounds the verdicts differ: %v, %v", name, v.err, v.tight)
		}
	}
}

func TestJudgeSuggest(t *testing.T) {
	for _, test := range []struct {
		entry     string
		got       float64
		ok, tight bool
	}{
		{`{"check": "allclose", "rtol": 0, "atol": 0.5, "suggest": {"rtol": 0, "atol": 0.1}}`, 1.0625, true, true},
		{`{"check": "allclose", "rtol": 0, "atol": 0.5, "suggest": {"rtol": 0, "atol": 0.1}}`, 1.25, true, false},
		{`{"check": "allclose", "rtol": 0, "atol": 0.5, "suggest": {"rtol": 0, "atol": 0.1}}`, 2, false, false},
		{`{"check": "allclose", "rtol": 0, "atol": 0.01, "suggest": {"rtol": 0.1, "atol": 0}}`, 1.0625, false, true},
		{`{"check": "allclose", "rtol": 0, "atol": 1, "shape_check": "exact", "suggest": {"rtol": 0, "atol": 1}}`, 1, false, false},
	} {
		want := vector(1)
		if strings.Contains(test.entry, "exact") {
			want = array([]int{1, 1}, 1)
		}
		v := output(t, test.entry).judge(want, vector(test.got))
		if (v.err == nil) != test.ok || (v.tight == nil) != test.tight {
			t.Errorf("%s: have %v: want ok %t and tight %t, have %v and %v", test.entry, test.got, test.ok, test.tight, v.err, v.tight)
		}
	}
}

func TestCompareShape(t *testing.T) {
	for _, test := range []struct {
		entry     string
		want, got []int
		ok        bool
	}{
		{`"shape_check": "exact"`, []int{2, 3}, []int{2, 3}, true},
		{`"shape_check": "exact"`, []int{2, 3}, []int{3, 2}, false},
		{`"shape_check": "exact"`, []int{2, 3}, []int{1, 2, 3}, false},
		{`"shape_check": "exact"`, nil, nil, true},
		{`"shape_check": "exact"`, nil, []int{1}, true}, // a rank-0 value may come back as [1]
		{`"shape_check": "exact"`, nil, []int{1, 1}, false},
		{`"shape_check": "exact"`, []int{1}, nil, false},
		{`"shape_check": "exact"`, []int{0, 3}, []int{0, 4}, false},
		{`"shape_check": "exact", "expected_shape": [1, 3]`, []int{3}, []int{1, 3}, true},
		{`"shape_check": "exact", "expected_shape": [1, 3]`, []int{3}, []int{3}, false},
		{`"shape_check": "exact", "expected_shape": [1]`, nil, []int{1}, true},
		{`"shape_check": "squeeze"`, []int{2, 1, 3}, []int{1, 2, 3, 1}, true},
		{`"shape_check": "squeeze"`, []int{2, 3}, []int{3, 2}, false},
		{`"shape_check": "squeeze"`, []int{1, 1}, nil, true},
		{`"shape_check": "squeeze", "expected_shape": [3, 2]`, []int{2, 3}, []int{1, 3, 2}, true},
		{`"shape_check": "size"`, []int{2, 3}, []int{6, 1}, true},
		{`"shape_check": "size"`, []int{2, 3}, []int{5}, false},
		{`"shape_check": "broadcast"`, []int{2, 3}, []int{1}, true},
		{``, []int{2, 3}, []int{7}, true},
		{`"shape_check": "exact", "view": "flatten"`, []int{2, 3}, []int{3, 2}, true},
		{`"shape_check": "exact", "view": "flatten"`, []int{2, 3}, []int{5}, false},
		{`"shape_check": "exact", "view": "squeeze"`, []int{2, 3}, []int{2, 1, 3}, true},
		{`"shape_check": "exact", "view": "squeeze"`, []int{2, 3}, []int{3, 2}, false},
		{`"shape_check": "exact", "view": ["reshape", [6]]`, []int{6}, []int{3, 2}, true},
		{`"shape_check": "exact", "view": null`, []int{6}, []int{3, 2}, false},
	} {
		text := `{"check": "equal"}`
		if test.entry != "" {
			text = `{"check": "equal", ` + test.entry + `}`
		}
		if err := output(t, text).compareShape(test.want, test.got); (err == nil) != test.ok {
			t.Errorf("%s: want %v, got %v: %v", text, test.want, test.got, err)
		}
	}
}

func TestBroadcast(t *testing.T) {
	const e = `{"check": "equal", "shape_check": "broadcast"}`
	for _, test := range []struct {
		want, got Value
		err       string
	}{
		{array([]int{2, 3}, 1, 1, 1, 1, 1, 1), vector(1), ""},
		{array([]int{2, 3}, 1, 1, 1, 1, 1, 2), vector(1), "the worst at [1 2]: want 2, have 1"},
		{Float(4), array([]int{2, 1}, 4, 4), ""},
		{array([]int{2, 3}, 1, 2, 3, 1, 2, 3), vector(1, 2, 3), ""},
		{array([]int{2, 3}, 1, 1, 1, 2, 2, 2), array([]int{2, 1}, 1, 2), ""},
		{array([]int{2, 1}, 1, 2), array([]int{2, 2, 3}, 1, 1, 1, 2, 2, 2, 1, 1, 1, 2, 2, 2), ""},
		{array([]int{2, 1}, 1, 2), array([]int{1, 3}, 1, 1, 1), "the worst at [1 0]: want 2, have 1"},
		{array([]int{2, 3}, 1, 2, 3, 1, 2, 3), vector(1, 2), "want values that can be compared with shape 2×3, have 2"},
		{vector(), vector(1), ""},
		{array([]int{2, 3}, 1, 2, 3, 4, 5, 6), array([]int{3, 2}, 1, 2, 3, 4, 5, 6), ""}, // as many values: in their order
		{array([]int{1 << 13, 1}, make([]float64, 1<<13)...), array([]int{1, 1 << 12}, make([]float64, 1<<12)...), "want values that can be compared"},
	} {
		v := output(t, e).judge(test.want, test.got)
		if test.err == "" && v.err != nil || test.err != "" && (v.err == nil || !strings.Contains(v.err.Error(), test.err)) {
			t.Errorf("%v against %v: want the error %q, have %v", shapeOf(test.want), shapeOf(test.got), test.err, v.err)
		}
	}
}
