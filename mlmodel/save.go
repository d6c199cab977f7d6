package mlmodel

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/smelt-ml/smelt/fault"
)

// Save writes the model: as a package if the path ends in .mlpackage, as a
// single file if it ends in .mlmodel, otherwise as what it is. What was not
// changed since Open is written byte for byte as it was.
//
// Everything is written to a temporary neighbour of the path and then put in
// its place, so that an interrupted Save leaves what was there, or the new
// model. The path may be that of the model itself, which stays usable.
func (m *Model) Save(path string) error {
	if err := m.save(path); err != nil {
		return fmt.Errorf("save %s: %w", path, err)
	}
	return nil
}

func (m *Model) save(target string) error {
	target = filepath.Clean(target)
	// What a link points to is replaced, not the link.
	if real, err := filepath.EvalSymlinks(target); err == nil {
		target = real
	}
	if err := m.unchangedOnDisk(); err != nil {
		return err
	}
	r, err := m.encode()
	if err != nil {
		return err
	}
	asPackage := m.pkg != nil || m.hasWritten()
	switch strings.ToLower(filepath.Ext(target)) {
	case ".mlpackage":
		asPackage = true
	case ".mlmodel":
		if asPackage && usesBlobs(m.spec) {
			return fault.New(fault.Unsupported, "", "the program's weights are in files of their own: save it as .mlpackage")
		}
		asPackage = false
	}
	if asPackage && m.pkg == nil && !m.hasWritten() && usesBlobs(m.spec) {
		return fault.New(fault.Corrupt, "", "the program's weight files are missing: it was opened as a single file, not as a package")
	}
	info, err := os.Stat(target)
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	case err == nil && info.IsDir() != asPackage:
		return fmt.Errorf("there is a %s of that name; it is not replaced by a %s", sortOf(info.IsDir()), sortOf(asPackage))
	case err == nil && asPackage:
		if _, err := os.Stat(filepath.Join(target, manifestName)); err != nil {
			return fmt.Errorf("the directory there is no model package; it is not replaced")
		}
	}
	if asPackage {
		return m.savePackage(target, r)
	}
	return m.saveFile(target, info, &r)
}

func sortOf(dir bool) string {
	if dir {
		return "directory"
	}
	return "file"
}

// unchangedOnDisk makes sure that the file still holds what was opened.
func (m *Model) unchangedOnDisk() error {
	if m.file == nil || m.src == nil {
		return nil
	}
	info, err := m.file.Stat()
	if err != nil {
		return err
	}
	if info.Size() != m.src.size || !info.ModTime().Equal(m.src.modTime) {
		return fault.InFile(fault.New(fault.Corrupt, "", "the file has been changed since it was opened"), m.src.name)
	}
	return nil
}

func (m *Model) hasWritten() bool {
	for _, b := range m.blobs {
		if b.written {
			return true
		}
	}
	return false
}

// neighbour returns an unused name beside target.
func neighbour(target, what string) string {
	dir, base := filepath.Split(target)
	return filepath.Join(dir, fmt.Sprintf(".%s.%s-%08x", base, what, rand.Uint32()))
}

func (m *Model) saveFile(target string, old fs.FileInfo, content io.WriterTo) error {
	temp := neighbour(target, "new")
	perm := fs.FileMode(0o666)
	if old != nil {
		perm = old.Mode().Perm()
	}
	err := writeFile(temp, perm, content)
	if err == nil && old != nil {
		err = os.Chmod(temp, perm) // whatever the umask says
	}
	if f, ok := m.file.(*os.File); err == nil && m.pkg == nil && ok && isAt(target, f.Stat) {
		err = m.detach()
	}
	if err == nil {
		err = os.Rename(temp, target)
	}
	if err != nil {
		os.Remove(temp)
		return err
	}
	return syncDir(filepath.Dir(target))
}

// isAt tells whether an open file or directory is what stands at a path.
func isAt(path string, stat func() (fs.FileInfo, error)) bool {
	here, err1 := stat()
	there, err2 := os.Stat(path)
	return err1 == nil && err2 == nil && os.SameFile(here, there)
}

// replacesOpen tells whether files that are open can be replaced, as they can
// everywhere but on Windows. What is open stays readable then.
var replacesOpen = runtime.GOOS != "windows"

