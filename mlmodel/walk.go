package mlmodel

import (
	"fmt"
	"iter"
	"maps"
	"math"
	"slices"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// Models walks a model and, if it is a pipeline, the models in it, and theirs.
// The path of the model itself is "", that of another its name in the
// pipeline, or "models[2]" where it has none, after its pipeline's and "/".
func Models(s *spec.Model) iter.Seq2[string, *spec.Model] {
	return func(yield func(string, *spec.Model) bool) { eachModel("", s, yield) }
}

func eachModel(path string, s *spec.Model, yield func(string, *spec.Model) bool) bool {
	if !yield(path, s) {
		return false
	}
	p := pipelineOf(s)
	for i, inner := range p.GetModels() {
		name := fmt.Sprintf("models[%d]", i)
		if names := p.GetNames(); i < len(names) && names[i] != "" {
			name = names[i]
		}
		if !eachModel(join(path, name), inner, yield) {
			return false
		}
	}
	return true
}

// pipelineOf returns the pipeline that a model is, nil if it is none.
func pipelineOf(s *spec.Model) *spec.Pipeline {
	switch s.WhichType() {
	case spec.Model_Pipeline_case:
		return s.GetPipeline()
	case spec.Model_PipelineClassifier_case:
		return s.GetPipelineClassifier().GetPipeline()
	case spec.Model_PipelineRegressor_case:
		return s.GetPipelineRegressor().GetPipeline()
	}
	return nil
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "/" + name
}

// Layer is a layer of a neural network.
type Layer struct {
	*spec.NeuralNetworkLayer
	// Path is the layer's name, after those of the pipeline's model and of
	// the loops and branches that it is in: "net/loop/bodyNetwork/conv".
	Path string
	// Kind is the name of the field that holds its parameters, such as
	// "convolution"; "" for none.
	Kind string
}

// Layers walks the layers of all neural networks of a model, those in loops,
// branches and pipelines included. A loop or branch comes before its content.
func Layers(s *spec.Model) iter.Seq[Layer] {
	return func(yield func(Layer) bool) {
		for path, m := range Models(s) {
			if !eachLayer(path, networkOf(m), yield) {
				return
			}
		}
	}
}

// network is what the three kinds of neural networks have in common.
type network interface {
	GetLayers() []*spec.NeuralNetworkLayer
	GetArrayInputShapeMapping() spec.NeuralNetworkMultiArrayShapeMapping
	GetImageInputShapeMapping() spec.NeuralNetworkImageShapeMapping
}

// networkOf returns the network that a model is, an empty one if it is none.
func networkOf(s *spec.Model) network {
	switch s.WhichType() {
	case spec.Model_NeuralNetworkClassifier_case:
		return s.GetNeuralNetworkClassifier()
	case spec.Model_NeuralNetworkRegressor_case:
		return s.GetNeuralNetworkRegressor()
	}
	return s.GetNeuralNetwork()
}

func eachLayer(path string, n network, yield func(Layer) bool) bool {
	for i, l := range n.GetLayers() {
		name := l.GetName()
		if name == "" {
			name = fmt.Sprintf("layers[%d]", i)
		}
		at := join(path, name)
		if !yield(Layer{l, at, memberOf(l, "layer")}) {
			return false
		}
		for _, inner := range []struct {
			name string
			net  *spec.NeuralNetwork
		}{
			{"conditionNetwork", l.GetLoop().GetConditionNetwork()},
			{"bodyNetwork", l.GetLoop().GetBodyNetwork()},
			{"ifBranch", l.GetBranch().GetIfBranch()},
			{"elseBranch", l.GetBranch().GetElseBranch()},
		} {
			if !eachLayer(at+"/"+inner.name, inner.net, yield) {
				return false
			}
		}
	}
	return true
}

// memberOf returns the name of the member that a oneof of a message has set.
func memberOf(m interface {
	ProtoReflect() protoreflect.Message
}, oneof protoreflect.Name,
) string {
	r := m.ProtoReflect()
	if fd := r.WhichOneof(r.Descriptor().Oneofs().ByName(oneof)); fd != nil {
		return string(fd.Name())
	}
	return ""
}

// LayerWeights is one WeightParams message of a layer.
type LayerWeights struct {
	Layer Layer
	// Role is the field of the layer's parameters that holds the weights:
	// "weights", "bias", "inputGateWeightMatrix", "weightParams[1].…",
	// "activations[0].PReLU.alpha".
	Role   string
	Params *spec.WeightParams
	// Shape is how the values are stored, in row-major order; nil where the
	// layer does not tell.
	Shape []int
	// Axis is that of Shape along which a quantization may have a scale for
	// each channel; -1 where it has one for all values.
	Axis int
}

// NetworkWeights walks all weights of all neural networks of a model.
func NetworkWeights(s *spec.Model) iter.Seq[LayerWeights] {
	return func(yield func(LayerWeights) bool) {
		for l := range Layers(s) {
			r := l.ProtoReflect()
			fd := r.WhichOneof(r.Descriptor().Oneofs().ByName("layer"))
			if fd == nil || shapeOf(fd.Message()) == nil {
				continue
			}
			ok := eachWeight("", r.Get(fd).Message(), func(role string, wp *spec.WeightParams) bool {
				w := LayerWeights{Layer: l, Role: role, Params: wp}
				w.Shape, w.Axis = layout(l, role)
				return yield(w)
			})
			if !ok {
				return
			}
		}
	}
}

// eachWeight finds the weights in a layer's parameters. Networks in them are
// left to eachLayer.
func eachWeight(path string, m protoreflect.Message, yield func(role string, wp *spec.WeightParams) bool) bool {
	switch v := m.Interface().(type) {
	case *spec.WeightParams:
		return yield(path, v)
	case *spec.NeuralNetwork:
		return true
	}
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		if fd.Message() == nil || fd.IsMap() || !m.Has(fd) || shapeOf(fd.Message()) == nil {
			continue
		}
		at := string(fd.Name())
		if path != "" {
			at = path + "." + at
		}
		if !fd.IsList() {
			if !eachWeight(at, m.Get(fd).Message(), yield) {
				return false
			}
			continue
		}
		for i := range m.Get(fd).List().Len() {
			if !eachWeight(fmt.Sprintf("%s[%d]", at, i), m.Get(fd).List().Get(i).Message(), yield) {
				return false
			}
		}
	}
	return true
}

