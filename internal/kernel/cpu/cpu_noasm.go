//go:build noasm || !(amd64 || arm64)

package cpu

var available = []Level{Generic}
