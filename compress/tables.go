package compress

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/smelt-ml/smelt/compress/quant"
	"github.com/smelt-ml/smelt/fault"
)

// Tables are lookup tables by the name of a weight or layer. That of "" is for
// all others.
type Tables map[string][]float32

// maxTables bounds what ReadTables reads: a table for each of 50 000 weights.
const maxTables = 128 << 20

// ReadTables reads tables as JSON: one list of numbers for all weights, or an
// object with a list for each weight, or layer, of that name; "" stands for
// the others.
func ReadTables(r io.Reader) (Tables, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxTables+1))
	if err != nil {
		return nil, fmt.Errorf("lookup tables: %w", err)
	}
	if len(b) > maxTables {
		return nil, fault.New(fault.Limit, "lookup tables", "more than %d bytes", maxTables)
	}
	t := Tables{}
	if bytes.HasPrefix(bytes.TrimSpace(b), []byte("[")) {
		var all []float32
		err = json.Unmarshal(b, &all)
		t[""] = all
	} else {
		err = json.Unmarshal(b, &t)
	}
	if err != nil {
		return nil, fault.New(fault.Corrupt, "lookup tables", "want a list of numbers, or an object of such lists: %w", err)
	}
	if len(t) == 0 {
		return nil, fault.New(fault.BadValue, "lookup tables", "there are none")
	}
	for name, table := range t {
		if len(table) == 0 {
			return nil, fault.New(fault.BadValue, tablePlace(name), "it has no values")
		}
	}
	return t, nil
}

func tablePlace(name string) string {
	if name == "" {
		return "lookup table"
	}
	return fmt.Sprintf("lookup table %q", name)
}

// check wants 2^bits numbers in each table.
func (t Tables) check(bits int) error {
	for _, name := range slices.Sorted(maps.Keys(t)) {
		if err := quant.CheckLUT(t[name], nil, bits); err != nil {
			return fault.New(fault.BadValue, tablePlace(name), "%w", err)
		}
	}
	return nil
}

// of returns the table of a weight, nil if there is none.
func (t Tables) of(w Weight) []float32 { return t[t.key(w)] }

// key returns the name of the table of a weight.
func (t Tables) key(w Weight) string {
	for _, name := range []string{w.Name, w.Layer} {
		if t[name] != nil {
			return name
		}
	}
	return ""
}

// used wants a weight for each table: a name that is written wrongly should
// not go unnoticed.
func (t Tables) used(weights []Weight) error {
	names := map[string]bool{"": true}
	for _, w := range weights {
		names[w.Name], names[w.Layer] = true, true
	}
	for _, name := range slices.Sorted(maps.Keys(t)) {
		if !names[name] {
			return fault.New(fault.BadValue, tablePlace(name), "no weight or layer of that name is compressed")
		}
	}
	return nil
}

// nearest gives each weight the code of the table's nearest value, the lower
// one of two.
func nearest(table, w []float32) quant.Palette {
	order := make([]int, len(table))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case table[a] < table[b]:
			return -1
		case table[a] > table[b]:
			return 1
		}
		return 0
	})
	// middles[i] parts the values of order[i] from those of order[i+1].
	middles := make([]float64, len(order)-1)
	for i := range middles {
		middles[i] = (float64(table[order[i]]) + float64(table[order[i+1]])) / 2
	}
	codes := make([]uint8, len(w))
	for i, x := range w {
		at, _ := slices.BinarySearch(middles, float64(x))
		codes[i] = uint8(order[at])
	}
	return quant.Palette{Table: table, Codes: codes}
}
