package neuralnetwork

import (
	"errors"
	"fmt"
	"slices"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mlmodel/spec"
)

// affine is what a network does to a picture before its first layer: scale·x,
// and for each channel a bias.
type affine struct {
	scale float32
	bias  []float32
}

// preprocessing returns what is done to pictures, either asked for or the
// first operations of the program, which are taken out of it.
func preprocessing(f *mil.Func, d *spec.ModelDescription, o Options) ([]*spec.NeuralNetworkPreprocessing, error) {
	var out []*spec.NeuralNetworkPreprocessing
	for _, in := range d.GetInput() {
		image := in.GetType().GetImageType()
		i := slices.IndexFunc(f.Inputs, func(v *mil.Value) bool { return v.Name == in.GetName() })
		if image == nil || i < 0 {
			continue
		}
		v, color := f.Inputs[i], image.GetColorSpace()
		c, err := pictureChannels(v, color)
		if err != nil {
			return nil, fault.New(fault.BadShape, fmt.Sprintf("input %q", v.Name), "%w", err)
		}
		p := affine{1, make([]float32, c)}
		asked, ok := o.Pictures[v.Name]
		if ok {
			switch len(asked.Bias) {
			case 0, 1, c:
			default:
				return nil, fault.New(fault.BadValue, fmt.Sprintf("input %q", v.Name), "%d biases for %d channels", len(asked.Bias), c)
			}
			if asked.Scale != 0 {
				p.scale = asked.Scale
			}
			copy(p.bias, asked.Bias)
			if len(asked.Bias) == 1 {
				p.bias = slices.Repeat(asked.Bias, c)
			}
		}
		for p.absorb(f, v) {
		}
		if p.scale == 1 && !slices.ContainsFunc(p.bias, func(b float32) bool { return b != 0 }) {
			continue
		}
		s := spec.NeuralNetworkImageScaler_builder{ChannelScale: p.scale}
		switch {
		case c == 1:
			s.GrayBias = p.bias[0]
		case color == spec.ImageFeatureType_BGR:
			s.BlueBias, s.GreenBias, s.RedBias = p.bias[0], p.bias[1], p.bias[2]
		default:
			s.RedBias, s.GreenBias, s.BlueBias = p.bias[0], p.bias[1], p.bias[2]
		}
		out = append(out, spec.NeuralNetworkPreprocessing_builder{FeatureName: v.Name, Scaler: s.Build()}.Build())
	}
	for name := range o.Pictures {
		if !slices.ContainsFunc(f.Inputs, func(v *mil.Value) bool { return v.Name == name }) {
			return nil, fault.New(fault.BadValue, fmt.Sprintf("input %q", name), "the model has no such input")
		}
	}
	return out, nil
}

// absorb takes the only operation that reads a picture out of the program if it
// scales or shifts the picture.
func (p *affine) absorb(f *mil.Func, v *mil.Value) bool {
	if f.Body.Uses()[v] != 1 {
		return false
	}
	i := slices.IndexFunc(f.Body.Nodes, func(n *mil.Node) bool { return slices.Contains(n.Values(), v) })
	if i < 0 {
		return false // an output, or in a nested block
	}
	n := f.Body.Nodes[i]
	x, y := n.Input("x"), n.Input("y")
	if x == nil || len(n.Outputs) != 1 || slices.Contains(f.Body.Outputs, n.Outputs[0]) {
		return false
	}
	switch n.Op {
	case "cast":
		if !n.Outputs[0].Type.DType.IsFloat() {
			return false
		}
	case "mul", "add", "sub", "real_div":
		if y == v && (n.Op == "mul" || n.Op == "add") {
			x, y = y, x
		}
		if x != v || y == nil || y.Const == nil || !y.Type.DType.IsFloat() || !p.combine(n.Op, y, len(v.Type.Shape)) {
			return false
		}
	default:
		return false
	}
	f.Body.Nodes = slices.Delete(f.Body.Nodes, i, i+1)
	redirect(f.Body, n.Outputs[0], v)
	return true
}

// combine follows p by one operation with a constant, if the whole is still of
// its form.
func (p *affine) combine(op string, y *mil.Value, rank int) bool {
	if y.Type.Rank() > rank {
		return false
	}
	c := len(p.bias)
	data := single(y.Const)
	shape := y.Type.Shape
	perChannel := len(shape) >= 3 && len(data) == c && shape[len(shape)-3] == c
	if len(data) != 1 && !perChannel {
		return false
	}
	at := func(i int) float32 { return data[min(i, len(data)-1)] }
	switch op {
	case "add":
		for i := range p.bias {
			p.bias[i] += at(i)
		}
	case "sub":
		for i := range p.bias {
			p.bias[i] -= at(i)
		}
	default:
		s := data[0]
		if slices.ContainsFunc(data, func(x float32) bool { return x != s }) || s == 0 {
			return false
		}
		if op == "real_div" {
			s = 1 / s
		}
		p.scale *= s
		for i := range p.bias {
			p.bias[i] *= s
		}
	}
	return true
}

// redirect lets everybody who reads one value read another.
func redirect(b *mil.Block, old, by *mil.Value) {
	swap := func(vs []*mil.Value) {
		for i, v := range vs {
			if v == old {
				vs[i] = by
			}
		}
	}
	b.Walk(func(n *mil.Node) {
		for _, in := range n.Inputs {
			swap(in.Values)
		}
		for _, nested := range n.Blocks {
			swap(nested.Outputs)
		}
	})
	swap(b.Outputs)
}

// pictureChannels checks that a value can be a picture, and returns the number
// of its channels.
func pictureChannels(v *mil.Value, color spec.ImageFeatureType_ColorSpace) (int, error) {
	if color == spec.ImageFeatureType_INVALID_COLOR_SPACE {
		return 0, errors.New("the order of its colours is missing")
	}
	c := 3
	if color == spec.ImageFeatureType_GRAYSCALE || color == spec.ImageFeatureType_GRAYSCALE_FLOAT16 {
		c = 1
	}
	s := v.Type.Shape
	if v.Type.Kind != mil.Tensor || !v.Type.DType.IsFloat() || len(s) != 4 || s[0] != 1 || s[1] != c {
		return 0, fmt.Errorf("a picture is [1, %d, height, width] of a float type, this is %s", c, v.Type)
	}
	return c, nil
}
