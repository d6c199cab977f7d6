package conformance

import (
	"archive/zip"
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/smelt-ml/smelt/fault"
)

var smallCases = os.DirFS(filepath.Join("testdata", "cases"))

var smallIDs = []string{"double", "double_half", "accumulate", "classify", "brightness", "coin"}

func load(t *testing.T, path string) *Suite {
	t.Helper()
	s, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func ids(s *Suite) []string {
	var out []string
	for _, c := range s.Cases {
		out = append(out, c.ID)
	}
	return out
}

// writeTree writes files, given by their slash-separated names.
func writeTree(t *testing.T, dir string, files map[string]string) string {
	t.Helper()
	for name, text := range files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// writeZip writes an archive of files, given in pairs of name and content.
func writeZip(t *testing.T, name string, pairs ...string) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := 0; i < len(pairs); i += 2 {
		w, err := z.Create(pairs[i])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(pairs[i+1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, b.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	return name
}

const minimal = `{"suite": "min", "ops": ["a"], "variants": ["a.b"], "model": "m", "outputs": [{"name": "y", "check": "shape", "shape": []}]}`

func TestLoad(t *testing.T) {
	for _, path := range []string{"cases", "cases.zip"} {
		if got := ids(load(t, filepath.Join("testdata", path))); !slices.Equal(got, smallIDs) {
			t.Errorf("%s: want %v in the order of the index, have %v", path, smallIDs, got)
		}
	}
	if got := ids(load(t, filepath.Join("testdata", "cases", "coin"))); !slices.Equal(got, []string{"coin"}) {
		t.Errorf("a single case: have %v", got)
	}
	// A folder of archives, with others beside them.
	if got := ids(load(t, "testdata")); !slices.Equal(got, smallIDs) {
		t.Errorf("a folder of archives: have %v", got)
	}
}

func TestLoadUnlisted(t *testing.T) {
	files := map[string]string{
		"b/case.json": minimal, "a/case.json": minimal, "c/case.json": minimal,
		"notes/x": "", "README": "", ".hidden/case.json": minimal,
	}
	dir := writeTree(t, t.TempDir(), files)
	if got := ids(load(t, dir)); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("without an index: have %v", got)
	}
	writeTree(t, dir, map[string]string{"index.json": `[{"id": "c"}, {"id": "lost"}]`})
	s := load(t, dir)
	if got := ids(s); !slices.Equal(got, []string{"c", "lost", "a", "b"}) {
		t.Errorf("with an index of some: have %v", got)
	}
	for _, c := range s.Cases {
		if (c.Err() != nil) != (c.ID == "lost") {
			t.Errorf("%s: %v", c.ID, c.Err())
		}
	}
	if err := s.Cases[1].Err(); err == nil || !strings.Contains(err.Error(), filepath.Join("lost", "case.json")) {
		t.Errorf("the error does not name the file: %v", err)
	}
	t.Chdir(filepath.Join(dir, "a"))
	if got := ids(load(t, ".")); !slices.Equal(got, []string{"a"}) {
		t.Errorf("the current folder: have %v", got)
	}
	odd := filepath.Join(t.TempDir(), "a[b]*")
	if err := os.Mkdir(odd, 0o777); err != nil {
		t.Fatal(err)
	}
	writeZip(t, filepath.Join(odd, "z.zip"), "q/case.json", minimal)
	if got := ids(load(t, odd)); !slices.Equal(got, []string{"q"}) {
		t.Errorf("a folder with a name like a pattern: have %v", got)
	}
}

func TestLoadErrors(t *testing.T) {
	dir := t.TempDir()
	text := func(name, s string) string {
		writeTree(t, dir, map[string]string{name: s})
		return filepath.Join(dir, name)
	}
	index := func(name, s string) string {
		return writeZip(t, filepath.Join(dir, name+".zip"), "index.json", s, "x/case.json", minimal)
	}
	for _, test := range []struct {
		path string
		err  []string
	}{
		{filepath.Join(dir, "nowhere"), []string{"load cases: ", "nowhere", "no such file"}},
		{text("plain", "hello"), []string{"plain: want a zip archive or a folder of cases: zip: not a valid zip file"}},
		{writeZip(t, filepath.Join(dir, "empty.zip")), []string{"empty.zip: holds no cases"}},
		{writeZip(t, filepath.Join(dir, "other.zip"), "x/y", ""), []string{"other.zip: holds no cases"}},
		{filepath.Dir(text("none/x", "")), []string{"none: holds no cases"}},
		{index("object", `{}`), []string{filepath.Join("object.zip", "index.json"), "cannot unmarshal object"}},
		{index("broken", `[{"id": "x"}`), []string{filepath.Join("broken.zip", "index.json") + ": byte 12: unexpected end"}},
		{index("up", `[{"id": ".."}]`), []string{filepath.Join("up.zip", "index.json") + `: [0]: id ".." does not name a folder`}},
		{index("deep", `[{"id": "x"}, {"id": "x/y"}]`), []string{`[1]: id "x/y" does not name a folder`}},
		{index("nameless", `[{}]`), []string{`[0]: id "" does not name a folder`}},
		{index("twice", `[{"id": "x"}, {"id": "x"}]`), []string{`[1]: id "x" stands twice`}},
		{filepath.Dir(text("archives/bad.zip", "")), []string{filepath.Join("archives", "bad.zip") + ": want a zip archive"}},
	} {
		_, err := Load(test.path)
		if err == nil {
			t.Errorf("%s: no error", test.path)
			continue
		}
		for _, part := range test.err {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: want an error with %q, have %v", test.path, part, err)
			}
		}
	}
}

// TestMalformedCases loads good and bad cases together: the bad ones alone
// fail, and say which file is wrong.
func TestMalformedCases(t *testing.T) {
	good, err := os.ReadFile(filepath.Join("testdata", "cases", "double", "case.json"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "good"), os.DirFS(filepath.Join("testdata", "cases", "double"))); err != nil {
		t.Fatal(err)
	}
	writeTree(t, dir, map[string]string{
		"json/case.json":  string(good[:len(good)-3]),
		"npy/case.json":   string(good),
		"npy/in_0.npy":    "not an array",
		"model/case.json": string(good),
	})
	for _, name := range []string{"in_0.npy", "out_0.npy"} {
		b, err := os.ReadFile(filepath.Join("testdata", "cases", "double", name))
		if err != nil {
			t.Fatal(err)
		}
		writeTree(t, dir, map[string]string{"model/" + name: string(b)})
	}
	report, err := Run(t.Context(), load(t, dir), smallRules(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]struct {
		failure Failure
		text    string
	}{
		"good":  {"", ""},
		"json":  {FailedCase, filepath.Join("json", "case.json") + ": byte "},
		"npy":   {FailedCase, filepath.Join("npy", "in_0.npy") + ": npy: "},
		"model": {FailedError, "open model.mlmodel: "},
	}
	if len(report.Cases) != len(want) {
		t.Errorf("%d results", len(report.Cases))
	}
	for _, r := range report.Cases {
		if w := want[r.ID]; r.Failure != w.failure || !strings.Contains(r.Error, w.text) {
			t.Errorf("%s: want %q, %q, have %q, %q", r.ID, w.failure, w.text, r.Failure, r.Error)
		}
	}
}

func TestFilter(t *testing.T) {
	s := load(t, filepath.Join("testdata", "cases"))
	for _, test := range []struct {
		filter Filter
		want   []string
	}{
		{Filter{}, smallIDs},
		{Filter{ID: regexp.MustCompile("double")}, []string{"double", "double_half"}},
		{Filter{ID: regexp.MustCompile("^double$")}, []string{"double"}},
		{Filter{Op: "add"}, []string{"double", "double_half", "accumulate"}},
		{Filter{Op: "ad"}, nil},
		{Filter{Suite: "trees"}, []string{"classify"}},
		{Filter{Suite: "small", Op: "add", ID: regexp.MustCompile("u.*e")}, []string{"double", "double_half", "accumulate"}},
		{Filter{Suite: "small", Op: "cast"}, []string{"double_half"}},
	} {
		f := s.Filter(test.filter)
		if got := ids(f); !slices.Equal(got, test.want) {
			t.Errorf("%+v: want %v, have %v", test.filter, test.want, got)
		}
		report, err := Run(t.Context(), f, smallRules(), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if report.Skipped != len(smallIDs)-len(test.want) || report.Passed != len(test.want) {
			t.Errorf("%+v: %d passed, %d skipped", test.filter, report.Passed, report.Skipped)
		}
	}
	if got := s.Filter(Filter{Op: "add"}).Filter(Filter{Op: "cast"}); got.leftOut != 5 {
		t.Errorf("filters one after the other left out %d", got.leftOut)
	}
	min := load(t, writeTree(t, t.TempDir(), map[string]string{"x/case.json": minimal}))
	if len(min.Filter(Filter{Op: "a.b"}).Cases) != 1 {
		t.Error("a variant is not found")
	}
}

// TestNoWayOut gives cases that point outside of their folder.
func TestNoWayOut(t *testing.T) {
	outside := writeTree(t, t.TempDir(), map[string]string{"secret": "double", "case.json": minimal})
	dir := writeTree(t, t.TempDir(), map[string]string{
		"model/case.json": strings.Replace(minimal, `"m"`, `"link"`, 1),
	})
	for _, link := range [][2]string{
		{filepath.Join(outside, "secret"), filepath.Join(dir, "model", "link")},
		{outside, filepath.Join(dir, "whole")},
	} {
		if err := os.Symlink(link[0], link[1]); err != nil {
			t.Fatal(err)
		}
	}
	s := load(t, dir)
	if got := ids(s); !slices.Equal(got, []string{"model"}) {
		t.Errorf("a linked folder is a case: %v", got)
	}
	report, err := Run(t.Context(), s, smallRules(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if r := report.Cases[0]; r.Failure != FailedError || !strings.Contains(r.Error, "open link: ") || strings.Contains(r.Error, "no rule") {
		t.Errorf("a linked model: %+v", r)
	}
}

// TestHugeInArchive declares more than a case may take.
func TestHugeInArchive(t *testing.T) {
	name := filepath.Join(t.TempDir(), "huge.zip")
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, file := range []string{"x/case.json", "y/case.json"} {
		w, err := z.Create(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(minimal)); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // the sum must not wrap around
		if _, err := z.CreateRaw(&zip.FileHeader{Name: "x/weights", Method: zip.Deflate, UncompressedSize64: 1 << 63}); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, b.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	s := load(t, name)
	if err := s.Cases[0].Err(); fault.KindOf(err) != fault.Limit || !strings.Contains(err.Error(), filepath.Join("huge.zip", "x")) {
		t.Errorf("the large case: %v", err)
	}
	if err := s.Cases[1].Err(); err != nil {
		t.Errorf("the small one: %v", err)
	}
}

func FuzzIndex(f *testing.F) {
	f.Add([]byte(`[{"id": "a", "kind": "mlProgram"}, {"id": "b"}]`))
	f.Add([]byte(`[{"id": "../a"}]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		ids, err := parseIndex(b)
		if err != nil {
			if fault.KindOf(err) == 0 {
				t.Errorf("no kind: %v", err)
			}
			return
		}
		for _, id := range ids {
			if !filepath.IsLocal(id) || strings.ContainsAny(id, `/\`) {
				t.Errorf("%q leads out of the folder", id)
			}
		}
	})
}
