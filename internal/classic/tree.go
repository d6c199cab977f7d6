package classic

import (
	"fmt"
	"math"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/mlmodel/spec"
)

// ensemble is a set of trees, compiled to one array of nodes. Every tree adds
// the values of the leaf that it leads to. Nodes lie in the order of a walk
// that goes to the yes side first.
type ensemble struct {
	columns
	width  int // of the input: what its description says, or what the trees need
	base   []float64
	roots  []int32
	nodes  []treeNode
	values []leafValue
}

// treeNode is a branch, or a leaf whose feature is -1: values[yes:no].
type treeNode struct {
	threshold float64
	feature   int32
	yes, no   int32
	compare   comparison
	missing   bool // NaN goes to yes
}

type leafValue struct {
	index int32
	value float64
}

// comparison is what a branch asks of its feature. The other three that a file
// may ask for are the opposites of these, with yes and no exchanged.
type comparison uint8

const (
	lessEqual comparison = iota
	less
	equal
)

// nodeKey names a node in a file.
type nodeKey struct{ tree, node uint64 }

func (k nodeKey) String() string { return fmt.Sprintf("treeEnsemble tree %d node %d", k.tree, k.node) }

type fileNode = spec.TreeEnsembleParameters_TreeNode

// ensembleOf compiles and checks the trees: every tree has one root, and every
// other node is the child of exactly one branch.
func ensembleOf(inputs []*spec.FeatureDescription, p *spec.TreeEnsembleParameters) (*ensemble, error) {
	c, err := columnsOf(inputs)
	if err != nil {
		return nil, err
	}
	e := &ensemble{columns: c, width: c.total}
	dims := p.GetNumPredictionDimensions()
	switch n := len(p.GetBasePredictionValue()); {
	case dims == 0:
		return nil, fault.New(fault.Corrupt, "numPredictionDimensions", "is zero")
	case n > 0 && dims == uint64(n):
		e.base = p.GetBasePredictionValue()
	case n > 0:
		return nil, fault.New(fault.Corrupt, "basePredictionValue", "want %d values, one for each prediction dimension, have %d", dims, n)
	case dims > maxDimensions:
		return nil, fault.New(fault.Limit, "numPredictionDimensions", "%d are more than %d", dims, maxDimensions)
	default:
		e.base = make([]float64, dims)
	}
	index, roots, err := treesOf(p.GetNodes())
	if err != nil {
		return nil, err
	}
	e.nodes = make([]treeNode, 0, len(p.GetNodes()))
	for _, root := range roots {
		e.roots = append(e.roots, int32(len(e.nodes)))
		if err := e.compile(root, index); err != nil {
			return nil, err
		}
	}
	if len(e.nodes) != len(p.GetNodes()) {
		return nil, fault.New(fault.Corrupt, "treeEnsemble", "%d of %d nodes are not to be reached from a root: they lie on a cycle", len(p.GetNodes())-len(e.nodes), len(p.GetNodes()))
	}
	return e, nil
}

// maxDimensions bounds the values that an ensemble gives where a file states
// their number alone.
const maxDimensions = 1 << 20

// treesOf finds the nodes by their names, and the roots in the file's order.
func treesOf(nodes []*fileNode) (index map[nodeKey]*fileNode, roots []*fileNode, err error) {
	if len(nodes) > math.MaxInt32 {
		return nil, nil, fault.New(fault.Limit, "treeEnsemble", "%d nodes", len(nodes))
	}
	index = make(map[nodeKey]*fileNode, len(nodes))
	for _, n := range nodes {
		key := nodeKey{n.GetTreeId(), n.GetNodeId()}
		if index[key] != nil {
			return nil, nil, fault.New(fault.Corrupt, key.String(), "stands twice in the file")
		}
		index[key] = n
	}
	parent := make(map[nodeKey]uint64, len(nodes))
	for _, n := range nodes {
		if n.GetNodeBehavior() == spec.TreeEnsembleParameters_TreeNode_LeafNode {
			continue
		}
		key := nodeKey{n.GetTreeId(), n.GetNodeId()}
		for _, id := range []uint64{n.GetTrueChildNodeId(), n.GetFalseChildNodeId()} {
			child := nodeKey{n.GetTreeId(), id}
			if index[child] == nil {
				return nil, nil, fault.New(fault.Corrupt, key.String(), "its child, node %d, is not in the file", id)
			}
			if other, ok := parent[child]; ok {
				return nil, nil, fault.New(fault.Corrupt, key.String(), "its child, node %d, already is a child of node %d", id, other)
			}
			parent[child] = n.GetNodeId()
		}
	}
	rootOf := map[uint64]uint64{}
	for _, n := range nodes {
		key := nodeKey{n.GetTreeId(), n.GetNodeId()}
		if _, ok := parent[key]; ok {
			continue
		}
		if other, ok := rootOf[key.tree]; ok {
			return nil, nil, fault.New(fault.Corrupt, key.String(), "has no parent, nor has node %d of the same tree", other)
		}
		rootOf[key.tree] = key.node
		roots = append(roots, n)
	}
	return index, roots, nil
}

