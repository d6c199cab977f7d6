package convert

import (
	"slices"
	"strings"

	"github.com/smelt-ml/smelt/internal/backend/mlprogram"
	"github.com/smelt-ml/smelt/internal/engine"
	"github.com/smelt-ml/smelt/internal/frontend/onnx"
	"github.com/smelt-ml/smelt/mil"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/tensor"
)

// The sizes that are tried for open dimensions: as users of pictures and as
// those of sequences would have them.
var (
	pictureSizes  = []int{224, 256, 512, 64, 32, 1}
	sequenceSizes = []int{64, 128, 256, 512, 32, 16, 8, 4, 2, 1}
)

// maxTrials bounds the sizes that are tried together.
const maxTrials = 40

// defaultShapes chooses the shapes that inputs with open dimensions have unless
// somebody asks for others: batches of one, and else the first sizes for which
// every operator of the program has a result. It returns nil where none are.
func defaultShapes(p *onnx.Program, given map[string]mlmodel.Shapes) map[string]mlmodel.Shapes {
	var order []int        // symbols
	sizes := map[int]int{} // theirs
	picture := false
	key := func(i, axis int) int { // an unknown dimension without a symbol is one of its own
		if d := p.Func.Inputs[i].Type.Shape[axis]; d != mil.Unknown {
			return d
		}
		return 1 + i*64 + axis
	}
	for i, v := range p.Func.Inputs {
		for axis, d := range v.Type.Shape {
			k := key(i, axis)
			if _, seen := sizes[k]; d >= 0 || seen {
				continue
			}
			if s, ok := given[v.Name]; ok {
				sizes[k] = s.Default[axis]
				continue
			}
			sizes[k] = 1
			name := strings.ToLower(p.Inputs[i].Dims[axis].Name)
			if axis == 0 && len(v.Type.Shape) > 1 || strings.Contains(name, "batch") {
				continue
			}
			picture = picture || len(v.Type.Shape) == 4 && v.Type.DType.IsFloat() && (v.Type.Shape[1] == 1 || v.Type.Shape[1] == 3)
			order = append(order, k)
		}
	}
	if len(sizes) == 0 {
		return nil
	}
	each := sequenceSizes
	if picture {
		each = pictureSizes
	}
	types := make([]mil.Type, len(p.Func.Inputs))
	works := func() bool {
		for i, v := range p.Func.Inputs {
			types[i] = v.Type
			types[i].Shape = slices.Clone(v.Type.Shape)
			for axis, d := range v.Type.Shape {
				if d < 0 {
					types[i].Shape[axis] = sizes[key(i, axis)]
				}
			}
			if _, err := tensor.CheckShape(types[i].Shape); err != nil {
				return false
			}
		}
		_, err := engine.Specialize(p.Func, types, engine.Options{})
		return err == nil
	}
	found := false
	for trial, choice := range choices(len(order), each, !picture) {
		for i, k := range order {
			sizes[k] = choice[i]
		}
		if found = works(); found || trial == maxTrials {
			break
		}
	}
	if !found {
		return nil
	}
	out := map[string]mlmodel.Shapes{}
	for i, v := range p.Func.Inputs {
		if _, ok := given[v.Name]; ok || v.Type.IsStatic() {
			continue
		}
		s := mlmodel.Shapes{Default: types[i].Shape}
		for _, d := range v.Type.Shape {
			r := mlmodel.Range{Min: int64(d), Max: int64(d)}
			if d < 0 {
				r = mlmodel.Range{Min: 1, Max: mlprogram.MaxOpen}
			}
			s.Ranges = append(s.Ranges, r)
		}
		out[v.Name] = s
	}
	return out
}

// choices yields sizes of n dimensions: all alike, and with sums, after the first
// size, each as large as that or twice as large.
func choices(n int, sizes []int, sums bool) func(yield func(int, []int) bool) {
	return func(yield func(int, []int) bool) {
		trial := 0
		give := func(choice []int) bool {
			trial++
			return yield(trial-1, choice)
		}
		for i, size := range sizes {
			if !give(slices.Repeat([]int{size}, n)) {
				return
			}
			if !sums || i > 0 || n < 2 || n > 4 {
				continue
			}
			for mask := 1; mask < 1<<n; mask++ {
				choice := make([]int, n)
				for j := range choice {
					choice[j] = size
					if mask>>j&1 == 1 {
						choice[j] = 2 * size
					}
				}
				if !give(choice) {
					return
				}
			}
		}
	}
}
