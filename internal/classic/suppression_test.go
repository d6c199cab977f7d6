package classic

import (
	"math"
	"testing"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/tensor"
)

func TestNonMaximumSuppression(t *testing.T) {
	const names = `confidenceInputFeatureName: "c" coordinatesInputFeatureName: "b" confidenceOutputFeatureName: "oc" coordinatesOutputFeatureName: "ob" `
	const limits = ` iouThresholdInputFeatureName: "iou" confidenceThresholdInputFeatureName: "least" `
	model := func(parameters, outputs string) string {
		return described("nonMaximumSuppression { "+names+parameters+"}",
			"in c "+array(4, 2), "in b "+array(4, 4), "in iou "+number, "in least "+number, "out oc multiArrayType { "+outputs+" }", "out ob multiArrayType {}")
	}
	// Squares of side 4: the second lies 1 to the right of the first (overlap
	// 12/20), the third 3 to the right (4/28), the fourth is the first again.
	conf := matrixOf(2, 0.1, 0.6, 0.9, 0, 0.3, 0.2, 0.05, 0.04)
	boxes := matrixOf(4, 2, 2, 4, 4, 3, 2, 4, 4, 5, 2, 4, 4, 2, 2, 4, 4)
	in := func(more ...any) Features {
		f := Features{"c": conf, "b": boxes}
		for i := 0; i < len(more); i += 2 {
			f[more[i].(string)] = more[i+1]
		}
		return f
	}
	rows := func(which ...int) Features {
		return Features{"oc": gather(conf.Float64s(), which, len(which), 2), "ob": gather(boxes.Float64s(), which, len(which), 4)}
	}
	padded := func(n int, which ...int) Features {
		return Features{"oc": gather(conf.Float64s(), which, n, 2), "ob": gather(boxes.Float64s(), which, n, 4)}
	}
	front := Features{"c": conf.Reshape([]int{1, 1, 4, 2}), "b": boxes.Reshape([]int{1, 4, 4})}
	check(t, []modelCase{
		{name: "the best first", model: model("iouThreshold: 1", ""), in: in(), want: rows(1, 0, 2, 3)},
		{name: "half", model: model("iouThreshold: 0.5 confidenceThreshold: 0.1", ""), in: in(), want: rows(1, 2)},
		{name: "a little", model: model("iouThreshold: 0.1", ""), in: in(), want: rows(1)},
		{name: "by class", model: model("pickTop { perClass: true } iouThreshold: 0.5", ""), in: in(), want: rows(1, 0, 2)},
		{name: "confident", model: model("iouThreshold: 1 confidenceThreshold: 0.3", ""), in: in(), want: rows(1, 0, 2)},
		{name: "none", model: model("confidenceThreshold: 1.5", ""), in: in(), want: rows()},
		{name: "limits as inputs", model: model("iouThreshold: 0.1 confidenceThreshold: 1"+limits, ""), in: in("iou", 1.0, "least", 0.5), want: rows(1, 0)},
		{name: "limits left out", model: model("iouThreshold: 1 confidenceThreshold: 0.5"+limits, ""), in: in(), want: rows(1, 0)},
		{name: "fixed rows", model: model("iouThreshold: 0.5 confidenceThreshold: 0.1", "shape: [3, 2]"), in: in(), want: padded(3, 1, 2)},
		{name: "fewer rows", model: model("iouThreshold: 1", "shape: [2, 2]"), in: in(), want: rows(1, 0)},
		{name: "a range of rows", model: model("iouThreshold: 1 confidenceThreshold: 0.5", "shapeRange { sizeRanges { lowerBound: 3 upperBound: 3 } sizeRanges { lowerBound: 2 upperBound: 2 } }"), in: in(), want: padded(3, 1, 0)},
		{name: "any number of rows", model: model("iouThreshold: 1", "shapeRange { sizeRanges { upperBound: -1 } sizeRanges { lowerBound: 2 upperBound: 2 } }"), in: in(), want: rows(1, 0, 2, 3)},
		{name: "dimensions in front", model: model("iouThreshold: 1", ""), in: front, want: rows(1, 0, 2, 3)},
		{name: "no classes", model: model("", ""), in: Features{"c": tensor.Zeros(tensor.Float64, []int{2, 0}), "b": matrixOf(4, make([]float64, 8)...)}, want: Features{"oc": tensor.Zeros(tensor.Float64, []int{0, 0}), "ob": tensor.Zeros(tensor.Float64, []int{0, 4})}},
		{name: "too many rows", model: model("", "shape: [99999999, 2]"), err: "rows", kind: fault.Limit},
		{name: "no output", model: described("nonMaximumSuppression { " + names + "}"), err: `"oc" is no output`, kind: fault.Corrupt},
		{name: "three coordinates", model: model("", ""), in: Features{"c": conf, "b": matrixOf(3, make([]float64, 12)...)}, err: "want 4×4 values", kind: fault.BadShape},
		{name: "fewer boxes", model: model("", ""), in: Features{"c": conf, "b": matrixOf(4, make([]float64, 12)...)}, err: "have 3×4"},
		{name: "a vector", model: model("", ""), in: Features{"c": vec(1, 2), "b": boxes}, err: `input "c": want two dimensions`},
		{name: "missing", model: model("", ""), in: Features{"c": conf}, err: `input "b": is missing`},
		{name: "two limits", model: model(limits, ""), in: in("iou", vec(1, 2)), err: `input "iou": want 1 values, have 2`},
	})
}

func TestOverlap(t *testing.T) {
	unit := []float64{0, 0, 2, 2}
	for _, c := range []struct {
		b    []float64
		want float64
	}{
		{unit, 1},
		{[]float64{1, 1, 2, 2}, 1. / 7},
		{[]float64{2, 0, 2, 2}, 0}, // side by side
		{[]float64{9, 9, 2, 2}, 0},
		{[]float64{0, 0, 1, 1}, 0.25},
		{[]float64{0, 0, 0, 0}, 0},
		{[]float64{math.NaN(), 0, 1, 1}, 0},
	} {
		if got := overlap(unit, c.b); !near(got, c.want) {
			t.Errorf("%v and %v overlap by %v, want %v", unit, c.b, got, c.want)
		}
	}
}

// TestManyBoxes: more comparisons than somebody would wait for are refused.
func TestManyBoxes(t *testing.T) {
	const n = 100
	conf, boxes := make([]float64, n), make([]float64, 4*n)
	p := suppression{most: -1, pairs: n * (n - 1) / 2}
	if kept, err := p.pick(conf, boxes, n, 1); len(kept) != n || err != nil {
		t.Errorf("%d boxes, %v, want all %d", len(kept), err, n)
	}
	p.pairs--
	if _, err := p.pick(conf, boxes, n, 1); fault.KindOf(err) != fault.Limit {
		t.Errorf("error %v, want a limit", err)
	}
}
