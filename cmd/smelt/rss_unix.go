//go:build unix

package main

import (
	"runtime"
	"syscall"
)

// peakRSS returns the most memory that the process has had, in bytes; 0 if the
// system does not tell.
func peakRSS() int64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	if runtime.GOOS == "darwin" || runtime.GOOS == "ios" {
		return int64(u.Maxrss) //nolint:unconvert // int32 on some systems
	}
	return int64(u.Maxrss) * 1024 //nolint:unconvert // int32 on some systems
}
