package edit

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/internal/backend/mlprogram"
	"github.com/smelt-ml/smelt/mlmodel/spec"
)

// Features and the values inside a model share one space of names: a layer that
// reads the input "image" says so by that name. Renaming a feature replaces
// the name wherever the model uses it. Where the new name is already that of an
// inner value, that value moves aside.

// naming tells the fields of a model that hold names of features and values.
// They are found by what they are called, which the format keeps to.
func naming(fd protoreflect.FieldDescriptor) bool {
	if fd.Kind() != protoreflect.StringKind || fd.IsMap() {
		return false
	}
	switch fd.FullName() {
	case "CoreML.Specification.FeatureDescription.name",
		"CoreML.Specification.ModelDescription.predictedProbabilitiesName",
		"CoreML.Specification.FunctionDescription.predictedProbabilitiesName",
		"CoreML.Specification.FeatureVectorizer.InputColumn.inputColumn",
		"CoreML.Specification.NeuralNetworkLayer.input",
		"CoreML.Specification.NeuralNetworkLayer.output",
		"CoreML.Specification.LoopLayerParams.conditionVar",
		"CoreML.Specification.NeuralNetworkClassifier.labelProbabilityLayerName",
		"CoreML.Specification.CategoricalCrossEntropyLossLayer.input",
		"CoreML.Specification.CategoricalCrossEntropyLossLayer.target",
		"CoreML.Specification.MeanSquaredErrorLossLayer.input",
		"CoreML.Specification.MeanSquaredErrorLossLayer.target",
		"CoreML.Specification.CoreMLModels.VisionFeaturePrint.Objects.output",
		"CoreML.Specification.MILSpec.NamedValueType.name",
		"CoreML.Specification.MILSpec.Argument.Binding.name",
		"CoreML.Specification.MILSpec.Block.outputs":
		return true
	}
	name := string(fd.Name())
	return name == "featureName" || strings.HasSuffix(name, "FeatureName")
}

// holding tells the messages in which a name may stand, at any depth. Others,
// such as weights and trees, need not be looked into.
var holding = func() map[protoreflect.FullName]bool {
	out := map[protoreflect.FullName]bool{}
	var visit func(d protoreflect.MessageDescriptor)
	seen := map[protoreflect.FullName]bool{}
	users := map[protoreflect.FullName][]protoreflect.FullName{}
	var found []protoreflect.FullName
	visit = func(d protoreflect.MessageDescriptor) {
		if seen[d.FullName()] {
			return
		}
		seen[d.FullName()] = true
		for i := range d.Fields().Len() {
			fd := d.Fields().Get(i)
			if naming(fd) {
				found = append(found, d.FullName())
			}
			if fd.Message() != nil {
				users[fd.Message().FullName()] = append(users[fd.Message().FullName()], d.FullName())
				visit(fd.Message())
			}
		}
	}
	visit((*spec.Model)(nil).ProtoReflect().Descriptor())
	for len(found) > 0 {
		name := found[0]
		found = found[1:]
		if !out[name] {
			out[name] = true
			found = append(found, users[name]...)
		}
	}
	return out
}()

// eachName calls f for every name in a message, and puts what it returns in the
// name's place. Models of pipelines have names of their own and are left out.
func eachName(m protoreflect.Message, f func(string) string) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		if !m.Has(fd) {
			continue
		}
		switch {
		case naming(fd) && fd.IsList():
			l := m.Mutable(fd).List()
			for i := range l.Len() {
				if old := l.Get(i).String(); f(old) != old {
					l.Set(i, protoreflect.ValueOfString(f(old)))
				}
			}
		case naming(fd):
			if old := m.Get(fd).String(); f(old) != old {
				m.Set(fd, protoreflect.ValueOfString(f(old)))
			}
		case fd.IsMap():
			if v := fd.MapValue().Message(); v != nil && holding[v.FullName()] {
				m.Get(fd).Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool {
					eachName(v.Message(), f)
					return true
				})
			}
		case fd.Message() == nil || !holding[fd.Message().FullName()] || fd.Message().FullName() == "CoreML.Specification.Model":
		case fd.IsList():
			l := m.Get(fd).List()
			for i := range l.Len() {
				eachName(l.Get(i).Message(), f)
			}
		default:
			eachName(m.Get(fd).Message(), f)
		}
	}
}

