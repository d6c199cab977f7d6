package main

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/smelt-ml/smelt/mlmodel"
	"github.com/smelt-ml/smelt/mlmodel/spec"
	"github.com/smelt-ml/smelt/tensor"
)

// Wrong usage is exit code 2, one line of what is wrong, and where to look.
func TestMisuse(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out.mlmodel")
	table := filepath.Join(t.TempDir(), "table.json")
	for _, c := range []struct{ args, want string }{
		{"", "smelt: no command is given"},
		{"melt", `smelt: there is no command "melt"`},
		{"info", "smelt info: want one MODEL, have 0 arguments"},
		{"info a b", "smelt info: want one MODEL, have 2 arguments"},
		{"info --colour a", "smelt info: unknown flag: --colour"},
		{"quantize " + classifier, `smelt quantize: required flag(s) "output" not set`},
		{"quantize " + classifier + " -o " + out + " --bits nine", "smelt quantize: invalid argument"},
		{"quantize " + classifier + " -o " + out + " --bits 9", "smelt quantize: --bits 9: want 16, or 8 to 1"},
		{"quantize " + classifier + " -o " + out + " --mode round", `smelt quantize: --mode "round"`},
		{"quantize " + classifier + " -o " + out + " --mode custom_lut", "smelt quantize: --lut-table goes with"},
		{"quantize " + classifier + " -o " + out + " --lut-table " + table, "smelt quantize: --lut-table goes with"},
		{"quantize " + classifier + " -o " + out + " --keep (", "smelt quantize: --keep: error parsing regexp"},
		{"quantize " + classifier + " -o " + out + " --min-elements -1", "smelt quantize: --min-elements -1"},
		{"convert " + classifier, `smelt convert: required flag(s) "output" not set`},
		{"convert " + classifier + " -o " + out + " --to tflite", `smelt convert: --to "tflite"`},
		{"convert " + classifier + " -o " + out + " --target ios14", `smelt convert: --target "ios14"`},
		{"convert " + classifier + " -o " + out + " --precision fp8", `smelt convert: --precision "fp8"`},
		{"convert " + classifier + " -o " + out + " --shape x", "smelt convert: --shape x: want NAME="},
		{"convert " + classifier + " -o " + out + " --shape x=1xb", `smelt convert: --shape x=1xb: "b" is no size`},
		{"convert " + classifier + " -o " + out + " --image-input x --color CMYK", `smelt convert: --color "CMYK"`},
		{"convert " + classifier + " -o " + out + " --scale 2", "smelt convert: --scale and --bias go with"},
		{"convert " + classifier + " -o " + out + " --no-verify --inputs x", "smelt convert: if any flags in the group"},
		{"edit " + classifier, `smelt edit: required flag(s) "output" not set`},
		{"edit -o " + out, "smelt edit: want one MODEL, have 0 arguments"},
		{"edit " + classifier + " -o " + out + " --rename image", "smelt edit: invalid argument"},
		{"edit " + classifier + " -o " + out + " --rename image=", "smelt edit: --rename image=: want OLD=NEW"},
		{"edit " + classifier + " -o " + out + " --image-input x --color CMYK", `smelt edit: --color "CMYK"`},
		{"edit " + classifier + " -o " + out + " --bias 1,2,3", "smelt edit: --scale and --bias go with"},
		{"edit " + classifier + " -o " + out + " --color BGR", "smelt edit: --color goes with"},
		{"edit " + classifier + " -o " + out + " --dtype image=half", "smelt edit: --dtype image=half: want float16"},
		{"edit " + classifier + " -o " + out + " --flexible-image image", "smelt edit: --flexible-image image: want NAME=SHAPES"},
		{"edit " + classifier + " -o " + out + " --flexible-image image=3x24x24", "smelt edit: --flexible-image image=3x24x24: want sizes WIDTHxHEIGHT"},
		{"edit " + classifier + " -o " + out + " --flexible-image image=1..2x1..2x3", "smelt edit: --flexible-image image=1..2x1..2x3: want sizes"},
		{"edit " + classifier + " -o " + out + " --flexible-shape image=2..1x8", `smelt edit: --flexible-shape image=2..1x8: "2..1" is no size`},
		{"edit " + classifier + " -o " + out + " --describe image", "smelt edit: --describe image: want NAME=TEXT"},
		{"edit " + classifier + " -o " + out + " --meta key", "smelt edit: --meta key: want KEY=VALUE"},
		{"compare " + classifier + " --images x", "smelt compare: want two or more models"},
		{"compare a b", "smelt compare: want --images or --inputs"},
		{"compare a b --images x --inputs y", "smelt compare: if any flags in the group"},
		{"compare a b --images x --fit stretch", `smelt compare: --fit "stretch"`},
		{"compare a b --images x --filter sinc", `smelt compare: --filter "sinc"`},
		{"compare a b --images x --sheet-rows 0", "smelt compare: --sheet-rows wants"},
		{"predict a", "smelt predict: want --input, --images or --inputs"},
		{"predict a --input b --images c", "smelt predict: if any flags in the group"},
		{"predict a --images c --top -1", "smelt predict: --top -1"},
		{"predict a --images c --threads -1", "smelt predict: --threads"},
		{"bench a --runs 0", "smelt bench: --runs"},
		{"bench a --shape x", "smelt bench: --shape x: want NAME="},
		{"bench a --shape x=1xb", `smelt bench: --shape x=1xb: "b" is no size`},
		{"bench a --shape x=99999x99999x99999", "smelt bench: --shape x=99999x99999x99999:"},
		{"test a --run (", "smelt test: --run: error parsing regexp"},
		{"test a --timeout 0s", "smelt test: --parallel"},
		{"demo now", "smelt demo: want no argument"},
	} {
		r := call(t, strings.Fields(c.args)...)
		lines := strings.Split(strings.TrimSpace(r.stderr), "\n")
		if r.code != exitUsage || r.stdout != "" || !strings.HasPrefix(r.stderr, c.want) || len(lines) != 2 || !strings.Contains(lines[1], "--help") {
			t.Errorf("smelt %s: exit code %d\n%s%s", c.args, r.code, r.stdout, r.stderr)
		}
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("wrong usage wrote a file")
	}
}

