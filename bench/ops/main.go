// Ops lists what is supported and how many golden cases hold it: the operators
// of ML Programs, the layer kinds of neural networks, and the other types of
// models. It prints docs/ops.md:
//
//	go run ./bench/ops -data ../shared/data > docs/ops.md
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/smelt-ml/smelt/internal/conformance"
	"github.com/smelt-ml/smelt/internal/frontend/coreml"
	"github.com/smelt-ml/smelt/internal/predict"
)

func main() {
	log.SetFlags(0)
	data := flag.String("data", filepath.Join("..", "shared", "data"), "folder with the conformance archives")
	flag.Parse()
	c, err := count(context.Background(), filepath.Join(*data, "conformance"))
	if err != nil {
		log.Fatal("ops: ", err)
	}
	var page bytes.Buffer
	write(&page, c)
	if _, err := os.Stdout.Write(page.Bytes()); err != nil {
		log.Fatal("ops: ", err)
	}
}

// archives hold the golden cases.
var archives = []struct{ name, about string }{
	{"mil", "operators"},
	{"torch", "networks of torch, converted"},
	{"tf", "networks of TensorFlow, converted"},
	{"nn", "layers"},
	{"trees", "other models and pipelines"},
	{"compress", "compressed weights"},
}

// tally is how many of some cases passed.
type tally struct{ passed, total int }

func (t *tally) add(ok bool) {
	t.total++
	if ok {
		t.passed++
	}
}

func (t tally) String() string {
	if t.total == 0 {
		return "–"
	}
	return fmt.Sprintf("%d/%d", t.passed, t.total)
}

// counts holds the cases by archive, by operator, by layer kind and by type of
// model. A case counts for everything that it holds.
type counts struct{ archives, operators, layers, models map[string]tally }

func count(ctx context.Context, dir string) (*counts, error) {
	c := &counts{map[string]tally{}, map[string]tally{}, map[string]tally{}, map[string]tally{}}
	for _, a := range archives {
		suite, err := conformance.Load(filepath.Join(dir, a.name+".zip"))
		if err != nil {
			return nil, err
		}
		report, err := conformance.Run(ctx, suite, conformance.Engine(predict.Options{}), conformance.Options{})
		if err = errors.Join(err, suite.Close()); err != nil {
			return nil, err
		}
		for _, r := range report.Cases {
			add(c.archives, a.name, r.OK)
			rows := c.models
			switch {
			case r.Kind == "mlProgram":
				rows = c.operators
			case strings.HasPrefix(r.Kind, "neuralNetwork"):
				rows = c.layers
			}
			for _, name := range slices.Compact(slices.Sorted(slices.Values(r.Ops))) {
				add(rows, name, r.OK)
			}
		}
	}
	return c, nil
}

func add(rows map[string]tally, name string, ok bool) {
	t := rows[name]
	t.add(ok)
	rows[name] = t
}

// write writes the page. Only the last column of its tables comes from c.
func write(w io.Writer, c *counts) {
	fmt.Fprint(w, `# What is supported

Made by `+"`go run ./bench/ops -data ../shared/data > docs/ops.md`"+`. The last column is the golden cases passed, of all that hold the row's
thing: most come from coremltools' own tests, whose bounds they state. [conformance.md](conformance.md) tells why cases of ML
Programs do not pass.

`)
	table(w, "archive", "cases of", "passed")
	for _, a := range archives {
		row(w, a.name, a.about, c.archives[a.name])
	}
	fmt.Fprint(w, `
## Operators of ML Programs

Opsets are those in which the operator appeared or changed; the data types are those of its data, in the newest one. Engine: *kernel* is fast, with the
reference evaluation for the cases that the kernel does not serve; *reference* is the plain evaluation that kernels are held against; *interpreter*
is the engine itself: control flow, lists, states. What the cases hold is told without const.

`)
	table(w, "operator", "opsets", "data types", "engine", "cases")
	for _, versions := range operators() {
		newest := versions[len(versions)-1]
		row(w, newest.Name, since(versions), types(newest), engineOf(newest), c.operators[newest.Name])
	}
	fmt.Fprint(w, `
## Layer kinds of neural networks

The specification version is the lowest one that has the kind. A custom layer is computed by code of the app that uses it, and gives an error that
says so.

`)
	table(w, "layer", "specification version", "cases")
	for _, kind := range coreml.Kinds() {
		row(w, kind, layerVersion(kind), c.layers[kind])
	}
	fmt.Fprint(w, `
## Other types of models

Those that cannot be run are computed by parts of Apple's systems, or by code that is not in the file; the error says which. `+"`smelt info`"+` reads
all of them.

`)
	table(w, "type", "run", "cases")
	for _, m := range modelTypes() {
		row(w, m, runs(m), c.models[m])
	}
}

func table(w io.Writer, titles ...string) {
	fmt.Fprintf(w, "| %s |\n|%s\n", strings.Join(titles, " | "), strings.Repeat("--|", len(titles)))
}

func row(w io.Writer, cells ...any) {
	for _, cell := range cells {
		fmt.Fprintf(w, "| %v ", cell)
	}
	fmt.Fprintln(w, "|")
}
