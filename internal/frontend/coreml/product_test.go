package coreml

import "testing"

func TestProducts(t *testing.T) {
	inner := func(more string) string {
		return `innerProduct { inputChannels: 2 outputChannels: 3 weights { floatValue: [1, 0, 0, 1, 10, 100] } ` + more + `}`
	}
	own := `batchedMatmul { weightMatrixFirstDimension: 2 weightMatrixSecondDimension: 3 weights { floatValue: [1, 0, 0, 1, 10, 100] } `
	matrix := array(dims{2, 2}, 1, 2, 3, 4)
	checkLayers(t, []layerCase{
		{"vector", inner(""), arrays(array(dims{2}, 1, 2)), arrays(array(dims{3}, 1, 2, 210)), ""},
		{"rows", inner("hasBias: true bias { floatValue: [5, 6, 7] }"), arrays(matrix), arrays(array(dims{2, 3}, 6, 8, 217, 8, 10, 437)), ""},
		{"rank 3", inner(""), arrays(array(dims{1, 1, 2}, 1, 2)), arrays(array(dims{1, 1, 3}, 1, 2, 210)), ""},
		{"rank 4", inner(""), arrays(array(dims{1, 1, 2, 1}, 1, 2)), arrays(array(dims{1, 3, 1, 1}, 1, 2, 210)), ""},
		{"rank 5", inner(""), arrays(array(dims{1, 2, 2, 1, 1}, 1, 2, 3, 4)), arrays(array(dims{1, 2, 3, 1, 1}, 1, 2, 210, 3, 4, 430)), ""},
		{
			"quantized by row", `innerProduct { inputChannels: 1 outputChannels: 2
			weights { rawValue: "\001\002" quantization { numberOfBits: 8 linearQuantization { scale: [2, 3] bias: [0, 1] } } } }`,
			arrays(array(dims{1}, 10)), arrays(array(dims{2}, 20, 70)), "",
		},
		{
			"quantized at run time", `innerProduct { inputChannels: 2 outputChannels: 1 int8DynamicQuantize: true
			weights { int8RawValue: "\001\377" quantization { numberOfBits: 8 linearQuantization { scale: 0.5 } } } }`,
			arrays(array(dims{2}, 10, 100)), arrays(array(dims{1}, -45)), "",
		},
		{"size", inner(""), arrays(array(dims{3}, 1, 2, 3)), nil, "want 3 numbers"},
		{"no bias", inner("hasBias: true"), arrays(matrix), nil, "bias"},
		{"no weights", `innerProduct { inputChannels: 1 outputChannels: 1 }`, arrays(array(dims{1}, 1)), nil, "weights"},
		{"huge", `innerProduct { inputChannels: 18446744073709551615 outputChannels: 18446744073709551615 }`, arrays(array(dims{1}, 1)), nil, "elements"},

		{"own matrix", own + "}", arrays(array(dims{1, 2, 2}, 1, 2, 3, 4)), arrays(array(dims{1, 2, 3}, 1, 2, 210, 3, 4, 430)), ""},
		{"own matrix and bias", own + "hasBias: true bias { floatValue: [5, 6, 7] } transposeA: true }", arrays(matrix), arrays(array(dims{2, 3}, 6, 8, 217, 8, 10, 437)), ""},
		{"own matrix and vector", own + "}", arrays(array(dims{2}, 1, 2)), arrays(array(dims{3}, 1, 2, 210)), ""},
		{"two matrices", "batchedMatmul {}", arrays(matrix, array(dims{2, 1}, 1, 10)), arrays(array(dims{2, 1}, 21, 43)), ""},
		{"transposed", "batchedMatmul { transposeA: true transposeB: true }", arrays(matrix, array(dims{1, 2}, 1, 10)), arrays(array(dims{2, 1}, 31, 42)), ""},
		{"stacks", "batchedMatmul {}", arrays(array(dims{2, 1, 1}, 2, 3), array(dims{1, 1}, 10)), arrays(array(dims{2, 1, 1}, 20, 30)), ""},
		{"vectors", "batchedMatmul {}", arrays(array(dims{2}, 1, 2), array(dims{2}, 3, 4)), arrays(array(dims{1, 1}, 11)), ""},
		{"three inputs", "batchedMatmul {}", arrays(matrix, matrix, matrix), nil, "have 3"},
		{"sizes", "batchedMatmul {}", arrays(matrix, array(dims{1, 1}, 1)), nil, "2 columns and 1 rows"},
	})
}
