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
