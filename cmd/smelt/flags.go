package main

import (
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/smelt-ml/smelt"
	"github.com/smelt-ml/smelt/compare"
	"github.com/smelt-ml/smelt/internal/edit"
	"github.com/smelt-ml/smelt/internal/media"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/mlmodel/spec"
)

// loadFlags are those of verbs that run models.
type loadFlags struct {
	fit, filter string
	shortSide   int
	function    string
	threads     int
	strict      bool
}

func (l *loadFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&l.fit, "fit", "squash", "how pictures fill the input: squash, crop or letterbox")
	f.StringVar(&l.filter, "filter", "lanczos", "how pictures are resized: lanczos, bilinear or bicubic")
	f.IntVar(&l.shortSide, "short-side", 0, "with --fit crop: pixels of the shorter side before the crop (0: 256/224 of the input)")
	f.StringVar(&l.function, "function", "", "function of an ML Program that has several")
	f.IntVar(&l.threads, "threads", 0, "threads of one prediction (0: all cores)")
	f.BoolVar(&l.strict, "strict", false, "round every float16 result to float16")
}

func (l *loadFlags) options() (smelt.Options, error) {
	o := smelt.Options{Function: l.function, Threads: l.threads, Strict: l.strict}
	if l.threads < 0 || l.shortSide < 0 {
		return o, misuse("--threads and --short-side want 0 or more")
	}
	switch l.fit {
	case "squash":
	case "crop":
		o.Fit.Mode = media.Crop
	case "letterbox":
		o.Fit.Mode = media.Letterbox
	default:
		return o, misuse("--fit %q: want squash, crop or letterbox", l.fit)
	}
	var err error
	if o.Fit.Filter, err = media.ParseFilter(l.filter); err != nil {
		return o, misuse("--filter %q: want lanczos, bilinear or bicubic", l.filter)
	}
	o.Fit.ShortSide = l.shortSide
	return o, nil
}

// sourceFlags tell where inputs come from.
type sourceFlags struct{ images, arrays string }

func (s *sourceFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&s.images, "images", "", "`FOLDER` of pictures, one an input")
	f.StringVar(&s.arrays, "inputs", "", ".npy or .npz `FILE`, or a folder of them, each one input or rows of inputs")
	cmd.MarkFlagsMutuallyExclusive("images", "inputs")
}

func (s *sourceFlags) check() error {
	if s.images == "" && s.arrays == "" {
		return misuse("want --images or --inputs")
	}
	return nil
}

func (s *sourceFlags) open(face mlmodel.Interface) (compare.Source, error) {
	if s.images != "" {
		return compare.Images(s.images)
	}
	return compare.Arrays(s.arrays, face)
}

// metaFlags say what a model is.
type metaFlags struct {
	author, license, version, description string
	user                                  []string
}

func (m *metaFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&m.author, "author", "", "author of the model")
	f.StringVar(&m.license, "license", "", "licence of the model")
	f.StringVar(&m.version, "model-version", "", "version of the model")
	f.StringVar(&m.description, "description", "", "what the model does")
	f.StringArrayVar(&m.user, "meta", nil, "other metadata, `KEY=VALUE`; may be repeated")
}

func (m *metaFlags) metadata() (mlmodel.Metadata, error) {
	out := mlmodel.Metadata{Author: m.author, License: m.license, Version: m.version, ShortDescription: m.description, UserDefined: map[string]string{}}
	for _, text := range m.user {
		key, value, ok := strings.Cut(text, "=")
		if !ok || key == "" {
			return out, misuse("--meta %s: want KEY=VALUE", text)
		}
		out.UserDefined[key] = value
	}
	return out, nil
}

// pictureFlags make pictures of arrays.
type pictureFlags struct {
	inputs, outputs []string
	color           string
	scale           float32
	bias            []float32
}

func (p *pictureFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringArrayVar(&p.inputs, "image-input", nil, "input `NAME` that becomes a picture; may be repeated")
	f.StringArrayVar(&p.outputs, "image-output", nil, "output `NAME` that becomes a picture; may be repeated")
	f.StringVar(&p.color, "color", "RGB", "colours of these pictures: RGB, BGR, GRAY or GRAY16")
	f.Float32Var(&p.scale, "scale", 1, "factor of pixels from 0 to 255")
	f.Float32SliceVar(&p.bias, "bias", nil, "added to scaled pixels: one `NUMBER`, or one for each channel in the order of --color")
}

var colors = map[string]edit.Color{
	"RGB": spec.ImageFeatureType_RGB, "BGR": spec.ImageFeatureType_BGR,
	"GRAY": spec.ImageFeatureType_GRAYSCALE, "GRAY16": spec.ImageFeatureType_GRAYSCALE_FLOAT16,
}

func (p *pictureFlags) options(given func(flag string) bool) (map[string]smelt.ImageInput, map[string]edit.Color, error) {
	color, ok := colors[strings.ToUpper(p.color)]
	switch {
	case !ok:
		return nil, nil, misuse("--color %q: want one of %s", p.color, strings.Join(slices.Sorted(maps.Keys(colors)), ", "))
	case len(p.inputs) == 0 && (given("scale") || given("bias")):
		return nil, nil, misuse("--scale and --bias go with --image-input")
	case len(p.inputs)+len(p.outputs) == 0 && given("color"):
		return nil, nil, misuse("--color goes with --image-input or --image-output")
	}
	inputs, outputs := map[string]smelt.ImageInput{}, map[string]edit.Color{}
	for _, name := range p.inputs {
		inputs[name] = smelt.ImageInput{Color: color, Scale: p.scale, Bias: p.bias}
	}
	for _, name := range p.outputs {
		outputs[name] = color
	}
	return inputs, outputs, nil
}
