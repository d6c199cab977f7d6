package op

import "github.com/smelt-ml/smelt/tensor"

// move copies a block of elements from one tensor to another: for every index
// of shape, the element at fromAt + index·from goes to toAt + index·to. All
// counts are in elements. A stride of 0 repeats, a negative one runs backwards.
// Slicing, transposing, padding, tiling and their kin are moves.
type move struct {
	shape        []int
	from, to     []int
	fromAt, toAt int
}

// zeros returns a tensor to be filled, after checking its shape.
func zeros(d tensor.DType, shape []int) (*tensor.Tensor, error) {
	if _, err := tensor.CheckShape(shape); err != nil {
		return nil, err
	}
	return tensor.Zeros(d, shape), nil
}

// rearranged returns a tensor of that shape made by a single move that fills
// it in order: the move's shape has as many elements, and its to is not used.
func rearranged(in *tensor.Tensor, shape []int, m move) (*tensor.Tensor, error) {
	out, err := zeros(in.DType(), shape)
	if err != nil {
		return nil, err
	}
	m.to = strides(m.shape)
	m.apply(out, in)
	return out, nil
}

// apply copies from in to out, which have one element type and may be the
// same. out is under construction: nobody else has seen it.
func (m move) apply(out, in *tensor.Tensor) {
	switch d := in.DType(); {
	case d == tensor.Bool:
		transfer(out.Bools(), in.Bools(), m)
	case d == tensor.String:
		transfer(out.Strings(), in.Strings(), m)
	case d == tensor.Float64:
		transfer(tensor.Data[float64](out), tensor.Data[float64](in), m)
	case d.IsFloat():
		transfer(out.F32(), in.F32(), m)
	case d == tensor.Uint32 || d.Bits() == 64:
		transfer(tensor.Data[int64](out), tensor.Data[int64](in), m)
	default:
		transfer(out.I32(), in.I32(), m)
	}
}

// simplify drops dimensions of 1 and joins neighbours that both sides step
// through as if they were one.
func (m move) simplify() move {
	out := move{fromAt: m.fromAt, toAt: m.toAt}
	for i, d := range m.shape {
		if d == 1 {
			continue
		}
		if n := len(out.shape) - 1; n >= 0 && out.from[n] == m.from[i]*d && out.to[n] == m.to[i]*d {
			out.shape[n] *= d
			out.from[n], out.to[n] = m.from[i], m.to[i]
			continue
		}
		out.shape = append(out.shape, d)
		out.from = append(out.from, m.from[i])
		out.to = append(out.to, m.to[i])
	}
	return out
}

// transfer carries out a move. The last dimension is the inner loop; where
// another one is contiguous in the source, the two are walked in tiles.
func transfer[T any](dst, src []T, m move) {
	for _, d := range m.shape {
		if d == 0 {
			return
		}
	}
	m = m.simplify()
	last := len(m.shape) - 1
	if last < 0 {
		dst[m.toAt] = src[m.fromAt]
		return
	}
	cross := -1
	if m.from[last] != 1 && m.from[last] != 0 {
		for i := range last {
			if m.from[i] == 1 {
				cross = i
			}
		}
	}
	outer := make([]int, 0, last)
	for i := range last {
		if i != cross {
			outer = append(outer, i)
		}
	}
	at := make([]int, len(outer))
	s, d := m.fromAt, m.toAt
	n, sn, dn := m.shape[last], m.from[last], m.to[last]
	for {
		switch {
		case cross >= 0:
			tiles(dst, src, d, s, m.shape[cross], n, m.to[cross], dn, sn)
		case sn == 1 && dn == 1:
			copy(dst[d:d+n], src[s:s+n])
		case sn == 0 && dn == 1:
			v, run := src[s], dst[d:d+n]
			for i := range run {
				run[i] = v
			}
		case dn == 1:
			run, j := dst[d:d+n], s
			for i := range run {
				run[i] = src[j]
				j += sn
			}
		default:
			i, j := d, s
			for range n {
				dst[i] = src[j]
				i += dn
				j += sn
			}
		}
		k := len(outer) - 1
		for ; k >= 0; k-- {
			o := outer[k]
			s, d = s+m.from[o], d+m.to[o]
			if at[k]++; at[k] < m.shape[o] {
				break
			}
			s, d = s-at[k]*m.from[o], d-at[k]*m.to[o]
			at[k] = 0
		}
		if k < 0 {
			return
		}
	}
}

// tiles transposes: dst[d + r·dr + c·dc] = src[s + r + c·sc] for r < rows and
// c < cols, a square at a time so that both sides stay in the cache.
func tiles[T any](dst, src []T, d, s, rows, cols, dr, dc, sc int) {
	const side = 32
	for r0 := 0; r0 < rows; r0 += side {
		rn := min(side, rows-r0)
		for c0 := 0; c0 < cols; c0 += side {
			cn := min(side, cols-c0)
			for r := r0; r < r0+rn; r++ {
				i, j := d+r*dr+c0*dc, s+r+c0*sc
				for range cn {
					dst[i] = src[j]
					i += dc
					j += sc
				}
			}
		}
	}
}

// runs copies runs of n elements from in to out. Run i starts at from[i] and
// goes to to[i]; nil places mean one run after the other. It is the inner loop
// of gathering and scattering.
func runs(out, in *tensor.Tensor, to, from []int, n int) {
	switch d := in.DType(); {
	case d == tensor.Bool:
		copyRuns(out.Bools(), in.Bools(), to, from, n)
	case d == tensor.String:
		copyRuns(out.Strings(), in.Strings(), to, from, n)
	case d == tensor.Float64:
		copyRuns(tensor.Data[float64](out), tensor.Data[float64](in), to, from, n)
	case d.IsFloat():
		copyRuns(out.F32(), in.F32(), to, from, n)
	case d == tensor.Uint32 || d.Bits() == 64:
		copyRuns(tensor.Data[int64](out), tensor.Data[int64](in), to, from, n)
	default:
		copyRuns(out.I32(), in.I32(), to, from, n)
	}
}

func copyRuns[T any](dst, src []T, to, from []int, n int) {
	switch {
	case to == nil && n == 1:
		for i, p := range from {
			dst[i] = src[p]
		}
	case to == nil:
		for i, p := range from {
			copy(dst[i*n:(i+1)*n], src[p:p+n])
		}
	case from == nil && n == 1:
		for i, p := range to {
			dst[p] = src[i]
		}
	case from == nil:
		for i, p := range to {
			copy(dst[p:p+n], src[i*n:(i+1)*n])
		}
	default:
		for i, p := range to {
			copy(dst[p:p+n], src[from[i]:from[i]+n])
		}
	}
}
