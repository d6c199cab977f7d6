package edit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// imageInput makes a picture of an array.
func (e *editor) imageInput(p part, image Image) error {
	c, err := e.toPicture(p, image.Color)
	if err != nil {
		return err
	}
	if n := len(image.Bias); n > 1 && n != c {
		return p.fail(fault.BadValue, "%d biases for %d channels", n, c)
	}
	scale := image.Scale
	if scale == 0 {
		scale = 1
	}
	bias := image.Bias
	switch {
	case !slices.ContainsFunc(bias, func(b float32) bool { return b != 0 }):
		bias = nil
	case len(bias) == 1:
		bias = slices.Repeat(bias, c)
	}
	if stagesOf(p.model) != nil || scale == 1 && bias == nil {
		return nil
	}
	text := scalingText(scale, bias)
	switch nn := networkOf(p.model); {
	case nn != nil:
		nn.SetPreprocessing(append(nn.GetPreprocessing(), scaler(p.name(), image.Color, scale, bias)))
	case p.function != nil:
		f := functionOf(p.function)
		x := p.name()
		d := f.input(x).GetType().GetTensorType()
		t, err := mlTensor(d)
		if err != nil {
			return p.fail(fault.Unsupported, "%w", err)
		}
		var made []*spec.Operation
		last := x
		then := func(op, suffix string, y *tensor.Tensor) {
			name := f.fresh(x + suffix)
			param := f.fresh(name + "_y_0")
			made = append(made, f.constant(param, y), f.operation(op, name, map[string]string{"x": last, "y": param}, t))
			last = name
		}
		if scale != 1 {
			then("mul", scaledSuffix, tensor.Scalar(t.DType, scale))
		}
		if bias != nil {
			then("add", biasedSuffix, tensor.New(t.DType, []int{1, c, 1, 1}, bias))
		}
		f.prepend(x, last, made)
	}
	e.scaling = append(e.scaling, Change{"scaling", p.name(), "", text})
	return nil
}

// The names of the operations that scale a picture, which conversions use.
const (
	scaledSuffix = "__scaled__"
	biasedSuffix = "__biased__"
)

func scalingText(scale float32, bias []float32) string {
	var parts []string
	if scale != 1 {
		parts = append(parts, fmt.Sprintf("× %g", scale))
	}
	if bias != nil {
		parts = append(parts, fmt.Sprintf("+ %v", bias))
	}
	return strings.Join(parts, " ")
}

// scaler is the preprocessing of a network's picture.
func scaler(name string, color Color, scale float32, bias []float32) *spec.NeuralNetworkPreprocessing {
	s := spec.NeuralNetworkImageScaler_builder{ChannelScale: scale}
	switch {
	case len(bias) == 1:
		s.GrayBias = bias[0]
	case len(bias) == 3 && color == spec.ImageFeatureType_BGR:
		s.BlueBias, s.GreenBias, s.RedBias = bias[0], bias[1], bias[2]
	case len(bias) == 3:
		s.RedBias, s.GreenBias, s.BlueBias = bias[0], bias[1], bias[2]
	}
	return spec.NeuralNetworkPreprocessing_builder{FeatureName: name, Scaler: s.Build()}.Build()
}

// arrayInput makes an array of a picture: of the values that the model computes
// on.
func (e *editor) arrayInput(p part) error {
	if p.feature.GetType().GetImageType() == nil {
		return p.fail(fault.BadValue, "is no picture, but of type %s", typeText(p.feature))
	}
	if nn := networkOf(p.model); nn != nil {
		named(p, nn)
		var kept []*spec.NeuralNetworkPreprocessing
		for _, pre := range nn.GetPreprocessing() {
			if pre.GetFeatureName() != p.name() {
				kept = append(kept, pre)
				continue
			}
			e.scaling = append(e.scaling, Change{"scaling", p.name(), preprocessingText(pre), ""})
		}
		if len(kept) != len(nn.GetPreprocessing()) {
			nn.SetPreprocessing(kept)
		}
	} else if p.function != nil {
		if taken := functionOf(p.function).unscale(p.name()); len(taken) > 0 {
			e.scaling = append(e.scaling, Change{"scaling", p.name(), strings.Join(taken, ", "), ""})
		}
	}
	e.toArray(p)
	if nn := networkOf(p.model); nn != nil && !slices.ContainsFunc(p.face.GetInput(), isPicture) {
		nn.SetImageInputShapeMapping(spec.NeuralNetworkImageShapeMapping_RANK5_IMAGE_MAPPING)
	}
	return nil
}

func isPicture(d *spec.FeatureDescription) bool { return d.GetType().GetImageType() != nil }

