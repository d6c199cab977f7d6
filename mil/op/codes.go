package op

import (
	"encoding/binary"

	"github.com/smelt-ml/smelt/tensor"
)

// codes is a run of packed unsigned codes of 1 to 8 bits, least significant
// bit first.
type codes struct {
	bytes []byte
	bits  int
}

// at returns code i.
func (c codes) at(i int) int {
	bit := i * c.bits
	v := int(c.bytes[bit/8])
	if bit%8+c.bits > 8 {
		v |= int(c.bytes[bit/8+1]) << 8
	}
	return v >> (bit % 8) & (1<<c.bits - 1)
}

// lookUp sets each out[i] to the table's entry for code first+i. The table has
// an entry for every code.
func lookUp[T any](out []T, c codes, first int, table []T) {
	table = table[:1<<c.bits]
	if c.bits == 8 {
		for i, v := range c.bytes[first : first+len(out)] {
			out[i] = table[v]
		}
		return
	}
	for ; first%8 != 0 && len(out) > 0; first++ {
		out[0], out = table[c.at(first)], out[1:]
	}
	// Eight codes end on a byte: they are taken from one word.
	mask := uint64(len(table) - 1)
	for b := c.bytes[first/8*c.bits:]; len(out) >= 8 && len(b) >= 8; b = b[c.bits:] {
		word := binary.LittleEndian.Uint64(b)
		for i := range out[:8] {
			out[i] = table[word&mask]
			word >>= c.bits
		}
		out, first = out[8:], first+8
	}
	for i := range out {
		out[i] = table[c.at(first+i)]
	}
}

// blocks calls f for each run of consecutive elements of a shape that lie in
// one block of a grid, in row-major order, with the number of the block. The
// grid has the rank of the shape and divides it.
func blocks(shape, grid []int, f func(first, n, block int)) {
	if len(shape) == 0 {
		f(0, 1, 0)
		return
	}
	last := len(shape) - 1
	for last > 0 && grid[last] == 1 {
		last--
	}
	n := 1
	for _, d := range shape[last:] {
		n *= d
	}
	if n == 0 {
		return
	}
	run := n / grid[last]
	size, steps := make([]int, last), strides(grid)
	for i := range size {
		size[i] = max(1, shape[i]/grid[i])
	}
	each(shape[:last], func(i int, at []int) {
		block := 0
		for d, v := range at {
			block += v / size[d] * steps[d]
		}
		for j := range grid[last] {
			f(i*n+j*run, run, block+j*steps[last])
		}
	})
}

// fewCodes is how many elements are expanded at once, as they take little.
const fewCodes = 1 << 10

// coded returns a tensor of codes that a grid of scales and offsets divides into
// blocks; nil where these do not lie in a row, or it has few elements.
func coded(data *tensor.Tensor, dtype tensor.DType, grid []int, scale, offset []float32) *tensor.Tensor {
	shape, d := data.Shape(), data.DType()
	if data.Len() < fewCodes || d.IsFloat() || d.Bits() > 8 {
		return nil
	}
	last := len(shape) - 1
	for last > 0 && grid[last] == 1 {
		last--
	}
	group := shape[last] / grid[last] * tensor.Size(shape[last+1:])
	// Blocks follow each other if the dimensions before are cut to single
	// indices, or, up to some dimension, not at all.
	first := last
	for first > 0 && grid[first-1] == shape[first-1] {
		first--
	}
	if tensor.Size(grid[:first]) != 1 {
		return nil
	}
	t, err := tensor.FromCodes(dtype, shape, &tensor.Codes{
		Data: data.Packed(), Bits: d.Bits(), Signed: d == tensor.Int8 || d == tensor.Int4, Scale: scale, Zero: offset, Group: group,
	})
	if err != nil {
		return nil
	}
	return t
}

// codedByTable is coded for the entries of one table.
func codedByTable(c codes, shape []int, lut *tensor.Tensor) *tensor.Tensor {
	if tensor.Size(shape) < fewCodes || !lut.DType().IsFloat() {
		return nil
	}
	t, err := tensor.FromCodes(lut.DType(), shape, &tensor.Codes{Data: c.bytes, Bits: c.bits, Table: lut.F32()})
	if err != nil {
		return nil
	}
	return t
}
