package quant

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// Palette is a weight as codes into one table of 2^bits values:
// w = Table[code].
type Palette struct {
	Table []float32
	Codes []uint8
}

// LinearLUT spreads a table evenly over the range of all values:
//
//	table[i] = min + i*(max-min)/(2^bits-1),
//
// with the codes of [Linear] over one channel: coremltools' "linear_lut".
func LinearLUT(w []float32, bits int) (Palette, error) {
	q, err := Linear(w, Whole(len(w)), bits)
	if err != nil {
		return Palette{}, err
	}
	r := empty.widen(w)
	scale := (float64(r.hi) - float64(r.lo)) / float64(int(1)<<bits-1)
	return Palette{evenTable(r.lo, scale, bits), q.Codes}, nil
}

// Uniform is the ML Program's kin of [LinearLUT] ("uniform" in coremltools'
// palettize_weights): the same table from a scale in float32, and codes
// round((w-min)/(max-min) * (2^bits-1)) in float32, however small the range.
// Of equal values all codes are 0.
func Uniform(w []float32, bits int) (Palette, error) {
	if err := checkBits(bits); err != nil {
		return Palette{}, err
	}
	if err := checkFinite(w); err != nil {
		return Palette{}, err
	}
	r := empty.widen(w)
	codes := make([]uint8, len(w))
	top := float32(int(1)<<bits - 1)
	width := r.hi - r.lo
	scale := float64(width / top)
	switch {
	case r.abs() > math.MaxFloat32/4: // the width or the last entry may overflow
		lo, width, top := float64(r.lo), float64(r.hi)-float64(r.lo), float64(top)
		scale = width / top
		for i, x := range w {
			codes[i] = uint8(math.RoundToEven((float64(x) - lo) / width * top))
		}
	case width > 0:
		for i, x := range w {
			codes[i] = uint8(math.RoundToEven(float64((x - r.lo) / width * top)))
		}
	}
	return Palette{evenTable(r.lo, scale, bits), codes}, nil
}

// evenTable returns lo + i*scale.
func evenTable(lo float32, scale float64, bits int) []float32 {
	table := make([]float32, 1<<bits)
	for i := range table {
		// The inner conversion keeps the product and the sum from being fused.
		table[i] = float32(float64(float64(i)*scale) + float64(lo))
	}
	return table
}

// Unique makes a table of the values themselves, ascending, filled up with
// the greatest one. It fails when there are more than 2^bits of them. Zero and
// negative zero count as one value, zero.
func Unique(w []float32, bits int) (Palette, error) {
	if err := checkBits(bits); err != nil {
		return Palette{}, err
	}
	if err := checkFinite(w); err != nil {
		return Palette{}, err
	}
	seen := make(map[float32]uint8)
	for _, x := range w {
		if seen[x] = 0; len(seen) > 1<<bits {
			return Palette{}, fmt.Errorf("there are more than %d distinct values, the most for %d bits", 1<<bits, bits)
		}
	}
	table := make([]float32, 0, 1<<bits)
	for x := range seen {
		table = append(table, x+0) // -0+0 = +0
	}
	slices.Sort(table)
	for i, x := range table {
		seen[x] = uint8(i)
	}
	codes := make([]uint8, len(w))
	for i, x := range w {
		codes[i] = seen[x]
	}
	return Palette{padTable(table, bits), codes}, nil
}

// padTable fills a table up to 2^bits entries with its last value.
func padTable(table []float32, bits int) []float32 {
	for len(table) < 1<<bits {
		table = append(table, table[len(table)-1])
	}
	return table
}

// CheckLUT tells what keeps a table and codes made elsewhere from being a
// palette of that many bits: a table without 2^bits finite values or a code
// beyond it.
func CheckLUT(table []float32, codes []uint8, bits int) error {
	if err := checkBits(bits); err != nil {
		return err
	}
	if len(table) != 1<<bits {
		return fmt.Errorf("a table for %d bits has %d values, this one %d", bits, 1<<bits, len(table))
	}
	if err := checkFinite(table); err != nil {
		return fmt.Errorf("table: %w", err)
	}
	return checkCodes(codes, len(table))
}

