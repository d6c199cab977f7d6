package onnxml

import (
	"slices"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/internal/frontend/onnx"
	"github.com/smelt-ml/smelt/internal/frontend/onnx/classical"
	"github.com/smelt-ml/smelt/tensor"
)

// pending is what an operator makes that no classical model computes: it waits for
// others of its kind, until a model or a result asks for one of them. Then all that
// this one comes of becomes one network.
type pending struct {
	node onnx.GraphNode
	name string // of the output
	why  error  // no classical model; nil where what it takes was the reason
}

// ends are the operators that take what is pending as a row.
var ends = map[string]bool{"ArgMax": true, "ArgMin": true}

// programs are operators of ai.onnx.ml that a network may say where no classical
// model does.
var programs = map[string]bool{"Normalizer": true, "TreeEnsembleRegressor": true, "TreeEnsemble": true, "ArrayFeatureExtractor": true}

// defers tells whether an operator can become part of a network: one of ONNX itself,
// and others where there is no classical model.
func (r *reader) defers(n onnx.GraphNode, refused bool) bool {
	if r.network == nil || ends[n.Op] {
		return false
	}
	return n.Domain == "" || n.Domain == classical.Domain && (n.Op == "ArrayFeatureExtractor" || refused && programs[n.Op])
}

// wait makes the outputs of a node pending, if all that it takes are numbers.
func (r *reader) wait(n onnx.GraphNode, why error) bool {
	for i := range n.Args {
		v, err := r.arg(n, i)
		if err != nil {
			return false
		}
		switch v := v.(type) {
		case nil, *pending, *tensor.Tensor, truth, cut, position:
		case *row:
			if v.numeric() != nil {
				return false
			}
		case scores:
			if v.of.values == nil {
				return false
			}
		default:
			return false
		}
	}
	for _, name := range n.Out {
		if name != "" {
			r.values[name] = &pending{n, name, why}
		}
	}
	return true
}

// leaf returns the row that stands for a name at the border of a network, nil for a
// constant or what is in it.
func (r *reader) leaf(name string) (*row, error) {
	v, err := r.value(name)
	if err != nil {
		return nil, err
	}
	switch v := v.(type) {
	case *pending, *tensor.Tensor, position:
		return nil, nil
	case truth:
		return v.of, nil
	case cut:
		return v.row, nil
	}
	return r.asRow(v)
}

// materialize makes a network of a pending value and what it comes of.
func (r *reader) materialize(p *pending) (*row, error) {
	if x, ok := r.values[p.name].(*row); ok { // another asked for it
		return x, nil
	}
	wanted := map[string]bool{p.name: true}
	var nodes []onnx.GraphNode
	rows := map[string]*row{}
	for _, n := range slices.Backward(r.graph.Nodes) {
		inside := slices.ContainsFunc(n.Out, func(name string) bool {
			_, waits := r.values[name].(*pending)
			_, counts := r.values[name].(position)
			return wanted[name] && (waits || counts)
		})
		if !inside {
			continue
		}
		nodes = append(nodes, n)
		for _, arg := range n.Args {
			if arg == "" || wanted[arg] {
				continue
			}
			wanted[arg] = true
			x, err := r.leaf(arg)
			if err != nil {
				return nil, err
			}
			if x != nil {
				rows[arg] = x
			}
		}
	}
	slices.Reverse(nodes)
	x, err := r.networkOf(nodes, rows, p.name)
	if err != nil && fault.KindOf(err) == fault.Unsupported {
		for _, n := range nodes { // tell of each, why there is no classical model of it
			if q, ok := r.values[n.Out[0]].(*pending); ok && q.why != nil {
				r.lost.add(opName(n), nodeName(n), q.why)
			}
		}
		return nil, unsupported("the network of %d nodes for that cannot be written: %w", len(nodes), err)
	}
	if err == nil {
		r.values[p.name] = x
	}
	return x, err
}

// networkOf lowers nodes and writes them as a network of its own.
func (r *reader) networkOf(nodes []onnx.GraphNode, rows map[string]*row, output string) (*row, error) {
	sizes := map[string]int{}
	for name, x := range rows {
		sizes[name] = len(x.columns)
	}
	f, err := r.graph.Part(nodes, sizes, output)
	if err != nil {
		return nil, err
	}
	var in []*feature
	for _, v := range f.Inputs {
		name := v.Name[:len(v.Name)-len("/row")]
		x, err := r.array(rows[name])
		if err != nil {
			return nil, err
		}
		if slices.Contains(in, x) || x.name == "" {
			x = r.copied(x)
		}
		x.fixed = true
		v.Name = x.name
		in = append(in, x)
	}
	out := f.Body.Outputs[0]
	if !out.Type.IsStatic() || len(out.Type.Shape) != 1 || out.Type.Shape[0] > maxWidth || out.Type.Shape[0] < 1 {
		return nil, unsupported("the number of values of %q is not known", output)
	}
	y := r.fresh("network", array, out.Type.Shape[0])
	y.dtype, y.fixed = tensor.Float32, true
	out.Name = y.name
	m, err := r.network(f)
	if err != nil {
		return nil, err
	}
	r.add(&stage{in: in, out: []*feature{y}, whole: m})
	return rowOf(y), nil
}
