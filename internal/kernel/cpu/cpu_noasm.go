//go:build noasm || !amd64

package cpu

const best = Generic
