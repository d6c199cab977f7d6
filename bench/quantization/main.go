// Quantization measures every mode at every number of bits: the size of the
// file and how far its answers are from those of the original. It prints the
// tables of docs/quantization.md:
//
//	go run ./bench/quantization -data ../shared/data
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/smelt-ml/smelt"
	"github.com/smelt-ml/smelt/compare"
	"github.com/smelt-ml/smelt/compress"
)

var (
	modes = []compress.Mode{compress.Linear, compress.LinearSymmetric, compress.LinearLUT, compress.KMeans}
	bits  = []int{8, 6, 4, 3, 2, 1}
)

func main() {
	log.SetFlags(0)
	data := flag.String("data", filepath.Join("..", "shared", "data"), "folder of models and images")
	flag.Parse()
	for _, m := range []struct{ title, model, images, metric, format string }{
		{"SqueezeNet, agreement of the first label in %", "squeezenet/SqueezeNet.mlmodel", "imagenet", "top1_agreement", "%.1f"},
		{"StyleWave, PSNR in dB", "style-wave/StyleWave.mlmodel", "imagenet-227", "psnr_db", "%.1f"},
	} {
		if err := table(m.title, filepath.Join(*data, "models", m.model), filepath.Join(*data, "images", m.images), m.metric, m.format); err != nil {
			log.Fatal("quantization: ", err)
		}
	}
}

// table prints one model's sizes and figures.
func table(title, model, images, name, format string) error {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "quantization")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	reference, err := smelt.Load(model, smelt.Options{})
	if err != nil {
		return err
	}
	defer reference.Close()
	inputs, err := compare.Images(images)
	if err != nil {
		return err
	}
	fmt.Printf("\n### %s\n\n| mode |", title)
	for _, b := range bits {
		fmt.Printf(" %d bits |", b)
	}
	fmt.Print("\n|--|")
	for range bits {
		fmt.Print("--|")
	}
	fmt.Println()
	samples := 0
	for _, mode := range modes {
		fmt.Printf("| %s |", mode)
		for _, b := range bits {
			small := filepath.Join(dir, "small.mlmodel")
			if _, err := smelt.Quantize(ctx, model, small, compress.Options{Bits: b, Mode: mode}); err != nil {
				if mode == compress.LinearSymmetric {
					fmt.Print(" – |") // a mode of 8 bits only
					continue
				}
				return err
			}
			p, err := smelt.Load(small, smelt.Options{})
			if err != nil {
				return err
			}
			report, err := smelt.Compare(ctx, reference, p, inputs, compare.Options{})
			if err != nil {
				return err
			}
			samples = report.Samples
			value, ok := report.Value(name)
			if !ok {
				return fmt.Errorf("%s: no metric %s", model, name)
			}
			if name == "top1_agreement" {
				value *= 100
			}
			fmt.Printf(" "+format+" (%.2f MB) |", value, float64(p.Size())/1e6)
			p.Close()
		}
		fmt.Println()
	}
	fmt.Printf("\n%d pictures; the original has %.2f MB.\n", samples, float64(reference.Size())/1e6)
	return nil
}
