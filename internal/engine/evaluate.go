package engine

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

// object is a value as the interpreter sees it: a tensor, a list of tensors,
// or the name of a state.
type object struct {
	tensor *tensor.Tensor
	list   []*tensor.Tensor
	unset  *tensor.Tensor // an element of the list that was never written, if its shape is known
	state  string
}

// bytes is what an object takes. Elements that a list shares with others
// count each time.
func (o object) bytes() int {
	n := 8 * len(o.list)
	for _, t := range append(o.list[:len(o.list):len(o.list)], o.tensor) {
		if t != nil {
			n += bytesOf(mil.TypeOf(t))
		}
	}
	return n
}

// bytesOf is what the elements of a tensor of that type take, 0 where the
// shape is not known.
func bytesOf(t mil.Type) int {
	if !t.IsStatic() {
		return 0
	}
	size := 4
	switch {
	case t.DType == tensor.Bool:
		size = 1
	case t.DType == tensor.String:
		size = 16
	case t.DType.Bits() == 64 || t.DType == tensor.Uint32:
		size = 8
	}
	return size * tensor.Size(t.Shape)
}

// evaluate makes the step of a node that has no kernel.
func (c *compiler) evaluate(n *mil.Node) stepFunc {
	for _, v := range outer(n) {
		c.in(v)
	}
	places := make([]place, len(n.Outputs))
	for i, v := range n.Outputs {
		places[i] = c.declare(v)
	}
	in := interpreter{opset: c.fn.Opset, maxElements: c.opts.maxElements()}
	return func(r *Run) error {
		in := in
		in.run, in.made = r, map[*mil.Value]object{}
		outs, err := in.node(n)
		if err != nil {
			return err
		}
		for i, at := range places {
			out, want := outs[i], n.Outputs[i].Type
			if t := out.tensor; t != nil {
				if !accepts(want, mil.TypeOf(t)) {
					return fmt.Errorf("output %d is %s, want %s", i, t, want)
				}
				if at.buffer >= 0 {
					copy(r.buffers[at.buffer], t.F32())
					continue
				}
				out.tensor = clone(t) // it may lie in the arena
			}
			if err := r.hold(out.bytes()); err != nil {
				return err
			}
			r.objects[at.object] = out
		}
		r.held -= in.held
		return nil
	}
}

// interpreter runs nodes by their reference evaluation.
type interpreter struct {
	opset       mil.Opset
	maxElements int
	run         *Run
	made        map[*mil.Value]object // what nested blocks have made
	held        int                   // bytes of that
}

// note keeps what a nested block has made.
func (in *interpreter) note(v *mil.Value, o object) error {
	n := o.bytes() - in.made[v].bytes()
	in.made[v], in.held = o, in.held+n
	return in.run.hold(n)
}

// get returns a value: a constant, one made inside, or one of the plan.
func (in *interpreter) get(v *mil.Value) object {
	if v == nil {
		return object{}
	}
	if v.Const != nil {
		return object{tensor: v.Const}
	}
	if o, ok := in.made[v]; ok {
		return o
	}
	return in.run.object(v)
}

// known returns v with its tensor, as the operator's arguments want it. Only
// what was known before the run has no node.
func (in *interpreter) known(v *mil.Value) *mil.Value {
	if v.Const != nil {
		return &mil.Value{Name: v.Name, Type: v.Type, Const: v.Const}
	}
	if t := in.get(v).tensor; t != nil {
		return &mil.Value{Name: v.Name, Type: mil.TypeOf(t), Const: t, Node: cmp.Or(v.Node, given)}
	}
	return v
}

// given makes the values that a program or a block is given.
var given = &mil.Node{Op: "input"}

