package neuralnetwork_test

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/internal/backend/mlprogram"
	"github.com/smelt-ml/smelt/internal/backend/neuralnetwork"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// making is a function in the making.
type making struct {
	*mil.Builder
	f *mil.Func
}

func begin() *making {
	b := mil.NewBuilder(mil.IOS17)
	return &making{b, &mil.Func{Name: "main", Opset: mil.IOS17, Body: b.Block}}
}

func (m *making) input(name string, shape ...int) *mil.Value {
	v := &mil.Value{Name: name, Type: mil.TensorType(tensor.Float32, shape...)}
	m.f.Inputs = append(m.f.Inputs, v)
	return v
}

func (m *making) finish(t *testing.T, outputs ...*mil.Value) *mil.Func {
	t.Helper()
	if err := m.Err(); err != nil {
		t.Fatal(err)
	}
	m.f.Body.Outputs = outputs
	return m.f
}

func weights(shape ...int) *mil.Value {
	data := make([]float32, tensor.Size(shape))
	for i := range data {
		data[i] = float32(i%7-3) / 4
	}
	return mil.NewConst("w", tensor.Floats(shape, data))
}

func lists(ns ...int32) *mil.Value { return mil.NewConst("", tensor.Ints([]int{len(ns)}, ns)) }

// kinds lists the layers of a model in their order.
func kinds(m *mlmodel.Model) string {
	var out []string
	for l := range mlmodel.Layers(m.Spec()) {
		out = append(out, l.Kind)
	}
	return strings.Join(out, " ")
}

// picture is a small convolutional network with a softmax over four classes.
func picture(t *testing.T) *mil.Func {
	m := begin()
	b := m.Builder
	x := m.input("image", 1, 3, 8, 8)
	v := op.Mul.Add(b, op.Binary{X: x, Y: mil.NewConst("", tensor.Floats(nil, []float32{0.5}))})
	v = op.Add.Add(b, op.Binary{X: v, Y: mil.NewConst("", tensor.Floats([]int{1, 3, 1, 1}, []float32{1, 2, 3}))})
	v = op.ConvIOS17.Add(b, op.ConvIOS17Args{X: v, Weight: weights(4, 3, 3, 3), Groups: 1, PadType: "same", Strides: []int{1, 1}, Dilations: []int{1, 1}})
	v = op.Relu6.Add(b, op.Unary{X: v})
	v = op.MaxPool.Add(b, op.Pooling{X: v, KernelSizes: []int{2, 2}, Strides: []int{2, 2}, PadType: "valid"})
	v = op.ReduceMean.Add(b, op.Reduction{X: v, Axes: []int{2, 3}})
	v = op.LinearIOS17.Add(b, op.LinearIOS17Args{X: v, Weight: weights(4, 4).Const})
	v = op.Softmax.Add(b, op.SoftmaxArgs{X: v, Axis: -1})
	v.Name = "probs"
	return m.finish(t, v)
}

