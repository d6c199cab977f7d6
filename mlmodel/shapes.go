package mlmodel

import (
	"slices"

	"github.com/smelt-ml/smelt/mlmodel/spec"
)

// Shapes are the shapes that a feature may have: one of Enumerated, or all
// within Ranges, or else Default alone. Default is one of them. The last two
// dimensions of a picture are its height and its width.
type Shapes struct {
	Default    []int
	Ranges     []Range
	Enumerated [][]int
}

// ShapesOf returns the shapes that a description allows, as Feature.Shapes does.
func ShapesOf(d *spec.FeatureDescription) Shapes { return DescribeFeature(d).Shapes() }

// Shapes returns the shapes that the feature may have: those of arrays, and
// [channels, height, width] of pictures. Others have none, and neither has an
// array of which nothing is said.
func (f Feature) Shapes() Shapes {
	var s Shapes
	switch {
	case f.Image != nil:
		c := f.Image.Channels()
		size := func(i ImageSize) []int { return []int{c, int(i.Height), int(i.Width)} }
		s.Default = size(f.Image.ImageSize)
		for _, i := range f.Image.Sizes {
			s.Enumerated = append(s.Enumerated, size(i))
		}
		if r := f.Image.Ranges; r != nil {
			s.Ranges = []Range{{int64(c), int64(c)}, r[1], r[0]}
		}
	case f.Array != nil:
		narrow := func(shape []int64) []int {
			var out []int
			for _, n := range shape {
				out = append(out, int(n))
			}
			return out
		}
		s.Default = narrow(f.Array.Shape)
		for _, shape := range f.Array.Shapes {
			s.Enumerated = append(s.Enumerated, narrow(shape))
		}
		s.Ranges = slices.Clone(f.Array.Ranges)
	}
	return s
}

// Channels is the number of colours of a picture.
func (i *ImageType) Channels() int {
	if i.ColorSpace == "GRAYSCALE" || i.ColorSpace == "GRAYSCALE_FLOAT16" {
		return 1
	}
	return 3
}

// Flexible tells whether there is more than one shape.
func (s Shapes) Flexible() bool { return slices.Contains(s.Open(), -1) }

// Open returns the default with -1 where several sizes are allowed.
func (s Shapes) Open() []int {
	shape := slices.Clone(s.Default)
	for i := range shape {
		if i < len(s.Ranges) && s.Ranges[i].Min != s.Ranges[i].Max {
			shape[i] = -1
		}
		for _, e := range s.Enumerated {
			if i < len(e) && e[i] != s.Default[i] {
				shape[i] = -1
			}
		}
	}
	return shape
}

// SetShapes says in the description of a picture or an array which shapes it
// may have. The rest of the description stays.
func SetShapes(d *spec.FeatureDescription, s Shapes) {
	if image := d.GetType().GetImageType(); image != nil {
		setSizes(image, s)
	} else if a := d.GetType().GetMultiArrayType(); a != nil {
		setShapes(a, s)
	}
}

func setSizes(image *spec.ImageFeatureType, s Shapes) {
	n := len(s.Default)
	if n < 2 {
		return
	}
	image.SetHeight(int64(s.Default[n-2]))
	image.SetWidth(int64(s.Default[n-1]))
	switch {
	case len(s.Enumerated) > 0:
		all := new(spec.ImageFeatureType_EnumeratedImageSizes)
		for _, e := range s.Enumerated {
			all.SetSizes(append(all.GetSizes(), spec.ImageFeatureType_ImageSize_builder{Width: uint64(e[n-1]), Height: uint64(e[n-2])}.Build()))
		}
		image.SetEnumeratedSizes(all)
	case len(s.Ranges) > 0:
		image.SetImageSizeRange(spec.ImageFeatureType_ImageSizeRange_builder{
			WidthRange: specRange(s.Ranges[n-1]), HeightRange: specRange(s.Ranges[n-2]),
		}.Build())
	default:
		image.ClearSizeFlexibility()
	}
}

func setShapes(a *spec.ArrayFeatureType, s Shapes) {
	a.SetShape(wideShape(s.Default))
	switch {
	case len(s.Enumerated) > 0:
		all := new(spec.ArrayFeatureType_EnumeratedShapes)
		for _, e := range s.Enumerated {
			all.SetShapes(append(all.GetShapes(), spec.ArrayFeatureType_Shape_builder{Shape: wideShape(e)}.Build()))
		}
		a.SetEnumeratedShapes(all)
	case len(s.Ranges) > 0:
		all := new(spec.ArrayFeatureType_ShapeRange)
		for _, r := range s.Ranges {
			all.SetSizeRanges(append(all.GetSizeRanges(), specRange(r)))
		}
		a.SetShapeRange(all)
	default:
		a.ClearShapeFlexibility()
	}
}

func specRange(r Range) *spec.SizeRange {
	return spec.SizeRange_builder{LowerBound: uint64(r.Min), UpperBound: r.Max}.Build()
}

func wideShape(shape []int) []int64 {
	out := make([]int64, len(shape))
	for i, n := range shape {
		out[i] = int64(n)
	}
	return out
}
