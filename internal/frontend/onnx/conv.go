package onnx

import (
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
)

var convRules = table{
	"Conv":          always(func(b *Builder, n *Node) []*mil.Value { return one(b.conv(n, n.In[0], n.In[1], n.input(2))) }),
	"ConvTranspose": always(convTranspose),
}

// sliding is what the attributes of a node say of its windows, one number or
// pair for each spatial axis.
type sliding struct {
	kernel, strides, dilations []int
	before, after              []int
	same                       string // "same" or "same_lower" where sizes are not known yet
	ceil                       bool   // the operator rounds the number of windows up
}

// sliding reads the attributes of a node whose input has these spatial sizes.
func (b *Builder) sliding(n *Node, spatial, kernel []int) sliding {
	k := len(spatial)
	list := func(name string, def int) []int {
		v := n.Ints(name)
		if v == nil {
			return repeat(def, k)
		}
		if len(v) != k && b.Err() == nil {
			b.fail("%s: want %d numbers, have %v", name, k, v)
		}
		return append(v, repeat(def, k)...)[:k]
	}
	s := sliding{kernel: kernel, strides: list("strides", 1), dilations: list("dilations", 1), before: repeat(0, k), after: repeat(0, k)}
	if len(kernel) != k {
		b.fail("a window of %v on a tensor with %d spatial axes", kernel, k)
		s.kernel = repeat(1, k)
	}
	for i := range k {
		for _, v := range []int{s.kernel[i], s.strides[i], s.dilations[i]} {
			if (v < 1 && v != mil.Unknown || v > 1<<24) && b.Err() == nil {
				b.fail("a kernel of %v, strides %v, dilations %v", kernel, s.strides, s.dilations)
			}
		}
	}
	if b.Err() != nil {
		s.strides, s.dilations, s.kernel = repeat(1, k), repeat(1, k), repeat(1, k)
		return s
	}
	pads := n.Ints("pads")
	switch auto := n.Text("auto_pad", "NOTSET"); auto {
	case "NOTSET", "":
		if pads != nil && len(pads) != 2*k {
			b.fail("pads: want %d numbers, have %v", 2*k, pads)
			return s
		}
		if pads != nil {
			s.before, s.after = pads[:k], pads[k:]
		}
	case "VALID":
	case "SAME_UPPER", "SAME_LOWER":
		for i, d := range spatial {
			if d < 0 {
				s.same = map[string]string{"SAME_UPPER": "same", "SAME_LOWER": "same_lower"}[auto]
				continue
			}
			total := max(0, ((d+s.strides[i]-1)/s.strides[i]-1)*s.strides[i]+s.extent(i)-d)
			s.before[i], s.after[i] = total/2, total-total/2
			if auto == "SAME_LOWER" {
				s.before[i], s.after[i] = s.after[i], s.before[i]
			}
		}
	default:
		b.fail("auto_pad %q", auto)
	}
	return s
}

// extent is the size of a window along an axis, gaps included.
func (s sliding) extent(i int) int { return (s.kernel[i]-1)*s.dilations[i] + 1 }

// pairs returns the padding as mil orders it.
func (s sliding) pairs() []int {
	var out []int
	for i := range s.before {
		out = append(out, s.before[i], s.after[i])
	}
	return out
}

func (s sliding) padType() string {
	if s.same != "" {
		return s.same
	}
	return "custom"
}

// cropped applies negative padding, and returns the rest.
func (b *Builder) cropped(x *mil.Value, s *sliding) *mil.Value {
	if !slices.ContainsFunc(slices.Concat(s.before, s.after), func(p int) bool { return p < 0 }) {
		return x
	}
	lead := x.Type.Rank() - len(s.before)
	before, after := make([]int, x.Type.Rank()), make([]int, x.Type.Rank())
	for i := range s.before {
		before[lead+i], after[lead+i] = min(s.before[i], 0), min(s.after[i], 0)
	}
	s.before, s.after = slices.Clone(s.before), slices.Clone(s.after)
	for i := range s.before {
		s.before[i], s.after[i] = max(s.before[i], 0), max(s.after[i], 0)
	}
	return b.pad(x, before, after, "constant", 0)
}

