package pass

import (
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// graph is what passes ask of a function's body. It is right as long as nodes
// are only changed by its methods.
type graph struct {
	f     *mil.Func
	uses  map[*mil.Value]int
	users map[*mil.Value][]*mil.Node // of the body itself, not of nested blocks
}

func newGraph(f *mil.Func) *graph {
	g := &graph{f: f, uses: f.Body.Uses(), users: map[*mil.Value][]*mil.Node{}}
	for _, n := range f.Body.Nodes {
		for _, v := range n.Values() {
			g.users[v] = append(g.users[v], n)
		}
	}
	return g
}

// only returns the node that alone reads v, nil if there are others, nested
// blocks and the function's outputs among them.
func (g *graph) only(v *mil.Value) *mil.Node {
	if g.uses[v] != 1 || len(g.users[v]) != 1 {
		return nil
	}
	return g.users[v][0]
}

// set binds a parameter of n, which must not be a list, to a value.
func (g *graph) set(n *mil.Node, param string, v *mil.Value) {
	for i := range n.Inputs {
		if in := &n.Inputs[i]; in.Name == param {
			g.swap(n, &in.Values[0], v)
			return
		}
	}
	n.Inputs = append(n.Inputs, mil.Input{Name: param, Values: []*mil.Value{v}})
	g.read(n, v)
}

// swap replaces one of n's inputs.
func (g *graph) swap(n *mil.Node, at **mil.Value, v *mil.Value) {
	old := *at
	g.uses[old]--
	users := g.users[old]
	for i, m := range users {
		if m == n {
			g.users[old] = append(users[:i:i], users[i+1:]...)
			break
		}
	}
	*at = v
	g.read(n, v)
}

func (g *graph) read(n *mil.Node, v *mil.Value) {
	g.uses[v]++
	g.users[v] = append(g.users[v], n)
}

// become makes n another operation with the same outputs.
func (g *graph) become(n *mil.Node, op string, inputs ...mil.Input) {
	for _, v := range n.Values() {
		g.uses[v]--
		users := g.users[v]
		for i, m := range users {
			if m == n {
				g.users[v] = append(users[:i:i], users[i+1:]...)
				break
			}
		}
	}
	n.Op, n.Inputs = op, inputs
	for _, v := range n.Values() {
		g.read(n, v)
	}
}

func input(name string, v *mil.Value) mil.Input {
	return mil.Input{Name: name, Values: []*mil.Value{v}}
}

func number(d tensor.DType, v float32) *mil.Value {
	return mil.NewConst("", tensor.New(d, nil, []float32{v}))
}

// isFloat tells a float tensor of up to 32 bits.
func isFloat(v *mil.Value) bool {
	return v != nil && v.Type.Kind == mil.Tensor && v.Type.DType.IsFloat() && v.Type.DType != tensor.Float64
}

// scalar returns the number that a constant of one element holds.
func scalar(v *mil.Value) (float32, bool) {
	if !isFloat(v) || v.Const == nil || v.Const.Len() != 1 {
		return 0, false
	}
	return v.Const.F32()[0], true
}
