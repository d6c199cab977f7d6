package conformance

import (
	"archive/zip"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/smelt-ml/smelt/fault"
)

// Suite is a set of cases to be run in this order.
type Suite struct {
	Cases []*Case

	leftOut int // cases that a filter took away
	closers []func() error
}

// Load opens the cases of a zip archive or of a folder: one case, a folder of
// cases, or a folder of such archives. An index.json gives the order of the
// cases; those that it does not list follow by name. A case whose own files
// are malformed is loaded nevertheless, and fails when it is run.
func Load(name string) (*Suite, error) {
	s := &Suite{}
	if err := s.load(name); err != nil {
		s.Close()
		return nil, fmt.Errorf("load cases: %w", err)
	}
	return s, nil
}

// Close closes the files. Cases cannot be run any more.
func (s *Suite) Close() error {
	var errs []error
	for _, c := range s.closers {
		errs = append(errs, c())
	}
	s.closers = nil
	return errors.Join(errs...)
}

// Filter chooses cases. The zero Filter takes all of them.
type Filter struct {
	ID    *regexp.Regexp // to be found in the id
	Op    string         // among the case's Ops or Variants
	Suite string
}

func (f Filter) takes(c *Case) bool {
	return (f.ID == nil || f.ID.MatchString(c.ID)) &&
		(f.Op == "" || slices.Contains(c.Ops, f.Op) || slices.Contains(c.Variants, f.Op)) &&
		(f.Suite == "" || f.Suite == c.Suite)
}

// Filter returns the suite of the chosen cases. A run of it reports the others
// as skipped. It shares the files of s, which must stay open.
func (s *Suite) Filter(f Filter) *Suite {
	out := &Suite{leftOut: s.leftOut}
	for _, c := range s.Cases {
		if f.takes(c) {
			out.Cases = append(out.Cases, c)
		} else {
			out.leftOut++
		}
	}
	return out
}

func (s *Suite) load(name string) error {
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return s.loadZip(name)
	}
	root, err := os.OpenRoot(name) // follows no link out of it
	if err != nil {
		return err
	}
	s.closers = append(s.closers, root.Close)
	if _, err := fs.Stat(root.FS(), "case.json"); err == nil {
		id := filepath.Base(name)
		if abs, err := filepath.Abs(name); err == nil {
			id = filepath.Base(abs)
		}
		s.Cases = append(s.Cases, loadCase(root.FS(), name, id))
		return nil
	}
	if err := s.loadFolders(root.FS(), name, nil); err != nil {
		return err
	}
	archives, err := filepath.Glob(filepath.Join(escapeGlob(name), "*.zip"))
	if err != nil {
		return err
	}
	for _, a := range archives {
		if err := s.loadZip(a); err != nil {
			return err
		}
	}
	if len(s.Cases) == 0 {
		return fault.InFile(fault.New(fault.BadValue, "", "holds no cases: want index.json, case.json, folders that hold one, or such archives"), name)
	}
	return nil
}

// escapeGlob makes a pattern that matches the name itself.
func escapeGlob(name string) string {
	var b strings.Builder
	for _, r := range name {
		if strings.ContainsRune(`*?[`, r) {
			b.WriteString("[" + string(r) + "]")
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

func (s *Suite) loadZip(name string) error {
	z, err := zip.OpenReader(name)
	if err != nil {
		return fault.InFile(fault.New(fault.Corrupt, "", "want a zip archive or a folder of cases: %w", err), name)
	}
	s.closers = append(s.closers, z.Close)
	// What the archive declares bounds what a case can take: decompression
	// ends at the declared size.
	sizes := map[string]uint64{}
	for _, f := range z.File {
		id, _, _ := strings.Cut(f.Name, "/")
		if n := sizes[id] + f.UncompressedSize64; n >= sizes[id] {
			sizes[id] = n
		} else {
			sizes[id] = ^uint64(0)
		}
	}
	before := len(s.Cases)
	if err := s.loadFolders(z, name, sizes); err != nil {
		return err
	}
	if len(s.Cases) == before {
		return fault.InFile(fault.New(fault.BadValue, "", "holds no cases: want index.json or folders that hold a case.json"), name)
	}
	return nil
}

// loadFolders loads the cases that index.json lists and those beside it.
// sizes, if there are any, are what each folder takes unpacked.
func (s *Suite) loadFolders(fsys fs.FS, name string, sizes map[string]uint64) error {
	ids, err := readIndex(fsys, name)
	if err != nil {
		return err
	}
	listed := map[string]bool{}
	for _, id := range ids {
		listed[id] = true
	}
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return fault.InFile(fault.New(fault.Corrupt, "", "%w", err), name)
	}
	for _, d := range entries {
		if listed[d.Name()] || strings.HasPrefix(d.Name(), ".") {
			continue
		}
		if _, err := fs.Stat(fsys, path.Join(d.Name(), "case.json")); err == nil {
			ids = append(ids, d.Name())
		}
	}
	for _, id := range ids {
		c := &Case{ID: id, path: filepath.Join(name, id)}
		if sizes[id] > maxCaseBytes {
			c.err = fault.InFile(fault.New(fault.Limit, "", "takes %d bytes unpacked, more than %d", sizes[id], int64(maxCaseBytes)), c.path)
		} else if sub, err := fs.Sub(fsys, id); err != nil {
			c.err = err
		} else {
			c = loadCase(sub, c.path, id)
		}
		s.Cases = append(s.Cases, c)
	}
	return nil
}

// readIndex returns the ids that index.json lists, none without such a file.
func readIndex(fsys fs.FS, name string) ([]string, error) {
	if _, err := fs.Stat(fsys, "index.json"); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	file := filepath.Join(name, "index.json")
	b, err := readFile(fsys, "index.json", maxCaseJSON)
	if err != nil {
		return nil, fault.InFile(err, file)
	}
	ids, err := parseIndex(b)
	return ids, fault.InFile(err, file)
}

func parseIndex(b []byte) ([]string, error) {
	var index []struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(b, &index); err != nil {
		return nil, jsonError(err)
	}
	ids := make([]string, len(index))
	seen := map[string]bool{}
	for i, e := range index {
		place := fmt.Sprintf("[%d]", i)
		if err := checkFileName(e.ID); err != nil || strings.Contains(e.ID, "/") {
			return nil, fault.New(fault.Corrupt, place, "id %q does not name a folder beside the file", e.ID)
		}
		if seen[e.ID] {
			return nil, fault.New(fault.Corrupt, place, "id %q stands twice", e.ID)
		}
		seen[e.ID] = true
		ids[i] = e.ID
	}
	return ids, nil
}

// loadCase reads the case.json of a folder.
func loadCase(fsys fs.FS, folder, id string) *Case {
	file := filepath.Join(folder, "case.json")
	b, err := readFile(fsys, "case.json", maxCaseJSON)
	if err != nil {
		return &Case{ID: id, fsys: fsys, path: folder, err: fault.InFile(err, file)}
	}
	c, err := parseCase(b)
	if err != nil {
		return &Case{ID: id, fsys: fsys, path: folder, err: fault.InFile(err, file)}
	}
	c.ID, c.fsys, c.path = id, fsys, folder
	return c
}
