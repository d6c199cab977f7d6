package onnx

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/internal/onnxpb"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

// Problem is why nodes of one operator have no conversion.
type Problem struct {
	Domain, Op string
	Names      []string // of the nodes, or of their first outputs
	Reason     string
	// Known says that the operator has a conversion, which refuses these nodes.
	Known bool
	// Shapeless says that they take what custom layers give, and that nothing says
	// of which shape that is.
	Shapeless bool
}

// Unsupported reports every node of a model that has no conversion.
type Unsupported struct {
	Problems []Problem
	err      error
}

func (e *Unsupported) Error() string { return e.err.Error() }
func (e *Unsupported) Unwrap() error { return e.err }

// unsupported gathers the problems of a graph. Lowering goes on behind a node that
// has no conversion, to find the next one: its outputs are doubtful, and so is
// what is computed from them, of which no error tells anything.
type unsupported struct {
	problems []Problem
	doubtful map[*mil.Value]bool
}

// instead gives outputs to a node that could not be lowered: those of a fallback,
// or doubtful ones. An error that is no matter of support stands.
func (l *lowering) instead(n *Node, err error) ([]*mil.Value, error) {
	kind := fault.KindOf(err)
	doubtful := slices.ContainsFunc(n.In, func(v *mil.Value) bool { return l.doubtful[v] })
	if kind == fault.Limit || kind != fault.Unsupported && !doubtful {
		return nil, err
	}
	_ = l.Recover()
	if !doubtful {
		name := opName(n.Domain, n.Op)
		known := l.opts.Rules[name] != nil || graphRules[name] != nil || ruleFor(name, max(n.Version, 1)) != nil
		open := known && slices.ContainsFunc(n.In, func(v *mil.Value) bool { return v != nil && v.Type.AnyRank })
		p := Problem{Domain: domainName(n.Domain), Op: n.Op, Names: []string{label(n)}, Known: known}
		if i := slices.IndexFunc(n.In, shapeless); known && i >= 0 {
			v := n.In[i]
			err = fmt.Errorf("nothing says the shape of its input %q, which the custom layer %q gives", v.Name, v.Node.Name)
			p.Shapeless = true
		}
		if l.opts.Fallback != nil && l.opts.Rules[name] == nil && graphRules[name] == nil && !open {
			undo := l.mark()
			outs, failed := l.custom(l.opts.Fallback, n, &Builder{Builder: l.Builder, l: l})
			if failed == nil {
				return outs, nil
			}
			undo()
			_ = l.Recover()
			if fault.KindOf(failed) != fault.Unsupported {
				return nil, failed
			}
			err = failed
		}
		p.Reason = reason(err)
		l.report(p)
	}
	outs := make([]*mil.Value, len(n.Out))
	for i, name := range n.Out {
		t, ok := n.Type(i)
		if !ok {
			t = mil.Type{DType: tensor.Float32, AnyRank: true}
		}
		outs[i] = &mil.Value{Name: name, Type: t}
		l.doubt(outs[i])
	}
	return outs, nil
}

// shapeless tells what a custom layer gives if nothing says its rank.
func shapeless(v *mil.Value) bool {
	return v != nil && v.Type.AnyRank && v.Node != nil && v.Node.Op == op.CustomLayer.Name
}

// spread makes what a node computes from doubtful values doubtful, too. Control
// flow may have read them in its graphs.
func (l *lowering) spread(n *Node, outs []*mil.Value) {
	if len(l.doubtful) == 0 {
		return
	}
	if graphRules[opName(n.Domain, n.Op)] != nil || slices.ContainsFunc(n.In, func(v *mil.Value) bool { return l.doubtful[v] }) {
		l.doubt(outs...)
	}
}

func (l *lowering) doubt(vs ...*mil.Value) {
	if l.doubtful == nil {
		l.doubtful = map[*mil.Value]bool{}
	}
	for _, v := range vs {
		if v != nil {
			l.doubtful[v] = true
		}
	}
}

// report adds a problem, with others of its kind. A node counts once, also where
// loops and calls lower it several times.
func (u *unsupported) report(p Problem) {
	for i := range u.problems {
		if q := &u.problems[i]; q.Domain == p.Domain && q.Op == p.Op && q.Reason == p.Reason {
			for _, name := range p.Names {
				if !slices.Contains(q.Names, name) {
					q.Names = append(q.Names, name)
				}
			}
			return
		}
	}
	u.problems = append(u.problems, p)
}

// label is what people know a node by.
func label(n *Node) string {
	if n.Name == "" && len(n.Out) > 0 {
		return n.Out[0]
	}
	return n.Name
}

// reason is what an error says without saying where.
func reason(err error) string {
	text := err.Error()
	for err != nil {
		var f *fault.Error
		if !errors.As(err, &f) || f.Err == nil {
			break
		}
		text, err = f.Err.Error(), f.Err
	}
	return text
}

