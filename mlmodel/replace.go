package mlmodel

import (
	"errors"
	"io/fs"
	"os"
	"runtime"
)

// replaceDir puts the directory from in the place of to. Where the system can
// exchange two names that is one step; elsewhere the old directory is moved
// aside first, and back if the new one cannot take its place.
func replaceDir(from, to string) error {
	if _, err := os.Lstat(to); errors.Is(err, fs.ErrNotExist) {
		return os.Rename(from, to)
	}
	if exchange(from, to) == nil {
		return os.RemoveAll(from) // now the old one
	}
	return replaceInSteps(from, to)
}

func replaceInSteps(from, to string) error {
	old := neighbour(to, "old")
	if err := os.Rename(to, old); err != nil {
		return err
	}
	if err := os.Rename(from, to); err != nil {
		return errors.Join(err, os.Rename(old, to))
	}
	return os.RemoveAll(old)
}

// syncDir makes the names in a directory last through a loss of power.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // directories cannot be synced there
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