// node computes the results of one node.
func (in *interpreter) node(n *mil.Node) ([]object, error) {
	if f := structural[n.Op]; f != nil {
		return f(in, n)
	}
	o, err := op.For(n.Op, in.opset)
	if err != nil {
		return nil, fault.New(fault.Unsupported, "", "%w", err)
	}
	args, err := o.Bind(n, in.known)
	if err != nil {
		return nil, err
	}
	types, err := o.Infer(args)
	if err != nil {
		return nil, err
	}
	for _, t := range types {
		if err := in.limit(t); err != nil {
			return nil, err
		}
	}
	if !o.HasEval {
		return nil, fault.New(fault.Unsupported, "", "cannot be run")
	}
	outs, err := o.Eval(args)
	if err != nil {
		return nil, err
	}
	if len(outs) < len(n.Outputs) {
		return nil, fmt.Errorf("gives %d outputs, the program takes %d", len(outs), len(n.Outputs))
	}
	objects := make([]object, len(outs))
	for i, t := range outs {
		objects[i].tensor = t
	}
	return objects, nil
}

// limit refuses a result too large for the memory that a prediction may use.
func (in *interpreter) limit(t mil.Type) error {
	if size, err := tensor.CheckShape(t.Shape); t.IsStatic() && (err != nil || size > in.maxElements) {
		return fault.New(fault.Limit, "", "a value of type %s takes more than %d bytes", t, 4*in.maxElements)
	}
	return nil
}

// block runs a nested block and returns its outputs.
func (in *interpreter) block(b *mil.Block, inputs []object) ([]object, error) {
	for i, v := range b.Inputs {
		if err := in.note(v, inputs[i]); err != nil {
			return nil, err
		}
	}
	for _, n := range b.Nodes {
		if err := in.run.ctx.Err(); err != nil {
			return nil, err
		}
		outs, err := in.node(n)
		if err != nil {
			return nil, wrap(n, err)
		}
		for i, v := range n.Outputs {
			if err := in.note(v, outs[i]); err != nil {
				return nil, wrap(n, err)
			}
		}
	}
	outs := make([]object, len(b.Outputs))
	for i, v := range b.Outputs {
		outs[i] = in.get(v)
	}
	return outs, nil
}

// truth reads a scalar truth value.
func truth(o object) (bool, error) {
	if o.tensor == nil || o.tensor.DType() != tensor.Bool || o.tensor.Len() != 1 {
		return false, errors.New("the condition is not one truth value")
	}
	return o.tensor.Bools()[0], nil
}

// structural holds the operators that act on blocks, lists and states. Only
// the engine has those; everything else is a function of tensors.
var structural map[string]func(in *interpreter, n *mil.Node) ([]object, error)

func init() {
	structural = map[string]func(in *interpreter, n *mil.Node) ([]object, error){
		"cond":                (*interpreter).cond,
		"while_loop":          (*interpreter).while,
		"make_list":           (*interpreter).makeList,
		"list_length":         (*interpreter).listLength,
		"list_read":           (*interpreter).listRead,
		"list_write":          (*interpreter).listWrite,
		"list_gather":         (*interpreter).listGather,
		"list_scatter":        (*interpreter).listScatter,
		"read_state":          (*interpreter).readState,
		"write_state":         (*interpreter).writeState,
		"coreml_update_state": (*interpreter).updateState,
	}
}

func (in *interpreter) cond(n *mil.Node) ([]object, error) {
	yes, err := truth(in.get(n.Input("pred")))
	if err != nil {
		return nil, err
	}
	if yes {
		return in.block(n.Blocks[0], nil)
	}
	return in.block(n.Blocks[1], nil)
}

func (in *interpreter) while(n *mil.Node) ([]object, error) {
	var vars []object
	for _, v := range n.Values() {
		vars = append(vars, in.get(v))
	}
	for {
		if err := in.run.ctx.Err(); err != nil { // blocks may be empty
			return nil, err
		}
		c, err := in.block(n.Blocks[0], vars)
		if err != nil {
			return nil, err
		}
		if again, err := truth(c[0]); err != nil || !again {
			return vars, err
		}
		if vars, err = in.block(n.Blocks[1], vars); err != nil {
			return nil, err
		}
	}
}

