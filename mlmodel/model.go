// Package mlmodel is the document: a Core ML file (.mlmodel or .mlpackage) as
// its author wrote it. It opens, describes, edits and saves such files; what
// the model computes is for the packages above it.
//
// The file's own bytes are the truth. Weights stay in the file until they are
// asked for, and saving copies whatever was not changed byte for byte, be it
// unknown fields or an unusual encoding. Nothing here decides how weights are
// compressed or layers are converted.
package mlmodel

import (
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/mlmodel/spec"
)

// Model is an open Core ML file, or one that is being built. The spec may be
// changed at will; everything else only through methods. Reading weights and
// blobs is safe for concurrent use while nothing is changed.
type Model struct {
	name string   // as the caller named it, for errors
	src  *source  // of the Model message; nil when built in memory
	file fs.File  // behind src; nil if that is the caller's
	pkg  *bundle  // nil for a single file
	root *os.Root // behind pkg; nil if that is the caller's
	spec *spec.Model
	id   uint64    // in the markers of this model
	runs []Weights // what the markers count

	mu    sync.Mutex
	blobs map[string]*blobFile // open or written, by path inside the package
}

// Open opens a .mlmodel file or an .mlpackage directory. It reads everything
// but the weights. Bad files give a *fault.Error that names the file and the
// place in it. The model must be closed after use.
func Open(path string) (*Model, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		if err := regular(info, path); err != nil {
			return nil, err
		}
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		return openFile(f, path)
	}
	root, err := os.OpenRoot(path) // nothing outside is reachable, by links neither
	if err != nil {
		return nil, err
	}
	m, err := openPackage(root.FS(), path)
	if err != nil {
		root.Close()
		return nil, err
	}
	m.root = root
	return m, nil
}

// regular refuses what is neither a file nor a directory: opening a pipe
// would wait for ever.
func regular(info fs.FileInfo, name string) error {
	if info.Mode().IsRegular() {
		return nil
	}
	return fault.InFile(fault.New(fault.Corrupt, "", "this is no regular file"), name)
}

// openRegular opens a file of a file system, if it is one.
func openRegular(fsys fs.FS, name string) (fs.File, error) {
	info, err := fs.Stat(fsys, name)
	if err != nil {
		return nil, err
	}
	if err := regular(info, ""); err != nil {
		return nil, err
	}
	return fsys.Open(name)
}

// OpenFS opens a .mlmodel file or an .mlpackage directory of a file system.
// Files that are not an io.ReaderAt, as those in archives, are read into
// memory when they are needed.
func OpenFS(fsys fs.FS, name string) (*Model, error) {
	info, err := fs.Stat(fsys, name)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		sub, err := fs.Sub(fsys, name)
		if err != nil {
			return nil, err
		}
		return openPackage(sub, name)
	}
	f, err := openRegular(fsys, name)
	if err != nil {
		return nil, err
	}
	return openFile(f, name)
}

// openFile opens a single-file model. The model owns f; without one it is
// closed.
func openFile(f fs.File, name string) (*Model, error) {
	src, err := newSource(f, name)
	if err == nil {
		var m *Model
		if m, err = parse(src); err == nil {
			m.file = f
			return m, nil
		}
	}
	f.Close()
	return nil, err
}

// newSource makes a file of a file system readable at any place.
func newSource(f fs.File, name string) (*source, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	src := &source{size: info.Size(), name: name, modTime: info.ModTime()}
	if r, ok := f.(io.ReaderAt); ok {
		src.ReaderAt = r
		return src, nil
	}
	b, err := io.ReadAll(io.LimitReader(f, info.Size()+1))
	if err != nil {
		return nil, fault.InFile(fault.New(fault.Corrupt, "", "%w", err), name)
	}
	src.ReaderAt, src.size = bytesReader(b), int64(len(b))
	return src, nil
}

