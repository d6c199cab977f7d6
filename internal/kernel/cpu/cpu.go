// Package cpu says which instructions the kernels may use.
package cpu

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
)

// Level is a set of instructions that a family of kernels is written for.
type Level uint8

const (
	// Generic is portable Go.
	Generic Level = iota
	// AVX2 is amd64 with AVX2 and FMA.
	AVX2
	// AVX512 is amd64 with AVX-512 F, BW, DQ and VL, besides AVX2.
	AVX512
	// NEON is arm64, all of which have it.
	NEON

	// Levels is how many levels there are, to size tables indexed by Level.
	Levels
)

var names = [Levels]string{"generic", "avx2", "avx512", "neon"}

func (l Level) String() string {
	if l < Levels {
		return names[l]
	}
	return fmt.Sprintf("Level(%d)", uint8(l))
}

// Variable is the environment variable that forces a level.
const Variable = "SMELT_CPU"

// Best is the highest level of this machine and this build.
func Best() Level { return available[len(available)-1] }

// Available lists the levels of this machine and this build, lowest first. A
// higher one includes the lower ones.
func Available() []Level { return slices.Clone(available) }

// Active is the level to use: the one that the environment variable SMELT_CPU
// names when the process first asks, else Best. It is an error to name a level
// that does not exist, or one that this machine or build lacks.
func Active() (Level, error) { return active() }

var active = sync.OnceValues(func() (Level, error) { return Parse(os.Getenv(Variable)) })

// Parse returns the level with the given name, and Best for the empty name.
func Parse(name string) (Level, error) {
	if name == "" {
		return Best(), nil
	}
	l := Level(slices.Index(names[:], name))
	switch {
	case l >= Levels:
		return Generic, fmt.Errorf("%s=%s: unknown level (want one of %s)", Variable, name, strings.Join(names[:], ", "))
	case !slices.Contains(available, l):
		return Generic, fmt.Errorf("%s=%s: this machine or build has only %v", Variable, name, available)
	}
	return l, nil
}