// all makes an error of the problems, and of those in graphs that lowering did
// not come to.
func (l *lowering) all(nodes []*onnxpb.NodeProto, versions map[string]int) error {
	if err := l.missing(nodes, versions); err != nil {
		return err
	}
	slices.SortStableFunc(l.problems, func(a, b Problem) int {
		return strings.Compare(opName(a.Domain, a.Op), opName(b.Domain, b.Op))
	})
	var missing, refused []string
	for _, p := range l.problems {
		shown := strings.Join(p.Names[:min(len(p.Names), 3)], ", ")
		name := opName(p.Domain, p.Op)
		switch {
		case !p.Known:
			missing = append(missing, fmt.Sprintf("%s ×%d (%s)", name, len(p.Names), shown))
		case len(p.Names) == 1:
			refused = append(refused, fmt.Sprintf("%s %q: %s", name, shown, p.Reason))
		default:
			refused = append(refused, fmt.Sprintf("%s ×%d (%s): %s", name, len(p.Names), shown, p.Reason))
		}
	}
	if len(missing) > 0 {
		missing = []string{"there is no conversion of " + strings.Join(missing, "; ")}
	}
	return &Unsupported{Problems: l.problems, err: fault.New(fault.Unsupported, "", "%s", strings.Join(append(missing, refused...), "; "))}
}

// missing reports the nodes without a rule, those in graphs and functions
// included.
func (l *lowering) missing(nodes []*onnxpb.NodeProto, versions map[string]int) error {
	called := map[*onnxpb.FunctionProto]bool{}
	var walk func(nodes []*onnxpb.NodeProto, versions map[string]int, depth int) error
	walk = func(nodes []*onnxpb.NodeProto, versions map[string]int, depth int) error {
		if depth > maxNesting {
			return fault.New(fault.Limit, "", "graphs are nested more than %d deep", maxNesting)
		}
		for _, n := range nodes {
			for _, a := range n.GetAttribute() {
				for _, g := range append(a.GetGraphs(), a.GetG()) {
					if err := walk(g.GetNode(), versions, depth+1); err != nil {
						return err
					}
				}
			}
			name := opName(n.GetDomain(), n.GetOpType())
			f := l.functions[functionName(n.GetDomain(), n.GetOpType(), n.GetOverload())]
			switch {
			case l.opts.Fallback != nil:
			case l.opts.Rules[name] != nil, graphRules[name] != nil, ruleFor(name, max(1, versions[domainName(n.GetDomain())])) != nil:
			case f != nil:
				if called[f] {
					continue
				}
				called[f] = true
				inner, err := opsets(f.GetOpsetImport())
				if err != nil {
					return err
				}
				if len(inner) == 0 {
					inner = versions
				}
				if err := walk(f.GetNode(), inner, depth+1); err != nil {
					return err
				}
			default:
				node := &Node{Name: n.GetName(), Out: n.GetOutput()}
				l.report(Problem{
					Domain: domainName(n.GetDomain()), Op: n.GetOpType(), Names: []string{label(node)},
					Reason: "there is no conversion of " + name,
				})
			}
		}
		return nil
	}
	return walk(nodes, versions, 0)
}

// infosOf are declarations of values by name.
func infosOf(lists ...[]*onnxpb.ValueInfoProto) map[string]*onnxpb.ValueInfoProto {
	infos := map[string]*onnxpb.ValueInfoProto{}
	for _, list := range lists {
		for _, v := range list {
			infos[v.GetName()] = v
		}
	}
	return infos
}

// declaredType is the type that the file says of an output of a node.
func (l *lowering) declaredType(s *scope, n *Node, i int) (mil.Type, bool) {
	if i >= len(n.Out) || s.infos == nil {
		return mil.Type{}, false
	}
	info := s.infos()[n.Out[i]]
	if info == nil {
		return mil.Type{}, false
	}
	p, err := port("value", info)
	if err != nil || p.DType == tensor.Invalid {
		return mil.Type{}, false
	}
	t := mil.Type{DType: held(p.DType), AnyRank: p.NoShape}
	for _, d := range p.Dims {
		t.Shape = append(t.Shape, l.dimension(d))
	}
	return t, true
}

// dimension is a declared dimension, with what is known of symbols.
func (l *lowering) dimension(d Dim) int {
	if d.Size >= 0 {
		return d.Size
	}
	if n, ok := l.opts.Dims[d.Name]; ok {
		return n
	}
	if n, ok := l.sizes[d.Name]; ok {
		return n
	}
	return l.symbol(d.Name)
}

// fix notes the size of a symbol.
func (l *lowering) fix(name string, size int) {
	if l.sizes == nil {
		l.sizes = map[string]int{}
	}
	l.sizes[name] = size
}
