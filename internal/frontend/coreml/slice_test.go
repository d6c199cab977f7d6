package coreml

import "testing"

func TestSlices(t *testing.T) {
	x := array(dims{2, 3}, 1, 2, 3, 4, 5, 6)
	picture := array(dims{1, 3, 4}, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)
	cube := array(dims{3, 1, 2}, 1, 2, 3, 4, 5, 6)
	checkShapes(t, []layerCase{
		{"channels", "slice { startIndex: 1 endIndex: 3 stride: 1 axis: CHANNEL_AXIS }", arrays(cube), arrays(array(dims{2, 1, 2}, 3, 4, 5, 6)), ""},
		{"every other column", "slice { endIndex: 4 stride: 2 axis: WIDTH_AXIS }", arrays(array(dims{4}, 1, 2, 3, 4)), arrays(array(dims{2}, 1, 3)), ""},
		{"rows from the end", "slice { startIndex: -2 endIndex: -1 stride: 1 axis: HEIGHT_AXIS }", arrays(picture), arrays(array(dims{1, 1, 4}, 5, 6, 7, 8)), ""},
		{
			"static", "sliceStatic { beginIds: [9, 2] beginMasks: [true, false] endIds: [1, 9] endMasks: [false, true] strides: [1, 1] }",
			arrays(x), arrays(array(dims{1, 1}, 3)), "",
		},
		{
			"backwards", "sliceStatic { beginIds: [0, 9] beginMasks: [true, true] endIds: [9, 0] endMasks: [true, false] strides: [-1, -2] }",
			arrays(x), arrays(array(dims{2, 1}, 6, 3)), "",
		},
		{
			"one row", "sliceStatic { beginIds: [-1, 0] beginMasks: [false, true] endIds: [0, 0] endMasks: [false, true] strides: [1, 1] squeezeMasks: [true, false] }",
			arrays(x), arrays(array(dims{3}, 4, 5, 6)), "",
		},
		{"by size", "sliceBySize { size: 2 axis: -1 }", arrays(x, array(dims{1}, 1)), arrays(array(dims{2, 2}, 2, 3, 5, 6)), ""},
		{"windows", "slidingWindows { axis: -1 windowSize: 2 step: 1 }", arrays(array(dims{3}, 1, 2, 3)), arrays(array(dims{2, 2}, 1, 2, 2, 3)), ""},
		{
			"crop", "crop { cropAmounts { borderAmounts { startEdgeSize: 1 } borderAmounts { startEdgeSize: 1 endEdgeSize: 2 } } }",
			arrays(picture), arrays(array(dims{1, 2, 1}, 6, 10)), "",
		},
		{"crop nothing", "crop {}", arrays(picture), arrays(picture), ""},
		{"crop to another", "crop { offset: [1, 2] }", arrays(picture, array(dims{5, 2, 1}, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)), arrays(array(dims{1, 2, 1}, 7, 11)), ""},
	})
	begin, end := array(dims{2}, 0, 1), array(dims{2}, 2, 3)
	one, no := array(dims{2}, 1, 1), array(dims{2}, 0, 0)
	checkShapes(t, []layerCase{
		{"two inputs", "sliceDynamic { endIds: [1, 3] strides: [1, 1] }", arrays(x, begin), arrays(array(dims{1, 2}, 2, 3)), ""},
		{"no strides", "sliceDynamic {}", arrays(x, begin, end), arrays(array(dims{2, 2}, 2, 3, 5, 6)), ""},
		{"lists for five axes", "sliceDynamic { endIds: [1, 3, 1, 1, 1] strides: [1, 1, 1, 1, 1] }", arrays(x, begin), arrays(array(dims{1, 2}, 2, 3)), ""},
		{"strides", "sliceDynamic {}", arrays(x, begin, end, array(dims{2}, 2, 2)), arrays(array(dims{1, 1}, 2)), ""},
		{
			"masks", "sliceDynamic {}", arrays(x, begin, no, one, array(dims{2}, 0, 1), one, array(dims{2}, 0, 0)),
			arrays(x), "",
		},
		{
			"a number", "sliceDynamic { endMasks: [false, false] squeezeMasks: [true, true] }", arrays(x, begin, end),
			arrays(array(dims{}, 2)), "",
		},
		{"squeezed", "sliceDynamic {}", arrays(x, begin, end, one, no, no, array(dims{2}, 1, 0)), arrays(array(dims{2}, 2, 3)), ""},
		{"squeezed to a number", "sliceDynamic {}", arrays(x, begin, end, one, no, no, one), arrays(array(dims{}, 2)), ""},
	})
	checkLayers(t, []layerCase{
		{"unknown axis", "slice { axis: 3 }", arrays(picture), nil, "unknown axis"},
		{"channels of a matrix", "slice { axis: CHANNEL_AXIS }", arrays(x), nil, "rank 3"},
		{"short lists", "sliceStatic { beginIds: 0 endIds: 1 strides: 1 }", arrays(x), nil, "begin"},
		{"short masks", "sliceStatic { beginIds: [0, 0] endIds: [1, 1] strides: [1, 1] endMasks: true }", arrays(x), nil, "mask"},
		{"no step", "sliceStatic { beginIds: [0, 0] endIds: [1, 1] strides: [0, 1] }", arrays(x), nil, "stride of 0"},
		{"short begin", "sliceDynamic {}", arrays(x, array(dims{1}, 0)), nil, "begin"},
		{"one input", "sliceDynamic {}", arrays(x), nil, "have 1"},
		{"axis", "sliceBySize { size: 1 axis: 2 }", arrays(x, array(dims{1}, 1)), nil, "axis 2"},
		{"two begins", "sliceBySize { size: 1 }", arrays(x, begin), nil, "cannot take"},
		{"beyond", "sliceBySize { size: 4 axis: 1 }", arrays(x, array(dims{1}, 0)), nil, "4 elements"},
		{"no windows", "slidingWindows {}", arrays(x), nil, "sliding_windows"},
		{"one border", "crop { cropAmounts { borderAmounts {} } }", arrays(picture), nil, "2 axes"},
		{"crop everything", "crop { cropAmounts { borderAmounts { startEdgeSize: 4 } borderAmounts {} } }", arrays(picture), nil, "crop"},
		{"offsets", "crop { offset: 1 }", arrays(picture, picture), nil, "2 offsets"},
		{"crop beyond", "crop { offset: [1, 0] }", arrays(picture, picture), nil, "along axis 1"},
	})
}