func preprocessingText(pre *spec.NeuralNetworkPreprocessing) string {
	if s := pre.GetScaler(); s != nil {
		return fmt.Sprintf("× %g + red %g, green %g, blue %g, gray %g", s.GetChannelScale(), s.GetRedBias(), s.GetGreenBias(), s.GetBlueBias(), s.GetGrayBias())
	}
	return fmt.Sprintf("less a mean image of %d values", len(pre.GetMeanImage().GetMeanImage()))
}

// named gives preprocessing that holds for every picture the names of the
// pictures that there are, so that it says what it says after an edit, too.
func named(p part, nn network) {
	var pictures []string
	for _, d := range p.face.GetInput() {
		if isPicture(d) {
			pictures = append(pictures, d.GetName())
		}
	}
	pre := nn.GetPreprocessing()
	if !slices.ContainsFunc(pre, func(x *spec.NeuralNetworkPreprocessing) bool { return x.GetFeatureName() == "" }) {
		return
	}
	var out []*spec.NeuralNetworkPreprocessing
	for _, x := range pre {
		if x.GetFeatureName() != "" {
			out = append(out, x)
			continue
		}
		for _, name := range pictures {
			one := spec.NeuralNetworkPreprocessing_builder{FeatureName: name, Scaler: x.GetScaler(), MeanImage: x.GetMeanImage()}.Build()
			out = append(out, one)
		}
	}
	nn.SetPreprocessing(out)
}

// imageOutput makes a picture of an array.
func (e *editor) imageOutput(p part, color Color) error {
	_, err := e.toPicture(p, color)
	return err
}

// arrayOutput makes an array of a picture.
func (e *editor) arrayOutput(p part) error {
	if !isPicture(p.feature) {
		return p.fail(fault.BadValue, "is no picture, but of type %s", typeText(p.feature))
	}
	e.toArray(p)
	return nil
}

func typeText(d *spec.FeatureDescription) string { return mlmodel.DescribeFeature(d).Type() }

// toPicture gives a feature the type of a picture. It returns the number of
// channels.
func (e *editor) toPicture(p part, color Color) (channels int, err error) {
	d := p.feature
	a := d.GetType().GetMultiArrayType()
	if a == nil {
		return 0, p.fail(fault.BadValue, "is no array, but of type %s", typeText(d))
	}
	image := spec.ImageFeatureType_builder{ColorSpace: color}.Build()
	c := mlmodel.DescribeFeature(spec.FeatureDescription_builder{Type: spec.FeatureType_builder{ImageType: image}.Build()}.Build()).Image.Channels()
	shapes := mlmodel.ShapesOf(d)
	half := color == spec.ImageFeatureType_GRAYSCALE_FLOAT16
	ranks := []int{3, 4, 5}
	nn := networkOf(p.model)
	exact := nn != nil && nn.GetArrayInputShapeMapping() == spec.NeuralNetworkMultiArrayShapeMapping_EXACT_ARRAY_MAPPING
	switch {
	case p.function != nil:
		ranks = []int{4}
		want := tensor.Float32
		if half {
			want = tensor.Float16
		}
		f := functionOf(p.function)
		t, err := f.typeOf(p.side, p.name())
		if err != nil {
			return 0, p.fail(fault.Unsupported, "%w", err)
		}
		if !t.DType.IsFloat() {
			return 0, p.fail(fault.Unsupported, "a picture is of a float type, this is %s", t)
		}
		if half != (t.DType == tensor.Float16) {
			if err := e.elementType(p, want); err != nil {
				return 0, err
			}
		}
		if shapes.Default == nil && t.IsStatic() {
			shapes.Default = t.Shape
		}
	case exact && p.side == input:
		ranks = []int{4}
		mapping := spec.NeuralNetworkImageShapeMapping_RANK4_IMAGE_MAPPING
		if slices.ContainsFunc(p.face.GetInput(), isPicture) {
			if nn.GetImageInputShapeMapping() == spec.NeuralNetworkImageShapeMapping_RANK5_IMAGE_MAPPING {
				ranks = []int{5} // as its other pictures
			}
		} else {
			nn.SetImageInputShapeMapping(mapping)
		}
	case nn != nil && p.side == output && shapes.Default == nil:
		shapes.Default, err = e.sizeOf(p)
		if err != nil {
			return 0, err
		}
	}
	if nn != nil {
		named(p, nn)
	}
	fits := func(shape []int) bool {
		n := len(shape)
		return slices.Contains(ranks, n) && shape[n-3] == c && !slices.ContainsFunc(shape[:n-3], func(d int) bool { return d != 1 })
	}
	n := len(shapes.Default)
	if p.function != nil && p.side == output && n == 0 {
		// Of unknown size: any.
		t, _ := functionOf(p.function).typeOf(p.side, p.name())
		if len(t.Shape) != 4 {
			return 0, p.notPicture(c, t.String())
		}
		shapes = mlmodel.Shapes{Default: []int{1, c, 1, 1}, Ranges: []mlmodel.Range{{Min: 1, Max: 1}, {Min: int64(c), Max: int64(c)}, {Min: 1, Max: -1}, {Min: 1, Max: -1}}}
		n = 4
	}
	if !fits(shapes.Default) || slices.ContainsFunc(shapes.Enumerated, func(s []int) bool { return !fits(s) }) || len(shapes.Ranges) > 0 && slices.ContainsFunc(shapes.Ranges[:n-2], func(r mlmodel.Range) bool { return r.Min != r.Max }) {
		return 0, p.notPicture(c, typeText(d))
	}
	d.GetType().SetImageType(image)
	mlmodel.SetShapes(d, shapes)
	return c, nil
}

