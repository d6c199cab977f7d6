package coreml

import (
	"math"
	"testing"
)

func TestGathers(t *testing.T) {
	x := array(dims{2, 3}, 1, 2, 3, 4, 5, 6)
	zeros := array(dims{3}, 0, 0, 0)
	scatter := func(mode string, want ...float32) layerCase {
		return layerCase{
			mode, "scatter { mode: SCATTER_" + mode + " }",
			arrays(array(dims{3}, 8, 8, 8), array(dims{3}, 0, 0, -1), array(dims{3}, 2, 4, 1)), arrays(array(dims{3}, want...)), "",
		}
	}
	checkShapes(t, []layerCase{
		{"gather", "gather { axis: 1 }", arrays(x, array(dims{2}, 2, -3)), arrays(array(dims{2, 2}, 3, 1, 6, 4)), ""},
		{"gather a matrix", "gather {}", arrays(array(dims{2}, 7, 8), array(dims{1, 3}, 1, 0, 1)), arrays(array(dims{1, 3}, 8, 7, 8)), ""},
		{"gather a number", "gather { axis: -1 }", arrays(array(dims{2}, 7, 8), array(dims{}, 1)), arrays(array(dims{}, 8)), ""},
		{"gather points", "gatherND {}", arrays(x, array(dims{2, 2}, 0, 2, 1, 0)), arrays(array(dims{2}, 3, 4)), ""},
		{"gather along", "gatherAlongAxis { axis: -1 }", arrays(x, array(dims{2, 1}, 2, 0)), arrays(array(dims{2, 1}, 3, 4)), ""},
		scatter("UPDATE", 4, 8, 1),
		scatter("ADD", 14, 8, 9),
		scatter("SUB", 2, 8, 7),
		scatter("MUL", 64, 8, 8),
		scatter("DIV", 1, 8, 8),
		scatter("MAX", 8, 8, 8),
		scatter("MIN", 2, 8, 1),
		{
			"scatter columns", "scatter { axis: 1 mode: SCATTER_ADD }", arrays(x, array(dims{1}, 1), array(dims{2, 1}, 10, 20)),
			arrays(array(dims{2, 3}, 1, 12, 3, 4, 25, 6)), "",
		},
		{
			"scatter points", "scatterND { mode: SCATTER_SUB }", arrays(x, array(dims{1, 2}, 1, 2), array(dims{1}, 6)),
			arrays(array(dims{2, 3}, 1, 2, 3, 4, 5, 0)), "",
		},
		{
			"scatter along", "scatterAlongAxis { axis: 1 }", arrays(x, array(dims{2, 1}, 0, 2), array(dims{2, 1}, 9, 9)),
			arrays(array(dims{2, 3}, 9, 2, 3, 4, 5, 9)), "",
		},
		{"reverse", "reverse { reverseDim: [false, true] }", arrays(x), arrays(array(dims{2, 3}, 3, 2, 1, 6, 5, 4)), ""},
		{"reverse nothing", "reverse { reverseDim: [false, false] }", arrays(x), arrays(x), ""},
		{"reverse some", "reverseSeq { batchAxis: 0 sequenceAxis: 1 }", arrays(x, array(dims{2}, 2, 0)), arrays(array(dims{2, 3}, 2, 1, 3, 4, 5, 6)), ""},
	})
	checkLayers(t, []layerCase{
		{"axis", "gather { axis: 2 }", arrays(x, zeros), nil, "axis 2"},
		{"index", "gather {}", arrays(x, array(dims{1}, 2)), nil, "index 2"},
		{"index from the end", "gather {}", arrays(x, array(dims{1}, -3)), nil, "index -3"},
		{"no number", "gather {}", arrays(x, array(dims{1}, float32(math.NaN()))), arrays(array(dims{1, 3}, 1, 2, 3)), ""},
		{"one input", "gatherND {}", arrays(x), nil, "have 1"},
		{"points of more axes", "gatherND {}", arrays(x, array(dims{1, 3}, 0, 0, 0)), nil, "gather_nd"},
		{"ranks", "gatherAlongAxis {}", arrays(x, zeros), nil, "gather_along_axis"},
		{"unknown mode", "scatter { mode: 7 }", arrays(zeros, zeros, zeros), nil, "unknown mode"},
		{"updates", "scatter {}", arrays(zeros, zeros, x), nil, "updates"},
		{"two inputs", "scatterND {}", arrays(x, zeros), nil, "have 2"},
		{"flags", "reverse { reverseDim: true }", arrays(x), nil, "1 flags"},
		{"lengths", "reverseSeq { sequenceAxis: 1 }", arrays(x, zeros), nil, "lengths"},
		{"length", "reverseSeq { sequenceAxis: 1 }", arrays(x, array(dims{2}, 4, 0)), nil, "4"},
		{"one input to reverse", "reverseSeq {}", arrays(x), nil, "have 1"},
	})
}

func TestSuppression(t *testing.T) {
	boxes, scores := array(dims{1, 3, 4}, 0, 0, 4, 4, 1, 0, 4, 4, 9, 9, 2, 2), array(dims{1, 3, 1}, 0.5, 0.9, 0.7)
	two := arrays(array(dims{1, 2, 4}, 1, 0, 4, 4, 9, 9, 2, 2), array(dims{1, 2, 1}, 0.9, 0.7), array(dims{1, 2}, 1, 2), array(dims{1}, 2))
	one := arrays(array(dims{1, 2, 4}, 1, 0, 4, 4, 0, 0, 0, 0), array(dims{1, 2, 1}, 0.9, 0), array(dims{1, 2}, 1, -1), array(dims{1}, 1))
	checkShapes(t, []layerCase{
		{"params", "NonMaximumSuppression { iouThreshold: 0.5 scoreThreshold: 0.1 maxBoxes: 2 }", arrays(boxes, scores), two, ""},
		{
			"inputs", "NonMaximumSuppression {}",
			arrays(boxes, scores, array(dims{1}, 0.5), array(dims{1}, 0.8), array(dims{1}, 2)), one, "",
		},
		{
			"by class", "NonMaximumSuppression { maxBoxes: 2 perClassSuppression: true }", arrays(boxes, array(dims{1, 3, 2}, 0.8, 0, 0, 0.9, 0, 0)),
			arrays(array(dims{1, 2, 4}, 1, 0, 4, 4, 0, 0, 4, 4), array(dims{1, 2, 2}, 0, 0.9, 0.8, 0), array(dims{1, 2}, 1, 0), array(dims{1}, 2)), "",
		},
	})
	checkLayers(t, []layerCase{
		{"one input", "NonMaximumSuppression {}", arrays(boxes), nil, "have 1"},
		{"ranks", "NonMaximumSuppression {}", arrays(boxes, array(dims{3}, 1, 2, 3)), nil, "scores"},
		{"far too many", "NonMaximumSuppression { maxBoxes: 18446744073709551615 }", arrays(boxes, scores), nil, "elements"},
		{"two thresholds", "NonMaximumSuppression {}", arrays(boxes, scores, array(dims{2}, 1, 2)), nil, "one number"},
	})
}