func TestPads(t *testing.T) {
	x := array(dims{1, 2, 2}, 1, 2, 3, 4)
	amounts := "paddingAmounts { borderAmounts { startEdgeSize: 1 } borderAmounts { endEdgeSize: 1 } }"
	checkShapes(t, []layerCase{
		{"constant", "padding { constant { value: 7 } " + amounts + " }", arrays(x), arrays(array(dims{1, 3, 3}, 7, 7, 7, 1, 2, 7, 3, 4, 7)), ""},
		{"zero", "padding { " + amounts + " }", arrays(x), arrays(array(dims{1, 3, 3}, 0, 0, 0, 1, 2, 0, 3, 4, 0)), ""},
		{"reflection", "padding { reflection {} " + amounts + " }", arrays(x), arrays(array(dims{1, 3, 3}, 3, 4, 3, 1, 2, 1, 3, 4, 3)), ""},
		{"replication", "padding { replication {} " + amounts + " }", arrays(x), arrays(array(dims{1, 3, 3}, 1, 2, 2, 1, 2, 2, 3, 4, 4)), ""},
		{"nothing", "padding {}", arrays(x), arrays(x), ""},
		{"all axes", "constantPad { value: 9 padAmounts: [0, 1, 1, 0] }", arrays(array(dims{1, 2}, 1, 2)), arrays(array(dims{2, 3}, 9, 1, 2, 9, 9, 9)), ""},
		{"by an input", "constantPad {}", arrays(array(dims{2}, 1, 2), array(dims{2}, 1, 0)), arrays(array(dims{3}, 0, 1, 2)), ""},
		{
			"to a size", "constantPad { padAmounts: [0, 2, 1, 0] padToGivenOutputSizeMode: true }", arrays(array(dims{1, 2}, 1, 2)),
			arrays(array(dims{2, 2}, 1, 2, 0, 0)), "",
		},
	})
	checkLayers(t, []layerCase{
		{"vector", "padding {}", arrays(array(dims{2}, 1, 2)), nil, "rank 2"},
		{"borders", "padding { paddingAmounts { borderAmounts {} } }", arrays(x), nil, "2 axes"},
		{
			"reflection beyond", "padding { reflection {} paddingAmounts { borderAmounts { startEdgeSize: 2 } borderAmounts {} } }",
			arrays(x), nil, "reflect",
		},
		{
			"far too much", "padding { paddingAmounts { borderAmounts { startEdgeSize: 18446744073709551615 } borderAmounts { endEdgeSize: 9223372036854775807 } } }",
			arrays(x), nil, "elements",
		},
		{"amounts", "constantPad { padAmounts: [1, 1] }", arrays(x), nil, "want 6 amounts"},
		{"amounts of an input", "constantPad {}", arrays(x, x), nil, "want 6 amounts"},
		{"three inputs", "constantPad {}", arrays(x, x, x), nil, "have 3"},
	})
}
