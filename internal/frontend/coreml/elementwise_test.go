package coreml

import (
	"math"
	"testing"
)

func TestArithmetic(t *testing.T) {
	row, column := array(dims{3}, 1, 2, 3), array(dims{2, 1}, 10, 20)
	table := func(v ...float32) layerCase {
		return layerCase{"", "", arrays(row, column), arrays(array(dims{2, 3}, v...)), ""}
	}
	var cases []layerCase
	for layer, c := range map[string]layerCase{
		"add {}":                   table(11, 12, 13, 21, 22, 23),
		"addBroadcastable {}":      table(11, 12, 13, 21, 22, 23),
		"multiply {}":              table(10, 20, 30, 20, 40, 60),
		"multiplyBroadcastable {}": table(10, 20, 30, 20, 40, 60),
		"subtractBroadcastable {}": table(-9, -8, -7, -19, -18, -17),
		"divideBroadcastable {}":   table(0.1, 0.2, 0.3, 0.05, 0.1, 0.15),
		"average {}":               table(5.5, 6, 6.5, 10.5, 11, 11.5),
		"max {}":                   table(10, 10, 10, 20, 20, 20),
		"maxBroadcastable {}":      table(10, 10, 10, 20, 20, 20),
		"min {}":                   table(1, 2, 3, 1, 2, 3),
		"minBroadcastable {}":      table(1, 2, 3, 1, 2, 3),
	} {
		c.name, c.layer = layer, layer
		cases = append(cases, c)
	}
	signs := array(dims{4}, 7, -7, 7, -7)
	by := array(dims{4}, 3, 3, -3, -3)
	checkShapes(t, append(cases, []layerCase{
		{"three inputs", "add {}", arrays(row, column, array(dims{1}, 100)), arrays(array(dims{2, 3}, 111, 112, 113, 121, 122, 123)), ""},
		{"average of three", "average {}", arrays(row, row, array(dims{1}, 4)), arrays(array(dims{3}, 2, 8.0/3, 10.0/3)), ""},
		{"one input", "max {}", arrays(row), arrays(row), ""},
		{"number added", "add { alpha: 2 }", arrays(row), arrays(array(dims{3}, 3, 4, 5)), ""},
		{"number multiplied", "multiply { alpha: -2 }", arrays(row), arrays(array(dims{3}, -2, -4, -6)), ""},
		{"floor div", "floorDivBroadcastable {}", arrays(signs, by), arrays(array(dims{4}, 2, -3, -3, 2)), ""},
		{"mod", "modBroadcastable {}", arrays(signs, by), arrays(array(dims{4}, 1, 2, -2, -1)), ""},
		{"pow", "powBroadcastable {}", arrays(row, column), arrays(array(dims{2, 3}, 1, 1024, 59049, 1, 1048576, 3486784401)), ""},
		{
			"dot", "dot {}", arrays(array(dims{2, 2, 1, 1}, 1, 2, 3, 4), array(dims{2, 2, 1, 1}, 5, 6, 0, 1)),
			arrays(array(dims{2, 1, 1, 1}, 17, 4)), "",
		},
		{
			"cosine", "dot { cosineSimilarity: true }", arrays(array(dims{2, 1, 1}, 3, 4), array(dims{2, 1, 1}, 0, 2)),
			arrays(array(dims{1, 1, 1}, 0.8)), "",
		},
	}...))
	checkLayers(t, []layerCase{
		{"no input", "add {}", nil, nil, "no input"},
		{"shapes", "add {}", arrays(row, array(dims{2}, 1, 2)), nil, "broadcast"},
		{"one of two", "modBroadcastable {}", arrays(row), nil, "want two inputs"},
		{"dot of vectors", "dot {}", arrays(row, row), nil, "rank 3"},
		{"dot of one", "dot {}", arrays(array(dims{1, 1, 1}, 1)), nil, "want two inputs"},
	})
}

