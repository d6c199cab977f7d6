package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/smelt-ml/smelt"
	"github.com/smelt-ml/smelt/compare"
	"github.com/smelt-ml/smelt/internal/convert"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/tensor"
)

// convertFlags are the flags of convert as they are given.
type convertFlags struct {
	out, to, target, precision string
	keep                       []string
	shapes                     []string
	pictures                   pictureFlags
	labels                     string
	rename                     map[string]string
	meta                       metaFlags
	conversions                []string
	partial                    string
	external                   bool
	noVerify                   bool
	inputs                     string
	seed                       uint64
}

func (a *app) convert() *cobra.Command {
	var c convertFlags
	formats := strings.Join(convert.Targets(), ", ")
	cmd := &cobra.Command{
		Use:   "convert IN -o OUT",
		Short: "Make an ML Program or an ONNX model of a neural network, an ML Program or an ONNX model",
		Long: `Make an ML Program (.mlpackage) of a neural network (.mlmodel), an ONNX model
(.onnx) or another ML Program; or an ONNX model of any of these. What OUT ends in
says which.

To an OUT.mlmodel, or with --to neuralnetwork, a NeuralNetwork is written: layers
that systems from iOS 11 on read, as low a version as the layers need. With
--image-input a network of pictures is one of those. --precision fp16 halves its
weights.

ONNX models of trees, support vectors, linear models and encoders (ai.onnx.ml, what
scikit-learn, XGBoost and LightGBM export) become the classical models of Core ML,
and pipelines of them, in an OUT.mlmodel; --to classical has any ONNX model tried.
Such models of Core ML become ONNX in an OUT.onnx. See docs/classical.md.

Floats are computed in float16 unless --precision says fp32; an ML Program keeps
its own. The target is the oldest system that has all operators, unless --target
names one. Inputs and outputs stay float32. An ONNX model computes in float32 unless
--precision says fp16; pictures are arrays in it (see docs/onnx-export.md).

Afterwards source and result answer the same input, made by chance or given with
--inputs, and the largest errors are told: max_rel_error is the largest error over
the largest value.

A shape is 1x3x224x224; with a range 1x3x64..512x64..512, the first being the
default; or several that are allowed, 1x3x224x224,1x3x512x512.

What cannot be converted is listed all at once, with the nearest way out. A file of
--conversions says what becomes of an operator: a custom layer, a composition in
MIL text, or another operator. --partial custom makes a custom layer of each
operator that has no conversion. See docs/custom-conversion.md.`,
		Example: `  smelt convert SqueezeNet.mlmodel -o SqueezeNet.mlpackage
  smelt convert resnet50.onnx -o resnet50.mlpackage --target ios16 --image-input input --color RGB --scale 0.0078431 --bias -1
  smelt convert SqueezeNet.mlmodel -o SqueezeNet.onnx
  smelt convert net.mlpackage -o net32.mlpackage --precision fp32
  smelt convert bert.onnx -o bert.mlpackage --shape input_ids=1x128 --keep-fp32 layer_norm --labels classes.txt
  smelt convert squeezenet.onnx -o squeezenet.mlmodel --shape data=1x3x227x227 --image-input data --labels classes.txt
  smelt convert forest.onnx -o forest.mlmodel
  smelt convert forest.mlmodel -o forest.onnx
  smelt convert net.onnx -o net.mlpackage --conversions acme.yaml
  smelt convert net.onnx -o net.mlpackage --partial custom`,
		Args: wants(1, 1, "one IN"),
	}
	f := cmd.Flags()
	f.StringVarP(&c.out, "output", "o", "", "`FILE` to write")
	f.StringVar(&c.to, "to", "", "format to write: "+formats+"; by default that of OUT's ending")
	f.StringVar(&c.target, "target", "", "oldest system that must run it: ios15, ios16, ios17 or ios18")
	f.StringVar(&c.precision, "precision", "", "type that floats are computed in: fp16 or fp32")
	f.StringSliceVar(&c.keep, "keep-fp32", nil, "operators, by type or name, that stay in float32: `OP,…`")
	f.StringArrayVar(&c.shapes, "shape", nil, "shapes of an input, `NAME=SHAPES`; may be repeated")
	c.pictures.add(cmd)
	f.StringVar(&c.labels, "labels", "", "`FILE` of class labels, one a line: makes a classifier")
	f.StringToStringVar(&c.rename, "rename", nil, "new names of inputs and outputs: `OLD=NEW,…`")
	c.meta.add(cmd)
	f.StringArrayVar(&c.conversions, "conversions", nil, "YAML or JSON `FILE` that says what becomes of operators; may be repeated")
	f.StringVar(&c.partial, "partial", "", "what becomes of operators without a conversion: custom (layers)")
	f.BoolVar(&c.external, "external-data", false, "put the weights of an ONNX model into a file beside it, OUT.data")
	f.BoolVar(&c.noVerify, "no-verify", false, "do not run source and result to compare them")
	f.StringVar(&c.inputs, "inputs", "", ".npy or .npz `FILE` or folder of inputs to compare them on")
	f.Uint64Var(&c.seed, "seed", 1, "of the input made by chance")
	cmd.MarkFlagsMutuallyExclusive("no-verify", "inputs")
	if err := cmd.MarkFlagRequired("output"); err != nil {
		panic(err) // there is such a flag, some lines above
	}
	cmd.RunE = a.verb(func(ctx context.Context, args []string) error {
		if os.Getenv("GOGC") == "" {
			// Weights are few and large: it costs little to look for unused ones often.
			defer debug.SetGCPercent(debug.SetGCPercent(40))
		}
		o, err := c.options(func(name string) bool { return f.Changed(name) })
		if err != nil {
			return err
		}
		if err := needFolder(c.out); err != nil {
			return err
		}
		r, err := smelt.Convert(ctx, args[0], c.out, o)
		if err != nil {
			if len(r.Unsupported) > 0 { // programs want the list, people the table
				return errors.Join(a.print(r, func(w io.Writer) { writeUnsupported(w, r.Unsupported) }), err)
			}
			return err
		}
		return a.print(r, func(w io.Writer) { writeConversion(w, r, args[0], c.out) })
	})
	return cmd
}

