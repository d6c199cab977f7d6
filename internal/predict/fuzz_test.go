package predict

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/smelt-ml/smelt/mlmodel"
)

// FuzzModel runs whatever can be read as a model: it may fail, but neither
// panic, nor take more memory or time than it is given.
func FuzzModel(f *testing.F) {
	files, err := filepath.Glob(filepath.Join("testdata", "*.mlmodel"))
	if err != nil || len(files) == 0 {
		f.Fatal("no models in testdata", err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		doc, err := mlmodel.Parse(bytes.NewReader(b), int64(len(b)), "fuzz.mlmodel")
		if err != nil {
			return
		}
		defer doc.Close()
		m, err := Load(doc, Options{Threads: 1, MaxBytes: 16 << 20})
		if err != nil {
			return
		}
		defer m.Close()
		in, err := m.sample()
		if err != nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		start := time.Now()
		_, _ = m.Predict(ctx, in, nil)
		if d := time.Since(start); d > 10*time.Second {
			t.Errorf("took %v", d)
		}
	})
}