func (b *Builder) conv(n *Node, x, w, bias *mil.Value) *mil.Value {
	r := b.rank(x)
	if b.Err() != nil || r < 3 || b.rank(w) != r {
		b.fail("want an input and a weight of one rank, at least 3, have %s and %s", x.Type, w.Type)
		return x
	}
	s := b.sliding(n, x.Type.Shape[2:], w.Type.Shape[2:])
	if r > 5 {
		b.refuse("convolutions over %d axes", r-2)
	}
	if k := n.Ints("kernel_shape"); k != nil && w.Type.IsStatic() && !slices.Equal(k, w.Type.Shape[2:]) && b.Err() == nil {
		b.fail("kernel_shape %v, the weight has %v", k, w.Type.Shape[2:])
	}
	x = b.cropped(x, &s)
	a := op.ConvIOS17.Defaults()
	a.X, a.Weight, a.Bias = x, w, bias
	a.Strides, a.Dilations, a.Groups = s.strides, s.dilations, n.Int("group", 1)
	if a.PadType = s.padType(); a.PadType == "custom" {
		a.Pad = s.pairs()
	}
	return op.ConvIOS17.Add(b.Builder, a)
}

// convTranspose crops the padding from a result that is made in full. What
// output_padding adds beyond it is the bias.
func convTranspose(b *Builder, n *Node) []*mil.Value {
	x, w := n.In[0], n.In[1]
	r := b.rank(x)
	if b.Err() != nil || r < 3 || r > 5 || b.rank(w) != r {
		return b.fail("want an input and a weight of one rank from 3 to 5, have %s and %s", x.Type, w.Type)
	}
	k := r - 2
	auto := n.Text("auto_pad", "NOTSET")
	s := b.sliding(&Node{attrs: without(n.attrs, "auto_pad")}, x.Type.Shape[2:], w.Type.Shape[2:])
	extra := n.Ints("output_padding")
	if extra == nil {
		extra = repeat(0, k)
	}
	want := n.Ints("output_shape")
	if len(want) == r { // with the first two
		want = want[2:]
	}
	if b.Err() != nil || len(extra) != k || want != nil && len(want) != k {
		return b.fail("output_padding %v, output_shape %v", extra, want)
	}
	if want != nil || auto == "SAME_UPPER" || auto == "SAME_LOWER" {
		for i, d := range b.static(x)[2:] {
			out := d * s.strides[i]
			if want != nil {
				out = want[i]
			}
			total := s.strides[i]*(d-1) + extra[i] + s.extent(i) - out
			half := total / 2
			if total < 0 { // grows at the end
				half = 0
			}
			s.before[i], s.after[i] = half, total-half
			if auto != "SAME_UPPER" && total >= 0 {
				s.before[i], s.after[i] = total-half, half
			}
		}
	}
	before, after := make([]int, r), make([]int, r)
	grow := false
	for i := range k {
		s.after[i] -= extra[i]
		if s.after[i] < 0 {
			after[i+2], s.after[i], grow = -s.after[i], 0, true
		}
		if s.before[i] < 0 {
			before[i+2], s.before[i], grow = -s.before[i], 0, true
		}
	}
	a := op.ConvTransposeIOS17.Defaults()
	a.X, a.Weight, a.Pad, a.PadType = x, w, s.pairs(), "custom"
	a.Strides, a.Dilations, a.Groups = s.strides, s.dilations, n.Int("group", 1)
	bias := n.input(2)
	if !grow {
		a.Bias = bias
		return one(op.ConvTransposeIOS17.Add(b.Builder, a))
	}
	v := b.pad(op.ConvTransposeIOS17.Add(b.Builder, a), before, after, "constant", 0)
	if bias != nil {
		v = b.add(v, b.reshape(bias, append([]int{1, -1}, repeat(1, k)...)...))
	}
	return one(v)
}

// without copies attributes but for some.
func without[V any](attrs map[string]V, names ...string) map[string]V {
	out := map[string]V{}
	for k, v := range attrs {
		if !slices.Contains(names, k) {
			out[k] = v
		}
	}
	return out
}
