package coreml

import "testing"

func TestShapes(t *testing.T) {
	x := array(dims{2, 3}, 1, 2, 3, 4, 5, 6)
	picture := array(dims{1, 2, 1, 2}, 1, 2, 3, 4) // channels 1 2 and 3 4
	ones := array(dims{1, 1, 2, 1}, 1, 2)
	pair := array(dims{2, 2, 1, 1, 1}, 1, 2, 3, 4) // a sequence of 2, 2 pictures each
	checkShapes(t, []layerCase{
		{"flatten", "flatten {}", arrays(picture), arrays(array(dims{1, 4, 1, 1}, 1, 2, 3, 4)), ""},
		{"flatten, channels last", "flatten { mode: CHANNEL_LAST }", arrays(picture), arrays(array(dims{1, 4, 1, 1}, 1, 3, 2, 4)), ""},
		{"reshape", "reshape { targetShape: [1, 2, 2] }", arrays(picture), arrays(array(dims{1, 1, 2, 2}, 1, 2, 3, 4)), ""},
		{
			// Two channels of 1×2 are 1 3 | 2 4 by pixels; these become pixels of one channel.
			"reshape, channels last", "reshape { targetShape: [1, 2, 2] mode: CHANNEL_LAST }", arrays(picture),
			arrays(array(dims{1, 1, 2, 2}, 1, 3, 2, 4)), "",
		},
		{
			"reshape a sequence", "reshape { targetShape: [1, 2, 1, 1] }", arrays(array(dims{2, 1, 1, 1, 1}, 7, 8)),
			arrays(array(dims{1, 1, 2, 1, 1}, 7, 8)), "",
		},
		{
			"reshape sequences", "reshape { targetShape: [1, 2, 1, 1] }", arrays(pair),
			arrays(array(dims{1, 2, 2, 1, 1}, 1, 3, 2, 4)), "",
		},
		{
			"reshape no sequence", "reshape { targetShape: [2, 1, 1, 1] }", arrays(pair),
			arrays(array(dims{2, 2, 1, 1, 1}, 1, 2, 3, 4)), "",
		},
		{"static", "reshapeStatic { targetShape: [3, -1] }", arrays(x), arrays(array(dims{3, 2}, 1, 2, 3, 4, 5, 6)), ""},
		{"dynamic", "reshapeDynamic {}", arrays(x, array(dims{2}, 1, -1)), arrays(array(dims{1, 6}, 1, 2, 3, 4, 5, 6)), ""},
		{"like", "reshapeLike {}", arrays(x, array(dims{3, 1, 2}, 0, 0, 0, 0, 0, 0)), arrays(array(dims{3, 1, 2}, 1, 2, 3, 4, 5, 6)), ""},
		{"kept rank", "rankPreservingReshape { targetShape: [-1, 0] }", arrays(x), arrays(x), ""},
		{"kept rank, moved", "rankPreservingReshape { targetShape: [6, 1] }", arrays(x), arrays(array(dims{6, 1}, 1, 2, 3, 4, 5, 6)), ""},
		{"matrix", "flattenTo2D { axis: -1 }", arrays(ones), arrays(array(dims{2, 1}, 1, 2)), ""},
		{"matrix of a vector", "flattenTo2D { axis: 1 }", arrays(array(dims{2}, 1, 2)), arrays(array(dims{2, 1}, 1, 2)), ""},
		{"matrix of one row", "flattenTo2D {}", arrays(x), arrays(array(dims{1, 6}, 1, 2, 3, 4, 5, 6)), ""},
		{"sizes", "getShape {}", arrays(x), arrays(array(dims{2}, 2, 3)), ""},
		{"squeeze", "squeeze { axes: [0, -1] }", arrays(ones), arrays(array(dims{1, 2}, 1, 2)), ""},
		{"squeeze to a number", "squeeze { axes: 0 }", arrays(array(dims{1}, 5)), arrays(array(dims{}, 5)), ""},
		{"expand", "expandDims { axes: [0, -1] }", arrays(x), arrays(array(dims{1, 2, 3, 1}, 1, 2, 3, 4, 5, 6)), ""},
		{
			"permute", "permute { axis: [1, 0, 3, 2] }", arrays(array(dims{2, 1, 3, 1, 1}, 1, 2, 3, 4, 5, 6)),
			arrays(array(dims{3, 1, 2, 1, 1}, 1, 4, 2, 5, 3, 6)), "",
		},
		{"permute nothing", "permute {}", arrays(pair), arrays(pair), ""},
		{"transpose", "transpose { axes: [1, 0] }", arrays(x), arrays(array(dims{3, 2}, 1, 4, 2, 5, 3, 6)), ""},
	})
	checkLayers(t, []layerCase{
		{"squeeze all", "squeeze { squeezeAll: true }", arrays(ones), arrays(array(dims{2}, 1, 2)), ""},
		{"a larger axis stays", "squeeze { axes: 0 }", arrays(x), arrays(x), ""},
		{"transpose of a picture", "transpose { axes: [1, 2, 0] }", arrays(picture), arrays(array(dims{1, 1, 2, 2}, 1, 3, 2, 4)), ""},
		{"flatten a vector", "flatten {}", arrays(array(dims{2}, 1, 2)), nil, "rank 3"},
		{"reshape to two sizes", "reshape { targetShape: [1, 2] }", arrays(picture), nil, "3 or 4 sizes"},
		{"reshape a picture to a sequence", "reshape { targetShape: [1, 2, 2, 1] }", arrays(picture), nil, "rank 5"},
		{"reshape to more", "reshape { targetShape: [5, 1, 1] }", arrays(picture), nil, "cannot take"},
		{"reshape to much more", "reshapeStatic { targetShape: 9223372036854775807 }", arrays(picture), nil, "cannot take"},
		{"change of rank", "rankPreservingReshape { targetShape: 6 }", arrays(x), nil, "1 sizes"},
		{"no axis", "flattenTo2D { axis: 3 }", arrays(x), nil, "axis 3"},
		{"far axis", "flattenTo2D { axis: -9223372036854775808 }", arrays(x), nil, "axis"},
		{"squeeze no axis", "squeeze { axes: 2 }", arrays(x), nil, "axis 2"},
		{"expand no axis", "expandDims { axes: 4 }", arrays(x), nil, "axis 4"},
		{"permute three", "permute { axis: [0, 1, 2] }", arrays(pair), nil, "4 axes"},
		{"permute twice", "permute { axis: [0, 1, 2, 2] }", arrays(pair), nil, "perm"},
		{"permute a picture", "permute { axis: [0, 1, 2, 3] }", arrays(picture), nil, "rank 5"},
		{"transpose of too few", "transpose { axes: 0 }", arrays(x), nil, "1 axes"},
		{"transpose of too many", "transpose { axes: [0, 1, 2] }", arrays(x), nil, "3 axes"},
		{"transpose to one axis", "transpose { axes: [1, 1] }", arrays(x), nil, "perm"},
		{"two inputs", "flatten {}", arrays(picture, picture), nil, "have 2"},
		{"one input", "reshapeLike {}", arrays(x), nil, "have 1"},
	})
}

