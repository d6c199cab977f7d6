// Package onnxml writes the classical models of ONNX — trees, support vectors,
// linear models and what prepares their features, the domain ai.onnx.ml — as those
// of Core ML, and back: one row of an ONNX batch is one Core ML prediction. Both
// sides are documents, and no program stands between them, but for what a caller
// makes networks of: operators, passes, the engine and files may not enter. Run computes an ONNX graph of this kind, for the sake
// of comparison.
package onnxml

import (
	"fmt"
	"slices"
	"strings"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/internal/frontend/onnx"
	"github.com/smelt-ml/smelt/internal/frontend/onnx/classical"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mlmodel/spec"
)

// IsClassical tells whether a graph is of this kind: whether a node of ai.onnx.ml
// is in it.
func IsClassical(g *onnx.Graph) bool {
	return slices.ContainsFunc(g.Nodes, func(n onnx.GraphNode) bool { return n.Domain == classical.Domain })
}

// Problem is something that the other format cannot say.
type Problem struct {
	Op, Reason string
	Names      []string // of what says it
}

// Unsupported lists all such things of a model.
type Unsupported struct {
	Problems []Problem
	what     string // that cannot say them
}

func (u *Unsupported) Error() string {
	var list []string
	for _, p := range u.Problems {
		list = append(list, fmt.Sprintf("%s ×%d (%s): %s", p.Op, len(p.Names), p.Names[0], p.Reason))
	}
	return u.what + " cannot express " + strings.Join(list, "; ")
}

// Unwrap gives the error its kind.
func (u *Unsupported) Unwrap() error { return fault.New(fault.Unsupported, "", "not to be expressed") }

// add counts a problem.
func (u *Unsupported) add(op, where string, err error) {
	reason := err.Error()
	i := slices.IndexFunc(u.Problems, func(p Problem) bool { return p.Op == op && p.Reason == reason })
	if i < 0 {
		u.Problems = append(u.Problems, Problem{Op: op, Reason: reason})
		i = len(u.Problems) - 1
	}
	u.Problems[i].Names = append(u.Problems[i].Names, where)
}

// Network makes a network of part of a graph, which takes and gives vectors.
type Network func(f *mil.Func) (*spec.Model, error)

// Document is a Core ML model made of a graph.
type Document struct {
	Spec  *spec.Model
	Notes []string // where it differs from the graph

	graph   *evaluator
	inputs  map[string][]*feature // by the names of the graph
	outputs []output
}

// unsupported is an error of that kind.
func unsupported(format string, args ...any) error {
	return fault.New(fault.Unsupported, "", format, args...)
}

// corrupt is an error of that kind.
func corrupt(format string, args ...any) error {
	return fault.New(fault.Corrupt, "", format, args...)
}
