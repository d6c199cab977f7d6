package mlprogram

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// encoder writes functions whose operators all exist in their opset.
type encoder struct {
	store *store // nil where nothing is large enough for one
	opset mil.Opset
	names *names
}

// function writes one function. Its inputs and outputs keep their names.
func (e *encoder) function(f *mil.Func, c *Classifier) (*spec.Function, error) {
	e.opset, e.names = f.Opset, newNames()
	for _, v := range f.Inputs {
		e.names.fix(v, v.Name)
	}
	for i, v := range f.Body.Outputs {
		if c == nil || i != c.Probabilities {
			e.names.fix(v, v.Name)
		}
	}
	if c != nil {
		e.names.taken[c.LabelName], e.names.taken[c.ProbabilitiesName] = 1, 1
	}
	body, err := e.block(f.Body, scope{})
	if err != nil {
		return nil, err
	}
	if c != nil {
		e.classify(body, f.Body.Outputs[c.Probabilities], c)
	}
	return spec.Function_builder{
		Opset:                f.Opset.String(),
		Inputs:               e.declare(f.Inputs),
		BlockSpecializations: map[string]*spec.Block{f.Opset.String(): body},
	}.Build(), nil
}

// scope maps the constants that are written already to their names.
type scope map[*mil.Value]string

func (e *encoder) declare(vs []*mil.Value) []*spec.NamedValueType {
	var out []*spec.NamedValueType
	for _, v := range vs {
		out = append(out, spec.NamedValueType_builder{Name: e.names.value(v), Type: typeOf(v.Type)}.Build())
	}
	return out
}

func (e *encoder) block(b *mil.Block, outer scope) (*spec.Block, error) {
	w := blockWriter{encoder: e, consts: maps.Clone(outer)}
	out := spec.Block_builder{Inputs: e.declare(b.Inputs)}
	for _, n := range b.Nodes {
		if err := w.node(n); err != nil {
			return nil, fmt.Errorf("%s: %w", n, err)
		}
	}
	for _, v := range b.Outputs {
		name := e.names.values[v]
		if v.Const != nil {
			var err error
			if name, err = w.constant(v, v.Name); err != nil {
				return nil, err
			}
		}
		out.Outputs = append(out.Outputs, name)
	}
	out.Operations = w.operations
	return out.Build(), nil
}

// blockWriter writes the operations of one block.
type blockWriter struct {
	*encoder
	consts     scope
	operations []*spec.Operation
}

// literals are parameters whose values stand in the operation itself.
var literals = map[string][]string{"reshape_like": {"begins", "ends", "end_masks"}}

func (w *blockWriter) node(n *mil.Node) error {
	if n.Op == op.CustomLayer.Name {
		return w.customLayer(n)
	}
	def, err := op.For(n.Op, w.opset)
	if err != nil {
		return err
	}
	name := w.names.op(n.Name)
	o := spec.Operation_builder{Type: n.Op, Attributes: map[string]*spec.Value{"name": str(name)}, Inputs: map[string]*spec.Argument{}}
	for _, in := range n.Inputs {
		if def.Attributes {
			if o.Attributes[in.Name], err = w.value(in.Values[0].Const); err != nil {
				return err
			}
			continue
		}
		inPlace := slices.Contains(literals[n.Op], in.Name) || strings.HasPrefix(n.Op, "constexpr_")
		if o.Inputs[in.Name], err = w.argument(n, name, in, inPlace); err != nil {
			return err
		}
	}
	for _, nested := range n.Blocks {
		b, err := w.block(nested, w.consts)
		if err != nil {
			return err
		}
		o.Blocks = append(o.Blocks, b)
	}
	o.Outputs = w.declare(n.Outputs)
	w.operations = append(w.operations, o.Build())
	return nil
}

// argument refers to values. Constants among them are written first, unless they
// stand in the operation itself.
func (w *blockWriter) argument(n *mil.Node, name string, in mil.Input, inPlace bool) (*spec.Argument, error) {
	arg := spec.Argument_builder{}
	for i, v := range in.Values {
		b := new(spec.Argument_Binding)
		switch {
		case v.Const != nil && inPlace:
			val, err := w.value(v.Const)
			if err != nil {
				return nil, err
			}
			b.SetValue(val)
		case v.Const != nil:
			// The name tells what the constant is for, unless it has one.
			base := v.Name
			if base == "" || strings.HasPrefix(base, n.Name+".") {
				base = fmt.Sprintf("%s_%s_0", name, in.Name)
				if len(in.Values) > 1 {
					base = fmt.Sprintf("%s_%s%d_0", name, in.Name, i)
				}
			}
			ref, err := w.constant(v, base)
			if err != nil {
				return nil, err
			}
			b.SetName(ref)
		default:
			b.SetName(w.names.value(v))
		}
		arg.Arguments = append(arg.Arguments, b)
	}
	return arg.Build(), nil
}

// constant returns the name of a constant, which it writes if no block around
// this place has done so.
func (w *blockWriter) constant(v *mil.Value, base string) (string, error) {
	if name, ok := w.consts[v]; ok {
		return name, nil
	}
	val, err := w.value(v.Const)
	if err != nil {
		return "", err
	}
	name, fixed := w.names.values[v] // of an output that is constant
	if !fixed {
		name = w.names.fresh(base)
	}
	w.consts[v] = name
	w.operations = append(w.operations, constOperation(w.names.op(name), name, v.Type, val))
	return name, nil
}

// value writes a constant: into the weight file if it is large.
func (e *encoder) value(t *tensor.Tensor) (*spec.Value, error) {
	if e.store != nil && isStored(t, e.opset) {
		return e.store.put(t)
	}
	return immediate(t), nil
}

// classify appends the operation that makes labels of probabilities. Its
// results come first among the outputs.
func (e *encoder) classify(b *spec.Block, probs *mil.Value, c *Classifier) {
	name := b.GetOutputs()[c.Probabilities]
	b.SetOperations(append(b.GetOperations(), ClassifyOperation(e.names.op("classify_0"), name, c)))
	b.SetOutputs(append([]string{c.LabelName, c.ProbabilitiesName}, slices.Delete(slices.Clone(b.GetOutputs()), c.Probabilities, c.Probabilities+1)...))
}

// storesAny tells whether some constant goes to the weight file.
func storesAny(f *mil.Func) bool {
	found := false
	look := func(vs []*mil.Value) {
		for _, v := range vs {
			found = found || v.Const != nil && isStored(v.Const, f.Opset)
		}
	}
	f.Body.Walk(func(n *mil.Node) { look(n.Values()) })
	look(f.Body.Outputs)
	return found
}
