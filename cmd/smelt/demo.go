package main

import (
	"context"
	"embed"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/smelt-ml/smelt"
	"github.com/smelt-ml/smelt/compare"
	"github.com/smelt-ml/smelt/compress"
	"github.com/smelt-ml/smelt/internal/media"
)

//go:embed demo/SqueezeNet.mlmodel demo/*.jpg
var demoFiles embed.FS

const demoModel = "demo/SqueezeNet.mlmodel"

// demoVariants are the smaller models that the demonstration makes; the first
// one is kept.
var demoVariants = []compress.Options{
	{Bits: 8, Mode: compress.Linear},
	{Bits: 6, Mode: compress.KMeans},
	{Bits: 4, Mode: compress.KMeans},
	{Bits: 2, Mode: compress.KMeans},
}

func (a *app) demo() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Shrink and compare a model that comes with smelt",
		Long: `Shrink a SqueezeNet that comes with smelt to fewer and fewer bits, and compare
each with the original over 20 photographs. The model of 8 bits is written to the
current folder.`,
		Example: `  smelt demo`,
		Args:    wants(0, 0, "no argument"),
	}
	cmd.Flags().StringVarP(&out, "output", "o", "SqueezeNet-8bit.mlmodel", "`FILE` for the model of 8 bits")
	cmd.RunE = a.verb(func(ctx context.Context, _ []string) error {
		report, err := a.runDemo(ctx, out)
		if err != nil {
			return err
		}
		return a.print(report, report.write)
	})
	return cmd
}

type demoReport struct {
	Original int64         `json:"size_before"`
	Variants []demoVariant `json:"variants"`
	Output   string        `json:"output"`
	Seconds  float64       `json:"seconds"`
}

type demoVariant struct {
	Bits       int             `json:"bits"`
	Mode       compress.Mode   `json:"mode"`
	Size       int64           `json:"size_after"`
	Comparison *compare.Report `json:"comparison"`
}

// runDemo makes the smaller models in a temporary folder, compares them, and
// keeps the first one.
func (a *app) runDemo(ctx context.Context, out string) (*demoReport, error) {
	start := time.Now()
	if err := needFolder(out); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "smelt-demo-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	original := filepath.Join(dir, "original.mlmodel")
	data, err := demoFiles.ReadFile(demoModel)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(original, data, 0o666); err != nil {
		return nil, err
	}
	var models []*smelt.Predictor
	paths := []string{original}
	for i, o := range demoVariants {
		path := filepath.Join(dir, fmt.Sprintf("%d.mlmodel", i))
		if _, err := smelt.Quantize(ctx, original, path, o); err != nil {
			return nil, err
		}
		paths = append(paths, path)
	}
	for _, path := range paths {
		p, err := smelt.Load(path, smelt.Options{})
		if err != nil {
			return nil, err
		}
		defer p.Close()
		models = append(models, p)
	}
	show, finish := a.progress("comparing")
	reports, err := smelt.CompareAll(ctx, models[0], models[1:], demoPhotos(), compare.Options{Progress: show, Worst: -1})
	finish()
	if err != nil {
		return nil, err
	}
	kept, err := smelt.Open(paths[1])
	if err != nil {
		return nil, err
	}
	defer kept.Close()
	if err := kept.Save(out); err != nil {
		return nil, err
	}
	r := &demoReport{Original: models[0].Size(), Output: out, Seconds: time.Since(start).Seconds()}
	for i, c := range reports {
		r.Variants = append(r.Variants, demoVariant{demoVariants[i].Bits, demoVariants[i].Mode, models[i+1].Size(), c})
	}
	return r, nil
}

// demoPhotos are the photographs that come with the program.
func demoPhotos() compare.Source {
	names, err := fs.Glob(demoFiles, "demo/*.jpg")
	if err != nil {
		panic(err) // the pattern is right
	}
	return compare.Source{Len: len(names), All: func(yield func(compare.Input) bool) {
		for _, name := range names {
			if !yield(compare.Input{Name: path.Base(name), Open: func() (compare.Features, error) {
				f, err := demoFiles.Open(name)
				if err != nil {
					return nil, err
				}
				defer f.Close()
				m, err := media.Decode(f, media.Options{})
				if err != nil {
					return nil, err
				}
				return compare.Features{"": m}, nil
			}}) {
				return
			}
		}
	}}
}

func (r *demoReport) write(w io.Writer) {
	fmt.Fprintf(w, "weights\tsize\tof the original\tsame first class\tin the first five\tKL divergence\n")
	fmt.Fprintf(w, "16 bits, original\t%s\t\t\t\t\n", bytesText(r.Original))
	for _, v := range r.Variants {
		value := func(name string) float64 {
			x, _ := v.Comparison.Value(name)
			return x
		}
		fmt.Fprintf(w, "%d bits, %s\t%s\t%.0f %%\t%.0f %%\t%.0f %%\t%.4f\n", v.Bits, v.Mode, bytesText(v.Size),
			100*float64(v.Size)/float64(r.Original), 100*value("top1_agreement"), 100*value("top5_agreement"), value("kl_divergence"))
	}
	fmt.Fprintf(w, "\n%d photographs, %d models, %.1f s\n", r.Variants[0].Comparison.Samples, len(r.Variants)+1, r.Seconds)
	fmt.Fprintf(w, "The model of %d bits is in %s; try: smelt info %[2]s\n", r.Variants[0].Bits, r.Output)
}
