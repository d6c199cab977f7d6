package op

import (
	"testing"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

func TestSelect(t *testing.T) {
	sel := func(c, a, b *tensor.Tensor) any { return &SelectArgs{val(c), val(a), val(b)} }
	checkCases(t, []evalCase{
		{"plain", Select.Op, sel(bo(sh{2}, true, false), fl(sh{2}, 1, nan), fl(sh{2}, nan, 4)), outs(fl(sh{2}, 1, 4)), ""},
		{"scalar condition", Select.Op, sel(bo(nil, false), ramp(2), fl(sh{2}, 8, 9)), outs(fl(sh{2}, 8, 9)), ""},
		{"all broadcast", Select.Op, sel(bo(sh{2, 1}, true, false), fl(sh{2}, 1, 2), fl(nil, 0)), outs(fl(sh{2, 2}, 1, 2, 0, 0)), ""},
		{"bool", Select.Op, sel(bo(sh{2}, true, false), bo(sh{2}, true, true), bo(sh{2}, false, false)), outs(bo(sh{2}, true, false)), ""},
		{"int32", Select.Op, sel(bo(sh{1}, true), in(sh{1}, 1), in(sh{1}, 2)), outs(in(sh{1}, 1)), ""},
		{"empty", Select.Op, sel(bo(sh{1}, true), ramp(0), ramp(1)), outs(ramp(0)), ""},
		{"shapes", Select.Op, sel(bo(sh{1}, true), ramp(2), ramp(3)), nil, "a and b"},
		{"condition", Select.Op, sel(bo(sh{3}, true, true, true), ramp(2), ramp(2)), nil, "cond"},
		{"types", Select.Op, sel(bo(sh{1}, true), ramp(1), in(sh{1}, 2)), nil, "other arguments"},
	})
}

func TestBlocksAndLists(t *testing.T) {
	elem := mil.TensorType(tensor.Float32, 2, -1)
	list := &mil.Value{Type: mil.Type{Kind: mil.List, Elem: &elem, Len: 3}}
	listOf := func(n int, d tensor.DType, shape ...int) []mil.Type {
		e := mil.TensorType(d, shape...)
		return []mil.Type{{Kind: mil.List, Elem: &e, Len: n}}
	}
	words := val(tensor.Scalar(tensor.String, "n"))
	pair := []*mil.Value{val(in(nil, 2)), words}
	checkInfer(t, []inferCase{
		{"types come from the blocks", Cond.Op, &CondArgs{unknown(tensor.Bool)}, nil, ""},
		{"predicate", Cond.Op, &CondArgs{unknown(tensor.Bool, 2)}, nil, "one truth value"},
		{"types they start with", WhileLoop.Op, &WhileLoopArgs{[]*mil.Value{val(ramp(2)), list}}, []mil.Type{mil.TensorType(tensor.Float32, 2), list.Type}, ""},
		{"growing", MakeList.Op, &MakeListArgs{InitLength: val(in(nil, 3)), DynamicLength: true, ElemShape: pair, DType: "int32"}, listOf(-1, tensor.Int32, 2, -1), ""},
		{"fixed", MakeList.Op, &MakeListArgs{InitLength: val(in(nil, 3)), ElemShape: pair, DType: "bool"}, listOf(3, tensor.Bool, 2, -1), ""},
		{"one by default", MakeList.Op, &MakeListArgs{ElemShape: pair[:1], DType: "fp32"}, listOf(1, tensor.Float32, 2), ""},
		{"of unknown length", MakeList.Op, &MakeListArgs{InitLength: unknown(tensor.Int32), ElemShape: nil, DType: "fp16"}, listOf(-1, tensor.Float16), ""},
		{"negative", MakeList.Op, &MakeListArgs{InitLength: val(in(nil, -3)), ElemShape: pair, DType: "fp32"}, nil, "-3 elements"},
		{"unknown shape", MakeList.Op, &MakeListArgs{ElemShape: []*mil.Value{unknown(tensor.Int32)}, DType: "fp32"}, nil, "elem_shape"},
		{"type", MakeList.Op, &MakeListArgs{ElemShape: pair, DType: "fp64"}, nil, "not one of"},
		{"element", ListRead.Op, &ListReadArgs{list, unknown(tensor.Int32)}, []mil.Type{elem}, ""},
		{"of a tensor", ListRead.Op, &ListReadArgs{val(ramp(2)), unknown(tensor.Int32)}, nil, "want a list"},
		{"two", ListRead.Op, &ListReadArgs{list, val(in(sh{2}, 0, 1))}, nil, "index"},
		{"element", ListWrite.Op, &ListWriteArgs{list, unknown(tensor.Int32), val(ramp(2, 5))}, []mil.Type{list.Type}, ""},
		{"shape", ListWrite.Op, &ListWriteArgs{list, unknown(tensor.Int32), val(ramp(3, 5))}, nil, "value: want"},
		{"type", ListWrite.Op, &ListWriteArgs{list, unknown(tensor.Int32), val(in(sh{2, 1}, 0, 0))}, nil, "value: want"},
		{"stacked", ListGather.Op, &ListGatherArgs{list, unknown(tensor.Int32, -4)}, f32(-4, 2, -1), ""},
		{"by a scalar", ListGather.Op, &ListGatherArgs{list, unknown(tensor.Int32)}, nil, "vector"},
		{"elements", ListScatter.Op, &ListScatterArgs{list, val(in(sh{3}, 0, 1, 2)), val(ramp(3, 2, 5))}, []mil.Type{list.Type}, ""},
		{"counts", ListScatter.Op, &ListScatterArgs{list, val(in(sh{2}, 0, 1)), val(ramp(3, 2, 5))}, nil, "2 indices"},
		{"scalar", ListScatter.Op, &ListScatterArgs{list, val(in(sh{2}, 0, 1)), val(ramp())}, nil, "value"},
		{"length", ListLength.Op, &ListLengthArgs{list}, i32(), ""},
		{"of a tensor", ListLength.Op, &ListLengthArgs{val(ramp(2))}, nil, "want a list"},
		{"list", Identity.Op, &IdentityArgs{list}, []mil.Type{list.Type}, ""},
	})
}

func TestStatesAndCustomLayers(t *testing.T) {
	held := mil.TensorType(tensor.Float16, 2)
	state := &mil.Value{Type: mil.Type{Kind: mil.State, Elem: &held}}
	checkInfer(t, []inferCase{
		{"read", ReadState.Op, &ReadStateArgs{state}, []mil.Type{held}, ""},
		{"of a tensor", ReadState.Op, &ReadStateArgs{val(ramp(2))}, nil, "want the state"},
		{"write", WriteState.Op, &WriteStateArgs{state, unknown(tensor.Float16, 2)}, nil, ""},
		{"type", WriteState.Op, &WriteStateArgs{state, unknown(tensor.Float32, 2)}, nil, "the state holds"},
		{"shape", CoremlUpdateState.Op, &CoremlUpdateStateArgs{state, unknown(tensor.Float16, 3)}, nil, "the state holds"},
		{"update", CoremlUpdateState.Op, &CoremlUpdateStateArgs{state, unknown(tensor.Float16, -1)}, []mil.Type{held}, ""},
		{"outputs are its own", CustomLayer.Op, &CustomLayerArgs{Inputs: vals(ramp(2)), Names: []string{"beta"}, ClassName: "Swish", Parameters: []string{"beta"}}, nil, ""},
		{"a list", CustomLayer.Op, &CustomLayerArgs{Inputs: vals(ramp(2), ramp(3)), Names: []string{"xs", "xs"}, ClassName: "Swish", InputOrder: []string{"xs"}}, nil, ""},
		{"without a class", CustomLayer.Op, &CustomLayerArgs{Inputs: vals(ramp(2)), Names: []string{"x"}}, nil, "class_name"},
		{"names", CustomLayer.Op, &CustomLayerArgs{Inputs: vals(ramp(2)), ClassName: "Swish"}, nil, "0 names for 1 inputs"},
		{"twice", CustomLayer.Op, &CustomLayerArgs{Inputs: vals(ramp(2), ramp(), ramp()), Names: []string{"x", "y", "x"}, ClassName: "Swish"}, nil, "two inputs"},
		{"no such input", CustomLayer.Op, &CustomLayerArgs{Inputs: vals(ramp(2)), Names: []string{"x"}, ClassName: "Swish", InputOrder: []string{"y"}}, nil, "input_order names"},
		{"no constant", CustomLayer.Op, &CustomLayerArgs{Inputs: []*mil.Value{unknown(tensor.Float16, 2)}, Names: []string{"x"}, ClassName: "Swish", Weights: []string{"x"}}, nil, "no constant"},
	})
}

func TestAddCustomLayer(t *testing.T) {
	b := mil.NewBuilder(mil.IOS18)
	b.SetPlace("swirl")
	x := &mil.Value{Name: "x", Type: mil.Type{DType: tensor.Float32, AnyRank: true}}
	args := CustomLayerArgs{
		Inputs: []*mil.Value{x, val(ramp(2))}, Names: []string{"x", "kernel"}, ClassName: "Swirl",
		InputOrder: []string{"x"}, Weights: []string{"kernel"},
	}
	types := []mil.Type{mil.TensorType(tensor.Float32, 2), mil.TensorType(tensor.Int32)}
	outs := AddCustomLayer(b, args, types)
	if b.Err() != nil || len(outs) != 2 || outs[1].Name != "swirl.1" || !outs[1].Type.Equal(types[1]) || outs[0].Node.Op != "custom_layer" {
		t.Fatalf("outputs %v, %v", outs, b.Err())
	}
	if have, want := args.Describe(), `class "Swirl" with inputs x tensor<fp32, ...>; weights kernel`; have != want {
		t.Errorf("described as %s", have)
	}
	absent := args
	absent.Inputs = []*mil.Value{x, nil}
	if AddCustomLayer(mil.NewBuilder(mil.IOS18), absent, types) != nil {
		t.Error("a layer with an absent input is added")
	}
	if AddCustomLayer(b, args, nil) != nil || b.Err() == nil || AddCustomLayer(b, args, types) != nil {
		t.Error("a layer without outputs is added")
	}
}
