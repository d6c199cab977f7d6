//go:build !noasm

package cpu

var available = []Level{Generic, NEON}