// detach closes the model's files, if they could not be replaced otherwise.
// Weights are read into memory before.
func (m *Model) detach() error {
	if replacesOpen {
		return nil
	}
	var errs []error
	if m.file != nil {
		b := make([]byte, m.src.size)
		if err := readFull(m.src, b, 0); err != nil {
			return err
		}
		m.src.ReaderAt = bytesReader(b)
		errs = append(errs, m.file.Close())
		m.file = nil
	}
	for p, b := range m.blobs {
		if !b.written {
			errs = append(errs, b.close())
			delete(m.blobs, p)
		}
	}
	if m.root != nil {
		errs = append(errs, m.root.Close())
	}
	return errors.Join(errs...)
}

// writeFile makes a file and waits until it is on disk.
func writeFile(name string, perm fs.FileMode, content io.WriterTo) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return err
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, 1<<16)
	if _, err := content.WriteTo(w); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return f.Close()
}

func (m *Model) savePackage(target string, model rope) error {
	temp := neighbour(target, "new")
	if err := m.fillPackage(temp, model); err != nil {
		os.RemoveAll(temp)
		return err
	}
	self := m.root != nil && isAt(target, func() (fs.FileInfo, error) { return m.root.Stat(".") })
	if self {
		if err := m.detach(); err != nil {
			os.RemoveAll(temp)
			return err
		}
	}
	err := replaceDir(temp, target)
	if err != nil {
		os.RemoveAll(temp)
	} else {
		err = syncDir(filepath.Dir(target))
	}
	if !self {
		return err
	}
	return errors.Join(err, m.reopen(target))
}

// reopen takes the directory at path, which has replaced the one that was
// open, or has not. What is open of that stays readable.
func (m *Model) reopen(path string) error {
	root, err := os.OpenRoot(path)
	if err != nil {
		return err
	}
	m.root.Close()
	m.root, m.pkg.fsys = root, root.FS()
	m.pkg.manifest, err = readManifest(m.pkg.fsys)
	return err
}

// fillPackage writes the package: the files of the old one, the model and
// the new weight files.
func (m *Model) fillPackage(dir string, model rope) error {
	if err := os.Mkdir(dir, 0o777); err != nil {
		return err
	}
	content := map[string]io.WriterTo{m.modelPath(): &model}
	items := []manifestItem{{
		Author: "com.apple.CoreML", Name: path.Base(m.modelPath()), Description: "CoreML Model Specification",
		Path: strings.TrimPrefix(m.modelPath(), dataDir+"/"),
	}}
	for p, b := range m.blobs {
		if !b.written {
			continue
		}
		content[p] = io.WriterTo(whole{b.src})
		at := path.Dir(p)
		items = append(items, manifestItem{
			Author: "com.apple.CoreML", Name: path.Base(at), Description: "CoreML Model Weights",
			Path: strings.TrimPrefix(at, dataDir+"/"),
		})
	}
	var old []byte
	if m.pkg != nil {
		old = m.pkg.manifest
		if err := m.otherFiles(dir, content); err != nil {
			return err
		}
	}
	list, err := withItems(old, items)
	if err != nil {
		return err
	}
	content[manifestName] = bytesWriter(list)
	dirs := map[string]bool{}
	for p, c := range content {
		name := filepath.Join(dir, filepath.FromSlash(p))
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			return err
		}
		if err := writeFile(name, 0o666, c); err != nil {
			return err
		}
		for d := path.Dir(p); !dirs[d]; d = path.Dir(d) {
			dirs[d] = true
		}
	}
	for d := range dirs {
		if err := syncDir(filepath.Join(dir, filepath.FromSlash(d))); err != nil {
			return err
		}
	}
	return nil
}

// otherFiles adds the files of the package that are not in content yet, and
// makes its directories, empty ones too.
func (m *Model) otherFiles(dir string, content map[string]io.WriterTo) error {
	return fs.WalkDir(m.pkg.fsys, ".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			return os.MkdirAll(filepath.Join(dir, filepath.FromSlash(p)), 0o777)
		case content[p] != nil || p == manifestName:
			return nil
		case !d.Type().IsRegular():
			return fault.New(fault.Unsupported, p, "a package is made of files and directories only")
		}
		content[p] = packageFile{m.pkg.fsys, p}
		return nil
	})
}

type packageFile struct {
	fsys fs.FS
	name string
}

func (p packageFile) WriteTo(w io.Writer) (int64, error) {
	f, err := openRegular(p.fsys, p.name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return io.Copy(w, f)
}

type whole struct{ src *source }

func (s whole) WriteTo(w io.Writer) (int64, error) { return copyRange(w, s.src, 0, s.src.size) }

type bytesWriter []byte

func (b bytesWriter) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(b)
	return int64(n), err
}
