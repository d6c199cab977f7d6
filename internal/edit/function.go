package edit

import (
	"fmt"
	"maps"
	"slices"

	"github.com/smelt-ml/smelt/internal/backend/mlprogram"
	"github.com/smelt-ml/smelt/internal/frontend/coreml"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// function is a function of an ML Program that is being edited.
type function struct {
	*spec.Function
	block *spec.Block
	taken map[string]bool
}

func functionOf(f *spec.Function) *function {
	out := &function{Function: f, block: f.GetBlockSpecializations()[f.GetOpset()], taken: map[string]bool{}}
	if out.block == nil {
		out.block = new(spec.Block)
	}
	eachName(f.ProtoReflect(), func(name string) string {
		out.taken[name] = true
		return name
	})
	return out
}

// fresh returns a name that no value has.
func (f *function) fresh(base string) string {
	name := base
	for i := 1; f.taken[name]; i++ {
		name = fmt.Sprintf("%s_%d", base, i)
	}
	f.taken[name] = true
	return name
}

// input returns the declaration of an input.
func (f *function) input(name string) *spec.NamedValueType {
	for _, v := range f.GetInputs() {
		if v.GetName() == name {
			return v
		}
	}
	return nil
}

// made returns the operation of the function's own block that makes a value,
// and its place.
func (f *function) made(name string) (*spec.Operation, int) {
	for i, o := range f.block.GetOperations() {
		if slices.ContainsFunc(o.GetOutputs(), func(v *spec.NamedValueType) bool { return v.GetName() == name }) {
			return o, i
		}
	}
	return nil, -1
}

// declared returns the declaration of a value of the function's own block.
func (f *function) declared(name string) *spec.NamedValueType {
	if v := f.input(name); v != nil {
		return v
	}
	if o, _ := f.made(name); o != nil {
		for _, v := range o.GetOutputs() {
			if v.GetName() == name {
				return v
			}
		}
	}
	return nil
}

// typeOf returns the type of an input or an output.
func (f *function) typeOf(s side, name string) (mil.Type, error) {
	v := f.input(name)
	if s == output {
		v = f.declared(name)
	}
	if v == nil {
		return mil.Type{}, fmt.Errorf("the program has no such %s", s)
	}
	return mlTensor(v.GetType().GetTensorType())
}

func tensorType(t *spec.TensorType) (mil.Type, error) {
	return coreml.TypeOf(spec.ValueType_builder{TensorType: t}.Build())
}

func (f *function) constant(name string, t *tensor.Tensor) *spec.Operation {
	return mlprogram.ConstOperation(name, t)
}

func (f *function) operation(op, name string, inputs map[string]string, t mil.Type) *spec.Operation {
	return mlprogram.Operation(op, name, inputs, t)
}

// prepend puts operations before all others, and lets whoever reads x read what
// they make of it.
func (f *function) prepend(x, made string, ops []*spec.Operation) {
	f.rewire(x, made)
	f.block.SetOperations(append(ops, f.block.GetOperations()...))
}

// rewire lets whoever reads one value read another.
func (f *function) rewire(old, by string) {
	var walk func(b *spec.Block)
	walk = func(b *spec.Block) {
		for _, o := range b.GetOperations() {
			for _, arg := range o.GetInputs() {
				for _, binding := range arg.GetArguments() {
					if binding.WhichBinding() == spec.Argument_Binding_Name_case && binding.GetName() == old {
						binding.SetName(by)
					}
				}
			}
			for _, nested := range o.GetBlocks() {
				walk(nested)
			}
		}
		outs := b.GetOutputs()
		for i := range outs {
			if outs[i] == old {
				outs[i] = by
			}
		}
	}
	walk(f.block)
}

// readers counts how often a value is read, the function's outputs included,
// and returns the operations of the function's own block that read it.
func (f *function) readers(name string) (ops []*spec.Operation, reads int) {
	var walk func(b *spec.Block, own bool)
	walk = func(b *spec.Block, own bool) {
		for _, o := range b.GetOperations() {
			before := reads
			for _, arg := range o.GetInputs() {
				for _, binding := range arg.GetArguments() {
					if binding.WhichBinding() == spec.Argument_Binding_Name_case && binding.GetName() == name {
						reads++
					}
				}
			}
			if own && reads > before {
				ops = append(ops, o)
			}
			for _, nested := range o.GetBlocks() {
				walk(nested, false)
			}
		}
		for _, out := range b.GetOutputs() {
			if out == name {
				reads++
			}
		}
	}
	walk(f.block, true)
	return ops, reads
}

// remove takes operations out.
func (f *function) remove(gone ...*spec.Operation) {
	f.block.SetOperations(slices.DeleteFunc(slices.Clone(f.block.GetOperations()), func(o *spec.Operation) bool {
		return slices.Contains(gone, o)
	}))
}

// argument returns the name of the value that a parameter is bound to, "" for
// none.
func argument(o *spec.Operation, param string) string {
	if args := o.GetInputs()[param].GetArguments(); len(args) == 1 {
		return args[0].GetName()
	}
	return ""
}

// unscale takes out the operations that conversions put before all others to
// scale a picture. It returns their types.
func (f *function) unscale(name string) []string {
	var taken []string
	for {
		ops, reads := f.readers(name)
		if len(ops) != 1 || reads != 1 || len(ops[0].GetOutputs()) != 1 {
			return taken
		}
		o, out := ops[0], ops[0].GetOutputs()[0].GetName()
		switch o.GetType() {
		case "mul", "add", "sub", "real_div":
		default:
			return taken
		}
		if (out != name+scaledSuffix && out != name+biasedSuffix) || argument(o, "x") != name {
			return taken
		}
		gone := []*spec.Operation{o}
		if y := argument(o, "y"); y != "" {
			made, _ := f.made(y)
			if made.GetType() != "const" {
				return taken
			}
			if _, reads := f.readers(y); reads == 1 {
				gone = append(gone, made)
			}
		}
		f.remove(gone...)
		f.rewire(out, name)
		taken = append(taken, o.GetType())
	}
}

// retype gives an input or an output another element type. Casts keep what is
// inside as it was; one that is there already goes.
func (f *function) retype(s side, name string, d tensor.DType) error {
	if s == output {
		return f.retypeOutput(name, d)
	}
	v := f.input(name)
	if v == nil {
		return fmt.Errorf("the program has no such input")
	}
	was, err := mlTensor(v.GetType().GetTensorType())
	if err != nil || was.DType == d {
		return err
	}
	now := was
	now.DType = d
	v.SetType(mlprogram.TypeOf(now))
	ops, reads := f.readers(name)
	casts := func(o *spec.Operation) bool {
		t, err := mlTensor(o.GetOutputs()[0].GetType().GetTensorType())
		return o.GetType() == "cast" && err == nil && t.DType == d && !slices.Contains(f.block.GetOutputs(), o.GetOutputs()[0].GetName())
	}
	if reads == len(ops) && len(ops) > 0 && !slices.ContainsFunc(ops, func(o *spec.Operation) bool { return !casts(o) }) {
		f.dropCasts(ops, name)
		return nil
	}
	as := f.fresh(fmt.Sprintf("%s_to_%s", name, was.DType))
	f.prepend(name, as, f.cast(name, as, was))
	return nil
}

// dropCasts removes casts, whose results are now the value that they take.
func (f *function) dropCasts(ops []*spec.Operation, name string) {
	gone := slices.Clone(ops)
	types := map[string]int{}
	for _, o := range ops {
		types[argument(o, "dtype")]++
	}
	for param, n := range types {
		if made, _ := f.made(param); made.GetType() == "const" {
			if _, reads := f.readers(param); reads == n {
				gone = append(gone, made)
			}
		}
	}
	f.remove(gone...)
	for _, o := range ops {
		f.rewire(o.GetOutputs()[0].GetName(), name)
	}
}

// cast makes a value of another type, that of t.
func (f *function) cast(x, name string, t mil.Type) []*spec.Operation {
	param := f.fresh(name + "_dtype_0")
	return []*spec.Operation{
		f.constant(param, tensor.Scalar(tensor.String, t.DType.String())),
		f.operation("cast", name, map[string]string{"x": x, "dtype": param}, t),
	}
}

func (f *function) retypeOutput(name string, d tensor.DType) error {
	v := f.declared(name)
	if v == nil {
		return fmt.Errorf("the program has no such output")
	}
	if f.input(name) != nil {
		return fmt.Errorf("is an input, too")
	}
	was, err := mlTensor(v.GetType().GetTensorType())
	if err != nil || was.DType == d {
		return err
	}
	now := was
	now.DType = d
	o, at := f.made(name)
	if x := f.declared(argument(o, "x")); o.GetType() == "cast" && x != nil && f.input(x.GetName()) == nil && !slices.Contains(f.block.GetOutputs(), x.GetName()) {
		t, err := mlTensor(x.GetType().GetTensorType())
		if _, reads := f.readers(name); err == nil && t.DType == d && reads == 1 {
			// The value before the cast is the output, under its name.
			f.dropCasts([]*spec.Operation{o}, x.GetName())
			old := x.GetName()
			eachName(f.ProtoReflect(), func(n string) string {
				if n == old {
					return name
				}
				return n
			})
			return nil
		}
	}
	inner := f.fresh(fmt.Sprintf("%s_%s", name, was.DType))
	f.rewire(name, inner)
	v.SetName(inner)
	f.block.SetOperations(slices.Insert(slices.Clone(f.block.GetOperations()), at+1, f.cast(inner, name, now)...))
	outs := f.block.GetOutputs()
	for i := range outs {
		if outs[i] == inner {
			outs[i] = name
		}
	}
	return nil
}

// functionNames are those of a program in their order.
func functionNames(m *spec.Model) []string {
	return slices.Sorted(maps.Keys(m.GetMlProgram().GetFunctions()))
}
