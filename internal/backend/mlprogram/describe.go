package mlprogram

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// Describe writes what the model takes and gives. The source's description
// says it better wherever it is still true.
func Describe(p *Program, o Options) (*spec.ModelDescription, error) {
	base := new(spec.ModelDescription)
	if p.Description != nil {
		base = proto.CloneOf(p.Description)
	}
	base.SetTrainingInput(nil)
	if named := base.GetFunctions(); len(named) > 0 {
		for _, d := range named {
			i := slices.IndexFunc(p.Funcs, func(f *mil.Func) bool { return f.Name == d.GetName() })
			if i < 0 {
				return nil, fault.New(fault.Corrupt, fmt.Sprintf("function %q", d.GetName()), "is described, but not there")
			}
			w := describer{f: p.Funcs[i], options: o}
			in, state, out, err := w.features(d.GetInput(), d.GetState(), d.GetOutput())
			if err != nil {
				return nil, err
			}
			d.SetInput(in)
			d.SetState(state)
			d.SetOutput(out)
		}
		return base, nil
	}
	w := describer{f: p.Funcs[0], options: o, classifier: p.Classifier}
	in, state, out, err := w.features(base.GetInput(), base.GetState(), base.GetOutput())
	if err != nil {
		return nil, err
	}
	base.SetInput(in)
	base.SetState(state)
	base.SetOutput(out)
	if c := p.Classifier; c != nil {
		base.SetPredictedFeatureName(c.LabelName)
		base.SetPredictedProbabilitiesName(c.ProbabilitiesName)
	}
	return base, nil
}

// describer describes one function.
type describer struct {
	f          *mil.Func
	options    Options
	classifier *Classifier
}

type features = []*spec.FeatureDescription

func (w describer) features(in, state, out features) (inputs, states, outputs features, err error) {
	for _, v := range w.f.Inputs {
		if v.Type.Kind == mil.State {
			d := known(state, v.Name)
			if err := array(d, *v.Type.Elem, nil); err != nil {
				return nil, nil, nil, at("state", v.Name, err)
			}
			held := d.GetType().GetMultiArrayType()
			d.SetType(spec.FeatureType_builder{StateType: spec.StateFeatureType_builder{ArrayType: held}.Build()}.Build())
			states = append(states, d)
			continue
		}
		d := known(in, v.Name)
		var shapes *mlmodel.Shapes
		if s, ok := w.options.Shapes[v.Name]; ok {
			shapes = &s
		}
		if err := feature(d, v.Type, shapes); err != nil {
			return nil, nil, nil, at("input", v.Name, err)
		}
		inputs = append(inputs, d)
	}
	outputs, err = w.outputs(out)
	return inputs, states, outputs, err
}

// outputs are in the source's order, if there is one.
func (w describer) outputs(out features) (features, error) {
	var made features
	if c := w.classifier; c != nil {
		label, probs := known(out, c.LabelName), known(out, c.ProbabilitiesName)
		key, dict := new(spec.FeatureType), new(spec.DictionaryFeatureType)
		if c.Strings != nil {
			key.SetStringType(new(spec.StringFeatureType))
			dict.SetStringKeyType(new(spec.StringFeatureType))
		} else {
			key.SetInt64Type(new(spec.Int64FeatureType))
			dict.SetInt64KeyType(new(spec.Int64FeatureType))
		}
		label.SetType(key)
		probs.SetType(spec.FeatureType_builder{DictionaryType: dict}.Build())
		made = append(made, label, probs)
	}
	for i, v := range w.f.Body.Outputs {
		if w.classifier != nil && i == w.classifier.Probabilities {
			continue
		}
		d := known(out, v.Name)
		stated := d.GetType().GetMultiArrayType()
		said := len(stated.GetShape()) > 0 || stated.WhichShapeFlexibility() != spec.ArrayFeatureType_ShapeFlexibility_not_set_case
		if err := feature(d, v.Type, nil); err != nil {
			return nil, at("output", v.Name, err)
		}
		if a := d.GetType().GetMultiArrayType(); a != nil && !v.Type.IsStatic() && !said {
			a.SetShape(nil)
			a.ClearShapeFlexibility()
		}
		if image := d.GetType().GetImageType(); image != nil && !v.Type.IsStatic() &&
			image.WhichSizeFlexibility() == spec.ImageFeatureType_SizeFlexibility_not_set_case {
			image.SetWidth(1)
			image.SetHeight(1)
			image.SetImageSizeRange(spec.ImageFeatureType_ImageSizeRange_builder{WidthRange: size(1, -1), HeightRange: size(1, -1)}.Build())
		}
		made = append(made, d)
	}
	place := func(d *spec.FeatureDescription) int {
		i := slices.IndexFunc(out, func(o *spec.FeatureDescription) bool { return o.GetName() == d.GetName() })
		if i < 0 {
			return len(out)
		}
		return i
	}
	slices.SortStableFunc(made, func(a, b *spec.FeatureDescription) int { return place(a) - place(b) })
	return made, nil
}

