package coreml

import "testing"

func TestSimpleRecurrent(t *testing.T) {
	rnn := func(more string) string {
		return `simpleRecurrent { inputVectorSize: 1 outputVectorSize: 1 weightMatrix { floatValue: 10 } recursionMatrix { floatValue: 2 } ` + more + `}`
	}
	x := array(dims{3, 1, 1, 1, 1}, 0.1, 0.2, 0.3)
	h := array(dims{1, 1, 1, 1, 1}, 1)
	checkLayers(t, []layerCase{
		{"last", rnn("activation { linear {} }"), arrays(x, h), arrays(array(dims{1, 1, 1, 1, 1}, 19), array(dims{1, 1, 1, 1, 1}, 19)), ""},
		{"sequence", rnn("activation { ReLU {} } sequenceOutput: true"), arrays(x, h), arrays(array(dims{3, 1, 1, 1, 1}, 3, 8, 19), array(dims{1, 1, 1, 1, 1}, 19)), ""},
		{"no state", rnn("activation { linear { alpha: 1 } } sequenceOutput: true"), arrays(x), arrays(array(dims{3, 1, 1, 1, 1}, 1, 4, 11), array(dims{1, 1, 1, 1, 1}, 11)), ""},
		{"bias", rnn("activation { linear {} } hasBiasVector: true biasVector { floatValue: 1 }"), arrays(x), arrays(array(dims{1, 1, 1, 1, 1}, 18)), ""},
		{"reversed", rnn("activation { linear {} } sequenceOutput: true reverseInput: true"), arrays(x), arrays(array(dims{3, 1, 1, 1, 1}, 3, 8, 17), array(dims{1, 1, 1, 1, 1}, 17)), ""},
		{"bounded", rnn("activation { ReLU {} }"), arrays(array(dims{1, 1, 1, 1, 1}, 7)), arrays(array(dims{1, 1, 1, 1, 1}, 50)), ""},
		{"hard sigmoid", rnn("activation { sigmoidHard { alpha: 0.2 beta: 0.5 } }"), arrays(array(dims{1, 1, 1, 1, 1}, 0.1)), arrays(array(dims{1, 1, 1, 1, 1}, 0.7)), ""},
		{"plain tanh", rnn("activation { scaledTanh {} }"), arrays(array(dims{1, 1, 1, 1, 1}, 0.15)), arrays(array(dims{1, 1, 1, 1, 1}, 0.9051483)), ""},
		{"scaled tanh", rnn("activation { scaledTanh { alpha: 1.7159 beta: 0.6667 } }"), arrays(array(dims{1, 1, 1, 1, 1}, 0.15)), arrays(array(dims{1, 1, 1, 1, 1}, 1.3068194)), ""},
		{"other numbers", rnn("activation { linear { alpha: 2 } }"), arrays(x), nil, "cannot be run: activation linear"},
		{"other activation", rnn("activation { ELU { alpha: 1 } }"), arrays(x), nil, "ELU"},
		{"no activation", rnn(""), arrays(x), nil, "activation"},
		{"vectors", rnn("activation { tanh {} }"), arrays(array(dims{1, 1, 2, 1, 1}, 1, 2)), nil, "vectors of 1 numbers"},
		{"rank", rnn("activation { tanh {} }"), arrays(array(dims{1, 1, 1}, 1)), nil, "want rank 5"},
		{"state", `simpleRecurrent { inputVectorSize: 1 outputVectorSize: 2 activation { tanh {} } weightMatrix { floatValue: [1, 2] } recursionMatrix { floatValue: [1, 2, 3, 4] } }`, arrays(x, h), nil, "vectors of 2 numbers"},
		{"inputs", rnn("activation { tanh {} }"), arrays(x, h, h), nil, "have 3 inputs"},
		{"no recursion", `simpleRecurrent { inputVectorSize: 1 outputVectorSize: 1 activation { tanh {} } weightMatrix { floatValue: 1 } }`, arrays(x), nil, "recursion"},
		{"huge", `simpleRecurrent { inputVectorSize: 1 outputVectorSize: 2147483647 activation { tanh {} } }`, arrays(x), nil, "weights"},
	})
}

