//go:build fulldata

package mlmodel

import (
	"archive/zip"
	"io/fs"
	"os"
	"path"
	"path/filepath"
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

// eachModel calls f with every Core ML file of the data, those in archives
// included.
func eachModel(t testing.TB, f func(fsys fs.FS, name string)) {
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
	eachModel(t, func(fsys fs.FS, name string) {
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
	eachModel(t, func(fsys fs.FS, name string) {
		m, err := OpenFS(fsys, name)
		if err != nil {
			t.Error(err)
			return
		}
		defer m.Close()
		anew(t, m)
	})
}
