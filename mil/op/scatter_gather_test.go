package op

import (
	"testing"

	"github.com/smelt-ml/smelt/tensor"
)

func TestGather(t *testing.T) {
	g := func(x, i *tensor.Tensor, axis int) any { return &GatherArgs{val(x), val(i), axis} }
	u16 := tensor.New(tensor.Uint16, sh{2}, []int32{1, 0})
	checkCases(t, []evalCase{
		{"rows", Gather.Op, g(ramp(3, 2), in(sh{2}, 2, 0), 0), outs(fl(sh{2, 2}, 4, 5, 0, 1)), ""},
		{"columns", Gather.Op, g(ramp(2, 3), in(sh{2}, -1, 1), -1), outs(fl(sh{2, 2}, 2, 1, 5, 4)), ""},
		{"scalar", Gather.Op, g(ramp(2, 3), in(nil, 1), 1), outs(fl(sh{2}, 1, 4)), ""},
		{"scalar of a vector", Gather.Op, g(ramp(3), in(nil, 1), 0), outs(fl(nil, 1)), ""},
		{"matrix", Gather.Op, g(ramp(3), in(sh{2, 2}, 0, 1, 2, 0), 0), outs(fl(sh{2, 2}, 0, 1, 2, 0)), ""},
		{"none", Gather.Op, g(ramp(3), in(sh{0}), 0), outs(ramp(0)), ""},
		{"of nothing", Gather.Op, g(ramp(0), in(sh{1}, 0), 0), nil, "index 0 of a dimension of 0"},
		{"beyond", Gather.Op, g(ramp(3), in(sh{1}, 3), 0), nil, "index 3"},
		{"before", Gather.Op, g(ramp(3), in(sh{1}, -4), 0), nil, "index -4"},
		{"axis", Gather.Op, g(ramp(3), in(sh{1}, 0), 1), nil, "axis 1"},
		{"batch", GatherIOS16.Op, &GatherIOS16Args{val(ramp(2, 3)), val(in(sh{2, 2}, 2, 0, 1, 1)), 1, 1}, outs(fl(sh{2, 2}, 2, 0, 4, 4)), ""},
		{"batch scalar", GatherIOS16.Op, &GatherIOS16Args{val(ramp(2, 3)), val(in(sh{2}, 2, 0)), 1, 1}, outs(fl(sh{2}, 2, 3)), ""},
		{"batch and outer", GatherIOS16.Op, &GatherIOS16Args{val(ramp(2, 2, 2)), val(in(sh{2, 1}, 1, 0)), -1, 1}, outs(fl(sh{2, 2, 1}, 1, 3, 4, 6)), ""},
		{"uint16", GatherIOS16.Op, &GatherIOS16Args{val(ramp(2)), val(u16), 0, 0}, outs(fl(sh{2}, 1, 0)), ""},
		{"batch sizes", GatherIOS16.Op, &GatherIOS16Args{val(ramp(2, 3)), val(in(sh{3, 1}, 0, 0, 0)), 1, 1}, nil, "first 1 dimensions"},
		{"batch beyond axis", GatherIOS16.Op, &GatherIOS16Args{val(ramp(2, 3)), val(in(sh{2}, 0, 0)), 0, 1}, nil, "batch_dims 1"},
		{"validated", GatherIOS17.Op, &GatherIOS17Args{X: val(ramp(3)), Indices: val(in(sh{1}, -1)), ValidateIndices: true}, nil, "index -1"},
		{"not validated", GatherIOS17.Op, &GatherIOS17Args{X: val(ramp(3)), Indices: val(in(sh{1}, -1))}, outs(fl(sh{1}, 2)), ""},
	})
	checkInfer(t, []inferCase{
		{"unknown", Gather.Op, &GatherArgs{unknown(tensor.Float32, -2, 4, -3), unknown(tensor.Int32, -7), 1}, f32(-2, -7, -3), ""},
	})
}