// options checks the flags.
func (c *convertFlags) options(given func(flag string) bool) (smelt.ConvertOptions, error) {
	o := smelt.ConvertOptions{To: c.to, ExternalData: c.external, Keep: c.keep, Rename: c.rename, ConversionFiles: c.conversions, Partial: c.partial}
	if c.to != "" && !slices.Contains(convert.Targets(), c.to) {
		return o, misuse("--to %q: want one of %s", c.to, strings.Join(convert.Targets(), ", "))
	}
	if c.partial != "" && c.partial != smelt.PartialCustom {
		return o, misuse("--partial %q: want %s", c.partial, smelt.PartialCustom)
	}
	if c.target != "" {
		targets := map[string]mil.Opset{"ios15": mil.IOS15, "ios16": mil.IOS16, "ios17": mil.IOS17, "ios18": mil.IOS18}
		if o.Target = targets[strings.ToLower(c.target)]; o.Target == 0 {
			return o, misuse("--target %q: want ios15, ios16, ios17 or ios18", c.target)
		}
	}
	switch c.precision {
	case "":
	case "fp16":
		o.Float = tensor.Float16
	case "fp32":
		o.Float = tensor.Float32
	default:
		return o, misuse("--precision %q: want fp16 or fp32", c.precision)
	}
	o.Shapes = map[string]smelt.InputShapes{}
	for _, s := range c.shapes {
		name, text, ok := strings.Cut(s, "=")
		if !ok || name == "" {
			return o, misuse("--shape %s: want NAME=SHAPES", s)
		}
		shapes, err := parseAllowed(text, false)
		if err != nil {
			return o, misuse("--shape %s: %w", s, err)
		}
		o.Shapes[name] = shapes
	}
	var err error
	if o.ImageInputs, o.ImageOutputs, err = c.pictures.options(given); err != nil {
		return o, err
	}
	if c.labels != "" {
		if o.Labels, err = readLines(c.labels); err != nil {
			return o, err
		}
	}
	if o.Metadata, err = c.meta.metadata(); err != nil {
		return o, err
	}
	if !c.noVerify {
		o.Verify = &smelt.ConvertVerify{Seed: c.seed}
		if c.inputs != "" {
			o.Verify.Inputs = func(face mlmodel.Interface) ([]map[string]any, error) { return someInputs(c.inputs, face) }
		}
	}
	return o, err
}

// readLines reads labels, one a line.
func readLines(path string) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var lines []string
	s := bufio.NewScanner(f)
	for s.Scan() {
		lines = append(lines, strings.TrimSuffix(s.Text(), "\r"))
	}
	if err := s.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(lines) == 0 {
		return nil, fmt.Errorf("%s: there are no labels", path)
	}
	return lines, nil
}

