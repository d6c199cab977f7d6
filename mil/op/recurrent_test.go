package op

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/smelt-ml/smelt/tensor"
)

func TestRNN(t *testing.T) {
	rnn := func(change func(a *RNNArgs)) *RNNArgs {
		a := RNN.Defaults()
		a.X, a.InitialH = val(fl(sh{3, 1, 1}, 1, 2, 3)), val(fl(sh{1, 1}, 10))
		a.WeightIH, a.WeightHH, a.Activation = fl(sh{1, 1}, 100), fl(sh{1, 1}, 2), "linear"
		change(&a)
		return &a
	}
	o := RNN.Op
	checkCases(t, []evalCase{
		{"last", o, rnn(func(a *RNNArgs) {}), outs(fl(sh{1, 1, 1}, 1180), fl(sh{1, 1}, 1180)), ""},
		{"sequence", o, rnn(func(a *RNNArgs) { a.OutputSequence = true }), outs(fl(sh{3, 1, 1}, 120, 440, 1180), fl(sh{1, 1}, 1180)), ""},
		{"bias", o, rnn(func(a *RNNArgs) { a.OutputSequence, a.Bias = true, fl(sh{1}, 1) }), outs(fl(sh{3, 1, 1}, 121, 443, 1187), fl(sh{1, 1}, 1187)), ""},
		{"reversed", o, rnn(func(a *RNNArgs) { a.OutputSequence, a.Direction = true, "reverse" }), outs(fl(sh{3, 1, 1}, 320, 840, 1780), fl(sh{1, 1}, 1780)), ""},
		{"no steps", o, rnn(func(a *RNNArgs) { a.X = val(fl(sh{0, 1, 1})) }), outs(fl(sh{1, 1, 1}, 10), fl(sh{1, 1}, 10)), ""},
		{"no steps of a sequence", o, rnn(func(a *RNNArgs) { a.X, a.OutputSequence = val(fl(sh{0, 1, 1})), true }), outs(fl(sh{0, 1, 1}), fl(sh{1, 1}, 10)), ""},
		{
			"batch", o, rnn(func(a *RNNArgs) { a.X, a.InitialH = val(fl(sh{1, 2, 1}, 1, 2)), val(fl(sh{2, 1}, 10, 20)) }),
			outs(fl(sh{1, 2, 1}, 120, 240), fl(sh{2, 1}, 120, 240)), "",
		},
		{"states to spare", o, rnn(func(a *RNNArgs) { a.InitialH = val(fl(sh{3, 1}, 10, 20, 30)) }), outs(fl(sh{1, 1, 1}, 1180), fl(sh{1, 1}, 1180)), ""},
		{"two numbers", o, rnn(func(a *RNNArgs) {
			a.X, a.InitialH = val(fl(sh{1, 1, 1}, 1)), val(fl(sh{1, 2}, 1, 10))
			a.WeightIH, a.WeightHH = fl(sh{2, 1}, 100, 200), fl(sh{2, 2}, 1, 2, 3, 4)
		}), outs(fl(sh{1, 1, 2}, 121, 243), fl(sh{1, 2}, 121, 243)), ""},
		{"relu", o, rnn(func(a *RNNArgs) { a.WeightHH, a.Activation, a.OutputSequence = fl(sh{1, 1}, -100), "relu", true }), outs(fl(sh{3, 1, 1}, 0, 200, 0), fl(sh{1, 1}, 0)), ""},
		{"hard sigmoid", o, rnn(func(a *RNNArgs) {
			a.X, a.WeightHH, a.Activation, a.OutputSequence = val(fl(sh{3, 1, 1}, 0.01, 1, -1)), fl(sh{1, 1}, 0), "sigmoid_hard", true
		}), outs(fl(sh{3, 1, 1}, 0.7, 1, 0), fl(sh{1, 1}, 0)), ""},
		{"float16", RNNIOS17.Op, rnn(func(a *RNNArgs) {
			a.X, a.InitialH = val(tensor.New(tensor.Float16, sh{1, 1, 1}, []float32{1})), val(tensor.New(tensor.Float16, sh{1, 1}, []float32{10}))
		}), outs(tensor.New(tensor.Float16, sh{1, 1, 1}, []float32{120}), tensor.New(tensor.Float16, sh{1, 1}, []float32{120})), ""},
		{"NaN", o, rnn(func(a *RNNArgs) { a.Activation, a.X = "tanh", val(fl(sh{1, 1, 1}, nan)) }), outs(fl(sh{1, 1, 1}, nan), fl(sh{1, 1}, nan)), ""},

		{"rank", o, rnn(func(a *RNNArgs) { a.X = val(ramp(1, 1)) }), nil, "x: want rank 3"},
		{"weight", o, rnn(func(a *RNNArgs) { a.WeightIH = ramp(1, 2) }), nil, "weight_ih: want [1, 1]"},
		{"recursion", o, rnn(func(a *RNNArgs) { a.WeightHH = ramp(1) }), nil, "weight_hh: want a matrix"},
		{"square", o, rnn(func(a *RNNArgs) { a.WeightHH = ramp(2, 1) }), nil, "weight_hh: want [1, 1]"},
		{"bias", o, rnn(func(a *RNNArgs) { a.Bias = ramp(2) }), nil, "bias: want [1]"},
		{"state", o, rnn(func(a *RNNArgs) { a.InitialH = val(ramp(1, 2)) }), nil, "initial_h: want [1, 1]"},
		{"states", o, rnn(func(a *RNNArgs) { a.X = val(ramp(1, 2, 1)) }), nil, "initial_h: want [2, 1]"},
		{"direction", o, rnn(func(a *RNNArgs) { a.Direction = "bidirectional" }), nil, "not one of"},
		{"activation", o, rnn(func(a *RNNArgs) { a.Activation = "hard_sigmoid" }), nil, "not one of"},
	})
	checkInfer(t, []inferCase{
		{
			"unknown", o, rnn(func(a *RNNArgs) {
				a.X, a.InitialH, a.OutputSequence = unknown(tensor.Float32, -3, -4, -1), unknown(tensor.Float32, -4, -1), true
			}),
			append(f32(-3, -4, 1), f32(-4, 1)...), "",
		},
	})
}

