package media

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"

	"golang.org/x/image/font/basicfont"

	"github.com/smelt-ml/smelt/fault"
)

// Cell is one picture of a Sheet.
type Cell struct {
	Image    *Image   // nil leaves an empty frame, as for a model that failed
	Captions []string // up to two lines under the picture
}

// Sheet is a contact sheet: pictures in rows and columns with names, such as
// what several models made of the same photographs. Text that does not fit is
// cut short.
type Sheet struct {
	Title   string
	Columns []string // headers; none, or one a column
	Rows    []string // labels at the left; none, or one a row
	Cells   [][]Cell // by row, then column; rows may be short
	// CellSize bounds the sides of a picture on the sheet; larger ones are
	// reduced, smaller ones shown pixel by pixel. 0 means 256.
	CellSize int
}

// The sheet's look: sizes in pixels, and colours.
const (
	sheetMargin   = 28
	sheetGap      = 18  // between cells
	sheetLabel    = 152 // the widest label
	sheetColumn   = 192 // the narrowest column, unless cells are smaller
	titleHeight   = 38
	headerHeight  = 38
	captionHeight = 19
	captionRoom   = 4 // below the captions
	baseline      = 15
	// maxSheetPixels bounds the sheet itself.
	maxSheetPixels = 1 << 26
)

var (
	sheetPaper = color.RGBA{255, 255, 255, 255}
	sheetInk   = color.RGBA{31, 35, 40, 255}
	sheetFaint = color.RGBA{101, 109, 118, 255}
	sheetRule  = color.RGBA{208, 215, 222, 255}
	sheetEmpty = color.RGBA{246, 248, 250, 255}
)

// sheetLayout is where everything goes.
type sheetLayout struct {
	cells       [][]Cell // with pictures reduced to what is shown
	columns     int
	column      int   // width of one
	rows        []int // height of each one's pictures
	lines       []int // of captions in each row
	label       int   // width of the labels, with their gap
	title, head int   // heights
	w, h        int
}

// left is where column c begins.
func (l *sheetLayout) left(c int) int { return sheetMargin + l.label + c*(l.column+sheetGap) }

// below is the height of what stands under the pictures of row r.
func (l *sheetLayout) below(r int) int {
	if l.lines[r] == 0 {
		return sheetGap
	}
	return l.lines[r]*captionHeight + captionRoom + sheetGap
}

// Render draws the sheet as an RGB picture.
func (s *Sheet) Render() (*Image, error) {
	l, err := s.layout()
	if err != nil {
		return nil, fmt.Errorf("contact sheet: %w", err)
	}
	m := canvas{image.NewRGBA(image.Rect(0, 0, l.w, l.h))}
	m.box(0, 0, l.w, l.h, sheetPaper)
	y := sheetMargin
	if l.title > 0 {
		drawText(m.RGBA, bold, shorten(s.Title, l.w-2*sheetMargin), sheetMargin, y+baseline, sheetInk)
		y += l.title
	}
	if l.head > 0 {
		for c, text := range s.Columns {
			m.centred(bold, text, l.left(c), l.column, y+baseline, sheetInk)
		}
		m.box(sheetMargin, y+l.head-sheetGap/2-2, l.w-2*sheetMargin, 1, sheetRule)
		y += l.head
	}
	for r, cells := range l.cells {
		if l.label > 0 {
			m.label(s.Rows[r], y, l.rows[r])
		}
		for c, cell := range cells {
			m.cell(cell, l.left(c), y, l.column, l.rows[r])
		}
		y += l.rows[r] + l.below(r)
	}
	return eachRow(l.w, l.h, 3, func(y int, dst []uint8) { pickRow(dst, m.Pix[y*m.Stride:], 1) }), nil
}

