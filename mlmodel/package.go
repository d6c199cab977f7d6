package mlmodel

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"github.com/smelt-ml/smelt/fault"
)

const (
	manifestName     = "Manifest.json"
	dataDir          = "Data"
	defaultModelPath = "Data/com.apple.CoreML/model.mlmodel"

	maxManifest = 1 << 20 // bytes
)

// bundle is the directory of an .mlpackage.
type bundle struct {
	fsys     fs.FS
	model    string // path of the Model message
	manifest []byte // as it is in the file; nil if there is none
}

// manifest is Manifest.json.
type manifest struct {
	Version string
	Items   map[string]manifestItem
	Root    string
}

// UnmarshalJSON takes keys in exactly their spelling: a package is written
// with these, and a second key of another case would win over them.
func (m *manifest) UnmarshalJSON(b []byte) error {
	return exactly(b, map[string]any{"fileFormatVersion": &m.Version, "itemInfoEntries": &m.Items, "rootModelIdentifier": &m.Root})
}

// exactly decodes the values of the object b that have these keys.
func exactly(b []byte, to map[string]any) error {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(b, &all); err != nil {
		return err
	}
	for key, v := range to {
		if raw, ok := all[key]; ok {
			if err := json.Unmarshal(raw, v); err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
		}
	}
	return nil
}

type manifestItem struct {
	Author      string `json:"author"`
	Description string `json:"description"`
	Name        string `json:"name"`
	Path        string `json:"path"` // relative to Data
}

// UnmarshalJSON reads what is asked of an item.
func (i *manifestItem) UnmarshalJSON(b []byte) error {
	return exactly(b, map[string]any{"path": &i.Path})
}

// openPackage opens the package in fsys. On failure nothing stays open.
func openPackage(fsys fs.FS, name string) (*Model, error) {
	p := &bundle{fsys: fsys, model: defaultModelPath}
	var err error
	p.manifest, err = readManifest(fsys)
	if errors.Is(err, fs.ErrNotExist) {
		if compiled(fsys, name) {
			return nil, fault.InFile(fault.New(fault.Unsupported, "", "this is a compiled model; open the .mlmodel or .mlpackage that it was compiled from"), name)
		}
		// A package that has lost its manifest is as good as its model.
		if _, err := fs.Stat(fsys, p.model); err != nil {
			return nil, fault.InFile(fault.New(fault.Corrupt, "", "a directory without %s is no model package", manifestName), name)
		}
	} else {
		if err == nil {
			p.model, err = parseManifest(p.manifest)
		}
		if err != nil {
			return nil, fault.InFile(err, path.Join(name, manifestName))
		}
	}
	f, err := openRegular(fsys, p.model)
	if err != nil {
		return nil, fault.InFile(fault.New(fault.Corrupt, manifestName, "the model it names cannot be opened: %w", err), name)
	}
	m, err := openFile(f, path.Join(name, p.model))
	if err != nil {
		return nil, err
	}
	m.name, m.pkg = name, p
	return m, nil
}

func readManifest(fsys fs.FS) ([]byte, error) {
	f, err := openRegular(fsys, manifestName)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxManifest+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxManifest {
		return nil, fault.New(fault.Limit, "", "more than %d bytes", maxManifest)
	}
	return b, nil
}

// parseManifest returns the path of the root model.
func parseManifest(b []byte) (model string, err error) {
	var m manifest
	if err := json.Unmarshal(b, &m); err != nil {
		place := ""
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			place = fmt.Sprintf("byte %d", syntax.Offset)
		}
		return "", fault.New(fault.Corrupt, place, "%w", err)
	}
	if err := checkVersion(m.Version); err != nil {
		return "", err
	}
	item, ok := m.Items[m.Root]
	if !ok {
		return "", fault.New(fault.Corrupt, "rootModelIdentifier", "there is no item %q", m.Root)
	}
	if !fs.ValidPath(item.Path) || item.Path == "." {
		return "", fault.New(fault.Corrupt, "itemInfoEntries", "path %q of the model does not stay inside the package", item.Path)
	}
	return path.Join(dataDir, item.Path), nil
}

// checkVersion tells whether a package format of that version is readable:
// 1.0.z is.
func checkVersion(version string) error {
	bad := fault.New(fault.Corrupt, "fileFormatVersion", "want three numbers as in 1.0.0, have %q", version)
	parts := strings.Split(version, ".")
	if len(parts) != 3 {
		return bad
	}
	var v [3]uint64
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 10, 32)
		if err != nil {
			return bad
		}
		v[i] = n
	}
	if v[0] > 1 || v[0] == 1 && v[1] > 0 {
		return fault.New(fault.Unsupported, "fileFormatVersion", "version %s is newer than 1.0", version)
	}
	return nil
}

// withItems returns the manifest of a package that holds those items, of which
// the first is the model: b itself if it has them all. Identifiers are made
// from the items' paths, so that the same model always gives the same file.
func withItems(b []byte, items []manifestItem) ([]byte, error) {
	var m manifest
	all := map[string]any{"fileFormatVersion": "1.0.0", "rootModelIdentifier": identifier(items[0].Path)}
	if b != nil {
		if err := json.Unmarshal(b, &m); err != nil {
			return nil, err
		}
		if err := json.Unmarshal(b, &all); err != nil { // once more, with what else may be in it
			return nil, err
		}
	}
	entries, _ := all["itemInfoEntries"].(map[string]any)
	if entries == nil {
		entries = map[string]any{}
		all["itemInfoEntries"] = entries
	}
	changed := false
	for _, item := range items {
		if !m.holds(item.Path) {
			entries[identifier(item.Path)] = item
			changed = true
		}
	}
	if !changed {
		return b, nil
	}
	out, err := json.MarshalIndent(all, "", "    ")
	return append(out, '\n'), err
}

// holds tells whether an item is that path or a directory above it.
func (m *manifest) holds(p string) bool {
	for _, item := range m.Items {
		if at := path.Clean(item.Path); at == p || strings.HasPrefix(p, at+"/") {
			return true
		}
	}
	return false
}

// identifier makes a name-based UUID.
func identifier(name string) string {
	h := sha256.Sum256([]byte(name))
	h[6] = h[6]&0x0f | 0x80 // version 8: the maker's own scheme
	h[8] = h[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", h[0:4], h[4:6], h[6:8], h[8:10], h[10:16])
}
