package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/smelt-ml/smelt"
	"github.com/smelt-ml/smelt/compress"
)

func (a *app) quantize() *cobra.Command {
	var (
		o          compress.Options
		out        string
		mode       string
		table      string
		keep       []string
		keepTypes  []string
		keepBiases bool
	)
	cmd := &cobra.Command{
		Use:   "quantize MODEL -o OUT --bits N",
		Short: "Make a model smaller by weights of fewer bits",
		Long: `Make a model smaller by weights of fewer bits.

The modes: linear (scale and bias of each channel), linear_symmetric (zero in the
middle), linear_lut (a table of evenly spaced values), kmeans (the table with the
least squared error), custom_lut (tables from a file). 16 bits are half-precision
floats, in any mode.`,
		Example: `  smelt quantize SqueezeNet.mlmodel -o small.mlmodel --bits 8
  smelt quantize SqueezeNet.mlmodel -o tiny.mlmodel --bits 4 --mode kmeans --keep '^conv1$'
  smelt quantize m.mlmodel -o lut.mlmodel --bits 2 --mode custom_lut --lut-table table.json`,
		Args: wants(1, 1, "one MODEL"),
	}
	f := cmd.Flags()
	f.StringVarP(&out, "output", "o", "", "file to write")
	f.IntVar(&o.Bits, "bits", 8, "bits of a weight: 16, or 8 to 1")
	f.StringVar(&mode, "mode", string(compress.Linear), "linear, linear_symmetric, linear_lut, kmeans or custom_lut")
	f.StringVar(&table, "lut-table", "", "JSON `FILE` of lookup tables: a list of 2^bits numbers, or an object from layers to such lists")
	f.StringArrayVar(&keep, "keep", nil, "keep weights whose name matches this `REGEXP`; may be repeated")
	f.StringArrayVar(&keepTypes, "keep-type", nil, "keep weights of layers of this `TYPE`; may be repeated")
	f.IntVar(&o.MinElements, "min-elements", 0, "keep weights of fewer elements (0: 1 in networks, 2049 in ML Programs)")
	f.BoolVar(&keepBiases, "keep-biases", false, "keep biases and other vectors")
	f.BoolVar(&o.Again, "again", false, "quantize what is quantized already once more")
	if err := cmd.MarkFlagRequired("output"); err != nil {
		panic(err) // there is such a flag, two lines above
	}
	cmd.RunE = a.verb(func(ctx context.Context, args []string) error {
		o.Mode = compress.Mode(mode)
		if keepBiases {
			o.Vectors = compress.VectorsKeep
		}
		if (table != "") != (o.Mode == compress.CustomLUT) {
			return misuse("--lut-table goes with --mode custom_lut, and only with that")
		}
		if !slices.Contains([]compress.Mode{compress.Linear, compress.LinearSymmetric, compress.LinearLUT, compress.KMeans, compress.CustomLUT}, o.Mode) {
			return misuse("--mode %q: want linear, linear_symmetric, linear_lut, kmeans or custom_lut", mode)
		}
		if o.Bits != 16 && (o.Bits < 1 || o.Bits > 8) {
			return misuse("--bits %d: want 16, or 8 to 1", o.Bits)
		}
		if o.MinElements < 0 {
			return misuse("--min-elements %d: want 0 or more", o.MinElements)
		}
		chosen, err := newSelection(keep, keepTypes)
		if err != nil {
			return err
		}
		o.Select = chosen.take
		if table != "" {
			if o.Tables, err = readTables(table); err != nil {
				return err
			}
		}
		if err := needFolder(out); err != nil {
			return err
		}
		report, err := a.shrink(ctx, args[0], out, o, chosen)
		if err != nil {
			return err
		}
		return a.print(report, func(w io.Writer) { report.write(w, out) })
	})
	return cmd
}

