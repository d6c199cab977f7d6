package coreml

import (
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/mlmodel/spec"
)

var reduceKinds = map[string]layerFunc{
	"reduce": reduceOld,

	"reduceL1":        reduce(op.ReduceL1Norm, func(l *lowering) reduction { return l.layer.GetReduceL1() }),
	"reduceL2":        reduce(op.ReduceL2Norm, func(l *lowering) reduction { return l.layer.GetReduceL2() }),
	"reduceLogSum":    reduce(op.ReduceLogSum, func(l *lowering) reduction { return l.layer.GetReduceLogSum() }),
	"reduceLogSumExp": reduce(op.ReduceLogSumExp, func(l *lowering) reduction { return l.layer.GetReduceLogSumExp() }),
	"reduceMax":       reduce(op.ReduceMax, func(l *lowering) reduction { return l.layer.GetReduceMax() }),
	"reduceMean":      reduce(op.ReduceMean, func(l *lowering) reduction { return l.layer.GetReduceMean() }),
	"reduceMin":       reduce(op.ReduceMin, func(l *lowering) reduction { return l.layer.GetReduceMin() }),
	"reduceProd":      reduce(op.ReduceProd, func(l *lowering) reduction { return l.layer.GetReduceProd() }),
	"reduceSum":       reduce(op.ReduceSum, func(l *lowering) reduction { return l.layer.GetReduceSum() }),
	"reduceSumSquare": reduce(op.ReduceSumSquare, func(l *lowering) reduction { return l.layer.GetReduceSumSquare() }),

	"argMax": func(l *lowering, in []*mil.Value) []*mil.Value {
		p := l.layer.GetArgMax()
		return l.extremum(in, op.ReduceArgmaxIOS17, p.GetAxis(), p.GetRemoveDim())
	},
	"argMin": func(l *lowering, in []*mil.Value) []*mil.Value {
		p := l.layer.GetArgMin()
		return l.extremum(in, op.ReduceArgminIOS17, p.GetAxis(), p.GetRemoveDim())
	},
	"argSort": argSort,
	"topK":    topK,
	"cumSum":  cumSum,
}

// axial returns a blob of a layer that has axes: a number, which a layer before
// may have squeezed out of a list, has one.
func (l *lowering) axial(v *mil.Value) *mil.Value {
	if l.Err() == nil && v.Type.Rank() == 0 && !v.Type.AnyRank {
		return l.reshape(v, 1)
	}
	return v
}

// reduction is what the layers of reductions have in common.
type reduction interface {
	GetAxes() []int64
	GetKeepDims() bool
	GetReduceAll() bool
}

// reduce lowers a reduction along axes, without any along all. A result of all
// elements keeps one dimension.
func reduce(f *op.Def[op.Reduction], params func(*lowering) reduction) layerFunc {
	return func(l *lowering, in []*mil.Value) []*mil.Value {
		p := params(l)
		a := op.Reduction{X: l.axial(l.one(in)), KeepDims: p.GetKeepDims()}
		if !p.GetReduceAll() {
			a.Axes = integers(p.GetAxes())
		}
		return []*mil.Value{f.Add(l.Builder, a)}
	}
}

// reduceAxes are the axes of the older layer, counted from the end.
var reduceAxes = map[spec.ReduceLayerParams_ReduceAxis][]int{
	spec.ReduceLayerParams_CHW: {-3, -2, -1},
	spec.ReduceLayerParams_HW:  {-2, -1},
	spec.ReduceLayerParams_C:   {-3},
	spec.ReduceLayerParams_H:   {-2},
	spec.ReduceLayerParams_W:   {-1},
}

// reduceModes are the operators of the older layer, but for those that need
// something beside.
var reduceModes = map[spec.ReduceLayerParams_ReduceOperation]*op.Def[op.Reduction]{
	spec.ReduceLayerParams_SUM:       op.ReduceSum,
	spec.ReduceLayerParams_AVG:       op.ReduceMean,
	spec.ReduceLayerParams_PROD:      op.ReduceProd,
	spec.ReduceLayerParams_LOGSUM:    op.ReduceSum,
	spec.ReduceLayerParams_SUMSQUARE: op.ReduceSumSquare,
	spec.ReduceLayerParams_L1:        op.ReduceL1Norm,
	spec.ReduceLayerParams_L2:        op.ReduceL2Norm,
	spec.ReduceLayerParams_MAX:       op.ReduceMax,
	spec.ReduceLayerParams_MIN:       op.ReduceMin,
}