func TestGRU(t *testing.T) {
	gru := func(change func(a *GRUIOS18Args)) *GRUIOS18Args {
		a := GRUIOS18.Defaults()
		a.X, a.InitialH = val(fl(sh{2, 1, 1}, 1, 2)), val(fl(sh{1, 1}, 8))
		// r = 2x + h/8, o = 3x + 10·h·r, z = x/4 + h/16.
		a.WeightIH, a.WeightHH = fl(sh{3, 1}, 2, 3, 0.25), fl(sh{3, 1}, 0.125, 10, 0.0625)
		a.RecurrentActivation, a.Activation = "linear", "linear"
		change(&a)
		return &a
	}
	o := GRUIOS18.Op
	checkCases(t, []evalCase{
		// r = 3, o = 243, z = 3/4.
		{"one step", o, gru(func(a *GRUIOS18Args) { a.X = val(fl(sh{1, 1, 1}, 1)) }), outs(fl(sh{1, 1, 1}, 66.75), fl(sh{1, 1}, 66.75)), ""},
		// Then r = 12.34375, o = 8245.453125, z = 4.671875.
		{"sequence", o, gru(func(a *GRUIOS18Args) { a.OutputSequence = true }), outs(fl(sh{2, 1, 1}, 66.75, -29964.426), fl(sh{1, 1}, -29964.426)), ""},
		// First r = 5, o = 406, z = 1.
		{"reversed", o, gru(func(a *GRUIOS18Args) { a.OutputSequence, a.Direction = true, "reverse" }), outs(fl(sh{2, 1, 1}, 8, 66.75), fl(sh{1, 1}, 66.75)), ""},
		// r = 3 + 1, o = 3 + 320 + 2, z = 3/4 + 1/4.
		{"bias", o, gru(func(a *GRUIOS18Args) { a.X, a.Bias = val(fl(sh{1, 1, 1}, 1)), fl(sh{3}, 1, 2, 0.25) }), outs(fl(sh{1, 1, 1}, 8), fl(sh{1, 1}, 8)), ""},
		// As one step, but o = 243 + 4 + 5.
		{"two biases", o, gru(func(a *GRUIOS18Args) {
			a.X, a.Bias, a.InputBias = val(fl(sh{1, 1, 1}, 1)), fl(sh{3}, 0, 4, 0), fl(sh{3}, 0, 5, 0)
		}), outs(fl(sh{1, 1, 1}, 69), fl(sh{1, 1}, 69)), ""},
		// And o = 3 + 5 + 3·(80 + 4).
		{"reset after", o, gru(func(a *GRUIOS18Args) {
			a.X, a.Bias, a.InputBias, a.ResetAfter = val(fl(sh{1, 1, 1}, 1)), fl(sh{3}, 0, 4, 0), fl(sh{3}, 0, 5, 0), true
		}), outs(fl(sh{1, 1, 1}, 71), fl(sh{1, 1}, 71)), ""},
		// R_o mixes two states, reset by 1 and 2 before it: o = (2·8, 1·4), z = 0.
		{"reset before", o, gru(func(a *GRUIOS18Args) {
			a.X, a.InitialH = val(fl(sh{1, 1, 1}, 1)), val(fl(sh{1, 2}, 4, 8))
			a.WeightIH, a.WeightHH = fl(sh{6, 1}, 1, 2, 0, 0, 0, 0), fl(sh{6, 2}, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0)
		}), outs(fl(sh{1, 1, 2}, 16, 4), fl(sh{1, 2}, 16, 4)), ""},
		{"iOS15", GRU.Op, &GRUArgs{
			X: val(fl(sh{1, 1, 1}, 0)), InitialH: val(fl(sh{1, 1}, 3)), WeightIH: ramp(3, 1), WeightHH: fl(sh{3, 1}, 0, 0, 0),
			Direction: "forward", RecurrentActivation: "sigmoid", Activation: "tanh",
		}, outs(fl(sh{1, 1, 1}, 1.5), fl(sh{1, 1}, 1.5)), ""},

		{"weight", o, gru(func(a *GRUIOS18Args) { a.WeightIH = ramp(4, 1) }), nil, "weight_ih: want [3, 1]"},
		{"recursion", o, gru(func(a *GRUIOS18Args) { a.WeightHH = ramp(3, 2) }), nil, "want [6, 1]"},
		{"bias", o, gru(func(a *GRUIOS18Args) { a.InputBias = ramp(1) }), nil, "bias: want [3]"},
		{"state", o, gru(func(a *GRUIOS18Args) { a.InitialH = val(ramp(1)) }), nil, "initial_h"},
	})
	checkInfer(t, []inferCase{
		{
			"unknown", o, gru(func(a *GRUIOS18Args) {
				a.X, a.InitialH = unknown(tensor.Float32, -3, -4, -1), unknown(tensor.Float32, -1, -1)
			}),
			append(f32(1, -4, 1), f32(-4, 1)...), "",
		},
	})
}