func readTables(path string) (compress.Tables, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	t, err := compress.ReadTables(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}

// selection is which weights are compressed, by name and type. Each rule must
// keep something: one that is written wrongly should not go unnoticed.
type selection struct {
	names []*regexp.Regexp
	types []string
	used  map[string]bool
}

func newSelection(names, types []string) (*selection, error) {
	s := &selection{types: types, used: map[string]bool{}}
	for _, expr := range names {
		re, err := regexp.Compile(expr)
		if err != nil {
			return nil, misuse("--keep: %w", err)
		}
		s.names = append(s.names, re)
	}
	return s, nil
}

// take is compress.Options.Select.
func (s *selection) take(w compress.Weight) bool {
	ok := true
	for _, re := range s.names {
		if re.MatchString(w.Name) || re.MatchString(w.Layer) {
			s.used["--keep "+re.String()] = true
			ok = false
		}
	}
	if slices.Contains(s.types, w.Type) {
		s.used["--keep-type "+w.Type] = true
		ok = false
	}
	return ok
}

// check finds a rule that kept nothing.
func (s *selection) check() error {
	for _, re := range s.names {
		if !s.used["--keep "+re.String()] {
			return fmt.Errorf("--keep %s: no weight has such a name", re)
		}
	}
	for _, t := range s.types {
		if !s.used["--keep-type "+t] {
			return fmt.Errorf("--keep-type %s: no weight is of a layer of this type", t)
		}
	}
	return nil
}

type quantizeReport struct {
	*compress.Report
	SizeBefore int64   `json:"size_before"`
	SizeAfter  int64   `json:"size_after"`
	Seconds    float64 `json:"seconds"`
}

// shrink quantizes a file into another one.
func (a *app) shrink(ctx context.Context, in, out string, o compress.Options, chosen *selection) (*quantizeReport, error) {
	start := time.Now()
	m, err := smelt.Open(in)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	info, err := m.Info()
	if err != nil {
		return nil, err
	}
	show, finish := a.progress("quantizing")
	o.Progress = show
	r, err := m.Quantize(ctx, o)
	finish()
	if err != nil {
		return nil, err
	}
	if err := chosen.check(); err != nil {
		return nil, err
	}
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	if err := m.Save(out); err != nil {
		return nil, err
	}
	after, err := sizeOf(out)
	if err != nil {
		return nil, err
	}
	return &quantizeReport{r, info.SizeBytes, after, time.Since(start).Seconds()}, nil
}

// sizeOf returns the bytes of a model that was just written.
func sizeOf(path string) (int64, error) {
	m, err := smelt.Open(path)
	if err != nil {
		return 0, fmt.Errorf("read what was written: %w", err)
	}
	info, err := m.Info()
	return info.SizeBytes, errors.Join(err, m.Close())
}

func (r *quantizeReport) write(w io.Writer, out string) {
	fmt.Fprintf(w, "weight\tbits\tmode\tbytes\tMSE\tmax error\tSNR dB\n")
	for _, l := range r.Layers {
		snr := "∞"
		if l.SNR != nil {
			snr = fmt.Sprintf("%.1f", *l.SNR)
		}
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%.3g\t%.3g\t%s\n", plain(l.Name), l.Bits, l.Mode, commas(l.After), l.MSE, l.MaxError, snr)
		if l.Note != "" {
			fmt.Fprintf(w, "  %s\n", plain(l.Note))
		}
	}
	if len(r.Kept) > 0 {
		fmt.Fprintf(w, "\n%d weights were kept:\n", len(r.Kept))
		for _, k := range r.Kept {
			fmt.Fprintf(w, "%s\t%d\t\t%s\t%s\n", plain(k.Name), k.Bits, commas(k.Bytes), plain(k.Reason))
		}
	}
	fmt.Fprintf(w, "\n%s: %s, from %s (%.1f %%), in %.1f s\n", out, bytesText(r.SizeAfter), bytesText(r.SizeBefore),
		100*float64(r.SizeAfter)/float64(max(r.SizeBefore, 1)), r.Seconds)
}
