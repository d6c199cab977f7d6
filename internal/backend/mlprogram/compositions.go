package mlprogram

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

// composition says an operator that no ML Program has, or not in that way, in
// such as it has. It returns the values of the operator's outputs.
type composition func(b *mil.Builder, n *mil.Node) ([]*mil.Value, error)

var compositions = map[string]composition{
	"asinh":               asinh,
	"acosh":               acosh,
	"network_lstm":        named("lstm"),
	"network_gru":         named("gru"),
	"network_rnn":         named("rnn"),
	"network_nms":         suppression,
	"network_slice":       slice,
	"coreml_update_state": update,
	"select":              choose,
}

// composed applies a rule: the nodes that it makes give the results of n.
func composed(n *mil.Node, rule composition) ([]*mil.Node, error) {
	b := mil.NewBuilder(mil.IOS18)
	b.SetPlace(n.Name)
	outs, err := rule(b, n)
	if err == nil {
		err = b.Err()
	}
	if err != nil {
		return nil, err
	}
	for i, v := range outs {
		for j, made := range v.Node.Outputs {
			if made == v {
				v.Node.Outputs[j] = n.Outputs[i]
				n.Outputs[i].Node = v.Node
			}
		}
	}
	return b.Block.Nodes, nil
}

func one(v *mil.Value) []*mil.Value { return []*mil.Value{v} }

func number(v *mil.Value, x float32) *mil.Value {
	return mil.NewConst("", tensor.Scalar(v.Type.DType, x))
}

// asinh is sign(x)·log(|x| + √(x² + 1)), which loses nothing for large
// negative x.
func asinh(b *mil.Builder, n *mil.Node) ([]*mil.Value, error) {
	x := n.Input("x")
	a := op.Abs.Add(b, op.Unary{X: x})
	root := op.Sqrt.Add(b, op.Unary{X: op.Add.Add(b, op.Binary{X: op.Mul.Add(b, op.Binary{X: x, Y: x}), Y: number(x, 1)})})
	log := op.LogIOS17.Defaults()
	log.X = op.Add.Add(b, op.Binary{X: a, Y: root})
	return one(op.Mul.Add(b, op.Binary{X: op.Sign.Add(b, op.Unary{X: x}), Y: op.LogIOS17.Add(b, log)})), nil
}

// acosh is log(x + √(x² - 1)), NaN below 1.
func acosh(b *mil.Builder, n *mil.Node) ([]*mil.Value, error) {
	x := n.Input("x")
	root := op.Sqrt.Add(b, op.Unary{X: op.Sub.Add(b, op.Binary{X: op.Mul.Add(b, op.Binary{X: x, Y: x}), Y: number(x, 1)})})
	log := op.LogIOS17.Defaults()
	log.X = op.Add.Add(b, op.Binary{X: x, Y: root})
	return one(op.LogIOS17.Add(b, log)), nil
}

// again makes a node with the results of n.
func again(b *mil.Builder, n *mil.Node, name string, inputs []mil.Input) []*mil.Value {
	m := &mil.Node{Op: name, Name: n.Name, Inputs: inputs}
	for _, v := range n.Outputs {
		m.Outputs = append(m.Outputs, &mil.Value{Name: v.Name, Type: v.Type})
	}
	b.Append(m)
	return m.Outputs
}

// named is a recurrent layer of neural networks as the operator of that name.
// That the layer bounds what its activations are given to ±50 makes a
// difference only to such as have no bounds of their own.
func named(name string) composition {
	return func(b *mil.Builder, n *mil.Node) ([]*mil.Value, error) {
		var inputs []mil.Input
		for _, in := range n.Inputs {
			if in.Name == "coupled" {
				if in.Values[0].Const.Bools()[0] {
					return nil, errors.New("no operator has coupled input and forget gates")
				}
				continue
			}
			inputs = append(inputs, in)
		}
		return again(b, n, name, inputs), nil
	}
}

// suppression needs thresholds that are known, as scalars.
func suppression(b *mil.Builder, n *mil.Node) ([]*mil.Value, error) {
	var inputs []mil.Input
	for _, in := range n.Inputs {
		v := in.Values[0]
		switch in.Name {
		case "iou_threshold", "score_threshold", "max_boxes":
			if v.Const == nil {
				return nil, errors.New("its " + in.Name + " is only known when it is run")
			}
			v = mil.NewConst("", v.Const.Reshape(nil))
		}
		inputs = append(inputs, mil.Input{Name: in.Name, Values: one(v)})
	}
	return again(b, n, "non_maximum_suppression", inputs), nil
}

