package mlmodel

import (
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// Summary counts what a model is made of.
type Summary struct {
	// Layers counts network layers and program operations by their type
	// (constants left out), and the other models of a pipeline by their kind.
	Layers map[string]int
	// Parameters is the number of trained values. A compressed weight counts
	// with all the values that it stands for.
	Parameters int64
	// WeightBytes is what those values take in the model's files.
	WeightBytes int64
	// Dependencies are what the model needs beside its own files.
	Dependencies []Dependency
}

// Dependency is code or a file that a model names but does not hold.
type Dependency struct {
	Kind        string // "customLayer", "customModel" or "linkedModel"
	ClassName   string // of the custom layer or model; the file of a linked one
	Description string
	Parameters  map[string]any // float64, string, int64, bool, []byte, or a slice of numbers, strings or truth values
}

// Summary counts layers, parameters and bytes without reading any weights.
func (m *Model) Summary() Summary {
	s := Summary{Layers: map[string]int{}}
	for _, inner := range Models(m.spec) {
		s.model(inner)
	}
	for l := range Layers(m.spec) {
		s.Layers[l.Kind]++
		if l.HasCustom() {
			s.Dependencies = append(s.Dependencies, customLayer(l.GetCustom()))
		}
	}
	for w := range NetworkWeights(m.spec) {
		payload, err := m.weights(w.Params)
		if err != nil {
			continue // counted as nothing; reading them says why
		}
		s.Parameters += countOf(w, payload)
		s.WeightBytes += payload.size
		q := w.Params.GetQuantization()
		tables := len(q.GetLinearQuantization().GetScale()) + len(q.GetLinearQuantization().GetBias()) +
			len(q.GetLookupTableQuantization().GetFloatValue())
		s.WeightBytes += 4 * int64(tables)
	}
	constants := map[string]*spec.Value{} // a name is defined before it is used
	for op := range Operations(m.spec) {
		switch op.GetType() {
		case "const":
			for _, out := range op.GetOutputs() {
				constants[out.GetName()] = op.GetAttributes()["val"]
			}
			continue
		case "custom_layer":
			s.Dependencies = append(s.Dependencies, customOperation(op, constants))
		}
		s.Layers[op.GetType()]++
	}
	s.program(m.spec)
	return s
}

// countOf returns how many values the weights of a layer are. The codes of
// quantized weights alone do not tell: the last byte may be filled up.
func countOf(w LayerWeights, payload Weights) int64 {
	bits := w.Params.GetQuantization().GetNumberOfBits()
	n := payload.Len(int(min(bits, 9)))
	if payload.kind == Raw && w.Shape != nil {
		return min(n, int64(tensor.Size(w.Shape)))
	}
	return n
}

// model counts a model that is neither a network nor a program.
func (s *Summary) model(m *spec.Model) {
	kind := kindOf(m)
	switch m.WhichType() {
	case spec.Model_NeuralNetwork_case, spec.Model_NeuralNetworkClassifier_case, spec.Model_NeuralNetworkRegressor_case,
		spec.Model_MlProgram_case:
		return
	case spec.Model_CustomModel_case:
		c := m.GetCustomModel()
		d := Dependency{Kind: "customModel", ClassName: c.GetClassName(), Description: c.GetDescription(), Parameters: map[string]any{}}
		for name, v := range c.GetParameters() {
			d.Parameters[name] = scalarOf(v.ProtoReflect())
		}
		s.Dependencies = append(s.Dependencies, d)
	case spec.Model_LinkedModel_case:
		f := m.GetLinkedModel().GetLinkedModelFile()
		s.Dependencies = append(s.Dependencies, Dependency{
			Kind: "linkedModel", ClassName: f.GetLinkedModelFileName().GetDefaultValue(),
			Parameters: map[string]any{"searchPath": f.GetLinkedModelSearchPath().GetDefaultValue()},
		})
	case spec.Model_TreeEnsembleClassifier_case:
		s.trees(m.GetTreeEnsembleClassifier().GetTreeEnsemble())
	case spec.Model_TreeEnsembleRegressor_case:
		s.trees(m.GetTreeEnsembleRegressor().GetTreeEnsemble())
	case spec.Model_Pipeline_case, spec.Model_PipelineClassifier_case, spec.Model_PipelineRegressor_case:
	default:
		r := m.ProtoReflect()
		if fd := r.WhichOneof(r.Descriptor().Oneofs().ByName("Type")); fd != nil {
			s.numbers(r.Get(fd).Message())
		}
	}
	if kind != "" {
		s.Layers[kind]++
	}
}

// trees counts a threshold for each branch and the values of each leaf.
func (s *Summary) trees(t *spec.TreeEnsembleParameters) {
	var n int64
	for _, node := range t.GetNodes() {
		if node.GetNodeBehavior() == spec.TreeEnsembleParameters_TreeNode_LeafNode {
			n += int64(len(node.GetEvaluationInfo()))
		} else {
			n++
		}
	}
	s.Parameters += n
	s.WeightBytes += 8 * n
}

// numbers counts the floating-point numbers of a small model.
func (s *Summary) numbers(m protoreflect.Message) {
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		var width int64
		switch {
		case fd.IsMap():
			if fd.MapValue().Kind() == protoreflect.DoubleKind {
				s.Parameters += int64(v.Map().Len())
				s.WeightBytes += 8 * int64(v.Map().Len())
			}
			return true
		case fd.Message() != nil && fd.IsList():
			for i := range v.List().Len() {
				s.numbers(v.List().Get(i).Message())
			}
			return true
		case fd.Message() != nil:
			s.numbers(v.Message())
			return true
		case fd.Kind() == protoreflect.FloatKind:
			width = 4
		case fd.Kind() == protoreflect.DoubleKind:
			width = 8
		default:
			return true
		}
		n := int64(1)
		if fd.IsList() {
			n = int64(v.List().Len())
		}
		s.Parameters += n
		s.WeightBytes += n * width
		return true
	})
}

