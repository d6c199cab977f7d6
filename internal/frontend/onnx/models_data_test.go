//go:build fulldata

package onnx

import (
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/smelt-ml/smelt/tensor"
)

// dataDir returns the folder of the shared data.
func dataDir(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("SMELT_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "..", "shared", "data")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// pictures makes [N, 3, H, W] of pixels, in the order of channels, less a mean.
func pictures(t *tensor.Tensor, order [3]int, mean [3]float32) *tensor.Tensor {
	s := t.Shape()
	n, plane := s[0], s[1]*s[2]
	in, out := t.I32(), make([]float32, n*3*plane)
	for i := range n {
		for c, from := range order {
			for p := range plane {
				out[(i*3+c)*plane+p] = float32(in[(i*plane+p)*3+from]) - mean[c]
			}
		}
	}
	return tensor.Floats([]int{n, 3, s[1], s[2]}, out)
}

// TestModels runs real models, with symbolic dimensions and with fixed ones,
// and holds them against what ONNX Runtime gave.
func TestModels(t *testing.T) {
	dir := filepath.Join(dataDir(t), "models")
	bgr, rgb := [3]int{2, 1, 0}, [3]int{0, 1, 2}
	array := func(name string) func(map[string]*tensor.Tensor) *tensor.Tensor {
		return func(z map[string]*tensor.Tensor) *tensor.Tensor { return z[name] }
	}
	type values map[string]func(map[string]*tensor.Tensor) *tensor.Tensor
	tests := []struct {
		model, npz string
		in         values
		want       map[string]string
		tolerance  float64
	}{
		{"squeezenet/squeezenet1_1.onnx", "squeezenet/expected.npz", values{
			"data": func(z map[string]*tensor.Tensor) *tensor.Tensor {
				return pictures(z["image_rgb_uint8"], bgr, [3]float32{104.006, 116.669, 122.679})
			},
		}, map[string]string{"prob": "prob"}, 1e-5},
		{"style-wave/style_wave.onnx", "style-wave/expected.npz", values{
			"image": func(z map[string]*tensor.Tensor) *tensor.Tensor {
				return pictures(z["image_rgb_uint8"], rgb, [3]float32{})
			},
		}, map[string]string{"stylizedImage": "stylized_rgb_uint8"}, 0.6},
		{"basic-pitch/nmp.onnx", "basic-pitch/expected.npz", values{"serving_default_input_2:0": array("input")}, map[string]string{
			"StatefulPartitionedCall:0": "StatefulPartitionedCall_0", "StatefulPartitionedCall:1": "StatefulPartitionedCall_1",
			"StatefulPartitionedCall:2": "StatefulPartitionedCall_2",
		}, 2e-3}, // logarithms of next to nothing: float64 sums are as far from ONNX Runtime's float32 ones
		{"ocr/ch_ppocr_mobile_v2.0_cls_infer.onnx", "ocr/expected_cls.npz", values{"x": array("x")}, map[string]string{
			"save_infer_model/scale_0.tmp_1": "output",
		}, 1e-5},
		{"silero-vad/silero_vad_16k_sequence.onnx", "silero-vad/expected.npz", values{
			"input": array("input"), "h": array("h"), "c": array("c"),
		}, map[string]string{"speech_probs": "speech_probs", "hn": "hn", "cn": "cn"}, 1e-4},
	}
	for _, test := range tests {
		t.Run(filepath.Dir(test.model), func(t *testing.T) {
			z, err := tensor.OpenNPZ(filepath.Join(dir, test.npz))
			if err != nil {
				t.Fatal(err)
			}
			defer z.Close()
			arrays := map[string]*tensor.Tensor{}
			for _, name := range z.Names() {
				if name == "files" {
					continue
				}
				if arrays[name], err = z.Read(name); err != nil {
					t.Fatal(err)
				}
			}
			m, err := Open(filepath.Join(dir, test.model))
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			in, shapes := map[string]*tensor.Tensor{}, map[string][]int{}
			for name, f := range test.in {
				in[name] = f(arrays)
				shapes[name] = in[name].Shape()
			}
			for _, o := range []Options{{}, {Shapes: shapes}} {
				p, err := m.Program(o)
				if err != nil {
					t.Fatal(err)
				}
				outs, err := compute(p, in, false)
				if err != nil {
					t.Fatal(err)
				}
				for i, v := range p.Func.Body.Outputs {
					want := arrays[test.want[v.Name]]
					w, g := want.Float64s(), outs[i].Float64s()
					if len(w) != len(g) {
						t.Fatalf("%s: shape %v, want %v", v.Name, outs[i].Shape(), want.Shape())
					}
					worst := 0.
					pixels := want.Rank() == 4 && want.Shape()[3] == 3
					for j := range w {
						k := j
						if pixels { // [N, H, W, 3]
							plane := want.Shape()[1] * want.Shape()[2]
							k = j/(3*plane)*3*plane + j%3*plane + j/3%plane
						}
						if d := math.Abs(g[k] - w[j]); d > worst || math.IsNaN(d) {
							worst = d
						}
					}
					t.Logf("%s, %d nodes: off by %.3g", v.Name, len(p.Func.Body.Nodes), worst)
					if !(worst <= test.tolerance) {
						t.Errorf("%s is off by %g, want %g", v.Name, worst, test.tolerance)
					}
				}
			}
		})
	}
}
