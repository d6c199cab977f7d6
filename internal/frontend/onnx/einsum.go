package onnx

import (
	"slices"
	"strings"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
)

// term is an operand of an einsum with the label of each axis. Those that an
// ellipsis stands for are negative, -1 being the last.
type term struct {
	v      *mil.Value
	labels []rune
}

// einsum multiplies its operands one after the other, each time as a product
// of matrices: what is summed over, what remains of either side, and what both
// have as batches.
func einsum(b *Builder, n *Node) []*mil.Value {
	equation := strings.ReplaceAll(n.Text("equation", ""), " ", "")
	left, right, explicit := strings.Cut(equation, "->")
	parts := strings.Split(left, ",")
	if len(parts) != len(n.In) || len(n.In) == 0 {
		return b.fail("%d operands for the equation %q", len(n.In), equation)
	}
	var terms []term
	count := map[rune]int{}
	dots := 0
	for i, p := range parts {
		if n.In[i] == nil {
			return b.fail("an operand is missing")
		}
		rank := b.rank(n.In[i])
		labels, ok := labelsOf(p, rank)
		if b.Err() != nil || !ok {
			return b.fail("operand %d of %q has rank %d", i, equation, rank)
		}
		for _, l := range labels {
			if count[l]++; l < 0 {
				dots = max(dots, int(-l))
			}
		}
		terms = append(terms, term{n.In[i], labels})
	}
	var out []rune
	if explicit {
		var ok bool
		rank := len(strings.ReplaceAll(right, "...", ""))
		if strings.Contains(right, "...") {
			rank += dots
		}
		if out, ok = labelsOf(right, rank); !ok {
			return b.fail("the equation %q", equation)
		}
	} else {
		for i := dots; i > 0; i-- {
			out = append(out, rune(-i))
		}
		var single []rune
		for l, c := range count {
			if l > 0 && c == 1 {
				single = append(single, l)
			}
		}
		slices.Sort(single)
		out = append(out, single...)
	}
	for i := range terms {
		b.diagonals(&terms[i])
	}
	acc := terms[0]
	for i, t := range terms[1:] {
		var later []rune
		for _, u := range terms[i+2:] {
			later = append(later, u.labels...)
		}
		acc = b.contract(acc, t, slices.Concat(later, out))
	}
	b.sumOver(&acc, out)
	perm := make([]int, len(out))
	for i, l := range out {
		if perm[i] = slices.Index(acc.labels, l); perm[i] < 0 && b.Err() == nil {
			return b.fail("the equation %q has %q only in its result", equation, l)
		}
	}
	if b.Err() != nil || len(perm) != len(acc.labels) {
		return b.fail("the equation %q", equation)
	}
	return one(b.as(b.transpose(acc.v, perm...), n.In[0]))
}

// labelsOf reads the labels of an operand of that rank.
func labelsOf(s string, rank int) ([]rune, bool) {
	before, after, dots := strings.Cut(s, "...")
	more := rank - len(before) - len(after)
	if more < 0 || !dots && more != 0 || strings.Contains(after, ".") || strings.Contains(before, ".") {
		return nil, false
	}
	var out []rune
	out = append(out, []rune(before)...)
	for i := more; i > 0; i-- {
		out = append(out, rune(-i))
	}
	out = append(out, []rune(after)...)
	return out, len(out) == rank
}

// diagonals takes the diagonal of axes with one label.
func (b *Builder) diagonals(t *term) {
	for i := 0; i < len(t.labels); i++ {
		j := slices.Index(t.labels[i+1:], t.labels[i])
		if j < 0 || b.Err() != nil {
			continue
		}
		j += i + 1
		size := t.v.Type.Shape[i]
		if size < 1 || t.v.Type.Shape[j] != size || !t.v.Type.IsStatic() {
			b.refuse("the diagonal of %s", t.v.Type)
			return
		}
		if !b.room(size) {
			return
		}
		var perm, shape []int
		labels := []rune{}
		for a, d := range t.v.Type.Shape {
			if a != i && a != j {
				perm, shape, labels = append(perm, a), append(shape, d), append(labels, t.labels[a])
			}
		}
		v := b.reshape(b.transpose(t.v, append(perm, i, j)...), append(shape, size*size)...)
		g := op.GatherIOS17.Defaults()
		at := iota(size)
		for k := range at {
			at[k] *= size + 1
		}
		g.X, g.Indices, g.Axis = v, b.ints(at...), -1
		t.v, t.labels = b.gather(g), append(labels, t.labels[i])
		i = -1
	}
}

