package predict

import (
	"errors"
	"fmt"
	"image"
	"slices"
	"strings"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/internal/frontend/coreml"
	"github.com/smelt-ml/smelt/internal/media"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

var arrayTypes = map[spec.ArrayFeatureType_ArrayDataType]tensor.DType{
	spec.ArrayFeatureType_FLOAT32: tensor.Float32, spec.ArrayFeatureType_DOUBLE: tensor.Float64,
	spec.ArrayFeatureType_FLOAT16: tensor.Float16, spec.ArrayFeatureType_INT32: tensor.Int32,
	spec.ArrayFeatureType_INT8: tensor.Int8,
}

// prepare brings features to the tensors that the model's program takes.
func (m *Model) prepare(in Features) ([]coreml.Input, map[string]*tensor.Tensor, error) {
	var inputs []coreml.Input
	values := map[string]*tensor.Tensor{}
	for _, f := range m.inputs {
		name := f.GetName()
		value, given := in[name]
		if !given {
			if !f.GetType().GetIsOptional() {
				return nil, nil, fault.New(fault.BadValue, fmt.Sprintf("input %q", name), "is missing")
			}
			value = nil
		}
		t, err := m.tensorOf(f, value)
		if err != nil {
			return nil, nil, atInput(name, err)
		}
		input := coreml.Input{Name: name, Type: mil.TypeOf(t)}
		if image := f.GetType().GetImageType(); image != nil {
			input.Image = true
			input.BGR = image.GetColorSpace() == spec.ImageFeatureType_BGR
		}
		inputs = append(inputs, input)
		values[name] = t
	}
	if len(in) > len(m.inputs) || slices.ContainsFunc(keys(in), func(name string) bool { return values[name] == nil }) {
		for name := range in {
			if values[name] == nil {
				return nil, nil, fault.New(fault.BadValue, fmt.Sprintf("input %q", name), "the model has no such input, only %s", m.inputNames())
			}
		}
	}
	return inputs, values, nil
}

func keys(f Features) []string {
	out := make([]string, 0, len(f))
	for name := range f {
		out = append(out, name)
	}
	return out
}

func (m *Model) inputNames() string {
	var names []string
	for _, f := range m.inputs {
		names = append(names, fmt.Sprintf("%q", f.GetName()))
	}
	return strings.Join(names, ", ")
}

func atInput(name string, err error) error {
	kind := fault.KindOf(err)
	if kind == 0 {
		kind = fault.BadValue
	}
	return fault.New(kind, fmt.Sprintf("input %q", name), "%w", err)
}

// tensorOf brings one feature to the form that the program takes; nil asks
// for the default of an optional one.
func (m *Model) tensorOf(f *spec.FeatureDescription, value any) (*tensor.Tensor, error) {
	t := f.GetType()
	if image := t.GetImageType(); image != nil {
		return m.picture(f.GetName(), image, value)
	}
	switch v := value.(type) {
	case *tensor.Tensor:
		return m.array(f, v)
	case float64:
		return m.array(f, tensor.New(tensor.Float64, []int{1}, []float64{v}))
	case int64:
		return m.array(f, tensor.New(tensor.Int64, []int{1}, []int64{v}))
	case nil:
		return m.absent(f)
	}
	return nil, fmt.Errorf("want %s, have a %T", t.WhichType(), value)
}

// array converts an array to the element type that the program takes and
// checks its shape against what the description allows.
func (m *Model) array(f *spec.FeatureDescription, v *tensor.Tensor) (*tensor.Tensor, error) {
	if err := m.allows(f, v.Shape()); err != nil {
		return nil, fault.New(fault.BadShape, "", "%w", err)
	}
	d := tensor.Float32
	if m.fixed != nil {
		p := m.parameter(f.GetName())
		if p == nil {
			return nil, errors.New("the program has no such parameter")
		}
		d = p.Type.DType
		if len(p.Type.Shape) == 0 && !p.Type.AnyRank && v.Len() == 1 {
			v = v.Reshape(nil) // a scalar comes as an array of one
		}
	}
	return v.ConvertTo(d)
}

// parameter returns an input of the program.
func (m *Model) parameter(name string) *mil.Value {
	for _, v := range m.fixed.Func.Inputs {
		if v.Name == name {
			return v
		}
	}
	return nil
}

// allows checks a shape against an array's description.
func (m *Model) allows(f *spec.FeatureDescription, shape []int) error {
	a := f.GetType().GetMultiArrayType()
	if a == nil {
		return nil
	}
	ranges := sizeRanges(a)
	if len(ranges) == 0 {
		return nil
	}
	if s := a.GetEnumeratedShapes().GetShapes(); len(s) > 0 {
		for _, s := range s {
			if slices.EqualFunc(s.GetShape(), shape, func(a int64, b int) bool { return a == int64(b) }) {
				return nil
			}
		}
	}
	fits := len(ranges) == len(shape)
	for i := range min(len(ranges), len(shape)) {
		d := int64(shape[i])
		fits = fits && d >= ranges[i][0] && (ranges[i][1] < 0 || d <= ranges[i][1])
	}
	if fits || (m.fixed == nil && rank5(ranges, shape)) {
		return nil
	}
	return fmt.Errorf("want an array of shape %s, have %s", formatRanges(ranges), tensor.FormatShape(shape))
}

// rank5 tells whether an array for an old network is one of those described,
// with a sequence and a batch axis in front.
func rank5(ranges [][2]int64, shape []int) bool {
	if len(shape) != 5 {
		return false
	}
	switch len(ranges) {
	case 3:
		shape = shape[2:]
	case 1:
		shape = shape[2:3]
	default:
		return false
	}
	for i, r := range ranges {
		if d := int64(shape[i]); d < r[0] || (r[1] >= 0 && d > r[1]) {
			return false
		}
	}
	return true
}

// sizeRanges returns the least and the greatest size of each axis; -1 is no
// limit.
func sizeRanges(a *spec.ArrayFeatureType) [][2]int64 {
	var out [][2]int64
	if r := a.GetShapeRange().GetSizeRanges(); len(r) > 0 {
		for _, r := range r {
			out = append(out, [2]int64{int64(r.GetLowerBound()), r.GetUpperBound()})
		}
		return out
	}
	for _, d := range a.GetShape() {
		out = append(out, [2]int64{d, d})
	}
	return out
}

func formatRanges(ranges [][2]int64) string {
	var parts []string
	for _, r := range ranges {
		switch {
		case r[0] == r[1]:
			parts = append(parts, fmt.Sprint(r[0]))
		case r[1] < 0:
			parts = append(parts, fmt.Sprintf("%d…", r[0]))
		default:
			parts = append(parts, fmt.Sprintf("%d…%d", r[0], r[1]))
		}
	}
	return strings.Join(parts, "×")
}

// absent returns the value of an optional input that is not given: its
// default, or zeros.
func (m *Model) absent(f *spec.FeatureDescription) (*tensor.Tensor, error) {
	a := f.GetType().GetMultiArrayType()
	if a == nil {
		return nil, errors.New("is missing and has no default")
	}
	var shape []int
	for _, d := range a.GetShape() {
		shape = append(shape, int(d))
	}
	n, err := tensor.CheckShape(shape)
	if err != nil {
		return nil, err
	}
	var value float64
	switch a.WhichDefaultOptionalValue() {
	case spec.ArrayFeatureType_IntDefaultValue_case:
		value = float64(a.GetIntDefaultValue())
	case spec.ArrayFeatureType_FloatDefaultValue_case:
		value = float64(a.GetFloatDefaultValue())
	case spec.ArrayFeatureType_DoubleDefaultValue_case:
		value = a.GetDoubleDefaultValue()
	}
	data := make([]float64, n)
	for i := range data {
		data[i] = value
	}
	return m.array(f, tensor.New(tensor.Float64, shape, data))
}

// picture brings a picture to the model's size and colours: [1, C, H, W], values
// 0 to 255.
func (m *Model) picture(name string, t *spec.ImageFeatureType, value any) (*tensor.Tensor, error) {
	order, err := orderOf(t)
	if err != nil {
		return nil, err
	}
	var img *media.Image
	fit := func(w, h int, o media.FitOptions) (*media.Image, error) { return media.Fit(img, w, h, o) }
	switch v := value.(type) {
	case *media.Photo:
		img, fit = v.Image, v.Fit
	case *media.Image:
		img = v
	case image.Image:
		img = media.FromStd(v)
	case *tensor.Tensor:
		return m.planes(name, t, order, v)
	default:
		return nil, fmt.Errorf("want a picture, have a %T", value)
	}
	w, h := m.pictureSize(t, img.W, img.H)
	if img.W != w || img.H != h {
		if img, err = fit(w, h, m.opts.Fit); err != nil {
			return nil, err
		}
	}
	data := make([]float32, order.Channels()*w*h)
	if err := media.ToPlanar(img, order, data); err != nil {
		return nil, err
	}
	return tensor.New(m.pictureType(name), []int{1, order.Channels(), h, w}, data), nil
}

// pictureType is the element type in which the program takes a picture.
func (m *Model) pictureType(name string) tensor.DType {
	if m.fixed != nil {
		if p := m.parameter(name); p != nil && p.Type.DType.IsFloat() {
			return p.Type.DType
		}
	}
	return tensor.Float32
}

// planes takes a picture that already is an array [1, C, H, W] or [C, H, W].
func (m *Model) planes(name string, t *spec.ImageFeatureType, order media.Order, v *tensor.Tensor) (*tensor.Tensor, error) {
	shape := v.Shape()
	if len(shape) == 3 {
		shape = append([]int{1}, shape...)
	}
	if len(shape) != 4 || shape[0] != 1 || shape[1] != order.Channels() {
		return nil, fault.New(fault.BadShape, "", "want a picture or an array 1×%d×H×W, have %s", order.Channels(), v)
	}
	if w, h := m.pictureSize(t, shape[3], shape[2]); w != shape[3] || h != shape[2] {
		return nil, fault.New(fault.BadShape, "", "want %d×%d pixels, have %d×%d", w, h, shape[3], shape[2])
	}
	return v.Reshape(shape).ConvertTo(m.pictureType(name))
}

func orderOf(t *spec.ImageFeatureType) (media.Order, error) {
	switch t.GetColorSpace() {
	case spec.ImageFeatureType_RGB:
		return media.RGB, nil
	case spec.ImageFeatureType_BGR:
		return media.BGR, nil
	case spec.ImageFeatureType_GRAYSCALE, spec.ImageFeatureType_GRAYSCALE_FLOAT16:
		return media.Gray, nil
	}
	return 0, fmt.Errorf("unknown colour space %s", t.GetColorSpace())
}

// pictureSize is the size to which a picture of w×h is brought: its own where
// the model allows that, otherwise the declared one.
func (m *Model) pictureSize(t *spec.ImageFeatureType, w, h int) (int, int) {
	for _, s := range t.GetEnumeratedSizes().GetSizes() {
		if s.GetWidth() == uint64(w) && s.GetHeight() == uint64(h) {
			return w, h
		}
	}
	if r := t.GetImageSizeRange(); r != nil && within(r.GetWidthRange(), w) && within(r.GetHeightRange(), h) {
		return w, h
	}
	return int(t.GetWidth()), int(t.GetHeight())
}

func within(r *spec.SizeRange, n int) bool {
	return uint64(n) >= r.GetLowerBound() && (r.GetUpperBound() < 0 || int64(n) <= r.GetUpperBound())
}

// sample returns inputs of the declared sizes, zeros or the declared defaults.
func (m *Model) sample() (Features, error) {
	in := Features{}
	for _, f := range m.inputs {
		t := f.GetType()
		switch {
		case t.GetImageType() != nil:
			w, h := int(t.GetImageType().GetWidth()), int(t.GetImageType().GetHeight())
			order, err := orderOf(t.GetImageType())
			if err != nil {
				return nil, err
			}
			if n, err := tensor.CheckShape([]int{order.Channels(), w, h}); err != nil || n > 1<<26 {
				return nil, errors.New("no default size")
			}
			in[f.GetName()] = tensor.Zeros(tensor.Float32, []int{1, order.Channels(), h, w})
		case t.GetMultiArrayType() != nil:
			v, err := m.absent(f)
			if err != nil {
				return nil, err
			}
			in[f.GetName()] = v
		default:
			in[f.GetName()] = float64(0)
		}
	}
	return in, nil
}

// defaults returns the inputs at their declared sizes as a plan takes them.
func (m *Model) defaults() ([]coreml.Input, error) {
	in, err := m.sample()
	if err != nil {
		return nil, err
	}
	inputs, _, err := m.prepare(in)
	return inputs, err
}
