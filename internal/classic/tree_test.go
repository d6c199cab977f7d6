package classic

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/mlmodel/spec"
)

const (
	stump  = "nodes { nodeBehavior: %s branchFeatureValue: %s trueChildNodeId: 1 falseChildNodeId: 2 missingValueTracksTrueChild: %t } "
	leaves = "nodes { nodeId: 1 nodeBehavior: LeafNode evaluationInfo { evaluationValue: 10 } } nodes { nodeId: 2 nodeBehavior: LeafNode evaluationInfo { evaluationValue: 20 } } "
	// split goes to 10 up to 0 and to 20 above.
	split = "nodes { trueChildNodeId: 1 falseChildNodeId: 2 } " + leaves
)

func regressor(ensemble string) string {
	return described("treeEnsembleRegressor { treeEnsemble { numPredictionDimensions: 1 "+ensemble+" } }", "in x "+array(1), "label y "+number)
}

func TestTreeBranches(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	values := []float64{nan, -inf, -1, 0, math.SmallestNonzeroFloat64, 0.5, math.Nextafter(0.5, 1), 1, inf}
	comparisons := map[string]func(x, threshold float64) bool{
		"BranchOnValueLessThanEqual":    func(x, y float64) bool { return x <= y },
		"BranchOnValueLessThan":         func(x, y float64) bool { return x < y },
		"BranchOnValueGreaterThanEqual": func(x, y float64) bool { return x >= y },
		"BranchOnValueGreaterThan":      func(x, y float64) bool { return x > y },
		"BranchOnValueEqual":            func(x, y float64) bool { return x == y },
		"BranchOnValueNotEqual":         func(x, y float64) bool { return x != y },
	}
	for name, compare := range comparisons {
		for _, threshold := range []string{"0.5", "0", "inf", "-inf", "nan"} {
			for _, tracks := range []bool{false, true} {
				var limit float64
				if _, err := fmt.Sscan(threshold, &limit); err != nil {
					t.Fatal(err)
				}
				f, err := New(parse(t, regressor(fmt.Sprintf(stump, name, threshold, tracks)+leaves)))
				if err != nil {
					t.Fatal(err)
				}
				for _, x := range values {
					yes := compare(x, limit)
					if x != x {
						yes = tracks
					}
					want := 20.0
					if yes {
						want = 10
					}
					got, err := f(Features{"x": x})
					if err != nil || got["y"] != want {
						t.Errorf("%v %s %s, missing is %t: %v, %v; want %v", x, name, threshold, tracks, got["y"], err, want)
					}
				}
			}
		}
	}
}

