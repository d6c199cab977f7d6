package op

import (
	"fmt"

	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/tensor"
)

// The operators that trade blocks of pixels for channels or for images of the
// batch. x has the shape n×c×h×w.

// pictures checks that a value has rank 4 and returns its dimensions.
func pictures(x *mil.Value) (n, c, h, w int, err error) {
	if err := rank("x", x, 4); err != nil {
		return 0, 0, 0, 0, err
	}
	s := dims(x)
	return s[0], s[1], s[2], s[3], nil
}

// times multiplies a dimension that may be unknown.
func times(d, by int) int {
	if d < 0 {
		return mil.Unknown
	}
	return product([]int{d, by})
}

// over divides a dimension that may be unknown and must be divisible.
func over(d, by int) (int, error) {
	switch {
	case d < 0:
		return mil.Unknown, nil
	case d%by != 0:
		return 0, fmt.Errorf("%d elements do not make parts of %d", d, by)
	}
	return d / by, nil
}

// checkBlock checks the side of a block.
func checkBlock(side int) error {
	if side < 1 || side > 1<<15 {
		return fmt.Errorf("a block of side %d", side)
	}
	return nil
}

// channelsToBlocks is the type rule of giving each pixel a block of channels.
func channelsToBlocks(x *mil.Value, side int) ([]mil.Type, error) {
	n, c, h, w, err := pictures(x)
	if err != nil {
		return nil, err
	}
	if err := checkBlock(side); err != nil {
		return nil, err
	}
	if c, err = over(c, side*side); err != nil {
		return nil, fmt.Errorf("channels: %w", err)
	}
	return result(x.Type.DType, n, c, times(h, side), times(w, side))
}

// blocksToChannels is the type rule of its inverse.
func blocksToChannels(x *mil.Value, side int) ([]mil.Type, error) {
	n, c, h, w, err := pictures(x)
	if err != nil {
		return nil, err
	}
	if err := checkBlock(side); err != nil {
		return nil, err
	}
	if h, err = over(h, side); err != nil {
		return nil, fmt.Errorf("height: %w", err)
	}
	if w, err = over(w, side); err != nil {
		return nil, fmt.Errorf("width: %w", err)
	}
	return result(x.Type.DType, n, times(c, side*side), h, w)
}

// regrouped reads x under another shape, its dimensions split, in the order of
// perm, and gives the result the shape out.
func regrouped(x *tensor.Tensor, split, perm, out []int) ([]*tensor.Tensor, error) {
	shape, err := permuted(split, perm)
	if err != nil {
		return nil, err
	}
	from, err := permuted(strides(split), perm)
	if err != nil {
		return nil, err
	}
	t, err := rearranged(x, out, move{shape: shape, from: from})
	return []*tensor.Tensor{t}, err
}
