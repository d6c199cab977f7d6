package convert

import (
	"bytes"
	"os"
	"testing"

	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/tensor"
)

// FuzzConvert converts whatever parses: an error is fine, a panic is not, and
// what is written needs no later system than it says.
func FuzzConvert(f *testing.F) {
	for _, name := range []string{classifier, style, "../../mlmodel/testdata/network.mlmodel", program + "/Data/com.apple.CoreML/model.mlmodel"} {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, false)
		f.Add(b, true)
	}
	f.Fuzz(func(t *testing.T, b []byte, half bool) {
		doc, err := mlmodel.Parse(bytes.NewReader(b), int64(len(b)), "fuzz")
		if err != nil {
			return
		}
		defer doc.Close()
		o := Options{Float: tensor.Float32}
		if half {
			o.Float = tensor.Float16
		}
		s, err := fromDocument(doc, o)
		if err != nil {
			return
		}
		m, _, err := s.write(t.Context(), o, &Report{})
		if err != nil {
			return
		}
		defer m.Close()
		if v := m.RequiredVersion(); v > m.Spec().GetSpecificationVersion() {
			t.Errorf("specification version %d, needs %d", m.Spec().GetSpecificationVersion(), v)
		}
	})
}