// program counts the constants of programs. Parameters are the elements of
// the floating-point tensors that operations take as weights or that are
// large enough to be some, and of what compressed constants expand to. A
// tensor that several functions share counts once.
func (s *Summary) program(m *spec.Model) {
	uses := usesOf(m)
	type place struct {
		file   string
		offset uint64
	}
	seen := map[place]bool{}
	for op := range Operations(m) {
		compressed := isCompressed(op)
		if !compressed && op.GetType() != "const" || len(op.GetOutputs()) == 0 {
			continue
		}
		// A compressed constant's last output is the values; one before it
		// would be a mask.
		out := op.GetOutputs()[len(op.GetOutputs())-1]
		use := uses[op.Path+"\x00"+out.GetName()]
		part := use.compressed && !use.other
		d, shape, err := TensorType(out.GetType().GetTensorType())
		trained := err == nil && d.IsFloat() && len(shape) > 0 && (use.weight || tensor.Size(shape) >= 10)
		stored, again := 0, 0
		for c := range heldBy(op) {
			d, shape, err := c.Type()
			if err != nil || d.Bits() == 0 {
				continue
			}
			if c.Value.HasBlobFileValue() {
				at := place{c.Value.GetBlobFileValue().GetFileName(), c.Value.GetBlobFileValue().GetOffset()}
				stored++
				if seen[at] {
					again++
					continue
				}
				seen[at] = true
			} else if !compressed && !part && !trained {
				continue
			}
			s.WeightBytes += int64(d.PackedSize(tensor.Size(shape)))
		}
		if trained && !part && (again == 0 || again < stored) {
			s.Parameters += int64(tensor.Size(shape))
		}
	}
}

// use tells what a value of a program is used for.
type use struct {
	compressed bool // as a part of a compressed constant
	other      bool // otherwise
	weight     bool // as what layers learn
}

// usesOf returns the uses of values by their path and name.
func usesOf(m *spec.Model) map[string]use {
	uses := map[string]use{}
	for op := range Operations(m) {
		for param, arg := range op.GetInputs() {
			for _, b := range arg.GetArguments() {
				if !b.HasName() {
					continue
				}
				key := op.Path + "\x00" + b.GetName()
				u := uses[key]
				if isCompressed(op) {
					u.compressed = true
				} else {
					u.other = true
				}
				switch param {
				case "weight", "bias", "gamma", "beta", "mean", "variance", "alpha":
					u.weight = u.weight || op.GetType() != "const"
				}
				uses[key] = u
			}
		}
	}
	return uses
}