// someInputs reads the inputs that a conversion is checked on.
func someInputs(path string, face mlmodel.Interface) ([]map[string]any, error) {
	const most = 100
	source, err := compare.Arrays(path, face)
	if err != nil {
		return nil, err
	}
	var out []map[string]any
	for in := range source.All {
		if len(out) == most {
			break
		}
		features, err := in.Open()
		if err != nil {
			return nil, err
		}
		out = append(out, compare.Bind(features, face))
	}
	return out, nil
}

// parseAllowed reads 1x3x224x224, 1x3x64..512x64..512, or several with commas. A
// range may be endless, 64.., where that is allowed.
func parseAllowed(text string, endless bool) (smelt.InputShapes, error) {
	var s smelt.InputShapes
	all := strings.Split(text, ",")
	for _, one := range all {
		var shape []int
		ranged := false
		var ranges []mlmodel.Range
		for part := range strings.SplitSeq(one, "x") {
			low, high, isRange := strings.Cut(part, "..")
			a, err := strconv.Atoi(low)
			b := a
			if err == nil && isRange {
				ranged = true
				if b = -1; high != "" || !endless {
					b, err = strconv.Atoi(high)
				}
			}
			if err != nil || a < 1 || b < a && b != -1 || b == -1 && high != "" {
				return s, fmt.Errorf("%q is no size", part)
			}
			shape = append(shape, a)
			ranges = append(ranges, mlmodel.Range{Min: int64(a), Max: int64(b)})
		}
		if _, err := tensor.CheckShape(shape); err != nil {
			return s, err
		}
		switch {
		case ranged && len(all) > 1:
			return s, errors.New("want a range of sizes or several shapes, not both")
		case ranged:
			s.Ranges = ranges
		case len(all) > 1:
			if len(s.Enumerated) > 0 && len(s.Enumerated[0]) != len(shape) {
				return s, errors.New("the shapes have different ranks")
			}
			s.Enumerated = append(s.Enumerated, shape)
		}
		if s.Default == nil {
			s.Default = shape
		}
	}
	return s, nil
}

// writeUnsupported tells people what cannot be converted.
func writeUnsupported(w io.Writer, problems []smelt.Unsupported) {
	const most = 3 // names
	fmt.Fprint(w, "operator\tcount\tnodes\n")
	for _, p := range problems {
		name := p.Op
		if p.Domain != "" {
			name = p.Domain + "::" + p.Op
		}
		shown := strings.Join(p.Names[:min(len(p.Names), most)], ", ")
		if len(p.Names) > most {
			shown += ", …"
		}
		fmt.Fprintf(w, "%s\t%d\t%s\n", plain(name), p.Count, plain(shown))
	}
	fmt.Fprintln(w)
	for _, p := range problems {
		fmt.Fprintf(w, "%s: %s\n  way out: %s\n", plain(p.Op), plain(p.Reason), plain(p.WayOut))
	}
}

// writeConversion tells people what was done.
func writeConversion(w io.Writer, r *smelt.ConvertReport, in, out string) {
	for _, name := range slices.SortedFunc(maps.Keys(r.Ops), func(a, b string) int {
		return cmp.Or(r.Ops[b]-r.Ops[a], strings.Compare(a, b))
	}) {
		fmt.Fprintf(w, "%s\t%d\n", name, r.Ops[name])
	}
	fmt.Fprintln(w)
	for _, n := range r.Notes {
		fmt.Fprintf(w, "note: %s\n", plain(n))
	}
	if c := r.Check; c != nil {
		for _, name := range slices.Sorted(maps.Keys(c.Outputs)) {
			d := c.Outputs[name]
			snr := "∞"
			if d.SNR != nil {
				snr = fmt.Sprintf("%.1f dB", *d.SNR)
			}
			fmt.Fprintf(w, "%s: largest error %.3g (%.3g of the largest value), SNR %s\n", plain(name), d.MaxAbs, d.MaxRel, snr)
		}
		if len(c.Unchecked) > 0 {
			fmt.Fprintf(w, "not compared: %s: custom layers compute them, by code that is not in the model\n", plain(strings.Join(c.Unchecked, ", ")))
		}
		if c.Skipped != "" {
			fmt.Fprintf(w, "not compared: %s\n", plain(c.Skipped))
		}
	}
	fmt.Fprintf(w, "%s: %s for %s, %s, from %s (%s), in %.2f s\n", plain(out), convert.Title(r.Target), r.System, bytesText(r.SizeAfter), bytesText(r.SizeBefore), plain(r.Source), r.Seconds)
}
