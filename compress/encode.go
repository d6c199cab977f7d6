package compress

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/smelt-ml/smelt/compress/quant"
	"github.com/smelt-ml/smelt/tensor"
)

// palette makes a table, and codes into it, for the modes KMeans and
// CustomLUT. The table holds values of the given float type.
func (o *Options) palette(ctx context.Context, w Weight, values []float32, bits int, d tensor.DType) (quant.Palette, error) {
	switch {
	case o.Mode == KMeans:
		return quant.KMeans(ctx, values, bits, quant.KMeansOptions{Table: d})
	case o.CustomLUT != nil:
		return o.custom(values, bits, d)
	}
	table := slices.Clone(o.Tables.of(w))
	tensor.RoundTo(d, table)
	if err := quant.CheckLUT(table, nil, bits); err != nil {
		return quant.Palette{}, err
	}
	return nearest(table, values), nil
}

// custom calls Options.CustomLUT and checks what it returns.
func (o *Options) custom(values []float32, bits int, d tensor.DType) (quant.Palette, error) {
	fail := func(err error) (quant.Palette, error) {
		return quant.Palette{}, fmt.Errorf("custom lookup table: %w", err)
	}
	table, codes, err := o.CustomLUT(bits, slices.Clone(values))
	if err != nil {
		return fail(err)
	}
	if len(codes) != len(values) {
		return fail(fmt.Errorf("want a code for each of %d weights, have %d", len(values), len(codes)))
	}
	p := quant.Palette{Table: slices.Clone(table), Codes: make([]uint8, len(codes))}
	for i, c := range codes {
		if c < 0 || c >= 1<<bits {
			return fail(fmt.Errorf("code %d is %d, want 0 to %d", i, c, 1<<bits-1))
		}
		p.Codes[i] = uint8(c)
	}
	tensor.RoundTo(d, p.Table)
	if err := quant.CheckLUT(p.Table, p.Codes, bits); err != nil {
		return fail(err)
	}
	return p, nil
}

// finite tells whether all values are. That one is NaN is an error.
func finite(w []float32) (bool, error) {
	all := true
	for i, x := range w {
		if x != x {
			return false, fmt.Errorf("value %d is NaN", i)
		}
		all = all && math.Abs(float64(x)) <= math.MaxFloat32
	}
	return all, nil
}
