package classical

import (
	"math"

	"github.com/smelt-ml/smelt/fault"
)

// Mode is what a branch asks of its feature.
type Mode uint8

// The modes, in the order of their numbers in TreeEnsemble. A branch on a set is
// read as branches on its members.
const (
	LessEqual Mode = iota
	Less
	GreaterEqual
	Greater
	Equal
	NotEqual
	member
	Leaf
)

var modes = map[string]Mode{
	"BRANCH_LEQ": LessEqual, "BRANCH_LT": Less, "BRANCH_GTE": GreaterEqual, "BRANCH_GT": Greater,
	"BRANCH_EQ": Equal, "BRANCH_NEQ": NotEqual, "LEAF": Leaf,
}

// Holds tells whether a value takes the true side. NaN does where missing says
// so, and where it is asked to differ.
func (m Mode) Holds(v, threshold float64, missing bool) bool {
	if math.IsNaN(v) && missing {
		return true
	}
	switch m {
	case LessEqual:
		return v <= threshold
	case Less:
		return v < threshold
	case GreaterEqual:
		return v >= threshold
	case Greater:
		return v > threshold
	case Equal:
		return v == threshold
	}
	return v != threshold
}

// Node is a branch or a leaf. True and False are positions among the nodes.
type Node struct {
	Mode        Mode
	Missing     bool // NaN takes the true side
	Feature     int
	Threshold   float64
	True, False int
	Weights     []Weight // of a leaf
}

// Weight is what a leaf adds to a target.
type Weight struct {
	Target int
	Value  float64
}

// Aggregate is what becomes of the leaves that the trees lead to.
type Aggregate uint8

// The aggregates, in the order of their numbers in TreeEnsemble.
const (
	Average Aggregate = iota
	Sum
	Min
	Max
)

var aggregates = []string{"AVERAGE", "SUM", "MIN", "MAX"}

func (a Aggregate) String() string { return aggregates[a] }

// Ensemble is a set of trees, every node of which belongs to one of them.
type Ensemble struct {
	Nodes     []Node
	Roots     []int
	Targets   int
	Base      []float64 // of each target; nil for none
	Aggregate Aggregate
	Post      Transform

	width int
}

// Outputs is the number of targets.
func (e *Ensemble) Outputs() int { return e.Targets }

// Width is the number of features that branches ask for.
func (e *Ensemble) Width() int { return e.width }

// leaf walks down a tree.
func (e *Ensemble) leaf(at int, x []float64) *Node {
	for {
		n := &e.Nodes[at]
		if n.Mode == Leaf {
			return n
		}
		if at = n.False; n.Mode.Holds(x[n.Feature], n.Threshold, n.Missing) {
			at = n.True
		}
	}
}

// scores aggregates the leaves, without base values.
func (e *Ensemble) scores(x []float64) []float64 {
	out, has := make([]float64, e.Targets), make([]bool, e.Targets)
	for _, root := range e.Roots {
		for _, w := range e.leaf(root, x).Weights {
			switch {
			case e.Aggregate == Min && has[w.Target]:
				out[w.Target] = min(out[w.Target], w.Value)
			case e.Aggregate == Max && has[w.Target]:
				out[w.Target] = max(out[w.Target], w.Value)
			default:
				out[w.Target] += w.Value
			}
			has[w.Target] = true
		}
	}
	if e.Aggregate == Average {
		for i := range out {
			out[i] /= float64(len(e.Roots))
		}
	}
	return out
}

// Predict aggregates the leaves and adds the base values. A single target is
// transformed by PROBIT alone, as ONNX Runtime does it.
func (e *Ensemble) Predict(x []float64) []float64 {
	out := e.scores(x)
	for i, b := range e.Base {
		out[i] += b
	}
	if e.Targets > 1 || e.Post == Probit {
		e.Post.Apply(out)
	}
	return out
}

// TreeRegressor reads TreeEnsembleRegressor.
func TreeRegressor(a Attributes) (*Ensemble, error) {
	e, err := nodesOf(a, "target", a.Int("n_targets", 1))
	if err != nil {
		return nil, err
	}
	name := a.Text("aggregate_function", "SUM")
	for i, n := range aggregates {
		if n == name {
			e.Aggregate = Aggregate(i)
			return e, e.check()
		}
	}
	return nil, fault.New(fault.Corrupt, "", "the aggregate function %q is not known", name)
}