func (p part) notPicture(c int, is string) error {
	return p.fail(fault.BadShape, "a picture is [1, %d, height, width] with only height and width flexible, this is %s", c, is)
}

// toArray gives a feature the type of an array.
func (e *editor) toArray(p part) {
	d := p.feature
	shapes := mlmodel.ShapesOf(d)
	lead := 0
	a := spec.ArrayFeatureType_builder{DataType: spec.ArrayFeatureType_FLOAT32}.Build()
	nn := networkOf(p.model)
	switch {
	case p.function != nil:
		lead = 1
		if t, err := functionOf(p.function).typeOf(p.side, p.name()); err == nil && t.DType == tensor.Float16 {
			a.SetDataType(spec.ArrayFeatureType_FLOAT16)
		}
	case nn == nil || nn.GetArrayInputShapeMapping() == spec.NeuralNetworkMultiArrayShapeMapping_RANK5_ARRAY_MAPPING:
	case p.side == input && nn.GetImageInputShapeMapping() == spec.NeuralNetworkImageShapeMapping_RANK5_IMAGE_MAPPING:
		lead = 2
	default:
		lead = 1
	}
	for range lead {
		shapes = led(shapes)
	}
	d.GetType().SetMultiArrayType(a)
	mlmodel.SetShapes(d, shapes)
}

// led puts a dimension of 1 before all others.
func led(s mlmodel.Shapes) mlmodel.Shapes {
	out := mlmodel.Shapes{Default: append([]int{1}, s.Default...)}
	for _, e := range s.Enumerated {
		out.Enumerated = append(out.Enumerated, append([]int{1}, e...))
	}
	if s.Ranges != nil {
		out.Ranges = append([]mlmodel.Range{{Min: 1, Max: 1}}, s.Ranges...)
	}
	return out
}

// elementType gives an array another element type.
func (e *editor) elementType(p part, d tensor.DType) error {
	kinds := map[tensor.DType]spec.ArrayFeatureType_ArrayDataType{
		tensor.Float16: spec.ArrayFeatureType_FLOAT16, tensor.Float32: spec.ArrayFeatureType_FLOAT32,
		tensor.Float64: spec.ArrayFeatureType_DOUBLE, tensor.Int32: spec.ArrayFeatureType_INT32,
	}
	kind, ok := kinds[d]
	if !ok {
		return p.fail(fault.BadValue, "an array of %s: want fp16, fp32, fp64 or int32", d)
	}
	a := p.feature.GetType().GetMultiArrayType()
	if a == nil {
		return p.fail(fault.BadValue, "is no array, but of type %s", typeText(p.feature))
	}
	switch {
	case p.function != nil && d == tensor.Float64:
		return p.fail(fault.Unsupported, "an ML Program has no arrays of %s: want fp16, fp32 or int32", d)
	case p.function != nil:
		if err := functionOf(p.function).retype(p.side, p.name(), d); err != nil {
			return p.fail(fault.Unsupported, "%w", err)
		}
	case networkOf(p.model) != nil && d == tensor.Float16:
		return p.fail(fault.Unsupported, "a neural network has no arrays of %s: want fp32, fp64 or int32", d)
	case p.model.WhichType() != spec.Model_Pipeline_case && stagesOf(p.model) == nil && networkOf(p.model) == nil:
		return p.fail(fault.Unsupported, "the element types of a %s are its own", kindOf(p.model))
	}
	if a.GetDataType() != kind {
		a.SetDataType(kind)
	}
	return nil
}

// mlTensor reads the type of a tensor of an ML Program.
func mlTensor(t *spec.TensorType) (mil.Type, error) {
	if t == nil {
		return mil.Type{}, fmt.Errorf("is no tensor")
	}
	return tensorType(t)
}