// compile appends a tree. No node has two parents and a root has none, so that
// the walk ends.
func (e *ensemble) compile(root *fileNode, index map[nodeKey]*fileNode) error {
	type visit struct {
		*fileNode
		from *int32 // where the node's position is to be written
	}
	var position int32
	for stack := []visit{{root, &position}}; len(stack) > 0; {
		v := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		*v.from = int32(len(e.nodes))
		if v.GetNodeBehavior() == spec.TreeEnsembleParameters_TreeNode_LeafNode {
			if err := e.leaf(v.fileNode); err != nil {
				return err
			}
			continue
		}
		swapped, err := e.branch(v.fileNode)
		if err != nil {
			return err
		}
		n := &e.nodes[len(e.nodes)-1] // nodes has the room that it needs
		yes, no := v.GetTrueChildNodeId(), v.GetFalseChildNodeId()
		if swapped {
			yes, no = no, yes
		}
		stack = append(stack,
			visit{index[nodeKey{v.GetTreeId(), no}], &n.no},
			visit{index[nodeKey{v.GetTreeId(), yes}], &n.yes})
	}
	return nil
}

// branch appends a branch and tells whether its children change places.
func (e *ensemble) branch(n *fileNode) (swapped bool, err error) {
	key := nodeKey{n.GetTreeId(), n.GetNodeId()}
	b := treeNode{threshold: n.GetBranchFeatureValue(), missing: n.GetMissingValueTracksTrueChild()}
	switch behavior := n.GetNodeBehavior(); behavior {
	case spec.TreeEnsembleParameters_TreeNode_BranchOnValueLessThanEqual:
		b.compare = lessEqual
	case spec.TreeEnsembleParameters_TreeNode_BranchOnValueLessThan:
		b.compare = less
	case spec.TreeEnsembleParameters_TreeNode_BranchOnValueGreaterThanEqual:
		b.compare, swapped = less, true
	case spec.TreeEnsembleParameters_TreeNode_BranchOnValueGreaterThan:
		b.compare, swapped = lessEqual, true
	case spec.TreeEnsembleParameters_TreeNode_BranchOnValueEqual:
		b.compare = equal
	case spec.TreeEnsembleParameters_TreeNode_BranchOnValueNotEqual:
		b.compare, swapped = equal, true
	default:
		return false, unknown(key.String(), behavior)
	}
	if math.IsNaN(b.threshold) && b.compare != equal {
		swapped = false // nothing is greater than NaN, nor is it less or equal
	}
	if swapped {
		b.missing = !b.missing
	}
	f := n.GetBranchFeatureIndex()
	if f >= math.MaxInt32 || e.total >= 0 && f >= uint64(e.total) {
		return false, fault.New(fault.Corrupt, key.String(), "asks for value %d, the inputs have %d", f, e.total)
	}
	b.feature = int32(f)
	if e.total < 0 {
		e.width = max(e.width, int(f)+1)
	}
	e.nodes = append(e.nodes, b)
	return swapped, nil
}

func (e *ensemble) leaf(n *fileNode) error {
	key := nodeKey{n.GetTreeId(), n.GetNodeId()}
	if len(n.GetEvaluationInfo()) > math.MaxInt32-len(e.values) {
		return fault.New(fault.Limit, key.String(), "too many values")
	}
	l := treeNode{feature: -1, yes: int32(len(e.values))}
	for _, v := range n.GetEvaluationInfo() {
		if v.GetEvaluationIndex() >= uint64(len(e.base)) {
			return fault.New(fault.Corrupt, key.String(), "adds to dimension %d, there are %d", v.GetEvaluationIndex(), len(e.base))
		}
		e.values = append(e.values, leafValue{int32(v.GetEvaluationIndex()), v.GetEvaluationValue()})
	}
	l.no = int32(len(e.values))
	e.nodes = append(e.nodes, l)
	return nil
}

