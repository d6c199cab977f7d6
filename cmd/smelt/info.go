package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/smelt-ml/smelt"
	"github.com/smelt-ml/smelt/mlmodel"
)

func (a *app) info() *cobra.Command {
	return &cobra.Command{
		Use:   "info MODEL",
		Short: "Describe a model: inputs, outputs, layers, weights",
		Example: `  smelt info SqueezeNet.mlmodel
  smelt info --json MyModel.mlpackage | jq .layers`,
		Args: wants(1, 1, "one MODEL"),
		RunE: a.verb(func(_ context.Context, args []string) error {
			m, err := smelt.Open(args[0])
			if err != nil {
				return err
			}
			defer m.Close()
			info, err := m.Info()
			if err != nil {
				return err
			}
			report := newInfoReport(info)
			report.Source, report.Notes = m.Source()
			return a.print(report, func(w io.Writer) { report.write(w, args[0]) })
		}),
	}
}

type infoReport struct {
	Type         string            `json:"type"`
	Source       string            `json:"source,omitempty"` // of a file that is no Core ML model: what it is
	Notes        []string          `json:"notes,omitempty"`  // where it differs from that
	SpecVersion  int32             `json:"spec_version"`
	System       string            `json:"system"`
	SizeBytes    int64             `json:"size_bytes"`
	Inputs       []featureReport   `json:"inputs"`
	Outputs      []featureReport   `json:"outputs"`
	States       []featureReport   `json:"states,omitempty"`
	Functions    []functionReport  `json:"functions,omitempty"`
	Predicted    *predictedReport  `json:"predicted,omitempty"`
	Metadata     metadataReport    `json:"metadata"`
	Parameters   int64             `json:"parameters"`
	WeightBytes  int64             `json:"weight_bytes"`
	Layers       map[string]int    `json:"layers"`
	Dependencies []dependencyEntry `json:"dependencies"`
}

type featureReport struct {
	Name        string    `json:"name"`
	Type        string    `json:"type"`
	Shape       []int64   `json:"shape"` // C×H×W of pictures
	DType       string    `json:"dtype,omitempty"`
	ColorSpace  string    `json:"color_space,omitempty"`
	Flexible    bool      `json:"flexible,omitempty"`
	Shapes      [][]int   `json:"shapes,omitempty"` // all that are allowed, or
	Ranges      [][]int64 `json:"ranges,omitempty"` // least and greatest of each dimension, -1 for no end
	Optional    bool      `json:"optional,omitempty"`
	Description string    `json:"description,omitempty"`
	text        string
}

type functionReport struct {
	Name    string          `json:"name"`
	Inputs  []featureReport `json:"inputs"`
	Outputs []featureReport `json:"outputs"`
	States  []featureReport `json:"states,omitempty"`
}

type predictedReport struct {
	Feature       string `json:"feature"`
	Probabilities string `json:"probabilities,omitempty"`
}

type metadataReport struct {
	ShortDescription string            `json:"short_description"`
	Author           string            `json:"author"`
	License          string            `json:"license"`
	Version          string            `json:"version"`
	UserDefined      map[string]string `json:"user_defined"`
}

type dependencyEntry struct {
	Kind        string         `json:"kind"`
	ClassName   string         `json:"class_name"`
	Description string         `json:"description"`
	Parameters  map[string]any `json:"parameters"`
}

func newInfoReport(info smelt.Info) infoReport {
	r := infoReport{
		Type: info.Type, SpecVersion: info.SpecVersion, System: mlmodel.SystemOf(info.SpecVersion), SizeBytes: info.SizeBytes,
		Metadata:   metadataReport(info.Metadata),
		Parameters: info.Parameters, WeightBytes: info.WeightBytes, Layers: info.Layers,
		Dependencies: []dependencyEntry{},
	}
	if r.Metadata.UserDefined == nil {
		r.Metadata.UserDefined = map[string]string{}
	}
	for _, d := range info.Dependencies {
		r.Dependencies = append(r.Dependencies, dependencyEntry(d))
	}
	for i, f := range info.Functions {
		one := functionReport{f.Function, features(f.Inputs), features(f.Outputs), features(f.States)}
		if i == 0 { // the default function's come first
			r.Inputs, r.Outputs, r.States = one.Inputs, one.Outputs, one.States
			if f.PredictedFeature != "" {
				r.Predicted = &predictedReport{f.PredictedFeature, f.PredictedProbabilities}
			}
		}
		if f.Function != "" {
			r.Functions = append(r.Functions, one)
		}
	}
	return r
}

