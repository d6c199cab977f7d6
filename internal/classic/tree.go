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
	leaves []int32 // where the values of each leaf begin, and the end
	values []leafValue
}

// treeNode is a branch or a leaf. The yes side of a branch is the next node.
type treeNode struct {
	threshold float64
	feature   uint32 // of a branch, with a comparison in the upper bits
	no        int32  // the position of the no side, of a leaf ^number
}

type leafValue struct {
	index int32
	value float64
}

// What a branch asks of its feature. The other three comparisons that a file
// may ask for are the opposites of these, with yes and no exchanged. For the
// most usual one all bits are 0.
const (
	lessEqual uint32 = iota << featureBits
	less
	equal
	missingYes uint32 = 1 << 30 // NaN goes to yes

	featureBits = 28
	featureMask = 1<<featureBits - 1
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
	e.leaves = []int32{0}
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
		parent int32 // of a no side, where its position is written; -1 for none
	}
	for stack := []visit{{root, -1}}; len(stack) > 0; {
		v := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		at := int32(len(e.nodes))
		if v.parent >= 0 {
			e.nodes[v.parent].no = at
		}
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
		yes, no := v.GetTrueChildNodeId(), v.GetFalseChildNodeId()
		if swapped {
			yes, no = no, yes
		}
		stack = append(stack,
			visit{index[nodeKey{v.GetTreeId(), no}], at},
			visit{index[nodeKey{v.GetTreeId(), yes}], -1})
	}
	return nil
}

// branch appends a branch and tells whether its children change places.
func (e *ensemble) branch(n *fileNode) (swapped bool, err error) {
	key := nodeKey{n.GetTreeId(), n.GetNodeId()}
	b := treeNode{threshold: n.GetBranchFeatureValue()}
	missing := n.GetMissingValueTracksTrueChild()
	switch behavior := n.GetNodeBehavior(); behavior {
	case spec.TreeEnsembleParameters_TreeNode_BranchOnValueLessThanEqual:
		b.feature = lessEqual
	case spec.TreeEnsembleParameters_TreeNode_BranchOnValueLessThan:
		b.feature = less
	case spec.TreeEnsembleParameters_TreeNode_BranchOnValueGreaterThanEqual:
		b.feature, swapped = less, true
	case spec.TreeEnsembleParameters_TreeNode_BranchOnValueGreaterThan:
		b.feature, swapped = lessEqual, true
	case spec.TreeEnsembleParameters_TreeNode_BranchOnValueEqual:
		b.feature = equal
	case spec.TreeEnsembleParameters_TreeNode_BranchOnValueNotEqual:
		b.feature, swapped = equal, true
	default:
		return false, unknown(key.String(), behavior)
	}
	if math.IsNaN(b.threshold) && b.feature != equal {
		swapped = false // nothing is greater than NaN, nor is it less or equal
	}
	if missing != swapped {
		b.feature |= missingYes
	}
	f := n.GetBranchFeatureIndex()
	switch {
	case e.total >= 0 && f >= uint64(e.total):
		return false, fault.New(fault.Corrupt, key.String(), "asks for value %d, the inputs have %d", f, e.total)
	case f > featureMask:
		return false, fault.New(fault.Limit, key.String(), "asks for value %d", f)
	}
	b.feature |= uint32(f)
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
	for _, v := range n.GetEvaluationInfo() {
		if v.GetEvaluationIndex() >= uint64(len(e.base)) {
			return fault.New(fault.Corrupt, key.String(), "adds to dimension %d, there are %d", v.GetEvaluationIndex(), len(e.base))
		}
		e.values = append(e.values, leafValue{int32(v.GetEvaluationIndex()), v.GetEvaluationValue()})
	}
	e.nodes = append(e.nodes, treeNode{no: ^int32(len(e.leaves) - 1)})
	e.leaves = append(e.leaves, int32(len(e.values)))
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
	roots := e.roots
	for ; len(roots) >= 4; roots = roots[4:] {
		a, b, c, d := e.walk(roots[0], roots[1], roots[2], roots[3], x)
		e.add(a, out)
		e.add(b, out)
		e.add(c, out)
		e.add(d, out)
	}
	for _, root := range roots {
		leaf, _, _, _ := e.walk(root, root, root, root, x)
		e.add(leaf, out)
	}
	return out, nil
}

// add adds the values of the leaf at a position.
func (e *ensemble) add(at int32, out []float64) {
	leaf := ^e.nodes[at].no
	for _, v := range e.values[e.leaves[leaf]:e.leaves[leaf+1]] {
		out[v.index] += v.value
	}
}

// walk returns the positions of the leaves that four trees lead to. Nodes of
// large ensembles come from memory: four at a time do so in little more than
// the time of one.
func (e *ensemble) walk(a, b, c, d int32, x []float64) (_, _, _, _ int32) {
	for {
		a2, b2, c2, d2 := e.next(a, x), e.next(b, x), e.next(c, x), e.next(d, x)
		if a2 == a && b2 == b && c2 == c && d2 == d {
			return a, b, c, d
		}
		a, b, c, d = a2, b2, c2, d2
	}
}

// next returns the position after that of a branch; a leaf stays.
func (e *ensemble) next(at int32, x []float64) int32 {
	n := &e.nodes[at]
	if n.no < 0 {
		return at
	}
	v := x[n.feature&featureMask]
	to := n.no
	if v <= n.threshold { // never for NaN
		to = at + 1
	}
	if n.feature > featureMask {
		return n.unusual(at, v)
	}
	return to
}

// unusual is next for branches that do more than ask for less or equal.
func (n *treeNode) unusual(at int32, v float64) int32 {
	yes := v <= n.threshold
	switch {
	case v != v:
		yes = n.feature&missingYes != 0
	case n.feature&less != 0:
		yes = v < n.threshold
	case n.feature&equal != 0:
		yes = v == n.threshold
	}
	if yes {
		return at + 1
	}
	return n.no
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
