package coreml

import (
	"math"
	"slices"
	"testing"
)

func TestFills(t *testing.T) {
	x, like := array(dims{2, 1}, 1, 2), array(dims{2, 2, 2}, 0, 0, 0, 0, 0, 0, 0, 0)
	repeated := array(dims{2, 2, 2}, 1, 1, 2, 2, 1, 1, 2, 2)
	checkShapes(t, []layerCase{
		{"like", "fillLike { value: 3 }", arrays(x), arrays(array(dims{2, 1}, 3, 3)), ""},
		{"static", "fillStatic { value: 3 targetShape: [1, 2] }", nil, arrays(array(dims{1, 2}, 3, 3)), ""},
		{"static without a shape", "fillStatic { value: 3 }", nil, arrays(array(dims{1}, 3)), ""},
		{"to like", "broadcastToLike {}", arrays(x, like), arrays(repeated), ""},
		{"to static", "broadcastToStatic { targetShape: [2, 2, 2] }", arrays(x), arrays(repeated), ""},
		{"range", "rangeStatic { startValue: 1 endValue: 2 stepSizeValue: 0.25 }", nil, arrays(array(dims{4}, 1, 1.25, 1.5, 1.75)), ""},
		{"range down", "rangeStatic { startValue: 5 endValue: 0 stepSizeValue: -2 }", nil, arrays(array(dims{3}, 5, 3, 1)), ""},
		{"range to", "rangeDynamic { startValue: 1 stepSizeValue: 2 }", arrays(array(dims{1}, 6)), arrays(array(dims{3}, 1, 3, 5)), ""},
		{
			"range from, to", "rangeDynamic { startValue: 1 stepSizeValue: 2 }", arrays(array(dims{1}, 6), array(dims{1}, 2)),
			arrays(array(dims{2}, 2, 4)), "",
		},
		{
			"range from, to, by", "rangeDynamic { startValue: 1 stepSizeValue: 2 }",
			arrays(array(dims{1}, 6), array(dims{1}, 2), array(dims{1}, 3)), arrays(array(dims{2}, 2, 5)), "",
		},
	})
	checkLayers(t, []layerCase{
		{"dynamic", "fillDynamic { value: 3 }", arrays(array(dims{2}, 2, 1)), arrays(array(dims{2, 1}, 3, 3)), ""},
		{"to dynamic", "broadcastToDynamic {}", arrays(x, array(dims{3}, 2, 2, 2)), arrays(repeated), ""},
		{"static with an input", "fillStatic { targetShape: 1 }", arrays(x), nil, "want no input"},
		{"huge", "fillStatic { targetShape: [4294967296, 4294967296] }", nil, nil, "elements"},
		{"negative", "fillDynamic {}", arrays(array(dims{2}, 2, -1)), nil, "-1"},
		{"huge at run time", "fillDynamic {}", arrays(array(dims{2}, 1e9, 1e9)), nil, "elements"},
		{"shape of rank 2", "fillDynamic {}", arrays(x), nil, "shape"},
		{"not to a smaller shape", "broadcastToStatic { targetShape: [1, 1] }", arrays(x), nil, "does not broadcast"},
		{"not to a lower rank", "broadcastToStatic { targetShape: 2 }", arrays(x), nil, "does not broadcast"},
		{"not to another size", "broadcastToStatic { targetShape: [3, 1] }", arrays(x), nil, "do not broadcast"},
		{"to like of one", "broadcastToLike {}", arrays(x), nil, "want two inputs"},
		{"no step", "rangeStatic { endValue: 1 }", nil, nil, "step of 0"},
		{"long", "rangeStatic { endValue: 1 stepSizeValue: 1e-30 }", nil, nil, "too many"},
		{"range with an input", "rangeStatic { stepSizeValue: 1 }", arrays(x), nil, "want no input"},
		{"range of nothing", "rangeDynamic {}", nil, nil, "one to three"},
		{"range to two numbers", "rangeDynamic { stepSizeValue: 1 }", arrays(x), nil, "scalars"},
	})
}

