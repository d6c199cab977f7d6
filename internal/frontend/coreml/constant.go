package coreml

import (
	"slices"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mil/op"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

var constantKinds = map[string]layerFunc{
	"custom":         custom,
	"loadConstant":   loadConstant,
	"loadConstantND": loadConstantND,
}

// loadConstant is a picture [1, 1, C, H, W].
func loadConstant(l *lowering, in []*mil.Value) []*mil.Value {
	p := l.layer.GetLoadConstant()
	if len(p.GetShape()) != 3 {
		return l.fail("want 3 sizes, have %d", len(p.GetShape()))
	}
	return l.loaded(in, p.GetData(), append([]int{1, 1}, integers(p.GetShape())...))
}

func loadConstantND(l *lowering, in []*mil.Value) []*mil.Value {
	p := l.layer.GetLoadConstantND()
	shape := integers(p.GetShape())
	if len(shape) == 0 {
		shape = []int{1}
	}
	return l.loaded(in, p.GetData(), shape)
}

func (l *lowering) loaded(in []*mil.Value, data *spec.WeightParams, shape []int) []*mil.Value {
	if len(in) != 0 {
		return l.fail("want no input, have %d", len(in))
	}
	return []*mil.Value{l.weights("data", data, -1, shape...)}
}

// flags returns a constant vector of truth values.
func (l *lowering) flags(v ...bool) *mil.Value {
	return mil.NewConst(l.Unique(l.Place()+"_const"), tensor.New(tensor.Bool, []int{len(v)}, slices.Clone(v)))
}

// integer returns an integer constant of rank 0.
func (l *lowering) integer(v int) *mil.Value {
	return mil.NewConst(l.Unique(l.Place()+"_const"), tensor.Scalar(tensor.Int32, int32(v)))
}

// scalarOf returns a dimension as a value of rank 0.
func (l *lowering) scalarOf(s size) *mil.Value {
	if s.v == nil {
		return l.integer(s.n)
	}
	return op.SqueezeIOS17.Add(l.Builder, op.SqueezeArgs{X: s.v})
}
