package classic

import (
	"cmp"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/smelt-ml/smelt/fault"
)

// Samples on a line: a a b b b c.
const samples = `nearestNeighborsIndex { numberOfDimensions: 1
	floatSamples { vector: 0 } floatSamples { vector: 1 } floatSamples { vector: 3 } floatSamples { vector: 4 } floatSamples { vector: 9 } floatSamples { vector: 9.5 } }
	stringClassLabels { vector: ["a", "a", "b", "b", "b", "c"] } `

func knn(parameters string) string {
	return described("kNearestNeighborsClassifier { "+parameters+"}", "in x "+array(1), "label y "+text, "odds p "+byText)
}

func TestNearestNeighbors(t *testing.T) {
	const three, inverse = "numberOfNeighbors { defaultValue: 3 } ", "inverseDistanceWeighting {} "
	odds := func(a, b, c float64) map[string]float64 { return map[string]float64{"a": a, "b": b, "c": c} }
	check(t, []modelCase{
		{name: "three", model: knn(samples + three), in: Features{"x": vec(1.5)}, want: Features{"y": "a", "p": odds(2./3, 1./3, 0)}},
		{name: "one", model: knn(samples + "numberOfNeighbors { defaultValue: 1 }"), in: Features{"x": vec(100)}, want: Features{"y": "c", "p": odds(0, 0, 1)}},
		{name: "all", model: knn(samples + "numberOfNeighbors { defaultValue: 99 }"), in: Features{"x": vec(0)}, want: Features{"y": "b", "p": odds(2./6, 3./6, 1./6)}},
		{name: "equal votes", model: knn(samples + "numberOfNeighbors { defaultValue: 2 }"), in: Features{"x": vec(9.25)}, want: Features{"y": "b", "p": odds(0, 0.5, 0.5)}},
		{name: "equal distances", model: knn(samples + "numberOfNeighbors { defaultValue: 1 }"), in: Features{"x": vec(2)}, want: Features{"y": "a", "p": odds(1, 0, 0)}},
		{
			name: "by distance", model: knn(samples + three + inverse), in: Features{"x": vec(2.75)}, // 1 at 1.75, 3 at 0.25, 4 at 1.25
			want: Features{"y": "b", "p": odds((1/1.75)/(1/1.75+4+0.8), 4.8/(1/1.75+4.8), 0)},
		},
		{name: "at a sample", model: knn(samples + three + inverse), in: Features{"x": vec(1)}, want: Features{"y": "a", "p": odds(1, 0, 0)}},
		{name: "nowhere", model: knn(samples + three), in: Features{"x": vec(math.NaN())}, want: Features{"y": "a", "p": odds(2./3, 1./3, 0)}},
		{
			name:  "integers in their order",
			model: described("kNearestNeighborsClassifier { nearestNeighborsIndex { numberOfDimensions: 2 floatSamples { vector: [0, 0] } floatSamples { vector: [0, 2] } } int64ClassLabels { vector: [10, 9] } numberOfNeighbors { defaultValue: 2 } }", "in a "+number, "in b "+number, "label y "+integer),
			in:    Features{"a": 5.0, "b": 0.0}, want: Features{"y": int64(9)},
		},
		{
			name: "no samples", model: knn(`nearestNeighborsIndex { numberOfDimensions: 1 } defaultStringLabel: "?"`),
			in: Features{"x": vec(1)}, want: Features{"y": "?", "p": map[string]float64{"?": 1}},
		},
		{
			name:  "no samples, an integer",
			model: described("kNearestNeighborsClassifier { nearestNeighborsIndex { numberOfDimensions: 1 } defaultInt64Label: -1 }", "in x "+array(1), "label y "+integer),
			in:    Features{"x": vec(1)}, want: Features{"y": int64(-1)},
		},
		{name: "no samples, no default", model: knn("nearestNeighborsIndex { numberOfDimensions: 1 }"), err: "no default label", kind: fault.Corrupt},
		{name: "no dimensions", model: knn(""), err: "numberOfDimensions: is 0"},
		{name: "dimensions", model: knn("nearestNeighborsIndex { numberOfDimensions: 2 }"), err: "for 2 values, the inputs have 1"},
		{name: "sample", model: knn("nearestNeighborsIndex { numberOfDimensions: 1 floatSamples { vector: [1, 2] } }"), err: "floatSamples[0]: want 1 values, have 2", kind: fault.BadShape},
		{name: "labels", model: knn(`nearestNeighborsIndex { numberOfDimensions: 1 floatSamples { vector: 1 } } stringClassLabels { vector: ["a", "b"] }`), err: "want one for each of 1 samples, have 2"},
		{name: "neighbours", model: knn(samples + "numberOfNeighbors { defaultValue: -1 }"), err: "numberOfNeighbors: is -1"},
	})
}

// TestNearest holds the heap against sorting.
func TestNearest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		points := rapid.SliceOfN(rapid.IntRange(-9, 9), 1, 40).Draw(t, "points")
		n := &neighbors{width: 1, of: make([]int, len(points)), k: rapid.IntRange(1, len(points)).Draw(t, "k")}
		var all []neighbor
		for i, p := range points {
			n.samples = append(n.samples, float32(p))
			all = append(all, neighbor{i, float64(p * p)})
		}
		slices.SortStableFunc(all, func(a, b neighbor) int { return cmp.Compare(a.distance, b.distance) })
		got := slices.Clone(n.find([]float64{0}))
		slices.SortStableFunc(got, func(a, b neighbor) int {
			return cmp.Or(cmp.Compare(a.distance, b.distance), a.sample-b.sample)
		})
		if !slices.Equal(got, all[:n.k]) {
			t.Errorf("the nearest of %v are %v, want %v", points, got, all[:n.k])
		}
	})
}
