package compare

import (
	"fmt"
	"image"
	"math"
	"path/filepath"
	"slices"

	"github.com/smelt-ml/smelt/compare/metric"
	"github.com/smelt-ml/smelt/internal/media"
	"github.com/smelt-ml/smelt/tensor"
)

// Sheet collects what models made of the first inputs for a picture to look
// at: a row an input, a column a model, the reference at the left. Models that
// give pictures show these, with their PSNR against the reference; others the
// input itself, with the first class and its probability.
type Sheet struct {
	limit int
	sizes []int64
	sheet media.Sheet
	seen  int
	err   error
}

// sheetCell is the longest side of a picture on the sheet, in pixels.
const sheetCell = 256

// NewSheet returns a sheet of at most so many rows for models of these names
// and sizes in bytes, the reference first.
func NewSheet(rows int, names []string, sizes []int64) *Sheet {
	s := &Sheet{limit: rows, sizes: sizes, sheet: media.Sheet{CellSize: sheetCell}}
	for _, name := range names {
		s.sheet.Columns = append(s.sheet.Columns, filepath.Base(name))
	}
	return s
}

// Add is an Options.Seen.
func (s *Sheet) Add(in Features, samples []metric.Sample) {
	s.seen++
	if s.err != nil || len(s.sheet.Cells) == s.limit {
		return
	}
	photo := pictureOf(in)
	var row []media.Cell
	for i, sample := range samples {
		cell := media.Cell{Image: photo}
		line := sizeText(s.sizes[i])
		if m := outputPicture(sample); m != nil {
			cell.Image = m
			if i > 0 {
				psnr, err := metric.PSNR{Peak: 255}.Score(samples[0], sample)
				if err != nil {
					s.err = err
					return
				}
				line += ", " + decibels(psnr.Value)
			}
			cell.Captions = []string{line}
		} else {
			cell.Captions = []string{line, topLine(sample)}
		}
		if cell.Image != nil {
			small, err := reduced(cell.Image)
			if err != nil {
				s.err = err
				return
			}
			cell.Image = small
		}
		row = append(row, cell)
	}
	s.sheet.Cells = append(s.sheet.Cells, row)
	s.sheet.Rows = append(s.sheet.Rows, filepath.Base(samples[0].Name))
}

// WritePNG draws the sheet. The file appears whole or not at all.
func (s *Sheet) WritePNG(path string) error {
	if s.err != nil {
		return fmt.Errorf("contact sheet: %w", s.err)
	}
	s.sheet.Title = fmt.Sprintf("%d inputs", s.seen)
	if n := len(s.sheet.Cells); n < s.seen {
		s.sheet.Title = fmt.Sprintf("%d of %d inputs", n, s.seen)
	}
	m, err := s.sheet.Render()
	if err != nil {
		return err
	}
	return media.WritePNG(path, m)
}

// pictureOf returns the picture among an input's features, nil for none.
func pictureOf(in Features) *media.Image {
	for _, v := range in {
		switch v := v.(type) {
		case *media.Photo:
			return v.Image
		case *media.Image:
			return v
		case image.Image:
			return media.FromStd(v)
		}
	}
	return nil
}

// outputPicture returns the picture that a model gave, nil for none.
func outputPicture(s metric.Sample) *media.Image {
	for _, t := range s.Outputs {
		shape := t.Shape()
		if t.DType() != tensor.Uint8 || len(shape) < 2 {
			continue
		}
		m := &media.Image{H: shape[0], W: shape[1], Channels: 1, Pix: t.Packed()}
		if len(shape) == 3 {
			m.Channels = shape[2]
		}
		return m
	}
	return nil
}

// reduced brings a picture to the size that it has on the sheet, so that a
// sheet of large pictures takes little memory.
func reduced(m *media.Image) (*media.Image, error) {
	long := max(m.W, m.H)
	if long <= sheetCell {
		return m, nil
	}
	w, h := max(1, m.W*sheetCell/long), max(1, m.H*sheetCell/long)
	return media.Resize(m, w, h, media.Lanczos)
}

// topLine names the first class.
func topLine(s metric.Sample) string {
	top := Top(s.Probabilities, 1)
	if len(top) == 0 {
		return s.Label
	}
	return fmt.Sprintf("%.1f %% %s", 100*top[0].Probability, top[0].Label)
}

func decibels(v float64) string {
	if math.IsInf(v, 1) {
		return "equal"
	}
	return fmt.Sprintf("PSNR %.1f dB", v)
}

func sizeText(n int64) string { return fmt.Sprintf("%.2f MB", float64(n)/1e6) }

// Class is a class with its probability.
type Class struct {
	Label       string  `json:"label"`
	Probability float64 `json:"probability"`
}

// Top returns the k most probable classes, the first one first. Those of equal
// probability are in the order of their labels.
func Top(probabilities map[string]float64, k int) []Class {
	all := make([]Class, 0, len(probabilities))
	for label, p := range probabilities {
		all = append(all, Class{label, p})
	}
	slices.SortFunc(all, func(a, b Class) int {
		switch {
		case a.Probability > b.Probability || math.IsNaN(b.Probability) && !math.IsNaN(a.Probability):
			return -1
		case a.Probability < b.Probability || math.IsNaN(a.Probability) && !math.IsNaN(b.Probability):
			return 1
		case a.Label < b.Label:
			return -1
		}
		return 1
	})
	return all[:min(max(k, 0), len(all))]
}
