//go:build fulldata

package coreml_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/smelt-ml/smelt/internal/conformance"
	"github.com/smelt-ml/smelt/internal/predict"
)

// TestSharedLayers runs the cases of one layer kind, with fast kernels and by
// reference evaluation.
func TestSharedLayers(t *testing.T) {
	dir := os.Getenv("SMELT_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "..", "shared", "data")
	}
	kinds := map[string]int{ // how many cases there are at least
		"batchedMatmul": 20, "biDirectionalLSTM": 1, "convolution": 40, "convolution3d": 60, "globalPooling3d": 2, "gru": 3,
		"innerProduct": 14, "pooling": 40, "pooling3d": 30, "simpleRecurrent": 3, "uniDirectionalLSTM": 4,
	}
	for kind, least := range kinds {
		t.Run(kind, func(t *testing.T) {
			suite, err := conformance.Load(filepath.Join(dir, "conformance", "nn.zip"))
			if err != nil {
				t.Fatal(err)
			}
			defer suite.Close()
			suite.Cases = slices.DeleteFunc(suite.Cases, func(c *conformance.Case) bool { return !slices.Equal(c.Ops, []string{kind}) })
			if len(suite.Cases) < least {
				t.Errorf("%d cases, want %d or more", len(suite.Cases), least)
			}
			for _, reference := range []bool{false, true} {
				r, err := conformance.Run(context.Background(), suite, conformance.Engine(predict.Options{Reference: reference}), conformance.Options{})
				if err != nil {
					t.Fatal(err)
				}
				for _, c := range r.Cases {
					if !c.OK {
						t.Errorf("reference %t: %s: %s", reference, c.ID, c.Error)
					}
				}
			}
		})
	}
}