// Operation is an operation of an ML Program.
type Operation struct {
	*spec.Operation
	// Path is that of the function, after the name of the pipeline's model,
	// and of the operations in whose blocks it is: "main/while_loop_0".
	Path string
}

// Name returns the attribute "name" of the operation, or the name of its
// first output.
func (o Operation) Name() string {
	if s := o.GetAttributes()["name"].GetImmediateValue().GetTensor().GetStrings().GetValues(); len(s) > 0 {
		return s[0]
	}
	if outs := o.GetOutputs(); len(outs) > 0 {
		return outs[0].GetName()
	}
	return ""
}

// Operations walks the operations of all functions of all ML Programs of a
// model, those in nested blocks included, functions in the order of their
// names. An operation comes before its blocks' content.
func Operations(s *spec.Model) iter.Seq[Operation] {
	return func(yield func(Operation) bool) {
		for path, m := range Models(s) {
			functions := m.GetMlProgram().GetFunctions()
			for _, name := range slices.Sorted(maps.Keys(functions)) {
				blocks := functions[name].GetBlockSpecializations()
				for _, opset := range slices.Sorted(maps.Keys(blocks)) {
					if !eachOperation(join(path, name), blocks[opset], yield) {
						return
					}
				}
			}
		}
	}
}

func eachOperation(path string, b *spec.Block, yield func(Operation) bool) bool {
	for _, o := range b.GetOperations() {
		op := Operation{o, path}
		if !yield(op) {
			return false
		}
		for _, inner := range o.GetBlocks() {
			if !eachOperation(join(path, op.Name()), inner, yield) {
				return false
			}
		}
	}
	return true
}

// Constant is a tensor that an operation of an ML Program holds: in a weight
// file or in place.
type Constant struct {
	Operation Operation
	Param     string // the input or attribute, "val" for const
	Value     *spec.Value
}

// Constants walks all tensors held by operations: inputs and then attributes
// in the order of their names. The attribute "name" is not among them.
func Constants(s *spec.Model) iter.Seq[Constant] {
	return func(yield func(Constant) bool) {
		for op := range Operations(s) {
			for c := range heldBy(op) {
				if !yield(c) {
					return
				}
			}
		}
	}
}

