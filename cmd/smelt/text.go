package main

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// plain takes out of a text what would disturb a terminal or a table.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, s)
}

// bytesText writes a size: "4.97 MB".
func bytesText(n int64) string {
	v, unit := float64(n), ""
	for _, u := range []string{"kB", "MB", "GB", "TB"} {
		if v < 1000 {
			break
		}
		v /= 1000
		unit = u
	}
	switch {
	case unit == "":
		return fmt.Sprintf("%d bytes", n)
	case v < 10:
		return fmt.Sprintf("%.2f %s", v, unit)
	case v < 100:
		return fmt.Sprintf("%.1f %s", v, unit)
	}
	return fmt.Sprintf("%.0f %s", v, unit)
}

// commas writes a whole number with its thousands apart: "1,235,496".
func commas(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