func checkCodes(codes []uint8, entries int) error {
	if entries >= 256 {
		return nil
	}
	for i, q := range codes {
		if int(q) >= entries {
			return fmt.Errorf("code %d is %d, beyond a table of %d", i, q, entries)
		}
	}
	return nil
}

// DequantizeLUT returns table[code] for each code.
func DequantizeLUT(codes []uint8, table []float32) ([]float32, error) {
	if err := checkCodes(codes, len(table)); err != nil {
		return nil, err
	}
	out := make([]float32, len(codes))
	for i, q := range codes {
		out[i] = table[q]
	}
	return out, nil
}

// GroupedPalette gives each block of the grid its own table: palettize, a
// closure over [KMeans], [Uniform] or [Unique], is called with the values of
// one block after the other, in a slice that it may not keep. The Table of the
// result holds the tables in row-major order of the blocks, as
// constexpr_lut_to_dense wants them in shape [counts…, 2^bits, 1].
func GroupedPalette(w []float32, g Grid, palettize func([]float32) (Palette, error)) (Palette, error) {
	if err := g.check(len(w)); err != nil {
		return Palette{}, err
	}
	blocks := g.Blocks()
	size := len(w) / blocks
	values := make([]float32, len(w)) // block after block
	next := make([]int, blocks)       // within the block
	g.runs(func(start, end, b int) {
		copy(values[b*size+next[b]:], w[start:end])
		next[b] += end - start
	})
	out := Palette{Codes: make([]uint8, len(w))}
	codes := make([][]uint8, blocks)
	for b := range blocks {
		p, err := palettize(values[b*size : (b+1)*size])
		if err == nil && (len(p.Codes) != size || b > 0 && len(p.Table)*b != len(out.Table)) {
			err = errors.New("the palette does not have the right size")
		}
		if err != nil {
			return Palette{}, fmt.Errorf("block %d: %w", b, err)
		}
		out.Table = append(out.Table, p.Table...)
		codes[b] = p.Codes
	}
	g.runs(func(start, end, b int) {
		codes[b] = codes[b][copy(out.Codes[start:end], codes[b]):]
	})
	return out, nil
}

// DequantizeGroupedLUT decodes constexpr_lut_to_dense (iOS18). The grid lies
// over the codes; table has shape [counts…, entries, vector]. With vector = 1
// value i is table[block(i), code(i), 0] and axis does not matter. With a
// longer vector, the numbers of an entry lie next to each other along axis,
// whose size in the result is vector times that of the codes.
func DequantizeGroupedLUT(codes []uint8, table []float32, g Grid, vector, axis int) ([]float32, error) {
	if err := g.check(len(codes)); err != nil {
		return nil, err
	}
	if vector < 1 || vector > max(1, len(table)) {
		return nil, fmt.Errorf("a table of %d values has no vectors of %d", len(table), vector)
	}
	blocks := g.Blocks()
	entries := len(table) / vector / blocks
	if entries == 0 || entries*vector*blocks != len(table) {
		return nil, fmt.Errorf("a table of %d values does not divide into %d blocks of vectors of %d", len(table), blocks, vector)
	}
	if err := checkCodes(codes, entries); err != nil {
		return nil, err
	}
	inner := 1
	if vector > 1 {
		l, err := Along(g.shape, axis)
		if err != nil {
			return nil, fmt.Errorf("vector axis: %w", err)
		}
		if len(codes) > maxValues/vector {
			return nil, fmt.Errorf("%d codes of vectors of %d are more than %d values", len(codes), vector, maxValues)
		}
		inner = l.Inner
	}
	out := make([]float32, len(codes)*vector)
	g.runs(func(start, end, b int) {
		table := table[b*entries*vector : (b+1)*entries*vector]
		if vector == 1 {
			for i := start; i < end; i++ {
				out[i] = table[codes[i]]
			}
			return
		}
		for i := start; i < end; i++ {
			entry := table[int(codes[i])*vector:][:vector]
			at := i/inner*vector*inner + i%inner
			for _, x := range entry {
				out[at] = x
				at += inner
			}
		}
	})
	return out, nil
}
