package predict

import (
	"context"
	"errors"
	"fmt"
	"image"
	"math"
	"slices"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/internal/classic"
	"github.com/smelt-ml/smelt/internal/media"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// plain answers by a function of package classic: the model is no network.
type plain struct {
	face
	answer classic.Func
}

func newPlain(s *spec.Model, o Options) (*plain, error) {
	p := &plain{face: faceOf(s.GetDescription(), o)}
	var err error
	if p.answer, err = classic.New(s); err != nil {
		return nil, err
	}
	return p, p.needOutputs()
}

func (p *plain) close() {}

func (p *plain) cost(context.Context, Features) (int64, error) { return 0, nil }

func (p *plain) predict(ctx context.Context, _ int, in Features, _ State) (Features, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := p.check(in); err != nil {
		return nil, err
	}
	values := make(classic.Features, len(in))
	for _, d := range p.inputs {
		name := d.GetName()
		v, err := accept(d.GetType(), in[name])
		if err != nil {
			return nil, atInput(name, err)
		}
		if v != nil {
			values[name] = v
		}
	}
	made, err := p.answer(values)
	if err != nil {
		return nil, err
	}
	out := make(Features, len(p.outputs))
	for _, d := range p.outputs {
		name := d.GetName()
		v, ok := made[name]
		if !ok {
			return nil, fault.New(fault.Corrupt, fmt.Sprintf("output %q", name), "is described, but the model does not make it")
		}
		if v, err = given(d.GetType(), v); err != nil {
			return nil, fault.New(fault.BadShape, fmt.Sprintf("output %q", name), "%w", err)
		}
		out[name] = v
	}
	return out, nil
}

// given gives a result the type that its description asks for.
func given(t *spec.FeatureType, v any) (any, error) {
	switch v := v.(type) {
	case float64:
		if t.HasMultiArrayType() {
			return dressed(t, tensor.New(tensor.Float64, []int{1}, []float64{v}))
		}
		if t.HasInt64Type() {
			return int64(v), nil
		}
	case *tensor.Tensor:
		return dressed(t, v)
	}
	return v, nil
}

// accept brings a feature to the form that its description asks for. It is nil
// for an optional one that is not given.
func accept(t *spec.FeatureType, v any) (any, error) {
	if v == nil {
		if t.GetMultiArrayType().HasDefaultOptionalValue() {
			return absent(t.GetMultiArrayType())
		}
		return nil, nil
	}
	switch t.WhichType() {
	case spec.FeatureType_DoubleType_case:
		return numberOf(v)
	case spec.FeatureType_Int64Type_case:
		return integerOf(v)
	case spec.FeatureType_StringType_case:
		return textOf(v)
	case spec.FeatureType_MultiArrayType_case:
		return arrayOf(t.GetMultiArrayType(), v)
	case spec.FeatureType_DictionaryType_case:
		return dictionaryOf(t.GetDictionaryType(), v)
	case spec.FeatureType_SequenceType_case:
		if t.GetSequenceType().HasInt64Type() {
			return sequenceOf[int64](v)
		}
		return sequenceOf[string](v)
	}
	if m, ok := v.(image.Image); ok {
		return media.FromStd(m), nil
	}
	return v, nil
}

func numberOf(v any) (float64, error) {
	switch v := v.(type) {
	case float64:
		return v, nil
	case int64:
		return float64(v), nil
	case *tensor.Tensor:
		if v.Len() == 1 && v.DType() != tensor.String {
			return v.Float64s()[0], nil
		}
		return 0, fmt.Errorf("want one number, have %s", v)
	}
	return 0, fmt.Errorf("want a number, have a %T", v)
}

func integerOf(v any) (int64, error) {
	if t, ok := v.(*tensor.Tensor); ok && t.Len() == 1 && t.DType().IsInt() {
		wide, err := t.ConvertTo(tensor.Int64)
		if err != nil {
			return 0, err
		}
		return tensor.Data[int64](wide)[0], nil
	}
	if n, ok := v.(int64); ok {
		return n, nil
	}
	f, err := numberOf(v)
	if err != nil {
		return 0, err
	}
	if n := int64(f); float64(n) == f && math.Abs(f) < 1<<63 {
		return n, nil
	}
	return 0, fmt.Errorf("want an integer, have %v", f)
}

func textOf(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case *tensor.Tensor:
		if v.DType() == tensor.String && v.Len() == 1 {
			return v.Strings()[0], nil
		}
	}
	return "", fmt.Errorf("want a text, have a %T", v)
}

// dictionaryOf takes keys of either kind: which of them the model knows is its
// own business. An empty dictionary has the kind that is described.
func dictionaryOf(t *spec.DictionaryFeatureType, v any) (any, error) {
	n := 0
	switch v := v.(type) {
	case map[int64]float64:
		n = len(v)
	case map[string]float64:
		n = len(v)
	default:
		return nil, fmt.Errorf("want a dictionary, have a %T", v)
	}
	switch {
	case n > 0:
		return v, nil
	case t.HasInt64KeyType():
		return map[int64]float64{}, nil
	}
	return map[string]float64{}, nil
}

func sequenceOf[E int64 | string](v any) ([]E, error) {
	if s, ok := v.([]E); ok {
		return s, nil
	}
	if t, ok := v.(*tensor.Tensor); ok && t.Rank() <= 1 {
		var made any
		if t.DType() == tensor.String {
			made = t.Strings()
		} else if wide, err := t.ConvertTo(tensor.Int64); err == nil && t.DType().IsInt() {
			made = tensor.Data[int64](wide)
		}
		if s, ok := made.([]E); ok {
			return s, nil
		}
	}
	return nil, fmt.Errorf("want a %T, have a %T", []E{}, v)
}

// arrayOf converts an array to the declared element type. Its shape may have
// more or fewer dimensions of 1 than the declared one.
func arrayOf(a *spec.ArrayFeatureType, v any) (*tensor.Tensor, error) {
	t, ok := v.(*tensor.Tensor)
	if !ok {
		f, err := numberOf(v)
		if err != nil {
			return nil, fmt.Errorf("want an array, have a %T", v)
		}
		t = tensor.New(tensor.Float64, []int{1}, []float64{f})
	}
	if t.DType() == tensor.String {
		return nil, errors.New("want an array of numbers, have one of texts")
	}
	if err := checkShape(a, t.Shape()); err != nil {
		shape, ok := refit(a, t.Shape())
		if !ok {
			return nil, err
		}
		t = t.Reshape(shape)
	}
	if d, ok := arrayTypes[a.GetDataType()]; ok && d != t.DType() {
		return t.ConvertTo(d)
	}
	return t, nil
}

// refit finds the shape allowed that differs from the given one by dimensions
// of 1 alone.
func refit(a *spec.ArrayFeatureType, shape []int) ([]int, bool) {
	isOne := func(d int) bool { return d == 1 }
	ranges := sizeRanges(a)
	bare := slices.DeleteFunc(slices.Clone(shape), isOne)
	var out []int
	for _, r := range ranges {
		switch {
		case len(bare) > 0 && int64(bare[0]) >= r[0] && (r[1] < 0 || int64(bare[0]) <= r[1]):
			out = append(out, bare[0])
			bare = bare[1:]
		case r[0] <= 1 && (r[1] < 0 || r[1] >= 1):
			out = append(out, 1)
		default:
			return nil, false
		}
	}
	return out, len(bare) == 0 && tensor.Size(out) == tensor.Size(shape)
}
