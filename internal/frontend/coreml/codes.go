package coreml

import (
	"math"
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// LowerCodes is LowerNetwork for who writes the program again: quantized weights
// of products stay codes, which constexpr operators expand. Weights that a layer
// keeps in another order than the operator, and those that no operator expands to
// the same numbers, are constants as ever.
func LowerCodes(m *spec.Model, inputs []Input, weights Weights) (*Network, error) {
	codes := codes{}
	net, err := lowerNetwork(m, inputs, weights, codes)
	if err != nil {
		return nil, err
	}
	codes.restore(net.Func)
	return net, nil
}

// codes are the nodes that expand quantized weights, by the numbers.
type codes map[*tensor.Tensor]*mil.Node

// takesCodes says which argument of an operator may be what a constexpr operator
// gives.
var takesCodes = map[string]string{"conv": "weight", "conv_transpose": "weight", "linear": "weight", "matmul": "y", "gather": "x"}

// restore puts the codes in the place of the numbers that they make.
func (c codes) restore(f *mil.Func) {
	var nodes []*mil.Node
	var walk func(b *mil.Block)
	walk = func(b *mil.Block) {
		for _, n := range b.Nodes {
			for _, in := range n.Inputs {
				if in.Name != takesCodes[n.Op] || len(in.Values) != 1 || c[in.Values[0].Const] == nil {
					continue
				}
				expand := c[in.Values[0].Const]
				if in.Values[0] = expand.Outputs[0]; !slices.Contains(nodes, expand) {
					nodes = append(nodes, expand)
				}
			}
			for _, nested := range n.Blocks {
				walk(nested)
			}
		}
	}
	walk(f.Body)
	f.Body.Nodes = append(nodes, f.Body.Nodes...)
}

// add notes the codes of weights whose numbers a constant has, if there are any.
func (c codes) add(v *mil.Value, read Weights, p *spec.WeightParams, axis int) error {
	w, err := read(p)
	if k := w.Kind(); err != nil || k != mlmodel.Raw && k != mlmodel.Int8Raw {
		return err
	}
	q := p.GetQuantization()
	raw, err := w.Codes(q, v.Type.Shape)
	if err != nil {
		return err
	}
	linear := q.GetLinearQuantization()
	var n *mil.Node
	switch {
	case w.Kind() == mlmodel.Raw && q.HasLookupTableQuantization():
		n = lookUpCodes(v.Name, v.Type.Shape, raw, q.GetLookupTableQuantization().GetFloatValue())
	case w.Kind() == mlmodel.Raw && len(linear.GetScale()) == 1:
		table := make([]float32, 1<<q.GetNumberOfBits())
		for i := range table {
			table[i] = float32(i)*linear.GetScale()[0] + slices.Concat(linear.GetBias(), []float32{0})[0]
		}
		n = lookUpCodes(v.Name, v.Type.Shape, raw, table)
	default:
		n = shiftCodes(v.Name, v.Type.Shape, raw, w.Kind() == mlmodel.Int8Raw, linear, max(axis, 0))
	}
	if n == nil {
		return nil
	}
	n.Outputs = []*mil.Value{{Name: v.Name, Type: v.Type, Node: n}}
	c[v.Const] = n
	return nil
}

// lookUpCodes makes the node that looks codes up in a table, which it makes
// as large as the operator takes them.
func lookUpCodes(name string, shape []int, raw []byte, table []float32) *mil.Node {
	bits := 1
	for bits < 8 && 1<<bits < len(table) || bits == 3 || bits == 5 || bits == 7 {
		bits++
	}
	table = slices.Concat(table, make([]float32, 1<<bits-len(table)))
	d := map[int]tensor.DType{1: tensor.Uint1, 2: tensor.Uint2, 4: tensor.Uint4, 6: tensor.Uint6, 8: tensor.Uint8}[bits]
	packed := make([]byte, d.PackedSize(len(raw)))
	for i, code := range raw { // least significant bit first
		at := i * bits
		wide := uint16(code) << (at % 8)
		packed[at/8] |= byte(wide)
		if high := byte(wide >> 8); high != 0 {
			packed[at/8+1] |= high
		}
	}
	indices, err := tensor.FromPacked(d, shape, packed)
	if err != nil {
		return nil
	}
	one := slices.Repeat([]int{1}, len(shape)) // block
	return op.ConstexprLutToDenseIOS18.Node(name, &op.ConstexprLutToDenseIOS18Args{
		Indices: indices, Lut: tensor.Floats(append(one, len(table), 1), table),
	})
}

// shiftCodes makes the node that scales and shifts codes, whose zeros are where
// the bias has them. It is nil where a zero is too far away to tell codes apart, or
// nowhere.
func shiftCodes(name string, shape []int, raw []byte, signed bool, q *spec.LinearQuantizationParams, axis int) *mil.Node {
	scale := q.GetScale()
	zeros := make([]float32, len(scale))
	for i, b := range q.GetBias() {
		if b == 0 {
			continue
		}
		zeros[i] = -b / scale[i]
		if !(math.Abs(float64(zeros[i])) < 1<<12) {
			return nil
		}
	}
	d := tensor.Uint8
	if signed {
		d = tensor.Int8
	}
	data, err := tensor.FromPacked(d, shape, raw)
	if err != nil {
		return nil
	}
	return op.ConstexprAffineDequantize.Node(name, &op.ConstexprAffineDequantizeArgs{
		QuantizedData: data, ZeroPoint: tensor.Floats([]int{len(scale)}, zeros), Scale: tensor.Floats([]int{len(scale)}, scale), Axis: axis,
	})
}
