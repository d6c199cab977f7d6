package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/smelt-ml/smelt"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/tensor"
)

// editFlags are the flags of edit as they are given.
type editFlags struct {
	out             string
	rename          map[string]string
	pictures        pictureFlags
	arrayInputs     []string
	arrayOutputs    []string
	dtypes          map[string]string
	images, shapes  []string
	fixed           []string
	labels          string
	describe        []string
	meta            metaFlags
	removed         []string
	minimize, plain bool
	seed            uint64
}

func (a *app) edit() *cobra.Command {
	var e editFlags
	cmd := &cobra.Command{
		Use:   "edit MODEL -o OUT",
		Short: "Change names, types and shapes of inputs and outputs, labels and metadata",
		Long: `Change what a model (.mlmodel, .mlpackage) says of itself: names, types and
shapes of inputs and outputs, labels, metadata. Everything else stays byte for
byte. OUT may be MODEL.

Features are called by the names that they have in MODEL. The specification
version rises only where a change needs it.

A flexible image is 224x224,256x256 (sizes that are allowed, WIDTHxHEIGHT) or
64..2048x64..2048 (a range; 64.. has no end). A flexible shape is
1x3x224x224,1x3x512x512 or 1x3x64..512x64..512. One shape alone is the new, fixed
one. Afterwards the model runs at all sizes enumerated, or at both ends of each
range and between them; if it cannot, the error names the layer, and sizes that
would work.`,
		Example: `  smelt edit SqueezeNet.mlmodel -o flexible.mlmodel --flexible-image image=227x227,256x256
  smelt edit Style.mlmodel -o Style.mlmodel --flexible-image image=64..2048x64..2048
  smelt edit net.mlpackage -o app.mlpackage --rename x=image,y=scores --image-input x --scale 0.0078431 --bias -1
  smelt edit net.mlmodel -o named.mlmodel --labels classes.txt --author "Ann" --describe image="a photograph"`,
		Args: wants(1, 1, "one MODEL"),
	}
	f := cmd.Flags()
	f.StringVarP(&e.out, "output", "o", "", "file or package to write")
	f.StringToStringVar(&e.rename, "rename", nil, "new names of inputs and outputs: `OLD=NEW,…`")
	e.pictures.add(cmd)
	f.StringArrayVar(&e.arrayInputs, "array-input", nil, "picture `NAME` that becomes an array; may be repeated")
	f.StringArrayVar(&e.arrayOutputs, "array-output", nil, "picture `NAME` that becomes an array; may be repeated")
	f.StringToStringVar(&e.dtypes, "dtype", nil, "element types of arrays, float16, float32, double or int32: `NAME=TYPE,…`")
	f.StringArrayVar(&e.images, "flexible-image", nil, "sizes that a picture may have, `NAME=SIZES`; may be repeated")
	f.StringArrayVar(&e.shapes, "flexible-shape", nil, "shapes that an array may have, `NAME=SHAPES`; may be repeated")
	f.StringArrayVar(&e.fixed, "unset-flexible", nil, "input or output `NAME` that keeps its default shape only; may be repeated")
	f.StringVar(&e.labels, "labels", "", "`FILE` of class labels, one a line: makes a classifier, or replaces its labels")
	f.StringArrayVar(&e.describe, "describe", nil, "description of an input or output, `NAME=TEXT`; may be repeated")
	e.meta.add(cmd)
	f.StringArrayVar(&e.removed, "unset-meta", nil, "`KEY` of other metadata to leave out; may be repeated")
	f.BoolVar(&e.minimize, "minimize-version", false, "lower the specification version as far as the model allows")
	f.BoolVar(&e.plain, "no-verify", false, "do not run the result")
	f.Uint64Var(&e.seed, "seed", 1, "of the inputs made by chance that it runs on")
	if err := cmd.MarkFlagRequired("output"); err != nil {
		panic(err) // there is such a flag, some lines above
	}
	cmd.RunE = a.verb(func(ctx context.Context, args []string) error {
		o, err := e.options(func(name string) bool { return f.Changed(name) })
		if err != nil {
			return err
		}
		if err := needFolder(e.out); err != nil {
			return err
		}
		r, err := smelt.Edit(ctx, args[0], e.out, o)
		if err != nil {
			return err
		}
		return a.print(r, func(w io.Writer) { writeEdits(w, r, e.out) })
	})
	return cmd
}

