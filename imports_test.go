package smelt_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/smelt-ml/smelt"

// floors lists the rooms from the top of the house to the ground, by prefix. A
// package may import those of its own room and of rooms below it.
var floors = [][]string{
	{"cmd", "bench"},
	{"."}, // the root package
	{"internal/conformance"},
	{"compare"},
	{"compress"},
	{"internal/convert"},
	{"internal/edit"},
	{"internal/conversion"},
	{"internal/stream"},
	{"internal/predict"},
	{"internal/classic"},
	{"internal/engine"},
	{"internal/backend"},
	{"internal/onnxml"},
	{"internal/frontend"},
	{"internal/onnxpb"},
	{"internal/media"},
	{"internal/kernel"},
	{"compare/metric"},
	{"compress/quant"},
	{"mil/pass"},
	{"mil/op"},
	{"mil"},
	{"mlmodel"},
	{"mlmodel/blob"},
	{"mlmodel/spec"},
	{"tensor"},
	{"fault"},
}

// forbidden are imports that go down, but are wrong all the same.
var forbidden = map[string][]string{
	"internal/kernel":                  {"mil", "mlmodel", "tensor", "internal/media"},
	"internal/frontend":                {"internal/kernel", "internal/engine", "internal/media"},
	"internal/backend":                 {"internal/frontend", "internal/kernel", "internal/media"},
	"internal/frontend/onnx":           {"mlmodel"},
	"internal/frontend/onnx/classical": {"mil", "internal/onnxpb"},
	"internal/onnxml":                  {"mil/op", "mil/pass", "internal/backend", "internal/kernel", "internal/media"},
	"internal/engine":                  {"mlmodel", "internal/frontend", "internal/backend", "internal/media", "compress"},
	"internal/conversion":              {"internal", "mlmodel"},
	"internal/classic":                 {"internal", "mil", "compare", "compress"},
	"mil":                              {"mlmodel"},
	"compare/metric":                   {"mil", "mlmodel", "internal"},
}

// floor returns the index of the room that a package belongs to: the one with
// the longest prefix.
func floor(pkg string) int {
	best, length := -1, -1
	for i, room := range floors {
		for _, prefix := range room {
			if (pkg == prefix || strings.HasPrefix(pkg, prefix+"/")) && len(prefix) > length {
				best, length = i, len(prefix)
			}
		}
	}
	return best
}

func under(pkg, room string) bool { return pkg == room || strings.HasPrefix(pkg, room+"/") }

// TestImportsPointDown holds the rule of ARCHITECTURE.md.
func TestImportsPointDown(t *testing.T) {
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != "." && (strings.HasPrefix(d.Name(), "_") || strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata") {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		pkg := filepath.ToSlash(filepath.Dir(path))
		from := floor(pkg)
		if from < 0 {
			t.Errorf("%s: the package %s belongs to no room", path, pkg)
			return nil
		}
		for _, imp := range f.Imports {
			name, err := strconv.Unquote(imp.Path.Value)
			if err != nil {
				return err
			}
			if name != module && !strings.HasPrefix(name, module+"/") {
				continue
			}
			name = strings.TrimPrefix(strings.TrimPrefix(name, module), "/")
			if name == "" {
				name = "."
			}
			if to := floor(name); to < from {
				t.Errorf("%s: %s imports %s, which lies above it", path, pkg, name)
			}
			for room, others := range forbidden {
				if !under(pkg, room) {
					continue
				}
				for _, other := range others {
					if under(name, other) && !under(name, room) {
						t.Errorf("%s: %s may not import %s", path, pkg, name)
					}
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