// makeList makes a list of init_length elements, each unset: a list read
// before it is written gives zeros of the declared shape.
func (in *interpreter) makeList(n *mil.Node) ([]object, error) {
	length := 1
	if t := in.get(n.Input("init_length")).tensor; t != nil && t.Len() == 1 {
		length = int(t.Float64s()[0])
	}
	if length < 0 || length > in.maxElements/2 { // of 8 bytes
		return nil, fmt.Errorf("a list of %d elements", length)
	}
	d := tensor.Float32
	if t := in.get(n.Input("dtype")).tensor; t != nil && t.DType() == tensor.String && t.Len() == 1 {
		var err error
		if d, err = tensor.ParseDType(t.Strings()[0]); err != nil {
			return nil, err
		}
	}
	var zero *tensor.Tensor
	var shape []int
	known := true
	for _, v := range n.Inputs {
		if v.Name != "elem_shape" {
			continue
		}
		for _, v := range v.Values {
			t := in.get(v).tensor
			if t == nil || !t.DType().IsInt() {
				known = false
				continue
			}
			for _, x := range t.Float64s() {
				shape = append(shape, int(x))
				known = known && x >= 0
			}
		}
	}
	if size, err := tensor.CheckShape(shape); known && err == nil && size <= in.maxElements {
		zero = tensor.Zeros(d, shape)
	}
	list := make([]*tensor.Tensor, length)
	for i := range list {
		list[i] = zero
	}
	return []object{{list: list, unset: zero}}, nil
}

func (in *interpreter) listLength(n *mil.Node) ([]object, error) {
	return []object{{tensor: tensor.Scalar(tensor.Int32, int32(len(in.get(n.Input("ls")).list)))}}, nil
}

// index reads a position in a list; it may lie past the end by one for every
// element that a dynamic list is to grow.
func (in *interpreter) index(n *mil.Node) (int, error) {
	t := in.get(n.Input("index")).tensor
	if t == nil || t.Len() != 1 || !t.DType().IsInt() {
		return 0, errors.New("the index is not one integer")
	}
	return int(t.Float64s()[0]), nil
}

func (in *interpreter) listRead(n *mil.Node) ([]object, error) {
	list := in.get(n.Input("ls")).list
	i, err := in.index(n)
	if err != nil {
		return nil, err
	}
	t, err := element(list, i)
	return []object{{tensor: t}}, err
}

func element(list []*tensor.Tensor, i int) (*tensor.Tensor, error) {
	if i < 0 {
		i += len(list)
	}
	if i < 0 || i >= len(list) || list[i] == nil {
		return nil, fmt.Errorf("element %d of a list of %d was never written", i, len(list))
	}
	return list[i], nil
}

func (in *interpreter) listWrite(n *mil.Node) ([]object, error) {
	ls := in.get(n.Input("ls"))
	i, err := in.index(n)
	if err != nil {
		return nil, err
	}
	ls.list = slices.Clone(ls.list) // other values may be the list as it was
	err = in.put(&ls, i, in.get(n.Input("value")).tensor)
	return []object{ls}, err
}

// put replaces element i of a list, which grows if need be.
func (in *interpreter) put(ls *object, i int, t *tensor.Tensor) error {
	if i < 0 {
		i += len(ls.list)
	}
	if i < 0 || i >= in.maxElements/2 || t == nil {
		return fmt.Errorf("element %d of a list of %d", i, len(ls.list))
	}
	for len(ls.list) <= i {
		ls.list = append(ls.list, ls.unset)
	}
	ls.list[i] = clone(t)
	return nil
}

func (in *interpreter) listGather(n *mil.Node) ([]object, error) {
	list, at := in.get(n.Input("ls")).list, in.get(n.Input("indices")).tensor
	if at == nil || !at.DType().IsInt() {
		return nil, errors.New("the indices are not integers")
	}
	parts := make([]*tensor.Tensor, at.Len())
	for i, x := range at.Float64s() {
		var err error
		if parts[i], err = element(list, int(x)); err != nil {
			return nil, err
		}
	}
	t, err := in.stack(parts)
	return []object{{tensor: t}}, err
}

func (in *interpreter) listScatter(n *mil.Node) ([]object, error) {
	ls, at, value := in.get(n.Input("ls")), in.get(n.Input("indices")).tensor, in.get(n.Input("value")).tensor
	if at == nil || !at.DType().IsInt() || value == nil || value.Rank() == 0 || value.Shape()[0] != at.Len() {
		return nil, errors.New("want one slice of value for each index")
	}
	ls.list = slices.Clone(ls.list)
	for i, x := range at.Float64s() {
		if err := in.put(&ls, int(x), slice(value, i)); err != nil {
			return nil, err
		}
	}
	return []object{ls}, nil
}