func TestScaleAndBias(t *testing.T) {
	x := array(dims{2, 1, 2}, 1, 2, 3, 4)
	checkShapes(t, []layerCase{
		{"one number", "scale { shapeScale: 1 scale { floatValue: 10 } }", arrays(x), arrays(array(dims{2, 1, 2}, 10, 20, 30, 40)), ""},
		{
			"channels", "scale { shapeScale: 2 scale { floatValue: [10, 100] } hasBias: true shapeBias: 1 bias { floatValue: 5 } }", arrays(x),
			arrays(array(dims{2, 1, 2}, 15, 25, 305, 405)), "",
		},
		{
			"picture", "scale { shapeScale: [1, 1, 2] scale { floatValue: [10, 100] } }", arrays(array(dims{1, 1, 2, 1, 2}, 1, 2, 3, 4)),
			arrays(array(dims{1, 1, 2, 1, 2}, 10, 200, 30, 400)), "",
		},
		{
			"channels of pictures", "scale { shapeScale: [2, 1, 2] scale { floatValue: [1, 10, 100, 1000] } }", arrays(x),
			arrays(array(dims{2, 1, 2}, 1, 20, 300, 4000)), "",
		},
		{
			"quantized by channel", `scale { shapeScale: 2 scale { rawValue: "\001\002"
			quantization { numberOfBits: 8 linearQuantization { scale: [10, 50] bias: [0, 0] } } } }`, arrays(x),
			arrays(array(dims{2, 1, 2}, 10, 20, 300, 400)), "",
		},
		{"bias", "bias { shape: 2 bias { floatValue: [10, 100] } }", arrays(x), arrays(array(dims{2, 1, 2}, 11, 12, 103, 104)), ""},
	})
	checkLayers(t, []layerCase{
		{"too few", "bias { shape: 2 bias { floatValue: 1 } }", arrays(x), nil, "bias"},
		{"missing", "bias { shape: 2 }", arrays(x), nil, "missing"},
		{"other channels", "bias { shape: 3 bias { floatValue: [1, 2, 3] } }", arrays(x), nil, "broadcast"},
		{"larger than the input", "bias { shape: 3 bias { floatValue: [1, 2, 3] } }", arrays(array(dims{1, 1, 1}, 1)), nil, "weights of shape"},
		{"higher than the input", "bias { shape: [1, 1, 1, 1] bias { floatValue: 1 } }", arrays(x), nil, "weights of shape"},
		{"huge", "bias { shape: [4294967296, 4294967296] bias { floatValue: 1 } }", arrays(x), nil, "elements"},
		{"rank", "scale { shapeScale: 1 scale { floatValue: 1 } }", arrays(array(dims{2}, 1, 2)), nil, "rank 3"},
		{"rank of a bias", "bias { shape: 1 bias { floatValue: 1 } }", arrays(array(dims{2}, 1, 2)), nil, "rank 3"},
	})
}

func TestFunctions(t *testing.T) {
	x := array(dims{3}, 0.5, 0.25, 1)
	of := func(layer string, want ...float32) layerCase {
		return layerCase{layer, layer, arrays(x), arrays(array(dims{3}, want...)), ""}
	}
	checkShapes(t, []layerCase{
		of("unary { type: SQRT }", math.Sqrt2/2, 0.5, 1),
		of("unary { type: SQRT scale: 3 shift: 1 }", 1.5811388, 1.3228757, 2),
		of("unary { type: RSQRT epsilon: 0.5 }", 1, 1.1547005, 0.81649658),
		of("unary { type: INVERSE epsilon: 0.5 }", 1, 4.0/3, 2.0/3),
		of("unary { type: INVERSE scale: 1e-6 shift: -0.25e-6 }", 0.8e6, 1e6, 4e6/7), // 1e-6 is added
		of("unary { type: POWER alpha: 2 }", 0.25, 0.0625, 1),
		of("unary { type: EXP }", 1.6487213, 1.2840254, math.E),
		of("unary { type: LOG epsilon: 1 }", 0.40546511, 0.22314355, math.Ln2),
		of("unary { type: LOG shift: -0.25 }", -1.3862904, -13.815511, -0.28768074), // 1e-6 is added
		of("unary { type: ABS shift: -0.5 }", 0, 0.25, 0.5),
		of("unary { type: THRESHOLD alpha: 0.5 }", 0.5, 0.5, 1),
		of("clip { minVal: 0.3 maxVal: 0.6 }", 0.5, 0.3, 0.6),
		of("clip { minVal: 0.6 maxVal: 0.3 }", 0.3, 0.3, 0.3),
		of("clip { minVal: 0.5 maxVal: 0.5 }", 0.5, 0.5, 0.5),
		of("acos {}", 1.0471976, 1.3181161, 0),
		of("asin {}", 0.52359878, 0.25268026, math.Pi/2),
		of("asinh {}", 0.48121183, 0.24746646, 0.88137359),
		of("atan {}", 0.46364761, 0.24497866, math.Pi/4),
		of("ceil {}", 1, 1, 1),
		of("cos {}", 0.87758256, 0.96891242, 0.54030231),
		of("cosh {}", 1.127626, 1.0314131, 1.5430806),
		of("erf {}", 0.52049988, 0.27632639, 0.84270079),
		of("exp2 {}", math.Sqrt2, 1.1892071, 2),
		of("floor {}", 0, 0, 1),
		of("round {}", 0, 0, 1),
		of("sign {}", 1, 1, 1),
		of("sin {}", 0.47942554, 0.24740396, 0.84147098),
		of("sinh {}", 0.52109531, 0.25261232, 1.1752012),
		of("tan {}", 0.54630249, 0.25534192, 1.5574077),
		of("tanh {}", 0.46211716, 0.24491866, 0.76159416),
		{"acosh", "acosh {}", arrays(array(dims{2}, 1, 2)), arrays(array(dims{2}, 0, 1.316958)), ""},
		{"atanh", "atanh {}", arrays(array(dims{2}, 0, 0.5)), arrays(array(dims{2}, 0, 0.54930614)), ""},
	})
	checkLayers(t, []layerCase{
		{"unknown", "unary { type: 9 }", arrays(x), nil, "unknown function"},
		{"two inputs", "unary {}", arrays(x, x), nil, "have 2"},
		{"two inputs of a function", "sin {}", arrays(x, x), nil, "have 2"},
	})
}