// rename gives features new names, all at once.
func rename(m *spec.Model, to map[string]string) error {
	to = maps.Clone(to)
	maps.DeleteFunc(to, func(old, name string) bool { return old == name })
	if len(to) == 0 {
		return nil
	}
	return renameIn(m, to, 0)
}

// maxNesting bounds pipelines in pipelines.
const maxNesting = 16

// renameIn renames the features that a model has of those in to.
func renameIn(m *spec.Model, to map[string]string, depth int) error {
	if depth > maxNesting {
		return fault.New(fault.Limit, "", "pipelines are nested more than %d deep", maxNesting)
	}
	mine := map[string]string{}
	for old, name := range to {
		if sides := sidesOf(m, old); len(sides) > 0 {
			mine[old] = name
			if err := allowed(m, sides[0], old, name); err != nil {
				return err
			}
		}
	}
	if len(mine) == 0 {
		return nil
	}
	if err := apart(m, mine); err != nil {
		return err
	}
	// The names of a pipeline are those that its models hand on to each other.
	used := map[string]bool{}
	note := func(name string) string {
		used[name] = true
		return name
	}
	eachName(m.ProtoReflect(), note)
	stages := stagesOf(m).GetModels()
	for _, stage := range stages {
		eachName(stage.GetDescription().ProtoReflect(), note)
	}
	all := maps.Clone(mine)
	for _, name := range slices.Sorted(maps.Values(mine)) {
		if _, moves := mine[name]; !moves && used[name] {
			free := name
			for i := 1; used[free] || taken(all, free); i++ {
				free = fmt.Sprintf("%s_%d", name, i)
			}
			all[name] = free
		}
	}
	eachName(m.ProtoReflect(), func(old string) string {
		if name, ok := all[old]; ok {
			return name
		}
		return old
	})
	for _, stage := range stages {
		if err := renameIn(stage, all, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func taken(to map[string]string, name string) bool {
	for _, v := range to {
		if v == name {
			return true
		}
	}
	return false
}

// allowed tells whether a model's features can have other names, and this one.
func allowed(m *spec.Model, s side, old, name string) error {
	fail := func(kind fault.Kind, format string, args ...any) error {
		return fault.New(kind, fmt.Sprintf("%s %q", s, old), format, args...)
	}
	switch m.WhichType() {
	case spec.Model_CustomModel_case, spec.Model_LinkedModel_case, spec.Model_SerializedModel_case:
		return fail(fault.Unsupported, "cannot be renamed: what computes a %s is not in the file, and goes by its name", kindOf(m))
	case spec.Model_MlProgram_case:
		if name != mlprogram.Identifier(name) {
			return fail(fault.BadValue, "%q is no name for it: want letters, digits and underscores", name)
		}
	}
	if name == "" {
		return fail(fault.BadValue, "wants a name")
	}
	return nil
}

// apart wants different features to have different names.
func apart(m *spec.Model, to map[string]string) error {
	for _, p := range faces(m) {
		was := map[string]string{} // by the new names
		for _, s := range []side{input, output, state, training} {
			for _, d := range of(p.face, s) {
				old := d.GetName()
				name := old
				if n, ok := to[old]; ok {
					name = n
				}
				if other, ok := was[name]; ok && other != old {
					return fault.New(fault.BadValue, fmt.Sprintf("%s %q", s, old), "another feature, %q, would be named %s, too", other, name)
				}
				was[name] = old
			}
		}
	}
	return nil
}