func TestGRULayer(t *testing.T) {
	// r = 2x + h/8, o = 3x + 10·h·r, z = x/4 + h/16.
	gru := func(more string) string {
		return `gru { inputVectorSize: 1 outputVectorSize: 1
			updateGateWeightMatrix { floatValue: 0.25 } resetGateWeightMatrix { floatValue: 2 } outputGateWeightMatrix { floatValue: 3 }
			updateGateRecursionMatrix { floatValue: 0.0625 } resetGateRecursionMatrix { floatValue: 0.125 } outputGateRecursionMatrix { floatValue: 10 } ` + more + `}`
	}
	linear := "activations { linear {} } activations { linear {} } "
	// With h = 1, x = 1: r = 2.125, o = 24.25, z = 0.3125. With h = 0, x = 2: o = 6, z = 1/2; then x = 1: r = 2.375, o = 74.25 bounded by 50, z = 0.4375.
	x, h := array(dims{1, 1, 1, 1, 1}, 1), array(dims{1, 1, 1, 1, 1}, 1)
	checkLayers(t, []layerCase{
		{"one step", gru(linear), arrays(x, h), arrays(array(dims{1, 1, 1, 1, 1}, 16.984375), array(dims{1, 1, 1, 1, 1}, 16.984375)), ""},
		{
			"reversed", gru(linear + "sequenceOutput: true reverseInput: true"), arrays(array(dims{2, 1, 1, 1, 1}, 1, 2)),
			arrays(array(dims{2, 1, 1, 1, 1}, 3, 29.4375), array(dims{1, 1, 1, 1, 1}, 29.4375)), "",
		},
		{
			"biases", gru(linear + `hasBiasVectors: true updateGateBiasVector { floatValue: 0.6875 } resetGateBiasVector { floatValue: 1 } outputGateBiasVector { floatValue: 5 }`),
			arrays(x, h), arrays(array(dims{1, 1, 1, 1, 1}, 1)), "",
		},
		{"saturating", gru("activations { sigmoidHard {} } activations { tanh {} }"), arrays(array(dims{1, 1, 1, 1, 1}, -10)), arrays(array(dims{1, 1, 1, 1, 1}, -1)), ""},
		{"one activation", gru("activations { linear {} }"), arrays(x), nil, "1 activations, want 2"},
		{"one bias", gru(linear + "hasBiasVectors: true resetGateBiasVector { floatValue: 1 }"), arrays(x), nil, "bias, gate 1"},
	})
}

