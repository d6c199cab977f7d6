package engine

import (
	"cmp"
	"slices"

	"github.com/smelt-ml/smelt/fault"
)

// align is the number of floats in 64 bytes, which vector loads like.
const align = 16

// assign gives every buffer its offset in the arena so that two which live at
// the same time do not overlap: largest first, each at the lowest gap that
// fits (Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net
// Inference", 2020, greedy by size).
func (p *Plan) assign() error {
	var order []*buffer
	for i := range p.buffers {
		if b := &p.buffers[i]; !b.given && b.parent == 0 {
			order = append(order, b)
		}
	}
	slices.SortStableFunc(order, func(a, b *buffer) int { return cmp.Compare(b.size, a.size) })
	var placed []*buffer // by offset
	for _, b := range order {
		at := 0
		for _, o := range placed {
			if o.last < b.first || b.last < o.first {
				continue
			}
			if at+b.size <= o.offset {
				break
			}
			at = max(at, roundUp(o.offset+o.size))
		}
		b.offset = at
		if p.arena = max(p.arena, at+b.size); p.arena > p.opts.maxElements() {
			return fault.New(fault.Limit, "", "a prediction takes more than %d bytes", 4*p.opts.maxElements())
		}
		i, _ := slices.BinarySearchFunc(placed, b, func(a, b *buffer) int { return cmp.Compare(a.offset, b.offset) })
		placed = slices.Insert(placed, i, b)
	}
	for i := range p.buffers { // parents come before their parts
		if b := &p.buffers[i]; b.parent > 0 {
			b.offset = p.buffers[b.parent-1].offset + b.within
		}
	}
	return nil
}

func roundUp(n int) int { return (n + align - 1) / align * align }