func TestMatrixParts(t *testing.T) {
	x := array(dims{2, 2, 3}, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)
	of := func(layer string, want ...float32) layerCase {
		return layerCase{layer, layer, arrays(x), arrays(array(dims{2, 2, 3}, want...)), ""}
	}
	checkShapes(t, []layerCase{
		of("matrixBandPart {}", 1, 0, 0, 0, 5, 0, 7, 0, 0, 0, 11, 0),
		of("matrixBandPart { numLower: -1 numUpper: 1 }", 1, 2, 0, 4, 5, 6, 7, 8, 0, 10, 11, 12),
		of("matrixBandPart { numLower: 9223372036854775807 }", 1, 0, 0, 4, 5, 0, 7, 0, 0, 10, 11, 0),
		of("lowerTriangular {}", 1, 0, 0, 4, 5, 0, 7, 0, 0, 10, 11, 0),
		of("lowerTriangular { k: 1 }", 1, 2, 0, 4, 5, 6, 7, 8, 0, 10, 11, 12),
		of("lowerTriangular { k: -1 }", 0, 0, 0, 4, 0, 0, 0, 0, 0, 10, 0, 0),
		of("lowerTriangular { k: -9223372036854775808 }", 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
		of("upperTriangular {}", 1, 2, 3, 0, 5, 6, 7, 8, 9, 0, 11, 12),
		of("upperTriangular { k: 1 }", 0, 2, 3, 0, 0, 6, 0, 8, 9, 0, 0, 12),
		of("upperTriangular { k: 2 }", 0, 0, 3, 0, 0, 0, 0, 0, 9, 0, 0, 0),
		of("upperTriangular { k: -1 }", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12),
		of("upperTriangular { k: -9223372036854775808 }", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12),
		of("upperTriangular { k: 9223372036854775807 }", 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
	})
	line := array(dims{1}, 1)
	checkLayers(t, []layerCase{
		{"band of a vector", "matrixBandPart {}", arrays(line), nil, "want matrices"},
		{"lower of a vector", "lowerTriangular { k: -1 }", arrays(line), nil, "rank 2"},
		{"upper of a vector", "upperTriangular { k: 1 }", arrays(line), nil, "rank 2"},
	})
}

// TestRandom looks at the distribution: the numbers themselves are this
// implementation's own.
func TestRandom(t *testing.T) {
	shape := array(dims{2}, 40, 50)
	like := array(dims{40, 50}, make([]float32, 2000)...)
	probs := array(dims{2}, 0.2, 0.8)
	logs := array(dims{2}, -1.6094379, -0.22314355)
	for _, c := range []struct {
		layerCase
		mean, dev, lo, hi float64
	}{
		{layerCase{"normal", "randomNormalStatic { seed: 3 mean: 2 stdDev: 4 outputShape: [40, 50] }", nil, nil, ""}, 2, 4, -40, 40},
		{layerCase{"normal like", "randomNormalLike { seed: 3 mean: 2 stdDev: 4 }", arrays(like), nil, ""}, 2, 4, -40, 40},
		{layerCase{"normal dynamic", "randomNormalDynamic { seed: 3 mean: 2 stdDev: 4 }", arrays(shape), nil, ""}, 2, 4, -40, 40},
		{layerCase{"uniform", "randomUniformStatic { seed: 3 minVal: -1 maxVal: 2 outputShape: [40, 50] }", nil, nil, ""}, 0.5, 0.866, -1, 2},
		{layerCase{"uniform like", "randomUniformLike { seed: 3 minVal: -1 maxVal: 2 }", arrays(like), nil, ""}, 0.5, 0.866, -1, 2},
		{layerCase{"uniform dynamic", "randomUniformDynamic { seed: 3 minVal: -1 maxVal: 2 }", arrays(shape), nil, ""}, 0.5, 0.866, -1, 2},
		{layerCase{"bernoulli", "randomBernoulliStatic { seed: 3 prob: 0.2 outputShape: [40, 50] }", nil, nil, ""}, 0.2, 0.4, 0, 1},
		{layerCase{"bernoulli like", "randomBernoulliLike { seed: 3 prob: 0.2 }", arrays(like), nil, ""}, 0.2, 0.4, 0, 1},
		{layerCase{"bernoulli dynamic", "randomBernoulliDynamic { seed: 3 prob: 0.2 }", arrays(shape), nil, ""}, 0.2, 0.4, 0, 1},
		{layerCase{"categorical", "categoricalDistribution { seed: 3 numSamples: 2000 }", arrays(probs), nil, ""}, 0.8, 0.4, 0, 1},
		{layerCase{"categorical logits", "categoricalDistribution { seed: 3 numSamples: 2000 isLogits: true }", arrays(logs), nil, ""}, 0.8, 0.4, 0, 1},
		// A half of the logarithms: 1 to 2 in place of 1 to 4.
		{layerCase{"categorical hot", "categoricalDistribution { seed: 3 numSamples: 2000 isLogits: true temperature: 2 }", arrays(logs), nil, ""}, 0.667, 0.471, 0, 1},
		{layerCase{"categorical hot probabilities", "categoricalDistribution { seed: 3 numSamples: 2000 temperature: 2 }", arrays(probs), nil, ""}, 0.667, 0.471, 0, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := c.run(1)
			if err != nil {
				t.Fatal(err)
			}
			if got[0].Len() != 2000 || len(c.in) > 0 && c.in[0] == like && !slices.Equal(got[0].Shape(), like.Shape()) {
				t.Fatalf("have %s", got[0])
			}
			var sum, squares float64
			for _, v := range got[0].Float64s() {
				if v < c.lo || v > c.hi {
					t.Fatalf("%g is not within %g and %g", v, c.lo, c.hi)
				}
				sum, squares = sum+v, squares+v*v
			}
			mean := sum / 2000
			dev := math.Sqrt(squares/2000 - mean*mean)
			// Four standard errors of the mean, and as many of the deviation.
			if math.Abs(mean-c.mean) > 4*c.dev/math.Sqrt(2000) || math.Abs(dev-c.dev) > 4*c.dev/math.Sqrt(4000) {
				t.Errorf("mean %g, deviation %g; want %g and %g", mean, dev, c.mean, c.dev)
			}
			again, err := c.run(1)
			if err != nil || !slices.Equal(again[0].F32(), got[0].F32()) {
				t.Errorf("the same seed gives other numbers (%v)", err)
			}
		})
	}
	checkLayers(t, []layerCase{
		{"with an input", "randomNormalStatic { outputShape: 1 }", arrays(shape), nil, "want no input"},
		{"huge", "randomUniformStatic { outputShape: [4294967296, 4294967296] }", nil, nil, "elements"},
		{"without an input", "randomBernoulliLike {}", nil, nil, "have 0"},
		{"negative", "categoricalDistribution { numSamples: -1 }", arrays(probs), nil, "negative"},
	})
}