// stack joins tensors of one type along a new first axis.
func (in *interpreter) stack(parts []*tensor.Tensor) (*tensor.Tensor, error) {
	if len(parts) == 0 {
		return nil, errors.New("gathers no element")
	}
	first := mil.TypeOf(parts[0])
	for _, p := range parts {
		if !mil.TypeOf(p).Equal(first) {
			return nil, fmt.Errorf("the elements differ: %s and %s", first, p)
		}
	}
	shape := append([]int{len(parts)}, first.Shape...)
	if err := in.limit(mil.TensorType(first.DType, shape...)); err != nil {
		return nil, err
	}
	switch {
	case first.DType == tensor.Bool:
		return joined[bool](first.DType, shape, parts), nil
	case first.DType.IsInt():
		return joined[int32](first.DType, shape, parts), nil
	default:
		return joined[float32](first.DType, shape, parts), nil
	}
}

func joined[T tensor.Element](d tensor.DType, shape []int, parts []*tensor.Tensor) *tensor.Tensor {
	var data []T
	for _, p := range parts {
		data = append(data, tensor.Data[T](p)...)
	}
	return tensor.New(d, shape, data)
}

// slice returns element i along the first axis.
func slice(t *tensor.Tensor, i int) *tensor.Tensor {
	shape := t.Shape()[1:]
	n := tensor.Size(shape)
	switch d := t.DType(); {
	case d == tensor.Bool:
		return tensor.New(d, shape, t.Bools()[i*n:(i+1)*n])
	case d.IsInt():
		return tensor.New(d, shape, t.I32()[i*n:(i+1)*n])
	default:
		return tensor.New(d, shape, t.F32()[i*n:(i+1)*n])
	}
}

// openState gives a state its place in the caller's State, zero at first.
func (r *Run) openState(v *mil.Value) error {
	if r.state == nil {
		r.state = State{}
	}
	t := r.state[v.Name]
	if t == nil {
		if !v.Type.Elem.IsStatic() {
			return fault.New(fault.Unsupported, fmt.Sprintf("state %q", v.Name), "of type %s", v.Type)
		}
		if n, err := tensor.CheckShape(v.Type.Elem.Shape); err != nil || n > r.plan.opts.maxElements() {
			return fault.New(fault.Limit, fmt.Sprintf("state %q", v.Name), "of type %s takes more than %d bytes", v.Type, r.plan.opts.maxBytes())
		}
		t = tensor.Zeros(v.Type.Elem.DType, v.Type.Elem.Shape)
		r.state[v.Name] = t
	}
	if err := r.hold(bytesOf(mil.TypeOf(t))); err != nil {
		return err
	}
	if !mil.TypeOf(t).Equal(*v.Type.Elem) {
		return fault.New(fault.BadShape, fmt.Sprintf("state %q", v.Name), "want %s, have %s", v.Type.Elem, t)
	}
	r.objects[r.plan.places[v].object] = object{state: v.Name}
	return nil
}

func (in *interpreter) readState(n *mil.Node) ([]object, error) {
	t := in.run.state[in.get(n.Input("input")).state]
	if t == nil {
		return nil, errors.New("the input is no state")
	}
	return []object{{tensor: t}}, nil
}

func (in *interpreter) writeState(n *mil.Node) ([]object, error) {
	_, err := in.setState(n, "input", "data")
	return nil, err
}

func (in *interpreter) updateState(n *mil.Node) ([]object, error) {
	t, err := in.setState(n, "state", "value")
	return []object{{tensor: t}}, err
}

func (in *interpreter) setState(n *mil.Node, state, value string) (*tensor.Tensor, error) {
	name := in.get(n.Input(state)).state
	old, t := in.run.state[name], in.get(n.Input(value)).tensor
	if old == nil || t == nil {
		return nil, errors.New("want a state and a tensor")
	}
	if !mil.TypeOf(old).Equal(mil.TypeOf(t)) {
		return nil, fmt.Errorf("the state holds %s, not %s", old, t)
	}
	t = clone(t)
	in.run.state[name] = t
	return t, nil
}