func TestLSTMLayers(t *testing.T) {
	// i = x + h, f = h/2, o = x, z = 3x.
	weights := `weightParams {
		inputGateWeightMatrix { floatValue: 1 } forgetGateWeightMatrix { floatValue: 0 } outputGateWeightMatrix { floatValue: 1 } blockInputWeightMatrix { floatValue: 3 }
		inputGateRecursionMatrix { floatValue: 1 } forgetGateRecursionMatrix { floatValue: 0.5 } outputGateRecursionMatrix { floatValue: 0 } blockInputRecursionMatrix { floatValue: 0 }
		inputGateBiasVector { floatValue: 10 } forgetGateBiasVector { floatValue: 20 } outputGateBiasVector { floatValue: 30 } blockInputBiasVector { floatValue: 40 }
		inputGatePeepholeVector { floatValue: 1 } forgetGatePeepholeVector { floatValue: 2 } outputGatePeepholeVector { floatValue: 3 } } `
	linear := "activations { linear {} } activations { linear {} } activations { linear {} } "
	lstm := func(params, more string) string {
		return `uniDirectionalLSTM { inputVectorSize: 1 outputVectorSize: 1 ` + linear + weights + `params { cellClipThreshold: 50000 ` + params + `} ` + more + `}`
	}
	both := func(params, more string) string {
		return `biDirectionalLSTM { inputVectorSize: 1 outputVectorSize: 1 ` + weights + weights + `params { cellClipThreshold: 50000 ` + params + `} ` + more + `}`
	}
	ways := "activationsForwardLSTM { linear {} } activationsForwardLSTM { linear {} } activationsForwardLSTM { linear {} } " +
		"activationsBackwardLSTM { linear {} } activationsBackwardLSTM { linear {} } activationsBackwardLSTM { linear {} }"
	num := dims{1, 1, 1, 1, 1}
	x, h, c := array(dims{2, 1, 1, 1, 1}, 1, 2), array(num, 4), array(num, 8)
	x1 := array(num, 1)
	checkLayers(t, []layerCase{
		// c = 2·8 + 5·3 = 31, h = 31; then c = 15.5·31 + 33·6 = 678.5, h = 1357.
		{"sequence", lstm("sequenceOutput: true", ""), arrays(x, h, c), arrays(array(dims{2, 1, 1, 1, 1}, 31, 1357), array(num, 1357), array(num, 678.5)), ""},
		// c = 2·8 + 6·6 = 52, h = 104; then f is bounded: c = 50·52 + 50·3 = 2750.
		{"reversed", lstm("sequenceOutput: true", "reverseInput: true"), arrays(x, h, c), arrays(array(dims{2, 1, 1, 1, 1}, 104, 2750), array(num, 2750), array(num, 2750)), ""},
		{"no states", lstm("", ""), arrays(x1), arrays(array(num, 3), array(num, 3), array(num, 3)), ""},
		{"forget bias", lstm("forgetBias: true", ""), arrays(x1, h, c), arrays(array(num, 39)), ""},
		{"biases", lstm("hasBiasVectors: true", ""), arrays(x1, h, c), arrays(array(num, 25451)), ""},
		{"biases and forget bias", lstm("hasBiasVectors: true forgetBias: true", ""), arrays(x1, h, c), arrays(array(num, 31*829)), ""},
		// i = 5 + 8, f = 2 + 16, c = 144 + 39, o is bounded.
		{"peephole", lstm("hasPeepholeVectors: true", ""), arrays(x1, h, c), arrays(array(num, 50*183)), ""},
		// c = -4·8 + 5·3.
		{"coupled", lstm("coupledInputAndForgetGate: true", ""), arrays(x1, h, c), arrays(array(num, -17)), ""},
		{
			"clipped", `uniDirectionalLSTM { inputVectorSize: 1 outputVectorSize: 1 ` + linear + weights + `params { hasBiasVectors: true } }`,
			arrays(x1, h, c), arrays(array(num, 1550), array(num, 1550), array(num, 50)), "",
		},
		{
			"saturating", `uniDirectionalLSTM { inputVectorSize: 1 outputVectorSize: 1 ` + weights +
				`activations { sigmoidHard {} } activations { tanh {} } activations { ReLU {} } params {} }`,
			arrays(array(num, 10), h, c), arrays(array(num, 8.2), array(num, 8.2), array(num, 8.2)), "",
		},
		{"two directions", both("sequenceOutput: true", ways), arrays(x, h, c, h, c), arrays(
			array(dims{2, 1, 2, 1, 1}, 31, 2750, 1357, 104),
			array(num, 1357), array(num, 678.5), array(num, 2750), array(num, 2750)), ""},
		{"two directions, last", both("", ways), arrays(x, h, c, h, c), arrays(array(dims{1, 1, 2, 1, 1}, 1357, 2750)), ""},

		{"unlike directions", both("", ways[:len(ways)-len("linear {} }")]+"tanh {} }"), arrays(x), nil, "want the same"},
		{"one direction", `biDirectionalLSTM { inputVectorSize: 1 outputVectorSize: 1 ` + weights + ways + ` }`, arrays(x), nil, "for 1 directions"},
		{"states", lstm("", ""), arrays(x, h, c, h), nil, "have 4 inputs"},
		{"no weights", `uniDirectionalLSTM { inputVectorSize: 1 outputVectorSize: 1 ` + linear + `}`, arrays(x), nil, "weights, gate 0"},
		{"negative clip", `uniDirectionalLSTM { inputVectorSize: 1 outputVectorSize: 1 ` + linear + weights + `params { cellClipThreshold: -1 } }`, arrays(x), nil, "clip"},
	})
}
