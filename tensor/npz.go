package tensor

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"unicode/utf8"
)

// An NPZ is an open archive of NumPy arrays. An array is read when it is
// asked for; several may be read at the same time.
type NPZ struct {
	names  []string
	files  map[string]*zip.File
	size   int64 // of the archive
	closer io.Closer
}

// OpenNPZ opens an archive file. The caller closes it.
func OpenNPZ(path string) (*NPZ, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	z, err := NewNPZ(f, info.Size())
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	z.closer = f
	return z, nil
}

// NewNPZ opens an archive of size bytes.
func NewNPZ(r io.ReaderAt, size int64) (*NPZ, error) {
	zr, err := zip.NewReader(r, size)
	// Entry names are map keys here and never become paths.
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return nil, fmt.Errorf("npz: %w", err)
	}
	z := &NPZ{files: map[string]*zip.File{}, size: size}
	for _, f := range zr.File {
		name, ok := strings.CutSuffix(f.Name, ".npy")
		if !ok {
			continue
		}
		if z.files[name] != nil {
			return nil, fmt.Errorf("npz: two arrays are called %q", name)
		}
		z.files[name] = f
		z.names = append(z.names, name)
	}
	return z, nil
}

// Names returns the arrays' names in the order of the archive. The caller
// must not change them.
func (z *NPZ) Names() []string { return z.names }

// Read reads the array of that name. Decompression ends at the size that the
// archive declares for it.
func (z *NPZ) Read(name string) (*Tensor, error) {
	t, err := z.read(name)
	if err != nil {
		return nil, fmt.Errorf("npz: array %q: %w", name, err)
	}
	return t, nil
}

func (z *NPZ) read(name string) (*Tensor, error) {
	f := z.files[name]
	if f == nil {
		return nil, fmt.Errorf("there is none; the archive has %d arrays", len(z.names))
	}
	if f.Flags&1 != 0 {
		return nil, errors.New("it is encrypted")
	}
	switch f.Method {
	case zip.Store:
		if f.UncompressedSize64 != f.CompressedSize64 {
			return nil, fmt.Errorf("stored as %d bytes that should be %d", f.CompressedSize64, f.UncompressedSize64)
		}
	case zip.Deflate:
	default:
		return nil, fmt.Errorf("compression method %d is not supported; stored and deflated are", f.Method)
	}
	if f.CompressedSize64 > uint64(z.size) {
		return nil, fmt.Errorf("declared to take %d bytes of an archive of %d", f.CompressedSize64, z.size)
	}
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	left := int64(-1) // what is deflated is believed when it has come out
	if f.Method == zip.Store {
		left = int64(f.UncompressedSize64)
	}
	return readNPY(r, left, true)
}

// Close closes the file that OpenNPZ opened.
func (z *NPZ) Close() error {
	if z.closer == nil {
		return nil
	}
	return z.closer.Close()
}

// WriteNPZ writes an uncompressed archive of the arrays, in order of name.
// The same arrays give the same bytes.
func WriteNPZ(w io.Writer, arrays map[string]*Tensor) error {
	zw := zip.NewWriter(w)
	for _, name := range slices.Sorted(maps.Keys(arrays)) {
		if name == "" || !utf8.ValidString(name) || len(name) > 1<<15 {
			return fmt.Errorf("npz: %q cannot be the name of an array", clip(name))
		}
		e, err := zw.CreateHeader(&zip.FileHeader{Name: name + ".npy", Method: zip.Store})
		if err != nil {
			return fmt.Errorf("npz: array %q: %w", name, err)
		}
		if err := WriteNPY(e, arrays[name]); err != nil {
			return fmt.Errorf("npz: array %q: %w", name, err)
		}
	}
	return zw.Close()
}
