package gemm

// isNarrow says whether a tile has so few columns that its rows, of a panel of
// mr, had better be the lanes. The panel must be whole, as packed ones are. Each
// sum is finished alone, which takes as long as some 32 products of vectors.
func (t *tile) isNarrow(mr int) bool {
	return t.cols <= maxNarrow && t.rows > 2 && t.astep == mr && len(t.a) >= t.k*mr && t.k*(t.rows-t.cols) > 32*t.rows*t.cols
}

// finish adds what is to be added to a sum, applies the activation and stores it.
func (t *tile) finish(i, j int, v float32) {
	if t.add != nil {
		v += t.add[i*t.ldadd+j]
	}
	if t.rowBias != nil {
		v += t.rowBias[i]
	}
	if t.colBias != nil {
		v += t.colBias[j]
	}
	if t.clamp != 0 {
		v = clamp(v, t.lo, t.hi)
	}
	if t.slope != nil && v < 0 {
		v *= t.slope[i]
	}
	t.c[i*t.ldc+j] = v
}
