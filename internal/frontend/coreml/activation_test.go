package coreml

import "testing"

func TestActivations(t *testing.T) {
	x := array(dims{4}, -2, -0.5, 0, 3)
	act := func(kind string) string { return "activation { " + kind + " }" }
	point := func(name, layer string, want ...float32) layerCase {
		return layerCase{name, layer, arrays(x), arrays(array(dims{4}, want...)), ""}
	}
	picture := array(dims{2, 1, 2}, -1, 2, -3, 4)
	checkShapes(t, []layerCase{
		point("linear", act("linear { alpha: 2 beta: 1 }"), -3, 0, 1, 7),
		point("relu", act("ReLU {}"), 0, 0, 0, 3),
		point("leaky relu", act("leakyReLU { alpha: 0.5 }"), -1, -0.25, 0, 3),
		point("thresholded relu", act("thresholdedReLU { alpha: -0.5 }"), 0, -0.5, 0, 3),
		point("tanh", act("tanh {}"), -0.96402758, -0.46211716, 0, 0.99505475),
		point("scaled tanh", act("scaledTanh { alpha: 2 beta: 0.5 }"), -1.5231884, -0.48983732, 0, 1.8102966),
		point("sigmoid", act("sigmoid {}"), 0.11920292, 0.37754067, 0.5, 0.95257413),
		point("hard sigmoid", act("sigmoidHard { alpha: 0.5 beta: 0.5 }"), 0, 0.25, 0.5, 1),
		point("elu", act("ELU { alpha: 2 }"), -1.7293294, -0.78693868, 0, 3),
		point("softsign", act("softsign {}"), -2.0/3, -1.0/3, 0, 0.75),
		point("softplus", act("softplus {}"), 0.12692801, 0.47407698, 0.69314718, 3.0485874),
		point("clamped relu", "clampedReLU { alpha: 2 beta: 2 }", -4, -1, 0, 2),
		point("clamped relu below its bound", "clampedReLU { alpha: 2 beta: -2 }", -4, -2, -2, -2),
		point("gelu", "gelu {}", -0.045500264, -0.15426877, 0, 2.9959503),
		point("gelu by tanh", "gelu { mode: TANH_APPROXIMATION }", -0.045402306, -0.15428599, 0, 2.9963627),
		point("gelu by sigmoid", "gelu { mode: SIGMOID_APPROXIMATION }", -0.064341376, -0.14961156, 0, 2.9819286),
		{
			"prelu", act("PReLU { alpha { floatValue: [10, 100] } }"), arrays(picture),
			arrays(array(dims{2, 1, 2}, -10, 2, -300, 4)), "",
		},
		{
			"prelu of rank 4", act("PReLU { alpha { floatValue: [10, 100] } }"), arrays(array(dims{2, 2, 1, 1}, -1, 2, -3, -4)),
			arrays(array(dims{2, 2, 1, 1}, -10, 2, -30, -400)), "",
		},
		{
			"prelu of rank 5", act("PReLU { alpha { floatValue: [10, 100] } }"), arrays(array(dims{2, 1, 2, 1, 1}, -1, 2, -3, -4)),
			arrays(array(dims{2, 1, 2, 1, 1}, -10, 2, -30, -400)), "",
		},
		{
			"prelu with one number", act("PReLU { alpha { floatValue: 10 } }"), arrays(picture),
			arrays(array(dims{2, 1, 2}, -10, 2, -30, 4)), "",
		},
		{
			"parametric softplus", act("parametricSoftplus { alpha { floatValue: [10, 100] } beta { floatValue: [1, -1] } }"), arrays(picture),
			arrays(array(dims{2, 1, 2}, 3.1326169, 21.26928, 304.85874, 1.8149928)), "",
		},
		{
			"softmax", "softmax {}", arrays(array(dims{1, 2, 1, 2}, 0, 1, 1, 1)),
			arrays(array(dims{1, 2, 1, 2}, 0.26894142, 0.5, 0.73105858, 0.5)), "",
		},
		{
			"softmax of a vector", "softmax {}", arrays(array(dims{2}, 0, 1)),
			arrays(array(dims{2}, 0.26894142, 0.73105858)), "",
		},
		{
			"softmax of any axis", "softmaxND { axis: 0 }", arrays(array(dims{2, 2}, 0, 1, 1, 1)),
			arrays(array(dims{2, 2}, 0.26894142, 0.5, 0.73105858, 0.5)), "",
		},
	})
	checkLayers(t, []layerCase{
		{"no activation", "activation {}", arrays(x), nil, "unknown activation"},
		{"two inputs", act("ReLU {}"), arrays(x, x), nil, "have 2"},
		{"prelu of a vector", act("PReLU { alpha { floatValue: 1 } }"), arrays(x), nil, "rank 3"},
		{"prelu without numbers", act("PReLU {}"), arrays(picture), nil, "weights are missing"},
		{"prelu with too many numbers", act("PReLU { alpha { floatValue: [1, 2, 3] } }"), arrays(picture), nil, "alpha"},
		{"softplus without numbers", act("parametricSoftplus { alpha { floatValue: 1 } }"), arrays(picture), nil, "beta"},
		{"softmax of a matrix", "softmax {}", arrays(array(dims{1, 2}, 1, 2)), nil, "rank 3"},
		{"softmax axis", "softmaxND { axis: 9223372036854775807 }", arrays(x), nil, "axis"},
		{"gelu mode", "gelu { mode: 7 }", arrays(x), nil, "mode"},
	})
}
