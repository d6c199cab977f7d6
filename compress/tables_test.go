package compress

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/smelt-ml/smelt/fault"
)

func TestReadTables(t *testing.T) {
	for text, want := range map[string]string{
		`[1, 2.5, -3e-2, 4]`:             `map[:[1 2.5 -0.03 4]]`,
		` {"conv1": [0, 1], "": [2, 3]}`: `map[:[2 3] conv1:[0 1]]`,
		``:                               `lookup tables: want a list of numbers, or an object of such lists: unexpected end of JSON input`,
		`[1, "2"]`:                       `lookup tables: want a list of numbers, or an object of such lists: json: cannot unmarshal string into Go value of type float32`,
		`[]`:                             `lookup table: it has no values`,
		`{}`:                             `lookup tables: there are none`,
		`null`:                           `lookup tables: there are none`,
		`{"a": null}`:                    `lookup table "a": it has no values`,
		`[1e39, 0]`:                      `lookup tables: want a list of numbers, or an object of such lists: json: cannot unmarshal number 1e39 into Go value of type float32`,
		`[1, 2] 3`:                       `lookup tables: want a list of numbers, or an object of such lists: invalid character '3' after top-level value`,
	} {
		tables, err := ReadTables(strings.NewReader(text))
		got := fmt.Sprint(tables)
		if err != nil {
			got = err.Error()
			if fault.KindOf(err) == 0 {
				t.Errorf("%s: of no kind", text)
			}
		}
		if got != want {
			t.Errorf("%s: have %s, want %s", text, got, want)
		}
	}
	broken := errors.New("broken")
	if _, err := ReadTables(failing{broken}); !errors.Is(err, broken) {
		t.Errorf("have %v", err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func FuzzReadTables(f *testing.F) {
	for _, text := range []string{`[1,2]`, `{"a":[1],"":[2]}`, `null`, `{"a":{}}`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		tables, err := ReadTables(strings.NewReader(text))
		if err != nil {
			return
		}
		for name, table := range tables {
			if len(table) == 0 {
				t.Errorf("table %q has no values", name)
			}
		}
	})
}

// Every weight gets a value that is as near as any other.
func TestNearest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		finite := rapid.Float32Range(-math.MaxFloat32, math.MaxFloat32)
		table := rapid.SliceOfN(finite, 2, 9).Draw(t, "table")
		w := rapid.SliceOfN(rapid.OneOf(finite, rapid.SampledFrom(table)), 1, 20).Draw(t, "weights")
		p := nearest(table, w)
		for i, x := range w {
			got := math.Abs(float64(x) - float64(table[p.Codes[i]]))
			for _, y := range table {
				// Middles of numbers of very different size are rounded.
				if d := math.Abs(float64(x) - float64(y)); d < got && got-d > 1e-15*math.Abs(float64(x)) {
					t.Fatalf("%g became %g, %g is nearer", x, table[p.Codes[i]], y)
				}
			}
		}
	})
	// Of two values that are as near, the lower one.
	if p := nearest([]float32{3, 1, 2, 1}, []float32{1.5, 2.5, -9, 9, 1}); !slices.Equal(p.Codes[:4], []uint8{1, 2, 1, 0}) && p.Table[p.Codes[4]] != 1 {
		t.Errorf("codes %v", p.Codes)
	}
}

// Tables are found by the name of the weight, of the layer, and for all.
func TestTables(t *testing.T) {
	tables := Tables{"ip": {-1, 1}, "ip.bias": {0, 5}, "conv": {-2, 2}}
	m := testModel(t, "network.mlmodel")
	r := quantized(t, m, Options{Bits: 1, Mode: CustomLUT, Tables: tables, Again: true})
	var names []string
	for _, l := range r.Layers {
		names = append(names, l.Name)
	}
	if fmt.Sprint(names) != "[conv conv.bias ip ip.bias]" {
		t.Errorf("compressed %q", names)
	}
	for _, k := range r.Kept {
		if k.Name == "matmul" && k.Reason != "there is no table for it" {
			t.Errorf("%s: %s", k.Name, k.Reason)
		}
	}
	for _, w := range networkWeights(t, m) {
		want := map[string][]float32{"ip.weights": {-1, 1}, "ip.bias": {0, 5}, "conv.weights": {-2, 2}, "conv.bias": {-2, 2}}[w.key()]
		if got := w.Params.GetQuantization().GetLookupTableQuantization().GetFloatValue(); want != nil && !slices.Equal(got, want) {
			t.Errorf("%s: table %v, want %v", w.key(), got, want)
		}
	}
	r = quantized(t, testModel(t, "network.mlmodel"), Options{Bits: 1, Mode: CustomLUT, Tables: Tables{"": {-1, 1}}})
	if len(r.Layers) < 80 {
		t.Errorf("one table for all: %d weights", len(r.Layers))
	}
	// In programs the table has the constant's type, and the length of its indices.
	for _, name := range []string{"ios16_fp16.mlpackage", "ios18_fp16.mlpackage"} {
		table := []float32{-.3, -.2, -.1, -.05, .05, .1, .2, .3}
		m := testModel(t, name)
		quantized(t, m, Options{Bits: 3, Mode: CustomLUT, Tables: Tables{"": table}, MinElements: 101})
		all, p := taken(t, m)
		got, err := p.value(all["main/linear.weight"])
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range got.F32() {
			if !slices.ContainsFunc(table, func(y float32) bool { return math.Abs(float64(x-y)) < 1e-4 }) {
				t.Fatalf("%s: value %g is not in the table", name, x)
			}
		}
	}
}

// Results are taken in order, at most so many wait, and the first error ends it.
func TestOrdered(t *testing.T) {
	broken := errors.New("broken")
	for _, workers := range []int{1, 3} {
		for _, bad := range []int{-1, 0, 7} {
			next := 0
			err := ordered(context.Background(), 20, workers, 2, func(_ context.Context, i int) (int, error) {
				if i == bad || bad == 7 && i == 8 {
					return 0, fmt.Errorf("%d: %w", i, broken)
				}
				return i * i, nil
			}, func(i, v int) error {
				if i != next || v != i*i {
					t.Errorf("took %d, %d, want %d", i, v, next)
				}
				next++
				return nil
			})
			switch {
			case bad < 0 && (err != nil || next != 20):
				t.Errorf("took %d: %v", next, err)
			case bad >= 0 && (!errors.Is(err, broken) || next != bad || err.Error() != fmt.Sprintf("%d: broken", bad)):
				t.Errorf("took %d: %v", next, err)
			}
		}
	}
	err := ordered(context.Background(), 3, 1, 1, func(context.Context, int) (int, error) { return 0, nil }, func(i, _ int) error { return broken })
	if err != broken {
		t.Errorf("have %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := ordered(ctx, 3, 1, 1, func(ctx context.Context, _ int) (int, error) { return 0, ctx.Err() }, func(int, int) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("have %v", err)
	}
	if err := ordered(context.Background(), 0, 1, 0, func(context.Context, int) (int, error) { return 0, nil }, func(int, int) error { return nil }); err != nil {
		t.Errorf("nothing to do: %v", err)
	}
}
