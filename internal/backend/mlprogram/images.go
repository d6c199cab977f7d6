package mlprogram

import (
	"fmt"
	"slices"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// images lets a function take pictures: scale and bias come before everything
// else, in float32.
func images(f *mil.Func, o Options, kept map[*mil.Node]bool) error {
	for name, image := range o.ImageInputs {
		i := slices.IndexFunc(f.Inputs, func(v *mil.Value) bool { return v.Name == name })
		if i < 0 {
			return fault.New(fault.BadValue, fmt.Sprintf("input %q", name), "the model has no such input")
		}
		v := f.Inputs[i]
		c, err := pictureChannels(v, image.Color)
		if err != nil {
			return fault.New(fault.BadShape, fmt.Sprintf("input %q", name), "%w", err)
		}
		if len(image.Bias) > 1 && len(image.Bias) != c {
			return fault.New(fault.BadValue, fmt.Sprintf("input %q", name), "%d biases for %d channels", len(image.Bias), c)
		}
		var nodes []*mil.Node
		last := v
		then := func(op, suffix string, y *tensor.Tensor) {
			out := &mil.Value{Name: name + suffix, Type: v.Type}
			out.Node = &mil.Node{Op: op, Name: name + suffix, Outputs: []*mil.Value{out}, Inputs: []mil.Input{
				{Name: "x", Values: []*mil.Value{last}},
				{Name: "y", Values: []*mil.Value{mil.NewConst("", y)}},
			}}
			kept[out.Node] = true
			nodes, last = append(nodes, out.Node), out
		}
		d := v.Type.DType
		if s := image.Scale; s != 0 && s != 1 {
			then("mul", "__scaled__", tensor.Scalar(d, s))
		}
		if slices.ContainsFunc(image.Bias, func(b float32) bool { return b != 0 }) {
			b := image.Bias
			if len(b) == 1 {
				b = slices.Repeat(b, c)
			}
			then("add", "__biased__", tensor.New(d, []int{1, c, 1, 1}, b))
		}
		replace(f.Body, v, last)
		f.Body.Nodes = append(nodes, f.Body.Nodes...)
	}
	for name, color := range o.ImageOutputs {
		i := slices.IndexFunc(f.Body.Outputs, func(v *mil.Value) bool { return v.Name == name })
		if i < 0 {
			return fault.New(fault.BadValue, fmt.Sprintf("output %q", name), "the model has no such output")
		}
		if _, err := pictureChannels(f.Body.Outputs[i], color); err != nil {
			return fault.New(fault.BadShape, fmt.Sprintf("output %q", name), "%w", err)
		}
	}
	return nil
}

// pictureChannels checks that a value can be a picture.
func pictureChannels(v *mil.Value, color spec.ImageFeatureType_ColorSpace) (int, error) {
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

// replace lets everybody who reads one value read another.
func replace(b *mil.Block, old, by *mil.Value) {
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

// pixels keeps the scaling of pictures in float32: values up to 255 less a mean
// that is no whole number lose digits in float16.
func pixels(f *mil.Func, desc *spec.ModelDescription, kept map[*mil.Node]bool) {
	raw := map[*mil.Value]bool{}
	for _, d := range desc.GetInput() {
		if d.GetType().GetImageType() == nil {
			continue
		}
		for _, v := range f.Inputs {
			if v.Name == d.GetName() && v.Type.DType == tensor.Float32 {
				raw[v] = true
			}
		}
	}
	for _, n := range f.Body.Nodes {
		if n.Op != "mul" && n.Op != "add" && n.Op != "sub" {
			continue
		}
		x, y := n.Input("x"), n.Input("y")
		if x != nil && y != nil && raw[x] && y.Const != nil {
			kept[n] = true
			raw[n.Outputs[0]] = true
		}
	}
}
