package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/smelt-ml/smelt/internal/kernel/cpu"
)

func (a *app) version() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Tell the version of smelt",
		Example: "  smelt version",
		Args:    wants(0, 0, "no argument"),
		RunE: a.verb(func(context.Context, []string) error {
			level, err := cpu.Active()
			if err != nil {
				return err
			}
			report := struct {
				Version  string `json:"version"`
				Revision string `json:"revision,omitempty"`
				Go       string `json:"go"`
				OS       string `json:"os"`
				Arch     string `json:"arch"`
				Kernels  string `json:"kernels"`
			}{Version: "devel", Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH, Kernels: level.String()}
			if b, ok := debug.ReadBuildInfo(); ok {
				if v := b.Main.Version; v != "" && v != "(devel)" {
					report.Version = v
				}
				for _, s := range b.Settings {
					if s.Key == "vcs.revision" {
						report.Revision = s.Value
					}
				}
			}
			return a.print(report, func(w io.Writer) {
				fmt.Fprintf(w, "smelt %s (%s %s/%s, %s kernels)\n", report.Version, report.Go, report.OS, report.Arch, report.Kernels)
			})
		}),
	}
}