// fails wants exit code 1, one line that begins with the verb and has the
// texts in it, and nothing on standard output.
func fails(t *testing.T, args []string, wants ...string) {
	t.Helper()
	r := call(t, args...)
	line := strings.TrimSuffix(r.stderr, "\n")
	bad := r.code != exitFailed || r.stdout != "" || strings.Contains(line, "\n") || !strings.HasPrefix(line, "smelt "+args[0]+": ")
	for _, want := range wants {
		bad = bad || !strings.Contains(line, want)
	}
	if bad {
		t.Errorf("smelt %s: exit code %d, want 1 and %q\nstandard output: %s\nstandard error: %s", strings.Join(args, " "), r.code, wants, r.stdout, r.stderr)
	}
}

// empty wants a folder without files.
func empty(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		t.Errorf("a failed run left %s", e.Name())
		os.RemoveAll(filepath.Join(dir, e.Name()))
	}
}

// edited writes a model with another specification.
func edited(t *testing.T, from string, edit func(s *spec.Model)) string {
	t.Helper()
	m, err := mlmodel.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	edit(m.Spec())
	path := filepath.Join(t.TempDir(), filepath.Base(from))
	if err := m.Save(path); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFailures(t *testing.T) {
	in, dir := t.TempDir(), t.TempDir()
	out := filepath.Join(dir, "out.mlmodel")
	put := func(name, text string) string {
		path := filepath.Join(in, name)
		write(t, path, []byte(text))
		return path
	}
	text := put("text.mlmodel", "this is no model at all")
	blank := put("blank.mlmodel", "")
	table := put("table.json", "[1, 2, 3]")
	words := put("words.json", `{"a": "b"}`)
	noPhotos := t.TempDir()
	bare := t.TempDir() + "/bare.mlpackage" // without its weight file
	if err := os.CopyFS(bare, os.DirFS(sums)); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(bare + "/Data/com.apple.CoreML/weights"); err != nil {
		t.Fatal(err)
	}
	mute := edited(t, classifier, func(s *spec.Model) { s.GetDescription().SetOutput(nil) })
	deaf := edited(t, style, func(s *spec.Model) { s.GetDescription().SetInput(nil) })
	wide := filepath.Join(in, "wide.npy")
	write(t, wide, npy(t, tensor.Zeros(tensor.Float32, []int{1, 65})))
	strs := filepath.Join(in, "strings.npy")
	write(t, strs, npy(t, tensor.New(tensor.String, []int{1}, []string{"a"})))
	cut := filepath.Join(in, "cut.npy")
	write(t, cut, npy(t, tensor.Zeros(tensor.Float32, []int{1, 64}))[:200])
	notImage := put("photo.jpg", "a text")
	b := "b=" + strings.TrimSuffix(strings.Repeat("1,", 64), ",")

	for _, c := range []struct {
		args  string
		wants []string
	}{
		{"info " + in + "/nowhere.mlmodel", []string{"nowhere.mlmodel", "no such file"}},
		{"info " + text, []string{"text.mlmodel"}},
		{"info " + blank, []string{"blank.mlmodel"}},
		{"info " + in, []string{in}},
		{"quantize " + text + " -o " + out, []string{"text.mlmodel"}},
		{"quantize " + bare + " -o " + out + " --bits 4", []string{"bare.mlpackage", "weight.bin"}},
		{"quantize " + classifier + " -o " + dir + "/no/folder/out.mlmodel", []string{"no/folder"}},
		{"quantize " + classifier + " -o " + out + " --keep conv99", []string{"--keep conv99", "no weight"}},
		{"quantize " + classifier + " -o " + out + " --keep-type lstm", []string{"--keep-type lstm", "no weight"}},
		{"quantize " + classifier + " -o " + out + " --min-elements 1000", []string{"classifier.mlmodel", "no weights are left"}},
		{"quantize " + classifier + " -o " + out + " --bits 2 --mode custom_lut --lut-table " + table, []string{"lookup table"}},
		{"quantize " + classifier + " -o " + out + " --bits 2 --mode custom_lut --lut-table " + words, []string{"words.json", "list of numbers"}},
		{"quantize " + classifier + " -o " + out + " --bits 2 --mode custom_lut --lut-table " + in + "/none.json", []string{"none.json"}},
		{"convert " + text + " -o " + dir + "/out.mlpackage", []string{"text.mlmodel"}},
		{"convert " + in + "/nowhere.onnx -o " + dir + "/out.mlpackage", []string{"nowhere.onnx"}},
		{"convert " + classifier + " -o " + dir + "/out.bin", []string{"out.bin", ".mlpackage"}},
		{"convert " + classifier + " -o " + dir + "/no/folder/out.mlpackage", []string{"no/folder"}},
		{"convert " + bare + " -o " + dir + "/out.mlpackage", []string{"bare.mlpackage", "weight.bin"}},
		{"convert " + classifier + " -o " + dir + "/out.mlpackage --keep-fp32 conv99", []string{"keep conv99", "no such operator"}},
		{"convert " + classifier + " -o " + dir + "/out.mlpackage --rename a=b", []string{"rename a", "no such"}},
		{"convert " + classifier + " -o " + dir + "/out.mlpackage --labels " + in + "/none.txt", []string{"none.txt"}},
		{"convert " + classifier + " -o " + dir + "/out.mlpackage --labels " + blank, []string{"blank.mlmodel", "no labels"}},
		{"convert " + sums + " -o " + dir + "/out.mlpackage --inputs " + cut, []string{"cut.npy"}},
		{"compare " + classifier + " " + text + " --images " + photos, []string{"text.mlmodel"}},
		{"compare " + classifier + " " + mute + " --images " + photos, []string{"classifier.mlmodel", "no outputs"}},
		{"compare " + classifier + " " + style + " --images " + photos + " --sheet " + out, []string{"none of 6 inputs"}},
		{"compare " + classifier + " " + classifier + " --images " + noPhotos, []string{noPhotos, "no pictures"}},
		{"compare " + classifier + " " + classifier + " --images " + in + "/none", []string{"none"}},
		{"compare " + sums + " " + sums + " --images " + photos, []string{"none of 6 inputs", "blue.jpg"}},
		{"compare " + sums + " " + sums + " --inputs " + wide, []string{"wide.npy"}},
		{"compare " + classifier + " " + classifier + " --images " + photos + " --sheet " + dir + "/no/folder.png", []string{"no"}},
		{"predict " + bare + " --inputs " + data + "sums.npz", []string{"bare.mlpackage", "weight.bin"}},
		{"predict " + mute + " --images " + photos, []string{"no outputs"}},
		{"predict " + deaf + " --images " + photos, []string{deaf}},
		{"predict " + classifier + " --input picture=" + photos + "/red.jpg", []string{`"picture"`, `"image"`}},
		{"predict " + classifier + " --input " + notImage, []string{`"image"`, "photo.jpg"}},
		{"predict " + classifier + " --input image=" + in + "/none.png", []string{`"image"`, "none.png"}},
		{"predict " + sums + " --input a=" + wide + " --input " + b, []string{`"a"`, "1×65", "1×64"}},
		{"predict " + sums + " --input a=" + strs + " --input " + b, []string{`"a"`}},
		{"predict " + sums + " --input a=" + cut + " --input " + b, []string{`"a"`, "cut.npy"}},
		{"predict " + sums + " --input a=words --input " + b, []string{`"a"`, "words"}},
		{"predict " + sums + " --input " + b, []string{`"a"`, "missing"}},
		{"predict " + stateful + " --function three --input 1", []string{"functions.mlpackage", `"three"`}},
		{"bench " + text, []string{"text.mlmodel"}},
		{"bench " + sums + " --shape a=1x65", []string{`"a"`, "1×65"}},
		{"bench " + sums + " --shape c=1x65", []string{"--shape c"}},
		{"test " + in + "/none.zip", []string{"none.zip"}},
		{"test " + noPhotos, []string{noPhotos}},
		{"demo -o " + dir + "/no/folder/out.mlmodel", []string{"no/folder"}},
	} {
		args := strings.Fields(c.args)
		fails(t, args, c.wants...)
		fails(t, append(args, "--json"), c.wants...)
		empty(t, dir)
	}
}

// A damaged model gives an error that names it, or still is a model: no
// verb panics, and none that fails leaves a file.
func TestDamaged(t *testing.T) {
	in, dir := t.TempDir(), t.TempDir()
	out := filepath.Join(dir, "out.mlmodel")
	rng := rand.New(rand.NewPCG(1, 1))
	for _, name := range []string{classifier, style} {
		whole, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 150 {
			b := append([]byte(nil), whole...)
			if i%3 == 0 {
				b = b[:rng.IntN(len(b))]
			} else {
				for range 1 + rng.IntN(3) {
					b[rng.IntN(len(b))] ^= 1 << rng.IntN(8)
				}
			}
			path := filepath.Join(in, "damaged.mlmodel")
			write(t, path, b)
			for _, args := range [][]string{
				{"info", path},
				{"quantize", path, "-o", out, "--bits", "4"},
				{"predict", path, "--images", photos},
				{"compare", name, path, "--images", photos, "--sheet", out},
			} {
				r := call(t, args...)
				switch r.code {
				case exitOK:
					os.Remove(out)
				case exitFailed:
					if !strings.HasPrefix(r.stderr, "smelt "+args[0]+": ") || strings.Count(r.stderr, "\n") != 1 {
						t.Errorf("damage %d, %v: %q", i, args, r.stderr)
					}
				default:
					t.Errorf("damage %d, %v: exit code %d, %q", i, args, r.code, r.stderr)
				}
				empty(t, dir)
			}
		}
	}
}
