package cpu

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	if l, err := Parse(""); err != nil || l != Best() {
		t.Errorf(`Parse("") = %v, %v; want %v`, l, err, Best())
	}
	for l := Generic; l < Levels; l++ {
		got, err := Parse(l.String())
		switch {
		case l <= Best() && (err != nil || got != l):
			t.Errorf("Parse(%q) = %v, %v", l, got, err)
		case l > Best() && (err == nil || !strings.Contains(err.Error(), "no level above")):
			t.Errorf("Parse(%q): error %v does not say that the level is unavailable", l, err)
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
}
