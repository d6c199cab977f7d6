package compress

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/smelt-ml/smelt/mlmodel"
)

// A document that can be opened is compressed or refused, and what comes out
// can be opened, whatever is in it.
func FuzzQuantize(f *testing.F) {
	for _, name := range []string{"network.mlmodel", "pipeline.mlmodel", "network_linear_3.mlmodel"} {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, uint8(4), uint8(0))
	}
	for _, name := range []string{"ios15_fp16.mlpackage", "ios16_fp32_linear_8.mlpackage", "ios18_fp32_linear_lut_4.mlpackage"} {
		m := testModel(f, name)
		all, p := taken(f, m)
		for _, c := range all {
			for _, v := range held(c.op) {
				if !v.HasBlobFileValue() {
					continue
				}
				x, err := p.read(v)
				if err != nil {
					f.Fatal(err)
				}
				v.SetImmediateValue(literal(x).GetImmediateValue())
			}
		}
		b, err := proto.Marshal(m.Spec())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, uint8(4), uint8(3))
		f.Add(b, uint8(0), uint8(0))
	}
	modes := []Mode{Linear, LinearSymmetric, LinearLUT, KMeans, CustomLUT}
	f.Fuzz(func(t *testing.T, b []byte, bits, mode uint8) {
		m, err := mlmodel.Parse(bytes.NewReader(b), int64(len(b)), "fuzz")
		if err != nil {
			return
		}
		defer m.Close()
		o := Options{
			Bits: []int{16, 1, 2, 3, 4, 5, 6, 7, 8}[bits%9], Mode: modes[int(mode)%len(modes)], CustomLUT: endpoints,
			MinElements: 1, Vectors: VectorsCompress, Again: true, Workers: 1,
		}
		if _, err := Quantize(context.Background(), m, o); err != nil {
			return
		}
		path := filepath.Join(t.TempDir(), "out.mlmodel")
		if err := m.Save(path); err != nil {
			t.Fatal(err)
		}
		out, err := mlmodel.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer out.Close()
		o.Again = false
		if _, err := Quantize(context.Background(), out, o); err == nil {
			t.Log("there was more to compress")
		}
	})
}
