package classical

import (
	"math"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/tensor"
)

// TreeEnsemble reads version 5: branches and leaves are lists of their own.
func TreeEnsemble(a Attributes) (*Ensemble, error) {
	r := treeReader{Ensemble: &Ensemble{Targets: a.Int("n_targets", 1), Roots: []int{}}}
	if err := r.read(a); err != nil {
		return nil, err
	}
	for _, root := range a.Ints("tree_roots") {
		at, err := r.branch(root, 0)
		if err != nil {
			return nil, err
		}
		r.Roots = append(r.Roots, at)
	}
	return r.Ensemble, r.check()
}

// treeReader is what the lists of branches and leaves say.
type treeReader struct {
	*Ensemble
	modes, thresholds []float64
	features          []int64
	missing           []int
	yes, no           []int // a branch, or a leaf where the list below says so
	yesLeaf, noLeaf   []int
	leaves            []int // the targets
	weights           []float64
	sets              map[int][]float64 // of branches on sets
	made              []bool            // the branches
}

// list reads a tensor of numbers.
func list(a Attributes, name string) ([]float64, error) {
	t, err := a.Tensor(name)
	if err != nil || t == nil {
		return nil, err
	}
	if t.DType() == tensor.String {
		return nil, fault.New(fault.Corrupt, "", "%s are texts", name)
	}
	return t.Float64s(), nil
}

func (r *treeReader) read(a Attributes) (err error) {
	post, aggregate := a.Int("post_transform", 0), a.Int("aggregate_function", 1)
	if post < 0 || post >= len(transforms) || aggregate < 0 || aggregate >= len(aggregates) || r.Targets < 1 || r.Targets > maxTargets {
		return fault.New(fault.Corrupt, "", "the transform %d, the aggregate function %d, %d targets", post, aggregate, r.Targets)
	}
	r.Post, r.Aggregate = Transform(post), Aggregate(aggregate)
	if r.modes, err = list(a, "nodes_modes"); err != nil {
		return err
	}
	if r.thresholds, err = list(a, "nodes_splits"); err != nil {
		return err
	}
	if r.weights, err = list(a, "leaf_weights"); err != nil {
		return err
	}
	r.features, r.missing, r.leaves = a.Int64s("nodes_featureids"), a.Ints("nodes_missing_value_tracks_true"), a.Ints("leaf_targetids")
	r.yes, r.no, r.yesLeaf, r.noLeaf = a.Ints("nodes_truenodeids"), a.Ints("nodes_falsenodeids"), a.Ints("nodes_trueleafs"), a.Ints("nodes_falseleafs")
	n := len(r.modes)
	r.made = make([]bool, n)
	if len(r.thresholds) != n || len(r.features) != n || len(r.yes) != n || len(r.no) != n || len(r.yesLeaf) != n || len(r.noLeaf) != n ||
		len(r.missing) != n && len(r.missing) != 0 || len(r.leaves) != len(r.weights) {
		return fault.New(fault.Corrupt, "", "the lists of %d branches, or of %d leaves, have different lengths", n, len(r.leaves))
	}
	members, err := list(a, "membership_values")
	if err != nil {
		return err
	}
	r.sets = map[int][]float64{}
	for i, m := range r.modes {
		if Mode(m) != member {
			continue
		}
		set := members
		for k, v := range members { // NaN ends a set
			if math.IsNaN(v) {
				set, members = members[:k], members[k+1:]
				break
			}
		}
		r.sets[i] = set
	}
	return nil
}

// maxDepth bounds the height of a tree of version 5.
const maxDepth = 10000

// side appends what one side of a branch leads to and returns its position.
func (r *treeReader) side(index, leaf, depth int) (int, error) {
	if leaf == 0 {
		return r.branch(index, depth)
	}
	if index < 0 || index >= len(r.leaves) || r.leaves[index] < 0 || r.leaves[index] >= r.Targets {
		return 0, fault.New(fault.Corrupt, "", "there is no leaf %d of %d, or none of its target", index, len(r.leaves))
	}
	if len(r.Nodes) >= maxNodes {
		return 0, fault.New(fault.Limit, "", "more than %d nodes", maxNodes)
	}
	r.Nodes = append(r.Nodes, Node{Mode: Leaf, Weights: []Weight{{r.leaves[index], r.weights[index]}}})
	return len(r.Nodes) - 1, nil
}

// branch appends a branch and what it leads to. A branch on a set asks for its
// members one after the other.
func (r *treeReader) branch(i, depth int) (int, error) {
	if i < 0 || i >= len(r.modes) || r.made[i] {
		return 0, fault.New(fault.Corrupt, "", "there is no branch %d of %d, or two branches lead to it", i, len(r.modes))
	}
	if depth > maxDepth {
		return 0, fault.New(fault.Limit, "", "a tree of more than %d branches one below the other", maxDepth)
	}
	r.made[i] = true
	feature, err := featureOf(r.features[i])
	if err != nil {
		return 0, err
	}
	n := Node{Mode: Mode(r.modes[i]), Feature: feature, Missing: len(r.missing) > 0 && r.missing[i] != 0}
	set := []float64{r.thresholds[i]}
	switch {
	case !(r.modes[i] >= 0 && r.modes[i] <= float64(member)) || float64(n.Mode) != r.modes[i]:
		return 0, fault.New(fault.Corrupt, "", "branch %d: the mode %v is not known", i, r.modes[i])
	case n.Mode == member:
		n.Mode, set = Equal, r.sets[i]
		if len(set) > 1 && r.yesLeaf[i] == 0 {
			return 0, fault.New(fault.Unsupported, "", "a branch on a set of %d values that leads to another branch", len(set))
		}
	}
	first := len(r.Nodes)
	last := -1
	for _, t := range set {
		at := len(r.Nodes)
		if last >= 0 {
			r.Nodes[last].False = at
		}
		n.Threshold = t
		r.Nodes = append(r.Nodes, n)
		yes, err := r.side(r.yes[i], r.yesLeaf[i], depth+1)
		if err != nil {
			return 0, err
		}
		r.Nodes[at].True, last = yes, at
	}
	no, err := r.side(r.no[i], r.noLeaf[i], depth+1)
	if err == nil && last >= 0 {
		r.Nodes[last].False = no
	}
	return first, err
}
