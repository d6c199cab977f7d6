// Package cpu says which instructions the kernels may use.
package cpu

import (
	"fmt"
	"os"
	"sync"
)

// Level is a set of instructions that a family of kernels is written for.
// A higher level includes the lower ones.
type Level uint8

const (
	// Generic is portable Go.
	Generic Level = iota
	// AVX2 is amd64 with AVX2 and FMA.
	AVX2
	// AVX512 is amd64 with AVX-512 F, BW, DQ and VL, besides AVX2.
	AVX512

	// Levels is how many levels there are, to size tables indexed by Level.
	Levels
)

var names = [Levels]string{"generic", "avx2", "avx512"}

func (l Level) String() string {
	if l < Levels {
		return names[l]
	}
	return fmt.Sprintf("Level(%d)", uint8(l))
}

// Variable is the environment variable that forces a level.
const Variable = "SMELT_CPU"

// Best is the highest level of this machine and this build.
func Best() Level { return best }

// Available lists the levels of this machine and this build, lowest first.
func Available() []Level {
	var ls []Level
	for l := Generic; l <= best; l++ {
		ls = append(ls, l)
	}
	return ls
}

// Active is the level to use: the one that the environment variable SMELT_CPU
// names when the process first asks, else Best. It is an error to name a level
// that does not exist, or one that this machine or build lacks.
func Active() (Level, error) { return active() }

var active = sync.OnceValues(func() (Level, error) { return Parse(os.Getenv(Variable)) })

// Parse returns the level with the given name, and Best for the empty name.
func Parse(name string) (Level, error) {
	if name == "" {
		return best, nil
	}
	for l, s := range names {
		if s != name {
			continue
		}
		if Level(l) > best {
			return Generic, fmt.Errorf("%s=%s: this machine or build has no level above %q", Variable, name, best)
		}
		return Level(l), nil
	}
	return Generic, fmt.Errorf("%s=%s: unknown level (want generic, avx2 or avx512)", Variable, name)
}