// slice needs strides and masks that are known.
func slice(b *mil.Builder, n *mil.Node) ([]*mil.Value, error) {
	for _, name := range []string{"stride", "begin_mask", "end_mask", "squeeze_mask"} {
		if v := n.Input(name); v != nil && v.Const == nil {
			return nil, errors.New("its " + name + " is only known when it is run")
		}
	}
	return again(b, n, "slice_by_index", n.Inputs), nil
}

// update writes a state and reads it again.
func update(b *mil.Builder, n *mil.Node) ([]*mil.Value, error) {
	state := one(n.Input("state"))
	b.Append(&mil.Node{
		Op: "write_state", Name: n.Name + "_write_state",
		Inputs: []mil.Input{{Name: "input", Values: state}, {Name: "data", Values: one(n.Input("value"))}},
	})
	return again(b, n, "read_state", []mil.Input{{Name: "input", Values: state}}), nil
}

// restatements say operators of iOS 16 that expand constants as those of
// iOS 18, which take codes as tensors of their own types; earlier ones say
// those of iOS 18 as those of iOS 16.
var (
	restatements = map[string]func(n *mil.Node) error{
		"constexpr_lut_to_dense":    lookUp,
		"constexpr_sparse_to_dense": sparse,
	}
	earlier = map[string]func(n *mil.Node) error{
		"constexpr_lut_to_dense": lookUpBits,
	}
)

// codes reads packed bits as a tensor of a type of so few bits.
func codes(n *mil.Node, name string, d tensor.DType) (*mil.Value, []int, error) {
	packed, shape := n.Input(name), n.Input("shape")
	if packed == nil || shape == nil || packed.Const == nil || shape.Const == nil {
		return nil, nil, errors.New("its arguments are not known")
	}
	var dims []int
	for _, x := range shape.Const.Float64s() {
		dims = append(dims, int(x))
	}
	t, err := tensor.FromPacked(d, dims, packed.Const.Packed())
	if err != nil {
		return nil, nil, fmt.Errorf("its argument %s: %w", name, err)
	}
	return mil.NewConst(packed.Name, t), dims, nil
}

func lookUp(n *mil.Node) error {
	types := map[int]tensor.DType{1: tensor.Uint1, 2: tensor.Uint2, 4: tensor.Uint4, 6: tensor.Uint6, 8: tensor.Uint8}
	lut := n.Input("lut")
	if lut == nil || lut.Const == nil || lut.Const.Len() == 0 {
		return errors.New("its table is not known")
	}
	entries := lut.Const.Len()
	indices, dims, err := codes(n, "indices", types[bits.Len(uint(entries-1))])
	if err != nil {
		return err
	}
	// One table for everything: [1, …, 1, entries, 1].
	shape := append(slices.Repeat([]int{1}, len(dims)), entries, 1)
	n.Inputs = []mil.Input{
		{Name: "indices", Values: one(indices)},
		{Name: "lut", Values: one(mil.NewConst(lut.Name, lut.Const.Reshape(shape)))},
	}
	return nil
}

func lookUpBits(n *mil.Node) error {
	indices, lut := n.Input("indices"), n.Input("lut")
	if indices == nil || lut == nil || indices.Const == nil || lut.Const == nil {
		return errors.New("its arguments are not known")
	}
	entries := 1 << indices.Const.DType().Bits()
	if lut.Const.Len() != entries {
		return errors.New("has several tables, or one of vectors, since iOS 18")
	}
	if indices.Const.DType() == tensor.Uint3 {
		return errors.New("has codes of 3 bits since iOS 18")
	}
	packed, err := tensor.FromPacked(tensor.Uint8, []int{indices.Const.DType().PackedSize(indices.Const.Len())}, indices.Const.Packed())
	if err != nil {
		return err
	}
	var dims []byte
	for _, d := range indices.Const.Shape() {
		dims = binary.LittleEndian.AppendUint32(dims, uint32(d))
	}
	shape, err := tensor.FromPacked(tensor.Uint32, []int{indices.Const.Rank()}, dims)
	if err != nil {
		return err
	}
	n.Inputs = []mil.Input{
		{Name: "indices", Values: one(mil.NewConst(indices.Name, packed))},
		{Name: "lut", Values: one(mil.NewConst(lut.Name, lut.Const.Reshape([]int{entries})))},
		{Name: "shape", Values: one(mil.NewConst("", shape))},
	}
	return nil
}

func sparse(n *mil.Node) error {
	mask, _, err := codes(n, "mask", tensor.Uint1)
	if err != nil {
		return err
	}
	data := n.Input("nonzero_data")
	n.Inputs = []mil.Input{{Name: "nonzero_data", Values: one(data)}, {Name: "mask", Values: one(mask)}}
	return nil
}
