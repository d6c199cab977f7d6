package gemm

import "github.com/smelt-ml/smelt/internal/kernel/vec"

// ApplyRows is Apply for consecutive rows of the given size, from the given row
// on.
func (a *Act) ApplyRows(v *vec.Funcs, x []float32, row, size int) {
	if a.kind != actPRelu {
		a.Apply(v, x, row)
		return
	}
	for ; len(x) > 0; row++ {
		a.Apply(v, x[:size], row)
		x = x[size:]
	}
}
