package window

import "math"

func sumGeneric(q *Rows) {
	for r := range q.Rows {
		dst := q.Dst[r*q.DstStep:][:q.Cols]
		set(dst, q.Bias)
		for t, at := range q.Taps {
			w, src := q.Weights[t], q.Src[r*q.SrcStep+at:][:len(dst)]
			for x, v := range src {
				dst[x] += w * v
			}
		}
		for x, v := range dst {
			if v < q.Lo {
				dst[x] = q.Lo
			}
			if v > q.Hi {
				dst[x] = q.Hi
			}
		}
	}
}

func maxGeneric(q *Rows) {
	for r := range q.Rows {
		dst := q.Dst[r*q.DstStep:][:q.Cols]
		set(dst, float32(math.Inf(-1)))
		for _, at := range q.Taps {
			for x, v := range q.Src[r*q.SrcStep+at:][:len(dst)] {
				if v > dst[x] || v != v {
					dst[x] = v
				}
			}
		}
	}
}

func allGeneric(dst []float32, dstStep int, src []float32, srcStep, rows, n int) {
	for r := range rows {
		copy(dst[r*dstStep:][:n], src[r*srcStep:][:n])
	}
}

func evensGeneric(dst []float32, dstStep int, src []float32, srcStep, rows, n int) {
	for r := range rows {
		everyNth(dst[r*dstStep:][:n], src[r*srcStep:], 2)
	}
}

// everyNth copies values that are n apart.
func everyNth(dst, src []float32, n int) {
	for i := range dst {
		dst[i] = src[i*n]
	}
}

func zipGeneric(dst, a, b []float32) {
	for i, v := range a {
		dst[2*i] = v
	}
	for i, v := range b {
		dst[2*i+1] = v
	}
}
