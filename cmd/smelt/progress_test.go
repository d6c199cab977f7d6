package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// A bar shows after a while only, with the count and the time left, and is
// taken away in the end.
func TestBar(t *testing.T) {
	var b bytes.Buffer
	a := &app{}
	show, finish := a.bar("melting", &b)
	show(1, 10)
	show(2, 10)
	if b.Len() > 0 {
		t.Errorf("at once there is %q", &b)
	}
	time.Sleep(patience + 120*time.Millisecond)
	show(5, 10)
	if text := b.String(); !strings.Contains(text, "melting") || !strings.Contains(text, "5/10") || !strings.Contains(text, "50%") || !strings.Contains(text, "s]") {
		t.Errorf("the bar is %q", text)
	}
	finish()
	if text := b.String(); !strings.HasSuffix(text, "\r") {
		t.Errorf("the bar stays: %q", text)
	}
}

// Without a terminal there is no bar.
func TestNoBar(t *testing.T) {
	a := &app{stderr: &bytes.Buffer{}}
	show, finish := a.progress("melting")
	if finish(); show != nil {
		t.Error("there is a bar without a terminal")
	}
}
