package mlmodel

import (
	"fmt"
	"strings"

	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// FeatureKind is the kind of value that an input or output takes. Its values
// are the kinds' names.
type FeatureKind string

// The kinds of features. The zero FeatureKind is a type that is not known.
const (
	Int64      FeatureKind = "int64"
	Double     FeatureKind = "double"
	String     FeatureKind = "string"
	Image      FeatureKind = "image"
	MultiArray FeatureKind = "multiArray"
	Dictionary FeatureKind = "dictionary"
	Sequence   FeatureKind = "sequence"
	State      FeatureKind = "state" // an array that lives on between predictions
)

// Feature describes an input, output or state of a model.
type Feature struct {
	Name        string
	Description string
	Kind        FeatureKind
	Optional    bool
	Image       *ImageType  // of Image
	Array       *ArrayType  // of MultiArray and State
	Element     FeatureKind // Int64 or String: the keys of Dictionary, the elements of Sequence
	Length      Range       // of Sequence
}

// Range is a range of sizes, both ends included. Max is -1 where there is no
// upper end.
type Range struct{ Min, Max int64 }

// Contains tells whether n lies in the range.
func (r Range) Contains(n int64) bool { return n >= r.Min && (r.Max < 0 || n <= r.Max) }

func (r Range) String() string {
	switch {
	case r.Max < 0:
		return fmt.Sprintf("%d..", r.Min)
	case r.Min == r.Max:
		return fmt.Sprint(r.Min)
	}
	return fmt.Sprintf("%d..%d", r.Min, r.Max)
}

// ImageSize is the size of a picture in pixels.
type ImageSize struct{ Width, Height int64 }

// ImageType is the type of a picture.
type ImageType struct {
	ImageSize              // the size, or the default one
	ColorSpace string      // "RGB", "BGR", "GRAYSCALE" or "GRAYSCALE_FLOAT16"
	Sizes      []ImageSize // the sizes allowed, where they are enumerated
	Ranges     *[2]Range   // of width and height, where those are given
}

// ArrayType is the type of a multi-array.
type ArrayType struct {
	DType   tensor.DType // Float16, Float32, Float64, Int8 or Int32; Invalid if not known
	Shape   []int64      // the shape, or the default one
	Shapes  [][]int64    // the shapes allowed, where they are enumerated
	Ranges  []Range      // of each dimension, where those are given
	Default *float64     // of all elements when the input is left out; nil for none
}

// Flexible tells a type that allows more than one shape.
func (a *ArrayType) Flexible() bool { return a.Shapes != nil || a.Ranges != nil }

// Flexible tells a type that allows more than one size.
func (i *ImageType) Flexible() bool { return i.Sizes != nil || i.Ranges != nil }

// DescribeFeature returns what a FeatureDescription says.
func DescribeFeature(d *spec.FeatureDescription) Feature {
	f := Feature{Name: d.GetName(), Description: d.GetShortDescription(), Optional: d.GetType().GetIsOptional()}
	t := d.GetType()
	switch t.WhichType() {
	case spec.FeatureType_Int64Type_case:
		f.Kind = Int64
	case spec.FeatureType_DoubleType_case:
		f.Kind = Double
	case spec.FeatureType_StringType_case:
		f.Kind = String
	case spec.FeatureType_ImageType_case:
		f.Kind, f.Image = Image, imageType(t.GetImageType())
	case spec.FeatureType_MultiArrayType_case:
		f.Kind, f.Array = MultiArray, arrayType(t.GetMultiArrayType())
	case spec.FeatureType_StateType_case:
		f.Kind, f.Array = State, arrayType(t.GetStateType().GetArrayType())
	case spec.FeatureType_DictionaryType_case:
		f.Kind = Dictionary
		switch t.GetDictionaryType().WhichKeyType() {
		case spec.DictionaryFeatureType_Int64KeyType_case:
			f.Element = Int64
		case spec.DictionaryFeatureType_StringKeyType_case:
			f.Element = String
		}
	case spec.FeatureType_SequenceType_case:
		f.Kind, f.Length = Sequence, sizeRange(t.GetSequenceType().GetSizeRange())
		switch t.GetSequenceType().WhichType() {
		case spec.SequenceFeatureType_Int64Type_case:
			f.Element = Int64
		case spec.SequenceFeatureType_StringType_case:
			f.Element = String
		}
	}
	return f
}

func sizeRange(r *spec.SizeRange) Range {
	if r == nil {
		return Range{0, -1}
	}
	return Range{int64(min(r.GetLowerBound(), 1<<63-1)), r.GetUpperBound()}
}

func imageType(t *spec.ImageFeatureType) *ImageType {
	i := &ImageType{ImageSize: ImageSize{t.GetWidth(), t.GetHeight()}}
	if t.GetColorSpace() != spec.ImageFeatureType_INVALID_COLOR_SPACE {
		i.ColorSpace = t.GetColorSpace().String()
	}
	for _, s := range t.GetEnumeratedSizes().GetSizes() {
		i.Sizes = append(i.Sizes, ImageSize{int64(s.GetWidth()), int64(s.GetHeight())})
	}
	if t.HasImageSizeRange() {
		r := t.GetImageSizeRange()
		i.Ranges = &[2]Range{sizeRange(r.GetWidthRange()), sizeRange(r.GetHeightRange())}
	}
	return i
}

var arrayTypes = map[spec.ArrayFeatureType_ArrayDataType]tensor.DType{
	spec.ArrayFeatureType_FLOAT16: tensor.Float16, spec.ArrayFeatureType_FLOAT32: tensor.Float32,
	spec.ArrayFeatureType_DOUBLE: tensor.Float64, spec.ArrayFeatureType_INT32: tensor.Int32,
	spec.ArrayFeatureType_INT8: tensor.Int8,
}

func arrayType(t *spec.ArrayFeatureType) *ArrayType {
	a := &ArrayType{DType: arrayTypes[t.GetDataType()], Shape: t.GetShape()}
	for _, s := range t.GetEnumeratedShapes().GetShapes() {
		a.Shapes = append(a.Shapes, s.GetShape())
	}
	for _, r := range t.GetShapeRange().GetSizeRanges() {
		a.Ranges = append(a.Ranges, sizeRange(r))
	}
	var v float64
	switch t.WhichDefaultOptionalValue() {
	case spec.ArrayFeatureType_IntDefaultValue_case:
		v = float64(t.GetIntDefaultValue())
	case spec.ArrayFeatureType_FloatDefaultValue_case:
		v = float64(t.GetFloatDefaultValue())
	case spec.ArrayFeatureType_DoubleDefaultValue_case:
		v = t.GetDoubleDefaultValue()
	default:
		return a
	}
	a.Default = &v
	return a
}

// Type writes the type of a feature for people: "image RGB 227×227",
// "multiArray fp32 1×3×(1..)×(1..)", "dictionary string → double".
func (f Feature) Type() string {
	switch f.Kind {
	case Image:
		s := fmt.Sprintf("image %s %s", f.Image.ColorSpace, f.Image.sizeString())
		return strings.Join(strings.Fields(s), " ")
	case MultiArray, State:
		if f.Array.DType == tensor.Invalid {
			return strings.TrimSpace(fmt.Sprintf("%s %s", f.Kind, f.Array.shapeString()))
		}
		return strings.TrimSpace(fmt.Sprintf("%s %s %s", f.Kind, f.Array.DType, f.Array.shapeString()))
	case Dictionary:
		return fmt.Sprintf("dictionary %s → double", f.Element)
	case Sequence:
		return fmt.Sprintf("sequence of %s %s", f.Length, f.Element)
	case "":
		return "unknown"
	}
	return string(f.Kind)
}

func (i *ImageType) sizeString() string {
	one := func(s ImageSize) string { return fmt.Sprintf("%d×%d", s.Width, s.Height) }
	switch {
	case i.Ranges != nil:
		return fmt.Sprintf("(%s)×(%s)", i.Ranges[0], i.Ranges[1])
	case i.Sizes != nil:
		return alternatives(i.Sizes, one)
	}
	return one(i.ImageSize)
}

func (a *ArrayType) shapeString() string {
	one := func(shape []int64) string {
		parts := make([]string, len(shape))
		for i, d := range shape {
			parts[i] = fmt.Sprint(d)
		}
		return strings.Join(parts, "×")
	}
	switch {
	case a.Ranges != nil:
		parts := make([]string, len(a.Ranges))
		for i, r := range a.Ranges {
			if parts[i] = r.String(); r.Min != r.Max {
				parts[i] = "(" + parts[i] + ")"
			}
		}
		return strings.Join(parts, "×")
	case a.Shapes != nil:
		return alternatives(a.Shapes, one)
	}
	return one(a.Shape)
}

// alternatives writes up to four of a list.
func alternatives[T any](all []T, format func(T) string) string {
	var parts []string
	for i, v := range all {
		if i == 4 {
			parts = append(parts, fmt.Sprintf("… (%d in all)", len(all)))
			break
		}
		parts = append(parts, format(v))
	}
	return strings.Join(parts, " | ")
}

// Interface is what a model, or one function of it, takes and gives.
type Interface struct {
	Function       string // "" for a model without named functions
	Inputs         []Feature
	Outputs        []Feature
	States         []Feature
	TrainingInputs []Feature // of an updatable model
	// Of classifiers: the outputs with the label, and with a dictionary from
	// labels to probabilities. Of regressors PredictedFeature is the value.
	PredictedFeature       string
	PredictedProbabilities string
}

// Describe returns the interfaces of a model: one, or one for each function,
// the default function's first.
func Describe(d *spec.ModelDescription) []Interface {
	if len(d.GetFunctions()) == 0 {
		i := describe(d)
		i.TrainingInputs = features(d.GetTrainingInput())
		return []Interface{i}
	}
	var all []Interface
	for _, f := range d.GetFunctions() {
		i := describe(f)
		i.Function = f.GetName()
		all = append(all, i)
		if i.Function == d.GetDefaultFunctionName() {
			copy(all[1:], all)
			all[0] = i
		}
	}
	return all
}

func describe(d interface {
	GetInput() []*spec.FeatureDescription
	GetOutput() []*spec.FeatureDescription
	GetState() []*spec.FeatureDescription
	GetPredictedFeatureName() string
	GetPredictedProbabilitiesName() string
},
) Interface {
	return Interface{
		Inputs: features(d.GetInput()), Outputs: features(d.GetOutput()), States: features(d.GetState()),
		PredictedFeature: d.GetPredictedFeatureName(), PredictedProbabilities: d.GetPredictedProbabilitiesName(),
	}
}

func features(ds []*spec.FeatureDescription) []Feature {
	var all []Feature
	for _, d := range ds {
		all = append(all, DescribeFeature(d))
	}
	return all
}