// reduceOld lowers the older layer, which keeps the dimensions. Its sum of
// logarithms is one of each element, not of the sum.
func reduceOld(l *lowering, in []*mil.Value) []*mil.Value {
	x, p := l.one(in), l.layer.GetReduce()
	axes := reduceAxes[p.GetAxis()]
	if axes == nil {
		return l.fail("unknown axes %s", p.GetAxis())
	}
	switch p.GetMode() {
	case spec.ReduceLayerParams_ARGMAX:
		if len(axes) != 1 {
			return l.fail("the place of the greatest element along axes %v, want one", axes)
		}
		return l.extremum(in, op.ReduceArgmaxIOS17, int64(axes[0]), false)
	case spec.ReduceLayerParams_LOGSUM:
		x = op.LogIOS17.Add(l.Builder, op.EpsilonIOS17{X: x, Epsilon: orDefault(p.GetEpsilon(), 1e-6)})
	}
	f := reduceModes[p.GetMode()]
	if f == nil {
		return l.fail("unknown mode %s", p.GetMode())
	}
	return []*mil.Value{f.Add(l.Builder, op.Reduction{X: x, Axes: axes, KeepDims: true})}
}

// extremum lowers the place of the best element along an axis.
func (l *lowering) extremum(in []*mil.Value, f *op.Def[op.ArgReductionIOS17], axis int64, remove bool) []*mil.Value {
	at := f.Add(l.Builder, op.ArgReductionIOS17{X: l.axial(l.one(in)), Axis: integer(axis), KeepDims: !remove})
	return []*mil.Value{l.floats(at)}
}

func argSort(l *lowering, in []*mil.Value) []*mil.Value {
	p := l.layer.GetArgSort()
	at := op.Argsort.Add(l.Builder, op.ArgsortArgs{X: l.axial(l.one(in)), Axis: integer(p.GetAxis()), Ascending: !p.GetDescending()})
	return []*mil.Value{l.floats(at)}
}

// topK lowers the greatest, or the least, elements along an axis and their
// places. How many they are may be known only when the network runs.
func topK(l *lowering, in []*mil.Value) []*mil.Value {
	p, b := l.layer.GetTopK(), l.Builder
	axis, k := integer(p.GetAxis()), integer(p.GetK())
	if len(in) == 2 {
		n, ok := known(in[1])
		if !ok {
			return l.topUnknown(l.axial(in[0]), in[1], axis, p.GetUseBottomK())
		}
		if len(n) != 1 {
			return l.fail("a number of elements that is %s", in[1].Type)
		}
		k, in = n[0], in[:1]
	}
	a := op.TopkIOS17.Defaults()
	a.X, a.K, a.Axis, a.Ascending = l.axial(l.one(in)), k, axis, p.GetUseBottomK()
	out := op.TopkIOS17.AddN(b, a)
	if len(out) != 2 {
		return nil
	}
	return []*mil.Value{out[0], l.floats(out[1])}
}

// topUnknown sorts all elements and takes the first k of them.
func (l *lowering) topUnknown(x, k *mil.Value, axis int, ascending bool) []*mil.Value {
	b := l.Builder
	rank := x.Type.Rank()
	if axis < -rank || axis >= rank {
		return l.fail("axis %d of %s", axis, x.Type)
	}
	axis = (axis + rank) % rank
	sizes := make([]int, rank)
	for i := range sizes {
		sizes[i] = -1 // all
	}
	parts := []*mil.Value{l.reshape(l.indices(k), 1)}
	if axis > 0 {
		parts = append([]*mil.Value{l.ints(sizes[:axis]...)}, parts...)
	}
	if axis < rank-1 {
		parts = append(parts, l.ints(sizes[axis+1:]...))
	}
	at := op.Argsort.Add(b, op.ArgsortArgs{X: x, Axis: axis, Ascending: ascending})
	at = op.SliceBySizeIOS17.Add(b, op.SliceBySizeArgs{
		X: at, Begin: l.ints(make([]int, rank)...), Size: op.Concat.Add(b, op.ConcatArgs{Values: parts}),
	})
	values := op.GatherAlongAxisIOS17.Add(b, op.GatherAlongAxisIOS17Args{X: x, Indices: at, Axis: axis})
	return []*mil.Value{values, l.floats(at)}
}

// cumSum lowers running sums. A second input is the axis; where it is known
// only when the network runs, the sums along each axis are there to choose
// from.
func cumSum(l *lowering, in []*mil.Value) []*mil.Value {
	p := l.layer.GetCumSum()
	a := op.CumsumArgs{Axis: integer(p.GetAxis()), Exclusive: p.GetExcludeFinalSum(), Reverse: p.GetReverse()}
	if len(in) != 2 {
		a.X = l.axial(l.one(in))
		return []*mil.Value{op.Cumsum.Add(l.Builder, a)}
	}
	a.X = l.axial(in[0])
	if n, ok := known(in[1]); ok && len(n) == 1 {
		a.Axis = n[0]
		return []*mil.Value{op.Cumsum.Add(l.Builder, a)}
	}
	var all []*mil.Value
	for a.Axis = range a.X.Type.Rank() {
		all = append(all, op.Cumsum.Add(l.Builder, a))
	}
	stacked := op.Stack.Add(l.Builder, op.StackArgs{Values: all})
	axis := l.reshape(l.indices(in[1]))
	return []*mil.Value{op.GatherIOS17.Add(l.Builder, op.GatherIOS17Args{X: stacked, Indices: axis})}
}
