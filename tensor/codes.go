package tensor

import (
	"fmt"
	"slices"
)

// Codes are numbers of few bits and what they stand for: Table[code] where there
// is a table, else Scale[g]·(code − Zero[g]). Neighbouring elements, Group of
// them, have the same g; beyond the last g, which ends with the rows, the first
// comes again.
type Codes struct {
	Data   []byte // little endian, least significant bit first, as a file has them
	Bits   int    // of a code, 1 to 8
	Signed bool   // codes are in two's complement; not with a table
	Table  []float32
	Scale  []float32
	Zero   []float32 // like Scale, or nil for zeros
	Group  int
}

// FromCodes returns a tensor of a float type whose elements are made from codes
// each time they are asked for. It keeps c.
func FromCodes(dtype DType, shape []int, c *Codes) (*Tensor, error) {
	n, err := CheckShape(shape)
	if err != nil {
		return nil, err
	}
	switch {
	case dtype.class() != classFloat32:
		return nil, fmt.Errorf("codes of %s", dtype)
	case c.Bits < 1 || c.Bits > 8 || len(c.Data) < (n*c.Bits+7)/8:
		return nil, fmt.Errorf("%d bytes of %d codes of %d bits", len(c.Data), n, c.Bits)
	case c.Table != nil && (len(c.Table) < 1<<c.Bits || c.Signed):
		return nil, fmt.Errorf("a table of %d for codes of %d bits", len(c.Table), c.Bits)
	case c.Table == nil && (c.Group < 1 || len(c.Scale) == 0 || c.Zero != nil && len(c.Zero) != len(c.Scale)):
		return nil, fmt.Errorf("%d scales and %d zeros for groups of %d", len(c.Scale), len(c.Zero), c.Group)
	}
	return &Tensor{dtype: dtype, shape: slices.Clone(shape), codes: c}, nil
}

// Codes returns what the elements are made from, nil where they are not.
func (t *Tensor) Codes() *Codes { return t.codes }

// Unsigned returns the first n codes, a byte for each. Signed ones are moved up
// by half of their range, by the number that comes back too.
func (c *Codes) Unsigned(n int) (codes []byte, moved int) {
	if c.Signed {
		moved = 1 << (c.Bits - 1)
	}
	if c.Bits == 8 && !c.Signed {
		return c.Data[:n], 0
	}
	codes = make([]byte, n)
	mask := 1<<c.Bits - 1
	for i, bit := 0, 0; i < n; i, bit = i+1, bit+c.Bits {
		v := int(c.Data[bit/8]) >> (bit % 8)
		if bit%8+c.Bits > 8 {
			v |= int(c.Data[bit/8+1]) << (8 - bit%8)
		}
		codes[i] = byte((v & mask) ^ moved)
	}
	return codes, moved
}

// values makes n elements.
func (c *Codes) values(n int) []float32 {
	out := make([]float32, n)
	codes, moved := c.Unsigned(n)
	if c.Table != nil {
		for i, v := range codes {
			out[i] = c.Table[v]
		}
		return out
	}
	for first, g := 0, 0; first < n; first, g = first+c.Group, g+1 {
		g %= len(c.Scale)
		scale, zero := c.Scale[g], float32(0)
		if c.Zero != nil {
			zero = c.Zero[g]
		}
		end := min(n, first+c.Group)
		to := out[first:end]
		for i, v := range codes[first:end] {
			to[i] = scale * (float32(int(v)-moved) - zero)
		}
	}
	return out
}

// PackCodes packs codes, a byte for each, least significant bit first.
func PackCodes(codes []byte, bits int) []byte {
	packed := make([]byte, (len(codes)*bits+7)/8)
	for i, code := range codes {
		at := i * bits
		wide := uint16(code) << (at % 8)
		packed[at/8] |= byte(wide)
		if high := byte(wide >> 8); high != 0 {
			packed[at/8+1] |= high
		}
	}
	return packed
}
