//go:build !unix && !windows

package main

// peakRSS returns 0: the system does not tell how much memory the process has
// had.
func peakRSS() int64 { return 0 }
