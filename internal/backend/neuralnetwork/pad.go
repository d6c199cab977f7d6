package neuralnetwork

import (
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/mlmodel/spec"
)

var padRules = map[string]rule{"pad": pad}

// padCompositions bring borders that no layer makes to the last dimensions.
var padCompositions = map[string]composition{
	"pad": func(w *writer, b *mil.Builder, a args) []*mil.Value {
		x, amounts := a.Input("x"), a.Input("pad")
		rank := x.Type.Rank()
		if amounts.Const == nil {
			if n := amounts.Type.Shape[0]; n >= 0 && n < 2*rank {
				full := op.Concat.Add(b, op.ConcatArgs{Values: []*mil.Value{ints(make([]int, 2*rank-n)...), amounts}})
				return one(op.Pad.Add(b, op.PadArgs{X: x, Pad: full, Mode: a.string("mode"), ConstantVal: a.float("constant_val")}))
			}
			return nil
		}
		ns := a.ints("pad")
		first := rank - len(ns)/2
		if a.string("mode") == "constant" || inPicture(ns, first, rank) {
			return nil
		}
		if rank == 1 {
			y := op.ExpandDims.Add(b, op.ExpandDimsArgs{X: x, Axes: []int{0}})
			y = op.Pad.Add(b, op.PadArgs{X: y, Pad: ints(append([]int{0, 0}, ns...)...), Mode: a.string("mode")})
			return one(op.SqueezeIOS17.Add(b, op.SqueezeArgs{X: y, Axes: []int{0}}))
		}
		for i := first; i < rank; i++ {
			before, after := ns[2*(i-first)], ns[2*(i-first)+1]
			if before == 0 && after == 0 {
				continue
			}
			perm := make([]int, rank)
			for j := range perm {
				perm[j] = j
			}
			perm[i], perm[rank-1] = rank-1, i
			x = op.TransposeIOS17.Add(b, op.TransposeArgs{X: x, Perm: perm})
			x = op.Pad.Add(b, op.PadArgs{X: x, Pad: ints(before, after), Mode: a.string("mode")})
			x = op.TransposeIOS17.Add(b, op.TransposeArgs{X: x, Perm: perm})
		}
		return one(x)
	},
}

// inPicture tells amounts that are zero but for the last two of some
// dimensions.
func inPicture(ns []int, first, rank int) bool {
	for i := range ns {
		if ns[i] != 0 && first+i/2 < rank-2 {
			return false
		}
	}
	return rank >= 2
}

// pad adds a border: of any kind around pictures, of a number along every axis.
func pad(w *writer, a args) {
	x, amounts, mode := a.Input("x"), a.Input("pad"), a.string("mode")
	rank := x.Type.Rank()
	shape := w.shape(a.Outputs[0])
	if amounts.Const == nil {
		if mode != "constant" {
			w.fail("a border of mode %s whose size is only known when it is run", mode)
			return
		}
		w.give(a, w.emit(layer{ConstantPad: spec.ConstantPaddingLayerParams_builder{Value: a.float("constant_val")}.Build()}, shape, w.blob(x), w.blob(amounts)))
		return
	}
	ns := a.ints("pad")
	if !slices.ContainsFunc(ns, func(n int) bool { return n != 0 }) {
		w.give(a, w.blob(x))
		return
	}
	first := rank - len(ns)/2
	b := w.read(x)
	if !inPicture(ns, first, rank) || w.rank5 && rank < 3 {
		full := append(make([]int, 2*first), ns...)
		w.give(a, w.emit(layer{ConstantPad: spec.ConstantPaddingLayerParams_builder{
			Value: a.float("constant_val"), PadAmounts: counts(full...),
		}.Build()}, shape, b))
		return
	}
	border := append(make([]int, 4), ns...)
	l := spec.PaddingLayerParams_builder{PaddingAmounts: edges(border[len(border)-4:])}
	switch mode {
	case "reflect":
		l.Reflection = new(spec.PaddingLayerParams_PaddingReflection)
	case "replicate":
		l.Replication = new(spec.PaddingLayerParams_PaddingReplication)
	default:
		l.Constant = spec.PaddingLayerParams_PaddingConstant_builder{Value: a.float("constant_val")}.Build()
	}
	w.give(a, w.emit(layer{Padding: l.Build()}, shape, b))
}
