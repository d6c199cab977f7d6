package coreml

import "testing"

func TestEmbeddings(t *testing.T) {
	// Three words of two numbers each: (1, 10), (2, 20), (3, 30).
	table := "weights { floatValue: [1, 2, 3, 10, 20, 30] } "
	nd := func(more string) string { return "embeddingND { vocabSize: 3 embeddingSize: 2 " + table + more + "}" }
	old := func(more string) string { return "embedding { inputDim: 3 outputChannels: 2 " + table + more + "}" }
	words := array(dims{2, 1}, 2, 0)
	checkShapes(t, []layerCase{
		{"rank 2", nd(""), arrays(words), arrays(array(dims{2, 2}, 3, 30, 1, 10)), ""},
		{"rank 3", nd(""), arrays(array(dims{1, 2, 1}, 2, 1)), arrays(array(dims{1, 2, 2}, 3, 30, 2, 20)), ""},
		{"bias", nd("hasBias: true bias { floatValue: [5, 6] }"), arrays(words), arrays(array(dims{2, 2}, 8, 36, 6, 16)), ""},
		{"old of rank 4", old(""), arrays(array(dims{2, 1, 1, 1}, 2, 0)), arrays(array(dims{2, 2, 1, 1}, 3, 30, 1, 10)), ""},
		{"old of rank 5", old("hasBias: true bias { floatValue: [5, 6] }"), arrays(array(dims{1, 2, 1, 1, 1}, 2, 0)), arrays(array(dims{1, 2, 2, 1, 1}, 8, 36, 6, 16)), ""},
		{
			"quantized by output", `embeddingND { vocabSize: 3 embeddingSize: 2 weights { rawValue: "\001\002\003\001\002\003"
			quantization { numberOfBits: 8 linearQuantization { scale: [1, 10] bias: [0, 5] } } } }`, arrays(words),
			arrays(array(dims{2, 2}, 3, 35, 1, 15)), "",
		},
		{
			"by table", `embeddingND { vocabSize: 3 embeddingSize: 1 weights { rawValue: "\140"
			quantization { numberOfBits: 1 lookupTableQuantization { floatValue: [7, 9] } } } }`, arrays(words),
			arrays(array(dims{2, 1}, 9, 7)), "",
		},
	})
	checkLayers(t, []layerCase{
		{"last dimension", nd(""), arrays(array(dims{2, 2}, 0, 0, 0, 0)), nil, "last 1 dimensions are 1"},
		{"last three", old(""), arrays(array(dims{2, 1, 2, 1}, 0, 0, 0, 0)), nil, "last 3 dimensions are 1"},
		{"rank", old(""), arrays(words), nil, "rank 4"},
		{"no such word", nd(""), arrays(array(dims{1, 1}, 3)), nil, "index 3"},
		{"no weights", "embeddingND { vocabSize: 3 embeddingSize: 2 }", arrays(words), nil, "weights are missing"},
		{"no bias", nd("hasBias: true"), arrays(words), nil, "bias"},
		{"huge", "embeddingND { vocabSize: 18446744073709551615 embeddingSize: 18446744073709551615 }", arrays(words), nil, "elements"},
	})
}

func TestOneHot(t *testing.T) {
	at := array(dims{2}, 2, -1)
	checkShapes(t, []layerCase{
		{"last axis", "oneHot { oneHotVectorSize: 3 axis: -1 onValue: 5 offValue: -1 }", arrays(at), arrays(array(dims{2, 3}, -1, -1, 5, -1, -1, -1)), ""},
		{"first axis", "oneHot { oneHotVectorSize: 3 onValue: 1 }", arrays(at), arrays(array(dims{3, 2}, 0, 0, 0, 0, 1, 0)), ""},
		{"size of an input", "oneHot { axis: 1 onValue: 1 }", arrays(at, array(dims{1}, 3)), arrays(array(dims{2, 3}, 0, 0, 1, 0, 0, 0)), ""},
	})
	checkLayers(t, []layerCase{
		{"axis", "oneHot { axis: 2 }", arrays(at), nil, "axis 2"},
		{"huge", "oneHot { oneHotVectorSize: 18446744073709551615 }", arrays(at), nil, "elements"},
		{"negative", "oneHot {}", arrays(at, array(dims{1}, -1)), nil, "-1"},
		{"three inputs", "oneHot {}", arrays(at, at, at), nil, "have 3"},
	})
}