func at(what, name string, err error) error {
	return fault.New(fault.Unsupported, fmt.Sprintf("%s %q", what, name), "%w", err)
}

// known returns the description of that name, or a new one.
func known(ds features, name string) *spec.FeatureDescription {
	for _, d := range ds {
		if d.GetName() == name {
			return d
		}
	}
	return spec.FeatureDescription_builder{Name: name}.Build()
}

func size(least, most int64) *spec.SizeRange {
	return spec.SizeRange_builder{LowerBound: uint64(least), UpperBound: most}.Build()
}

// feature makes a description true for a value of type t.
func feature(d *spec.FeatureDescription, t mil.Type, s *mlmodel.Shapes) error {
	if d.GetType().GetImageType() == nil {
		return array(d, t, s)
	}
	switch n := len(t.Shape); {
	case n >= 2 && t.Shape[n-1] >= 0 && t.Shape[n-2] >= 0:
		mlmodel.SetShapes(d, mlmodel.Shapes{Default: t.Shape})
	case s != nil:
		mlmodel.SetShapes(d, *s)
	}
	return nil
}

// MaxOpen is the greatest size of a dimension that nobody says anything of.
const MaxOpen = 2048

var arrayTypes = map[tensor.DType]spec.ArrayFeatureType_ArrayDataType{
	tensor.Float16: spec.ArrayFeatureType_FLOAT16, tensor.Float32: spec.ArrayFeatureType_FLOAT32,
	tensor.Int32: spec.ArrayFeatureType_INT32, tensor.Int8: spec.ArrayFeatureType_INT8,
}

// array describes a multi-array.
func array(d *spec.FeatureDescription, t mil.Type, s *mlmodel.Shapes) error {
	dtype, ok := arrayTypes[t.DType]
	if t.Kind != mil.Tensor || !ok {
		return fmt.Errorf("an ML Program takes and gives fp16, fp32, int32 and int8 arrays, this is %s", t)
	}
	a := d.GetType().GetMultiArrayType()
	if a == nil {
		a = new(spec.ArrayFeatureType)
	}
	d.SetType(spec.FeatureType_builder{MultiArrayType: a, IsOptional: d.GetType().GetIsOptional()}.Build())
	a.SetDataType(dtype)
	switch {
	case t.AnyRank:
		a.SetShape(nil)
		a.ClearShapeFlexibility()
	case t.IsStatic() && len(t.Shape) == 0:
		mlmodel.SetShapes(d, mlmodel.Shapes{Default: []int{1}})
	case t.IsStatic():
		mlmodel.SetShapes(d, mlmodel.Shapes{Default: t.Shape})
	case s != nil:
		mlmodel.SetShapes(d, *s)
	case a.WhichShapeFlexibility() == spec.ArrayFeatureType_ShapeFlexibility_not_set_case && len(a.GetShape()) == 0:
		// Any size will do, but ML Programs want a bound.
		open := mlmodel.Shapes{}
		for _, n := range t.Shape {
			r := mlmodel.Range{Min: int64(n), Max: int64(n)}
			if n < 0 {
				r, n = mlmodel.Range{Min: 1, Max: MaxOpen}, 1
			}
			open.Default, open.Ranges = append(open.Default, n), append(open.Ranges, r)
		}
		mlmodel.SetShapes(d, open)
	}
	return nil
}
