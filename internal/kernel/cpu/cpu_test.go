package cpu

import (
	"runtime"
	"slices"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	if l, err := Parse(""); err != nil || l != Best() {
		t.Errorf(`Parse("") = %v, %v; want %v`, l, err, Best())
	}
	for l := Generic; l < Levels; l++ {
		got, err := Parse(l.String())
		switch has := slices.Contains(Available(), l); {
		case has && (err != nil || got != l):
			t.Errorf("Parse(%q) = %v, %v", l, got, err)
		case !has && (err == nil || !strings.Contains(err.Error(), "has only [generic")):
			t.Errorf("Parse(%q): error %v does not say which levels there are", l, err)
		}
	}
	for _, bad := range []string{"AVX2", "sse", " ", "generic "} {
		if _, err := Parse(bad); err == nil || !strings.Contains(err.Error(), "unknown level") {
			t.Errorf("Parse(%q): error %v does not say that the level is unknown", bad, err)
		}
	}
}

func TestAvailable(t *testing.T) {
	ls := Available()
	if ls[0] != Generic || ls[len(ls)-1] != Best() {
		t.Errorf("Available() = %v, Best() = %v", ls, Best())
	}
	for _, l := range ls {
		if l == NEON && runtime.GOARCH != "arm64" || (l == AVX2 || l == AVX512) && runtime.GOARCH != "amd64" {
			t.Errorf("%v on %s", l, runtime.GOARCH)
		}
	}
}