func TestTreeEnsembles(t *testing.T) {
	classifier := func(parameters string, more ...string) string {
		return described("treeEnsembleClassifier { "+parameters+"}", append([]string{"in x " + array(1)}, more...)...)
	}
	leaf := func(tree int, values ...float64) string {
		var b strings.Builder
		fmt.Fprintf(&b, "nodes { treeId: %d nodeId: 9 nodeBehavior: LeafNode ", tree)
		for i, v := range values {
			if v != 0 {
				fmt.Fprintf(&b, "evaluationInfo { evaluationIndex: %d evaluationValue: %v } ", i, v)
			}
		}
		return b.String() + "} "
	}
	x := Features{"x": vec(0)}
	e1, e2, e3 := math.Exp(1), math.Exp(2), math.Exp(3)
	const reference = "postEvaluationTransform: Classification_SoftMaxWithZeroClassReference "
	check(t, []modelCase{
		{name: "base and leaves of two trees", model: regressor("basePredictionValue: 0.5 " + split + leaf(7, 100)), in: x, want: Features{"y": 110.5}},
		{name: "nothing", model: regressor(""), in: x, want: Features{"y": 0.0}},
		{name: "a leaf without values", model: regressor(leaf(0)), in: x, want: Features{"y": 0.0}},
		{
			name:  "logistic",
			model: described("treeEnsembleRegressor { treeEnsemble { numPredictionDimensions: 1 "+leaf(0, 2)+"} postEvaluationTransform: Regression_Logistic }", "in x "+array(1), "label y "+number),
			in:    x, want: Features{"y": sigma(2)},
		},
		{
			name:  "two dimensions",
			model: described("treeEnsembleRegressor { treeEnsemble { numPredictionDimensions: 2 basePredictionValue: [1, 2] "+leaf(0, 0, 2)+leaf(1, 5)+"} }", "in x "+array(1), "label y "+array(2)),
			in:    x, want: Features{"y": vec(6, 4)},
		},
		{
			name:  "probabilities",
			model: classifier(`treeEnsemble { numPredictionDimensions: 3 `+leaf(0, 0.1, 0.5)+leaf(1, 0.1, 0, 0.3)+`} stringClassLabels { vector: ["a", "b", "c"] }`, "label y "+text, "odds p "+byText),
			in:    x, want: Features{"y": "b", "p": map[string]float64{"a": 0.2, "b": 0.5, "c": 0.3}},
		},
		{
			name:  "one dimension",
			model: classifier(`treeEnsemble { numPredictionDimensions: 1 `+leaf(0, 0.3)+`} int64ClassLabels { vector: [5, 6] }`, "label y "+integer, "odds p "+byInt),
			in:    x, want: Features{"y": int64(5), "p": map[int64]float64{5: 0.7, 6: 0.3}},
		},
		{
			name:  "logistic of one dimension",
			model: classifier(`treeEnsemble { numPredictionDimensions: 1 `+leaf(0, 0.3)+`} postEvaluationTransform: Regression_Logistic`, "label y "+integer, "odds p "+byInt),
			in:    x, want: Features{"y": int64(1), "p": map[int64]float64{0: 1 - sigma(0.3), 1: sigma(0.3)}},
		},
		{
			name:  "softmax",
			model: classifier(`treeEnsemble { numPredictionDimensions: 3 `+leaf(0, 1, 2, 3)+`} postEvaluationTransform: Classification_SoftMax`, "label y "+integer, "odds p "+byInt),
			in:    x, want: Features{"y": int64(2), "p": map[int64]float64{0: e1 / (e1 + e2 + e3), 1: e2 / (e1 + e2 + e3), 2: e3 / (e1 + e2 + e3)}},
		},
		{
			name:  "softmax with a reference, binary",
			model: classifier(`treeEnsemble { numPredictionDimensions: 1 `+leaf(0, 2)+`} `+reference, "label y "+integer, "odds p "+byInt),
			in:    x, want: Features{"y": int64(1), "p": map[int64]float64{0: 1 - sigma(2), 1: sigma(2)}},
		},
		{
			name:  "softmax with a reference, a dimension fewer",
			model: classifier(`treeEnsemble { numPredictionDimensions: 2 `+leaf(0, 1, 2)+`} int64ClassLabels { vector: [0, 1, 2] } `+reference, "label y "+integer, "odds p "+byInt),
			in:    x, want: Features{"y": int64(2), "p": map[int64]float64{0: 1 / (1 + e1 + e2), 1: e1 / (1 + e1 + e2), 2: e2 / (1 + e1 + e2)}},
		},
		{
			name:  "softmax with a reference, a dimension each",
			model: classifier(`treeEnsemble { numPredictionDimensions: 3 `+leaf(0, 0, 1, 2)+`} `+reference, "label y "+integer, "odds p "+byInt),
			in:    x, want: Features{"y": int64(2), "p": map[int64]float64{0: 1 / (1 + e1 + e2), 1: e1 / (1 + e1 + e2), 2: e2 / (1 + e1 + e2)}},
		},
		{name: "softmax of one", model: classifier(`treeEnsemble { numPredictionDimensions: 1 } postEvaluationTransform: Classification_SoftMax`, "label y "+integer), err: "1 always"},
		{name: "labels", model: classifier(`treeEnsemble { numPredictionDimensions: 3 } int64ClassLabels { vector: [1, 2] }`, "label y "+integer), err: "3 dimensions do not go with 2 class labels"},
		{name: "transform", model: classifier(`treeEnsemble { numPredictionDimensions: 3 } postEvaluationTransform: 8`, "label y "+integer), err: "postEvaluationTransform: the value 8", kind: fault.Unsupported},

		{name: "no dimensions", model: described("treeEnsembleRegressor {}", "in x "+number, "label y "+number), err: "numPredictionDimensions: is zero", kind: fault.Corrupt},
		{name: "many dimensions", model: described("treeEnsembleRegressor { treeEnsemble { numPredictionDimensions: 18446744073709551615 } }", "in x "+number, "label y "+number), err: "more than", kind: fault.Limit},
		{name: "base", model: regressor("basePredictionValue: [1, 2]"), err: "want 1 values"},
		{name: "twice", model: regressor(split + split), err: "tree 0 node 0: stands twice"},
		{name: "no child", model: regressor("nodes { trueChildNodeId: 1 falseChildNodeId: 3 } " + leaves), err: "its child, node 3, is not in the file"},
		{name: "two parents", model: regressor("nodes { trueChildNodeId: 1 falseChildNodeId: 1 } " + leaves), err: "its child, node 1, already is a child of node 0"},
		{name: "two roots", model: regressor(split + leaf(0, 1)), err: "tree 0 node 9: has no parent, nor has node 0"},
		{name: "its own child", model: regressor("nodes { nodeId: 5 trueChildNodeId: 5 falseChildNodeId: 1 } " + leaves), err: "cycle"},
		{
			name:  "cycle beside a tree",
			model: regressor(split + "nodes { nodeId: 5 trueChildNodeId: 6 falseChildNodeId: 7 } nodes { nodeId: 6 trueChildNodeId: 5 falseChildNodeId: 8 } " + strings.ReplaceAll(strings.ReplaceAll(leaves, "nodeId: 1", "nodeId: 7"), "nodeId: 2", "nodeId: 8")),
			err:   "4 of 7 nodes are not to be reached from a root", kind: fault.Corrupt,
		},
		{name: "leaf dimension", model: regressor("nodes { nodeBehavior: LeafNode evaluationInfo { evaluationIndex: 1 } }"), err: "adds to dimension 1, there are 1"},
		{name: "feature", model: regressor("nodes { trueChildNodeId: 1 falseChildNodeId: 2 branchFeatureIndex: 1 } " + leaves), err: "asks for value 1, the inputs have 1"},
		{name: "huge feature", model: regressor("nodes { trueChildNodeId: 1 falseChildNodeId: 2 branchFeatureIndex: 18446744073709551615 } " + leaves), err: "asks for value"},
		{name: "behavior", model: regressor("nodes { nodeBehavior: 7 trueChildNodeId: 1 falseChildNodeId: 2 } " + leaves), err: "the value 7", kind: fault.Unsupported},
		{
			name:  "an array of any size",
			model: described("treeEnsembleRegressor { treeEnsemble { numPredictionDimensions: 1 nodes { trueChildNodeId: 1 falseChildNodeId: 2 branchFeatureIndex: 3 } "+leaves+"} }", "in x multiArrayType {}", "label y "+number),
			in:    Features{"x": vec(0, 0, 0, 1, 5)}, want: Features{"y": 20.0},
		},
		{
			name:  "too short an array",
			model: described("treeEnsembleRegressor { treeEnsemble { numPredictionDimensions: 1 nodes { trueChildNodeId: 1 falseChildNodeId: 2 branchFeatureIndex: 3 } "+leaves+"} }", "in x multiArrayType {}", "label y "+number),
			in:    Features{"x": vec(0, 0, 0)}, err: "want at least 4 values, have 3", kind: fault.BadShape,
		},
	})
}

