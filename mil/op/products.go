package op

import "github.com/smelt-ml/smelt/tensor"

// matrix is a view of m×n elements of a slice.
type matrix[T any] struct {
	data []T
	m, n int
	row  int // from one row to the next
	col  int // from one column to the next
}

// rowMajor is m×n elements in their order; transposed, a view of n×m elements.
func rowMajor[T any](data []T, m, n int, transposed bool) matrix[T] {
	if transposed {
		return matrix[T]{data, n, m, 1, n}
	}
	return matrix[T]{data, m, n, n, 1}
}

// multiply sets out, whose rows are step apart, to x·y, with sums of type S.
// Each row starts from bias, or from zeros where that is nil.
func multiply[T float32 | int32, S float64 | int32](out []T, step int, x, y matrix[T], bias []T) {
	sums := make([]S, y.n)
	for i := range x.m {
		clear(sums)
		for j, b := range bias {
			sums[j] = S(b)
		}
		if y.col == 1 {
			for k := range x.n {
				v := S(x.data[i*x.row+k*x.col])
				for j, w := range y.data[k*y.row:][:len(sums)] {
					sums[j] += v * S(w)
				}
			}
		} else {
			for j := range sums {
				s := sums[j]
				for k := range x.n {
					s += S(x.data[i*x.row+k*x.col]) * S(y.data[k*y.row+j*y.col])
				}
				sums[j] = s
			}
		}
		for j, s := range sums {
			out[i*step+j] = T(s)
		}
	}
}

// numbersOf returns the elements of a number tensor as a []T; nil for none.
func numbersOf[T float32 | int32](t *tensor.Tensor) []T {
	if t == nil {
		return nil
	}
	if t.DType().IsFloat() {
		return converted[float32, T](t.F32())
	}
	return converted[int32, T](t.I32())
}

func converted[F, T float32 | int32](in []F) []T {
	if same, ok := any(in).([]T); ok {
		return same
	}
	out := make([]T, len(in))
	for i, v := range in {
		out[i] = T(v)
	}
	return out
}
