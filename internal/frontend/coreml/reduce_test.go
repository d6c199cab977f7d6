package coreml

import "testing"

func TestReductions(t *testing.T) {
	x := array(dims{2, 3}, 1, 2, 3, 4, 5, 6)
	along := func(kind string, want ...float32) layerCase {
		return layerCase{kind, kind + " { axes: -1 }", arrays(x), arrays(array(dims{2}, want...)), ""}
	}
	cube := array(dims{2, 2, 2}, 1, 2, 3, 4, 5, 6, 7, 8)
	old := func(params string, shape dims, want ...float32) layerCase {
		return layerCase{params, "reduce { " + params + " }", arrays(cube), arrays(array(shape, want...)), ""}
	}
	checkShapes(t, []layerCase{
		along("reduceL1", 6, 15),
		along("reduceL2", 3.7416574, 8.7749644),
		along("reduceLogSum", 1.7917595, 2.7080502),
		along("reduceLogSumExp", 3.407606, 6.407606),
		along("reduceMax", 3, 6),
		along("reduceMean", 2, 5),
		along("reduceMin", 1, 4),
		along("reduceProd", 6, 120),
		along("reduceSum", 6, 15),
		along("reduceSumSquare", 14, 77),
		{"kept", "reduceSum { axes: 0 keepDims: true }", arrays(x), arrays(array(dims{1, 3}, 5, 7, 9)), ""},
		{"all kept", "reduceSum { axes: 0 reduceAll: true keepDims: true }", arrays(x), arrays(array(dims{1, 1}, 21)), ""},
		{"no axes", "reduceSum { keepDims: true }", arrays(x), arrays(array(dims{1, 1}, 21)), ""},
		{"several axes", "reduceMax { axes: [2, -3] }", arrays(cube), arrays(array(dims{2}, 6, 8)), ""},

		old("mode: SUM axis: CHW", dims{1, 1, 1}, 36),
		old("mode: AVG axis: HW", dims{2, 1, 1}, 2.5, 6.5),
		old("mode: PROD axis: C", dims{1, 2, 2}, 5, 12, 21, 32),
		old("mode: LOGSUM axis: HW", dims{2, 1, 1}, 3.1780559, 7.4265497),
		old("mode: LOGSUM axis: W epsilon: 1", dims{2, 2, 1}, 1.7917595, 2.9957323, 3.7376696, 4.2766661),
		old("mode: SUMSQUARE axis: H", dims{2, 1, 2}, 10, 20, 74, 100),
		old("mode: L1 axis: W", dims{2, 2, 1}, 3, 7, 11, 15),
		old("mode: L2 axis: W", dims{2, 2, 1}, 2.236068, 5, 7.8102497, 10.630146),
		old("mode: MAX axis: C", dims{1, 2, 2}, 5, 6, 7, 8),
		old("mode: MIN axis: H", dims{2, 1, 2}, 1, 2, 5, 6),
		old("mode: ARGMAX axis: C", dims{1, 2, 2}, 1, 1, 1, 1),

		{"arg max", "argMax { axis: 1 }", arrays(array(dims{2, 3}, 1, 3, 3, 9, 5, 6)), arrays(array(dims{2, 1}, 1, 0)), ""},
		{"arg min removed", "argMin { axis: -1 removeDim: true }", arrays(x), arrays(array(dims{2}, 0, 0)), ""},
		{"arg sort", "argSort { axis: 0 }", arrays(array(dims{4}, 3, 1, 2, 1)), arrays(array(dims{4}, 1, 3, 2, 0)), ""},
		{"arg sort descending", "argSort { axis: -1 descending: true }", arrays(array(dims{4}, 3, 1, 2, 1)), arrays(array(dims{4}, 0, 2, 1, 3)), ""},
	})
	checkLayers(t, []layerCase{
		{"axis", "reduceSum { axes: 2 }", arrays(x), nil, "axis 2"},
		{"far axis", "reduceSum { axes: -9223372036854775808 }", arrays(x), nil, "axis"},
		{"axis twice", "reduceSum { axes: [1, -1] }", arrays(x), nil, "twice"},
		{"two inputs", "reduceSum {}", arrays(x, x), nil, "have 2"},
		{"axis of the old layer", "reduce { axis: 9 }", arrays(cube), nil, "unknown axes"},
		{"mode of the old layer", "reduce { mode: 11 }", arrays(cube), nil, "unknown mode"},
		{"rank for the old layer", "reduce {}", arrays(x), nil, "axis -3"},
		{"places along two axes", "reduce { mode: ARGMAX axis: HW }", arrays(cube), nil, "want one"},
		{"axis of a place", "argMax { axis: 2 }", arrays(x), nil, "axis 2"},
		{"axis of an order", "argSort { axis: 2 }", arrays(x), nil, "axis 2"},
	})
}

