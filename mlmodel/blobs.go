package mlmodel

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"

	"github.com/smelt-ml/smelt/fault"
	"github.com/smelt-ml/smelt/mlmodel/blob"
)

// blobFile is a weight file that is open.
type blobFile struct {
	file    fs.File // nil where it is held in memory
	src     *source
	content *blob.File
	written bool   // by WriteBlob
	temp    string // file to remove, "" for none
}

func (b *blobFile) close() error {
	if b.file == nil {
		return nil
	}
	err := b.file.Close()
	if b.temp != "" {
		if e := os.Remove(b.temp); !errors.Is(e, fs.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}
	return err
}

// Blob opens a weight file of an ML Program, by the name that the program
// gives: "@model_path/weights/weight.bin". The model keeps it open.
func (m *Model) Blob(fileName string) (*blob.File, error) {
	p, err := m.inPackage(fileName)
	if err != nil {
		return nil, fault.InFile(err, m.name)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if b := m.blobs[p]; b != nil {
		return b.content, nil
	}
	if m.pkg == nil {
		return nil, fault.InFile(fault.New(fault.Corrupt, "", "weight file %q: this model is a single file, not a package", fileName), m.name)
	}
	f, err := openRegular(m.pkg.fsys, p)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.InFile(fault.New(fault.Corrupt, "", "weight file %s is missing: %w", p, err), m.name)
	}
	if err != nil {
		return nil, fault.InFile(fault.New(fault.Corrupt, "", "weight file %s: %w", p, err), m.name)
	}
	b, err := openBlob(f, path.Join(m.name, p))
	if err != nil {
		f.Close()
		return nil, err
	}
	m.keep(p, b)
	return b.content, nil
}

func openBlob(f fs.File, name string) (*blobFile, error) {
	src, err := newSource(f, name)
	if err != nil {
		return nil, err
	}
	content, err := blob.Open(src, src.size, name)
	if err != nil {
		return nil, err
	}
	return &blobFile{file: f, src: src, content: content}, nil
}

func (m *Model) keep(p string, b *blobFile) {
	if m.blobs == nil {
		m.blobs = map[string]*blobFile{}
	}
	m.blobs[p] = b
}

// WriteBlob makes a new weight file, in the place of the one of that name if
// there is one. It is written to a temporary file (see os.TempDir), which
// Save copies into the package; so write can read the old one, through Blob, while it writes the
// new one. Putting the new offsets into the spec is up to write. If it fails
// the old file stays; a *blob.File of it that is still in use must not be
// read after WriteBlob.
func (m *Model) WriteBlob(fileName string, write func(w *blob.Writer) error) error {
	p, err := m.inPackage(fileName)
	if err != nil {
		return fault.InFile(err, m.name)
	}
	f, err := os.CreateTemp("", "weight-*.bin")
	if err != nil {
		return err
	}
	b := &blobFile{file: f, temp: f.Name(), written: true}
	// Where an open file can be removed it vanishes with the process, however
	// that ends.
	if os.Remove(b.temp) == nil {
		b.temp = ""
	}
	name := path.Join(m.name, p)
	if err = fill(f, write); err == nil {
		if b.src, err = newSource(f, name); err == nil {
			b.content, err = blob.Open(b.src, b.src.size, name)
		}
	}
	if err != nil {
		return errors.Join(err, b.close())
	}
	return m.replace(p, b)
}

// HoldBlob is WriteBlob without a file: for a model that is run rather than
// saved. Tensors that write appends are shared with it, not copied.
func (m *Model) HoldBlob(fileName string, write func(w *blob.Writer) error) error {
	p, err := m.inPackage(fileName)
	if err != nil {
		return fault.InFile(err, m.name)
	}
	memory := new(blob.Memory)
	if err := fill(memory, write); err != nil {
		return err
	}
	name := path.Join(m.name, p)
	b := &blobFile{written: true, src: &source{ReaderAt: memory, size: memory.Size(), name: name}}
	if b.content, err = blob.Open(memory, memory.Size(), name); err != nil {
		return err
	}
	return m.replace(p, b)
}

// replace puts a weight file in the place of the one of that name.
func (m *Model) replace(p string, b *blobFile) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	old := m.blobs[p]
	m.keep(p, b)
	if old != nil {
		return old.close()
	}
	return nil
}

func fill(f io.WriteSeeker, write func(w *blob.Writer) error) error {
	w, err := blob.NewWriter(f)
	if err != nil {
		return err
	}
	if err := write(w); err != nil {
		return err
	}
	return w.Close()
}