// options checks the flags.
func (e *editFlags) options(given func(flag string) bool) (smelt.EditOptions, error) {
	o := smelt.EditOptions{
		Rename: e.rename, ArrayInputs: e.arrayInputs, ArrayOutputs: e.arrayOutputs, Fixed: e.fixed, Minimize: e.minimize,
		DTypes: map[string]tensor.DType{}, Flexible: map[string]smelt.InputShapes{}, Descriptions: map[string]string{},
	}
	for old, name := range e.rename {
		if old == "" || name == "" {
			return o, misuse("--rename %s=%s: want OLD=NEW", old, name)
		}
	}
	var err error
	if o.ImageInputs, o.ImageOutputs, err = e.pictures.options(given); err != nil {
		return o, err
	}
	types := map[string]tensor.DType{"float16": tensor.Float16, "float32": tensor.Float32, "double": tensor.Float64, "int32": tensor.Int32}
	for name, text := range e.dtypes {
		d, ok := types[strings.ToLower(text)]
		if !ok {
			return o, misuse("--dtype %s=%s: want float16, float32, double or int32", name, text)
		}
		o.DTypes[name] = d
	}
	for _, flag := range []struct {
		name  string
		given []string
		parse func(string) (smelt.InputShapes, error)
	}{{"flexible-image", e.images, parseSizes}, {"flexible-shape", e.shapes, parseFlexible}} {
		for _, text := range flag.given {
			name, shapes, ok := strings.Cut(text, "=")
			if !ok || name == "" {
				return o, misuse("--%s %s: want NAME=SHAPES", flag.name, text)
			}
			s, err := flag.parse(shapes)
			if err != nil {
				return o, misuse("--%s %s: %w", flag.name, text, err)
			}
			o.Flexible[name] = s
		}
	}
	for _, text := range e.describe {
		name, what, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return o, misuse("--describe %s: want NAME=TEXT", text)
		}
		o.Descriptions[name] = what
	}
	if e.labels != "" {
		if o.Labels, err = readLines(e.labels); err != nil {
			return o, err
		}
	}
	said, err := e.meta.metadata()
	if err != nil {
		return o, err
	}
	o.Metadata = smelt.EditMetadata{UserDefined: said.UserDefined, Remove: e.removed}
	for flag, to := range map[string]**string{
		"author": &o.Metadata.Author, "license": &o.Metadata.License, "model-version": &o.Metadata.Version, "description": &o.Metadata.ShortDescription,
	} {
		if given(flag) {
			*to = map[string]*string{
				"author": &said.Author, "license": &said.License, "model-version": &said.Version, "description": &said.ShortDescription,
			}[flag]
		}
	}
	if !e.plain {
		o.Verify = &smelt.EditVerify{Seed: e.seed}
	}
	return o, nil
}

// parseFlexible reads the shapes of an array that exists: its default stays
// unless one shape alone is given.
func parseFlexible(text string) (smelt.InputShapes, error) {
	s, err := parseAllowed(text, true)
	if s.Ranges != nil || s.Enumerated != nil {
		s.Default = nil
	}
	return s, err
}

// parseSizes reads the sizes of pictures, WIDTHxHEIGHT, as [height, width].
func parseSizes(text string) (smelt.InputShapes, error) {
	s, err := parseFlexible(text)
	if err != nil {
		return s, err
	}
	for _, shape := range append([][]int{s.Default}, s.Enumerated...) {
		if shape != nil && len(shape) != 2 {
			return s, fmt.Errorf("want sizes WIDTHxHEIGHT")
		}
		if shape != nil {
			shape[0], shape[1] = shape[1], shape[0]
		}
	}
	if s.Ranges != nil {
		if len(s.Ranges) != 2 {
			return s, fmt.Errorf("want sizes WIDTHxHEIGHT")
		}
		s.Ranges = []mlmodel.Range{s.Ranges[1], s.Ranges[0]}
	}
	return s, nil
}

// writeEdits tells people what was changed.
func writeEdits(w io.Writer, r *smelt.EditReport, out string) {
	for _, c := range r.Changes {
		fmt.Fprintf(w, "%s\t%s\t%s → %s\n", c.Kind, plain(c.Feature), cmp.Or(plain(c.Before), "–"), cmp.Or(plain(c.After), "–"))
	}
	if len(r.Changes) == 0 {
		fmt.Fprintln(w, "nothing changes")
	}
	ran := 0
	for _, c := range r.Checks {
		if c.Ran {
			ran++
			continue
		}
		fmt.Fprintf(w, "not run (%s): %s\n", c.At, plain(c.Note))
	}
	if ran > 0 {
		fmt.Fprintf(w, "runs at %d of %d sets of shapes\n", ran, len(r.Checks))
	}
	fmt.Fprintf(w, "%s: %s, specification version %d (%s)\n", plain(out), r.Type, r.SpecVersion, r.System)
}
