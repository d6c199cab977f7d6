package coreml

import (
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// LowerCodes is LowerNetwork for who writes the program again: quantized weights
// of products stay codes, which constexpr operators expand. Weights that a layer
// keeps in another order than the operator, and those that no operator expands to
// the same numbers, are constants as ever.
func LowerCodes(m *spec.Model, inputs []Input, weights Weights) (*Network, error) {
	net, err := LowerNetwork(m, inputs, weights)
	if err != nil {
		return nil, err
	}
	expandCodes(net.Func)
	return net, nil
}

// takesCodes says which argument of an operator may be what a constexpr operator
// gives.
var takesCodes = map[string]string{"conv": "weight", "conv_transpose": "weight", "linear": "weight", "matmul": "y", "gather": "x"}

// expandCodes puts nodes that expand codes in the place of constants that are
// made from codes.
func expandCodes(f *mil.Func) {
	var nodes []*mil.Node
	made := map[*tensor.Tensor]*mil.Value{}
	var walk func(b *mil.Block)
	walk = func(b *mil.Block) {
		for _, n := range b.Nodes {
			for _, in := range n.Inputs {
				if in.Name != takesCodes[n.Op] || len(in.Values) != 1 || in.Values[0].Const == nil || in.Values[0].Const.Codes() == nil {
					continue
				}
				v := in.Values[0]
				if made[v.Const] == nil {
					expand := expansion(v)
					if expand == nil {
						continue
					}
					expand.Outputs = []*mil.Value{{Name: v.Name, Type: v.Type, Node: expand}}
					made[v.Const], nodes = expand.Outputs[0], append(nodes, expand)
				}
				in.Values[0] = made[v.Const]
			}
			for _, nested := range n.Blocks {
				walk(nested)
			}
		}
	}
	walk(f.Body)
	f.Body.Nodes = append(nodes, f.Body.Nodes...)
}

// expansion makes the node that gives what a constant has, nil if none does.
func expansion(v *mil.Value) *mil.Node {
	c := v.Const.Codes()
	raw, _ := c.Unsigned(v.Const.Len())
	table := c.Table
	if table == nil && len(c.Scale) == 1 && !c.Signed {
		table = make([]float32, 1<<c.Bits)
		for i := range table {
			table[i] = c.Scale[0] * (float32(i) - slices.Concat(c.Zero, []float32{0})[0])
		}
	}
	if table != nil {
		return lookUpCodes(v, raw, table)
	}
	d := tensor.Uint8
	if c.Signed {
		d, raw = tensor.Int8, c.Data
	}
	data, err := tensor.FromPacked(d, v.Type.Shape, raw)
	if err != nil {
		return nil // signed ones of fewer bits
	}
	axis := 0
	if len(c.Scale) > 1 {
		for axis < v.Type.Rank() && (v.Type.Shape[axis] != len(c.Scale) || tensor.Size(v.Type.Shape[axis+1:]) != c.Group) {
			axis++
		}
		if axis == v.Type.Rank() {
			return nil
		}
	}
	zero := c.Zero
	if zero == nil {
		zero = make([]float32, len(c.Scale))
	}
	return op.ConstexprAffineDequantize.Node(v.Name, &op.ConstexprAffineDequantizeArgs{
		QuantizedData: data, ZeroPoint: tensor.Floats([]int{len(zero)}, zero), Scale: tensor.Floats([]int{len(zero)}, c.Scale), Axis: axis,
	})
}

// lookUpCodes makes the node that looks codes up in a table, which it makes
// as large as the operator takes them.
func lookUpCodes(v *mil.Value, raw []byte, table []float32) *mil.Node {
	bits := 1
	for bits < 8 && 1<<bits < len(table) || bits == 3 || bits == 5 || bits == 7 {
		bits++
	}
	table = slices.Concat(table, make([]float32, 1<<bits-len(table)))
	d := map[int]tensor.DType{1: tensor.Uint1, 2: tensor.Uint2, 4: tensor.Uint4, 6: tensor.Uint6, 8: tensor.Uint8}[bits]
	indices, err := tensor.FromPacked(d, v.Type.Shape, tensor.PackCodes(raw, bits))
	if err != nil {
		return nil
	}
	one := slices.Repeat([]int{1}, v.Type.Rank()) // block
	return op.ConstexprLutToDenseIOS18.Node(v.Name, &op.ConstexprLutToDenseIOS18Args{
		Indices: indices, Lut: tensor.Floats(append(one, len(table), 1), table),
	})
}