func features(all []mlmodel.Feature) []featureReport {
	out := []featureReport{}
	for _, f := range all {
		r := featureReport{Name: f.Name, Type: string(f.Kind), Shape: []int64{}, Optional: f.Optional, Description: f.Description, text: f.Type()}
		switch {
		case f.Image != nil:
			channels := int64(3)
			if strings.HasPrefix(f.Image.ColorSpace, "GRAY") {
				channels = 1
			}
			r.Shape = []int64{channels, f.Image.Height, f.Image.Width}
			r.ColorSpace, r.Flexible = f.Image.ColorSpace, f.Image.Flexible()
		case f.Array != nil:
			r.Shape = append(r.Shape, f.Array.Shape...)
			r.DType, r.Flexible = f.Array.DType.String(), f.Array.Flexible()
		}
		r.Shapes = f.Shapes().Enumerated
		for _, size := range f.Shapes().Ranges {
			r.Ranges = append(r.Ranges, []int64{size.Min, size.Max})
		}
		out = append(out, r)
	}
	return out
}

func (r *infoReport) write(w io.Writer, path string) {
	fmt.Fprintf(w, "%s\n", path)
	if r.Source != "" {
		fmt.Fprintf(w, "type\t%s, shown as the %s that it becomes\n", r.Source, r.Type)
	} else {
		fmt.Fprintf(w, "type\t%s\n", r.Type)
	}
	for _, note := range r.Notes {
		fmt.Fprintf(w, "note\t%s\n", plain(note))
	}
	fmt.Fprintf(w, "spec version\t%d (%s)\n", r.SpecVersion, r.System)
	fmt.Fprintf(w, "size\t%s\n", bytesText(r.SizeBytes))
	fmt.Fprintf(w, "weights\t%s parameters in %s\n", commas(r.Parameters), bytesText(r.WeightBytes))
	m := r.Metadata
	for _, line := range [][2]string{{"description", m.ShortDescription}, {"author", m.Author}, {"license", m.License}, {"version", m.Version}} {
		if line[1] != "" {
			fmt.Fprintf(w, "%s\t%s\n", line[0], plain(line[1]))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(m.UserDefined)) {
		fmt.Fprintf(w, "%s\t%s\n", plain(key), plain(m.UserDefined[key]))
	}
	if len(r.Functions) > 0 {
		for _, f := range r.Functions {
			fmt.Fprintf(w, "\nfunction %s\n", plain(f.Name))
			writeFeatures(w, "inputs", f.Inputs)
			writeFeatures(w, "outputs", f.Outputs)
			writeFeatures(w, "states", f.States)
		}
	} else {
		writeFeatures(w, "\ninputs", r.Inputs)
		writeFeatures(w, "outputs", r.Outputs)
		writeFeatures(w, "states", r.States)
	}
	fmt.Fprintf(w, "\nlayers\n")
	names := slices.SortedFunc(maps.Keys(r.Layers), func(x, y string) int {
		if d := r.Layers[y] - r.Layers[x]; d != 0 {
			return d
		}
		return strings.Compare(x, y)
	})
	for _, name := range names {
		fmt.Fprintf(w, "  %s\t%d\n", plain(name), r.Layers[name])
	}
	if len(r.Dependencies) > 0 {
		fmt.Fprintf(w, "\nneeds\n")
		for _, d := range r.Dependencies {
			fmt.Fprintf(w, "  %s %s\t%s\n", d.Kind, plain(d.ClassName), plain(d.Description))
		}
	}
}

func writeFeatures(w io.Writer, title string, all []featureReport) {
	if len(all) == 0 {
		return
	}
	fmt.Fprintln(w, title)
	for _, f := range all {
		optional := ""
		if f.Optional {
			optional = " (optional)"
		}
		fmt.Fprintf(w, "  %s\t%s%s\n", plain(f.Name), f.text, optional)
	}
}