func branchNode(id uint64, feature int, behavior spec.TreeEnsembleParameters_TreeNode_TreeNodeBehavior, value float64, yes, no uint64, missing bool) *fileNode {
	return spec.TreeEnsembleParameters_TreeNode_builder{
		NodeId: id, NodeBehavior: behavior, BranchFeatureIndex: uint64(feature), BranchFeatureValue: value,
		TrueChildNodeId: yes, FalseChildNodeId: no, MissingValueTracksTrueChild: missing,
	}.Build()
}

func leafNode(id uint64, value float64) *fileNode {
	return spec.TreeEnsembleParameters_TreeNode_builder{
		NodeId: id, NodeBehavior: spec.TreeEnsembleParameters_TreeNode_LeafNode,
		EvaluationInfo: []*spec.TreeEnsembleParameters_TreeNode_EvaluationInfo{
			spec.TreeEnsembleParameters_TreeNode_EvaluationInfo_builder{EvaluationValue: value}.Build(),
		},
	}.Build()
}

// TestDeepTree: a tree may be as deep as it has nodes.
func TestDeepTree(t *testing.T) {
	const depth = 100_000
	m := parse(t, regressor(""))
	var nodes []*fileNode
	for i := range uint64(depth) {
		nodes = append(nodes, branchNode(2*i, 0, 0, float64(i), 2*i+1, 2*i+2, false), leafNode(2*i+1, float64(i)))
	}
	m.GetTreeEnsembleRegressor().GetTreeEnsemble().SetNodes(append(nodes, leafNode(2*depth, -1)))
	f, err := New(m)
	if err != nil {
		t.Fatal(err)
	}
	for x, want := range map[float64]float64{-5: 0, 17.5: 18, depth: -1} {
		if got, err := f(Features{"x": x}); err != nil || got["y"] != want {
			t.Errorf("%v gives %v, %v, want %v", x, got, err, want)
		}
	}
}

