package onnx

import "github.com/smelt-ml/smelt/mil"

// list is a sequence of values, or an optional, while a graph is lowered: a
// program has none.
type list struct {
	values   []*mil.Value
	optional bool
}

// graphRules lower the operators that hold graphs.
var graphRules = map[string]func(l *lowering, s *scope, n *Node) ([]*mil.Value, error){}