func TestLSTM(t *testing.T) {
	lstm := func(change func(a *LSTMArgs)) *LSTMArgs {
		a := LSTM.Defaults()
		a.X, a.InitialH, a.InitialC = val(fl(sh{2, 1, 1}, 1, 2)), val(fl(sh{1, 1}, 4)), val(fl(sh{1, 1}, 8))
		// i = x + h, f = h/2, o = x, z = 3x.
		a.WeightIH, a.WeightHH = fl(sh{4, 1}, 1, 0, 1, 3), fl(sh{4, 1}, 1, 0.5, 0, 0)
		a.RecurrentActivation, a.CellActivation, a.Activation = "linear", "linear", "linear"
		change(&a)
		return &a
	}
	o := LSTM.Op
	back := func(a *LSTMArgs) {
		a.Direction, a.OutputSequence = "bidirectional", true
		a.InitialH, a.InitialC = val(fl(sh{1, 2}, 4, 4)), val(fl(sh{1, 2}, 8, 8))
		a.WeightIHBack, a.WeightHHBack = fl(sh{4, 1}, 1, 0, 1, 3), fl(sh{4, 1}, 1, 0.5, 0, 0)
	}
	checkCases(t, []evalCase{
		// c = 2·8 + 5·3 = 31, h = 31; then c = 15.5·31 + 33·6 = 678.5, h = 1357.
		{"sequence", o, lstm(func(a *LSTMArgs) { a.OutputSequence = true }), outs(fl(sh{2, 1, 1}, 31, 1357), fl(sh{1, 1}, 1357), fl(sh{1, 1}, 678.5)), ""},
		{"last", o, lstm(func(a *LSTMArgs) {}), outs(fl(sh{1, 1, 1}, 1357), fl(sh{1, 1}, 1357), fl(sh{1, 1}, 678.5)), ""},
		// c = 2·8 + 6·6 = 52, h = 104; then c = 52·52 + 105·3 = 3019, h = 3019.
		{
			"reversed", o, lstm(func(a *LSTMArgs) { a.OutputSequence, a.Direction = true, "reverse" }),
			outs(fl(sh{2, 1, 1}, 104, 3019), fl(sh{1, 1}, 3019), fl(sh{1, 1}, 3019)), "",
		},
		{"two directions", o, lstm(back), outs(fl(sh{2, 1, 2}, 31, 3019, 1357, 104), fl(sh{1, 2}, 1357, 3019), fl(sh{1, 2}, 678.5, 3019)), ""},
		{
			"two directions, last", o, lstm(func(a *LSTMArgs) { back(a); a.OutputSequence = false }),
			outs(fl(sh{1, 1, 2}, 1357, 3019), fl(sh{1, 2}, 1357, 3019), fl(sh{1, 2}, 678.5, 3019)), "",
		},
		// i = 5 + 10, f = 2 + 20, o = 1 + 30, z = 3 + 40: c = 176 + 645.
		{
			"bias", o, lstm(func(a *LSTMArgs) { a.X, a.Bias = val(fl(sh{1, 1, 1}, 1)), fl(sh{4}, 10, 20, 30, 40) }),
			outs(fl(sh{1, 1, 1}, 25451), fl(sh{1, 1}, 25451), fl(sh{1, 1}, 821)), "",
		},
		// i = 5 + 8, f = 2 + 16, c = 144 + 39 = 183, o = 1 + 3·183.
		{
			"peephole", o, lstm(func(a *LSTMArgs) { a.X, a.Peephole = val(fl(sh{1, 1, 1}, 1)), fl(sh{3}, 1, 2, 3) }),
			outs(fl(sh{1, 1, 1}, 100650), fl(sh{1, 1}, 100650), fl(sh{1, 1}, 183)), "",
		},
		{"clipped", o, lstm(func(a *LSTMArgs) { a.X, a.Clip = val(fl(sh{1, 1, 1}, 1)), 10 }), outs(fl(sh{1, 1, 1}, 10), fl(sh{1, 1}, 10), fl(sh{1, 1}, 10)), ""},
		{
			"clipped below", o, lstm(func(a *LSTMArgs) { a.X, a.Clip = val(fl(sh{1, 1, 1}, -2)), 10 }),
			outs(fl(sh{1, 1, 1}, -8), fl(sh{1, 1}, -8), fl(sh{1, 1}, 4)), "",
		},
		{"activations", o, lstm(func(a *LSTMArgs) {
			a.X, a.RecurrentActivation, a.CellActivation, a.Activation = val(fl(sh{1, 1, 1}, -5)), "hard_sigmoid", "relu", "linear"
			a.InitialH = val(fl(sh{1, 1}, 0)) // f = 1/2, z = 0, o = 0
		}), outs(fl(sh{1, 1, 1}, 0), fl(sh{1, 1}, 0), fl(sh{1, 1}, 4)), ""},
		{"no steps", o, lstm(func(a *LSTMArgs) { a.X = val(fl(sh{0, 1, 1})) }), outs(fl(sh{1, 1, 1}, 4), fl(sh{1, 1}, 4), fl(sh{1, 1}, 8)), ""},
		{"NaN", o, lstm(func(a *LSTMArgs) { a.X, a.Clip = val(fl(sh{1, 1, 1}, nan)), 1 }), outs(fl(sh{1, 1, 1}, nan), fl(sh{1, 1}, nan), fl(sh{1, 1}, nan)), ""},

		{"one way back", o, lstm(func(a *LSTMArgs) { back(a); a.WeightHHBack = nil }), nil, "weight_hh_back"},
		{"one state", o, lstm(func(a *LSTMArgs) { back(a); a.InitialC = val(ramp(1, 1)) }), nil, "initial_c: want [1, 2]"},
		{"weight", o, lstm(func(a *LSTMArgs) { a.WeightIH = ramp(3, 1) }), nil, "weight_ih: want [4, 1]"},
		{"weight back", o, lstm(func(a *LSTMArgs) { back(a); a.WeightIHBack = ramp(3, 1) }), nil, "backward: weight_ih"},
		{"peephole", o, lstm(func(a *LSTMArgs) { a.Peephole = ramp(4) }), nil, "peephole: want [3]"},
		{"clip", o, lstm(func(a *LSTMArgs) { a.Clip = -1 }), nil, "clip -1"},
		{"rank", o, lstm(func(a *LSTMArgs) { a.X = val(ramp(1)) }), nil, "rank 3"},
	})
	checkInfer(t, []inferCase{
		{"unknown", o, lstm(func(a *LSTMArgs) {
			back(a)
			a.X, a.InitialH = unknown(tensor.Float32, -3, -4, -1), unknown(tensor.Float32, -4, -1)
		}), append(append(f32(-3, -4, 2), f32(-4, 2)...), f32(-4, 2)...), ""},
	})
}

