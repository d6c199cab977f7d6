package main

import (
	"github.com/spf13/cobra"

	"github.com/smelt-ml/smelt"
	"github.com/smelt-ml/smelt/compare"
	"github.com/smelt-ml/smelt/internal/media"
	"github.com/smelt-ml/smelt/mlmodel"
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
