package media

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// extensions are the lower-case endings of the files that List takes.
var extensions = []string{".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif"}

// List returns the picture files in dir and the folders below it, told by
// their extension, sorted by path. Hidden files and folders are left out;
// links are followed to files, not to folders. A folder without pictures is
// an error.
func List(dir string) ([]string, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return nil, fmt.Errorf("list pictures: %w", err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("list pictures: %s is not a folder", dir)
	}
	var paths []string
	// DirFS, unlike filepath.WalkDir, enters dir also if dir is a link.
	tree := os.DirFS(dir)
	err = fs.WalkDir(tree, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if path != "." && strings.HasPrefix(d.Name(), ".") {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if d.IsDir() || !slices.Contains(extensions, strings.ToLower(filepath.Ext(path))) {
			return nil
		}
		if d.Type()&fs.ModeSymlink != 0 {
			target, err := fs.Stat(tree, path)
			if err != nil {
				return err // a dangling link: better said than passed over
			}
			if !target.Mode().IsRegular() {
				return nil
			}
		} else if !d.Type().IsRegular() {
			return nil
		}
		paths = append(paths, filepath.Join(dir, filepath.FromSlash(path)))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list pictures in %s: %w", dir, err)
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("list pictures: %s holds no pictures (want %s)", dir, strings.Join(extensions, " "))
	}
	slices.Sort(paths)
	return paths, nil
}