// follow evaluates a tree as the format describes it.
func follow(nodes map[uint64]*fileNode, id uint64, x []float64) float64 {
	n := nodes[id]
	v, limit := x[n.GetBranchFeatureIndex()], n.GetBranchFeatureValue()
	var yes bool
	switch n.GetNodeBehavior() {
	case spec.TreeEnsembleParameters_TreeNode_LeafNode:
		return n.GetEvaluationInfo()[0].GetEvaluationValue()
	case spec.TreeEnsembleParameters_TreeNode_BranchOnValueLessThanEqual:
		yes = v <= limit
	case spec.TreeEnsembleParameters_TreeNode_BranchOnValueLessThan:
		yes = v < limit
	case spec.TreeEnsembleParameters_TreeNode_BranchOnValueGreaterThanEqual:
		yes = v >= limit
	case spec.TreeEnsembleParameters_TreeNode_BranchOnValueGreaterThan:
		yes = v > limit
	case spec.TreeEnsembleParameters_TreeNode_BranchOnValueEqual:
		yes = v == limit
	case spec.TreeEnsembleParameters_TreeNode_BranchOnValueNotEqual:
		yes = v != limit
	}
	if v != v {
		yes = n.GetMissingValueTracksTrueChild()
	}
	if yes {
		return follow(nodes, n.GetTrueChildNodeId(), x)
	}
	return follow(nodes, n.GetFalseChildNodeId(), x)
}

// TestRandomTrees holds compiled trees against the format's own terms.
func TestRandomTrees(t *testing.T) {
	const features = 3
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.Custom(func(t *rapid.T) float64 { return float64(rapid.IntRange(-2, 2).Draw(t, "value")) })
		var nodes []*fileNode
		byID := map[uint64]*fileNode{}
		add := func(n *fileNode) {
			nodes = append(nodes, n)
			byID[n.GetNodeId()] = n
		}
		open, next := []uint64{0}, uint64(1)
		for len(open) > 0 {
			id := open[0]
			open = open[1:]
			if next > 30 || rapid.IntRange(0, 3).Draw(t, "leaf") == 0 {
				add(leafNode(id, float64(id)))
				continue
			}
			behavior := spec.TreeEnsembleParameters_TreeNode_TreeNodeBehavior(rapid.IntRange(0, 5).Draw(t, "behavior"))
			add(branchNode(id, rapid.IntRange(0, features-1).Draw(t, "feature"), behavior, value.Draw(t, "limit"), next, next+1, rapid.Bool().Draw(t, "missing")))
			open = append(open, next, next+1)
			next += 2
		}
		m := spec.Model_builder{TreeEnsembleRegressor: spec.TreeEnsembleRegressor_builder{
			TreeEnsemble: spec.TreeEnsembleParameters_builder{Nodes: rapid.Permutation(nodes).Draw(t, "order"), NumPredictionDimensions: 1}.Build(),
		}.Build()}.Build()
		m.SetDescription(spec.ModelDescription_builder{
			PredictedFeatureName: "y",
			Input: []*spec.FeatureDescription{spec.FeatureDescription_builder{Name: "x", Type: spec.FeatureType_builder{
				MultiArrayType: spec.ArrayFeatureType_builder{Shape: []int64{features}}.Build(),
			}.Build()}.Build()},
			Output: []*spec.FeatureDescription{spec.FeatureDescription_builder{Name: "y", Type: spec.FeatureType_builder{DoubleType: &spec.DoubleFeatureType{}}.Build()}.Build()},
		}.Build())
		f, err := New(m)
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			x := make([]float64, features)
			for i := range x {
				if x[i] = value.Draw(t, "x"); rapid.IntRange(0, 5).Draw(t, "nan") == 0 {
					x[i] = math.NaN()
				}
			}
			want := follow(byID, 0, x)
			if got, err := f(Features{"x": vector(x)}); err != nil || got["y"] != want {
				t.Fatalf("%v gives %v, %v, want %v", x, got, err, want)
			}
		}
	})
}

// BenchmarkTrees adds up a thousand trees of depth 10.
func BenchmarkTrees(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	var nodes []*fileNode
	for tree := range uint64(1000) {
		for id := range uint64(2047) {
			n := leafNode(id, r.Float64())
			if id < 1023 {
				n = branchNode(id, r.IntN(50), 0, r.Float64(), 2*id+1, 2*id+2, false)
			}
			n.SetTreeId(tree)
			nodes = append(nodes, n)
		}
	}
	m := parse(b, described("treeEnsembleRegressor { treeEnsemble { numPredictionDimensions: 1 } }", "in x "+array(50), "label y "+number))
	m.GetTreeEnsembleRegressor().GetTreeEnsemble().SetNodes(nodes)
	f, err := New(m)
	if err != nil {
		b.Fatal(err)
	}
	inputs := make([]Features, 64)
	for i := range inputs {
		x := make([]float64, 50)
		for j := range x {
			x[j] = r.Float64()
		}
		inputs[i] = Features{"x": vector(x)}
	}
	for i := 0; b.Loop(); i++ {
		if _, err := f(inputs[i%len(inputs)]); err != nil {
			b.Fatal(err)
		}
	}
}