// Parse reads a Model message of size bytes, the content of a .mlmodel file.
// The reader must stay usable as long as the model is. The name is for errors.
func Parse(r io.ReaderAt, size int64, name string) (*Model, error) {
	return parse(&source{ReaderAt: r, size: size, name: name})
}

func parse(src *source) (*Model, error) {
	m := &Model{name: src.name, src: src, id: rand.Uint64()}
	var err error
	if m.spec, m.runs, err = cut(src, m.id); err != nil {
		return nil, fault.InFile(err, src.name)
	}
	if m.spec.WhichType() == 0 && m.spec.GetSpecificationVersion() == 0 && m.spec.GetDescription() == nil {
		return nil, fault.InFile(fault.New(fault.Corrupt, "", "this is no Core ML model: it has no version, no description and no content"), src.name)
	}
	return m, nil
}

// New returns a model around a specification that was built in memory. Weight
// files are added with WriteBlob, and then it is saved as a package.
func New(s *spec.Model) *Model { return &Model{spec: s, id: rand.Uint64()} }

// Close closes the files of the model, and removes those that WriteBlob made.
// Weights and blobs cannot be read after that.
func (m *Model) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	var errs []error
	for _, b := range m.blobs {
		errs = append(errs, b.close())
	}
	if m.file != nil {
		errs = append(errs, m.file.Close())
	}
	if m.root != nil {
		errs = append(errs, m.root.Close())
	}
	m.blobs, m.file, m.root = nil, nil, nil
	return errors.Join(errs...)
}

// Spec returns the model's messages. Changes to them are part of what Save
// writes. The payloads of weights are not in them: see Weights.
func (m *Model) Spec() *spec.Model { return m.spec }

// Path returns the name that the model was opened under, "" for one that was
// built in memory.
func (m *Model) Path() string { return m.name }

// IsPackage tells a model of several files, which is saved as a directory.
func (m *Model) IsPackage() bool { return m.pkg != nil || m.hasWritten() }

// Kind returns the name of the field that holds the model, such as
// "neuralNetworkClassifier" or "mlProgram", "" for none.
func (m *Model) Kind() string { return kindOf(m.spec) }

func kindOf(s *spec.Model) string {
	r := s.ProtoReflect()
	fd := r.WhichOneof(r.Descriptor().Oneofs().ByName("Type"))
	if fd == nil {
		return ""
	}
	return string(fd.Name())
}

// Size returns the bytes that the model's files had when it was opened.
func (m *Model) Size() (int64, error) {
	switch {
	case m.src == nil:
		return 0, nil
	case m.pkg == nil:
		return m.src.size, nil
	}
	var size int64
	err := fs.WalkDir(m.pkg.fsys, ".", func(_ string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			size += info.Size()
		}
		return err
	})
	return size, fault.InFile(err, m.name)
}

// compiled tells a .mlmodelc: what Core ML makes of a model on a device.
func compiled(fsys fs.FS, name string) bool {
	if strings.EqualFold(filepath.Ext(name), ".mlmodelc") {
		return true
	}
	for _, mark := range []string{"coremldata.bin", "model.espresso.net", "model.mil"} {
		if _, err := fs.Stat(fsys, mark); err == nil {
			return true
		}
	}
	return false
}

// inPackage returns the path inside the package of a file that a program
// calls "@model_path/weights/weight.bin".
func (m *Model) inPackage(fileName string) (string, error) {
	rest, ok := strings.CutPrefix(fileName, "@model_path/")
	if !ok || !fs.ValidPath(rest) || rest == "." {
		return "", fault.New(fault.BadValue, "", "weight file %q: want @model_path/ and a path below it", fileName)
	}
	return path.Join(path.Dir(m.modelPath()), rest), nil
}

// modelPath is where the Model message stands inside the package.
func (m *Model) modelPath() string {
	if m.pkg != nil {
		return m.pkg.model
	}
	return defaultModelPath
}
