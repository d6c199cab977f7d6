package neuralnetwork

import (
	"maps"
	"slices"

	"github.com/smelt-ml/smelt/mil"
)

// rules is the table of operators: how the layers are written that stand for
// one. A family has its own file with its rows.
var rules = map[string]rule{}

// composition says an operator in others. It returns the values of the
// results, or nil where there is a layer for this one after all.
type composition func(w *writer, b *mil.Builder, a args) []*mil.Value

// compositions come before rules.
var compositions = map[string]composition{}

func init() {
	for _, family := range []map[string]rule{
		activationRules, elementwiseRules, convolutionRules, poolingRules, normalizationRules, productRules, shapeRules, joinRules,
		sliceRules, padRules, gatherRules, reduceRules, resizeRules, fillRules, recurrentRules, controlRules, customRules,
	} {
		maps.Copy(rules, family)
	}
	for _, family := range []map[string]composition{
		activationCompositions, spatialCompositions, normalizationCompositions, productCompositions, shapeCompositions,
		sliceCompositions, gatherCompositions, resizeCompositions, quantizeCompositions, padCompositions, resampleCompositions,
	} {
		maps.Copy(compositions, family)
	}
}

// Operators returns the names of the operators that are written, sorted.
func Operators() []string {
	all := maps.Clone(rules)
	for name := range compositions {
		all[name] = nil
	}
	return slices.Sorted(maps.Keys(all))
}

// against tells of operators that have no rule why.
var against = map[string]string{
	"read_state":          "networks have no states",
	"write_state":         "networks have no states",
	"coreml_update_state": "networks have no states",
	"classify":            "probabilities become labels behind the network: --labels says which",
}

func reasonAgainst(op string) string {
	if why := against[op]; why != "" {
		return why
	}
	return "no layer says this"
}

// wayOut is what helps with anything that networks have not.
const wayOut = "--to mlprogram"