// TestActivations holds the named functions against their definitions.
func TestActivations(t *testing.T) {
	for _, x := range []float64{-1000, -3, -0.5, 0, 0.5, 3, 1000} {
		for name, want := range map[string]float64{
			"tanh": math.Tanh(x), "scaled_tanh": math.Tanh(x), "linear": x,
			"sigmoid": (math.Tanh(x/2) + 1) / 2, "relu": math.Max(0, x),
			"hard_sigmoid": math.Min(1, math.Max(0, x/5+0.5)), "sigmoid_hard": math.Min(1, math.Max(0, x/5+0.5)),
		} {
			if got := activations[name](x); math.Abs(got-want) > 1e-12 {
				t.Errorf("%s(%v) = %v, want %v", name, x, got, want)
			}
		}
	}
}

// TestDirections holds a bidirectional LSTM against one each way, of which the
// backward one reads x from its end.
func TestDirections(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	for range 100 {
		a := sampleLSTM(r)
		if a.Direction != "bidirectional" {
			continue
		}
		a.OutputSequence = true
		both, err := evalLSTM(&a)
		if err != nil {
			t.Fatal(err)
		}
		steps, batch, size := both[0].Shape()[0], both[0].Shape()[1], both[0].Shape()[2]
		m := size / 2
		part := func(x *tensor.Tensor, from int) *tensor.Tensor {
			out := make([]float32, 0, batch*m)
			for n := range batch {
				out = append(out, x.F32()[n*size+from:][:m]...)
			}
			return fl(sh{batch, m}, out...)
		}
		for dir, direction := range []string{"forward", "reverse"} {
			b := a
			b.Direction = direction
			b.InitialH, b.InitialC = val(part(a.InitialH.Const, dir*m)), val(part(a.InitialC.Const, dir*m))
			if dir == 1 {
				b.WeightIH, b.WeightHH, b.Bias, b.Peephole = a.WeightIHBack, a.WeightHHBack, a.BiasBack, a.PeepholeBack
			}
			one, err := evalLSTM(&b)
			if err != nil {
				t.Fatal(err)
			}
			for i := range 2 {
				if want := part(both[i+1], dir*m); !sameTensor(one[i+1], want) {
					t.Fatalf("%s: state %d is %s, want %s", direction, i, showTensor(one[i+1]), showTensor(want))
				}
			}
			for s := range steps {
				at := s
				if dir == 1 {
					at = steps - 1 - s
				}
				for n := range batch {
					for j := range m {
						got, want := one[0].F32()[(s*batch+n)*m+j], both[0].F32()[(at*batch+n)*size+dir*m+j]
						if got != want && !(got != got && want != want) {
							t.Fatalf("%s: step %d is %v, want %v", direction, s, got, want)
						}
					}
				}
			}
		}
	}
}