func TestTopK(t *testing.T) {
	x := array(dims{2, 4}, 3, 1, 4, 1, 5, 9, 2, 6)
	k := func(v float32) layerCase {
		return layerCase{in: arrays(x, array(dims{1}, v))}
	}
	checkShapes(t, []layerCase{
		{
			"greatest", "topK { axis: -1 K: 2 }", arrays(x),
			arrays(array(dims{2, 2}, 4, 3, 9, 6), array(dims{2, 2}, 2, 0, 1, 3)), "",
		},
		{
			"least", "topK { axis: 1 K: 3 useBottomK: true }", arrays(x),
			arrays(array(dims{2, 3}, 1, 1, 3, 2, 5, 6), array(dims{2, 3}, 1, 3, 0, 2, 0, 3)), "",
		},
		{
			"as many as an input says", "topK { axis: 1 K: 7 }", k(2).in,
			arrays(array(dims{2, 2}, 4, 3, 9, 6), array(dims{2, 2}, 2, 0, 1, 3)), "",
		},
		{
			"of columns", "topK { axis: -2 useBottomK: true }", k(1).in,
			arrays(array(dims{1, 4}, 3, 1, 2, 1), array(dims{1, 4}, 0, 0, 1, 0)), "",
		},
		{
			"none", "topK { axis: 1 }", arrays(x), arrays(array(dims{2, 0}), array(dims{2, 0})), "",
		},
	})
	checkLayers(t, []layerCase{
		{"too many", "topK { axis: 1 K: 5 }", arrays(x), nil, "the first 5"},
		{"huge", "topK { axis: 1 K: 18446744073709551615 }", arrays(x), nil, "the first 2147483647"},
		{"axis", "topK { axis: 2 K: 1 }", arrays(x), nil, "axis 2"},
		{"axis with an input", "topK { axis: 2 }", k(1).in, nil, "axis 2"},
		{"more than there are", "topK { axis: 1 }", k(5).in, nil, "5"},
		{"less than none", "topK { axis: 1 }", k(-2).in, nil, "-2"},
		{"two numbers", "topK {}", arrays(x, array(dims{2}, 1, 1)), nil, "reshape"},
		{"three inputs", "topK {}", arrays(x, x, x), nil, "have 3"},
	})
}

func TestCumSum(t *testing.T) {
	x := array(dims{2, 3}, 1, 2, 3, 4, 5, 6)
	checkShapes(t, []layerCase{
		{"rows", "cumSum { axis: 1 }", arrays(x), arrays(array(dims{2, 3}, 1, 3, 6, 4, 9, 15)), ""},
		{"columns", "cumSum { axis: -2 }", arrays(x), arrays(array(dims{2, 3}, 1, 2, 3, 5, 7, 9)), ""},
		{"exclusive", "cumSum { axis: 1 excludeFinalSum: true }", arrays(x), arrays(array(dims{2, 3}, 0, 1, 3, 0, 4, 9)), ""},
		{"reverse", "cumSum { axis: 1 reverse: true }", arrays(x), arrays(array(dims{2, 3}, 6, 5, 3, 15, 11, 6)), ""},
		{"both", "cumSum { axis: 1 reverse: true excludeFinalSum: true }", arrays(x), arrays(array(dims{2, 3}, 5, 3, 0, 11, 6, 0)), ""},
		{"given axis", "cumSum {}", arrays(x, array(dims{1}, 1)), arrays(array(dims{2, 3}, 1, 3, 6, 4, 9, 15)), ""},
		{"given last axis", "cumSum {}", arrays(x, array(dims{1}, -1)), arrays(array(dims{2, 3}, 1, 3, 6, 4, 9, 15)), ""},
		{"given first axis", "cumSum { axis: 1 }", arrays(x, array(dims{1}, -2)), arrays(array(dims{2, 3}, 1, 2, 3, 5, 7, 9)), ""},
	})
	checkLayers(t, []layerCase{
		{"axis", "cumSum { axis: 2 }", arrays(x), nil, "axis 2"},
		{"no input", "cumSum {}", nil, nil, "have 0"},
		{"given axis that is not there", "cumSum {}", arrays(x, array(dims{1}, 2)), nil, "index 2"},
		{"two axes", "cumSum {}", arrays(x, array(dims{2}, 0, 1)), nil, "reshape"},
	})
}

// TestNumbers gives layers with axes what a squeeze may have left of a list.
func TestNumbers(t *testing.T) {
	five := array(dims{}, 5)
	checkLayers(t, []layerCase{
		{"sum", "reduceSum { axes: 0 }", arrays(five), arrays(five), ""},
		{"greatest", "argMax { axis: -1 }", arrays(five), arrays(array(dims{1}, 0)), ""},
		{"order", "argSort {}", arrays(five), arrays(array(dims{1}, 0)), ""},
		{"top", "topK { K: 1 }", arrays(five), arrays(array(dims{1}, 5), array(dims{1}, 0)), ""},
		{"top of a given number", "topK {}", arrays(five, array(dims{}, 1)), arrays(array(dims{1}, 5), array(dims{1}, 0)), ""},
		{"running sum", "cumSum {}", arrays(five), arrays(array(dims{1}, 5)), ""},
		{"running sum along a given axis", "cumSum {}", arrays(five, array(dims{}, 0)), arrays(array(dims{1}, 5)), ""},
		{"softmax", "softmaxND { axis: -1 }", arrays(five), arrays(array(dims{1}, 1)), ""},
		{"not zero", "whereNonZero {}", arrays(five), arrays(array(dims{1, 1}, 0)), ""},
		{"fill", "fillDynamic { value: 2 }", arrays(array(dims{}, 1)), arrays(array(dims{1}, 2)), ""},
		{"range", "rangeDynamic { stepSizeValue: 4 }", arrays(five), arrays(array(dims{2}, 0, 4)), ""},
		{"where", "whereBroadcastable {}", arrays(five, five, array(dims{2}, 1, 2)), arrays(array(dims{2}, 5, 5)), ""},
		{"one hot", "oneHot { oneHotVectorSize: 2 onValue: 1 }", arrays(array(dims{}, 1)), arrays(array(dims{2}, 0, 1)), ""},
	})
}