func (s *Sheet) layout() (*sheetLayout, error) {
	size := s.CellSize
	if size == 0 {
		size = 256
	}
	if size < 16 || size > 1<<14 {
		return nil, fmt.Errorf("cells of %d pixels, want 16 to %d", size, 1<<14)
	}
	if len(s.Cells) == 0 {
		return nil, fmt.Errorf("no rows")
	}
	if len(s.Rows) != 0 && len(s.Rows) != len(s.Cells) {
		return nil, fmt.Errorf("%d labels for %d rows", len(s.Rows), len(s.Cells))
	}
	l := &sheetLayout{columns: len(s.Columns)}
	for r, row := range s.Cells {
		if len(s.Columns) > 0 && len(row) > len(s.Columns) {
			return nil, fmt.Errorf("row %d: %d cells under %d headers", r, len(row), len(s.Columns))
		}
		l.columns = max(l.columns, len(row))
	}
	if l.columns == 0 {
		return nil, fmt.Errorf("no cells")
	}
	// No sheet is smaller than its frames: a bound before anything is made.
	if cells := l.columns * len(s.Cells); cells > maxSheetPixels/256 {
		return nil, fault.New(fault.Limit, "", "%d cells are too many for one picture", cells)
	}
	l.column = min(size, sheetColumn)
	for r, row := range s.Cells {
		cells := make([]Cell, l.columns)
		copy(cells, row)
		height, lines := 0, 0
		for c := range cells {
			cell := &cells[c]
			if len(cell.Captions) > 2 {
				return nil, fmt.Errorf("row %d, column %d: %d captions, want at most 2", r, c, len(cell.Captions))
			}
			lines = max(lines, len(cell.Captions))
			if cell.Image == nil {
				continue
			}
			shown, err := reduce(cell.Image, size)
			if err != nil {
				return nil, fmt.Errorf("row %d, column %d: %w", r, c, err)
			}
			cell.Image = shown
			l.column = max(l.column, shown.W)
			height = max(height, shown.H)
		}
		if height == 0 {
			height = min(size, sheetColumn)
		}
		l.cells = append(l.cells, cells)
		l.rows = append(l.rows, height)
		l.lines = append(l.lines, lines)
	}
	if len(s.Rows) > 0 {
		wide := 0
		for _, text := range s.Rows {
			for _, line := range wrapText(text, sheetLabel) {
				wide = max(wide, textWidth(line))
			}
		}
		l.label = min(wide, sheetLabel) + sheetGap
	}
	if s.Title != "" {
		l.title = titleHeight
	}
	if len(s.Columns) > 0 {
		l.head = headerHeight
	}
	l.w = 2*sheetMargin + l.label + l.columns*(l.column+sheetGap) - sheetGap
	l.h = 2*sheetMargin + l.title + l.head - sheetGap
	for r := range l.rows {
		l.h += l.rows[r] + l.below(r)
	}
	if l.h > maxSheetPixels/l.w {
		return nil, fault.New(fault.Limit, "", "%d×%d pixels are too many for one picture", l.w, l.h)
	}
	return l, nil
}

// reduce brings a picture into size×size pixels.
func reduce(m *Image, size int) (*Image, error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	m = m.RGB()
	long := max(m.W, m.H)
	if long <= size {
		return m, nil
	}
	return Resize(m, max(1, (m.W*size+long/2)/long), max(1, (m.H*size+long/2)/long), Lanczos)
}

// canvas is where a sheet is drawn.
type canvas struct{ *image.RGBA }

// box fills a rectangle.
func (m canvas) box(x, y, w, h int, c color.RGBA) {
	draw.Draw(m.RGBA, image.Rect(x, y, x+w, y+h), image.NewUniform(c), image.Point{}, draw.Src)
}

// cell draws one picture, centred in its place, with its captions.
func (m canvas) cell(c Cell, x, y, w, h int) {
	if c.Image == nil && len(c.Captions) == 0 {
		return
	}
	bottom := y + h
	if c.Image == nil {
		m.box(x, y, w, h, sheetRule)
		m.box(x+1, y+1, w-2, h-2, sheetEmpty)
	} else {
		left, top := x+(w-c.Image.W)/2, y+(h-c.Image.H)/2
		m.box(left-1, top-1, c.Image.W+2, c.Image.H+2, sheetRule)
		draw.Draw(m.RGBA, image.Rect(left, top, left+c.Image.W, top+c.Image.H), c.Image.Std(), image.Point{}, draw.Src)
		bottom = top + c.Image.H
	}
	for i, text := range c.Captions {
		ink := sheetInk
		if i > 0 {
			ink = sheetFaint
		}
		m.centred(regular, text, x, w, bottom+i*captionHeight+captionRoom+baseline, ink)
	}
}

// label writes a row's name at the left, beside the middle of its pictures.
func (m canvas) label(text string, y, h int) {
	lines := wrapText(text, sheetLabel)
	top := y + (h-len(lines)*captionHeight)/2
	for i, line := range lines {
		drawText(m.RGBA, regular, shorten(line, sheetLabel), sheetMargin, top+i*captionHeight+baseline, sheetInk)
	}
}

// centred writes text in the middle of w pixels from x on, base line y.
func (m canvas) centred(face *basicfont.Face, text string, x, w, y int, ink color.RGBA) {
	text = shorten(text, w)
	drawText(m.RGBA, face, text, x+(w-textWidth(text))/2, y, ink)
}