// TestNetworkRecurrence holds what the layers of neural networks do in
// another way.
func TestNetworkRecurrence(t *testing.T) {
	x, one := val(fl(sh{2, 1, 1}, 30, 60)), val(fl(sh{1, 1}, 1))
	rnn := NetworkRNNArgs{X: x, InitialH: one, WeightIH: fl(sh{1, 1}, 1), WeightHH: fl(sh{1, 1}, 1), Direction: "forward", OutputSequence: true, Activation: "relu"}
	lecun := rnn
	lecun.X, lecun.InitialH, lecun.Activation = val(fl(sh{1, 1, 1}, 1.5)), val(fl(sh{1, 1}, 0)), "lecun_tanh"
	// r = 50 of 60 + 1, z = 0, o = 50 of 60 + 50.
	gru := NetworkGRUArgs{
		X: val(fl(sh{1, 1, 1}, 60)), InitialH: one, WeightIH: fl(sh{3, 1}, 1, 1, 0), WeightHH: fl(sh{3, 1}, 1, 1, 0),
		Direction: "forward", RecurrentActivation: "linear", Activation: "linear",
	}
	// i = 1/4, f would be 100, o = 1, z = 50 of 80; coupled, c = 3/4·8 + 50/4.
	lstm := NetworkLSTMArgs{
		X: val(fl(sh{1, 1, 1}, 1)), InitialH: one, InitialC: val(fl(sh{1, 1}, 8)),
		WeightIH: fl(sh{4, 1}, 0.25, 100, 1, 80), WeightHH: fl(sh{4, 1}, 0, 0, 0, 0),
		Direction: "forward", RecurrentActivation: "linear", CellActivation: "linear", Activation: "linear", Coupled: true,
	}
	apart, clipped := lstm, lstm
	apart.Coupled = false // c = 50·8 + 50/4
	clipped.Clip = 10
	checkCases(t, []evalCase{
		{"bounded", NetworkRNN.Op, &rnn, outs(fl(sh{2, 1, 1}, 31, 50), fl(sh{1, 1}, 50)), ""},
		{"LeCun's tanh", NetworkRNN.Op, &lecun, outs(fl(sh{1, 1, 1}, 1.3068194), fl(sh{1, 1}, 1.3068194)), ""},
		{"bounded", NetworkGRU.Op, &gru, outs(fl(sh{1, 1, 1}, 50), fl(sh{1, 1}, 50)), ""},
		{"coupled", NetworkLSTM.Op, &lstm, outs(fl(sh{1, 1, 1}, 18.5), fl(sh{1, 1}, 18.5), fl(sh{1, 1}, 18.5)), ""},
		{"coupled and clipped", NetworkLSTM.Op, &clipped, outs(fl(sh{1, 1, 1}, 10), fl(sh{1, 1}, 10), fl(sh{1, 1}, 10)), ""},
		{"not coupled", NetworkLSTM.Op, &apart, outs(fl(sh{1, 1, 1}, 412.5), fl(sh{1, 1}, 412.5), fl(sh{1, 1}, 412.5)), ""},
	})
}
