//go:build fulldata

package mlmodel

import (
	"archive/zip"
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// sharedData returns the folder of the large test data.
func sharedData(t testing.TB) string {
	dir := os.Getenv("SMELT_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "data")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// eachSharedModel calls f with every Core ML file of the data, those in archives
// included.
func eachSharedModel(t testing.TB, f func(fsys fs.FS, name string)) {
	dir := sharedData(t)
	walk := func(fsys fs.FS) {
		err := fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && strings.HasSuffix(p, ".mlpackage"):
				f(fsys, p)
				return fs.SkipDir
			case strings.HasSuffix(p, ".mlmodel"):
				f(fsys, p)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	walk(os.DirFS(dir))
	zips, err := filepath.Glob(filepath.Join(dir, "conformance", "*.zip"))
	if err != nil || len(zips) == 0 {
		t.Fatal(zips, err)
	}
	for _, z := range zips {
		r, err := zip.OpenReader(z)
		if err != nil {
			t.Fatal(err)
		}
		walk(r)
		r.Close()
	}
}

// Saving what was opened gives the same files, for every model there is.
func TestIdentityOnSharedData(t *testing.T) {
	n := 0
	temp := t.TempDir()
	eachSharedModel(t, func(fsys fs.FS, name string) {
		n++
		m, err := OpenFS(fsys, name)
		if err != nil {
			t.Error(err)
			return
		}
		defer m.Close()
		if n%50 == 0 || m.src.size > 1<<20 { // files on disk cost time
			out := filepath.Join(temp, path.Base(name))
			if err := m.Save(out); err != nil {
				t.Error(err)
				return
			}
			sameFiles(t, fsys, name, os.DirFS(temp), path.Base(name))
			if err := os.RemoveAll(out); err != nil {
				t.Fatal(err)
			}
			return
		}
		want := make([]byte, m.src.size)
		if _, err := m.src.ReadAt(want, 0); err != nil {
			t.Fatal(err)
		}
		if got := encoded(t, m); string(got) != string(want) {
			t.Errorf("%s: encoded other bytes", name)
		}
	})
	t.Logf("%d models", n)
}

// Encoding every message anew gives a model that means the same.
func TestReencodeSharedData(t *testing.T) {
	eachSharedModel(t, func(fsys fs.FS, name string) {
		m, err := OpenFS(fsys, name)
		if err != nil {
			t.Error(err)
			return
		}
		defer m.Close()
		anew(t, m)
	})
}

// understated is what the writers of the data have not asked a newer version
// for, though it needs one.
var understated = []string{
	"cropResize", "resizeBilinear", "sliceBySize", "sliceStatic", "rawValue", "int8RawValue", "innerProduct", "batchedMatmul",
	"kNearestNeighborsClassifier",
}

// reasons returns what in a model needs a newer version than it has.
func reasons(m *Model, have int32) []string {
	var all []string
	for _, s := range Models(m.spec) {
		if kindVersion(s) > have {
			all = append(all, kindOf(s))
		}
		if interfaceVersion(s) > have || mappingVersion(s) > have {
			all = append(all, "interface")
		}
	}
	for l := range Layers(m.spec) {
		if layerVersion(l) > have {
			all = append(all, l.Kind)
		}
	}
	for w := range NetworkWeights(m.spec) {
		if payload, err := m.Weights(w.Params); err == nil && weightVersion[payload.Kind()] > have {
			all = append(all, payload.Kind().String())
		}
	}
	return all
}

// Every model has the version that its writer gave it, and what it is made of
// is what the data's own index says.
func TestDescribeSharedData(t *testing.T) {
	eachSharedModel(t, func(fsys fs.FS, name string) {
		m, err := OpenFS(fsys, name)
		if err != nil {
			t.Error(err)
			return
		}
		defer m.Close()
		have, need := m.spec.GetSpecificationVersion(), m.RequiredVersion()
		switch {
		case need < have:
			t.Errorf("%s: has version %d, needs only %d", name, have, need)
		case need > have:
			for _, reason := range reasons(m, have) {
				if !slices.Contains(understated, reason) {
					t.Errorf("%s: has version %d, needs %d because of %s", name, have, need, reason)
				}
			}
		}
		for w := range NetworkWeights(m.spec) {
			payload, err := m.Weights(w.Params)
			if err != nil {
				t.Errorf("%s: %s: %s: %v", name, w.Layer.Path, w.Role, err)
				continue
			}
			if payload.Kind() == 0 || w.Shape == nil {
				continue
			}
			if _, err := payload.Values(w.Params.GetQuantization(), w.Shape, w.Axis); err != nil {
				t.Errorf("%s: %s: %s %s: %v", name, w.Layer.Path, w.Layer.Kind, w.Role, err)
			}
		}
		index, err := fs.ReadFile(fsys, path.Join(path.Dir(name), "case.json"))
		if err != nil || path.Base(name) != "model.mlpackage" && path.Base(name) != "model.mlmodel" {
			return
		}
		var c struct{ Ops []string }
		if err := json.Unmarshal(index, &c); err != nil {
			t.Fatal(err)
		}
		c.Ops = slices.DeleteFunc(c.Ops, func(op string) bool { return op == "preprocessing" }) // of the input, no layer
		if got := slices.Sorted(maps.Keys(m.Summary().Layers)); !slices.Equal(got, slices.Sorted(slices.Values(c.Ops))) {
			t.Errorf("%s: made of %v, want %v", name, got, c.Ops)
		}
	})
}

// Parameters of real models, as their makers count them.
func TestParametersOfSharedModels(t *testing.T) {
	dir := filepath.Join(sharedData(t), "models")
	for name, want := range map[string]int64{
		"squeezenet/SqueezeNet.mlmodel":                    1235496,
		"squeezenet/SqueezeNet_fp16.mlpackage":             1235496,
		"squeezenet/quantized/SqueezeNet_kmeans_1.mlmodel": 1235496,
		"squeezenet/quantized/SqueezeNet_linear_4.mlmodel": 1235496,
		"style-wave/StyleWave.mlmodel":                     1677638,
		"minilm/MiniLM_int8.mlpackage":                     22392576, // without a pooler, 64 positions
		"mobilenet-v1-025/MobileNetV1_025.mlmodel":         467593,
		"mobilenet-v1-025/MobileNetV1_025_fp32.mlpackage":  467593,
		"mobilenet-v1-025/MobileNetV1_025_fp16.mlpackage":  467593,
	} {
		m, err := Open(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		s := m.Summary()
		if s.Parameters != want {
			t.Errorf("%s: %d parameters, want %d", name, s.Parameters, want)
		}
		size, err := m.Size()
		if err != nil || s.WeightBytes > size || s.WeightBytes < size*8/10 {
			t.Errorf("%s: %d bytes of weights in %d; %v", name, s.WeightBytes, size, err)
		}
		m.Close()
	}
}