// TreeClassifier is TreeEnsembleClassifier.
type TreeClassifier struct {
	Ensemble
	Labels Labels
	// OneColumn says that all leaves give the score of the second of two
	// classes, and Positive that none of them is negative.
	OneColumn, Positive bool
}

// NewTreeClassifier reads TreeEnsembleClassifier.
func NewTreeClassifier(a Attributes) (*TreeClassifier, error) {
	labels, err := labelsOf(a, "classlabels_int64s")
	if err != nil {
		return nil, err
	}
	e, err := nodesOf(a, "class", labels.Len())
	if err != nil {
		return nil, err
	}
	e.Aggregate = Sum
	c := &TreeClassifier{Ensemble: *e, Labels: labels, Positive: true, OneColumn: labels.Len() == 2}
	for _, n := range c.Nodes {
		for _, w := range n.Weights {
			c.OneColumn = c.OneColumn && w.Target == 0
			c.Positive = c.Positive && w.Value >= 0
		}
	}
	if c.OneColumn {
		if len(c.Base) > 1 {
			return nil, fault.New(fault.Unsupported, "", "two base values for the one score of two classes: ONNX Runtime's results for that have no meaning")
		}
		c.Targets = 1
	}
	if labels.Len() < 2 {
		return nil, fault.New(fault.Unsupported, "", "a classifier of one class")
	}
	return c, c.check()
}

// Classes returns the labels.
func (c *TreeClassifier) Classes() Labels { return c.Labels }

// Classify finds the label. That of one column is the second class where the
// score is above 0, or above 1/2 where no leaf is negative; its scores are the
// probability and its complement, or the score and its opposite.
func (c *TreeClassifier) Classify(x []float64) (int, []float64) {
	s := c.scores(x)
	for i, b := range c.Base {
		s[i] += b
	}
	if !c.OneColumn {
		label := largest(s)
		c.Post.Apply(s)
		return label, s
	}
	label := 0
	if v := s[0]; v > 0.5 || v > 0 && !c.Positive {
		label = 1
	}
	return label, c.pair(s[0])
}

// pair returns the scores of both classes.
func (c *TreeClassifier) pair(v float64) []float64 {
	switch {
	case c.Post == Logistic:
		return []float64{logistic(-v), logistic(v)}
	case c.Positive:
		return []float64{1 - v, v}
	}
	return []float64{-v, v}
}

// nodeKey names a node in a file.
type nodeKey struct{ tree, node int64 }

// nodesOf reads the nodes of versions 1 and 3, which are lists; what prefixes the
// names of those for leaves.
func nodesOf(a Attributes, what string, targets int) (*Ensemble, error) {
	e := &Ensemble{Targets: targets}
	var err error
	if e.Post, err = transformOf(a); err != nil {
		return nil, err
	}
	if targets < 1 || targets > maxTargets {
		return nil, fault.New(fault.Corrupt, "", "%d targets", targets)
	}
	if e.Base, err = floats(a, "base_values"); err != nil {
		return nil, err
	}
	trees, ids := a.Int64s("nodes_treeids"), a.Int64s("nodes_nodeids")
	features, names := a.Int64s("nodes_featureids"), a.Texts("nodes_modes")
	yes, no := a.Int64s("nodes_truenodeids"), a.Int64s("nodes_falsenodeids")
	missing := a.Ints("nodes_missing_value_tracks_true")
	thresholds, err := floats(a, "nodes_values")
	if err != nil {
		return nil, err
	}
	n := len(ids)
	if n == 0 || len(trees) != n || len(features) != n || len(names) != n || len(yes) != n || len(no) != n || len(thresholds) != n || len(missing) != n && len(missing) != 0 {
		return nil, fault.New(fault.Corrupt, "", "the lists of nodes have %d to %d elements", min(len(trees), n, len(names), len(thresholds)), max(len(trees), n, len(names), len(thresholds)))
	}
	at := make(map[nodeKey]int, n)
	e.Nodes = make([]Node, n)
	for i := range n {
		key := nodeKey{trees[i], ids[i]}
		if _, twice := at[key]; twice {
			return nil, fault.New(fault.Corrupt, "", "node %d of tree %d stands twice", key.node, key.tree)
		}
		at[key] = i
	}
	for i := range n {
		mode, known := modes[names[i]]
		if !known {
			return nil, fault.New(fault.Corrupt, "", "node %d: the mode %q is not known", i, names[i])
		}
		d := Node{Mode: mode, Missing: len(missing) > 0 && missing[i] != 0, Threshold: thresholds[i]}
		if mode != Leaf {
			var here, there bool
			d.True, here = at[nodeKey{trees[i], yes[i]}]
			d.False, there = at[nodeKey{trees[i], no[i]}]
			if !here || !there {
				return nil, fault.New(fault.Corrupt, "", "node %d of tree %d: a child is not in the file", ids[i], trees[i])
			}
			if d.Feature, err = featureOf(features[i]); err != nil {
				return nil, err
			}
		}
		e.Nodes[i] = d
	}
	return e, e.addLeaves(a, what, at)
}

