package gemm

import "github.com/smelt-ml/smelt/internal/kernel/vec"

// Uniform tells whether the function is the same for all rows.
func (a *Act) Uniform() bool { return a.kind != actPRelu }

// ApplyRows is Apply for consecutive rows of the given size, from the given row
// on.
func (a *Act) ApplyRows(v *vec.Funcs, x []float32, row, size int) {
	if a.Uniform() {
		a.Apply(v, x, row)
		return
	}
	for ; len(x) > 0; row++ {
		a.Apply(v, x[:size], row)
		x = x[size:]
	}
}
