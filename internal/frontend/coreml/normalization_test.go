package coreml

import "testing"

func TestNormalizations(t *testing.T) {
	// Channels of mean 2 and 20, of variance 1 and 100.
	x := array(dims{2, 1, 2}, 1, 3, 10, 30)
	norm := func(more string) string {
		return "batchnorm { channels: 2 gamma { floatValue: [1, 2] } beta { floatValue: [0, 5] } " + more + "}"
	}
	given := "mean { floatValue: [1, 10] } variance { floatValue: [3, 15] } epsilon: 1 "
	pair := array(dims{2, 2, 1, 1}, 1, 10, 3, 30)
	checkShapes(t, []layerCase{
		{"given", norm(given), arrays(x), arrays(array(dims{2, 1, 2}, 0, 1, 5, 15)), ""},
		{"given, rank 5", norm(given), arrays(array(dims{1, 1, 2, 1, 2}, 1, 3, 10, 30)), arrays(array(dims{1, 1, 2, 1, 2}, 0, 1, 5, 15)), ""},
		{"default epsilon", norm("mean { floatValue: [0, 0] } variance { floatValue: [0, 0] }"), arrays(x), arrays(array(dims{2, 1, 2}, 316.22777, 948.68330, 6329.5553, 18978.666)), ""},
		{"of the picture", norm("computeMeanVar: true instanceNormalization: true epsilon: 1e-9"), arrays(x), arrays(array(dims{2, 1, 2}, -1, 1, 3, 7)), ""},
		{"of the batch", norm("computeMeanVar: true epsilon: 1e-9"), arrays(pair), arrays(array(dims{2, 2, 1, 1}, -1, 3, 1, 7)), ""},
		{"given all the same", norm(given + "instanceNormalization: true"), arrays(x), arrays(array(dims{2, 1, 2}, 0, 1, 5, 15)), ""},

		{"mvn", "mvn { normalizeVariance: true epsilon: 3 }", arrays(array(dims{2, 1, 2}, 1, 3, 10, 12)), arrays(array(dims{2, 1, 2}, -0.5, 0.5, -0.5, 0.5)), ""},
		{"mean only", "mvn {}", arrays(x), arrays(array(dims{2, 1, 2}, -1, 1, -10, 10)), ""},
		{"mean of the picture", "mvn { acrossChannels: true }", arrays(x), arrays(array(dims{2, 1, 2}, -10, -8, -1, 19)), ""},
		{"mvn of the picture", "mvn { acrossChannels: true normalizeVariance: true epsilon: 2.75 }", arrays(array(dims{2, 1, 2}, 1, 2, 3, 4)), arrays(array(dims{2, 1, 2}, -0.75, -0.25, 0.25, 0.75)), ""},

		{"l2", "l2normalize { epsilon: 0.75 }", arrays(array(dims{2, 2, 1, 1}, 1.5, 1, 2, 0.5)), arrays(array(dims{2, 2, 1, 1}, 0.75, 0.5, 0.89442719, 0.2236068)), ""},
		{"l2 of zeros", "l2normalize {}", arrays(array(dims{1, 1, 1}, 0)), arrays(array(dims{1, 1, 1}, 0)), ""},

		// Sums of squares 5, 14, 13.
		{"lrn", "lrn { alpha: 3 beta: 1 localSize: 3 }", arrays(array(dims{3, 1, 1}, 1, 2, 3)), arrays(array(dims{3, 1, 1}, 1.0/6, 2.0/15, 3.0/14)), ""},
		{"lrn with k", "lrn { alpha: 3 beta: 0.5 localSize: 3 k: 11 }", arrays(array(dims{3, 1, 1}, 1, 2, 3)), arrays(array(dims{3, 1, 1}, 0.25, 0.4, 0.61237244)), ""},

		{
			"layer", "layerNormalization { normalizedShape: 2 eps: 3 gamma { floatValue: [1, 10] } beta { floatValue: [0, 5] } }",
			arrays(array(dims{2, 2}, 1, 3, 10, 12)), arrays(array(dims{2, 2}, -0.5, 10, -0.5, 10)), "",
		},
		{
			"layer of rank 2", "layerNormalization { normalizedShape: [2, 2] eps: 2.75 gamma { floatValue: [1, 1, 10, 1] } beta { floatValue: [0, 0, 0, 1] } }",
			arrays(array(dims{1, 2, 2}, 1, 2, 3, 4)), arrays(array(dims{1, 2, 2}, -0.75, -0.25, 2.5, 1.75)), "",
		},
	})
	line := array(dims{2}, 1, 2)
	checkLayers(t, []layerCase{
		{"rank", norm(given), arrays(line), nil, "rank 3"},
		{"channels", norm(given), arrays(array(dims{1, 1, 2}, 1, 2)), nil, "has 1 channels, want 2"},
		{"no mean", norm(""), arrays(x), nil, "mean"},
		{"no gamma", "batchnorm { channels: 2 }", arrays(x), nil, "gamma"},
		{"huge", "batchnorm { channels: 18446744073709551615 gamma { floatValue: 1 } }", arrays(x), nil, "gamma"},
		{"mvn of a vector", "mvn {}", arrays(line), nil, "rank 3"},
		{"l2 of a vector", "l2normalize {}", arrays(line), nil, "rank 3"},
		{"lrn of a vector", "lrn { localSize: 1 }", arrays(line), nil, "rank 3"},
		{"lrn of nothing", "lrn {}", arrays(x), nil, "size 0"},
		{"layer without a shape", "layerNormalization {}", arrays(line), nil, "missing"},
		{"layer of another shape", "layerNormalization { normalizedShape: 3 gamma { floatValue: 1 } }", arrays(line), nil, "normalized shape 3"},
		{"layer of a higher rank", "layerNormalization { normalizedShape: [1, 2] }", arrays(line), nil, "rank 2"},
		{"layer without gamma", "layerNormalization { normalizedShape: 2 }", arrays(line), nil, "gamma"},
		{"negative shape", "layerNormalization { normalizedShape: -2 gamma { floatValue: 1 } }", arrays(line), nil, "normalized shape"},
	})
}
