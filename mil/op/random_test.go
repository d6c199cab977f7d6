package op

import (
	"math"
	"slices"
	"testing"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// TestRandomMoments draws many numbers and compares their moments.
func TestRandomMoments(t *testing.T) {
	const n = 200000
	shape := vectorOf(n)
	s := func(v float32) *tensor.Tensor { return tensor.Scalar(tensor.Float32, v) }
	x := mil.NewConst("x", fl(sh{3}, 0, float32(math.Log(2)), float32(math.Log(5)))) // 1/8, 2/8, 5/8
	for _, c := range []struct {
		name           string
		op             *Op
		args           any
		mean, variance float64
	}{
		{"bernoulli", RandomBernoulli.Op, &RandomBernoulliArgs{shape, s(0.3), 1}, 0.3, 0.21},
		{"never", RandomBernoulli.Op, &RandomBernoulliArgs{shape, s(0), 1}, 0, 0},
		{"always", RandomBernoulli.Op, &RandomBernoulliArgs{shape, s(1), 1}, 1, 0},
		{"normal", RandomNormal.Op, &RandomNormalArgs{shape, s(2), s(3), 1}, 2, 9},
		{"uniform", RandomUniform.Op, &RandomUniformArgs{shape, s(-1), s(5), 1}, 2, 3},
		{"unseeded", RandomUniform.Op, &RandomUniformArgs{shape, s(0), s(1), -1}, 0.5, 1.0 / 12},
		{"logits", RandomCategorical.Op, &RandomCategoricalArgs{x, "logits", n, 1}, 1.5, 0.5},
		{"probs", RandomCategorical.Op, &RandomCategoricalArgs{val(line(1, 2, 5)), "probs", n, 1}, 1.5, 0.5},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := evalCase{op: c.op, args: c.args}.run()
			if err != nil {
				t.Fatal(err)
			}
			v := got[0].F32()
			if len(v) != n {
				t.Fatalf("%d numbers", len(v))
			}
			mean, variance := moments(v)
			// Five standard deviations of the estimates, for the heaviest tails here.
			if math.Abs(mean-c.mean) > 5*math.Sqrt(c.variance/n) || math.Abs(variance-c.variance) > 5*c.variance*math.Sqrt(4.0/n) {
				t.Errorf("mean %g, variance %g, want %g and %g", mean, variance, c.mean, c.variance)
			}
		})
	}
}

func TestRandom(t *testing.T) {
	s := func(v float32) *tensor.Tensor { return tensor.Scalar(tensor.Float32, v) }
	draw := func(seed int) []float32 {
		t.Helper()
		got, err := evalCase{op: RandomNormal.Op, args: &RandomNormalArgs{vectorOf(8), s(0), s(1), seed}}.run()
		if err != nil {
			t.Fatal(err)
		}
		return got[0].F32()
	}
	if !slices.Equal(draw(5), draw(5)) {
		t.Error("a seed gives different numbers")
	}
	if slices.Equal(draw(5), draw(6)) || slices.Equal(draw(-1), draw(-1)) {
		t.Error("different seeds, or none, give the same numbers")
	}
	for _, o := range []*Op{RandomNormal.Op, RandomUniform.Op, RandomBernoulli.Op, RandomCategorical.Op} {
		if !o.Random {
			t.Errorf("%s would be folded", o.Name)
		}
	}
	checkCases(t, []evalCase{
		{"one value", RandomUniform.Op, &RandomUniformArgs{vectorOf(2, 2), s(3), s(3), 0}, outs(fl(sh{2, 2}, 3, 3, 3, 3)), ""},
		{"half", RandomUniform.Op, &RandomUniformArgs{vectorOf(1), half(3), half(3), 0}, outs(half(3)), ""},
		{"scalar", RandomNormal.Op, &RandomNormalArgs{vectorOf(), s(3), s(0), 0}, outs(fl(sh{}, 3)), ""},
		{"empty", RandomNormal.Op, &RandomNormalArgs{vectorOf(0, 5), s(3), s(0), 0}, outs(ramp(0, 5)), ""},
		{"negative", RandomNormal.Op, &RandomNormalArgs{vectorOf(2, -1), s(3), s(0), 0}, nil, "negative"},
		{"huge", RandomNormal.Op, &RandomNormalArgs{vectorOf(1<<31-1, 1<<31-1), s(3), s(0), 0}, nil, "more than"},
		{"vector parameter", RandomNormal.Op, &RandomNormalArgs{vectorOf(2), line(1, 2), s(0), 0}, nil, "scalar"},
		{"shape of rank 2", RandomBernoulli.Op, &RandomBernoulliArgs{unknown(tensor.Int32, 2, 2), s(0), 0}, nil, "vector"},
		{"shape of floats", RandomBernoulli.Op, &RandomBernoulliArgs{val(line(2)), s(0), 0}, nil, "int32"},

		{"certain", RandomCategorical.Op, &RandomCategoricalArgs{val(fl(sh{2, 3}, 0, 1, 0, 0, 0, 9)), "probs", 2, 0}, outs(fl(sh{2, 2}, 1, 1, 2, 2)), ""},
		{"certain logits", RandomCategorical.Op, &RandomCategoricalArgs{val(line(-inf, 1e30, 0)), "logits", 2, 0}, outs(line(1, 1)), ""},
		{"NaN", RandomCategorical.Op, &RandomCategoricalArgs{val(line(nan, nan)), "logits", 1, 0}, outs(line(1)), ""},
		{"no samples", RandomCategorical.Op, &RandomCategoricalArgs{val(line(1, 1)), "probs", 0, 0}, outs(line()), ""},
		{"no classes", RandomCategorical.Op, &RandomCategoricalArgs{val(ramp(2, 0)), "probs", 1, 0}, nil, "one class"},
		{"size", RandomCategorical.Op, &RandomCategoricalArgs{val(line(1)), "probs", -1, 0}, nil, "negative"},
		{"too many", RandomCategorical.Op, &RandomCategoricalArgs{val(ramp(4, 1)), "probs", 1 << 30, 0}, nil, "more than"},
		{"scalar", RandomCategorical.Op, &RandomCategoricalArgs{val(ramp()), "probs", 1, 0}, nil, "one class"},
	})
	checkInfer(t, []inferCase{
		{"unknown shape", RandomNormal.Op, &RandomNormalArgs{unknown(tensor.Int32, 3), s(0), s(1), 0}, f32(-1, -1, -1), ""},
		{"unknown rank", RandomNormal.Op, &RandomNormalArgs{unknown(tensor.Int32, -1), s(0), s(1), 0}, anyRankType(tensor.Float32), ""},
		{"huge rank", RandomNormal.Op, &RandomNormalArgs{unknown(tensor.Int32, 1<<30), s(0), s(1), 0}, nil, "dimensions"},
		{"unknown batch", RandomCategorical.Op, &RandomCategoricalArgs{unknown(tensor.Float32, -3, -4), "probs", 5, 0}, f32(-3, 5), ""},
	})
	// Parameters that a file leaves out do not change the type of those it has.
	n := &mil.Node{Op: "random_normal", Name: "n", Inputs: []mil.Input{
		{Name: "shape", Values: []*mil.Value{vectorOf(2)}},
		{Name: "stddev", Values: []*mil.Value{val(half(0.5).Reshape(nil))}},
	}}
	args, err := RandomNormal.Bind(n, nil)
	if err != nil {
		t.Fatal(err)
	}
	types, err := RandomNormal.Infer(args)
	if err != nil || types[0].DType != tensor.Float16 {
		t.Errorf("types %v, %v", types, err)
	}
}
