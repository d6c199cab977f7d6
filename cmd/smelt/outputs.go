package main

import (
	"errors"
	"fmt"
	"image"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/smelt-ml/smelt"
	"github.com/smelt-ml/smelt/compare"
	"github.com/smelt-ml/smelt/compare/metric"
	"github.com/smelt-ml/smelt/internal/media"
	"github.com/smelt-ml/smelt/tensor"
)

// prediction is what is said of one input.
type prediction struct {
	Input   string          `json:"input"`
	Outputs map[string]any  `json:"outputs"`
	Top     []compare.Class `json:"top"`
	label   string
}

// arrayReport is an array among the outputs.
type arrayReport struct {
	DType string `json:"dtype"`
	Shape []int  `json:"shape"`
	// Values are in row-major order; null where a file has them, and for what
	// is no finite number.
	Values []metric.Number `json:"values"`
	File   string          `json:"file,omitempty"`
	stats  string
}

// pictureReport is a picture among the outputs.
type pictureReport struct {
	Width  int    `json:"width"`
	Height int    `json:"height"`
	File   string `json:"file,omitempty"`
}

// describe reports outputs, and saves pictures and arrays where that is asked
// for.
func (w *predictionWriter) describe(input string, index int, out smelt.Features) (*prediction, error) {
	p := &prediction{Input: input, Outputs: map[string]any{}, Top: []compare.Class{}}
	for _, name := range slices.Sorted(maps.Keys(out)) {
		var err error
		switch v := out[name].(type) {
		case *tensor.Tensor:
			p.Outputs[name], err = w.array(input, index, name, v)
		case image.Image:
			p.Outputs[name], err = w.picture(input, index, name, v)
		case map[string]float64:
			p.Outputs[name] = numbers(v)
			if name == w.face.PredictedProbabilities || w.face.PredictedProbabilities == "" {
				p.Top = compare.Top(v, w.top)
			}
		case map[int64]float64:
			named := make(map[string]float64, len(v))
			for class, probability := range v {
				named[strconv.FormatInt(class, 10)] = probability
			}
			p.Outputs[name] = numbers(named)
			if name == w.face.PredictedProbabilities || w.face.PredictedProbabilities == "" {
				p.Top = compare.Top(named, w.top)
			}
		case float64:
			p.Outputs[name] = metric.Number(v)
		default:
			p.Outputs[name] = v
			if name == w.face.PredictedFeature {
				p.label = fmt.Sprint(v)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("output %q: %w", name, err)
		}
	}
	return p, nil
}

func numbers(v map[string]float64) map[string]metric.Number {
	out := make(map[string]metric.Number, len(v))
	for name, x := range v {
		out[name] = metric.Number(x)
	}
	return out
}

func (w *predictionWriter) array(input string, index int, name string, t *tensor.Tensor) (any, error) {
	if t.DType() == tensor.String {
		return t.Strings(), nil
	}
	r := &arrayReport{DType: t.DType().String(), Shape: append([]int{}, t.Shape()...)}
	values := t.Float64s()
	if w.files != nil {
		path, err := w.files.write(input, index, name, ".npy", func(f io.Writer) error { return tensor.WriteNPY(f, t) })
		if err != nil {
			return nil, err
		}
		r.File = path
	} else if w.json {
		r.Values = make([]metric.Number, len(values))
		for i, v := range values {
			r.Values[i] = metric.Number(v)
		}
	}
	r.stats = statistics(values)
	return r, nil
}

// statistics says in short what is in an array.
func statistics(v []float64) string {
	if len(v) == 0 {
		return "empty"
	}
	if len(v) <= 8 {
		var all []string
		for _, x := range v {
			all = append(all, fmt.Sprintf("%.5g", x))
		}
		return strings.Join(all, " ")
	}
	least, most, sum := math.Inf(1), math.Inf(-1), 0.0
	for _, x := range v {
		least, most, sum = min(least, x), max(most, x), sum+x
	}
	return fmt.Sprintf("%.5g … %.5g, mean %.5g", least, most, sum/float64(len(v)))
}

func (w *predictionWriter) picture(input string, index int, name string, m image.Image) (any, error) {
	r := &pictureReport{Width: m.Bounds().Dx(), Height: m.Bounds().Dy()}
	if w.files != nil {
		path, err := w.files.write(input, index, name, ".png", func(f io.Writer) error { return media.EncodePNG(f, media.FromStd(m)) })
		if err != nil {
			return nil, err
		}
		r.File = path
	}
	return r, nil
}

// write prints a prediction for people.
func (p *prediction) write(w io.Writer) {
	fmt.Fprintf(w, "%s\n", plain(p.Input))
	for _, c := range p.Top {
		fmt.Fprintf(w, "  %.4f\t%s\n", c.Probability, plain(c.Label))
	}
	for _, name := range slices.Sorted(maps.Keys(p.Outputs)) {
		switch v := p.Outputs[name].(type) {
		case *arrayReport:
			fmt.Fprintf(w, "  %s\t%s %s\t%s\t%s\n", plain(name), v.DType, tensor.FormatShape(v.Shape), v.stats, v.File)
		case *pictureReport:
			fmt.Fprintf(w, "  %s\t%d×%d pixels\t%s\n", plain(name), v.Width, v.Height, v.File)
		case map[string]metric.Number:
		case metric.Number:
			fmt.Fprintf(w, "  %s\t%v\n", plain(name), float64(v))
		default:
			if len(p.Top) == 0 || fmt.Sprint(v) != p.label {
				fmt.Fprintf(w, "  %s\t%s\n", plain(name), plain(fmt.Sprint(v)))
			}
		}
	}
}

// outputFiles saves outputs in a folder, named after the input and the output.
type outputFiles struct {
	dir   string
	mu    sync.Mutex
	taken map[string]int // index of the input that a name belongs to
}

func newOutputFiles(dir string) (*outputFiles, error) {
	return &outputFiles{dir: dir, taken: map[string]int{}}, os.MkdirAll(dir, 0o777)
}

// stem is the beginning of the names of an input's files: that of a.jpg is a,
// that of rows.npy[3] rows-3. Where two inputs differ in nothing else, such as
// a.jpg and a.png, it gets a number.
func (o *outputFiles) stem(input string, index int) string {
	stem, row := input, ""
	if i := strings.LastIndex(input, "["); i > 0 && strings.HasSuffix(input, "]") {
		stem, row = input[:i], "-"+input[i+1:len(input)-1]
	}
	stem = fileName(strings.TrimSuffix(stem, filepath.Ext(stem)) + row)
	stem = stem[:min(len(stem), longName)]
	o.mu.Lock()
	defer o.mu.Unlock()
	if other, ok := o.taken[stem]; ok && other != index {
		stem = fmt.Sprintf("%s-%d", stem, index)
	}
	o.taken[stem] = index
	return stem
}

// write makes a file that appears whole or not at all, and returns its path.
func (o *outputFiles) write(input string, index int, output, ext string, encode func(io.Writer) error) (path string, err error) {
	name := fileName(output)
	name = name[max(0, len(name)-longName):] // the ends of such names differ
	path = filepath.Join(o.dir, o.stem(input, index)+"_"+name+ext)
	temp := fmt.Sprintf("%s.%d.tmp", path, os.Getpid())
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return "", err
	}
	if err = errors.Join(encode(f), f.Sync(), f.Close()); err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		os.Remove(temp)
		return "", err
	}
	return path, nil
}

// longName is the most bytes of an input's and of an output's name in the name of
// a file, which systems bound to 255.
const longName = 100

// fileName makes a file name of a name from outside.
func fileName(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '-' || r == '_' || r == '.' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '_'
	}, s)
}
