package compare

import (
	"fmt"
	"image"
	"maps"
	"slices"
	"strconv"

	"github.com/smelt-ml/smelt/compare/metric"
	"github.com/smelt-ml/smelt/internal/media"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/tensor"
)

// Bind gives an input's features the names that a model has for them. Models
// of the same meaning, one converted from the other, often differ in the name
// of their only input.
func Bind(in Features, face mlmodel.Interface) Features {
	if len(in) != 1 {
		return in
	}
	for name, v := range in {
		if slices.ContainsFunc(face.Inputs, func(f mlmodel.Feature) bool { return f.Name == name }) {
			return in
		}
		if own := only(face, isPicture(v)); own != "" {
			return Features{own: v}
		}
	}
	return in
}

// only returns the name of a model's single input, or of the single one for
// pictures, "" if there are several.
func only(face mlmodel.Interface, picture bool) string {
	var names []string
	for _, f := range face.Inputs {
		if !f.Optional && (!picture || f.Kind == mlmodel.Image) {
			names = append(names, f.Name)
		}
	}
	if len(names) == 1 {
		return names[0]
	}
	if len(names) == 0 && len(face.Inputs) == 1 {
		return face.Inputs[0].Name
	}
	return ""
}

func isPicture(v any) bool {
	switch v.(type) {
	case *media.Photo, *media.Image, image.Image:
		return true
	}
	return false
}

// sample makes of a model's outputs what metrics take. Pictures become arrays
// H×W×3, or H×W if they are gray; their names are returned too.
func sample(name string, out Features, face mlmodel.Interface) (metric.Sample, []string, error) {
	s := metric.Sample{Name: name, Outputs: map[string]*tensor.Tensor{}}
	var images []string
	for _, key := range slices.Sorted(maps.Keys(out)) {
		switch v := out[key].(type) {
		case *tensor.Tensor:
			s.Outputs[key] = v
		case *media.Image:
			s.Outputs[key] = pixels(v)
			images = append(images, key)
		case image.Image:
			s.Outputs[key] = pixels(media.FromStd(v))
			images = append(images, key)
		case map[string]float64:
			if takes(s.Probabilities, key, face) {
				s.Probabilities = v
			}
		case map[int64]float64:
			if takes(s.Probabilities, key, face) {
				s.Probabilities = make(map[string]float64, len(v))
				for class, p := range v {
					s.Probabilities[strconv.FormatInt(class, 10)] = p
				}
			}
		case string:
			if face.PredictedFeature == "" || face.PredictedFeature == key {
				s.Label = v
			}
		case int64:
			if face.PredictedFeature == key {
				s.Label = strconv.FormatInt(v, 10)
			} else {
				s.Outputs[key] = tensor.Scalar(tensor.Int64, v)
			}
		case float64:
			s.Outputs[key] = tensor.Scalar(tensor.Float64, v)
		case []string, []int64, nil:
		default:
			return s, nil, fmt.Errorf("output %q: a %T cannot be compared", key, v)
		}
	}
	return s, images, nil
}

// takes tells whether the dictionary of that name is the probabilities.
func takes(have map[string]float64, name string, face mlmodel.Interface) bool {
	if face.PredictedProbabilities != "" {
		return name == face.PredictedProbabilities
	}
	return have == nil
}

func pixels(m *media.Image) *tensor.Tensor {
	shape := []int{m.H, m.W}
	if m.Channels != 1 {
		shape = append(shape, m.Channels)
	}
	t, err := tensor.FromPacked(tensor.Uint8, shape, m.Pix)
	if err != nil {
		panic(err) // a picture has the pixels of its size
	}
	return t
}
