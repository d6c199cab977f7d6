package pass

import (
	"math"
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// affine folds scales and offsets of channels, batch_norm among them, into the
// constant weights of the convolution or linear layer before them.
func affine(f *mil.Func) {
	g := newGraph(f)
	for _, n := range f.Body.Nodes {
		p, ok := productOf(n)
		if !ok {
			continue
		}
		changed := false
		var made *mil.Value // by the last node that is folded
		for v := n.Outputs[0]; ; {
			next := g.only(v)
			if next == nil || !p.fold(next, v) {
				break
			}
			v = next.Outputs[0]
			made, changed = v, true
		}
		if !changed {
			continue
		}
		g.set(n, "weight", mil.NewConst(n.Name+"_weight", p.scaled()))
		g.set(n, "bias", mil.NewConst(n.Name+"_bias", tensor.New(p.weight.DType(), []int{p.channels}, narrow(p.offset))))
		// The folded nodes are read by nobody then.
		unread := *made
		made.Node.Outputs[0] = &unread
		n.Outputs[0], made.Node = made, n
	}
}

// product is a convolution or linear layer followed by scale·x + offset.
type product struct {
	weight        *tensor.Tensor
	channels      int       // of the result
	axis          int       // of the channels in the result, from the back
	out           []int     // shape of the result
	scale, offset []float64 // of each channel
	groups        int       // of a transposed convolution, else 0
}

// productOf returns the product that n is, with its bias as the offset.
func productOf(n *mil.Node) (*product, bool) {
	if n.Op != "conv" && n.Op != "conv_transpose" && n.Op != "linear" {
		return nil, false
	}
	w, bias := n.Input("weight"), n.Input("bias")
	if !isFloat(n.Input("x")) || !isFloat(w) || w.Const == nil || (bias != nil && (!isFloat(bias) || bias.Const == nil)) {
		return nil, false
	}
	p := &product{weight: w.Const, channels: w.Const.Shape()[0], out: n.Outputs[0].Type.Shape}
	switch n.Op {
	case "conv":
		p.axis = len(p.out) - 1
	case "linear":
		p.axis = 1
	case "conv_transpose":
		p.axis, p.groups = len(p.out)-1, 1
		if v := n.Input("groups"); v != nil {
			if v.Const == nil || v.Const.DType() != tensor.Int32 {
				return nil, false
			}
			p.groups = int(v.Const.I32()[0])
		}
		p.channels = w.Const.Shape()[1] * p.groups
	}
	p.scale, p.offset = make([]float64, p.channels), make([]float64, p.channels)
	for i := range p.scale {
		p.scale[i] = 1
		if bias != nil {
			p.offset[i] = float64(bias.Const.F32()[i])
		}
	}
	return p, true
}

// fold composes the product with n, which reads its result v. It is false where
// n does something else.
func (p *product) fold(n *mil.Node, v *mil.Value) bool {
	if !isFloat(v) || len(n.Outputs) != 1 || !v.Type.Equal(n.Outputs[0].Type) {
		return false
	}
	if n.Op == "batch_norm" {
		return p.foldNorm(n)
	}
	x, y := n.Input("x"), n.Input("y")
	if x != v && (n.Op == "add" || n.Op == "mul") {
		x, y = y, x
	}
	if x != v || y == nil || y.Const == nil || !isFloat(y) {
		return false
	}
	by, ok := p.perChannel(y.Const)
	if !ok {
		return false
	}
	switch n.Op {
	case "add":
		p.compose(func(c int) (float64, float64) { return 1, by(c) })
	case "sub":
		p.compose(func(c int) (float64, float64) { return 1, -by(c) })
	case "mul":
		p.compose(func(c int) (float64, float64) { return by(c), 0 })
	case "real_div":
		for c := range p.channels {
			if by(c) == 0 {
				return false
			}
		}
		p.compose(func(c int) (float64, float64) { return 1 / by(c), 0 })
	default:
		return false
	}
	return true
}

// foldNorm composes with gamma·(x - mean)/√(variance + epsilon) + beta.
func (p *product) foldNorm(n *mil.Node) bool {
	if p.axis != len(p.out)-1 {
		return false
	}
	vectors := map[string][]float32{}
	for _, name := range []string{"mean", "variance", "gamma", "beta", "epsilon"} {
		if v := n.Input(name); v != nil {
			if v.Const == nil || !isFloat(v) {
				return false
			}
			vectors[name] = v.Const.F32()
		}
	}
	at := func(name string, c int, missing float64) float64 {
		if x := vectors[name]; x != nil {
			return float64(x[min(c, len(x)-1)])
		}
		return missing
	}
	scale := func(c int) float64 {
		return at("gamma", c, 1) / math.Sqrt(at("variance", c, 1)+at("epsilon", 0, 1e-5))
	}
	for c := range p.channels {
		if s := scale(c); math.IsInf(s, 0) || math.IsNaN(s) {
			return false
		}
	}
	p.compose(func(c int) (float64, float64) {
		s := scale(c)
		return s, at("beta", c, 0) - s*at("mean", c, 0)
	})
	return true
}

// compose makes the function s·(scale·x + offset) + t.
func (p *product) compose(by func(c int) (s, t float64)) {
	for c := range p.channels {
		s, t := by(c)
		p.scale[c] *= s
		p.offset[c] = p.offset[c]*s + t
	}
}

// perChannel reads a constant that is one number for each channel, or for all.
func (p *product) perChannel(t *tensor.Tensor) (func(c int) float64, bool) {
	shape, data := t.Shape(), t.F32()
	if len(data) == 1 {
		return func(int) float64 { return float64(data[0]) }, len(shape) <= len(p.out)
	}
	at := len(shape) - p.axis
	if len(shape) > len(p.out) || at < 0 || shape[at] != p.channels || len(data) != p.channels {
		return nil, false
	}
	return func(c int) float64 { return float64(data[c]) }, true
}

// scaled returns the weights times the scales. Weights that are codes with
// scales of their own stay codes.
func (p *product) scaled() *tensor.Tensor {
	if t := p.scaledCodes(); t != nil {
		return t
	}
	w := slices.Clone(p.weight.F32())
	shape := p.weight.Shape()
	scaled := tensor.New(p.weight.DType(), shape, w)
	if p.groups == 0 { // [channels, ...]
		per := len(w) / p.channels
		for i := range w {
			w[i] = float32(float64(w[i]) * p.scale[i/per])
		}
		return scaled
	}
	// [inputs, channels/groups, ...], the inputs of a group after another's
	per, taps := shape[1], tensor.Size(shape[2:])
	inputs := shape[0] / p.groups
	for i := range w {
		in, c := i/(per*taps), i/taps%per
		w[i] = float32(float64(w[i]) * p.scale[in/inputs*per+c])
	}
	return scaled
}

// scaledCodes is scaled for codes, nil where that cannot be.
func (p *product) scaledCodes() *tensor.Tensor {
	c := p.weight.Codes()
	if c == nil || c.Table != nil || p.groups != 0 {
		return nil
	}
	n := p.weight.Len()
	per := n / p.channels
	s := &tensor.Codes{Data: c.Data, Bits: c.Bits, Signed: c.Signed, Group: c.Group}
	switch {
	case c.Group%per == 0:
		s.Group = per
	case per%c.Group != 0:
		return nil
	}
	for first := 0; first < n; first += s.Group {
		g := first / c.Group % len(c.Scale)
		s.Scale = append(s.Scale, float32(float64(c.Scale[g])*p.scale[first/per]))
		if c.Zero != nil {
			s.Zero = append(s.Zero, c.Zero[g])
		}
	}
	t, err := tensor.FromCodes(p.weight.DType(), p.weight.Shape(), s)
	if err != nil {
		return nil
	}
	return t
}

func narrow(x []float64) []float32 {
	y := make([]float32, len(x))
	for i, v := range x {
		y[i] = float32(v)
	}
	return y
}
