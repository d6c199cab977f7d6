package onnx

import (
	"maps"

	"github.com/smelt-ml/smelt/mil"
)

// lowerFunc lowers a node, as a Rule does; its errors go to the builder.
type lowerFunc func(b *Builder, n *Node) []*mil.Value

// rule is one row of a family's table: the lowering of an operator from a
// version of its operator set on.
type rule struct {
	since int
	lower lowerFunc
	// narrow rules take constants of small integers as the file has them.
	narrow bool
}

// table maps the operators of a family to their rules, oldest first.
type table map[string][]rule

// always is the rule of an operator for every version that has it.
func always(f lowerFunc) []rule { return []rule{{since: 1, lower: f}} }

// rules are all families' rows.
var rules = merged(
	elementwiseRules, integerRules, shapeRules, constantRules, padRules, reduceRules, matrixRules, convRules, poolRules,
	indexRules, normalizationRules, quantizeRules, sequenceRules, resizeRules, recurrentRules, randomRules,
	attentionRules, lossRules, samplingRules, signalRules,
)

func merged(families ...table) table {
	out := table{}
	for _, f := range families {
		for name := range f {
			if out[name] != nil {
				panic("onnx: two rules for " + name)
			}
		}
		maps.Copy(out, f)
	}
	return out
}

// ruleFor returns the rule of an operator in a version, nil for none.
func ruleFor(name string, version int) *rule {
	var best *rule
	for i, r := range rules[name] {
		if r.since <= version {
			best = &rules[name][i]
		}
	}
	return best
}

// Operators returns the names of the operators that have a rule.
func Operators() []string {
	var out []string
	for name := range rules {
		out = append(out, name)
	}
	return out
}
