package predict

import (
	"fmt"
	"math/rand/v2"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/internal/media"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/tensor"
)

// Example makes a value for an input by chance: a picture of noise, floats
// within ±1, integers 0 and 1, which most tables of numbers have. The shape is
// that of an array, or ends in the height and width of a picture.
func Example(f mlmodel.Feature, shape []int, r *rand.Rand) (any, error) {
	switch {
	case f.Image != nil:
		n := len(shape)
		if n < 2 {
			return nil, fault.New(fault.BadShape, fmt.Sprintf("input %q", f.Name), "a picture of shape %s", tensor.FormatShape(shape))
		}
		c, h, w := f.Image.Channels(), shape[n-2], shape[n-1]
		if err := sizeLimit(f.Name, []int{c, h, w}); err != nil {
			return nil, err
		}
		p := media.New(w, h, c)
		for i := range p.Pix {
			p.Pix[i] = uint8(r.UintN(256))
		}
		return p, nil
	case f.Array != nil:
		if err := sizeLimit(f.Name, shape); err != nil {
			return nil, err
		}
		data := make([]float32, tensor.Size(shape))
		for i := range data {
			if f.Array.DType.IsInt() {
				data[i] = float32(r.IntN(2))
			} else {
				data[i] = 2*r.Float32() - 1
			}
		}
		return tensor.Floats(shape, data), nil
	}
	switch f.Kind {
	case mlmodel.Double:
		return 2*r.Float64() - 1, nil
	case mlmodel.Int64:
		return int64(r.IntN(2)), nil
	}
	return nil, fmt.Errorf("input %q: is of type %s", f.Name, f.Type())
}

// sizeLimit bounds what a model can ask for by its description alone.
func sizeLimit(name string, shape []int) error {
	n, err := tensor.CheckShape(shape)
	if err == nil && n > maxAbsent {
		err = fault.New(fault.Limit, "", "an array of shape %s", tensor.FormatShape(shape))
	}
	if err != nil {
		return fault.New(fault.KindOf(err), fmt.Sprintf("input %q", name), "%w", err)
	}
	return nil
}