// TestOldNetworks writes pictures through convolutions as the first systems
// read them, with what the program does first as preprocessing.
func TestOldNetworks(t *testing.T) {
	for _, color := range []spec.ImageFeatureType_ColorSpace{spec.ImageFeatureType_RGB, spec.ImageFeatureType_BGR} {
		p := &mlprogram.Program{
			Funcs:      []*mil.Func{picture(t)},
			Classifier: &mlprogram.Classifier{Strings: []string{"a", "b", "c", "d"}, LabelName: "label", ProbabilitiesName: "all"},
		}
		m, notes, err := neuralnetwork.Write(p, neuralnetwork.Options{Pictures: map[string]neuralnetwork.Picture{"image": {Color: color}}})
		if err != nil || len(notes) > 0 {
			t.Fatal(notes, err)
		}
		if v := m.Spec().GetSpecificationVersion(); v != mlmodel.IOS11 {
			t.Errorf("specification version %d, want 1", v)
		}
		if have := kinds(m); have != "convolution unary unary activation pooling reduce innerProduct softmax" {
			t.Errorf("layers %s", have)
		}
		nn := m.Spec().GetNeuralNetworkClassifier()
		if nn.GetLabelProbabilityLayerName() != "probs" || !slices.Equal(nn.GetStringClassLabels().GetVector(), p.Classifier.Strings) {
			t.Errorf("classifier of %q", nn.GetLabelProbabilityLayerName())
		}
		s := nn.GetPreprocessing()[0].GetScaler()
		bias := []float32{s.GetRedBias(), s.GetGreenBias(), s.GetBlueBias()}
		if color == spec.ImageFeatureType_BGR {
			slices.Reverse(bias)
		}
		if s.GetChannelScale() != 0.5 || !slices.Equal(bias, []float32{1, 2, 3}) {
			t.Errorf("%s: preprocessing %v", color, s)
		}
		if nn.GetArrayInputShapeMapping() != spec.NeuralNetworkMultiArrayShapeMapping_RANK5_ARRAY_MAPPING {
			t.Errorf("mapping %s", nn.GetArrayInputShapeMapping())
		}
	}

	// The same answers as the program's, with an array of rank 4 for which
	// there is no old form, and as a picture.
	f := picture(t)
	x := weights(1, 3, 8, 8).Const
	exact, err := network(t, f, neuralnetwork.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if v := exact.Spec().GetSpecificationVersion(); v != mlmodel.IOS13 {
		t.Errorf("specification version %d, want 4", v)
	}
	old, err := network(t, f, neuralnetwork.Options{Pictures: map[string]neuralnetwork.Picture{"image": {Color: spec.ImageFeatureType_RGB}}})
	if err != nil {
		t.Fatal(err)
	}
	a, errA := answer(t, exact, map[string]*tensor.Tensor{"image": x})
	b, errB := answer(t, old, map[string]*tensor.Tensor{"image": x})
	if err := errors.Join(errA, errB); err != nil {
		t.Fatal(err)
	}
	if err := near(b[0], a[0], 1e-6); err != nil {
		t.Error(err)
	}
}

// TestVersions holds that a layer needs no later system than it must.
func TestVersions(t *testing.T) {
	for name, c := range map[string]struct {
		shape []int
		make  func(b *mil.Builder, x *mil.Value) *mil.Value
		kinds string
		spec  int32
	}{
		"relu of a picture": {[]int{3, 4, 4}, func(b *mil.Builder, x *mil.Value) *mil.Value { return op.Relu.Add(b, op.Unary{X: x}) }, "activation", mlmodel.IOS11},
		"relu of a matrix":  {[]int{3, 4}, func(b *mil.Builder, x *mil.Value) *mil.Value { return op.Relu.Add(b, op.Unary{X: x}) }, "activation", mlmodel.IOS13},
		"sine":              {[]int{3, 4, 4}, func(b *mil.Builder, x *mil.Value) *mil.Value { return op.Sin.Add(b, op.Unary{X: x}) }, "sin", mlmodel.IOS13},
		"running sum": {[]int{4}, func(b *mil.Builder, x *mil.Value) *mil.Value {
			return op.Cumsum.Add(b, op.CumsumArgs{X: x})
		}, "cumSum", mlmodel.IOS14},
		"aligned corners": {[]int{3, 4, 4}, func(b *mil.Builder, x *mil.Value) *mil.Value {
			return op.UpsampleBilinearIOS16.Add(b, op.UpsampleBilinearIOS16Args{X: x, ScaleFactorHeight: 2, ScaleFactorWidth: 2, AlignCorners: true})
		}, "resizeBilinear", mlmodel.IOS12},
		"bounded relu": {[]int{2, 2}, func(b *mil.Builder, x *mil.Value) *mil.Value {
			return op.ClampedReluIOS17.Add(b, op.AlphaBetaIOS17{X: x, Alpha: 0.1, Beta: 2})
		}, "activation loadConstantND minBroadcastable", mlmodel.IOS13},
		"slice without its dimension": {[]int{2, 3}, func(b *mil.Builder, x *mil.Value) *mil.Value {
			return op.SliceByIndexIOS17.Add(b, op.SliceByIndexArgs{X: x, Begin: lists(-1, 0), End: lists(0, 0), EndMask: []bool{false, true}, SqueezeMask: []bool{true, false}})
		}, "sliceStatic reshapeStatic", mlmodel.IOS13},
	} {
		m := begin()
		y := c.make(m.Builder, m.input("x", c.shape...))
		doc, err := network(t, m.finish(t, y), neuralnetwork.Options{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if have := kinds(doc); have != c.kinds || doc.Spec().GetSpecificationVersion() != c.spec {
			t.Errorf("%s: %s of version %d", name, have, doc.Spec().GetSpecificationVersion())
		}
	}
}

// TestWeights stores weights as floats, halves and codes.
func TestWeights(t *testing.T) {
	make := func(expand func(b *mil.Builder) *mil.Value) *mil.Func {
		m := begin()
		m.f.Opset, m.Opset = mil.IOS18, mil.IOS18
		x := m.input("x", 3, 4, 4)
		y := op.ExpandDimsIOS17.Add(m.Builder, op.ExpandDimsArgs{X: x, Axes: []int{0}})
		w := expand(m.Builder)
		y = op.ConvIOS17.Add(m.Builder, op.ConvIOS17Args{X: y, Weight: w, Groups: 1, PadType: "valid", Strides: []int{1, 1}, Dilations: []int{1, 1}})
		return m.finish(t, y)
	}
	of := func(m *mlmodel.Model) *spec.WeightParams {
		for l := range mlmodel.Layers(m.Spec()) {
			if l.Kind == "convolution" {
				return l.GetConvolution().GetWeights()
			}
		}
		return nil
	}
	full, err := network(t, make(func(*mil.Builder) *mil.Value { return weights(2, 3, 1, 1) }), neuralnetwork.Options{})
	if err != nil || full.Spec().GetSpecificationVersion() != mlmodel.IOS11 || len(of(full).GetFloatValue()) != 6 {
		t.Errorf("float32: %v", err)
	}
	half, err := network(t, make(func(*mil.Builder) *mil.Value { return weights(2, 3, 1, 1) }), neuralnetwork.Options{Float: tensor.Float16})
	if err != nil || half.Spec().GetSpecificationVersion() != mlmodel.IOS112 || len(of(half).GetFloat16Value()) != 12 {
		t.Errorf("float16: %v", err)
	}
	// Weights of a float16 program stay what they are, unless float32 is asked for.
	stored := tensor.New(tensor.Float16, []int{2, 3, 1, 1}, weights(2, 3, 1, 1).Const.F32())
	for d, size := range map[tensor.DType]int{tensor.Invalid: 12, tensor.Float32: 0} {
		kept, err := network(t, make(func(*mil.Builder) *mil.Value { return mil.NewConst("w", stored) }), neuralnetwork.Options{Float: d})
		if err != nil || len(of(kept).GetFloat16Value()) != size {
			t.Errorf("of float16: %v", err)
		}
	}
	codes := tensor.New(tensor.Int8, []int{2, 3, 1, 1}, []int32{-128, 0, 127, 1, 2, 3})
	linear := make(func(b *mil.Builder) *mil.Value {
		return op.ConstexprBlockwiseShiftScale.Add(b, op.ConstexprBlockwiseShiftScaleArgs{
			Data: codes, Scale: tensor.Floats([]int{2, 1, 1, 1}, []float32{0.5, 2}), Offset: tensor.New(tensor.Int8, []int{2, 1, 1, 1}, []int32{1, -1}),
		})
	})
	quantized, err := network(t, linear, neuralnetwork.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w := of(quantized)
	q := w.GetQuantization().GetLinearQuantization()
	if quantized.Spec().GetSpecificationVersion() != mlmodel.IOS12 || w.GetQuantization().GetNumberOfBits() != 8 ||
		!slices.Equal(w.GetRawValue(), []byte{0, 128, 255, 129, 130, 131}) || !slices.Equal(q.GetScale(), []float32{0.5, 2}) ||
		!slices.Equal(q.GetBias(), []float32{-64.5, -254}) {
		t.Errorf("linear: %v", w)
	}
	table := tensor.Floats([]int{1, 1, 1, 1, 4, 1}, []float32{-1, 0.5, 3, 8})
	palette := make(func(b *mil.Builder) *mil.Value {
		return op.ConstexprLutToDenseIOS18.Add(b, op.ConstexprLutToDenseIOS18Args{Indices: tensor.New(tensor.Uint2, []int{2, 3, 1, 1}, []int32{0, 1, 2, 3, 2, 1}), Lut: table})
	})
	looked, err := network(t, palette, neuralnetwork.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if w := of(looked); !slices.Equal(w.GetRawValue(), []byte{0b00011011, 0b10010000}) || !slices.Equal(w.GetQuantization().GetLookupTableQuantization().GetFloatValue(), table.F32()) {
		t.Errorf("palette: %v", w)
	}
	x := weights(3, 4, 4).Const
	for _, m := range []*mlmodel.Model{quantized, looked} {
		if _, err := answer(t, m, map[string]*tensor.Tensor{"x": x}); err != nil {
			t.Error(err)
		}
	}
}

// TestCodesGathered keeps the codes of a table of words, which has a scale for each.
func TestCodesGathered(t *testing.T) {
	m := begin()
	m.f.Opset, m.Opset = mil.IOS18, mil.IOS18
	at := m.input("at", 3)
	data := tensor.New(tensor.Int8, []int{4, 2}, []int32{-128, 127, 1, 2, 3, 4, 5, -6})
	table := op.ConstexprBlockwiseShiftScale.Add(m.Builder, op.ConstexprBlockwiseShiftScaleArgs{
		Data: data, Scale: tensor.Floats([]int{4, 1}, []float32{1, 2, 3, 4}), Offset: tensor.New(tensor.Int8, []int{4, 1}, []int32{0, 1, 2, 3}),
	})
	y := op.GatherIOS17.Add(m.Builder, op.GatherIOS17Args{X: table, Indices: op.CastIOS17.Add(m.Builder, op.CastIOS17Args{X: at, DType: "int32"})})
	doc, err := network(t, m.finish(t, y), neuralnetwork.Options{})
	if err != nil {
		t.Fatal(err)
	}
	coded := false
	for l := range mlmodel.Layers(doc.Spec()) {
		coded = coded || len(l.GetLoadConstantND().GetData().GetRawValue()) == 8
	}
	got, err := answer(t, doc, map[string]*tensor.Tensor{"at": tensor.Floats([]int{3}, []float32{3, 0, 1})})
	if err != nil || !coded {
		t.Fatal(coded, err)
	}
	if err := near(got[0], tensor.Floats([]int{3, 2}, []float32{8, -36, -128, 127, 0, 2}), 0); err != nil {
		t.Error(err)
	}
}

// TestControl writes a loop in which a cond chooses.
func TestControl(t *testing.T) {
	m := begin()
	b := m.Builder
	x := m.input("x", 2)
	sum := func(b *mil.Builder, v *mil.Value) *mil.Value { return op.ReduceSum.Add(b, op.Reduction{X: v}) }
	scalar := func(v float32) *mil.Value { return mil.NewConst("", tensor.Floats(nil, []float32{v})) }

	held := func() *mil.Value { return &mil.Value{Name: "held", Type: mil.TensorType(tensor.Float32, 2)} }
	test, body := b.Nested(), b.Nested()
	test.Block.Inputs, body.Block.Inputs = []*mil.Value{held()}, []*mil.Value{held()}
	test.Block.Outputs = []*mil.Value{op.Less.Add(test, op.Binary{X: sum(test, test.Block.Inputs[0]), Y: scalar(100)})}
	v := body.Block.Inputs[0]
	yes, no := body.Nested(), body.Nested()
	yes.Block.Outputs = []*mil.Value{op.Mul.Add(yes, op.Binary{X: v, Y: scalar(3)})}
	no.Block.Outputs = []*mil.Value{op.Add.Add(no, op.Binary{X: v, Y: x})}
	chosen := &mil.Value{Name: "chosen", Type: v.Type}
	body.Append(&mil.Node{
		Op: "cond", Name: "choice", Outputs: []*mil.Value{chosen}, Blocks: []*mil.Block{yes.Block, no.Block},
		Inputs: []mil.Input{{Name: "pred", Values: []*mil.Value{op.Greater.Add(body, op.Binary{X: sum(body, v), Y: scalar(10)})}}},
	})
	body.Block.Outputs = []*mil.Value{chosen}
	out := &mil.Value{Name: "out", Type: v.Type}
	b.Append(&mil.Node{
		Op: "while_loop", Name: "loop", Outputs: []*mil.Value{out}, Blocks: []*mil.Block{test.Block, body.Block},
		Inputs: []mil.Input{{Name: "loop_vars", Values: []*mil.Value{x}}},
	})
	doc, err := network(t, m.finish(t, out), neuralnetwork.Options{})
	if err != nil {
		t.Fatal(err)
	}
	// [1, 2], [2, 4], [3, 6], [4, 8], then times 3 until the sum is 100 or more.
	got, err := answer(t, doc, map[string]*tensor.Tensor{"x": tensor.Floats([]int{2}, []float32{1, 2})})
	if err != nil {
		t.Fatal(err)
	}
	if err := near(got[0], tensor.Floats([]int{2}, []float32{36, 72}), 0); err != nil {
		t.Error(err)
	}
}

// TestIntegers holds what floats have to do to be integers.
func TestIntegers(t *testing.T) {
	m := begin()
	b := m.Builder
	x := m.input("x", 4)
	whole := op.CastIOS17.Add(b, op.CastIOS17Args{X: x, DType: "int32"})
	quotient := op.RealDiv.Add(b, op.Binary{X: whole, Y: mil.NewConst("", tensor.Scalar[int32](tensor.Int32, 2))})
	narrow := op.CastIOS17.Add(b, op.CastIOS17Args{X: op.CastIOS17.Add(b, op.CastIOS17Args{X: x, DType: "int8"}), DType: "int32"})
	large := op.Add.Add(b, op.Binary{X: whole, Y: mil.NewConst("", tensor.Scalar[int32](tensor.Int32, 1<<24+1))})
	f := m.finish(t, whole, quotient, narrow, large)
	doc, notes, err := neuralnetwork.Write(&mlprogram.Program{Funcs: []*mil.Func{f}}, neuralnetwork.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(notes) != 1 || !strings.Contains(notes[0], "16777217") {
		t.Errorf("notes %q", notes)
	}
	got, err := answer(t, doc, map[string]*tensor.Tensor{"x": tensor.Floats([]int{4}, []float32{-2.7, 2.7, 300, -5})})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range [][]float32{{-2, 2, 300, -5}, {-1, 1, 150, -2}, {-2, 2, 127, -5}} {
		if err := near(got[i], tensor.Floats([]int{4}, want), 0); err != nil {
			t.Errorf("output %d: %v", i, err)
		}
	}
}

// TestUnsupported lists everything that cannot be written.
func TestUnsupported(t *testing.T) {
	m := begin()
	b := m.Builder
	x := m.input("x", 1, 1, 4, 4)
	at := m.input("at", 1, 2, 2, 2)
	sample := func(name string) *mil.Value {
		b.SetPlace(name)
		return op.ConvQuantized.Add(b, op.ConvQuantizedArgs{
			X: x, Weight: mil.NewConst("", tensor.New(tensor.Uint8, []int{1, 1, 1, 1}, []int32{1})), QuantizationType: "linear", NBits: 8,
			QuantScale: tensor.Floats([]int{1}, []float32{1}), QuantBias: tensor.Floats([]int{1}, []float32{0}), Groups: 1, PadType: "valid",
		})
	}
	one, two := sample("first"), sample("second")
	b.SetPlace("boxes")
	cut := op.CropResizeIOS17.Add(b, op.CropResizeIOS17Args{
		X: x, Boxes: op.ReshapeIOS17.Add(b, op.ReshapeArgs{X: at, Shape: lists(2, 4)}), BoxIndices: lists(0, 0), TargetHeight: 1, TargetWidth: 1,
		SpatialScale: 1, BoxCoordinateMode: "CORNERS_HEIGHT_FIRST", SamplingMode: "DEFAULT", PadValue: 1,
	})
	_, _, err := neuralnetwork.Write(&mlprogram.Program{Funcs: []*mil.Func{m.finish(t, one, two, cut)}}, neuralnetwork.Options{})
	var u *neuralnetwork.UnsupportedError
	if !errors.As(err, &u) || fault.KindOf(err) != fault.Unsupported {
		t.Fatalf("error %v", err)
	}
	if len(u.Problems) != 2 || u.Problems[0].Count != 2 || u.Problems[0].Where != "first" || u.Problems[1].Op != "crop_resize" || !strings.Contains(u.Problems[1].Reason, "pad_value") {
		t.Errorf("problems %+v", u.Problems)
	}
	// As custom layers all can be.
	custom, err := network(t, m.f, neuralnetwork.Options{Partial: true})
	if err != nil {
		t.Fatal(err)
	}
	if have := kinds(custom); have != "custom custom reshapeStatic custom" {
		t.Errorf("layers %s", have)
	}
	for l := range mlmodel.Layers(custom.Spec()) {
		if p := l.GetCustom(); p.GetClassName() == "crop_resize" &&
			(p.GetParameters()["sampling_mode"].GetStringValue() != "DEFAULT" || p.GetParameters()["pad_value"].GetDoubleValue() != 1 || len(l.GetInput()) != 2) {
			t.Errorf("custom layer %v", l.NeuralNetworkLayer)
		}
	}
	if _, _, err := neuralnetwork.Write(&mlprogram.Program{}, neuralnetwork.Options{}); err == nil {
		t.Error("a program without functions is written")
	}
}

// TestFlexible keeps inputs of several shapes.
func TestFlexible(t *testing.T) {
	m := begin()
	b := m.Builder
	x := m.input("x", 1, -2, -3)
	y := op.MatmulIOS17.Add(b, op.MatmulIOS17Args{X: x, Y: x, TransposeY: true})
	y = op.Softmax.Add(b, op.SoftmaxArgs{X: y, Axis: -1})
	ranges := []mlmodel.Range{{Min: 1, Max: 1}, {Min: 2, Max: 8}, {Min: 1, Max: 8}}
	f := m.finish(t, y)
	doc, err := network(t, f, neuralnetwork.Options{Shapes: map[string]mlmodel.Shapes{"x": {Default: []int{1, 2, 3}, Ranges: ranges}}})
	if err != nil {
		t.Fatal(err)
	}
	if a := mlmodel.Describe(doc.Spec().GetDescription())[0].Inputs[0].Array; !slices.Equal(a.Ranges, ranges) {
		t.Errorf("ranges %v", a.Ranges)
	}
	for _, s := range [][]int{{1, 2, 3}, {1, 5, 7}} {
		got, err := answer(t, doc, map[string]*tensor.Tensor{"x": weights(s...).Const})
		if err != nil {
			t.Fatal(err)
		}
		sum := 0.
		for _, v := range got[0].Float64s() {
			sum += v
		}
		if !slices.Equal(got[0].Shape(), []int{1, s[1], s[1]}) || math.Abs(sum-float64(s[1])) > 1e-5 {
			t.Errorf("%v: %v, sum %g", s, got[0], sum)
		}
	}
}

// TestBadPrograms gets errors where a program contradicts itself.
func TestBadPrograms(t *testing.T) {
	f32 := mil.TensorType(tensor.Float32, 2)
	node := func(n *mil.Node) *mil.Func {
		x, y := &mil.Value{Name: "x", Type: f32}, &mil.Value{Name: "y", Type: f32, Node: n}
		n.Outputs = []*mil.Value{y}
		for i := range n.Inputs {
			if n.Inputs[i].Values == nil {
				n.Inputs[i].Values = []*mil.Value{x}
			}
		}
		return &mil.Func{Name: "main", Opset: mil.IOS15, Inputs: []*mil.Value{x}, Body: &mil.Block{Nodes: []*mil.Node{n}, Outputs: []*mil.Value{y}}}
	}
	empty := func() []*mil.Block { return []*mil.Block{{}, {}} }
	for name, f := range map[string]*mil.Func{
		"no such operator":     node(&mil.Node{Op: "swirl", Name: "it"}),
		"no argument":          node(&mil.Node{Op: "relu", Name: "it"}),
		"cond without results": node(&mil.Node{Op: "cond", Name: "it", Blocks: empty(), Inputs: []mil.Input{{Name: "pred"}}}),
		"cond without pred":    node(&mil.Node{Op: "cond", Name: "it", Blocks: empty()}),
		"loop without results": node(&mil.Node{Op: "while_loop", Name: "it", Blocks: empty(), Inputs: []mil.Input{{Name: "loop_vars"}}}),
		"loop without blocks":  node(&mil.Node{Op: "while_loop", Name: "it"}),
		"custom without class": node(&mil.Node{Op: "custom_layer", Name: "it"}),
		"made nowhere":         {Name: "main", Opset: mil.IOS15, Inputs: []*mil.Value{{Name: "x", Type: f32}}, Body: &mil.Block{Outputs: []*mil.Value{{Name: "y", Type: f32}}}},
		"no output":            {Name: "main", Opset: mil.IOS15, Inputs: []*mil.Value{{Name: "x", Type: f32}}, Body: &mil.Block{}},
	} {
		if _, _, err := neuralnetwork.Write(&mlprogram.Program{Funcs: []*mil.Func{f}}, neuralnetwork.Options{}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	relu := node(&mil.Node{Op: "relu", Name: "it", Inputs: []mil.Input{{Name: "x"}}})
	for _, c := range []*mlprogram.Classifier{{Strings: []string{"a", "b"}, Probabilities: 1}, {Strings: []string{"a"}}, {}} {
		if _, _, err := neuralnetwork.Write(&mlprogram.Program{Funcs: []*mil.Func{relu}, Classifier: c}, neuralnetwork.Options{}); err == nil {
			t.Errorf("classifier %+v: no error", c)
		}
	}
	pictures := neuralnetwork.Options{Pictures: map[string]neuralnetwork.Picture{"x": {Color: spec.ImageFeatureType_RGB}}}
	if _, _, err := neuralnetwork.Write(&mlprogram.Program{Funcs: []*mil.Func{relu}}, pictures); err == nil {
		t.Error("a vector became a picture")
	}
}
