package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/smelt-ml/smelt"
)

func TestEdit(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "out.mlmodel")
	labels := filepath.Join(dir, "labels.txt")
	write(t, labels, []byte("a\nb\nc\nd\ne\nf\ng\nh\n"))
	v := object(t, []string{"type", "spec_version", "changes", "checks"}, "edit", classifier, "-o", out,
		"--rename", "image=photo,colour=label", "--flexible-image", "image=24..48x24..", "--labels", labels,
		"--author", "Ann", "--meta", "key=a,b=c", "--describe", "image=what is seen")
	kinds := map[string]string{}
	for _, c := range at(t, v, "changes").([]any) {
		kinds[at(t, c, "kind").(string)+" "+at(t, c, "feature").(string)] = at(t, c, "after").(string)
	}
	for change, after := range map[string]string{
		"name photo": "photo", "name label": "label", "type photo": "image RGB (24..48)×(24..)", "description photo": "what is seen",
		"labels label": "8: a … h", "metadata author": "Ann", "metadata key": "a,b=c", "spec_version ": "3",
	} {
		if kinds[change] != after {
			t.Errorf("%s: after %q, want %q (of %v)", change, kinds[change], after, kinds)
		}
	}
	checks := at(t, v, "checks").([]any)
	for _, c := range checks {
		if !at(t, c, "ran").(bool) {
			t.Errorf("not run: %v", c)
		}
	}
	if len(checks) != 3 {
		t.Errorf("%d checks", len(checks))
	}
	text := ok(t, "info", out)
	for _, want := range []string{"image RGB (24..48)×(24..)", "Ann", "iOS 12"} {
		if !strings.Contains(text, want) {
			t.Errorf("info says\n%s", text)
		}
	}
	info := object(t, nil, "info", out)
	if r := at(t, info, "inputs", 0, "ranges").([]any); len(r) != 3 || at(t, r, 1, 0) != 24.0 || at(t, r, 1, 1) != -1.0 || at(t, info, "inputs", 0, "shape", 1) != 24.0 {
		t.Errorf("ranges %v", r)
	}
	ok(t, "predict", out, "--images", photos)

	// In place, and back: byte for byte the model that it was.
	was, err := os.ReadFile(classifier)
	if err != nil {
		t.Fatal(err)
	}
	write(t, out, was)
	ok(t, "edit", out, "-o", out, "--rename", "image=photo", "--license", "free", "--no-verify")
	if text := ok(t, "edit", out, "-o", out, "--rename", "photo=image", "--license", ""); !strings.Contains(text, "photo → image") {
		t.Errorf("edit says\n%s", text)
	}
	if is, err := os.ReadFile(out); err != nil || !bytes.Equal(is, was) {
		t.Errorf("%d bytes, had %d, %v", len(is), len(was), err)
	}
	if text := ok(t, "edit", out, "-o", out); !strings.Contains(text, "nothing changes") {
		t.Errorf("edit says\n%s", text)
	}

	// A package.
	pkg := filepath.Join(dir, "out.mlpackage")
	ok(t, "edit", sums, "-o", pkg, "--dtype", "a=float16", "--flexible-shape", "a=1..4x64", "--flexible-shape", "b=1x64,3x64", "--unset-meta", "none")
	if text := ok(t, "info", pkg); !strings.Contains(text, "multiArray fp16 (1..4)×64") || !strings.Contains(text, "1×64 | 3×64") {
		t.Errorf("info says\n%s", text)
	}
}

// What fails is one line, and writes nothing.
func TestEditFails(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "out.mlmodel")
	fails(t, []string{"edit", classifier, "-o", out, "--rename", "photo=image"}, "classifier.mlmodel", `"photo"`, `"image"`)
	fails(t, []string{"edit", classifier, "-o", out, "--labels", data + "none.txt"}, "none.txt")
	fails(t, []string{"edit", data + "none.mlmodel", "-o", out}, "none.mlmodel")
	fails(t, []string{"edit", classifier, "-o", filepath.Join(dir, "no", "out.mlmodel")}, "no")
	dense := "../../internal/edit/testdata/dense.mlmodel"
	fails(t, []string{"edit", dense, "-o", out, "--flexible-shape", "x=3x8..64x8..64"}, `layer "linear"`, "it only works at")
	empty(t, dir)
}

func TestSizes(t *testing.T) {
	s, err := parseSizes("64x32,128x96")
	if err != nil || s.Default != nil || !slices.Equal(s.Enumerated[0], []int{32, 64}) || !slices.Equal(s.Enumerated[1], []int{96, 128}) {
		t.Errorf("%+v, %v", s, err)
	}
	s, err = parseSizes("64..x32..48")
	if err != nil || s.Default != nil || s.Ranges[0].Min != 32 || s.Ranges[0].Max != 48 || s.Ranges[1].Min != 64 || s.Ranges[1].Max != -1 {
		t.Errorf("%+v, %v", s, err)
	}
	s, err = parseSizes("64x32")
	if err != nil || s.Enumerated != nil || !slices.Equal(s.Default, []int{32, 64}) {
		t.Errorf("%+v, %v", s, err)
	}
	for _, text := range []string{"", "8", "0x8", "8x-1", "8..-1x8", "..8x8", "8x8,8", "8x8,8..9x8"} {
		if s, err := parseSizes(text); err == nil {
			t.Errorf("%q is %+v", text, s)
		}
	}
}

// The Go function does the same.
func TestEditInGo(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out.mlmodel")
	r, err := smelt.Edit(t.Context(), classifier, out, smelt.EditOptions{Rename: map[string]string{"image": "photo"}})
	if err != nil || len(r.Changes) != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	m, err := smelt.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if info, err := m.Info(); err != nil || info.Functions[0].Inputs[0].Name != "photo" {
		t.Errorf("%+v, %v", info, err)
	}
}
