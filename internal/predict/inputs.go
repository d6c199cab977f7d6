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
func (n *network) prepare(in Features) ([]coreml.Input, map[string]*tensor.Tensor, error) {
	var inputs []coreml.Input
	values := map[string]*tensor.Tensor{}
	if err := n.check(in); err != nil {
		return nil, nil, err
	}
	for _, f := range n.inputs {
		name := f.GetName()
		t, err := n.tensorOf(f, in[name]) // nil where an optional one is not given
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
	return inputs, values, nil
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
func (n *network) tensorOf(f *spec.FeatureDescription, value any) (*tensor.Tensor, error) {
	t := f.GetType()
	if image := t.GetImageType(); image != nil {
		return n.picture(f.GetName(), image, value)
	}
	switch v := value.(type) {
	case *tensor.Tensor:
		return n.array(f, v)
	case float64:
		return n.array(f, tensor.New(tensor.Float64, []int{1}, []float64{v}))
	case int64:
		return n.array(f, tensor.New(tensor.Int64, []int{1}, []int64{v}))
	case nil:
		zero, err := absent(t.GetMultiArrayType())
		if err != nil {
			return nil, err
		}
		return n.array(f, zero)
	}
	switch value.(type) {
	case image.Image, *media.Image, *media.Photo:
		return nil, errors.New("is an array, not a picture; smelt convert or smelt edit --image-input, with --scale and --bias, makes a picture of it")
	}
	return nil, fmt.Errorf("want %s, have a %T", t.WhichType(), value)
}

// array converts an array to the element type that the program takes and
// checks its shape against what the description allows.
func (n *network) array(f *spec.FeatureDescription, v *tensor.Tensor) (*tensor.Tensor, error) {
	a := f.GetType().GetMultiArrayType()
	if err := checkShape(a, v.Shape()); err != nil && (n.fixed != nil || !rank5(sizeRanges(a), v.Shape())) {
		return nil, err
	}
	d := tensor.Float32
	if n.fixed != nil {
		p := n.parameter(f.GetName())
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
func (n *network) parameter(name string) *mil.Value {
	for _, v := range n.fixed.Func.Inputs {
		if v.Name == name {
			return v
		}
	}
	return nil
}

// checkShape checks a shape against what an array's description allows.
func checkShape(a *spec.ArrayFeatureType, shape []int) error {
	ranges := sizeRanges(a)
	if len(ranges) == 0 {
		return nil
	}
	for _, s := range a.GetEnumeratedShapes().GetShapes() {
		if slices.EqualFunc(s.GetShape(), shape, func(a int64, b int) bool { return a == int64(b) }) {
			return nil
		}
	}
	fits := len(ranges) == len(shape)
	for i := range min(len(ranges), len(shape)) {
		d := int64(shape[i])
		fits = fits && d >= ranges[i][0] && (ranges[i][1] < 0 || d <= ranges[i][1])
	}
	if fits {
		return nil
	}
	return fault.New(fault.BadShape, "", "want an array of shape %s, have %s", formatRanges(ranges), tensor.FormatShape(shape))
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

// maxAbsent bounds the elements of a default, which a model states by its shape
// alone.
const maxAbsent = 1 << 26

// checkAbsent refuses a model whose defaults together, which a few bytes of its
// description can make as large as it likes, take more memory than there is.
func (f face) checkAbsent(in Features) error {
	bytes := 0
	for _, d := range f.inputs {
		a := d.GetType().GetMultiArrayType()
		if a == nil || in[d.GetName()] != nil {
			continue
		}
		n, err := tensor.CheckShape(shapeOf(a))
		if err != nil {
			continue // absent says so, if it is asked
		}
		if bytes += 8 * n; bytes > f.maxBytes {
			return fault.New(fault.Limit, fmt.Sprintf("input %q", d.GetName()), "the inputs that are missing take more than %d bytes", f.maxBytes)
		}
	}
	return nil
}

func shapeOf(a *spec.ArrayFeatureType) []int {
	var shape []int
	for _, d := range a.GetShape() {
		shape = append(shape, int(d))
	}
	return shape
}

// absent returns the value of an optional array that is not given: its
// default, or zeros.
func absent(a *spec.ArrayFeatureType) (*tensor.Tensor, error) {
	if a == nil {
		return nil, errors.New("is missing and has no default")
	}
	shape := shapeOf(a)
	n, err := tensor.CheckShape(shape)
	if err != nil {
		return nil, err
	}
	if n > maxAbsent {
		return nil, fault.New(fault.Limit, "", "is missing, and its default of shape %s too large", tensor.FormatShape(shape))
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
	return tensor.New(tensor.Float64, shape, data), nil
}

// picture brings a picture to the model's size and colours: [1, C, H, W], values
// 0 to 255.
func (n *network) picture(name string, t *spec.ImageFeatureType, value any) (*tensor.Tensor, error) {
	order, err := orderOf(t)
	if err != nil {
		return nil, err
	}
	var photo *media.Photo
	switch v := value.(type) {
	case *media.Photo:
		photo = v
	case *media.Image:
		photo = &media.Photo{Image: v}
	case image.Image:
		photo = &media.Photo{Image: media.FromStd(v)}
	case *tensor.Tensor:
		return n.planes(name, t, order, v)
	default:
		return nil, fmt.Errorf("want a picture, have a %T", value)
	}
	w, h := n.pictureSize(t, photo.W, photo.H)
	fit := n.opts.Fit
	if photo.W == w && photo.H == h {
		fit = media.FitOptions{} // it is whole, whatever the options
	}
	data, err := photo.Planar(w, h, fit, order)
	if err != nil {
		return nil, err
	}
	return tensor.New(n.pictureType(name), []int{1, order.Channels(), h, w}, data), nil
}

// pictureType is the element type in which the program takes a picture.
func (n *network) pictureType(name string) tensor.DType {
	if n.fixed != nil {
		if p := n.parameter(name); p != nil && p.Type.DType.IsFloat() {
			return p.Type.DType
		}
	}
	return tensor.Float32
}

// planes takes a picture that already is an array [1, C, H, W] or [C, H, W].
func (n *network) planes(name string, t *spec.ImageFeatureType, order media.Order, v *tensor.Tensor) (*tensor.Tensor, error) {
	shape := v.Shape()
	if len(shape) == 3 {
		shape = append([]int{1}, shape...)
	}
	if len(shape) != 4 || shape[0] != 1 || shape[1] != order.Channels() {
		return nil, fault.New(fault.BadShape, "", "want a picture or an array 1×%d×H×W, have %s", order.Channels(), v)
	}
	if w, h := n.pictureSize(t, shape[3], shape[2]); w != shape[3] || h != shape[2] {
		return nil, fault.New(fault.BadShape, "", "want %d×%d pixels, have %d×%d", w, h, shape[3], shape[2])
	}
	return v.Reshape(shape).ConvertTo(n.pictureType(name))
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
func (n *network) pictureSize(t *spec.ImageFeatureType, w, h int) (int, int) {
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

// sample returns inputs of the declared sizes: zeros or the declared defaults.
func (f face) sample() (Features, error) {
	in := Features{}
	if err := f.checkAbsent(in); err != nil {
		return nil, err
	}
	for _, d := range f.inputs {
		v, err := sampleOf(d.GetType())
		if err != nil {
			return nil, err
		}
		in[d.GetName()] = v
	}
	return in, nil
}

func sampleOf(t *spec.FeatureType) (any, error) {
	switch t.WhichType() {
	case spec.FeatureType_ImageType_case:
		w, h := int(t.GetImageType().GetWidth()), int(t.GetImageType().GetHeight())
		order, err := orderOf(t.GetImageType())
		if err != nil {
			return nil, err
		}
		if n, err := tensor.CheckShape([]int{order.Channels(), w, h}); err != nil || n > maxAbsent {
			return nil, errors.New("no default size")
		}
		return tensor.Zeros(tensor.Float32, []int{1, order.Channels(), h, w}), nil
	case spec.FeatureType_MultiArrayType_case:
		return absent(t.GetMultiArrayType())
	case spec.FeatureType_Int64Type_case:
		return int64(0), nil
	case spec.FeatureType_StringType_case:
		return "", nil
	case spec.FeatureType_DictionaryType_case:
		if t.GetDictionaryType().HasInt64KeyType() {
			return map[int64]float64{}, nil
		}
		return map[string]float64{}, nil
	case spec.FeatureType_SequenceType_case:
		if t.GetSequenceType().HasInt64Type() {
			return []int64{}, nil
		}
		return []string{}, nil
	}
	return float64(0), nil
}

// defaults returns the inputs at their declared sizes as a plan takes then.
func (n *network) defaults() ([]coreml.Input, error) {
	in, err := n.sample()
	if err != nil {
		return nil, err
	}
	inputs, _, err := n.prepare(in)
	return inputs, err
}
