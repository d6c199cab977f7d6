package onnx

import (
	"math"

	"github.com/smelt-ml/smelt/internal/frontend/onnx/classical"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/tensor"
)

// maxHeight bounds the trees that become programs, which go down all of them level
// by level.
const maxHeight = 64

// forest is an ensemble as lists with an element for each node. Comparisons that
// have an opposite are written as that, with their sides exchanged; a leaf leads to
// itself.
type forest struct {
	features, yes, no []int32
	thresholds        []float32
	less, equal       []bool // what is asked for, where that is not less or equal
	missing           []bool // NaN goes to yes
	height            int
}

func forestOf(e *classical.Ensemble) *forest {
	f := &forest{}
	for i, n := range e.Nodes {
		yes, no, missing := n.True, n.False, n.Missing || n.Mode == classical.NotEqual
		t := n.Threshold
		swap := n.Mode == classical.GreaterEqual || n.Mode == classical.Greater || n.Mode == classical.NotEqual
		if n.Mode == classical.Leaf {
			yes, no = i, i
		} else if swap {
			yes, no, missing = no, yes, !missing
		}
		less := n.Mode == classical.Less || n.Mode == classical.GreaterEqual
		f.features, f.yes, f.no = append(f.features, int32(n.Feature)), append(f.yes, int32(yes)), append(f.no, int32(no))
		f.thresholds, f.missing = append(f.thresholds, float32(t)), append(f.missing, missing)
		f.less, f.equal = append(f.less, less), append(f.equal, n.Mode == classical.Equal || n.Mode == classical.NotEqual)
	}
	// Children may come before their parents, so that heights are found from the
	// roots.
	type visit struct{ at, depth int }
	for _, root := range e.Roots {
		for stack := []visit{{root, 0}}; len(stack) > 0; {
			v := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			f.height = max(f.height, v.depth)
			if n := e.Nodes[v.at]; n.Mode != classical.Leaf {
				stack = append(stack, visit{n.True, v.depth + 1}, visit{n.False, v.depth + 1})
			}
		}
	}
	return f
}

// anyOf tells whether one is true.
func anyOf(v []bool) bool {
	for _, x := range v {
		if x {
			return true
		}
	}
	return false
}

// trees walks down all trees at once: [N, trees] are the nodes where the rows are.
func trees(b *Builder, n *Node, read func(classical.Attributes) (*classical.Ensemble, error)) []*mil.Value {
	e, err := read(n)
	if err != nil {
		b.Fail(err)
		return nil
	}
	x := b.cast(n.In[0], tensor.Float32)
	if b.rank(x) == 1 {
		x = b.expandDims(x, 0)
	}
	f := forestOf(e)
	width := -1
	if b.rank(x) == 2 {
		width = x.Type.Shape[1]
	}
	switch {
	case b.Err() != nil:
		return nil
	case width >= 0 && width < e.Width() || b.rank(x) != 2:
		return b.fail("branches on %d features of %s", e.Width(), x.Type)
	case f.height == 0 || f.height > maxHeight:
		return b.refuse("trees of %d branches one below the other", f.height)
	case e.Targets > 1 && (e.Aggregate == classical.Min || e.Aggregate == classical.Max):
		return b.refuse("the aggregate function %s of %d targets", e.Aggregate, e.Targets)
	case e.Post == classical.Probit || e.Post == classical.SoftmaxZero:
		return b.refuse("the transform %s", e.Post)
	case len(e.Nodes) > math.MaxInt32/e.Targets || !b.room(len(e.Nodes)*(e.Targets+6)):
		return b.refuse("%d nodes of %d targets", len(e.Nodes), e.Targets)
	}
	list := func(v *tensor.Tensor) *mil.Value { return mil.NewConst(b.Place(), v) }
	count := []int{len(e.Nodes)}
	pick := func(from, at *mil.Value, axis int) *mil.Value {
		g := op.GatherIOS17.Defaults()
		g.X, g.Indices, g.Axis = from, at, axis
		return b.gather(g)
	}
	features, thresholds := list(tensor.Ints(count, f.features)), list(tensor.Floats(count, f.thresholds))
	yes, no := list(tensor.Ints(count, f.yes)), list(tensor.Ints(count, f.no))
	flag := func(v []bool, at *mil.Value) *mil.Value {
		ints := make([]int32, len(v))
		for i, x := range v {
			if x {
				ints[i] = 1
			}
		}
		return b.cast(pick(list(tensor.Ints(count, ints)), at, 0), tensor.Bool)
	}
	roots := make([]int, len(e.Roots))
	copy(roots, e.Roots)
	at := b.ints(roots...)
	for level := range f.height {
		var v *mil.Value
		if level == 0 { // the same columns for all rows
			v = pick(x, pick(features, at, 0), 1)
		} else {
			g := op.GatherAlongAxisIOS17.Defaults()
			g.X, g.Indices, g.Axis = x, pick(features, at, 0), 1
			v = op.GatherAlongAxisIOS17.Add(b.Builder, g)
		}
		t := pick(thresholds, at, 0)
		holds := op.LessEqual.Add(b.Builder, op.Binary{X: v, Y: t})
		if anyOf(f.less) {
			holds = b.sel(flag(f.less, at), op.Less.Add(b.Builder, op.Binary{X: v, Y: t}), holds)
		}
		if anyOf(f.equal) {
			holds = b.sel(flag(f.equal, at), op.Equal.Add(b.Builder, op.Binary{X: v, Y: t}), holds)
		}
		if anyOf(f.missing) {
			holds = b.sel(op.NotEqual.Add(b.Builder, op.Binary{X: v, Y: v}), flag(f.missing, at), holds)
		}
		at = b.sel(holds, pick(yes, at, 0), pick(no, at, 0))
	}
	values := make([]float32, len(e.Nodes)*e.Targets)
	for i, n := range e.Nodes {
		for _, w := range n.Weights {
			values[i*e.Targets+w.Target] += float32(w.Value)
		}
	}
	v := pick(b.floats(values, len(e.Nodes), e.Targets), at, 0) // [N, trees, targets]
	reduce := map[classical.Aggregate]*op.Def[op.Reduction]{
		classical.Sum: op.ReduceSum, classical.Average: op.ReduceMean, classical.Min: op.ReduceMin, classical.Max: op.ReduceMax,
	}[e.Aggregate]
	v = b.reduce(reduce, v, []int{1}, false)
	if len(e.Base) > 0 {
		base := make([]float32, e.Targets)
		for i, x := range e.Base {
			base[i] = float32(x)
		}
		v = b.add(v, b.floats(base, e.Targets))
	}
	if e.Targets > 1 && e.Post == classical.Softmax {
		v = op.Softmax.Add(b.Builder, op.SoftmaxArgs{X: v, Axis: -1})
	} else if e.Targets > 1 && e.Post == classical.Logistic {
		v = op.Sigmoid.Add(b.Builder, op.Unary{X: v})
	}
	if n.Op == "TreeEnsembleRegressor" {
		return one(b.SetDType(v, tensor.Float32))
	}
	return one(b.as(b.cast(v, n.In[0].Type.DType), n.In[0]))
}