func isCompressed(op Operation) bool { return strings.HasPrefix(op.GetType(), "constexpr_") }

func customLayer(c *spec.CustomLayerParams) Dependency {
	d := Dependency{Kind: "customLayer", ClassName: c.GetClassName(), Description: c.GetDescription(), Parameters: map[string]any{}}
	for name, v := range c.GetParameters() {
		d.Parameters[name] = scalarOf(v.ProtoReflect())
	}
	return d
}

// scalarOf returns the member that a parameter value has set.
func scalarOf(m protoreflect.Message) any {
	fd := m.WhichOneof(m.Descriptor().Oneofs().ByName("value"))
	if fd == nil {
		return nil
	}
	if v, ok := m.Get(fd).Interface().(int32); ok {
		return int64(v)
	}
	return m.Get(fd).Interface()
}

// customOperation describes a custom layer of a program. Its parameters are
// constants, of which values has those seen so far, by name.
func customOperation(op Operation, values map[string]*spec.Value) Dependency {
	text := func(name string) string {
		s, _ := literal(op.GetAttributes()[name]).(string)
		return s
	}
	d := Dependency{Kind: "customLayer", ClassName: text("class_name"), Description: text("description"), Parameters: map[string]any{}}
	parameters := op.GetAttributes()["parameters"].GetImmediateValue()
	for _, v := range parameters.GetList().GetValues() {
		name, ok := literal(v).(string)
		args := op.GetInputs()[name].GetArguments()
		if !ok || len(args) != 1 {
			continue
		}
		if given := args[0]; given.HasValue() {
			d.Parameters[name] = elements(given.GetValue())
		} else {
			d.Parameters[name] = elements(values[given.GetName()])
		}
	}
	for _, pair := range parameters.GetDictionary().GetValues() {
		if name, ok := literal(pair.GetKey()).(string); ok {
			d.Parameters[name] = literal(pair.GetValue())
		}
	}
	return d
}

// elements returns a scalar in place, or a vector in place as a slice; nil for
// what stands in a weight file.
func elements(v *spec.Value) any {
	held := v.GetImmediateValue().GetTensor()
	d, shape, err := TensorType(v.GetType().GetTensorType())
	if held == nil || err != nil {
		return nil
	}
	if held.HasBytes() {
		t, err := tensor.FromPacked(d, shape, held.GetBytes().GetValues())
		switch {
		case err != nil:
			return nil
		case len(shape) > 0:
			return t.Float64s()
		case d.IsInt():
			return int64(t.Float64s()[0])
		}
		return t.Float64s()[0]
	}
	if len(shape) == 0 {
		return literal(v)
	}
	switch held.WhichValue() {
	case spec.TensorValue_Strings_case:
		return held.GetStrings().GetValues()
	case spec.TensorValue_Bools_case:
		return held.GetBools().GetValues()
	case spec.TensorValue_Ints_case:
		return held.GetInts().GetValues()
	case spec.TensorValue_LongInts_case:
		return held.GetLongInts().GetValues()
	case spec.TensorValue_Floats_case:
		return held.GetFloats().GetValues()
	case spec.TensorValue_Doubles_case:
		return held.GetDoubles().GetValues()
	}
	return nil
}

// literal returns the first element of a tensor in place.
func literal(v *spec.Value) any {
	t := v.GetImmediateValue().GetTensor()
	switch {
	case len(t.GetStrings().GetValues()) > 0:
		return t.GetStrings().GetValues()[0]
	case len(t.GetBools().GetValues()) > 0:
		return t.GetBools().GetValues()[0]
	case len(t.GetInts().GetValues()) > 0:
		return int64(t.GetInts().GetValues()[0])
	case len(t.GetLongInts().GetValues()) > 0:
		return t.GetLongInts().GetValues()[0]
	case len(t.GetFloats().GetValues()) > 0:
		return float64(t.GetFloats().GetValues()[0])
	case len(t.GetDoubles().GetValues()) > 0:
		return t.GetDoubles().GetValues()[0]
	case t.HasBytes():
		return t.GetBytes().GetValues()
	}
	return nil
}
