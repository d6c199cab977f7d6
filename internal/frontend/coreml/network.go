package coreml

import (
	"errors"
	"fmt"
	"slices"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// Input is a network's input at the shape of one prediction: an array as the
// caller has it, or a picture as [1, C, H, W] in the declared colour order with
// values from 0 to 255.
type Input struct {
	Name  string
	Type  mil.Type
	Image bool
	BGR   bool // the picture's channels are blue, green, red
}

// InputOf is the input that a description tells of, at a shape that it may have:
// that of a picture is [channels, height, width].
func InputOf(d *spec.FeatureDescription, shape []int) (Input, error) {
	in := Input{Name: d.GetName()}
	f := mlmodel.DescribeFeature(d)
	dtype := tensor.Float32
	switch {
	case f.Image != nil:
		in.Image, in.BGR = true, f.Image.ColorSpace == "BGR"
		if len(shape) == 3 {
			shape = append([]int{1}, shape...)
		}
	case f.Array != nil:
		if f.Array.DType == tensor.Int32 {
			dtype = tensor.Int32
		}
	case f.Kind == mlmodel.Double || f.Kind == mlmodel.Int64:
		shape = []int{1}
	default:
		return in, fmt.Errorf("is of type %s", f.Type())
	}
	if _, err := tensor.CheckShape(shape); err != nil {
		return in, err
	}
	in.Type = mil.TensorType(dtype, shape...)
	return in, nil
}

// Weights reads the payload of a weight message.
type Weights func(*spec.WeightParams) (mlmodel.Weights, error)

// body is what the three kinds of networks have in common.
type body interface {
	GetLayers() []*spec.NeuralNetworkLayer
	GetPreprocessing() []*spec.NeuralNetworkPreprocessing
	GetArrayInputShapeMapping() spec.NeuralNetworkMultiArrayShapeMapping
	GetImageInputShapeMapping() spec.NeuralNetworkImageShapeMapping
}

// LowerNetwork lowers a NeuralNetwork model to a program for inputs of the
// given shapes. Every layer's meaning depends on ranks and sizes, which is why
// it is done anew for each set of shapes.
func LowerNetwork(m *spec.Model, inputs []Input, weights Weights) (*Network, error) {
	var nn body
	switch m.WhichType() {
	case spec.Model_NeuralNetwork_case:
		nn = m.GetNeuralNetwork()
	case spec.Model_NeuralNetworkClassifier_case:
		nn = m.GetNeuralNetworkClassifier()
	case spec.Model_NeuralNetworkRegressor_case:
		nn = m.GetNeuralNetworkRegressor()
	default:
		return nil, fault.New(fault.Unsupported, "", "the model is no neural network")
	}
	l := &lowering{
		Builder:   mil.NewBuilder(mil.IOS18),
		rank5:     nn.GetArrayInputShapeMapping() == spec.NeuralNetworkMultiArrayShapeMapping_RANK5_ARRAY_MAPPING,
		image5:    nn.GetImageInputShapeMapping() == spec.NeuralNetworkImageShapeMapping_RANK5_IMAGE_MAPPING,
		values:    map[string]*mil.Value{},
		read:      weights,
		described: describedOutputs(m),
	}
	l.Fold = l.fold
	f := &mil.Func{Name: "main", Opset: l.Opset, Body: l.Block}
	for _, in := range inputs {
		v := &mil.Value{Name: in.Name, Type: in.Type}
		l.Unique(in.Name)
		f.Inputs = append(f.Inputs, v)
		l.values[in.Name] = l.enter(v, in, nn.GetPreprocessing())
	}
	l.survey(m, nn.GetLayers())
	if err := l.layers(nn.GetLayers()); err != nil {
		return nil, err
	}
	net := &Network{Func: f}
	if err := l.outputs(m, net); err != nil {
		return nil, err
	}
	return net, l.Err()
}

// lowering builds a program from layers. Blobs, the values that layers pass on
// by name, are in values; under rank-5 mapping every blob is [S, B, C, H, W].
type lowering struct {
	*mil.Builder
	rank5, image5 bool
	values        map[string]*mil.Value
	read          Weights
	layer         *spec.NeuralNetworkLayer
	described     map[string]*spec.FeatureType // the model's outputs
	folds         int                          // see maxFolds
	control
}

// layerFunc lowers one layer kind: blobs in, blobs out.
type layerFunc func(l *lowering, in []*mil.Value) []*mil.Value

// layers lowers a sequence of layers in their order.
func (l *lowering) layers(layers []*spec.NeuralNetworkLayer) error {
	if l.depth > maxNesting {
		return fault.New(fault.Limit, "", "networks are nested more than %d deep", maxNesting)
	}
	for i, layer := range layers {
		name := layer.GetName()
		if name == "" {
			name = fmt.Sprintf("layer%d", i)
		}
		lower := kinds[layer.WhichLayer().String()]
		if lower == nil {
			return fault.New(fault.Unsupported, fmt.Sprintf("layer %q", name), "cannot be run: layer kind %s", layer.WhichLayer())
		}
		if l.lowered++; l.lowered > l.limit {
			return fault.New(fault.Limit, fmt.Sprintf("layer %q", name), "the loops around it are nested too deep")
		}
		l.SetPlace(name)
		l.layer = layer
		in := make([]*mil.Value, len(layer.GetInput()))
		for i, blob := range layer.GetInput() {
			if in[i] = l.values[blob]; in[i] == nil {
				return fault.New(fault.Corrupt, fmt.Sprintf("layer %q", name), "the input %q is made nowhere before", blob)
			}
			if in[i].Type.AnyRank && layer.WhichLayer() != spec.NeuralNetworkLayer_Copy_case {
				return fault.New(fault.Unsupported, fmt.Sprintf("layer %q", name), "cannot be run: the rank of its input %q depends on data", blob)
			}
		}
		out := lower(l, in)
		if l.Err() == nil && len(out) < len(layer.GetOutput()) {
			l.Fail(fmt.Errorf("gives %d outputs, not %d", len(out), len(layer.GetOutput())))
		}
		if err := l.Err(); err != nil {
			kind := fault.KindOf(err)
			if kind == 0 {
				kind = fault.Corrupt
			}
			return fault.New(kind, "", "%w", err)
		}
		for i, blob := range layer.GetOutput() {
			l.values[blob] = out[i]
		}
		if rest := layers[i+1:]; len(rest) > 0 && l.jumps(layer) {
			return l.unlessStopped(rest)
		}
	}
	return nil
}

// enter brings an input to the form that layers expect, preprocessing
// included.
func (l *lowering) enter(v *mil.Value, in Input, pre []*spec.NeuralNetworkPreprocessing) *mil.Value {
	l.SetPlace(in.Name)
	shape := v.Type.Shape
	switch {
	case in.Image:
		for _, p := range pre {
			if name := p.GetFeatureName(); name == "" || name == in.Name {
				v = l.preprocess(v, in.BGR, p)
			}
		}
		if l.image5 {
			v = l.reshape(v, append([]int{1}, shape...)...)
		}
	case !l.rank5:
		if v.Type.DType != tensor.Float32 {
			v = op.Cast.Add(l.Builder, op.CastArgs{X: v, DType: "fp32"})
		}
	default:
		if v.Type.DType != tensor.Float32 {
			v = op.Cast.Add(l.Builder, op.CastArgs{X: v, DType: "fp32"})
		}
		switch len(shape) {
		case 1:
			v = l.reshape(v, 1, 1, shape[0], 1, 1)
		case 2: // sequence of vectors
			v = l.reshape(v, shape[0], 1, shape[1], 1, 1)
		case 3:
			v = l.reshape(v, 1, 1, shape[0], shape[1], shape[2])
		case 4:
			v = l.reshape(v, 1, shape[0], shape[1], shape[2], shape[3])
		case 5:
		default:
			l.Fail(fault.New(fault.BadShape, fmt.Sprintf("input %q", in.Name), "an array of rank %d, want 1 to 5", len(shape)))
		}
	}
	return v
}

// preprocess scales and shifts a picture [1, C, H, W], or subtracts the mean
// picture.
func (l *lowering) preprocess(v *mil.Value, bgr bool, p *spec.NeuralNetworkPreprocessing) *mil.Value {
	c, h, w := v.Type.Shape[1], v.Type.Shape[2], v.Type.Shape[3]
	switch p.WhichPreprocessor() {
	case spec.NeuralNetworkPreprocessing_Scaler_case:
		s := p.GetScaler()
		if s.GetChannelScale() != 1 {
			v = op.Mul.Add(l.Builder, op.Binary{X: v, Y: l.scalar(s.GetChannelScale())})
		}
		bias := []float32{s.GetGrayBias()}
		if c == 3 {
			bias = []float32{s.GetRedBias(), s.GetGreenBias(), s.GetBlueBias()}
			if bgr {
				slices.Reverse(bias)
			}
		}
		if slices.ContainsFunc(bias, func(b float32) bool { return b != 0 }) {
			v = op.Add.Add(l.Builder, op.Binary{X: v, Y: l.constant(bias, 1, c, 1, 1)})
		}
	case spec.NeuralNetworkPreprocessing_MeanImage_case:
		mean := p.GetMeanImage().GetMeanImage()
		if len(mean) != c*h*w {
			l.Fail(fault.New(fault.BadShape, "", "the mean image has %d values, the input %d×%d×%d", len(mean), c, h, w))
			return v
		}
		v = op.Sub.Add(l.Builder, op.Binary{X: v, Y: l.constant(mean, 1, c, h, w)})
	}
	return v
}

// outputs notes what the model gives. A value that is an input, a constant or
// another output too is passed through an identity, so that each output has
// its own name.
func (l *lowering) outputs(m *spec.Model, net *Network) error {
	c := m.GetNeuralNetworkClassifier()
	label := m.GetDescription().GetPredictedFeatureName()
	probs := m.GetDescription().GetPredictedProbabilitiesName()
	blob := ""
	if c != nil {
		if blob = c.GetLabelProbabilityLayerName(); blob == "" {
			layers := c.GetLayers()
			if len(layers) == 0 || len(layers[len(layers)-1].GetOutput()) == 0 {
				return fault.New(fault.Corrupt, "", "a classifier without layers")
			}
			blob = layers[len(layers)-1].GetOutput()[0]
		}
		net.Classifier = &Classifier{
			Strings: c.GetStringClassLabels().GetVector(), Ints: c.GetInt64ClassLabels().GetVector(),
			LabelName: label, ProbabilitiesName: probs,
		}
	}
	add := func(name, blob string, shape []int) error {
		v := l.values[blob]
		if v == nil {
			return fault.New(fault.Corrupt, fmt.Sprintf("output %q", name), "is made by no layer")
		}
		l.SetPlace(name)
		if shape != nil {
			v = l.reshape(v, shape...)
		}
		out := &mil.Value{Name: name, Type: v.Type}
		l.Append(&mil.Node{
			Op: op.Identity.Name, Name: l.Unique(name), Inputs: []mil.Input{{Name: "x", Values: []*mil.Value{v}}}, Outputs: []*mil.Value{out},
		})
		l.Block.Outputs = append(l.Block.Outputs, out)
		return l.Err()
	}
	for _, f := range m.GetDescription().GetOutput() {
		name := f.GetName()
		if c != nil && (name == label || name == probs) {
			continue
		}
		if l.values[name] == nil {
			return fault.New(fault.Corrupt, fmt.Sprintf("output %q", name), "is made by no layer")
		}
		if err := add(name, name, l.leave(l.values[name], f)); err != nil {
			return err
		}
	}
	if c != nil {
		net.Classifier.Probabilities = len(l.Block.Outputs)
		v := l.values[blob]
		if v == nil {
			return fault.New(fault.Corrupt, fmt.Sprintf("output %q", probs), "is made by no layer")
		}
		return add(blob, blob, []int{-1})
	}
	return nil
}

// leave returns the shape in which a blob is handed out, nil for its own.
// Under rank-5 mapping that is the declared one where the sizes agree, and
// otherwise the blob without its leading axes of 1.
func (l *lowering) leave(v *mil.Value, f *spec.FeatureDescription) []int {
	shape := v.Type.Shape
	if !v.Type.IsStatic() {
		return nil
	}
	if f.GetType().GetImageType() != nil {
		if n := len(shape); n > 4 {
			return shape[n-4:]
		} else if n == 3 {
			return append([]int{1}, shape...)
		}
		return nil
	}
	if !l.rank5 || len(shape) != 5 {
		return nil
	}
	var declared []int
	for _, d := range f.GetType().GetMultiArrayType().GetShape() {
		declared = append(declared, int(d))
	}
	if n, err := tensor.CheckShape(declared); err == nil && len(declared) > 0 && n == tensor.Size(shape) {
		return declared
	}
	if shape[0] == 1 && shape[1] == 1 {
		return shape[2:]
	}
	return nil
}

// constant returns a constant of type float32.
func (l *lowering) constant(data []float32, shape ...int) *mil.Value {
	return mil.NewConst(l.Unique(l.Place()+"_const"), tensor.Floats(shape, data))
}

// scalar returns a constant of rank 0.
func (l *lowering) scalar(v float32) *mil.Value { return l.constant([]float32{v}) }

// ints returns an integer constant of rank 1.
func (l *lowering) ints(v ...int) *mil.Value {
	data := make([]int32, len(v))
	for i, x := range v {
		data[i] = int32(x)
	}
	return mil.NewConst(l.Unique(l.Place()+"_const"), tensor.Ints([]int{len(v)}, data))
}

// reshape gives a value another shape of the same size.
func (l *lowering) reshape(v *mil.Value, shape ...int) *mil.Value {
	if slices.Equal(v.Type.Shape, shape) {
		return v
	}
	return op.Reshape.Add(l.Builder, op.ReshapeArgs{X: v, Shape: l.ints(shape...)})
}

// fail records that the layer cannot be lowered and returns blobs to go on
// with.
func (l *lowering) fail(format string, args ...any) []*mil.Value {
	l.Fail(fmt.Errorf(format, args...))
	return nil
}

// images brings a blob to [N, C, H, W], which spatial operators take, and
// returns the way back for a result of that form.
func (l *lowering) images(v *mil.Value) (*mil.Value, func(*mil.Value) *mil.Value) {
	n := v.Type.Rank()
	if n < 3 {
		l.Fail(fault.New(fault.BadShape, "", "an input of rank %d, want at least 3", n))
		return v, func(v *mil.Value) *mil.Value { return v }
	}
	if n == 4 {
		return v, func(v *mil.Value) *mil.Value { return v }
	}
	s := l.sizes(v)
	lead := s[:n-3]
	x := l.reshapeTo(v, append([]size{l.product(lead)}, s[n-3:]...))
	return x, func(y *mil.Value) *mil.Value {
		if l.Err() != nil {
			return y
		}
		return l.reshapeTo(y, append(slices.Clone(lead), l.sizes(y)[1:]...))
	}
}

var errNoWeights = errors.New("the weights are missing")
