package edit_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/smelt-ml/smelt/internal/edit"
	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// drawn are edits of a model's features that bytes choose.
func drawn(m *mlmodel.Model, choices []byte) edit.Options {
	next := func(n int) int {
		if len(choices) == 0 || n == 0 {
			return 0
		}
		b := choices[0]
		choices = choices[1:]
		return int(b) % n
	}
	var o edit.Options
	for _, face := range mlmodel.Describe(m.Spec().GetDescription())[:1] {
		colors := []edit.Color{spec.ImageFeatureType_RGB, spec.ImageFeatureType_BGR, spec.ImageFeatureType_GRAYSCALE, spec.ImageFeatureType_GRAYSCALE_FLOAT16}
		types := []tensor.DType{tensor.Float16, tensor.Float32, tensor.Float64, tensor.Int32, tensor.Bool}
		names := []string{"", "x", "y", "image", "a_b", "c d", "classLabel"}
		o = edit.Options{
			Rename: map[string]string{}, ImageInputs: map[string]edit.Image{}, ImageOutputs: map[string]edit.Color{},
			DTypes: map[string]tensor.DType{}, Flexible: map[string]mlmodel.Shapes{}, Minimize: next(4) == 1,
		}
		if len(face.Inputs)+len(face.Outputs) > 50 {
			continue
		}
		shape := func(f mlmodel.Feature) []int {
			s := append([]int(nil), f.Shapes().Default...)
			for i := range s {
				s[i] += next(5) - 2
			}
			return s
		}
		each := func(f mlmodel.Feature, in bool) {
			switch next(8) {
			case 1:
				o.Rename[f.Name] = names[next(len(names))]
			case 2:
				if in {
					o.ImageInputs[f.Name] = edit.Image{Color: colors[next(4)], Scale: float32(next(3)), Bias: make([]float32, next(5))}
				} else {
					o.ImageOutputs[f.Name] = colors[next(4)]
				}
			case 3:
				if in {
					o.ArrayInputs = append(o.ArrayInputs, f.Name)
				} else {
					o.ArrayOutputs = append(o.ArrayOutputs, f.Name)
				}
			case 4:
				o.DTypes[f.Name] = types[next(len(types))]
			case 5:
				o.Flexible[f.Name] = mlmodel.Shapes{Enumerated: [][]int{shape(f), shape(f)}}
			case 6:
				var s mlmodel.Shapes
				for _, n := range shape(f) {
					s.Ranges = append(s.Ranges, mlmodel.Range{Min: int64(n), Max: int64(n + next(4) - 1)})
				}
				o.Flexible[f.Name] = s
			case 7:
				o.Fixed = append(o.Fixed, f.Name)
			}
		}
		for _, f := range face.Inputs {
			each(f, true)
		}
		for _, f := range face.Outputs {
			each(f, false)
		}
		if n := next(12); n > 6 {
			for i := range n - 6 {
				o.Labels = append(o.Labels, string(rune('a'+i)))
			}
		}
	}
	if next(2) == 1 {
		o.Verify = &edit.Verify{}
	}
	return o
}

// FuzzEdit edits whatever parses. A failed edit changes nothing; what an edit
// gives can be written, read again and renamed back.
func FuzzEdit(f *testing.F) {
	for i, path := range all {
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			path = filepath.Join(path, "Data", "com.apple.CoreML", "model.mlmodel")
		}
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for j := range 8 {
			f.Add(b, []byte{byte(i), byte(j), byte(i + j), byte(3 * j), 1, byte(j), byte(i), 2, 7, 9})
			f.Add(b, []byte{0, byte(j), 1, 2, 2, 1, byte(j), 3, 1, 1, 1, 1})
		}
	}
	f.Fuzz(func(t *testing.T, b, choices []byte) {
		if len(b) > 1<<16 {
			return
		}
		m, err := mlmodel.Parse(bytes.NewReader(b), int64(len(b)), "fuzz")
		if err != nil {
			return
		}
		defer m.Close()
		before := proto.CloneOf(m.Spec())
		o := drawn(m, choices)
		if _, err := edit.Apply(t.Context(), m, o); err != nil {
			if !proto.Equal(before, m.Spec()) {
				t.Fatalf("a failed edit changed the model: %v", err)
			}
			return
		}
		out := filepath.Join(t.TempDir(), "out.mlmodel")
		if err := m.Save(out); err != nil {
			return // too large, or weights in files that are not there
		}
		again, err := mlmodel.Open(out)
		if err != nil {
			t.Fatal(err)
		}
		defer again.Close()
		if !proto.Equal(m.Spec().GetDescription(), again.Spec().GetDescription()) {
			t.Fatal("what is written describes another model")
		}
	})
}
