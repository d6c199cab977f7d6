package main

import (
	"encoding/json"
	"fmt"
	"math"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/smelt-ml/smelt"
	"github.com/smelt-ml/smelt/compare"
	"github.com/smelt-ml/smelt/internal/convert"
	"github.com/smelt-ml/smelt/internal/media"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/tensor"
)

type modelInterface = mlmodel.Interface

// readInputs makes one input of --input flags.
func readInputs(given []string, face modelInterface) (compare.Source, error) {
	in, err := readFeatures("input", given, face.Inputs)
	return compare.Source{Len: 1, All: func(yield func(compare.Input) bool) {
		yield(compare.Input{Name: strings.Join(given, " "), Open: func() (smelt.Features, error) { return in, nil }})
	}}, err
}

// readFeatures reads what the flags --input or --output (side says which) give.
func readFeatures(side string, given []string, features []mlmodel.Feature) (smelt.Features, error) {
	values := smelt.Features{}
	for _, text := range given {
		f, value, err := featureOf(side, text, features)
		if err != nil {
			return nil, err
		}
		if _, ok := values[f.Name]; ok {
			return nil, misuse("--%s %s: it is given twice", side, f.Name)
		}
		if values[f.Name], err = readValue(f, value); err != nil {
			return nil, fmt.Errorf("%s %q: %w", side, f.Name, err)
		}
	}
	return values, nil
}

// featureOf finds the input or output that a flag is for. Names may hold "=". They
// may be those of the file that the model was converted from.
func featureOf(side, text string, features []mlmodel.Feature) (mlmodel.Feature, string, error) {
	var names []string
	var best mlmodel.Feature
	value, found := "", false
	for _, f := range features {
		if v, ok := strings.CutPrefix(text, f.Name+"="); ok && len(f.Name) >= len(best.Name) {
			best, value, found = f, v, true
		}
		names = append(names, fmt.Sprintf("%q", f.Name))
	}
	switch {
	case found:
		return best, value, nil
	case len(features) == 1 && !strings.Contains(text, "="):
		return features[0], text, nil
	}
	name, _, ok := strings.Cut(text, "=")
	if !ok {
		return best, "", misuse("--%s %s: want NAME=FILE", side, text)
	}
	for _, f := range features {
		if f.Name == convert.FeatureName(name) {
			return f, text[len(name)+1:], nil
		}
	}
	return best, "", fmt.Errorf("%s %q: the model has no such %s, only %s", side, name, side, strings.Join(names, ", "))
}

// readValue reads the value of an input.
func readValue(f mlmodel.Feature, text string) (any, error) {
	if ext := strings.ToLower(filepath.Ext(text)); ext == ".npy" || ext == ".npz" {
		return readArray(f, text)
	}
	switch f.Kind {
	case mlmodel.Image:
		return media.Open(text, media.Options{})
	case mlmodel.MultiArray:
		return parseArray(f, text)
	case mlmodel.Int64:
		return strconv.ParseInt(text, 10, 64)
	case mlmodel.Double:
		return strconv.ParseFloat(text, 64)
	case mlmodel.String:
		return text, nil
	case mlmodel.Dictionary:
		if f.Element == mlmodel.Int64 {
			return parseJSON[map[int64]float64](text)
		}
		return parseJSON[map[string]float64](text)
	case mlmodel.Sequence:
		if f.Element == mlmodel.Int64 {
			return parseJSON[[]int64](text)
		}
		return parseJSON[[]string](text)
	}
	return nil, fmt.Errorf("values of type %s cannot be given", f.Type())
}

func parseJSON[T any](text string) (T, error) {
	var v T
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		return v, fmt.Errorf("want JSON: %w", err)
	}
	return v, nil
}

// readArray reads an array of a file: that of the input's name, if there are
// several.
func readArray(f mlmodel.Feature, path string) (any, error) {
	arrays, err := compare.ReadArrays(path, f.Name)
	if err != nil {
		return nil, err
	}
	t := arrays[f.Name]
	if t == nil && len(arrays) == 1 {
		for _, only := range arrays {
			t = only
		}
	}
	if t == nil {
		return nil, fmt.Errorf("%s: holds no array of this name", path)
	}
	switch {
	case f.Kind == mlmodel.Image && t.DType() == tensor.Uint8 && t.Rank() >= 2 && t.Rank() <= 3:
		if s := t.Shape(); len(s) == 2 || s[2] == 3 {
			m := &media.Image{H: s[0], W: s[1], Channels: 1, Pix: t.Packed()}
			if len(s) == 3 {
				m.Channels = 3
			}
			return m, nil
		}
	case (f.Kind == mlmodel.Double || f.Kind == mlmodel.Int64) && t.Len() == 1 && t.DType() != tensor.String:
		if f.Kind == mlmodel.Double {
			return t.Float64s()[0], nil
		}
		return int64(t.Float64s()[0]), nil
	}
	return t, nil
}

// parseArray reads numbers with commas between. They get the model's shape if
// they fill it, and are a vector otherwise.
func parseArray(f mlmodel.Feature, text string) (any, error) {
	fields := strings.Split(text, ",")
	data := make([]float64, len(fields))
	for i, field := range fields {
		v, err := strconv.ParseFloat(strings.TrimSpace(field), 64)
		if err != nil {
			return nil, fmt.Errorf("%q is neither a .npy or .npz file nor numbers", text)
		}
		data[i] = v
	}
	shape := []int{len(data)}
	var declared []int
	for _, d := range f.Array.Shape {
		if d < 0 || d > math.MaxInt32 {
			return tensor.New(tensor.Float64, shape, data), nil
		}
		declared = append(declared, int(d))
	}
	if n, err := tensor.CheckShape(declared); err == nil && n == len(data) && len(declared) > 0 {
		shape = declared
	}
	return tensor.New(tensor.Float64, shape, data), nil
}
