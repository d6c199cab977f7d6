package convert

import (
	"bytes"
	"os"
	"path/filepath"
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
		for i := range targets {
			c, err := fromDocument(doc, o)
			if err != nil {
				return
			}
			out := filepath.Join(t.TempDir(), "out"+targets[i].ext)
			m, _, err := c.write(t.Context(), &targets[i], out, o, &Report{})
			if err != nil {
				continue
			}
			_, err = m.save()
			m.close()
			if err != nil {
				t.Fatal(err)
			}
			if !targets[i].core {
				continue
			}
			written, err := mlmodel.Open(out)
			if err != nil {
				t.Fatal(err)
			}
			if v := written.RequiredVersion(); v > written.Spec().GetSpecificationVersion() {
				t.Errorf("%s: specification version %d, needs %d", targets[i].name, written.Spec().GetSpecificationVersion(), v)
			}
			written.Close()
		}
	})
}