// sum adds the leaves of all trees, in their order, to the base values.
func (e *ensemble) sum(in Features) ([]float64, error) {
	n := e.total
	x, err := e.read(in, n)
	if err != nil {
		return nil, err
	}
	if len(x) < e.width {
		return nil, fault.New(fault.BadShape, "", "want at least %d values, have %d", e.width, len(x))
	}
	out := append([]float64(nil), e.base...)
	for _, at := range e.roots {
		n := &e.nodes[at]
		for n.feature >= 0 {
			v := x[n.feature]
			yes := false
			switch {
			case v != v:
				yes = n.missing
			case n.compare == lessEqual:
				yes = v <= n.threshold
			case n.compare == less:
				yes = v < n.threshold
			default:
				yes = v == n.threshold
			}
			if yes {
				n = &e.nodes[n.yes]
			} else {
				n = &e.nodes[n.no]
			}
		}
		for _, v := range e.values[n.yes:n.no] {
			out[v.index] += v.value
		}
	}
	return out, nil
}

// transform is what becomes of the sums of an ensemble.
func transform(v []float64, t spec.TreeEnsemblePostEvaluationTransform) []float64 {
	switch t {
	case spec.TreeEnsemblePostEvaluationTransform_Classification_SoftMax:
		softmax(v)
	case spec.TreeEnsemblePostEvaluationTransform_Regression_Logistic:
		for i, x := range v {
			v[i] = logistic(x)
		}
	case spec.TreeEnsemblePostEvaluationTransform_Classification_SoftMaxWithZeroClassReference:
		v = append([]float64{0}, v...) // the first class
		softmax(v)
	}
	return v
}

func checkTransform(t spec.TreeEnsemblePostEvaluationTransform) error {
	if _, ok := spec.TreeEnsemblePostEvaluationTransform_name[int32(t)]; !ok {
		return unknown("postEvaluationTransform", t)
	}
	return nil
}

func treeEnsembleRegressor(s *spec.Model) (Func, error) {
	m := s.GetTreeEnsembleRegressor()
	e, err := ensembleOf(s.GetDescription().GetInput(), m.GetTreeEnsemble())
	if err != nil {
		return nil, err
	}
	t := m.GetPostEvaluationTransform()
	if err := checkTransform(t); err != nil {
		return nil, err
	}
	n := len(e.base)
	if t == spec.TreeEnsemblePostEvaluationTransform_Classification_SoftMaxWithZeroClassReference {
		n++
	}
	r, err := regressionOf(s.GetDescription(), n)
	if err != nil {
		return nil, err
	}
	return func(in Features) (Features, error) {
		v, err := e.sum(in)
		if err != nil {
			return nil, err
		}
		return r.answer(transform(v, t)), nil
	}, nil
}

// treeEnsembleClassifier takes the transformed sums for probabilities. An
// ensemble of one dimension gives that of the second of two classes.
func treeEnsembleClassifier(s *spec.Model) (Func, error) {
	m := s.GetTreeEnsembleClassifier()
	e, err := ensembleOf(s.GetDescription().GetInput(), m.GetTreeEnsemble())
	if err != nil {
		return nil, err
	}
	t := m.GetPostEvaluationTransform()
	if err := checkTransform(t); err != nil {
		return nil, err
	}
	dims := len(e.base)
	classes := max(dims, 2)
	l := labelsOf(m, classes)
	reference := t == spec.TreeEnsemblePostEvaluationTransform_Classification_SoftMaxWithZeroClassReference
	if reference && l.len() == dims+1 {
		classes = dims + 1
	}
	c, err := classificationOf(s.GetDescription(), l)
	if err != nil {
		return nil, err
	}
	if c.len() != classes {
		return nil, fault.New(fault.Corrupt, "numPredictionDimensions", "%d dimensions do not go with %d class labels", dims, c.len())
	}
	binary := dims == 1 && !reference
	if binary && t == spec.TreeEnsemblePostEvaluationTransform_Classification_SoftMax {
		return nil, fault.New(fault.Corrupt, "postEvaluationTransform", "a softmax of one dimension is 1 always")
	}
	return func(in Features) (Features, error) {
		v, err := e.sum(in)
		if err != nil {
			return nil, err
		}
		switch {
		case reference && classes == dims:
			v = transform(v[1:], t)
		default:
			v = transform(v, t)
		}
		if binary {
			v = []float64{1 - v[0], v[0]}
		}
		return c.answer(largest(v), v), nil
	}, nil
}