func TestComparisons(t *testing.T) {
	x := array(dims{3}, 1, 2, 3)
	of := func(layer string, want ...float32) layerCase {
		return layerCase{layer, layer, arrays(x), arrays(array(dims{3}, want...)), ""}
	}
	against := func(layer string, want ...float32) layerCase {
		return layerCase{layer, layer, arrays(x, array(dims{2, 1}, 2, 3)), arrays(array(dims{2, 3}, want...)), ""}
	}
	checkShapes(t, []layerCase{
		of("equal { alpha: 2 }", 0, 1, 0),
		of("notEqual { alpha: 2 }", 1, 0, 1),
		of("lessThan { alpha: 2 }", 1, 0, 0),
		of("lessEqual { alpha: 2 }", 1, 1, 0),
		of("greaterThan { alpha: 2 }", 0, 0, 1),
		of("greaterEqual { alpha: 2 }", 0, 1, 1),
		against("equal { alpha: 1 }", 0, 1, 0, 0, 0, 1),
		against("notEqual {}", 1, 0, 1, 1, 1, 0),
		against("lessThan {}", 1, 0, 0, 1, 1, 0),
		against("lessEqual {}", 1, 1, 0, 1, 1, 1),
		against("greaterThan {}", 0, 0, 1, 0, 0, 0),
		against("greaterEqual {}", 0, 1, 1, 0, 0, 1),
		{"and", "logicalAnd {}", arrays(array(dims{4}, 0, 0, 2, 0.5), array(dims{4}, 0, -1, 0, 3)), arrays(array(dims{4}, 0, 0, 0, 1)), ""},
		{"or", "logicalOr {}", arrays(array(dims{4}, 0, 0, 2, 0.5), array(dims{4}, 0, -1, 0, 3)), arrays(array(dims{4}, 0, 1, 1, 1)), ""},
		{"xor", "logicalXor {}", arrays(array(dims{4}, 0, 0, 2, 0.5), array(dims{4}, 0, -1, 0, 3)), arrays(array(dims{4}, 0, 1, 1, 0)), ""},
		{"not", "logicalNot {}", arrays(array(dims{3}, 0, 2, -0.5)), arrays(array(dims{3}, 1, 0, 0)), ""},
		{
			"where", "whereBroadcastable {}", arrays(array(dims{3}, 0, 2, 0), array(dims{2, 1}, 1, 2), array(dims{1}, 9)),
			arrays(array(dims{2, 3}, 9, 1, 9, 9, 2, 9)), "",
		},
		{"where not zero", "whereNonZero {}", arrays(array(dims{2, 2}, 0, 3, -1, 0)), arrays(array(dims{2, 2}, 0, 1, 1, 0)), ""},
		{"nothing but zero", "whereNonZero {}", arrays(array(dims{2}, 0, 0)), arrays(array(dims{0, 1})), ""},
	})
	checkLayers(t, []layerCase{
		{"three inputs", "equal {}", arrays(x, x, x), nil, "want two inputs"},
		{"and of one", "logicalAnd {}", arrays(x), nil, "want two inputs"},
		{"not of two", "logicalNot {}", arrays(x, x), nil, "have 2"},
		{"where with two", "whereBroadcastable {}", arrays(x, x), nil, "want three inputs"},
	})
}