// addLeaves gives the leaves their weights.
func (e *Ensemble) addLeaves(a Attributes, what string, at map[nodeKey]int) error {
	trees, ids, targets := a.Int64s(what+"_treeids"), a.Int64s(what+"_nodeids"), a.Ints(what+"_ids")
	weights, err := floats(a, what+"_weights")
	if err != nil {
		return err
	}
	if len(trees) != len(ids) || len(targets) != len(ids) || len(weights) != len(ids) {
		return fault.New(fault.Corrupt, "", "the lists of leaves have different lengths: %d, %d, %d and %d", len(trees), len(ids), len(targets), len(weights))
	}
	for i := range ids {
		n, ok := at[nodeKey{trees[i], ids[i]}]
		if !ok || e.Nodes[n].Mode != Leaf {
			return fault.New(fault.Corrupt, "", "node %d of tree %d is no leaf and has a weight", ids[i], trees[i])
		}
		if targets[i] < 0 || targets[i] >= e.Targets {
			return fault.New(fault.Corrupt, "", "the target %d of %d", targets[i], e.Targets)
		}
		e.Nodes[n].Weights = append(e.Nodes[n].Weights, Weight{targets[i], weights[i]})
	}
	return nil
}

// Bounds against hostile files.
const (
	maxTargets = 1 << 20
	maxFeature = 1 << 24
	maxNodes   = 1 << 26 // with those that branches on sets become
)

func featureOf(f int64) (int, error) {
	if f < 0 || f >= maxFeature {
		return 0, fault.New(fault.Corrupt, "", "a branch on feature %d", f)
	}
	return int(f), nil
}

// check finds the roots and sees that the nodes are trees: every node but the
// roots is the child of one branch, and is reached from a root.
func (e *Ensemble) check() error {
	parents := make([]uint8, len(e.Nodes))
	for i, n := range e.Nodes {
		if n.Mode == Leaf {
			continue
		}
		e.width = max(e.width, n.Feature+1)
		for _, child := range []int{n.True, n.False} {
			if parents[child]++; parents[child] > 1 {
				return fault.New(fault.Corrupt, "", "node %d and another branch have the same child", i)
			}
		}
	}
	if e.Roots == nil {
		for i, p := range parents {
			if p == 0 {
				e.Roots = append(e.Roots, i)
			}
		}
	}
	seen := 0
	for _, root := range e.Roots {
		if parents[root] != 0 {
			return fault.New(fault.Corrupt, "", "the root %d is the child of a branch", root)
		}
		parents[root] = 1 // a root stands once
		for stack := []int{root}; len(stack) > 0; seen++ {
			n := &e.Nodes[stack[len(stack)-1]]
			stack = stack[:len(stack)-1]
			if n.Mode != Leaf {
				stack = append(stack, n.False, n.True)
			}
		}
	}
	if seen != len(e.Nodes) {
		return fault.New(fault.Corrupt, "", "%d of %d nodes are not to be reached from a root", len(e.Nodes)-seen, len(e.Nodes))
	}
	if b := len(e.Base); b > 1 && b != e.Targets {
		return fault.New(fault.Corrupt, "", "%d base values for %d targets", b, e.Targets)
	}
	return nil
}
