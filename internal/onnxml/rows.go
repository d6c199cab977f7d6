package onnxml

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/smelt-ml/smelt/internal/frontend/onnx/classical"
	"github.com/smelt-ml/smelt/tensor"
)

// kind is the form of a feature.
type kind uint8

const (
	number kind = iota
	integer
	text
	array
	dictionary
)

// feature is what the models of a pipeline hand on by name.
type feature struct {
	name  string
	kind  kind
	size  int          // of an array
	dtype tensor.DType // of an array
	texts bool         // keys of a dictionary
	fixed bool         // the name is in the model that makes it
}

// row is a row of an ONNX array: its columns. Nothing is made of it before a model
// takes it.
type row struct {
	columns []column
	// like is a row whose values stand in the same order by size, nil for none:
	// what was divided by a norm, or went through a softmax.
	like *row
	// whole says that all values are whole numbers.
	whole bool
}

// column is scale·x + shift of an element of a feature.
type column struct {
	of           *feature
	index        int
	scale, shift float64
}

func (c column) plain() bool { return c.scale == 1 && c.shift == 0 }

// rowOf has all elements of a feature.
func rowOf(f *feature) *row {
	n := 1
	if f.kind == array {
		n = f.size
	}
	r := &row{columns: make([]column, 0, n)}
	for i := range n {
		r.columns = append(r.columns, column{f, i, 1, 0})
	}
	return r
}

// key tells rows that are the same from others. Features have names of their own.
func (r *row) key() string {
	b := make([]byte, 0, 32*len(r.columns))
	for i, c := range r.columns {
		if i == 0 || c.of != r.columns[i-1].of {
			b = append(append(b, 0), c.of.name...)
			b = append(b, 0)
		}
		b = binary.LittleEndian.AppendUint64(b, uint64(c.index))
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(c.scale))
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(c.shift))
	}
	return string(b)
}

// feature returns the feature that a row is, nil if it is none.
func (r *row) feature() *feature {
	f := r.columns[0].of
	if f.kind == array && f.size != len(r.columns) || f.kind != array && len(r.columns) != 1 {
		return nil
	}
	for i, c := range r.columns {
		if c.of != f || c.index != i || !c.plain() {
			return nil
		}
	}
	return f
}

// numeric refuses texts and dictionaries.
func (r *row) numeric() error {
	for _, c := range r.columns {
		if c.of.kind == text || c.of.kind == dictionary {
			return corrupt("the input %q is no number", c.of.name)
		}
	}
	return nil
}

// affine returns a·x + b for each column.
func (r *row) affine(a, b func(i int) float64) (*row, error) {
	if err := r.numeric(); err != nil {
		return nil, err
	}
	out := &row{columns: make([]column, 0, len(r.columns))}
	for i, c := range r.columns {
		c.scale, c.shift = a(i)*c.scale, a(i)*c.shift+b(i)
		out.columns = append(out.columns, c)
	}
	return out, nil
}

func always(v float64) func(int) float64 { return func(int) float64 { return v } }

// array makes one array of a row.
func (p *pipeline) array(r *row) (*feature, error) {
	if err := r.numeric(); err != nil {
		return nil, err
	}
	if f := r.feature(); f != nil && f.kind == array {
		return f, nil
	}
	key := r.key()
	if f := p.made[key]; f != nil {
		return f, nil
	}
	bare := &row{}
	scale, shift := make([]float64, len(r.columns)), make([]float64, len(r.columns))
	scaled := false
	for i, c := range r.columns {
		scale[i], shift[i] = c.scale, c.shift
		scaled = scaled || !c.plain()
		bare.columns = append(bare.columns, column{c.of, c.index, 1, 0})
	}
	f, err := p.joined(bare)
	if err == nil && scaled {
		f, err = p.scaled(f, scale, shift)
	}
	if err == nil {
		p.made[key] = f
	}
	return f, err
}

// joined puts columns, none of them scaled, into one array.
func (p *pipeline) joined(r *row) (*feature, error) {
	if f := r.feature(); f != nil && f.kind == array {
		return f, nil
	}
	var parts []*feature
	for rest := r.columns; len(rest) > 0; {
		f, n := rest[0].of, 1
		for n < len(rest) && rest[n].of == f {
			n++
		}
		run := &row{columns: rest[:n]}
		rest = rest[n:]
		if g := run.feature(); g != nil && !slices.Contains(parts, g) {
			parts = append(parts, g)
			continue
		}
		if f.kind != array {
			return nil, unsupported("the number %q stands twice in a row", f.name)
		}
		var at []uint64
		for _, c := range run.columns {
			at = append(at, uint64(c.index))
		}
		parts = append(parts, p.extract(f, at))
	}
	if len(parts) == 1 && parts[0].kind == array {
		return parts[0], nil
	}
	return p.vectorize(parts), nil
}

// scaled is scale·x + shift. A column whose scale is 0 is the constant shift.
func (p *pipeline) scaled(f *feature, scale, shift []float64) (*feature, error) {
	offsets := make([]float64, len(scale))
	for i := range scale {
		offsets[i] = shift[i] / scale[i]
		if scale[i] == 0 || math.IsInf(offsets[i], 0) || math.IsNaN(offsets[i]) {
			if len(scale) > maxDiagonal {
				return nil, unsupported("%d values of which some are scaled by 0", len(scale))
			}
			return p.linear(f, diagonal(scale), shift), nil
		}
	}
	return p.scaler(f, offsets, scale), nil
}

// maxDiagonal bounds the matrices that stand for one number each.
const maxDiagonal = 1 << 10

func diagonal(v []float64) [][]float64 {
	out := make([][]float64, len(v))
	for i, x := range v {
		out[i] = make([]float64, len(v))
		out[i][i] = x
	}
	return out
}

// What a name of the graph may stand for beside a row and a *tensor.Tensor, which
// is a constant.
type (
	// scores are those of a classifier.
	scores struct{ of *classifier }
	// label is that of a classifier.
	label struct{ of *classifier }
	// position is that of the largest value of a row.
	position struct{ of *row }
	// chosen is the label at the position of the largest value of a row.
	chosen struct {
		of     *row
		labels classical.Labels
	}
	// zipped is a dictionary of values, a *row or scores, by labels.
	zipped struct {
		of     any
		labels classical.Labels
	}
	// logSum is the logarithm of the sum of the exponentials of a row, and
	// logShares the row less that: a softmax in two steps.
	logSum    struct{ of *row }
	logShares struct{ of *row }
	// truth is where a comparison with constants holds.
	truth struct{ of *row }
	// lost is what an operator would make that cannot be expressed.
	lost struct{}
)
