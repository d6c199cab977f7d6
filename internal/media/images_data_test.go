//go:build fulldata

package media

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// dataDir is where the shared pictures lie.
func dataDir(t *testing.T) string {
	t.Helper()
	if dir := os.Getenv("SMELT_DATA"); dir != "" {
		return dir
	}
	return filepath.Join("..", "..", "..", "shared", "data")
}

// TestPhotosDecode reads every photograph. Those of which Pillow's result at
// 227×227 is kept, squashed with Lanczos, must come near it: what remains is the
// rounding of the inverse DCT.
func TestPhotosDecode(t *testing.T) {
	images := filepath.Join(dataDir(t), "images")
	paths, err := List(filepath.Join(images, "imagenet"))
	if err != nil {
		t.Fatal(err)
	}
	compared, sum, most, worst := 0, 0.0, 0.0, 0
	for _, path := range paths {
		photo := open(t, path)
		name := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
		exact := filepath.Join(images, "imagenet-227", name+".png")
		if _, err := os.Stat(exact); err != nil {
			continue
		}
		small, err := Resize(photo.RGB(), 227, 227, Lanczos)
		if err != nil {
			t.Fatal(err)
		}
		mean, peak, err := difference(small, readPNG(t, exact))
		if err != nil {
			t.Fatal(err)
		}
		if mean > 0.1 || peak > 3 {
			t.Errorf("%s: mean difference %.4f, worst %d", name, mean, peak)
		}
		compared++
		sum += mean
		most, worst = max(most, mean), max(worst, peak)
	}
	if compared < 20 {
		t.Fatalf("compared %d photographs, want 20", compared)
	}
	t.Logf("%d photographs, of %d compared: mean difference %.4f, largest mean %.4f, worst %d",
		len(paths), compared, sum/float64(compared), most, worst)
}