// sumOver adds up the axes whose labels nobody needs.
func (b *Builder) sumOver(t *term, needed []rune) {
	var axes []int
	var labels []rune
	for i, l := range t.labels {
		if slices.Contains(needed, l) {
			labels = append(labels, l)
		} else {
			axes = append(axes, i)
		}
	}
	if len(axes) > 0 && b.Err() == nil {
		t.v, t.labels = b.reduce(op.ReduceSum, t.v, axes, false), labels
	}
}

// contract multiplies two operands and adds up what later nobody needs.
func (b *Builder) contract(x, y term, needed []rune) term {
	b.sumOver(&x, append(slices.Clone(needed), y.labels...))
	b.sumOver(&y, append(slices.Clone(needed), x.labels...))
	if b.Err() != nil {
		return x
	}
	var batch, sum, left, right []rune
	for _, l := range x.labels {
		switch both := slices.Contains(y.labels, l); {
		case both && slices.Contains(needed, l):
			batch = append(batch, l)
		case both:
			sum = append(sum, l)
		default:
			left = append(left, l)
		}
	}
	for _, l := range y.labels {
		if !slices.Contains(x.labels, l) {
			right = append(right, l)
		}
	}
	// A label that is 1 on one side broadcasts, which a product of matrices
	// cannot do in its sum.
	for _, l := range sum {
		i, j := slices.Index(x.labels, l), slices.Index(y.labels, l)
		if p, q := x.v.Type.Shape[i], y.v.Type.Shape[j]; p != q && (p == 1 || q == 1) {
			b.refuse("sums over an axis that broadcasts")
			return x
		}
	}
	if len(sum) == 0 { // elementwise
		order := slices.Concat(batch, left, right)
		return term{b.mul(b.arranged(x, order), b.arranged(y, order)), order}
	}
	xv := b.grouped(x, batch, left, sum)
	yv := b.grouped(y, batch, sum, right)
	v := b.matmul(xv, yv)
	if b.Err() != nil {
		return x
	}
	// Bring the groups apart again.
	sizes := func(t term, ls []rune) []int {
		out := make([]int, len(ls))
		for i, l := range ls {
			out[i] = t.v.Type.Shape[slices.Index(t.labels, l)]
		}
		return out
	}
	shape := append(slices.Clone(v.Type.Shape[:len(batch)]), append(sizes(x, left), sizes(y, right)...)...)
	k := len(batch)
	if len(left) > 1 || len(right) > 1 {
		v = b.reshapeTo(v, partsOf(shape), shapeValue(b, shape), true)
	} else {
		if len(right) == 0 {
			v = b.squeeze(v, k+1)
		}
		if len(left) == 0 {
			v = b.squeeze(v, k)
		}
	}
	return term{v, slices.Concat(batch, left, right)}
}

// shapeValue is a shape as a value, nil where it is not known.
func shapeValue(b *Builder, shape []int) *mil.Value {
	if slices.ContainsFunc(shape, func(d int) bool { return d < 0 }) {
		return nil
	}
	return b.ints(shape...)
}

// arranged brings an operand to an order of labels, with axes of 1 for those
// it has not.
func (b *Builder) arranged(t term, order []rune) *mil.Value {
	var perm, missing []int
	for i, l := range order {
		if a := slices.Index(t.labels, l); a >= 0 {
			perm = append(perm, a)
		} else {
			missing = append(missing, i)
		}
	}
	return b.expandDims(b.transpose(t.v, perm...), missing...)
}

// grouped brings an operand to batch axes and one axis for each of two groups.
func (b *Builder) grouped(t term, batch, first, second []rune) *mil.Value {
	v := b.arranged(t, slices.Concat(batch, first, second))
	k := len(batch)
	if b.Err() != nil {
		return v
	}
	if len(first) > 1 || len(second) > 1 {
		s := v.Type.Shape
		f, g := known(s[k:k+len(first)]), known(s[k+len(first):])
		shape := append(slices.Clone(s[:k]), f, g)
		return b.reshapeTo(v, partsOf(shape), shapeValue(b, shape), true)
	}
	if len(first) == 0 {
		v = b.expandDims(v, k)
	}
	if len(second) == 0 {
		v = b.expandDims(v, k+1)
	}
	return v
}
