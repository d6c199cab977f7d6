package onnx

import (
	"maps"
	"slices"

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
	attentionRules, lossRules, samplingRules, signalRules, contribRules, mlRules,
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

// Operators returns the names of the operators that have a rule, sorted; those
// of other domains as "domain::Op".
func Operators() []string {
	names := slices.Collect(maps.Keys(rules))
	names = slices.AppendSeq(names, maps.Keys(graphRules))
	slices.Sort(names)
	return names
}

// required is the number of inputs that an operator cannot do without, where
// that is not 1.
var required = map[string]int{
	"Constant": 0, "RandomNormal": 0, "RandomUniform": 0, "SequenceEmpty": 0, "SequenceConstruct": 0, "Optional": 0, "OptionalHasElement": 0,
	"SwiGLU": 2, "Where": 3, "CastLike": 2, "ReverseSequence": 2, "Range": 3, "OneHot": 3, "MelWeightMatrix": 5,
	"Gather": 2, "GatherElements": 2, "GatherND": 2, "Scatter": 3, "ScatterElements": 3, "ScatterND": 3, "TensorScatter": 2, "Compress": 2,
	"MatMul": 2, "Gemm": 2, "Conv": 2, "ConvTranspose": 2, "DeformConv": 3, "Col2Im": 3, "MaxUnpool": 2, "PRelu": 2, "Pow": 2,
	"BatchNormalization": 5, "InstanceNormalization": 3, "GroupNormalization": 3, "QuantizeLinear": 2, "DequantizeLinear": 2,
	"MatMulInteger": 2, "ConvInteger": 2, "QLinearMatMul": 8, "QLinearConv": 8, "RNN": 3, "GRU": 3, "LSTM": 3,
	"Attention": 3, "LinearAttention": 3, "CausalConvWithState": 2, "RotaryEmbedding": 3, "NegativeLogLikelihoodLoss": 2,
	"SoftmaxCrossEntropyLoss": 2, "GridSample": 2, "AffineGrid": 2, "RoiAlign": 3, "NonMaxSuppression": 2, "STFT": 2,
	microsoft + "SkipLayerNormalization": 3, microsoft + "SkipSimplifiedLayerNormalization": 3,
	microsoft + "Attention": 2, microsoft + "RotaryEmbedding": 4, microsoft + "FusedMatMul": 2,
	microsoft + "TransposeMatMul": 2, microsoft + "FusedGemm": 2, microsoft + "FusedConv": 2, microsoft + "QuantizeLinear": 2,
	microsoft + "DequantizeLinear":    2,
	microsoft + "QLinearConcat":       5,
	microsoft + "GroupQueryAttention": 1, microsoft + "QGemm": 6,
	microsoft + "DynamicQuantizeMatMul": 3, microsoft + "MatMulIntegerToFloat": 4, microsoft + "MatMulNBits": 3,
}