func TestJoins(t *testing.T) {
	a, b := array(dims{1, 2}, 1, 2), array(dims{1, 2}, 3, 4)
	x := array(dims{3, 1, 2}, 1, 2, 3, 4, 5, 6)
	checkShapes(t, []layerCase{
		{"channels", "concat {}", arrays(x, x), arrays(array(dims{6, 1, 2}, 1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6)), ""},
		{
			"sequences", "concat { sequenceConcat: true }", arrays(array(dims{1, 1, 2, 1, 1}, 1, 2), array(dims{1, 1, 2, 1, 1}, 3, 4)),
			arrays(array(dims{2, 1, 2, 1, 1}, 1, 2, 3, 4)), "",
		},
		{"rows", "concatND { axis: 0 }", arrays(a, b), arrays(array(dims{2, 2}, 1, 2, 3, 4)), ""},
		{"columns in turn", "concatND { axis: -1 interleave: true }", arrays(a, b), arrays(array(dims{1, 4}, 1, 3, 2, 4)), ""},
		{"numbers", "concatND {}", arrays(array(dims{}, 1), array(dims{2}, 2, 3)), arrays(array(dims{3}, 1, 2, 3)), ""},
		{"stack", "stack { axis: -1 }", arrays(a, b), arrays(array(dims{1, 2, 2}, 1, 3, 2, 4)), ""},
		{
			"split", "split { nOutputs: 3 }", arrays(x),
			arrays(array(dims{1, 1, 2}, 1, 2), array(dims{1, 1, 2}, 3, 4), array(dims{1, 1, 2}, 5, 6)), "",
		},
		{"sizes", "splitND { splitSizes: [1, 2] }", arrays(x), arrays(array(dims{1, 1, 2}, 1, 2), array(dims{2, 1, 2}, 3, 4, 5, 6)), ""},
		{"uneven", "splitND { axis: -3 numSplits: 2 }", arrays(x), arrays(array(dims{2, 1, 2}, 1, 2, 3, 4), array(dims{1, 1, 2}, 5, 6)), ""},
		{"even", "splitND { axis: 2 numSplits: 2 }", arrays(x), arrays(array(dims{3, 1, 1}, 1, 3, 5), array(dims{3, 1, 1}, 2, 4, 6)), ""},
		{
			"repeat", "sequenceRepeat { nRepetitions: 2 }", arrays(array(dims{2, 1, 1, 1, 1}, 1, 2)),
			arrays(array(dims{4, 1, 1, 1, 1}, 1, 2, 1, 2)), "",
		},
		{"repeat once", "sequenceRepeat {}", arrays(array(dims{1, 1, 1, 1, 1}, 1)), arrays(array(dims{1, 1, 1, 1, 1}, 1)), ""},
		{"tile the last axis", "tile { reps: 2 }", arrays(a), arrays(array(dims{1, 4}, 1, 2, 1, 2)), ""},
		{"tile", "tile { reps: [2, 1] }", arrays(a), arrays(array(dims{2, 2}, 1, 2, 1, 2)), ""},
	})
	checkLayers(t, []layerCase{
		{"tile by an input", "tile {}", arrays(a, array(dims{1}, 2)), arrays(array(dims{1, 4}, 1, 2, 1, 2)), ""},
		{"vectors", "concat {}", arrays(a, b), nil, "rank 3"},
		{"pictures as sequences", "concat { sequenceConcat: true }", arrays(x, x), nil, "rank 5"},
		{"ranks", "concatND {}", arrays(a, x), nil, "concat"},
		{"shapes in turn", "concatND { interleave: true }", arrays(a, array(dims{2, 2}, 1, 2, 3, 4)), nil, "concat"},
		{"nothing", "concatND {}", nil, nil, "concat"},
		{"stack of shapes", "stack {}", arrays(a, x), nil, "stack"},
		{"parts and outputs", "split { nOutputs: 2 }", arrays(x), nil, "2 parts for 1 outputs"},
		{"no parts", "splitND {}", arrays(x), nil, "0 parts"},
		{"axis of parts", "splitND { axis: 3 numSplits: 1 }", arrays(x), nil, "axis 3"},
		{"far too many repetitions", "sequenceRepeat { nRepetitions: 18446744073709551615 }", arrays(array(dims{2, 1, 1, 1, 1}, 1, 2)), nil, "elements"},
		{"repeat a picture", "sequenceRepeat {}", arrays(x), nil, "rank 5"},
		{"tile of more axes", "tile { reps: [1, 1, 1] }", arrays(a), nil, "repetitions"},
		{"tile by a matrix", "tile {}", arrays(a, a), nil, "repetitions"},
	})
}
