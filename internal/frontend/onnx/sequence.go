package onnx

import (
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

// list is a sequence of values, or an optional, while a graph is lowered: its
// length and places are known then, and the program has none.
type list struct {
	values   []*mil.Value
	optional bool
}

// sequenceRules lower operators on sequences.
var sequenceRules = table{
	"SequenceConstruct": always(func(b *Builder, n *Node) []*mil.Value { return one(b.list(n.In, false)) }),
	"SequenceEmpty":     always(func(b *Builder, n *Node) []*mil.Value { return one(b.list(nil, false)) }),
	"SequenceInsert": always(func(b *Builder, n *Node) []*mil.Value {
		l := b.listOf(n.input(0))
		at := b.place(n.input(2), len(l), len(l), true)
		if b.Err() != nil || n.input(1) == nil {
			return b.fail("want a value to insert")
		}
		return one(b.list(slices.Insert(slices.Clone(l), at, n.In[1]), false))
	}),
	"SequenceErase": always(func(b *Builder, n *Node) []*mil.Value {
		l := b.listOf(n.input(0))
		at := b.place(n.input(1), len(l), len(l)-1, false)
		if b.Err() != nil {
			return nil
		}
		return one(b.list(slices.Delete(slices.Clone(l), at, at+1), false))
	}),
	"SequenceAt": always(func(b *Builder, n *Node) []*mil.Value {
		l := b.listOf(n.input(0))
		at := b.place(n.input(1), len(l), 0, false)
		if b.Err() != nil {
			return nil
		}
		return one(l[at])
	}),
	"SequenceLength": always(func(b *Builder, n *Node) []*mil.Value {
		return one(b.SetDType(b.int(len(b.listOf(n.input(0)))), tensor.Int64))
	}),
	"ConcatFromSequence": always(concatFromSequence),
	"SplitToSequence":    always(splitToSequence),
	"Optional": always(func(b *Builder, n *Node) []*mil.Value {
		return one(b.list(n.In, true))
	}),
	"OptionalHasElement": always(func(b *Builder, n *Node) []*mil.Value {
		v := n.input(0)
		if v == nil {
			return one(b.bool(false))
		}
		l := b.l.lists[v]
		return one(b.bool(l == nil || !l.optional || len(l.values) > 0))
	}),
	"OptionalGetElement": always(func(b *Builder, n *Node) []*mil.Value {
		v := n.input(0)
		if l := b.l.lists[v]; l != nil && l.optional {
			if len(l.values) == 0 {
				return b.fail("the optional has no element")
			}
			return one(l.values[0])
		}
		return one(v)
	}),
}

// list returns a value that stands for a sequence.
func (b *Builder) list(values []*mil.Value, optional bool) *mil.Value {
	if slices.Contains(values, nil) {
		b.fail("an element is missing")
	}
	if len(values) > maxLowered {
		b.Fail(errTooLong)
	}
	v := &mil.Value{Name: b.Place(), Type: mil.Type{Kind: mil.Tuple}}
	b.l.lists[v] = &list{values, optional}
	return v
}

func (b *Builder) listOf(v *mil.Value) []*mil.Value {
	l := b.l.lists[v]
	if l == nil {
		if b.Err() == nil {
			b.fail("want a sequence")
		}
		return nil
	}
	if l.optional && len(l.values) == 1 {
		return b.listOf(l.values[0])
	}
	return l.values
}

// place reads a place in a sequence of n, which must be known. Something is
// inserted at its end, too.
func (b *Builder) place(v *mil.Value, n, otherwise int, insert bool) int {
	if v == nil {
		if otherwise < 0 && b.Err() == nil {
			b.fail("the sequence is empty")
		}
		return otherwise
	}
	at := b.knownInts("the place in a sequence", v)
	if b.Err() != nil {
		return 0
	}
	if len(at) == 1 && at[0] < 0 {
		at[0] += n
	}
	if insert {
		n++
	}
	if len(at) != 1 || at[0] < 0 || at[0] >= n {
		b.fail("place %v in a sequence of %d", at, n)
		return 0
	}
	return at[0]
}

func concatFromSequence(b *Builder, n *Node) []*mil.Value {
	l := b.listOf(n.input(0))
	if len(l) == 0 || b.Err() != nil {
		return b.fail("the sequence is empty")
	}
	if n.Bool("new_axis") {
		var parts []*mil.Value
		axis := b.axis(n.Int("axis", 0), b.rank(l[0])+1)
		for _, v := range l {
			parts = append(parts, b.expandDims(v, axis))
		}
		return one(b.concat(axis, parts...))
	}
	return one(b.concat(b.axis(n.Int("axis", 0), b.rank(l[0])), l...))
}

func splitToSequence(b *Builder, n *Node) []*mil.Value {
	x := n.In[0]
	axis := b.axis(n.Int("axis", 0), b.rank(x))
	if b.Err() != nil {
		return nil
	}
	total := x.Type.Shape[axis]
	if total < 0 || total > 1<<12 {
		return b.refuse("%d parts", total)
	}
	sizes, squeeze := repeat(1, total), n.Int("keepdims", 1) == 0
	if v := n.input(1); v != nil {
		sizes, squeeze = b.knownInts("split", v), false
		if b.Err() != nil {
			return nil
		}
		if v.Type.Rank() == 0 {
			each := sizes[0]
			if each < 1 {
				return b.fail("parts of %d", each)
			}
			sizes = nil
			for at := 0; at < total; at += each {
				sizes = append(sizes, min(each, total-at))
			}
		}
	}
	var parts []*mil.Value
	at := 0
	for _, s := range sizes {
		v := b.slice(x, axis, at, at+s)
		if squeeze {
			v = b.as(op.SqueezeIOS17.Add(b.Builder, op.SqueezeArgs{X: v, Axes: []int{axis}}), x)
		}
		parts = append(parts, v)
		at += s
	}
	return one(b.list(parts, false))
}