func heldBy(op Operation) iter.Seq[Constant] {
	return func(yield func(Constant) bool) {
		for _, param := range slices.Sorted(maps.Keys(op.GetInputs())) {
			for _, binding := range op.GetInputs()[param].GetArguments() {
				v := binding.GetValue()
				if v.GetType().HasTensorType() && !yield(Constant{op, param, v}) {
					return
				}
			}
		}
		for _, param := range slices.Sorted(maps.Keys(op.GetAttributes())) {
			v := op.GetAttributes()[param]
			if param != "name" && v.GetType().HasTensorType() && !yield(Constant{op, param, v}) {
				return
			}
		}
	}
}

// Type returns the element type and the shape of the tensor.
func (c Constant) Type() (tensor.DType, []int, error) {
	d, shape, err := TensorType(c.Value.GetType().GetTensorType())
	if err != nil {
		return d, nil, fmt.Errorf("operation %q: %s: %w", c.Operation.Name(), c.Param, err)
	}
	return d, shape, nil
}

// TensorType returns the element type and the shape of a tensor type all of
// whose dimensions are known.
func TensorType(t *spec.TensorType) (tensor.DType, []int, error) {
	d := dtypeOf(t.GetDataType())
	if d == tensor.Invalid {
		return d, nil, fault.New(fault.Unsupported, "", "element type %d is not known", t.GetDataType())
	}
	shape := make([]int, len(t.GetDimensions()))
	for i, dim := range t.GetDimensions() {
		size := dim.GetConstant().GetSize()
		if !dim.HasConstant() || size > math.MaxInt32 {
			return d, nil, fault.New(fault.BadShape, "", "dimension %d has no known size", i)
		}
		shape[i] = int(size)
	}
	if _, err := tensor.CheckShape(shape); err != nil {
		return d, nil, fault.New(fault.BadShape, "", "%w", err)
	}
	return d, shape, nil
}

var milTypes = map[spec.DataType]tensor.DType{
	spec.DataType_BOOL: tensor.Bool, spec.DataType_STRING: tensor.String,
	spec.DataType_FLOAT8E4M3FN: tensor.Float8E4M3FN, spec.DataType_FLOAT8E5M2: tensor.Float8E5M2,
	spec.DataType_FLOAT16: tensor.Float16, spec.DataType_FLOAT32: tensor.Float32, spec.DataType_FLOAT64: tensor.Float64,
	spec.DataType_BFLOAT16: tensor.BFloat16,
	spec.DataType_INT8:     tensor.Int8, spec.DataType_INT16: tensor.Int16, spec.DataType_INT32: tensor.Int32,
	spec.DataType_INT64: tensor.Int64, spec.DataType_INT4: tensor.Int4,
	spec.DataType_UINT8: tensor.Uint8, spec.DataType_UINT16: tensor.Uint16, spec.DataType_UINT32: tensor.Uint32,
	spec.DataType_UINT64: tensor.Uint64, spec.DataType_UINT4: tensor.Uint4, spec.DataType_UINT2: tensor.Uint2,
	spec.DataType_UINT1: tensor.Uint1, spec.DataType_UINT6: tensor.Uint6, spec.DataType_UINT3: tensor.Uint3,
}

func dtypeOf(d spec.DataType) tensor.DType { return milTypes[d] }

// usesBlobs tells whether a value of the model stands in a weight file.
func usesBlobs(s *spec.Model) bool {
	for _, m := range Models(s) {
		if holdsBlob(m.GetMlProgram().ProtoReflect()) {
			return true
		}
	}
	return false
}

func holdsBlob(m protoreflect.Message) bool {
	if _, ok := m.Interface().(*spec.Value_BlobFileValue); ok {
		return m.IsValid()
	}
	found := false
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case fd.IsMap() && fd.MapValue().Message() != nil:
			v.Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool {
				found = holdsBlob(v.Message())
				return !found
			})
		case fd.IsMap() || fd.Message() == nil:
		case fd.IsList():
			for i := 0; i < v.List().Len() && !found; i++ {
				found = holdsBlob(v.List().Get(i).Message())
			}
		default:
			found = holdsBlob(v.Message())
		}
		return !found
	})
	return found
}
