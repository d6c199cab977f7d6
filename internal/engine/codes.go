package engine

import (
	"slices"

	"github.com/smelt-ml/smelt/internal/kernel/gemm"
	"github.com/smelt-ml/smelt/tensor"
)

// fewCodes is how many weights are expanded once and for all: what they take is
// nothing beside the rest.
const fewCodes = 1 << 16

// coded returns weights that are made from codes as a matrix of that many
// columns, for kernels that expand them while they multiply. It is nil for
// others.
func coded(t *tensor.Tensor, cols int) *gemm.Coded {
	c, n := t.Codes(), t.Len()
	if c == nil || n < fewCodes || cols == 0 {
		return nil
	}
	rows := n / cols
	codes, moved := c.Unsigned(n)
	q := &gemm.Coded{Codes: codes, Bits: 8, Group: cols}
	if c.Bits <= 4 {
		q.Bits = 4
	}
	if c.Table != nil {
		q.Table = slices.Concat(c.Table, make([]float32, 1<<q.Bits-len(c.Table)))
		return q
	}
	groups := 1
	switch {
	case c.Group%cols == 0:
	case cols%c.Group == 0:
		q.Group, groups = c.Group, cols/c.Group
	default:
		return nil
	}
	for g := range rows * groups {
		from := g * q.Group / c.Group % len(c.Scale)
		zero := float32(moved)
		if c.Zero != nil {
			zero += c.Zero[from]
		}
		q.Scale, q.Zero = append(q.Scale, c.Scale[from]), append(q.Zero, zero)
	}
	return q
}
