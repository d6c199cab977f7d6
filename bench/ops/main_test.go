package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// lastColumn is what a table of the page counts.
var lastColumn = regexp.MustCompile(`(?m)\| (–|\d+/\d+) \|$`)

// TestPage holds docs/ops.md against the tables of operators, kernels, layer
// kinds and models. What the cases gave is left aside.
func TestPage(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "ops.md"))
	if err != nil {
		t.Fatal(err)
	}
	var want bytes.Buffer
	write(&want, &counts{})
	strip := func(b []byte) string { return lastColumn.ReplaceAllString(string(b), "|") }
	if diff := cmp.Diff(strip(want.Bytes()), strip(page)); diff != "" {
		t.Errorf("docs/ops.md is not what its first line makes (-want +have):\n%s", diff)
	}
}

// TestCounts counts a case for everything that it holds, and passed ones apart.
func TestCounts(t *testing.T) {
	rows := map[string]tally{}
	add(rows, "conv", true)
	add(rows, "conv", false)
	add(rows, "relu", true)
	for name, want := range map[string]string{"conv": "1/2", "relu": "1/1", "tanh": "–"} {
		if have := rows[name].String(); have != want {
			t.Errorf("%s: %s, want %s", name, have, want)
		}
	}
}
