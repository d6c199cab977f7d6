//go:build fulldata

package conformance

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/smelt-ml/smelt/internal/predict"
)

// explained returns the text of docs/conformance.md, which lists the cases
// that cannot pass, each with the reason.
func explained(t *testing.T) string {
	b, err := os.ReadFile(filepath.Join("..", "..", "docs", "conformance.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestEngine runs every case on this project's engine, with kernels and by
// reference evaluation. A case that fails must be explained; one that is
// explained must still fail with the kernels, so that the list stays true.
func TestEngine(t *testing.T) {
	list, strictly, _ := strings.Cut(explained(t), "## Only by reference evaluation")
	for _, name := range []string{"nn", "mil", "torch", "tf", "compress", "trees"} {
		for _, reference := range []bool{false, true} {
			s := sharedCases(t, name)
			report, err := Run(context.Background(), s, Engine(predict.Options{Reference: reference}), Options{})
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range report.Cases {
				id := "`" + c.ID + "`"
				known := strings.Contains(list, id) || (reference && strings.Contains(strictly, id))
				switch {
				case !c.OK && !known:
					t.Errorf("reference %v: %s: %s", reference, c.ID, c.Error)
				case c.OK && known && !reference:
					t.Errorf("%s passes, but docs/conformance.md says that it cannot", c.ID)
				}
			}
			t.Logf("%s, reference %v: %d of %d passed in %.2f s", name, reference, report.Passed, len(report.Cases), report.Seconds)
		}
	}
}
