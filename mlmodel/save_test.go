package mlmodel

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/mlmodel/blob"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

var errDisk = errors.New("disk on fire")

// failing is a reader that gives some bytes and then an error.
type failing int64

func (f failing) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > int64(f) {
		return 0, errDisk
	}
	return len(p), nil
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

// A save that fails on the way leaves the old model, and nothing else.
func TestFailedSave(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "m.mlmodel")
	if err := os.WriteFile(file, oddModel(), 0o666); err != nil {
		t.Fatal(err)
	}
	pkg := filepath.Join(dir, "m.mlpackage")
	writePackage(t, pkg)
	manifest, err := os.ReadFile(filepath.Join(pkg, manifestName))
	if err != nil {
		t.Fatal(err)
	}
	m, err := Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	wp := layers(m)[0].GetConvolution().GetWeights()
	if err := m.SetWeights(wp, NewWeights(Float32, failing(1<<20), 1<<21)); err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{file, pkg, filepath.Join(dir, "new.mlmodel"), filepath.Join(dir, "new.mlpackage")} {
		err := m.Save(target)
		if !errors.Is(err, errDisk) || !strings.Contains(err.Error(), target) {
			t.Errorf("%s: %v", target, err)
		}
	}
	if got := names(t, dir); !slices.Equal(got, []string{"m.mlmodel", "m.mlpackage"}) {
		t.Error(got)
	}
	if b, err := os.ReadFile(file); err != nil || !bytes.Equal(b, oddModel()) {
		t.Error("the file is another", err)
	}
	if b, err := os.ReadFile(filepath.Join(pkg, manifestName)); err != nil || !bytes.Equal(b, manifest) {
		t.Error("the package is another", err)
	}
	// It can be saved once the weights can be read.
	if err := m.SetWeights(wp, FloatWeights([]float32{1})); err != nil {
		t.Fatal(err)
	}
	if err := m.Save(file); err != nil {
		t.Error(err)
	}
	if err := m.Save(filepath.Join(dir, "no", "such", "folder.mlmodel")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// The model of a package, opened by itself, can be edited, but is no package.
func TestModelOutOfPackage(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "m.mlpackage")
	writePackage(t, name)
	m, err := Open(filepath.Join(name, filepath.FromSlash(defaultModelPath)))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if _, err := m.Blob("@model_path/weights/weight.bin"); fault.KindOf(err) != fault.Corrupt {
		t.Error(err)
	}
	if err := m.Save(filepath.Join(dir, "n.mlpackage") + string(filepath.Separator)); fault.KindOf(err) != fault.Corrupt {
		t.Error(err)
	}
	m.Spec().SetIsUpdatable(true)
	if err := m.Save(m.Path()); err != nil {
		t.Fatal(err)
	}
	whole, err := Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer whole.Close()
	if v := readBlob(t, whole); !whole.Spec().GetIsUpdatable() || !slices.Equal(v, []float32{1, 2, 3}) {
		t.Error(v)
	}
}

func TestFailedWriteBlob(t *testing.T) {
	name := filepath.Join(t.TempDir(), "m.mlpackage")
	writePackage(t, name)
	m, err := Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	err = m.WriteBlob("@model_path/weights/weight.bin", func(w *blob.Writer) error {
		if _, err := w.Append(tensor.Floats([]int{1}, []float32{7})); err != nil {
			t.Fatal(err)
		}
		return errDisk
	})
	if !errors.Is(err, errDisk) {
		t.Error(err)
	}
	if v := readBlob(t, m); !slices.Equal(v, []float32{1, 2, 3}) {
		t.Error(v)
	}
	if err := m.WriteBlob("../x", nil); fault.KindOf(err) != fault.BadValue {
		t.Error(err)
	}
}

// Where open files cannot be replaced they are closed before.
func TestReplaceWithoutOpenFiles(t *testing.T) {
	replacesOpen = false
	defer func() { replacesOpen = true }()
	dir := t.TempDir()
	file := filepath.Join(dir, "m.mlmodel")
	if err := os.WriteFile(file, oddModel(), 0o666); err != nil {
		t.Fatal(err)
	}
	pkg := filepath.Join(dir, "m.mlpackage")
	writePackage(t, pkg)
	for range 2 {
		m, err := Open(file)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			m.Spec().SetIsUpdatable(!m.Spec().GetIsUpdatable())
			if err := m.Save(file); err != nil {
				t.Fatal(err)
			}
		}
		w, err := m.Weights(layers(m)[0].GetConvolution().GetWeights())
		if err != nil {
			t.Fatal(err)
		}
		if v, err := w.Values(nil, []int{4}, -1); err != nil || !slices.Equal(v, []float32{1, 2, 3, 4}) {
			t.Error(v, err)
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
	if b, err := os.ReadFile(file); err != nil || !bytes.Equal(b, oddModel()) {
		t.Error("the file is another", err)
	}
	m, err := Open(pkg)
	if err != nil {
		t.Fatal(err)
	}
	for range 4 {
		v := readBlob(t, m)
		slices.Reverse(v)
		err := m.WriteBlob("@model_path/weights/weight.bin", func(w *blob.Writer) error {
			_, err := w.Append(tensor.Floats([]int{3}, v))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Save(pkg); err != nil {
			t.Fatal(err)
		}
	}
	if v := readBlob(t, m); !slices.Equal(v, []float32{1, 2, 3}) {
		t.Error(v)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
}

// A package that had no weight file gets an item for the one it is given;
// what else its manifest says stays.
func TestManifestGrows(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "m.mlpackage")
	writePackage(t, name)
	manifest := `{"fileFormatVersion":"1.0.0","later":[1],"rootModelIdentifier":"r","itemInfoEntries":{"r":{"path":"com.apple.CoreML/model.mlmodel","note":"mine"}}}`
	if err := os.WriteFile(filepath.Join(name, manifestName), []byte(manifest), 0o666); err != nil {
		t.Fatal(err)
	}
	m, err := Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := m.Save(name); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(name, manifestName)); err != nil || string(b) != manifest {
		t.Errorf("%s; %v", b, err)
	}
	err = m.WriteBlob("@model_path/other/w.bin", func(w *blob.Writer) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Save(name); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(name, manifestName))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"later": [`, `"note": "mine"`, `"path": "com.apple.CoreML/other"`, `"rootModelIdentifier": "r"`} {
		if !strings.Contains(string(b), want) {
			t.Errorf("no %s in %s", want, b)
		}
	}
}

// The same model built twice is the same to the last byte.
func TestNewIsReproducible(t *testing.T) {
	dir := t.TempDir()
	writePackage(t, filepath.Join(dir, "a.mlpackage"))
	writePackage(t, filepath.Join(dir, "b.mlpackage"))
	sameFiles(t, os.DirFS(dir), "a.mlpackage", os.DirFS(dir), "b.mlpackage")
	b, err := os.ReadFile(filepath.Join(dir, "a.mlpackage", manifestName))
	if err != nil || !bytes.Contains(b, []byte(`"path": "com.apple.CoreML/weights"`)) {
		t.Errorf("%s, %v", b, err)
	}
}

// Weights may come from another model, which is read when this one is saved.
func TestWeightsOfAnotherModel(t *testing.T) {
	from := parseBytes(t, oddModel())
	w, err := from.Weights(layers(from)[0].GetConvolution().GetWeights())
	if err != nil {
		t.Fatal(err)
	}
	s, wp := new(spec.Model), new(spec.WeightParams)
	s.SetSpecificationVersion(1)
	s.SetNeuralNetwork(spec.NeuralNetwork_builder{Layers: []*spec.NeuralNetworkLayer{spec.NeuralNetworkLayer_builder{
		InnerProduct: spec.InnerProductLayerParams_builder{Weights: wp}.Build(),
	}.Build()}}.Build())
	m := New(s)
	if err := m.SetWeights(wp, w); err != nil {
		t.Fatal(err)
	}
	want := slices.Concat(varint(1, 1), field(500, field(1, field(140, field(20, field(1, floats(1, 2, 3, 4)))))))
	if got := encoded(t, m); !bytes.Equal(got, want) {
		t.Errorf("have\n% x, want\n% x", got, want)
	}
}
